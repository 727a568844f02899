# SPDX-License-Identifier: Apache-2.0
"""Small networks around one operator each, at every opset that changed it: x -> Conv -> the operator -> y.

networks() yields Network objects; `operators` in core/ops/ops.h that are not ONNX's own, or that a file never brings to an
export, are named in NOT_HERE."""
import re

import numpy as np
from onnx import TensorProto, defs, helper, numpy_helper

OLDEST, NEWEST = 7, 21
BATCH = 4 # of networks that fix it
F32 = np.float32

# Why an operator of the table has no network here.
NOT_HERE = {
    "Constant": "folded on import", "QLinearConv": "on codes", "QLinearMatMul": "on codes", "ConvInteger": "on codes",
    "MatMulInteger": "on codes", "DequantizeLinear": "on codes", "QuantizeLinear": "on codes",
    "DynamicQuantizeLinear": "on codes", "Swish": "newer than the newest opset that is read",
}


class Network:
    """One operator at one opset. x [N, *shape]; tolerance: how far the exported error may be from the simulated one, relative."""

    def __init__(self, op, opset, what, nodes, constants, shape, tolerance, low, high, positive, fixed):
        self.op, self.opset, self.tolerance = op, opset, tolerance
        self.name = f"{op}_{opset}" + (f"_{what.replace(' ', '_')}" if what else "")
        rng = np.random.default_rng(abs(hash_of(self.name)))
        channels = shape[0]
        w = (rng.normal(size=(channels, channels) + (1,) * (len(shape) - 1)) * .4).astype(F32)
        if positive:
            w = np.abs(w)
        self.batch = BATCH if fixed else 24
        self.x = rng.uniform(low, high, (24, *shape)).astype(F32)
        head = helper.make_node("Conv", ["x", "conv.w"], ["c"], name="conv")
        graph = helper.make_graph(
            [head, *nodes], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH if fixed else "batch", *shape])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants | {"conv.w": w}).items()])
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 19 else 10)


def hash_of(text):
    return sum(ord(c) * 31 ** i for i, c in enumerate(text)) % 2 ** 31


def versions(op):
    """The opsets from which on the operator is another, OLDEST for what is older."""
    since = sorted({s.since_version for s in defs.get_all_schemas_with_history() if s.name == op and not s.domain and not s.deprecated})
    return sorted({max(OLDEST, v) for v in since if v <= NEWEST and not (v < OLDEST and any(v < w <= OLDEST for w in since))})


def node(*a, **k):
    return helper.make_node(*a, **k)


def ints(*v):
    return np.array(v, np.int64)


TABLE = {}


def add(names, make, shape=(4, 6, 6), tolerance=.05, low=-1, high=1, positive=False, fixed=False):
    """make(opset, name) gives the nodes from c to y, and constants."""
    for name in names.split():
        TABLE[name] = (make, shape, tolerance, low, high, positive, fixed)


def plain(*more, **attrs):
    """The operator on c and constants."""
    names = [f"k{i}" for i in range(len(more))]
    return lambda o, n: ([node(n, ["c", *names], ["y"], **attrs)], dict(zip(names, more)))


def moved(since, *inputs, **attrs):
    """Inputs since an opset, attributes before: (name, value) each; None: absent."""
    def make(o, n):
        if o < since:
            old = {k: (v.tolist() if isinstance(v, np.ndarray) else v) for k, v in inputs if v is not None}
            return [node(n, ["c"], ["y"], **old, **attrs)], {}
        names = [k if v is not None else "" for k, v in inputs]
        arrays = {k: (v if isinstance(v, np.ndarray) else np.array(v, F32 if isinstance(v, float) else np.int64)) for k, v in inputs if v is not None}
        return [node(n, ["c", *names], ["y"], **attrs)], arrays
    return make


def via_integers(kind, *more, to=TensorProto.INT32, **attrs):
    """c -> Cast to integers -> the operator -> Cast back."""
    def make(o, n):
        names = [f"k{i}" for i in range(len(more))]
        return [node("Mul", ["c", "ten"], ["d"]), node("Abs", ["d"], ["d2"]), node("Cast", ["d2"], ["i"], to=kind),
                node(n, ["i", *names], ["j"], **attrs), node("Cast", ["j"], ["y"], to=TensorProto.FLOAT)], dict(zip(names, more)) | {"ten": F32(10)}
    return make


def to_float(*more, **attrs):
    """The operator gives no floats."""
    def make(o, n):
        names = [f"k{i}" for i in range(len(more))]
        return [node(n, ["c", *names], ["b"], **attrs), node("Cast", ["b"], ["y"], to=TensorProto.FLOAT)], dict(zip(names, more))
    return make


def constant(seed, *shape, scale=1.):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(F32)


# --- element by element
add("Abs Neg Relu Sigmoid Sign Softplus Softsign Tanh Sin Cos Atan Elu Exp Erf HardSigmoid LeakyRelu Selu Identity Floor Ceil "
    "Round Celu HardSwish Mish Gelu ThresholdedRelu Shrink Sinh Cosh Asinh Flatten GlobalAveragePool GlobalMaxPool GlobalLpPool "
    "LRN MeanVarianceNormalization LpNormalization",
    lambda o, n: ([node(n, ["c"], ["y"], **({"size": 3} if n == "LRN" else {}))], {}))
add("Tan Asin Acos Atanh", plain(), low=-.2, high=.2)
add("Sqrt Log Reciprocal Acosh", lambda o, n: ([node("Abs", ["c"], ["a"]), node("Add", ["a", "k"], ["b"]), node(n, ["b"], ["y"])], {"k": F32(1.5)}))
add("Dropout", lambda o, n: ([node(n, ["c"], ["d"], ratio=.3) if o < 12 else node(n, ["c", "r"], ["d"]), node("Relu", ["d"], ["y"])],
                             {} if o < 12 else {"r": F32(.3)}))
add("Add Sub Mul", plain(constant(1, 4, 1, 1)))
add("Div", plain(np.abs(constant(1, 4, 1, 1)) + F32(.5)))
add("Pow", plain(F32(2)))
add("PRelu", plain(np.abs(constant(2, 4, 1, 1, scale=.3))))
add("Max Min Mean Sum", lambda o, n: ([node("Sigmoid", ["c"], ["s"]), node(n, ["c", "s"], ["y"])], {}))
add("Mod", lambda o, n: ([node(n, ["c", "k"], ["y"], fmod=1)], {"k": F32(10)}))
add("Clip", moved(11, ("min", -.3), ("max", .4)))
add("Where", lambda o, n: ([node("Greater", ["c", "k"], ["b"]), node(n, ["b", "c", "k"], ["y"])], {"k": F32(.1)}))
add("And Or Xor", lambda o, n: ([node("Greater", ["c", "k"], ["b"]), node("Less", ["c", "l"], ["d"]), node(n, ["b", "d"], ["e"]),
                                 node("Cast", ["e"], ["y"], to=TensorProto.FLOAT)], {"k": F32(.1), "l": F32(.3)}), tolerance=1)
add("Not", lambda o, n: ([node("Greater", ["c", "k"], ["b"]), node(n, ["b"], ["e"]), node("Cast", ["e"], ["y"], to=TensorProto.FLOAT)], {"k": F32(.1)}), tolerance=1)
add("Greater GreaterOrEqual Less LessOrEqual", to_float(F32(.1)), tolerance=1)
add("Equal", via_integers(TensorProto.INT32, np.array(3, np.int32)), tolerance=1)
add("IsNaN IsInf", to_float())
add("BitShift", via_integers(TensorProto.UINT32, np.array(1, np.uint32), direction="LEFT"), tolerance=1)
add("BitwiseAnd BitwiseOr BitwiseXor", via_integers(TensorProto.INT32, np.array(5, np.int32)), tolerance=1)
add("BitwiseNot", via_integers(TensorProto.INT32), tolerance=1)
add("Cast", lambda o, n: ([node("Mul", ["c", "k"], ["m"]), node(n, ["m"], ["i"], to=TensorProto.INT32), node(n, ["i"], ["y"], to=TensorProto.FLOAT)], {"k": F32(8)}), tolerance=1)
add("CastLike", lambda o, n: ([node(n, ["c", "k"], ["i"]), node(n, ["i", "l"], ["y"])], {"k": np.array(0, np.int32), "l": F32(0)}), tolerance=1)

# --- products
add("Conv", plain(constant(4, 5, 4, 3, 3, scale=.3), constant(5, 5)))
add("ConvTranspose", plain(constant(4, 4, 5, 3, 3, scale=.3), constant(5, 5)))
add("MatMul", plain(constant(6, 6, 5)))
add("Gemm", lambda o, n: ([node("Flatten", ["c"], ["f"]), node(n, ["f", "w", "b"], ["y"])], {"w": constant(7, 144, 5, scale=.2), "b": constant(8, 5)}))
add("Einsum", plain(constant(9, 6, 5), equation="nchw,wk->nchk"))

# --- moves
add("Concat", lambda o, n: ([node("Relu", ["c"], ["r"]), node(n, ["c", "r"], ["y"], axis=1)], {}))
add("Transpose", plain(perm=[0, 2, 3, 1]))
add("DepthToSpace SpaceToDepth", plain(blocksize=2))
add("Expand", plain(ints(1, 4, 6, 6)))
add("Pad", moved(11, ("pads", ints(0, 0, 1, 2, 0, 0, 1, 0)), ("value", 0.)))
add("ReverseSequence", plain(np.full(BATCH, 3, np.int64), batch_axis=0, time_axis=1), fixed=True)
add("Slice", moved(10, ("starts", ints(1, 0)), ("ends", ints(3, 5)), ("axes", ints(1, 3))))
add("Split", lambda o, n: ([node(n, ["c"], ["p", "q"], axis=1, **({"num_outputs": 2} if o >= 18 else {})), node("Add", ["p", "q"], ["y"])], {}))
add("Tile", plain(ints(1, 2, 1, 1)))
add("Trilu", plain())
add("Gather", plain(ints(2, 0), axis=1))
add("GatherElements", lambda o, n: ([node(n, ["c", "i"], ["y"], axis=1)], {"i": np.full((BATCH, 2, 6, 6), 3, np.int64)}), fixed=True)
add("GatherND", plain(ints(*[[i, 2] for i in range(BATCH)])), fixed=True)
add("Scatter ScatterElements", lambda o, n: ([node(n, ["c", "i", "u"], ["y"], axis=1)], {"i": np.full((BATCH, 1, 6, 6), 2, np.int64), "u": constant(3, BATCH, 1, 6, 6)}), fixed=True)
add("ScatterND", lambda o, n: ([node(n, ["c", "i", "u"], ["y"])], {"i": ints([0], [2]), "u": constant(3, 2, 4, 6, 6)}))
add("Compress", plain(np.array([True, False, True, True]), axis=1))
add("Reshape", plain(ints(0, 2, -1)))
add("Squeeze", lambda o, n: ([node("Reshape", ["c", "s"], ["r"]), node(n, ["r"], ["y"], axes=[1])] if o < 13 else
                             [node("Reshape", ["c", "s"], ["r"]), node(n, ["r", "a"], ["y"])], {"s": ints(0, 1, 24, 6)} | ({"a": ints(1)} if o >= 13 else {})))
add("Unsqueeze", moved(13, ("axes", ints(1))))
add("CenterCropPad", plain(ints(4, 4), axes=[2, 3]))
add("MaxPool AveragePool LpPool", plain(kernel_shape=[2, 2], strides=[2, 2]))
add("MaxUnpool", lambda o, n: ([node("MaxPool", ["c"], ["p", "i"], kernel_shape=[2, 2], strides=[2, 2]), node(n, ["p", "i"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], {}), tolerance=1)
add("TopK", lambda o, n: ([node(n, ["c"], ["y", "i"], k=3)] if o < 10 else [node(n, ["c", "k"], ["y", "i"])], {} if o < 10 else {"k": ints(3)}), tolerance=.5)
add("Col2Im", lambda o, n: ([node("Reshape", ["c", "s"], ["r"]), node(n, ["r", "image", "block"], ["y"])],
                            {"s": ints(0, 4, 36), "image": ints(7, 7), "block": ints(2, 2)}))

# --- values made of nothing, or of shapes
add("ConstantOfShape", lambda o, n: ([node("Shape", ["c"], ["s"]), node(n, ["s"], ["z"]), node("Add", ["c", "z"], ["y"])], {}))
add("EyeLike", lambda o, n: ([node("Reshape", ["c", "s"], ["r"]), node(n, ["r"], ["e"]), node("MatMul", ["r", "v"], ["m"]), node("MatMul", ["m", "r"], ["q"]), node("Add", ["q", "e"], ["y"])],
                             {"s": ints(-1, 144), "v": constant(3, 144, BATCH, scale=.1)}), fixed=True)
add("NonZero", lambda o, n: ([node(n, ["k"], ["z"]), node("Cast", ["z"], ["f"], to=TensorProto.FLOAT), node("ReduceMax", ["f"], ["m"], keepdims=0), node("Mul", ["c", "m"], ["y"])], {"k": np.array([0, 1, 2], F32)}))
add("OneHot", lambda o, n: ([node("ArgMax", ["c"], ["a"], axis=1, keepdims=0), node(n, ["a", "d", "v"], ["y"], axis=1)], {"d": ints(4), "v": np.array([0, 1], F32)}), tolerance=1)
add("Range", lambda o, n: ([node(n, ["a", "b", "d"], ["r"]), node("Add", ["c", "r"], ["y"])], {"a": F32(0), "b": F32(6), "d": F32(1)}))
add("Shape Size", lambda o, n: ([node(n, ["c"], ["s"]), node("Cast", ["s"], ["f"], to=TensorProto.FLOAT), node("ReduceMax", ["f"], ["m"], keepdims=0),
                                 node("Div", ["c", "m"], ["y"])], {}), tolerance=1)

# --- normalization, sums
add("BatchNormalization", lambda o, n: ([node("Relu", ["c"], ["r"]), node(n, ["r", "s", "b", "m", "v"], ["y"], **({"spatial": 1} if o < 9 else {}))],
                                        {"s": constant(1, 4), "b": constant(2, 4), "m": constant(3, 4), "v": np.abs(constant(4, 4)) + F32(.5)}))
add("GroupNormalization", lambda o, n: ([node(n, ["c", "s", "b"], ["y"], num_groups=2)], {"s": constant(1, 2 if o < 21 else 4), "b": constant(2, 2 if o < 21 else 4)}))
add("InstanceNormalization", plain(constant(1, 4), constant(2, 4)))
add("LayerNormalization", plain(constant(1, 6), constant(2, 6)))
add("Softmax LogSoftmax Hardmax", lambda o, n: ([node(n, ["c"], ["y"], axis=2)], {}), tolerance=.3)
add("ArgMax ArgMin", to_float(axis=1), tolerance=1)
add("CumSum", plain(np.array(2, np.int64)))
add("ReduceSum", moved(13, ("axes", ints(2, 3))))
add("ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp", moved(18, ("axes", ints(2, 3))))
add("ReduceProd", moved(18, ("axes", ints(3))), tolerance=.3)
add("ReduceLogSum", lambda o, n: ([node("Abs", ["c"], ["a"]), node("Add", ["a", "one"], ["b"]), node(n, ["b"], ["y"], axes=[2])] if o < 18 else
                                  [node("Abs", ["c"], ["a"]), node("Add", ["a", "one"], ["b"]), node(n, ["b", "axes"], ["y"])], {"one": F32(1)} | ({"axes": ints(2)} if o >= 18 else {})))
add("Det", lambda o, n: ([node(n, ["c"], ["y"])], {}), tolerance=.5)

# --- images
add("Resize", lambda o, n: ([node(n, ["c", "s"], ["y"])] if o < 11 else [node(n, ["c", "roi", "s"], ["y"], mode="linear")],
                            {"s": np.array([1, 1, 2, 2], F32)} | ({"roi": np.zeros(0, F32)} if o >= 11 else {})))
add("Upsample", lambda o, n: ([node(n, ["c"], ["y"], scales=[1., 1., 2., 2.])], {}) if o < 9 else ([node(n, ["c", "s"], ["y"], mode="linear")], {"s": np.array([1, 1, 2, 2], F32)}))
add("GridSample", lambda o, n: ([node("Slice", ["c", "a", "b", "d"], ["g0"]), node("Transpose", ["g0"], ["g"], perm=[0, 2, 3, 1]),
                                 node(n, ["c", "g"], ["y"], mode="bilinear" if o < 20 else "linear")], {"a": ints(0), "b": ints(2), "d": ints(1)}), tolerance=1)
add("AffineGrid", lambda o, n: ([node("ReduceMean", ["c", "axes"], ["m"], keepdims=0), node("Reshape", ["m", "r"], ["t0"]), node("MatMul", ["t0", "k"], ["t"]), node(n, ["t", "s"], ["y"])],
                                {"axes": ints(2, 3), "r": ints(0, 2, 2), "k": constant(3, 2, 3), "s": ints(BATCH, 1, 5, 5)}), tolerance=.5, fixed=True)

# --- recurrent
def recurrent(gates):
    def make(o, n):
        return [node("Transpose", ["c"], ["t"], perm=[2, 0, 1]), node(n, ["t", "w", "r"], ["", "h"], hidden_size=3), node("ReduceSum", ["h"], ["y"], axes=[0], keepdims=0)] if o < 13 else \
            [node("Transpose", ["c"], ["t"], perm=[2, 0, 1]), node(n, ["t", "w", "r"], ["", "h"], hidden_size=3), node("ReduceSum", ["h", "a"], ["y"], keepdims=0)], \
            {"w": constant(1, 1, 3 * gates, 4, scale=.5), "r": constant(2, 1, 3 * gates, 3, scale=.5)} | ({"a": ints(0)} if o >= 13 else {})
    return make


add("LSTM", recurrent(4), shape=(4, 7))
add("GRU", recurrent(3), shape=(4, 7))
add("RNN", recurrent(1), shape=(4, 7))


# --- other attributes, inputs and places: (operator, opset, what) -> as above
VARIANTS = {}


def variant(op, opsets, what, make, shape=(4, 6, 6), tolerance=.05, low=-1, high=1, positive=False, fixed=False):
    for opset in opsets if isinstance(opsets, tuple) else (opsets,):
        VARIANTS[op, opset, what] = (make, shape, tolerance, low, high, positive, fixed)


def scaled(*scales, sizes=None, **attrs):
    """Resize from opset 11 on."""
    def make(o, n):
        given = {"roi": np.zeros(0, F32)} if o < 13 else {}
        given |= {"s": np.array(scales, F32)} if scales or o < 13 else {}
        given |= {"z": ints(*sizes)} if sizes else {}
        return [node(n, ["c", "roi" if "roi" in given else "", "s" if "s" in given else "", *(["z"] if sizes else [])], ["y"], **attrs)], given
    return make


for _n in ("Softmax", "LogSoftmax", "Hardmax"):
    variant(_n, 7, "default axis over three dimensions", plain(), tolerance=.3)
    variant(_n, 11, "negative axis", plain(axis=-2), tolerance=.3)
    variant(_n, 7, "last axis", plain(axis=3), tolerance=.3)
    variant(_n, 7, "classes of a matrix", lambda o, n: ([node("Flatten", ["c"], ["f"]), node(n, ["f"], ["y"])], {}), shape=(4, 3, 1), tolerance=.3)
    variant(_n, 7, "classes before dimensions of 1", plain(), shape=(6, 1, 1), tolerance=.3)
for _scale in (.5, .4, 3.):
    variant("Resize", 10, f"nearest by {_scale}", lambda o, n, k=_scale: ([node(n, ["c", "s"], ["y"])], {"s": np.array([1, 1, k, k], F32)}), tolerance=.2)
variant("Resize", 10, "linear", lambda o, n: ([node(n, ["c", "s"], ["y"], mode="linear")], {"s": np.array([1, 1, 2, 1.5], F32)}))
variant("Resize", (11, 13, 18), "sizes", scaled(sizes=(BATCH, 4, 9, 3), mode="linear"), tolerance=.2, fixed=True)
variant("Resize", (11, 13), "align_corners", scaled(1, 1, 2, 2, mode="linear", coordinate_transformation_mode="align_corners"))
variant("Resize", 11, "tf_half_pixel_for_nn", scaled(1, 1, 2, 2, mode="nearest", coordinate_transformation_mode="tf_half_pixel_for_nn"))
variant("Resize", (11, 13), "cubic", scaled(1, 1, 2, 2, mode="cubic", cubic_coeff_a=-.5), tolerance=.1)
variant("Upsample", 7, "linear", lambda o, n: ([node(n, ["c"], ["y"], mode="linear", scales=[1., 1., 2., 3.])], {}))
variant("Upsample", 9, "nearest", lambda o, n: ([node(n, ["c", "s"], ["y"])], {"s": np.array([1, 1, 3, 2], F32)}))
for _mode in ("bicubic", "nearest", ""):
    variant("GridSample", 16, _mode or "default mode", lambda o, n, m=_mode: (
        [node("Slice", ["c", "a", "b", "d"], ["g0"]), node("Transpose", ["g0"], ["g"], perm=[0, 2, 3, 1]),
         node(n, ["c", "g"], ["y"], padding_mode="zeros" if m == "bicubic" else "border", align_corners=1, **({"mode": m} if m else {}))], {"a": ints(0), "b": ints(2), "d": ints(1)}), tolerance=1)
for _align in (0, 1):
    variant("GridSample", 16, f"bicubic, clamped, align_corners {_align}", lambda o, n, a=_align: (
        [node("Slice", ["c", "a", "b", "d"], ["g0"]), node("Mul", ["g0", "two"], ["g1"]), node("Transpose", ["g1"], ["g"], perm=[0, 2, 3, 1]),
         node(n, ["c", "g"], ["y"], mode="bicubic", padding_mode="border", align_corners=a)],
        {"a": ints(0), "b": ints(2), "d": ints(1), "two": F32(2)}), tolerance=1)
variant("Split", (7, 11), "unequal", lambda o, n: ([node(n, ["c"], ["p", "q"], axis=1, split=[1, 3]), node("Sub", ["q", "p"], ["y"])], {}))
variant("Split", 13, "unequal", lambda o, n: ([node(n, ["c", "s"], ["p", "q"], axis=1), node("Sub", ["q", "p"], ["y"])], {"s": ints(1, 3)}))
variant("Split", (7, 13), "three parts, one unread", lambda o, n: ([node(n, ["c"], ["p", "q", "r"], axis=2), node("Sub", ["r", "p"], ["y"])], {}))
variant("Clip", 7, "one bound", plain(min=-.2))
variant("Clip", 7, "the other bound", plain(max=.2))
variant("Clip", (7, 11), "no bound", plain())
variant("Pad", 7, "reflect", plain(pads=[0, 0, 1, 2, 0, 0, 2, 1], mode="reflect"))
variant("Pad", 7, "edge", plain(pads=[0, 0, 1, 2, 0, 0, 2, 1], mode="edge"))
variant("Slice", 7, "without axes", plain(starts=[0, 1, 1], ends=[100, 3, 5]), fixed=True)
variant("Slice", 11, "steps", lambda o, n: ([node(n, ["c", "b", "e", "a", "s"], ["y"])], {"b": ints(-1), "e": ints(-100), "a": ints(2), "s": ints(-2)}))
variant("ReduceSum", 7, "kept off", plain(axes=[1, 3], keepdims=0))
variant("ReduceMean", 11, "negative axes", plain(axes=[-1]))
variant("ReduceMax", 13, "kept off", plain(axes=[2, 3], keepdims=0))
variant("Squeeze", 7, "without axes", lambda o, n: ([node("Reshape", ["c", "s"], ["r"]), node(n, ["r"], ["y"])], {"s": ints(-1, 1, 24, 6)}))
variant("TopK", (7, 11), "indices alone", lambda o, n: (
    [node(n, ["c"], ["v", "i"], k=2, axis=2) if o < 10 else node(n, ["c", "k"], ["v", "i"], axis=2), node("Cast", ["i"], ["y"], to=TensorProto.FLOAT)],
    {} if o < 10 else {"k": ints(2)}), tolerance=1)
variant("Dropout", (7, 10), "last", lambda o, n: ([node("Relu", ["c"], ["r"]), node(n, ["r"], ["y"])], {}))
variant("Identity", 7, "of the input", lambda o, n: ([node(n, ["x"], ["s"]), node("Add", ["s", "c"], ["y"])], {}))
variant("BatchNormalization", 7, "not folded", lambda o, n: (
    [node("Add", ["c", "x"], ["a"]), node("Sigmoid", ["a"], ["r"]), node(n, ["r", "s", "b", "m", "v"], ["y"], spatial=1, momentum=.8, epsilon=.01)],
    {"s": constant(1, 4), "b": constant(2, 4), "m": constant(3, 4), "v": np.abs(constant(4, 4)) + F32(.5)}))
variant("GroupNormalization", 18, "before a layer", lambda o, n: ([node(n, ["c", "s", "b"], ["g"], num_groups=2, epsilon=.01), node("Conv", ["g", "w"], ["y"])],
                                                                   {"s": constant(1, 2), "b": constant(2, 2), "w": constant(3, 3, 4, 1, 1)}))
variant("Gelu", 13, "written out", lambda o, n: (
    [node("Div", ["c", "r2"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["e", "one"], ["f"]), node("Mul", ["c", "f"], ["g"]), node("Mul", ["g", "half"], ["y"])],
    {"r2": F32(2 ** .5), "one": F32(1), "half": F32(.5)}))
variant("LayerNormalization", 9, "written out", lambda o, n: (
    [node("ReduceMean", ["c"], ["m"], axes=[-1]), node("Sub", ["c", "m"], ["d"]), node("Pow", ["d", "two"], ["p"]), node("ReduceMean", ["p"], ["v"], axes=[-1]),
     node("Add", ["v", "eps"], ["w"]), node("Sqrt", ["w"], ["q"]), node("Div", ["d", "q"], ["n"]), node("Mul", ["n", "s"], ["k"]), node("Add", ["k", "b"], ["y"])],
    {"two": F32(2), "eps": F32(1e-5), "s": constant(1, 6), "b": constant(2, 6)}))
variant("LSTM", (7, 14), "cell alone", lambda o, n: (
    [node("Transpose", ["c"], ["t"], perm=[2, 0, 1]), node(n, ["t", "w", "r"], ["", "", "h"], hidden_size=3, direction="bidirectional"), node("Transpose", ["h"], ["y"], perm=[1, 0, 2])],
    {"w": constant(1, 2, 12, 4, scale=.5), "r": constant(2, 2, 12, 3, scale=.5)}), shape=(4, 7))
variant("GRU", 7, "all outputs", lambda o, n: (
    [node("Transpose", ["c"], ["t"], perm=[2, 0, 1]), node(n, ["t", "w", "r"], ["a", "h"], hidden_size=3, linear_before_reset=1),
     node("ReduceMean", ["a"], ["m"], axes=[0], keepdims=0), node("Add", ["m", "h"], ["s"]), node("Transpose", ["s"], ["y"], perm=[1, 0, 2])],
    {"w": constant(1, 1, 9, 4, scale=.5), "r": constant(2, 1, 9, 3, scale=.5)}), shape=(4, 7))


def table_of_operators(path):
    """Those of ONNX's own domain in core/ops/ops.h."""
    with open(path) as f:
        return re.findall(r'X\("", (\w+),', f.read())


def networks():
    for op, row in TABLE.items():
        for opset in versions(op):
            yield network(op, opset, "", *row)
    for (op, opset, what), row in VARIANTS.items():
        yield network(op, opset, what, *row)


def network(op, opset, what, make, shape, tolerance, low, high, positive, fixed):
    nodes, constants = make(opset, op)
    return Network(op, opset, what, nodes, constants, shape, tolerance, low, high, positive, fixed)
