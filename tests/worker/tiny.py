# SPDX-License-Identifier: Apache-2.0
"""Small networks and data sets, written to a folder that goes when the test ends."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import worker

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Case(worker.Case):
    def setUp(self):
        super().setUp()
        self.random = np.random.default_rng(5)

    def save_model(self, name, nodes, inputs, outputs, weights):
        """inputs and outputs: {name: (type, shape)}; weights: {name: array}."""
        graph = helper.make_graph(
            nodes, name,
            [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
            [helper.make_tensor_value_info(n, t, s) for n, (t, s) in outputs.items()],
            [numpy_helper.from_array(w, n) for n, w in weights.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, self.path(name))
        return self.path(name)

    def save_data(self, name, **arrays):
        np.savez(self.path(name), **arrays)
        return self.path(name)

    def normal(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)
