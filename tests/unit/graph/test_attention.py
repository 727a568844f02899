#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Attention is found in what PyTorch's exporters write: its parts, heads and widths, and whether it is causal."""
import logging
import os
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import torch
    from torch_attention import Encoder
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


def find(path, *options):
    """A dictionary for each attention of the network."""
    run = subprocess.run([TOOL, *options, path], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise AssertionError(run.stderr)
    return [dict(word.split("=", 1) for word in line.split(" ")) for line in run.stdout.splitlines()]


class Found(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)

    def check(self, attention, causal, together, **more):
        path = os.path.join(self.folder.name, "model.onnx")
        # torch.export takes its time: one network of each form.
        for dynamo in EXPORTERS if causal and not more else EXPORTERS[:1]:
            torch.manual_seed(1)
            Encoder(attention, causal, layers=2, dim=24, heads=4, length=12, **more).eval().export(path, dynamo)
            for options in ([], ["--prepare"]):
                with self.subTest(causal=causal, dynamo=dynamo, options=options, **more):
                    found = find(path, *options)
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
