# SPDX-License-Identifier: Apache-2.0
"""Small networks in which constants meet quantizers: numbers that operators put beside activations, channels without
weights, and one constant that several operators read, each in its own way. Functions that add nodes to a Net."""
import numpy as np

from small_networks import Net

rng = np.random.default_rng(11)
IMAGE, LINES, ROW = ["N", 4, 8, 8], ["N", 6, 8], ["N", 12]
AROUND = [0, 0, 1, 1, 0, 0, 1, 1]
NETWORKS = {}


def network(shape):
    def add(build):
        NETWORKS[build.__name__] = build, shape
        return build
    return add


def save(folder, name):
    """The same network each time, whatever was made before it."""
    global rng
    build, shape = NETWORKS[name]
    net = Net(shape)
    rng = np.random.default_rng(11)
    return net.save(folder, name, build(net)), shape


def normal(*shape):
    return rng.normal(size=shape)


def ints(n, *values):
    return n.constant(values, np.int64)


def conv(n, x, weight=None, bias=None, **more):
    w = n.constant(normal(4, 4, 3, 3) / 6 if weight is None else weight)
    return n("Conv", x, w, n.constant(normal(4) if bias is None else bias), **{"pads": [1] * 4} | more)


def pad(n, x, value=None, pads=AROUND, **more):
    return n("Pad", x, ints(n, *pads), *([] if value is None else [n.constant(np.float32(value))]), **more)


def pool(n, x):
    return n("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])


# What a Pad puts around an image.
PADS = {
    "half": lambda n, x: pad(n, x, 0.5),
    "far": lambda n, x: pad(n, x, 10),
    "very_far": lambda n, x: pad(n, x, 1000),
    "below_relu": lambda n, x: pad(n, n("Relu", x), -1),
    "edge": lambda n, x: pad(n, x, 7, mode="edge"),
    "reflected": lambda n, x: pad(n, x, mode="reflect"),
    "cut": lambda n, x: pad(n, x, 7, [0, 0, -1, -1, 0, 0, -1, -1]),
    "twice": lambda n, x: pad(n, pad(n, x, 3), -5),
    "channels": lambda n, x: n("Slice", pad(n, x, 3, [0, 1, 0, 0, 0, 2, 0, 0]), ints(n, 0), ints(n, 4), ints(n, 1)),
    "computed": lambda n, x: n("Pad", x, ints(n, *AROUND), n("ReduceMean", x, axes=[0, 1, 2, 3], keepdims=0)),
    "pool_of_nothing": lambda n, x: pool(n, pad(n, x, -np.inf)),
    "pool_of_lowest": lambda n, x: pool(n, pad(n, x, np.finfo(np.float32).min)),
    "pool_below_relu": lambda n, x: pool(n, pad(n, n("Relu", x), -1)),
    "pool_of_zeros": lambda n, x: pool(n, pad(n, n("Relu", x))),
    "average": lambda n, x: n("AveragePool", pad(n, x, 2), kernel_shape=[3, 3], strides=[2, 2]),
}
for name, put in PADS.items():
    NETWORKS["pad_" + name] = lambda n, put=put: conv(n, put(n, conv(n, "x"))), IMAGE


@network(IMAGE)
def pad_of_two_readers(n):
    y = n("Relu", conv(n, "x"))
    return n("Add", pad(n, y, -2), pad(n, conv(n, y), 0))


@network(IMAGE)
def pad_last(n):
    return pad(n, conv(n, "x"), 30)


# Other operators that bring numbers of their own.
BRING = {
    "where": lambda n, x: n("Where", n("Greater", x, n.constant(0.0)), x, n.constant(-7.0)),
    "clip": lambda n, x: n("Clip", n("Mul", x, n.constant(3.0)), n.constant(-0.37), n.constant(1.29)),
    "clip_of_conv": lambda n, x: n("Clip", x, n.constant(-0.37), n.constant(0.59)),
    "clip_to_bounds": lambda n, x: n("Clip", x, n.constant(5.0), n.constant(6.0)),
    "relu6": lambda n, x: n("Clip", n("Mul", x, n.constant(5.0)), n.constant(0.0), n.constant(6.0)),
    "bounds": lambda n, x: n("Min", n("Max", x, n.constant(0.3)), n.constant(normal(4, 1, 1)), n.constant(4.0)),
    "far_bounds": lambda n, x: n("Max", x, n.constant(normal(4, 1, 1) * 9)),
    "concat": lambda n, x: n("Slice", n("Concat", n("Expand", n.constant(np.full((1, 1, 8, 8), 9.0)), n("Shape", n(
        "Slice", x, ints(n, 0), ints(n, 1), ints(n, 1)))), x, axis=1), ints(n, 0), ints(n, 4), ints(n, 1)),
    "resize": lambda n, x: n("Resize", x, n.constant([0, 0, -0.2, -0.2, 1, 1, 1.3, 1.3]),
                             n.constant([1, 1, 1.4, 1.4]), mode="linear",
                             coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=12.0),
    "grid": lambda n, x: n("GridSample", n("Add", x, n.constant(5.0)), n("Mul", n("Tanh", n(
        "Slice", n("Transpose", x, perm=[0, 2, 3, 1]), ints(n, 0), ints(n, 2), ints(n, 3))), n.constant(1.6))),
    "counted_pads": lambda n, x: n("AveragePool", n("Add", x, n.constant(5.0)), kernel_shape=[3, 3], pads=[1] * 4,
                                   count_include_pad=1),
    "uncounted_pads": lambda n, x: n("MaxPool", n("Sub", n("Relu", x), n.constant(9.0)), kernel_shape=[3, 3],
                                     pads=[1] * 4),
    "scatter": lambda n, x: n("ScatterElements", x, n("Cast", n("Mul", n("Slice", x, ints(n, 0), ints(n, 1), ints(n, 2)),
                                                                n.constant(0.0)), to=7),
                              n("Add", n("Slice", x, ints(n, 0), ints(n, 1), ints(n, 2)), n.constant(8.0)), axis=2),
    "one_hot": lambda n, x: n("Add", x, n("OneHot", n("ArgMax", x, axis=3, keepdims=0), n.constant(8, np.int64),
                                          n.constant([-3.0, 11.0]))),
    "cumulated": lambda n, x: n("CumSum", x, n.constant(2, np.int64)),
    "triangle": lambda n, x: n("Trilu", n("Add", x, n.constant(6.0))),
}
for name, bring in BRING.items():
    NETWORKS["brings_" + name] = lambda n, bring=bring: conv(n, bring(n, conv(n, "x"))), IMAGE


@network(LINES)
def last_state(n):
    w, r, b = normal(1, 20, 8) / 2, normal(1, 20, 5) / 2, normal(1, 40)
    _, h, _ = n("LSTM", n("Transpose", "x", perm=[1, 0, 2]), n.constant(w), n.constant(r), n.constant(b), hidden_size=5,
                outputs=3)
    return n("MatMul", n("Squeeze", h, ints(n, 0)), n.constant(normal(5, 4)))


# Channels, layers and inputs of zeros, weights far smaller than the bias.
def without(channels, weight, by=0):
    weight[channels] *= by
    return weight


BIAS = [.1, -.45, .02, 3.1]
ZEROS = {
    "channels": lambda n, x: conv(n, x, without([0, 3], normal(4, 4, 3, 3)), BIAS),
    "depthwise": lambda n, x: conv(n, x, without([0, 3], normal(4, 1, 3, 3)), BIAS, group=4),
    "layer": lambda n, x: n("Add", x, conv(n, x, np.zeros((4, 4, 3, 3)), BIAS)),
    "layer_without_bias": lambda n, x: n("Conv", x, n.constant(np.zeros((4, 4, 3, 3)))),
    "input": lambda n, x: n("Relu", conv(n, x, bias=[-99] * 4)),
    "tiny_channels": lambda n, x: conv(n, x, without([1], without([2], normal(4, 4, 3, 3), 1e-9), 1e-13), BIAS),
    "tiny_layer": lambda n, x: conv(n, x, normal(4, 4, 3, 3) * 1e-11, BIAS),
    "transposed": lambda n, x: n("ConvTranspose", x, n.constant(without(np.s_[:, 2], normal(4, 4, 3, 3))),
                                 n.constant(BIAS)),
    "normalised": lambda n, x: n("Relu", n("BatchNormalization", n("Conv", x, n.constant(normal(4, 4, 3, 3))), n.constant(
        [1, 0, 1e-8, .5]), n.constant(BIAS), n.constant(normal(4)), n.constant([1, 2, 3, 4]))),
}
for name, zeros in ZEROS.items():
    NETWORKS["zeros_" + name] = lambda n, zeros=zeros: conv(n, zeros(n, conv(n, "x")), bias=normal(4) / 100), IMAGE


@network(ROW)
def zeros_in_matrices(n):
    w = n.constant(without(np.s_[:, 3], without(np.s_[:, 4], normal(12, 7), 1e-10)))
    y = n("Gemm", "x", w, n.constant(normal(7)))
    return n("MatMul", n("Add", n("MatMul", "x", w), y), n.constant(normal(7, 5)))


# Biases in 32 bits and others.
@network(ROW)
def alpha_and_beta(n):
    y = n("Gemm", "x", n.constant(normal(12, 7)), n.constant(normal(7)), alpha=.5, beta=3.)
    y = n("Gemm", n("Relu", y), n.constant(normal(9, 7)), n.constant(normal(9)), transB=1, alpha=2.)
    y = n("Gemm", n("Relu", y), n.constant(normal(9, 5)), n.constant(normal(1, 5)), beta=-.7)
    y = n("Gemm", y, n.constant(normal(5, 6)), n.constant(normal(1)), beta=.3)
    return n("Gemm", y, n.constant(normal(6, 6)), n.constant(normal(6)), alpha=-1.5, beta=.5)


@network(ROW)
def alpha_or_beta_of_zero(n):
    y = n("Gemm", "x", n.constant(normal(12, 7)), n.constant(normal(7)), alpha=0.)
    y = n("Add", y, n("Gemm", "x", n.constant(normal(12, 7)), n.constant(normal(7)), beta=0.))
    return n("Gemm", y, n.constant(normal(7, 6)), n.constant(normal(6)))


@network(IMAGE)
def single_products(n):
    """With 4-bit weights a code of these biases is a seventh of a step of the output."""
    y = n("Conv", "x", n.constant(normal(4, 1, 1, 1)), n.constant(normal(4)), group=4)
    return n("Conv", y, n.constant(normal(4, 1, 1, 1)), n.constant(normal(4)), group=4)


@network(IMAGE)
def one_dimension(n):
    y = n("Reshape", "x", ints(n, 0, 4, 64))
    y = n("Conv", y, n.constant(normal(6, 2, 3)), n.constant(normal(6)), group=2, pads=[1, 1])
    y = n("Conv", y, n.constant(normal(6, 1, 5)), n.constant(normal(6)), group=6)
    return n("ConvTranspose", y, n.constant(normal(6, 2, 4)), n.constant(normal(4)), group=2, strides=[2])


@network(IMAGE)
def three_dimensions(n):
    return n("Conv", n("Unsqueeze", "x", ints(n, 1)), n.constant(normal(3, 1, 2, 3, 3)), n.constant(normal(3)))


@network(ROW)
def weight_of_the_batch(n):
    """Constant once the batch is known, computed in the file."""
    w = n("Expand", n.constant(normal(1, 12, 7)), n("Concat", n("Slice", n("Shape", "x"), ints(n, 0), ints(n, 1)),
                                                    ints(n, 1, 1), axis=0))
    return n("Squeeze", n("MatMul", n("Unsqueeze", "x", ints(n, 1)), w), ints(n, 1))


@network(ROW)
def weight_and_bias_of_the_batch(n):
    count = n("Slice", n("Shape", "x"), ints(n, 0), ints(n, 1))
    one = n("Div", count, count)
    w = n("Expand", n.constant(normal(12, 7)), n("Concat", one, ints(n, 1), axis=0))
    return n("Gemm", "x", w, n("Expand", n.constant(normal(7)), one))


# One constant and all that can be done with it: of a square matrix on lines of x, a kernel and a vector on images.
def rows(n, x):
    return n("Reshape", x, ints(n, -1, 8))


def lines(n, x):
    return n("Reshape", x, ints(n, -1, 6, 8))


def turned(n, x):
    return n("Transpose", x, perm=[0, 2, 1])


def first(n, x, count, axis):
    return n("Slice", x, ints(n, 0), ints(n, count), ints(n, axis))


MATRIX = {
    "matmul": lambda n, x, w: n("MatMul", x, w),
    "matmul_left": lambda n, x, w: turned(n, n("MatMul", w, turned(n, x))),
    "gemm": lambda n, x, w: lines(n, n("Gemm", rows(n, x), w)),
    "gemm_transposed": lambda n, x, w: lines(n, n("Gemm", rows(n, x), w, transB=1)),
    "gemm_left": lambda n, x, w: lines(n, n("Transpose", n("Gemm", w, rows(n, x), transB=1), perm=[1, 0])),
    "gemm_left_transposed": lambda n, x, w: lines(n, n("Transpose", n(
        "Gemm", w, n("Transpose", rows(n, x), perm=[1, 0]), transA=1), perm=[1, 0])),
    "gemm_scaled": lambda n, x, w: lines(n, n("Gemm", rows(n, x), w, alpha=.5)),
    "einsum": lambda n, x, w: n("Einsum", x, w, equation="bti,ij->btj"),
    "einsum_transposed": lambda n, x, w: n("Einsum", x, w, equation="bti,ji->btj"),
    "conv": lambda n, x, w: turned(n, n("Conv", turned(n, x), n("Unsqueeze", w, ints(n, 2)))),
    "scaled": lambda n, x, w: n("Mul", n("MatMul", x, w), n.constant(rng.uniform(.5, 2, 8))),
    "add": lambda n, x, w: n("Add", x, first(n, w, 6, 0)),
    "mul": lambda n, x, w: n("Mul", x, first(n, w, 1, 0)),
    "gather": lambda n, x, w: n("Add", x, n("Gather", w, n("Min", n("Cast", n("Abs", n(
        "ReduceMean", x, axes=[2], keepdims=0)), to=7), n.constant(7, np.int64)))),
    "rnn": lambda n, x, w: n("Transpose", n("Squeeze", n("RNN", n("Transpose", x, perm=[1, 0, 2]), *[n(
        "Unsqueeze", w, ints(n, 0))] * 2, hidden_size=8, outputs=2)[0], ints(n, 1)), perm=[1, 0, 2]),
}
KERNEL = {
    "conv": lambda n, x, w: n("Conv", x, w, pads=[1] * 4),
    "conv_with_bias": lambda n, x, w: n("Conv", x, w, n.constant(normal(4)), pads=[1] * 4),
    "conv_dilated": lambda n, x, w: n("Conv", x, w, pads=[2] * 4, dilations=[2, 2]),
    "conv_grouped": lambda n, x, w: n("Conv", n("Concat", x, x, axis=1), w, pads=[1] * 4, group=2),
    "clipped": lambda n, x, w: n("Clip", n("Conv", x, w, pads=[1] * 4), n.constant(-1.0), n.constant(2.0)),
    "transposed": lambda n, x, w: n("ConvTranspose", x, w, pads=[1] * 4),
    "transposed_grouped": lambda n, x, w: first(n, n("ConvTranspose", x, w, pads=[1] * 4, group=2), 4, 1),
    "normalised": lambda n, x, w: n("BatchNormalization", n("Conv", x, w, pads=[1] * 4), n.constant(
        rng.uniform(.5, 2, 4)), *(n.constant(normal(4)) for _ in range(2)), n.constant(rng.uniform(.5, 2, 4))),
    "add": lambda n, x, w: pad(n, n("Add", first(n, first(n, x, 3, 2), 3, 3), first(n, w, 1, 0)),
                               pads=[0, 0, 0, 0, 0, 0, 5, 5]),
}
VECTOR = {
    "conv": lambda n, x, w: n("Conv", x, n.constant(normal(4, 4, 3, 3) / 5), w, pads=[1] * 4),
    "depthwise": lambda n, x, w: n("Conv", x, n.constant(normal(4, 1, 3, 3)), w, pads=[1] * 4, group=4),
    "transposed": lambda n, x, w: n("ConvTranspose", x, n.constant(normal(4, 4, 3, 3) / 5), w, pads=[1] * 4),
    "matmul": lambda n, x, w: n("Add", x, n("Unsqueeze", n("MatMul", n("Transpose", x, perm=[0, 2, 3, 1]), w), ints(n, 1))),
    "added": lambda n, x, w: n("Transpose", n("Add", n("MatMul", n("Transpose", x, perm=[0, 2, 3, 1]), n.constant(
        normal(4, 4))), w), perm=[0, 3, 1, 2]),
    "gemm": lambda n, x, w: n("Add", x, n("Unsqueeze", n("Gemm", n("Flatten", n("GlobalAveragePool", x)), n.constant(
        normal(4, 4)), w, beta=.5), ints(n, 2, 3))),
    "layer_norm": lambda n, x, w: n("Transpose", n("LayerNormalization", n("Transpose", x, perm=[0, 2, 3, 1]), w, w,
                                                   axis=-1), perm=[0, 3, 1, 2]),
    "instance_norm": lambda n, x, w: n("InstanceNormalization", x, w, w),
    "batch_norm": lambda n, x, w: n("BatchNormalization", n("Relu", x), w, w, w, n("Abs", w)),
    "folded": lambda n, x, w: n("BatchNormalization", n("Conv", x, n.constant(normal(4, 4, 1, 1))), w, w, w, n("Abs", w)),
    "prelu": lambda n, x, w: n("PRelu", x, n("Unsqueeze", w, ints(n, 1, 2))),
}
SHARED = {"matrix": (MATRIX, LINES, (8, 8), .4), "kernel": (KERNEL, IMAGE, (4, 4, 3, 3), .2), "vector": (VECTOR, IMAGE, (4,), 1)}


def add_shared(name, kind, *users):
    """Each user's output is the next one's input."""
    table, shape, size, scale = SHARED[kind]

    def build(n):
        y, w = "x", n.constant(normal(*size) * scale)
        for user in users:
            y = table[user](n, y, w)
        return y
    NETWORKS[name] = build, shape


PAIRS = []
for kind, (table, *_) in SHARED.items():
    for i, a in enumerate(table):
        for b in list(table)[i:]:
            PAIRS.append(f"{kind}_{a}_and_{b}")
            add_shared(PAIRS[-1], kind, a, b)
