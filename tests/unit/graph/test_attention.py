#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Attention is found in what PyTorch's exporters write: its parts, heads and widths, and whether it is causal. And it becomes what
variants say, in ONNX Runtime as in PyTorch by the papers' equations."""
import json
import logging
import os
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import numpy as np
    import onnx
    import onnx_run
    import onnxruntime
    import torch
    from torch_attention import Encoder, Variant
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)
try:
    import onnxscript  # noqa: F401
    EXPORTERS = (False, True)
except ImportError as e:
    print(f"NOTE: without the package onnxscript ({e}) the exporter of torch.export is not tried")
    EXPORTERS = (False,)

TOOL = os.path.join(os.environ.get("top_builddir", "."), "tests", "tools", "attention")


VARIANTS = ["clipped_softmax", {"name": "clipped_softmax", "gamma": -0.05, "zeta": 1.1},
            {"name": "clipped_softmax", "alpha": 2, "renormalize": True}, "gated",
            {"name": "gated", "gate": "mlp", "initial": 0.25, "hidden": 5}, {"name": "gated", "gate": "all_heads", "initial": 0.9}]


def attentions(*arguments):
    """A dictionary for each attention of the network, as the tool prints them."""
    run = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise AssertionError(run.stderr)
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in run.stdout.splitlines()]


class Exported(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)


class Found(Exported):
    def check(self, attention, causal, together, **more):
        path = os.path.join(self.folder.name, "model.onnx")
        # torch.export takes its time: one network of each form.
        for dynamo in EXPORTERS if causal and not more else EXPORTERS[:1]:
            torch.manual_seed(1)
            Encoder(attention, causal, layers=2, dim=24, heads=4, length=12, **more).eval().export(path, dynamo)
            for options in ([], ["--prepare"]):
                with self.subTest(causal=causal, dynamo=dynamo, options=options, **more):
                    found = attentions(*options, path)
                    self.assertEqual(len(found), 2)
                    for a in found:
                        self.assertEqual({k: a[k] for k in ("heads", "width", "value_width", "queries", "keys")},
                                         {"heads": "4", "width": "6", "value_width": "6", "queries": "12", "keys": "12"})
                        self.assertEqual((a["causal"], a["clipped"], a["gated"]), (str(int(causal)), "0", "0"))
                        self.assertNotIn("-", (a["query"], a["key"], a["value"], a["output"], a["input"], a["merged"]))
                        self.assertEqual(len({a["query"], a["key"], a["value"]}), 1 if together else 3)
                    # Parts of one layer are none of the other.
                    self.assertEqual(len({a[k] for a in found for k in ("softmax", "scores", "context", "output", "query")}), 10)

    def test_by_hand__masked_and_causal__parts_found(self):
        for causal in (False, True):
            for masked in (False, True):
                self.check("by_hand", causal, False, masked=masked)

    def test_by_hand__norms_behind__parts_found(self):
        self.check("by_hand", False, False, before=False)

    def test_one_projection__masked_and_causal__parts_found(self):
        self.check("together", False, True)
        self.check("together", False, True, masked=True)
        self.check("together", True, True)

    def test_batch_and_heads_together__parts_found(self):
        for causal in (False, True):
            self.check("batched", causal, False)

    def test_pytorchs_layer__parts_found(self):
        for causal in (False, True):
            for weights in (False, True):
                self.check("torch", causal, True, weights=weights)


def random_gates(path):
    """Gates as training may leave them: fresh weights are so small that a wrong slice would hardly show."""
    model = onnx.load(path)
    rng = np.random.default_rng(3)
    for t in model.graph.initializer:
        if ".gate" in t.name and t.name.endswith((".weight", ".bias")):
            array = onnx.numpy_helper.to_array(t)
            t.CopyFrom(onnx.numpy_helper.from_array((array + rng.standard_normal(array.shape)).astype(np.float32), t.name))
    onnx.save(model, path)
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}


class Rewritten(Exported):
    def rewrite(self, path, variant, out):
        return attentions(path, json.dumps(variant), "1", out)

    def check(self, attention, causal, dynamo, **more):
        path, out = (os.path.join(self.folder.name, name) for name in ("model.onnx", "variant.onnx"))
        torch.manual_seed(2)
        model = Encoder(attention, causal, layers=2, dim=24, heads=4, length=12, **more).eval()
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(2)  # so that some probabilities are large, and some clipped
        model.export(path, dynamo)
        model.double()
        inputs = model.example(3)
        if len(inputs) > 1:
            inputs[1][1, 8:] = 0
        for variant in VARIANTS:
            with self.subTest(attention=attention, causal=causal, dynamo=dynamo, variant=variant, **more):
                found = self.rewrite(path, variant, out)
                tensors = random_gates(out)
                reference = Variant(variant, tensors)
                self.assertEqual([(a["clipped"], a["gated"]) for a in found],
                                 2 * [("1", "0") if reference.name == "clipped_softmax" else ("0", "1")])
                self.assertEqual(attentions(out), found, "imported again")
                with torch.no_grad():
                    want = model(*inputs, variant=reference).numpy()
                arrays = [x.numpy() for x in inputs]
                session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
                got = session.run(None, {i.name: x for i, x in zip(session.get_inputs(), arrays)})[0]
                ours = onnx_run.run(out, arrays)[0]
                scale = np.abs(want).max()
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * scale)
                np.testing.assert_allclose(ours, got, rtol=0, atol=1e-5 * scale)
                # It is not what it was, and not what it would be in another order of heads.
                before = onnx_run.run(path, arrays)[0]
                self.assertGreater(np.abs(got - before).max(), 1e-2 * scale)

    def test_by_hand__all_variants__as_pytorch(self):
        self.check("by_hand", False, False, masked=True)
        self.check("by_hand", True, False)
        self.check("by_hand", False, False, before=False)

    def test_one_projection__all_variants__as_pytorch(self):
        self.check("together", False, False, masked=True)
        self.check("together", True, False)

    def test_batch_and_heads_together__all_variants__as_pytorch(self):
        self.check("batched", False, False)
        self.check("batched", True, False)

    def test_pytorchs_layer__all_variants__as_pytorch(self):
        self.check("torch", True, False)
        self.check("torch", False, False, weights=True)

    def test_exported_by_torch_export__all_variants__as_pytorch(self):
        for dynamo in EXPORTERS[1:]:
            self.check("by_hand", True, dynamo)
            self.check("together", False, dynamo, masked=True)
            self.check("torch", False, dynamo)


if __name__ == "__main__":
    unittest.main(verbosity=2)
