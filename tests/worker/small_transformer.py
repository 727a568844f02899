# SPDX-License-Identifier: Apache-2.0
"""Small transformers as ONNX files, with values by names that tests know, and the same in numpy where a reference is wanted."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, TOKENS, WIDTH, HEADS = 29, 11, 16, 2


class Builder:
    def __init__(self, seed, flat=False):
        self.rng = np.random.default_rng(seed)
        self.flat = flat  # linear layers are Gemms of [N * T, C], as some exporters have them
        self.nodes, self.weights = [], {}

    def weight(self, name, *shape, scale=0.3):
        self.weights[name] = (self.rng.standard_normal(shape) * scale).astype(np.float32)
        return name

    def constant(self, name, value):
        self.weights[name] = np.asarray(value)
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name="node." + output, **attributes))
        return output

    def linear(self, x, name, cin, cout):
        self.weight(f"{name}.w", cin, cout)
        self.weight(f"{name}.b", cout, scale=0.1)
        if self.flat:
            self.constant(f"{name}.flat", np.array([-1, cin], np.int64))
            self.constant(f"{name}.back", np.array([-1, TOKENS, cout], np.int64))
            rows = self.node("Gemm", [self.node("Reshape", [x, f"{name}.flat"], f"{name}.rows"), f"{name}.w", f"{name}.b"], f"{name}.gemm")
            return self.node("Reshape", [rows, f"{name}.back"], name)
        return self.node("Add", [self.node("MatMul", [x, f"{name}.w"], f"{name}.product"), f"{name}.b"], name)

    def norm(self, x, name):
        self.weights[f"{name}.gain"] = (1 + 0.1 * self.rng.standard_normal(WIDTH)).astype(np.float32)
        self.weight(f"{name}.offset", WIDTH, scale=0.1)
        return self.node("LayerNormalization", [x, f"{name}.gain", f"{name}.offset"], name, axis=-1, epsilon=1e-5)

    def heads(self, x, name, perm):
        return self.node("Transpose", [self.node("Reshape", [x, "split"], f"{name}.split")], name, perm=perm)

    def attention(self, x, name, mask):
        q, k, v = (self.linear(x, f"{name}.{i}", WIDTH, WIDTH) for i in "qkv")
        scores = self.node("MatMul", [self.heads(q, f"{name}.qh", [0, 2, 1, 3]), self.heads(k, f"{name}.kh", [0, 2, 3, 1])],
                           f"{name}.products")
        scores = self.node("Mul", [scores, "scale"], f"{name}.scores")
        if mask:
            scores = self.node("Add", [scores, mask], f"{name}.masked")
        p = self.node("Softmax", [scores], f"{name}.probabilities", axis=-1)
        context = self.node("MatMul", [p, self.heads(v, f"{name}.values", [0, 2, 1, 3])], f"{name}.context")
        context = self.node("Reshape", [self.node("Transpose", [context], f"{name}.turned", perm=[0, 2, 1, 3]), "join"],
                            f"{name}.joined")
        return self.linear(context, f"{name}.out", WIDTH, WIDTH)

    def ffn(self, x, name):
        hidden = self.node("Relu", [self.linear(x, f"{name}.up", WIDTH, 2 * WIDTH)], f"{name}.hidden")
        return self.linear(hidden, f"{name}.out", 2 * WIDTH, WIDTH)

    def save(self, path, inputs, output, shape):
        graph = helper.make_graph(
            self.nodes, "small", [helper.make_tensor_value_info(n, t, d) for n, t, d in inputs],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(v, n) for n, v in self.weights.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def build(path, pre_norm=False, masked=False, causal=False, layers=2, seed=1, change=None, head=True, flat=False):
    """Inputs ids [N, T] (and mask [N, T]); output the scores [N, T, VOCABULARY], or (head False) the last values. change: called
    with the weights before they are saved."""
    b = Builder(seed, flat)
    b.constant("split", np.array([0, TOKENS, HEADS, WIDTH // HEADS], np.int64))
    b.constant("join", np.array([0, TOKENS, WIDTH], np.int64))
    b.constant("scale", np.float32((WIDTH // HEADS) ** -0.5))
    b.weight("table", VOCABULARY, WIDTH, scale=1)
    b.weight("places", 1, TOKENS, WIDTH, scale=0.5)
    mask, inputs = None, [("ids", TensorProto.INT64, ["N", TOKENS])]
    if causal:
        mask = b.constant("future", np.triu(np.full((TOKENS, TOKENS), -1e9, np.float32), 1))
    if masked:
        inputs.append(("mask", TensorProto.INT64, ["N", TOKENS]))
        b.constant("axes", np.array([1, 2], np.int64))
        b.constant("one", np.float32(1))
        b.constant("far", np.float32(-1e9))
        m = b.node("Cast", [b.node("Unsqueeze", ["mask", "axes"], "mask.wide")], "mask.float", to=TensorProto.FLOAT)
        mask = b.node("Mul", [b.node("Sub", ["one", m], "mask.off"), "far"], "mask.added")
    x = b.node("Add", [b.node("Gather", ["table", "ids"], "words"), "places"], "embedding")
    if not pre_norm:
        x = b.norm(x, "embedding.norm")
    for i in range(layers):
        for name, block in (("attention", lambda v, n: b.attention(v, n, mask)), ("ffn", b.ffn)):
            at = f"layer{i}.{name}"
            y = block(b.norm(x, f"{at}.norm") if pre_norm else x, at)
            x = b.node("Add", [x, y], f"{at}.sum")
            x = x if pre_norm else b.norm(x, f"{at}.norm")
    if pre_norm:
        x = b.norm(x, "last.norm")
    if head:
        x = b.linear(x, "head", WIDTH, VOCABULARY)
    if change:
        change(b.weights)
    b.save(path, inputs, x, ["N", TOKENS, VOCABULARY if head else WIDTH])
    return path


def show(path, names, out):
    """The same network with more outputs."""
    model = onnx.load(path)
    model.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names
                              if n not in [o.name for o in model.graph.output])
    onnx.save(model, out)
    return out


def tokens(path, count, masked=False, seed=2):
    """Sequences, with labels for perplexity of each token; of masked ones some end early."""
    rng = np.random.default_rng(seed)
    arrays = {"ids": rng.integers(0, VOCABULARY, (count, TOKENS)), "y": rng.integers(0, VOCABULARY, (count, TOKENS))}
    if masked:
        length = rng.integers(3, TOKENS + 1, count)
        arrays["mask"] = (np.arange(TOKENS) < length[:, None]).astype(np.int64)
    np.savez(path, **arrays)
    return path
