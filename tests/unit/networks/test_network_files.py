#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Networks by name as files: the onnx package and ONNX Runtime take them, and they are imported again as they were."""
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
    import onnxruntime
    import onnx_run
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)

TOOL = os.path.join(os.environ.get("top_builddir", "."), "tests/tools/build_network")
NETWORKS = {
    '"resnet8"': (3, 32, 32),
    '"resnet20"': (3, 32, 32),
    '{"name": "resnet20", "shortcut": "B", "classes": 100}': (3, 32, 32),
    '"mobilenetv2"': (3, 32, 32),
    '{"name": "mobilenetv2", "width": 0.35, "input": [3, 96, 96]}': (3, 96, 96),
    '"ds_cnn"': (1, 49, 10),
    '{"name": "mlp", "layers": [32], "input": [1, 8, 8]}': (1, 8, 8),
    '{"name": "mlp", "layers": [], "input": [20], "classes": 3}': (20,),
    '{"name": "bert", "layers": 2, "width": 32, "heads": 4, "vocabulary": 40, "length": 16}': (16,),
    '{"name": "opt", "layers": 2, "width": 32, "heads": 4, "vocabulary": 40, "length": 16}': (16,),
    '{"name": "opt", "layers": 3, "width": 32, "heads": 1, "bias": false, "tied": false, "length": 16}': (16,),
    '{"name": "vit", "layers": 2, "width": 32, "heads": 4}': (3, 32, 32),
    '{"name": "vit", "layers": 2, "width": 32, "heads": 4, "patch": 8, "pool": "mean", "patch_norm": true}': (3, 32, 32),
}


class Files(unittest.TestCase):
    def test_outputs_equal_those_of_onnx_runtime(self):
        for description, shape in NETWORKS.items():
            with self.subTest(network=description), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "network.onnx")
                subprocess.run([TOOL, description, "3", path], check=True, capture_output=True)
                onnx.checker.check_model(path, full_check=True)
                rng = np.random.default_rng(1)
                x = (rng.integers(0, 40, (2, *shape)) if '"length"' in description
                     else rng.standard_normal((2, *shape)).astype(np.float32))
                session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
                self.assertEqual([i.name for i in session.get_inputs()], ["input"])
                self.assertEqual([o.name for o in session.get_outputs()], ["logits"])
                self.assertEqual(session.get_inputs()[0].shape[0], "N")
                expected, = session.run(None, {"input": x})
                got, = onnx_run.run(path, [x])
                self.assertGreater(np.abs(expected).max(), 1e-3)
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    def test_macs_equal_those_of_the_shapes(self):
        """An independent count: ONNX's own shape inference."""
        for description in NETWORKS:
            with self.subTest(network=description), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "network.onnx")
                said = int(subprocess.run([TOOL, description, "3", path], check=True, capture_output=True).stdout)
                model = onnx.load(path)
                model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
                model = onnx.shape_inference.infer_shapes(model, data_prop=True)
                graph = model.graph
                shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
                          for v in [*graph.value_info, *graph.output]}
                weights = {w.name: list(w.dims) for w in graph.initializer}
                macs = 0
                for n in graph.node:
                    if n.op_type == "MatMul":
                        macs += int(np.prod(shapes[n.output[0]])) * shapes[n.input[0]][-1]
                    if n.op_type in ("Conv", "Gemm"):
                        # The rows of a Gemm are those of a sample, too, where it is of tokens.
                        macs += int(np.prod(shapes[n.output[0]])) * int(np.prod(weights[n.input[1]][1:]))
                self.assertEqual(said, macs)


if __name__ == "__main__":
    unittest.main()
