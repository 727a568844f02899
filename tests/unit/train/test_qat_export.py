#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""What quantization-aware training deploys, as a QDQ network in ONNX Runtime: the same predictions as the simulation."""
import os
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime

TOOL = os.path.join(os.environ.get("top_builddir", "build"), "tests/tools/qat_export")
SAMPLES, IMAGE, CLASSES = 64, (3, 8, 8), 4


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def check(self, scheme, methods):
        subprocess.run([TOOL, scheme, methods, self.path("data"), self.path("q.onnx"), self.path("q.bin")], check=True)
        model = onnx.load(self.path("q.onnx"))
        onnx.checker.check_model(model)
        kinds = [n.op_type for n in model.graph.node]
        self.assertIn("QuantizeLinear", kinds)
        self.assertNotIn("BatchNormalization", kinds)
        data = np.fromfile(self.path("q.bin"), np.float32)
        x = data[:SAMPLES * np.prod(IMAGE)].reshape(SAMPLES, *IMAGE)
        want = data[x.size:].reshape(SAMPLES, CLASSES)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(self.path("q.onnx"), options, providers=["CPUExecutionProvider"])
        got = session.run(None, {session.get_inputs()[0].name: x})[0]
        np.testing.assert_array_equal(got.argmax(1), want.argmax(1))
        # Sums rounded in another order move an element over a threshold now and then.
        near = np.abs(got - want).max(1) <= 1e-3 * np.abs(want).max(1)
        self.assertGreaterEqual(near.mean(), 0.9)

    def test_int8(self):
        self.check("w8a8", '["lsq"]')

    def test_int4_frozen(self):
        self.check("w4a4", '["lsq", "freeze"]')

    def test_int3(self):
        self.check("w3a3", '["lsq"]')

    def test_int2_and_int5_with_learned_offsets(self):
        self.check("w2a5", '["lsq_plus"]')

    def test_learned_offsets(self):
        self.check("w4a8", '["lsq_plus"]')


if __name__ == "__main__":
    unittest.main()
