#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""Gradients of small networks, batch norms with the statistics of the batch, evaluated in plain C and by a training plan,
against PyTorch's in double precision: each within 1e-4 of its largest element. A network is built once, as ONNX, and run by
PyTorch operator by operator."""
import os
import sys
import tempfile
import unittest

try:
    import torch
    import torch.nn.functional as F
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)
import numpy as np
import onnx
import onnx_run
from onnx import TensorProto, helper, numpy_helper

OPSET, TOLERANCE = 20, 1e-4
torch.set_num_threads(1)

# ---- operators of ONNX in PyTorch: inputs, then attributes by name ----


def pair(pads):
    """ONNX's pads are given where both sides are the same."""
    half = len(pads) // 2
    assert pads[:half] == pads[half:]
    return pads[:half]


def conv(x, w, b=None, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), group=1, **_):
    return F.conv2d(x, w, b, tuple(strides), tuple(pair(list(pads))), tuple(dilations), group)


def conv_transpose(x, w, b=None, strides=(1, 1), pads=(0, 0, 0, 0), output_padding=(0, 0), group=1, **_):
    return F.conv_transpose2d(x, w, b, tuple(strides), tuple(pair(list(pads))), tuple(output_padding), group)


def gemm(a, b, c=None, alpha=1.0, beta=1.0, transA=0, transB=0):
    y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return y if c is None else y + beta * c


def split(x, sizes, axis=0):
    return torch.split(x, [int(n) for n in sizes], axis)


def slice_(x, starts, ends, axes, steps=None):
    for i, axis in enumerate(axes.tolist()):
        x = x.narrow(axis, starts[i], min(int(ends[i]), x.shape[axis]) - int(starts[i]))
    return x


def pad(x, pads, value=None):
    pads, half = pads.tolist(), len(pads) // 2
    return F.pad(x, [p for i in reversed(range(half)) for p in (pads[i], pads[half + i])])


def resize(x, _roi, scales, mode="nearest", **_kw):
    factors = [float(s) for s in scales[2:]]
    if mode == "nearest":
        return F.interpolate(x, scale_factor=factors, mode="nearest")
    return F.interpolate(x, scale_factor=factors, mode="bilinear", align_corners=False)


def axes_of(axes):
    return [int(a) for a in axes]


OPERATORS = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Pow": torch.pow, "MatMul": torch.matmul,
    "Sqrt": torch.sqrt, "Erf": torch.erf, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "Relu": torch.relu,
    "HardSwish": F.hardswish, "Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "Split": split, "Slice": slice_,
    "Pad": pad, "Resize": resize, "Where": torch.where,
    "HardSigmoid": lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0, 1),
    "LeakyRelu": lambda x, alpha: F.leaky_relu(x, alpha),
    "Gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "Clip": lambda x, lo, hi: torch.clamp(x, float(lo), float(hi)),
    "Reshape": lambda x, shape: x.reshape([int(n) for n in shape]),
    "Flatten": lambda x: x.flatten(1),
    "Transpose": lambda x, perm: x.permute(perm),
    "Concat": lambda *x, axis: torch.cat(x, axis),
    "Expand": lambda x, shape: x.expand([int(n) for n in shape]),
    "Gather": lambda x, i, axis=0: torch.index_select(x, axis, i.flatten()).reshape(
        [*x.shape[:axis], *i.shape, *x.shape[axis + 1:]]),
    "Softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "ReduceMean": lambda x, axes, keepdims=1: x.mean(axes_of(axes), keepdim=bool(keepdims)),
    "ReduceMax": lambda x, axes, keepdims=1: x.amax(axes_of(axes), keepdim=bool(keepdims)),
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "AveragePool": lambda x, kernel_shape, strides, pads=(0,) * 4, count_include_pad=0: F.avg_pool2d(
        x, kernel_shape, strides, pair(list(pads)), count_include_pad=bool(count_include_pad)),
    "MaxPool": lambda x, kernel_shape, strides, pads=(0,) * 4: F.max_pool2d(x, kernel_shape, strides, pair(list(pads))),
    "BatchNormalization": lambda x, g, b, m, v, epsilon=1e-5: F.batch_norm(x, None, None, g, b, True, 0, epsilon),
    "LayerNormalization": lambda x, g, b=None, axis=-1, epsilon=1e-5: F.layer_norm(x, x.shape[axis:], g, b, epsilon),
    "GroupNormalization": lambda x, g, b, num_groups, epsilon=1e-5: F.group_norm(x, num_groups, g, b, epsilon),
    "InstanceNormalization": lambda x, g, b, epsilon=1e-5: F.instance_norm(x, None, None, g, b, True, 0, epsilon),
    "PRelu": lambda x, slope: torch.where(x > 0, x, slope * x),
}


class Net:
    """Inputs (data and parameters) and nodes in order; a value is its name."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.inputs, self.constants, self.nodes, self.axis = {}, {}, [], -1

    def given(self, array):
        name = f"in{len(self.inputs)}"
        self.inputs[name] = np.asarray(array)
        return name

    def data(self, *shape):
        return self.given(self.rng.normal(size=shape).astype(np.float32))

    def weight(self, *shape):
        fan = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        return self.given((self.rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32))

    def gain(self, n):
        return self.given(self.rng.uniform(.5, 1.5, n).astype(np.float32))

    def bias(self, n):
        return self.given((self.rng.normal(size=n) * .3).astype(np.float32))

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def ints(self, *values):
        return self.constant(values, np.int64)

    def __call__(self, op, *inputs, outputs=1, **attrs):
        out = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append((op, inputs, out, attrs))
        return out[0] if outputs == 1 else out

    # Layers

    def batch_norm(self, x, channels):
        mean, variance = np.zeros(channels), np.ones(channels)
        return self("BatchNormalization", x, self.gain(channels), self.bias(channels), self.constant(mean),
                    self.constant(variance), epsilon=1e-5)

    def conv_bn(self, x, cin, cout, k, stride=1, group=1, dilation=1):
        p = dilation * (k // 2)
        y = self("Conv", x, self.weight(cout, cin // group, k, k), strides=[stride] * 2, pads=[p] * 4, group=group,
                 dilations=[dilation] * 2)
        return self.batch_norm(y, cout)

    def linear(self, x, cin, cout):
        return self("Add", self("MatMul", x, self.weight(cin, cout)), self.bias(cout))

    def norm_in_pieces(self, x, n):
        d = self("Sub", x, self("ReduceMean", x, self.ints(-1)))
        v = self("ReduceMean", self("Pow", d, self.constant(2)), self.ints(-1))
        y = self("Div", d, self("Sqrt", self("Add", v, self.constant(1e-5))))
        return self("Add", self("Mul", y, self.gain(n)), self.bias(n))

    def gelu_in_pieces(self, x):
        e = self("Erf", self("Div", x, self.constant(np.sqrt(2))))
        return self("Mul", self("Mul", x, self("Add", e, self.constant(1))), self.constant(.5))

    def heads(self, x, batch, length, heads, width):
        x = self("Reshape", x, self.ints(batch, length, heads, width // heads))
        return self("Transpose", x, perm=[0, 2, 1, 3])

    def attention(self, q, k, v, batch, length, heads, width, mask=None):
        q, k, v = (self.heads(t, batch, length, heads, width) for t in (q, k, v))
        scores = self("MatMul", q, self("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self("Div", scores, self.constant(np.sqrt(width / heads)))
        if mask is not None:
            scores = self("Add", scores, mask)
        y = self("MatMul", self("Softmax", scores, axis=-1), v)
        y = self("Reshape", self("Transpose", y, perm=[0, 2, 1, 3]), self.ints(batch, length, width))
        return self.linear(y, width, width)


# ---- networks; the last value is the logits ----


def resnet(n):
    x = n("Relu", n.conv_bn(n.data(4, 3, 12, 12), 3, 8, 3))
    x = n("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = n.conv_bn(n("Relu", n.conv_bn(x, 8, 8, 3)), 8, 8, 3)
    x = n("Relu", n("Add", x, y))
    y = n.conv_bn(n("Relu", n.conv_bn(x, 8, 12, 3, 2)), 12, 12, 3)
    x = n("Relu", n("Add", n.conv_bn(x, 8, 12, 1, 2), y))
    x = n("Flatten", n("GlobalAveragePool", x))
    n("Gemm", x, n.weight(10, 12), n.bias(10), transB=1)


def mobilenet(n):
    def relu6(x):
        return n("Clip", x, n.constant(0), n.constant(6))

    def bottleneck(x, cin, cout, stride):
        y = relu6(n.conv_bn(x, cin, 3 * cin, 1))
        y = relu6(n.conv_bn(y, 3 * cin, 3 * cin, 3, stride, 3 * cin))
        y = n.conv_bn(y, 3 * cin, cout, 1)
        return n("Add", x, y) if stride == 1 else y

    x = relu6(n.conv_bn(n.data(3, 3, 16, 16), 3, 6, 3, 2))
    x = bottleneck(bottleneck(x, 6, 6, 1), 6, 8, 2)
    s = n("GlobalAveragePool", x) # squeeze and excitation
    s = n("Relu", n("Conv", s, n.weight(4, 8, 1, 1), n.bias(4)))
    s = n("HardSigmoid", n("Conv", s, n.weight(8, 4, 1, 1), n.bias(8)), alpha=1 / 6, beta=.5)
    x = n("HardSwish", n.conv_bn(n("Mul", x, s), 8, 16, 1))
    n("Gemm", n("Reshape", n("GlobalAveragePool", x), n.ints(3, 16)), n.weight(16, 5), n.bias(5), alpha=.5, beta=2.0)


def keyword_spotting(n):
    x = n("Relu", n("Conv", n("Pad", n.data(4, 1, 11, 7), n.ints(0, 0, 1, 1, 0, 0, 2, 1)), n.weight(8, 1, 4, 3), n.bias(8),
                    strides=[2, 2], pads=[0] * 4))
    for _ in range(2):
        x = n("Relu", n.conv_bn(n("Relu", n.conv_bn(x, 8, 8, 3, group=8)), 8, 8, 1))
    x = n("AveragePool", x, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0], count_include_pad=0)
    x = n("LeakyRelu", n.conv_bn(x, 8, 6, 1), alpha=.1)
    n.linear(n("ReduceMax", x, n.ints(2, 3), keepdims=0), 6, 4)


def segmentation(n):
    n.axis = 1
    x = n("Relu", n.conv_bn(n.data(2, 3, 12, 10), 3, 6, 3, 2))
    low = n("PRelu", n.conv_bn(x, 6, 8, 3, 2), n.given(np.full((8, 1, 1), .2, np.float32)))
    wide = n("Relu", n.conv_bn(x, 6, 4, 3, dilation=2))
    up = n("ConvTranspose", low, n.weight(8, 4, 3, 3), n.bias(4), strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
    up = n("Slice", up, n.ints(0, 0), n.ints(6, 5), n.ints(2, 3))
    up = n("Relu", n("InstanceNormalization", up, n.gain(4), n.bias(4), epsilon=1e-5))
    near = n("Resize", n("Slice", low, n.ints(0), n.ints(3), n.ints(2)), "", n.constant([1, 1, 2, 2]), mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    near = n("Slice", near, n.ints(0), n.ints(5), n.ints(3))
    x = n("Concat", wide, up, near, axis=1)
    x = n("Relu", n("GroupNormalization", n("Conv", x, n.weight(8, 16, 1, 1)), n.gain(8), n.bias(8), num_groups=2))
    x = n("Conv", x, n.weight(3, 8, 1, 1), n.bias(3))
    n("Resize", x, "", n.constant([1, 1, 2, 2]), mode="linear", coordinate_transformation_mode="pytorch_half_pixel")


def bert(n):
    batch, length, width = 2, 6, 16
    words = n.weight(20, width)
    tokens = n.given(n.rng.integers(0, 20, (batch, length)))
    x = n("Add", n("Gather", words, tokens), n("Slice", n.weight(9, width), n.ints(0), n.ints(length), n.ints(0)))
    x = n.norm_in_pieces(x, width)
    mask = n.constant(np.where(np.arange(length) < 5, 0, -1e4).reshape(1, 1, 1, length))
    for _ in range(2):
        q, k, v = (n.linear(x, width, width) for _ in range(3))
        x = n.norm_in_pieces(n("Add", x, n.attention(q, k, v, batch, length, 4, width, mask)), width)
        y = n.linear(n.gelu_in_pieces(n.linear(x, width, 32)), 32, width)
        x = n("LayerNormalization", n("Add", x, y), n.gain(width), n.bias(width), epsilon=1e-5)
    n("MatMul", x, n("Transpose", words, perm=[1, 0])) # tied embeddings


def opt(n):
    batch, length, width = 2, 5, 12
    x = n("Add", n("Gather", n.weight(11, width), n.given(n.rng.integers(0, 11, (batch, length)))), n.weight(length, width))
    causal = n.constant(np.triu(np.full((length, length), -1e4), 1))
    y = n("LayerNormalization", x, n.gain(width), n.bias(width))
    q, k, v = (n.linear(y, width, width) for _ in range(3))
    x = n("Add", x, n.attention(q, k, v, batch, length, 3, width, causal))
    y = n("LayerNormalization", x, n.gain(width))
    x = n("Add", x, n.linear(n("Relu", n.linear(y, width, 24)), 24, width))
    n("MatMul", x, n.weight(width, 11))


def vit(n):
    batch, width = 3, 12
    x = n("Conv", n.data(batch, 3, 8, 12), n.weight(width, 3, 4, 4), n.bias(width), strides=[4, 4], pads=[0] * 4)
    x = n("Transpose", n("Reshape", x, n.ints(batch, width, 6)), perm=[0, 2, 1])
    token = n("Expand", n.given(n.rng.normal(size=(1, 1, width)).astype(np.float32)), n.ints(batch, 1, width))
    x = n("Add", n("Concat", token, x, axis=1), n.given(n.rng.normal(size=(1, 7, width)).astype(np.float32)))
    y = n("LayerNormalization", x, n.gain(width), n.bias(width), epsilon=1e-6)
    q, k, v = n("Split", n.linear(y, width, 3 * width), n.ints(width, width, width), axis=2, outputs=3)
    x = n("Add", x, n.attention(q, k, v, batch, 7, 3, width))
    y = n("Gelu", n.linear(n("LayerNormalization", x, n.gain(width), n.bias(width)), width, 24), approximate="tanh")
    x = n("Add", x, n.linear(y, 24, width))
    x = n("Gather", x, n.constant(0, np.int64), axis=1)
    n("Gemm", n("Tanh", x), n.weight(width, 7), n.bias(7))


# ---- both sides ----


def onnx_model(net):
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    # Before opset 21 GroupNormalization scales groups, and PyTorch channels.
    opset = 21 if any(n[0] == "GroupNormalization" for n in net.nodes) else OPSET
    graph = helper.make_graph(
        [helper.make_node(op, list(i), o, name=f"{op}_{k}", **a) for k, (op, i, o, a) in enumerate(net.nodes)], "g",
        [helper.make_tensor_value_info(k, types[v.dtype], v.shape) for k, v in net.inputs.items()],
        [helper.make_tensor_value_info(net.nodes[-1][2][0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in net.constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def torch_logits(net, inputs):
    values = {k: torch.from_numpy(np.atleast_1d(v) if v.ndim == 0 and v.dtype != np.int64 else v) for k, v in net.constants.items()}
    values = {k: v.double() if v.is_floating_point() else v for k, v in values.items()} | inputs | {"": None}
    for op, names, out, attrs in net.nodes:
        y = OPERATORS[op](*[values[i] for i in names], **{k: v for k, v in attrs.items()
                          if k not in ("coordinate_transformation_mode", "nearest_mode")})
        values.update(zip(out, y if len(out) > 1 else [y]))
    return values[net.nodes[-1][2][0]]


class Gradients(unittest.TestCase):
    def check(self, build, seed):
        net = Net(seed)
        build(net)
        inputs = {k: torch.from_numpy(v.copy()) for k, v in net.inputs.items()}
        inputs = {k: v.double().requires_grad_() if v.is_floating_point() else v for k, v in inputs.items()}
        logits = torch_logits(net, inputs)
        target = torch.from_numpy(net.rng.dirichlet(np.ones(logits.shape[net.axis]), [d for i, d in enumerate(logits.shape)
                                  if i != net.axis % logits.ndim])).movedim(-1, net.axis)
        places = logits.numel() / logits.shape[net.axis]
        loss = -(target * F.log_softmax(logits, net.axis)).sum() / places
        loss.backward()
        loss, logits = loss.item(), logits.detach()
        wanted = [(k, v.grad.numpy()) for k, v in inputs.items() if v.is_floating_point()]
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "m.onnx")
            onnx.save(onnx_model(net), path)
            for plan in (False, True):
                ours = onnx_run.gradients(path, net.inputs.values(), target.numpy().astype(np.float32),
                                          np.array([1 / places], np.float32), net.axis, plan)
                worst = self.compare(ours, loss, logits, wanted, f"{'planned' if plan else 'evaluated'}, seed {seed}")
                print(f"{build.__name__} {'planned' if plan else 'evaluated'}: {len(wanted)} gradients, within {worst:.1e}")

    def compare(self, ours, loss, logits, wanted, what):
        self.assertLess(abs(float(ours[0]) - loss), 1e-5 * abs(loss))
        np.testing.assert_allclose(ours[1], logits.numpy(), rtol=0, atol=1e-4 * float(logits.abs().max()))
        self.assertEqual(len(ours), 2 + len(wanted))
        # A bias before a normalization, or of keys, has none but what rounding of the others leaves.
        scale = np.median([np.abs(w).max() for _, w in wanted])
        worst = 0
        for (name, w), o in zip(wanted, ours[2:]):
            error = float(np.abs(o - w).max() / max(np.abs(w).max(), 1e-2 * scale))
            self.assertEqual(o.shape, w.shape, name)
            self.assertLess(error, TOLERANCE, f"gradient of {name} {w.shape}, {what}")
            worst = max(worst, error)
        return worst


def test_of(network):
    def test(self):
        for seed in (1, 2):
            self.check(network, seed)
    return test


for network in (resnet, mobilenet, keyword_spotting, segmentation, bert, opt, vit):
    setattr(Gradients, f"test_{network.__name__}__gradients_of_all_inputs__as_pytorch", test_of(network))

if __name__ == "__main__":
    unittest.main()
