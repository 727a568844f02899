#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""What a scheme says of some layers alone."""
import unittest

import tiny
import worker
from onnx import helper


class Layers(tiny.Case):
    def job(self, *schemes):
        nodes = [
            helper.make_node("MatMul", ["x", "w1"], ["h"], "first"),
            helper.make_node("Relu", ["h"], ["r"], "relu"),
            helper.make_node("MatMul", ["r", "w2"], ["out"], "second")]
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 16])}, {"out": (tiny.FLOAT, ["N", 8])},
            {"w1": self.normal(16, 32), "w2": self.normal(32, 8)})
        x = self.normal(64, 16)
        data = self.save_data("data.npz", x=x, y=x.argmax(1) % 8)
        return {"type": "ptq", "model": model, "data": data, "schemes": list(schemes),
                "latency": False}

    def test_recurrent__multiply_accumulates__every_step_meets_all_weights(self):
        for type, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
            node = helper.make_node(type, ["x", "w", "r"], ["out"], hidden_size=5)
            model = self.save_model(
                f"{type}.onnx", [node], {"x": (tiny.FLOAT, [7, 1, 3])}, {"out": (tiny.FLOAT, [7, 1, 1, 5])},
                {"w": self.normal(1, gates * 5, 3), "r": self.normal(1, gates * 5, 5)})
            self.assertEqual(worker.run({"type": "inspect", "model": model})[0]["macs"], 7 * gates * 5 * (3 + 5))

    def rows(self, *schemes):
        result, _ = worker.run(self.job(*schemes))
        return [{t["name"]: (t["kind"], t["format"]) for t in s["tensors"]}
                for s in result["schemes"]], result["schemes"]

    def test_float_layer__has_no_quantizer(self):
        (tensors,), _ = self.rows({"weights": "int4", "activations": "int8", "layers": {
            "first": "float32"}})
        self.assertNotIn("w1", tensors)
        self.assertEqual(tensors["w2"], ("weight", "int4"))
        self.assertIn("x", tensors)

    def test_half_left_out__follows_the_scheme(self):
        (tensors,), _ = self.rows({"name": "mixed", "weights": "int4", "activations": "int8",
                                   "layers": {"sec*": {"weights": "E4"}, "x": "E3"}})
        self.assertEqual(tensors["w1"][1], "int4")
        self.assertTrue(tensors["w2"][1].lower().endswith("e4m3") or tensors["w2"][1] == "E4")
        self.assertEqual(tensors["out"][1], "uint8_asym")
        self.assertNotEqual(tensors["x"][1], "uint8_asym")

    def test_all_layers_float__is_the_float_network(self):
        _, rows = self.rows({"name": "none", "weights": "int4", "activations": "int4",
                             "layers": {"*": "float32"}}, "int4")
        self.assertEqual(rows[0]["tensors"], [])
        self.assertEqual(rows[0]["delta"], 0)
        self.assertIsNone(rows[0]["output_sqnr_db"])
        self.assertLess(rows[1]["output_sqnr_db"], 40)

    def test_unknown_layer__error_lists_near_names(self):
        with self.assertRaisesRegex(worker.Failed, r'"frist" names no .*near it are first'):
            worker.run(self.job({"weights": "int8", "activations": "int8",
                                 "layers": {"frist": "float32"}}))

    def test_bad_part__error_names_the_field(self):
        with self.assertRaisesRegex(worker.Failed, r'schemes\[0\]\.layers\["first"\]'):
            worker.run(self.job({"weights": "int8", "activations": "int8",
                                 "layers": {"first": "int99"}}))


if __name__ == "__main__":
    unittest.main(verbosity=2)
