#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""bert, opt and vit with every variant of attention against PyTorch's in double precision: outputs, and gradients of the plain
evaluation and of a training plan by all parameters, each within 1e-4 of its largest element; outputs against ONNX Runtime's."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.environ.get("top_srcdir", ".")
sys.path[:0] = [os.path.join(TOP, "tests/unit/graph")]
try:
    import numpy as np
    import onnx
    import onnx_run
    import onnxruntime
    import torch
    import torch.nn.functional as F
    from onnx import helper, numpy_helper
    from torch_attention import Variant
    from torch_transformers import NETWORKS
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)

TOOLS = os.path.join(os.environ.get("top_builddir", "."), "tests", "tools")
SIZE = {"layers": 2, "width": 16, "heads": 2, "ffn": 24}
TEXT = {**SIZE, "vocabulary": 19, "length": 6}
IMAGE = {**SIZE, "input": [3, 8, 8], "classes": 5}
ALL = [{"name": "bert", **TEXT}, {"name": "bert", **TEXT, "tied": False}, {"name": "opt", **TEXT},
       {"name": "opt", **TEXT, "heads": 1, "layers": 3, "bias": False, "tied": False}, {"name": "vit", **IMAGE},
       {"name": "vit", **IMAGE, "patch": 2, "patch_norm": True, "pool": "mean"}]
VARIANTS = ["vanilla", {"name": "clipped_softmax", "gamma": -0.1, "zeta": 1.05}, "gated",
            {"name": "gated", "gate": "mlp", "hidden": 5, "initial": 0.25}, {"name": "gated", "gate": "all_heads"}]
CAUSAL = [{"name": "clipped_softmax", "alpha": 1, "renormalize": True}]
FIXED = (".mask", ".factor", ".shift", ".by", ".min", ".max")
torch.set_num_threads(1)


def is_parameter(t):
    return t.data_type == onnx.TensorProto.FLOAT and not t.name.endswith(FIXED)


def build(network, variant, folder):
    """The file of the network, its weights larger than fresh ones so that every part of it matters."""
    path, out = os.path.join(folder, "network.onnx"), os.path.join(folder, "variant.onnx")
    subprocess.run([os.path.join(TOOLS, "build_network"), json.dumps(network), "3", path], check=True, capture_output=True)
    subprocess.run([os.path.join(TOOLS, "attention"), path, json.dumps(variant), "4", out], check=True, capture_output=True)
    model = onnx.load(out)
    rng = np.random.default_rng(7)
    for t in model.graph.initializer:
        if is_parameter(t):
            x = numpy_helper.to_array(t)
            spread = 0.5 if x.ndim == 2 and t.name.startswith(("embedding", "positions")) else 0.2
            t.CopyFrom(numpy_helper.from_array((x + spread * rng.standard_normal(x.shape)).astype(np.float32), t.name))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)
    return out, model


def as_inputs(model, path):
    """The same with its parameters as inputs."""
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if is_parameter(t)}
    kept = [t for t in model.graph.initializer if not is_parameter(t)]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    for name, x in weights.items():
        model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, x.shape))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, path)
    return weights


def example(network, rng):
    if network["name"] == "vit":
        return rng.standard_normal((2, *network["input"])).astype(np.float32)
    return rng.integers(0, network["vocabulary"], (2, network["length"]))


class Transformers(unittest.TestCase):
    def near(self, got, want, tolerance, what):
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-3), err_msg=what)

    def check(self, network, variant):
        rng = np.random.default_rng(5)
        x = example(network, rng)
        with tempfile.TemporaryDirectory() as folder:
            path, model = build(network, variant, folder)
            runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
            self.near(onnx_run.run(path, [x])[0], runtime, 1e-5, "outputs beside ONNX Runtime's")
            self.near(onnx_run.run(path, [x], prepare=True)[0], runtime, 1e-5, "prepared")
            weights = as_inputs(model, path)
            w = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in weights.items()}
            # Variant takes copies of its tensors: their gradients are wanted, so it is given ours.
            attention = Variant(variant, {})
            attention.tensors = {k: v for k, v in w.items() if ".gate" in k}
            data = torch.from_numpy(x)
            logits = NETWORKS[network["name"]](w, data.double() if x.dtype == np.float32 else data, network, attention)
            self.near(runtime, logits.detach().numpy(), 1e-5, "outputs beside PyTorch's")
            target = rng.random(logits.shape).astype(np.float32)
            target /= target.sum(-1, keepdims=True)
            weight = np.float32([0.7])
            loss = -(torch.from_numpy(weight * target).double() * F.log_softmax(logits, -1)).sum()
            loss.backward()
            skip = 2 + (x.dtype == np.float32)  # loss, logits, and the gradient by an image
            for plan in (False, True):
                got = onnx_run.gradients(path, [x, *weights.values()], target, weight, plan=plan)
                self.near(got[0], loss.item(), 1e-4, "loss")
                self.assertEqual(len(got), skip + len(weights))
                for (name, v), g in zip(w.items(), got[skip:]):
                    self.assertGreater(np.abs(v.grad.numpy()).max(), 0, name)
                    if name.endswith("key.bias"):
                        # A key's bias moves all scores of a row alike, which no softmax sees: both are rounding.
                        self.assertLess(np.abs(g).max(), 1e-5)
                    else:
                        self.near(g, v.grad.numpy(), 1e-4, f"gradient by {name}, {'plan' if plan else 'plain'}")

    def test_all_variants__as_pytorch(self):
        for network in ALL:
            for variant in VARIANTS + (CAUSAL if network["name"] == "opt" else []):
                with self.subTest(network=network, variant=variant):
                    self.check(network, variant)


if __name__ == "__main__":
    unittest.main(verbosity=2)
