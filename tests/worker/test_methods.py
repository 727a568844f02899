#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""Methods that learn from a layer's inputs, on networks small enough to know what they must do."""
import json
import unittest

import numpy as np
import onnxruntime
import tiny
import worker
from onnx import helper


def scheme(name, *methods, **more):
    return {"name": name, "weights": "int4", "activations": "int8", "methods": list(methods), **more}


def report(row, method):
    return next(m["report"] for m in row["methods"] if m["name"] == method)


class Rounding(tiny.Case):
    """A convolution, a depthwise and a grouped one, and a product."""

    def job(self, *schemes, **more):
        nodes = [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "plain", pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "depthwise", pads=[1, 1, 1, 1], group=16),
            helper.make_node("Clip", ["c2", "zero", "six"], ["r2"], "relu6"),
            helper.make_node("Conv", ["r2", "w3"], ["c3"], "grouped", group=2),
            helper.make_node("GlobalAveragePool", ["c3"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flatten"),
            helper.make_node("Gemm", ["f", "w4", "b4"], ["out"], "product", transB=1)]
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 3, 12, 12])}, {"out": (tiny.FLOAT, ["N", 10])},
            {"w1": self.normal(16, 3, 3, 3), "b1": self.normal(16), "w2": self.normal(16, 1, 3, 3),
             "b2": self.normal(16), "w3": self.normal(24, 8, 1, 1), "w4": self.normal(10, 24),
             "b4": self.normal(10), "zero": np.float32(0), "six": np.float32(6)})
        x = self.normal(96, 3, 12, 12) + self.normal(96, 3, 1, 1)
        data = self.save_data("data.npz", x=x, y=np.arange(96) % 10)
        return {"type": "ptq", "model": model, "data": data, "schemes": list(schemes), "latency": False, **more}

    def test_learned_rounding__loses_less_than_nearest(self):
        result, _ = worker.run(self.job(
            scheme("nearest"), scheme("adaround", {"name": "adaround", "iterations": 600}),
            scheme("gptq", "gptq"), scheme("by activation", {"name": "gptq", "act_order": True})))
        nearest, *learned = result["schemes"]
        self.assertEqual(len(learned), 3)
        for row in learned:
            layers = report(row, row["methods"][0]["name"])["layers"]
            self.assertEqual([l["layer"] for l in layers], ["plain", "depthwise", "grouped", "product"])
            for layer in layers:
                self.assertLessEqual(layer["loss"], layer["nearest_loss"] * (1 + 1e-6))
                self.assertLess(layer["loss"], layer["nearest_loss"])
            self.assertGreater(row["output_sqnr_db"], nearest["output_sqnr_db"] + 1)

    def test_threads__do_not_change_a_number(self):
        rows = []
        for threads in (1, 2):
            result, _ = worker.run(self.job(
                scheme("all", {"name": "adaround", "iterations": 50, "positions": 500}, "bias_correction"),
                scheme("gptq", {"name": "gptq", "positions": 300}), threads=threads))
            rows.append(json.dumps(result["schemes"]))
            self.random = np.random.default_rng(5)
        self.assertEqual(rows[0], rows[1])

    def test_progress__names_method_scheme_and_layer(self):
        """What takes minutes on a real network: it moves with every layer, and never back."""
        _, events = worker.run(self.job("int8", scheme("learned", {"name": "adaround", "iterations": 20})))
        told = [e for e in events if e["event"] == "progress"]
        layers = [e for e in told if e["stage"] == "adaround"]
        self.assertEqual([e["text"].split(": ")[1] for e in layers],
                         [f"learned, layer {i} of 4" for i in (1, 2, 3, 4)])
        fractions = [e["fraction"] for e in told]
        self.assertEqual(fractions, sorted(fractions))
        self.assertEqual(len({e["fraction"] for e in layers}), 4)
        self.assertGreater(layers[-1]["fraction"] - layers[0]["fraction"], 0.1)

    def test_float_weights__are_learned_too(self):
        result, _ = worker.run(self.job(
            scheme("nearest", weights="e2m1"),
            scheme("learned", {"name": "adaround", "iterations": 600}, weights="e2m1")))
        before, after = result["schemes"]
        self.assertGreater(after["output_sqnr_db"], before["output_sqnr_db"])

    def test_bad_parameters__error_names_the_field(self):
        for method, text in (
                ({"name": "adaround", "beta": [2, 20]}, r"methods\[0\]\.beta"),
                ({"name": "adaround", "iteration": 2}, r"methods\[0\]"),
                ({"name": "gptq", "damping": 3}, r"methods\[0\]\.damping"),
                ({"name": "smoothquant", "alpha": "high"}, r"methods\[0\]\.alpha")):
            with self.assertRaisesRegex(worker.Failed, text):
                worker.run(self.job(scheme("bad", method)))


class Bias(tiny.Case):
    def test_bias_correction__mean_of_each_channel_comes_back(self):
        """An image is large enough for its average to be the mean of a channel: the error that is left is its shift."""
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
            helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["out"], "flatten")]
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 4, 64, 64])}, {"out": (tiny.FLOAT, ["N", 8])},
            {"w": self.normal(8, 4, 3, 3)})
        x = self.normal(32, 4, 64, 64) + np.array([3, -1, 2, 5], np.float32).reshape(1, 4, 1, 1)
        y = onnxruntime.InferenceSession(model).run(None, {"x": x})[0]
        result, _ = worker.run({
            "type": "ptq", "model": model, "data": self.save_data("data.npz", x=x, y=y), "metric": "mse",
            "latency": False, "schemes": [
                {"name": "plain", "weights": "int3", "activations": None},
                {"name": "corrected", "weights": "int3", "activations": None, "methods": ["bias_correction"]}]})
        plain, corrected = (row["metric"] for row in result["schemes"])
        self.assertGreater(plain, 0.1)
        self.assertLess(corrected, 1e-3 * plain)


    def test_analytic_correction__batch_norm_says_the_means(self):
        """The first layer's outputs are normal, as its batch norm says, because its inputs are."""
        w1 = self.normal(6, 4, 1, 1)
        nodes = [
            helper.make_node("Conv", ["x", "w1"], ["c1"], "first"),
            helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "variance"], ["n"], "norm"),
            helper.make_node("Clip", ["n", "zero", "two"], ["r"], "clip"),
            helper.make_node("Conv", ["r", "w2"], ["c2"], "second"),
            helper.make_node("GlobalAveragePool", ["c2"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["out"], "flatten")]
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 4, 96, 96])}, {"out": (tiny.FLOAT, ["N", 8])},
            {"w1": w1, "scale": self.normal(6), "shift": self.normal(6), "mean": np.zeros(6, np.float32),
             "variance": (w1 ** 2).sum((1, 2, 3)), "zero": np.float32(0), "two": np.float32(2),
             "w2": self.normal(8, 6, 1, 1)})
        x = self.normal(24, 4, 96, 96)
        y = onnxruntime.InferenceSession(model).run(None, {"x": x})[0]
        layers = {"first": "float32"}
        result, _ = worker.run({
            "type": "ptq", "model": model, "data": self.save_data("data.npz", x=x, y=y), "metric": "mse",
            "latency": False, "schemes": [
                {"name": "plain", "weights": "int3", "activations": None, "layers": layers},
                {"name": "corrected", "weights": "int3", "activations": None, "layers": layers,
                 "methods": [{"name": "bias_correction", "mode": "analytic"}]}]})
        plain, corrected = result["schemes"]
        self.assertEqual([l["layer"] for l in report(corrected, "bias_correction")["layers"]], ["second"])
        self.assertLess(corrected["metric"], 2e-2 * plain["metric"])


class Smooth(tiny.Case):
    """What attention and a feed-forward layer get from a LayerNormalization with one huge channel."""

    def job(self, *schemes):
        gamma = np.ones(32, np.float32)
        gamma[[3, 17]] = [80, 40]
        nodes = [
            helper.make_node("LayerNormalization", ["x", "gamma", "beta"], ["n"], "norm", axis=-1),
            helper.make_node("MatMul", ["n", "wq"], ["q"], "query"),
            helper.make_node("MatMul", ["n", "wk"], ["k"], "key"),
            helper.make_node("Mul", ["q", "k"], ["qk"], "gate"),
            helper.make_node("Tanh", ["qk"], ["t"], "tanh"),
            helper.make_node("MatMul", ["t", "wo"], ["o"], "project"),
            helper.make_node("ReduceMean", ["o"], ["out"], "mean", axes=[1], keepdims=0)]
        small = 1 / gamma.reshape(32, 1)
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 6, 32])}, {"out": (tiny.FLOAT, ["N", 10])},
            {"gamma": gamma, "beta": self.normal(32), "wq": self.normal(32, 32) * small,
             "wk": self.normal(32, 32) * small, "wo": self.normal(32, 10)})
        data = self.save_data("data.npz", x=self.normal(64, 6, 32), y=np.arange(64) % 10)
        return {"type": "ptq", "model": model, "data": data, "schemes": list(schemes), "latency": False}

    def test_large_channels__move_into_the_weights(self):
        result, _ = worker.run(self.job("int8", {"name": "smooth", "scheme": "int8", "methods": ["smoothquant"]}))
        plain, smooth = result["schemes"]
        tensors = {t["tensor"]: t for t in report(smooth, "smoothquant")["tensors"]}
        self.assertEqual((tensors["n"]["products"], tensors["n"]["scale"]), (2, "folded"))
        self.assertEqual(tensors["t"]["scale"], "none")
        self.assertGreater(smooth["output_sqnr_db"], plain["output_sqnr_db"] + 6)

    def test_smoothed_network__computes_the_same(self):
        for insert in (False, True):
            result, _ = worker.run(self.job({
                "name": "float", "weights": None, "activations": None,
                "methods": [{"name": "smoothquant", "insert": insert}]}))
            row = result["schemes"][0]
            scales = {t["tensor"]: t["scale"] for t in report(row, "smoothquant")["tensors"]}
            self.assertEqual(scales["t"], "inserted" if insert else "none")
            self.assertGreater(row["output_sqnr_db"], 110)


if __name__ == "__main__":
    unittest.main(verbosity=2)
