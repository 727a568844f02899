# SPDX-License-Identifier: Apache-2.0
"""Small networks, one for each thing that has an integer step, as functions that add nodes to a Net."""
import os

import numpy as np
import onnx
import onnx.shape_inference
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(3)


class Net:
    """A chain of nodes on one input; each call adds a node and names its output."""

    def __init__(self, shape):
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
        if len(shape) == 4:
            self.inputs.append(helper.make_tensor_value_info("mask", TensorProto.INT64, [shape[0], shape[2]]))
        self.nodes, self.constants = [], []

    def constant(self, array, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def weight(self, *shape):
        return self.constant(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, outputs, channels, kernel=3, group=1, **more):
        w = self.weight(outputs, channels // group, kernel, kernel)
        return self("Conv", x, w, self.constant(rng.normal(size=outputs) * 0.1), group=group,
                    pads=[kernel // 2] * 4, **more)

    def save(self, folder, name, output):
        out = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, name, [i for i in self.inputs if any(i.name in n.input for n in self.nodes)],
                                  [out], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        path = os.path.join(folder, name + ".onnx")
        onnx.save(model, path)
        return path


def narrow(n):
    """Depthwise kernels of few channels: pixels side by side are computed as channels of one."""
    y = n.conv("x", 8, 12)
    y = n.conv(y, 8, 8, group=8)
    y = n.conv(y, 16, 8, 1)
    y = n.conv(y, 16, 16, group=16)
    return n.conv(y, 16, 16, 5, group=16)


def side_by_side(n):
    """Channels that fill no block of the kernels, in rows that leave some pixels over."""
    y = n.conv("x", 24, 12)
    y = n.conv(y, 24, 24, group=24)
    y = n.conv(y, 12, 24, 1)
    y = n.conv(y, 12, 12, 5, group=12)
    y = n.conv(y, 72, 12, 1)
    y = n.conv(y, 72, 72, group=72)
    y = n("Resize", n.conv(y, 20, 72, 1), "", n.constant([1, 1, 2, 7]), mode="nearest", nearest_mode="floor",
          coordinate_transformation_mode="asymmetric")
    return n.conv(y, 20, 20, group=20)


def colours(n):
    """Inputs of three channels, as bytes of three or of four, and more pixels than are converted at once."""
    return n.conv("x", 8, 3, strides=[2, 1])


def two_colours(n):
    return n.conv("x", 8, 2, strides=[2, 2])


def four_colours(n):
    return n.conv("x", 5, 4, 1)


def many_weights(n):
    """More than a cache holds: outputs are computed in parts, and a sum behind them."""
    y = n.conv(n.conv("x", 456, 12, 1), 320, 456)
    return n("Add", y, n.conv("x", 320, 12, 1))


def grouped(n):
    y = n.conv("x", 24, 12, group=4)
    y = n.conv(y, 20, 24, group=2, strides=[2, 1])
    y = n.conv(y, 40, 20, group=20)
    return n.conv(y, 12, 40, 1, group=4)


def dilated(n):
    y = n.conv("x", 10, 12, dilations=[2, 2])
    return n.conv(y, 7, 10, 5, strides=[2, 2])


def dilated_filters(n):
    """Wide enough for Winograd on every second, third and fifth pixel."""
    y = n("Resize", n.conv("x", 18, 12), "", n.constant([1, 1, 5, 7]), mode="nearest", nearest_mode="floor",
          coordinate_transformation_mode="asymmetric")
    y = n("Conv", y, n.weight(25, 18, 3, 3), dilations=[2, 2], pads=[2, 2, 2, 2])
    y = n("Conv", y, n.weight(34, 25, 3, 3), dilations=[3, 5], pads=[3, 0, 2, 7])
    return n("Conv", y, n.weight(17, 34, 3, 3), dilations=[1, 4], pads=[0, 4, 1, 3])


def far(n):
    """Windows that see the image with few kernel elements inside."""
    def wide(x, outputs, channels, kernel, pads, **more):
        w = n.weight(outputs, channels, *kernel)
        return n("Conv", x, w, n.constant(rng.normal(size=outputs) * 0.1), pads=pads, **more)

    y = n("Resize", n.conv("x", 18, 12), "", n.constant([1, 1, 3, 3]), mode="nearest", nearest_mode="floor",
          coordinate_transformation_mode="asymmetric")
    y = wide(y, 25, 18, (3, 3), [12, 11, 12, 11], dilations=[12, 11])
    y = wide(y, 7, 25, (3, 3), [30, 9, 30, 10], dilations=[30, 10])
    return wide(n("Relu", y), 9, 7, (5, 3), [16, 8, 16, 8], dilations=[8, 8], strides=[2, 1])


def joined(n):
    a, b = n.conv("x", 9, 12), n("Sigmoid", n.conv("x", 6, 12, 1))
    y = n("Concat", a, b, "x", axis=1)
    y = n("Resize", y, "", n.constant([1, 1, 2, 2]), mode="nearest", nearest_mode="floor",
          coordinate_transformation_mode="asymmetric")
    return n.conv(y, 8, 27)


def moved(n):
    y = n.conv("x", 16, 12)
    y = n("DepthToSpace", y, blocksize=2)
    y = n("Pad", y, n.constant([0, 0, 1, 2, 0, 0, 0, 1], np.int64))
    y = n("Slice", y, n.constant([1, 0], np.int64), n.constant([9, 1000], np.int64), n.constant([2, 3], np.int64),
          n.constant([1, 2], np.int64))
    a, b = n("Split", y, n.constant([1, 3], np.int64), axis=1, outputs=2)
    return n.conv(n("Concat", n.conv(a, 4, 1), n.conv(b, 4, 3, 1), axis=1), 5, 8)


def functions(n):
    y = n.conv("x", 8, 12)
    for op in ("HardSwish", "LeakyRelu", "Elu", "Tanh", "HardSigmoid", "Exp", "Softplus", "Erf", "Abs", "Neg"):
        y = n(op, n("Mul", y, n.constant(1.7)))
    return n("Sqrt", n("Add", n("Abs", y), n.constant([2.0])))


def operands(n):
    y = n.conv("x", 8, 12)
    z = n("Sigmoid", n.conv(n("GlobalAveragePool", y), 8, 8, 1))
    y = n("Sub", n("Mul", y, z), n("Tanh", y))
    y = n("Add", n("Div", y, n.constant(np.linspace(0.5, 2, 8).reshape(8, 1, 1))), z)
    y = n("PRelu", y, n.constant(np.linspace(-0.2, 0.3, 8).reshape(8, 1, 1)))
    return n("Mul", n.constant(rng.normal(size=(1, 1, 6, 5))), y)


def pools(n):
    y = n("MaxPool", n.conv("x", 12, 12), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = n("AveragePool", y, kernel_shape=[2, 2])
    y = n("Flatten", n("GlobalAveragePool", n.conv(y, 18, 12)))
    return n("Gemm", y, n.weight(18, 5), n.constant(rng.normal(size=5)))


def attention(n):
    """Two heads of 8 over 7 places of 16 numbers."""
    norm = n("LayerNormalization", "x", n.constant(rng.uniform(0.5, 2, 16)), n.constant(rng.normal(size=16)), axis=-1)
    head = n.constant([0, 7, 2, 8], np.int64)
    q, k, v = (n("Reshape", n("MatMul", norm, n.weight(16, 16)), head) for _ in range(3))
    q, v = (n("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    scores = n("MatMul", q, n("Transpose", k, perm=[0, 2, 3, 1]))
    chances = n("Softmax", n("Div", scores, n.constant(np.sqrt(8))), axis=-1)
    y = n("Transpose", n("MatMul", chances, v), perm=[0, 2, 1, 3])
    y = n("MatMul", n("Reshape", y, n.constant([0, 7, 16], np.int64)), n.weight(16, 16))
    return n("Add", y, "x")


def equations(n):
    """The same attention in equations, its layers split by heads."""
    q, k, v = (n("Einsum", "x", n.weight(16, 2, 8), equation="btd,dhk->bthk") for _ in range(3))
    chances = n("Softmax", n("Einsum", q, k, equation="bqhk,bshk->bhqs"), axis=-1)
    y = n("Einsum", chances, v, equation="bhqs,bshk->bqhk")
    return n("Einsum", y, n.weight(2, 8, 16), equation="bqhk,hkd->bqd")


def masked(n):
    """Three heads under a causal mask, a mask that says more than which numbers count and one that leaves nothing."""
    x = n("Transpose", "x", perm=[0, 2, 1, 3])
    scores = n("MatMul", x, n("Transpose", "x", perm=[0, 2, 3, 1]))
    mask = np.triu(np.full((37, 37), -1e9), 1)
    shifted = mask + rng.choice([0, 0, -2.5, 1.5], size=(3, 37, 37))
    shifted[:, 5] = -1e30
    y = n("MatMul", n("Softmax", n("Add", scores, n.constant(mask)), axis=-1), x)
    scores = n("MatMul", y, n("Transpose", y, perm=[0, 1, 3, 2]))
    return n("MatMul", n("Softmax", n("Add", n.constant(shifted), scores), axis=3), y)


def tokens(n):
    """The mask comes from the network's other input, one line for all heads and rows."""
    hidden = n("Mul", n("Sub", n.constant(1.0), n("Cast", "mask", to=TensorProto.FLOAT)), n.constant(-3.4e38))
    hidden = n("Unsqueeze", hidden, n.constant([1, 2], np.int64))
    scores = n("MatMul", "x", n("Transpose", "x", perm=[0, 1, 3, 2]))
    return n("MatMul", n("Softmax", n("Add", scores, hidden), axis=-1), "x")


def joined_rows(n):
    """Constants and parts of other scales, before and behind, along rows and along lines; more than a step's buffers."""
    y = n("Concat", n.constant(rng.normal(size=(1, 2, 16))), n("Tanh", "x"), "x", axis=1)
    y = n("Concat", y, n("MatMul", y, n.weight(16, 5)), n.constant(rng.normal(size=(1, 16, 3))), axis=-1)
    parts = [n("MatMul", y, n.weight(24, 3)) for _ in range(9)]
    return n("Add", n("Concat", *parts, axis=2), n.constant(1.5))


def joined_images(n):
    y = n.conv("x", 10, 12)
    y = n("Concat", y, n("Sigmoid", n.conv("x", 10, 12)), n.constant(rng.normal(size=(1, 10, 2, 5))), axis=2)
    y = n("Concat", y, n.conv(y, 3, 10), n.constant(rng.normal(size=(1, 5, 14, 5))), axis=1)
    return n.conv(y, 4, 18)


def turned(n):
    """Pixels in rows, rows turned into columns, and back."""
    y = n("Reshape", n.conv("x", 40, 12), n.constant([0, 40, -1], np.int64))
    y = n("Transpose", y, perm=[0, 2, 1])
    y = n("MatMul", y, n.weight(40, 70))
    y = n("Reshape", n("Transpose", y, perm=[0, 2, 1]), n.constant([2, 5, 7, 30], np.int64))
    y = n("Transpose", y, perm=[1, 2, 3, 0])
    return n("Transpose", n("Tanh", n("Transpose", n("Tanh", y), perm=[3, 2, 1, 0])), perm=[1, 0, 3, 2])


def transposed(n):
    def up(x, inputs, outputs, kernel, group=1, **more):
        w = n.weight(inputs, outputs // group, *kernel)
        return n("ConvTranspose", x, w, n.constant(rng.normal(size=outputs) * 0.1), group=group, **more)

    y = up("x", 12, 20, (2, 2), strides=[2, 2])
    y = up(y, 20, 18, (3, 4), group=2, strides=[2, 1], pads=[1, 0, 1, 2], output_padding=[1, 0])
    y = up(n("Relu", y), 18, 9, (3, 3), dilations=[2, 1])
    y = up(y, 9, 9, (1, 2), group=9, strides=[2, 3], output_shape=[51, 27])
    return n.conv(y, 4, 9, 1)


def resized(n):
    y = n("Resize", n.conv("x", 12, 12), "", "", n.constant([1, 12, 17, 23], np.int64), mode="linear",
          coordinate_transformation_mode="align_corners")
    y = n("Resize", n.conv(y, 21, 12), "", n.constant([1, 1, 2, 0.5]), mode="linear",
          coordinate_transformation_mode="half_pixel")
    y = n("Resize", y, "", n.constant([1, 1, 0.7, 1.9]), mode="cubic", coordinate_transformation_mode="half_pixel")
    return n.conv(y, 5, 21)


def resized_last(n):
    """Its output is float, of more elements than one thread takes."""
    y = n("Resize", n.conv("x", 21, 12), "", n.constant([1, 1, 8, 8]), mode="linear",
          coordinate_transformation_mode="half_pixel")
    return n("Resize", y, "", "", n.constant([2, 21, 51, 27], np.int64), mode="cubic", coordinate_transformation_mode="half_pixel")


def pixel_means(n):
    y = n.conv("x", 14, 12)
    z = n("Mul", y, n("Sigmoid", n.conv(n("ReduceMean", y, axes=[2, 3], keepdims=1), 14, 14, 1)))
    z = n("Resize", z, "", n.constant([1, 1, 4, 4]), mode="nearest", coordinate_transformation_mode="asymmetric")
    z = n("Add", n("ReduceMean", z, axes=[-1, -2], keepdims=0), n("Flatten", n("GlobalAveragePool", z)))
    return n("MatMul", z, n.weight(14, 9))


def row_means(n):
    y = n("ReduceMean", n("MatMul", "x", n.weight(16, 24)), axes=[1], keepdims=1)
    return n("MatMul", y, n.weight(24, 4))


def normalised(n):
    """A batch norm that no convolution takes, and a layer norm in its parts."""
    def channels(lo):
        return n.constant(rng.uniform(lo, 2, 12))

    y = n("LeakyRelu", n.conv("x", 12, 12))
    return n("BatchNormalization", y, channels(-2), channels(-1), channels(-1), channels(0.3))


def means(n):
    y = n("MatMul", "x", n.weight(16, 24))
    y = n("Sub", y, n("ReduceMean", y, axes=[-1], keepdims=1))
    spread = n("ReduceMean", n("Pow", y, n.constant(2.0)), axes=[-1], keepdims=1)
    y = n("Div", y, n("Sqrt", n("Add", spread, n.constant(0.1))))
    return n("ReduceMean", n("Mul", y, n.constant(rng.normal(size=24))), axes=[2], keepdims=0)


def residuals(n):
    """Sums behind convolutions: by Winograd, of one kernel element, with groups, of either operand."""
    y = n("Relu", n.conv("x", 20, 17))
    y = n("Relu", n("Add", n.conv(y, 20, 20), y))
    z = n.conv(y, 33, 20, 1)
    y = n("Relu", n("Sub", z, n.conv(y, 33, 20, 1)))
    y = n("Add", y, n.conv(y, 33, 33, group=3))
    dilated = n("Conv", y, n.weight(33, 33, 3, 3), dilations=[2, 2], pads=[2, 2, 2, 2])
    y = n("Add", dilated, y)
    return n("MatMul", n("Flatten", n("GlobalAveragePool", y)), n.weight(33, 4))


def single_pixels(n):
    """The last dimension of an image of one pixel is not where its channels lie."""
    y = n("GlobalAveragePool", n.conv("x", 14, 12))
    y = n("Mul", n("Softmax", y, axis=3), y)
    return n.conv(n("LayerNormalization", y, n.constant([1.5]), n.constant([0.25]), axis=-1), 5, 14, 1)


IMAGE = [1, 12, 6, 5]
NETWORKS = {"grouped": (grouped, IMAGE), "dilated": (dilated, IMAGE), "dilated_filters": (dilated_filters, IMAGE),
            "far": (far, IMAGE), "joined": (joined, IMAGE),
            "moved": (moved, IMAGE), "functions": (functions, IMAGE), "operands": (operands, IMAGE),
            "pools": (pools, IMAGE), "attention": (attention, [1, 7, 16]), "masked": (masked, [1, 37, 3, 8]),
            "equations": (equations, [1, 7, 16]), "tokens": (tokens, [1, 3, 70, 8]),
            "joined_rows": (joined_rows, [1, 7, 16]), "joined_images": (joined_images, IMAGE),
            "turned": (turned, IMAGE), "transposed": (transposed, IMAGE), "resized": (resized, IMAGE),
            "resized_last": (resized_last, [2, 12, 6, 5]), "pixel_means": (pixel_means, IMAGE),
            "single_pixels": (single_pixels, IMAGE),
            "row_means": (row_means, [1, 7, 16]), "normalised": (normalised, IMAGE), "means": (means, [1, 7, 16]),
            "residuals": (residuals, [1, 17, 13, 22]), "narrow": (narrow, IMAGE),
            "side_by_side": (side_by_side, IMAGE), "many_weights": (many_weights, [1, 12, 29, 2]),
            "colours": (colours, [2, 3, 17, 19]), "photograph": (colours, [1, 3, 211, 211]), "two_colours": (two_colours, [2, 2, 57, 61]),
            "four_colours": (four_colours, [1, 4, 17, 16])}
# Integers do not pay in these.
FLOAT = ["single_pixels"]
