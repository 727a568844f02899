# SPDX-License-Identifier: Apache-2.0
"""Small networks to train, each as an ONNX file and as a function of PyTorch with the same weights."""
import math

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """Nodes and weights of one network; `weights` are what trains, in float32, by name."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.fixed = [], {}, {}

    def weight(self, name, *shape, scale=None):
        fan = math.prod(shape[1:]) if len(shape) > 1 else 1
        self.weights[name] = (self.rng.standard_normal(shape) * (scale or math.sqrt(2 / fan))).astype(np.float32)
        return name

    def full(self, name, value, *shape):
        self.weights[name] = np.full(shape, value, np.float32)
        return name

    def constant(self, name, value):
        self.fixed[name] = np.asarray(value)
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name="node." + output, **attributes))
        return output

    def save(self, path, inputs, output, shape):
        tensors = {**self.weights, **self.fixed}
        graph = helper.make_graph(
            self.nodes, "trained",
            [helper.make_tensor_value_info(name, kind, dims) for name, kind, dims in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(value, name) for name, value in tensors.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def resnet(path, seed=1, classes=10, width=8):
    """A residual network with batch norms; the loss is of its logits [N, classes]."""
    b = Builder(seed)

    def conv_norm(x, name, cin, cout, kernel, stride):
        b.weight(f"{name}.w", cout, cin, kernel, kernel)
        b.node("Conv", [x, f"{name}.w"], f"{name}.conv", kernel_shape=[kernel] * 2, strides=[stride] * 2,
               pads=[kernel // 2] * 4)
        for key, value in (("gain", 1), ("offset", 0), ("mean", 0), ("variance", 1)):
            b.full(f"{name}.{key}", value, cout)
        return b.node("BatchNormalization", [f"{name}.conv"] + [f"{name}.{k}" for k in ("gain", "offset", "mean", "variance")],
                      f"{name}.norm", epsilon=1e-5)

    x = b.node("Relu", [conv_norm("x", "stem", 3, width, 3, 1)], "stem.relu")
    cin = width
    for i, (cout, stride) in enumerate(((width, 1), (2 * width, 2), (4 * width, 2))):
        y = b.node("Relu", [conv_norm(x, f"b{i}.a", cin, cout, 3, stride)], f"b{i}.relu")
        y = conv_norm(y, f"b{i}.b", cout, cout, 3, 1)
        x = conv_norm(x, f"b{i}.s", cin, cout, 1, stride) if stride > 1 else x
        x = b.node("Relu", [b.node("Add", [y, x], f"b{i}.sum")], f"b{i}.out")
        cin = cout
    x = b.node("Flatten", [b.node("GlobalAveragePool", [x], "pooled")], "flat", axis=1)
    b.weight("fc.w", classes, cin, scale=0.1)
    b.full("fc.b", 0, classes)
    b.node("Gemm", [x, "fc.w", "fc.b"], "logits", transB=1)
    b.save(path, [("x", TensorProto.FLOAT, ["N", 3, 16, 16])], "logits", ["N", classes])

    def forward(p, x, training=True):
        def norm(v, name):
            return F.batch_norm(v, p[f"{name}.mean"], p[f"{name}.variance"], p[f"{name}.gain"], p[f"{name}.offset"], training,
                                0.1, 1e-5)

        def conv(v, name, stride):
            return norm(F.conv2d(v, p[f"{name}.w"], None, stride, p[f"{name}.w"].shape[2] // 2), name)

        x = F.relu(conv(x, "stem", 1))
        for i, stride in enumerate((1, 2, 2)):
            y = conv(F.relu(conv(x, f"b{i}.a", stride)), f"b{i}.b", 1)
            x = F.relu(y + (conv(x, f"b{i}.s", stride) if stride > 1 else x))
        return F.linear(x.mean((2, 3)), p["fc.w"], p["fc.b"])

    forward.fixed, forward.flat = b.fixed, set()
    return b.weights, forward


def transformer(path, seed=2, vocabulary=31, length=12, dim=16, heads=2):
    """A causal block with layer norms before attention and products; logits [N, length, vocabulary] for the next token."""
    b = Builder(seed)
    b.weight("table", vocabulary, dim, scale=0.5)
    b.weight("positions", length, dim, scale=0.1)
    x = b.node("Add", [b.node("Gather", ["table", "tokens"], "embedded"), "positions"], "h0")

    def layer_norm(v, name):
        b.full(f"{name}.gain", 1, dim)
        b.full(f"{name}.offset", 0, dim)
        return b.node("LayerNormalization", [v, f"{name}.gain", f"{name}.offset"], f"{name}.out", axis=-1, epsilon=1e-5)

    def linear(v, name, cin, cout):
        b.weight(f"{name}.w", cin, cout, scale=1 / math.sqrt(cin))
        b.full(f"{name}.b", 0, cout)
        return b.node("Add", [b.node("MatMul", [v, f"{name}.w"], f"{name}.product"), f"{name}.b"], f"{name}.out")

    split = b.constant("split", np.array([0, 0, heads, dim // heads], np.int64))
    joined = b.constant("joined", np.array([0, 0, dim], np.int64))
    mask = b.constant("mask", np.where(np.tri(length) > 0, 0, -1e9).astype(np.float32))
    scale = b.constant("scale", np.array(1 / math.sqrt(dim // heads), np.float32))
    n = layer_norm(x, "ln1")
    q, k, v = (b.node("Transpose", [b.node("Reshape", [linear(n, name, dim, dim), split], f"{name}.split")], f"{name}.heads",
                      perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]) for name in "qkv")
    s = b.node("Mul", [b.node("MatMul", [q, k], "scores"), scale], "scaled")
    s = b.node("Softmax", [b.node("Add", [s, mask], "masked")], "attention", axis=-1)
    c = b.node("Transpose", [b.node("MatMul", [s, v], "context")], "context.t", perm=[0, 2, 1, 3])
    c = linear(b.node("Reshape", [c, joined], "context.joined"), "o", dim, dim)
    x = b.node("Add", [x, c], "h1")
    y = linear(layer_norm(x, "ln2"), "up", dim, 4 * dim)
    half = b.constant("half", np.array(0.5, np.float32))
    one = b.constant("one", np.array(1, np.float32))
    root = b.constant("root", np.array(math.sqrt(2), np.float32))
    e = b.node("Add", [b.node("Erf", [b.node("Div", [y, root], "erf.in")], "erf"), one], "erf.one")
    y = b.node("Mul", [b.node("Mul", [y, e], "gelu.twice"), half], "gelu")
    x = b.node("Add", [x, linear(y, "down", 4 * dim, dim)], "h2")
    b.weight("head.w", dim, vocabulary, scale=0.2)
    b.node("MatMul", [layer_norm(x, "ln3"), "head.w"], "logits")
    b.save(path, [("tokens", TensorProto.INT64, ["N", length])], "logits", ["N", length, vocabulary])

    def forward(p, tokens, training=True):
        del training
        n_, t = tokens.shape

        def lin(v, name):
            return v @ p[f"{name}.w"] + p[f"{name}.b"]

        def ln(v, name):
            return F.layer_norm(v, (dim,), p[f"{name}.gain"], p[f"{name}.offset"], 1e-5)

        x = p["table"][tokens] + p["positions"]
        n = ln(x, "ln1")
        q, k, v = (lin(n, name).view(n_, t, heads, dim // heads).transpose(1, 2) for name in "qkv")
        s = q @ k.transpose(2, 3) / math.sqrt(dim // heads) + torch.from_numpy(b.fixed["mask"])
        c = (s.softmax(-1) @ v).transpose(1, 2).reshape(n_, t, dim)
        x = x + lin(c, "o")
        x = x + lin(F.gelu(lin(ln(x, "ln2"), "up")), "down")
        return ln(x, "ln3") @ p["head.w"]

    # A key's bias moves all scores of a row alike, which softmax does not see: its gradient is rounding.
    forward.fixed, forward.flat = b.fixed, {"k.b"}
    return b.weights, forward


class Vit(torch.nn.Module):
    """A vision transformer with a class token, learned positions and layer scales, to be exported by PyTorch itself."""

    def __init__(self, dim=16, places=17, heads=2, layers=2):
        super().__init__()
        nn, self.heads = torch.nn, heads
        self.patch = nn.Conv2d(3, dim, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, places, dim) * 0.02)
        self.scale = nn.Parameter(torch.full((dim,), 0.5))
        self.layers = nn.ModuleList(nn.ModuleDict({
            "n1": nn.LayerNorm(dim), "qkv": nn.Linear(dim, 3 * dim), "o": nn.Linear(dim, dim),
            "n2": nn.LayerNorm(dim), "up": nn.Linear(dim, 4 * dim), "down": nn.Linear(4 * dim, dim)}) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for m in self.layers:
            n, t, d = x.shape
            q, k, v = m["qkv"](m["n1"](x)).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
            a = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(-1)
            x = x + self.scale * m["o"]((a @ v).transpose(1, 2).reshape(n, t, d))
            x = x + m["down"](F.gelu(m["up"](m["n2"](x))))
        return self.head(self.norm(x)[:, 0])

    def export(self, path):
        torch.onnx.export(self, torch.zeros(2, 3, 16, 16), path, input_names=["x"], output_names=["logits"],
                          dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}}, opset_version=17, dynamo=False)
