#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""Methods that move ranges about: what they must keep, and what they must change."""
import json
import unittest

import numpy as np
import onnxruntime
import tiny
import worker
from onnx import helper


def row(result, name):
    return next(s for s in result["schemes"] if s["scheme"] == name)


def report(scheme, method):
    return next(m["report"] for m in scheme["methods"] if m["name"] == method)


# Nothing is quantized but the output, which 16 bits hold to 1e-4: what is left is what the method did to the function.
FLOAT_BUT_OUTPUT = {"weights": None, "activations": "int16", "layers": {"*": "float32", "product": {"activations": "int16"}}}


class Equalization(tiny.Case):
    """Channels of ranges that differ a thousandfold: a convolution, a depthwise one, a pointwise one, a pool, a product."""

    def job(self, *schemes, relu6=False, **more):
        spread = (10.0 ** self.random.uniform(-1.5, 1.5, 16)).astype(np.float32)
        act = (lambda x, y, name: helper.make_node("Clip", [x, "zero", "six"], [y], name)) if relu6 else (
            lambda x, y, name: helper.make_node("Relu", [x], [y], name))
        nodes = [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "plain", pads=[1, 1, 1, 1]), act("c1", "r1", "a1"),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "depthwise", pads=[1, 1, 1, 1], group=16),
            helper.make_node("PRelu", ["c2", "slope"], ["r2"], "a2"),
            helper.make_node("Conv", ["r2", "w3"], ["c3"], "pointwise"), helper.make_node("Relu", ["c3"], ["r3"], "a3"),
            helper.make_node("GlobalAveragePool", ["r3"], ["p"], "pool"), helper.make_node("Flatten", ["p"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "w4", "b4"], ["out"], "product", transB=1)]
        column = spread.reshape(16, 1, 1, 1)
        weights = {
            "w1": self.normal(16, 3, 3, 3) * column, "b1": self.normal(16) * spread,
            "w2": self.normal(16, 1, 3, 3) / column, "b2": self.normal(16),
            "slope": self.normal(16, 1, 1), "w3": self.normal(24, 16, 1, 1) * spread.reshape(1, 16, 1, 1),
            "w4": self.normal(10, 24), "b4": self.normal(10)}
        if relu6:
            weights.update(zero=np.float32(0), six=np.float32(6))
        model = self.save_model("net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 3, 8, 8])}, {"out": (tiny.FLOAT, ["N", 10])},
                                weights)
        data = self.save_data("data.npz", x=self.normal(64, 3, 8, 8), y=np.arange(64) % 10)
        return {"type": "ptq", "model": model, "data": data, "schemes": list(schemes), "latency": False, **more}

    def test_dead_channel__keeps_its_scale(self):
        """Weights of next to nothing and a bias: equal ranges would make the bias the largest number of the network."""
        w1, w2 = self.normal(8, 3, 3, 3), self.normal(6, 8, 1, 1)
        w1[3] *= 1e-12
        w2[:, 5] *= 1e-12
        model = self.save_model("net.onnx", [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"], "relu"),
            helper.make_node("Conv", ["r1", "w2"], ["out"], "second")],
            {"x": (tiny.FLOAT, ["N", 3, 8, 8])}, {"out": (tiny.FLOAT, ["N", 6, 8, 8])},
            {"w1": w1, "b1": np.ones(8, np.float32), "w2": w2})
        x = self.normal(40, 3, 8, 8)
        y = onnxruntime.InferenceSession(model).run(None, {"x": x})[0]
        result, _ = worker.run({
            "type": "ptq", "model": model, "data": self.save_data("data.npz", x=x, y=y), "metric": "mse", "latency": False,
            "weights": {"granularity": "per_tensor"},
            "schemes": ["int8", {"name": "equal", "scheme": "int8", "methods": ["cross_layer_equalization"]}]})
        pair, = report(row(result, "equal"), "cross_layer_equalization")["pairs"]
        self.assertLess(pair["largest_scale"] / pair["least_scale"], 100)
        self.assertGreater(row(result, "equal")["output_sqnr_db"], row(result, "int8")["output_sqnr_db"] - 1)

    def test_function__is_kept(self):
        result, _ = worker.run(self.job({**FLOAT_BUT_OUTPUT, "name": "plain"}, {
            **FLOAT_BUT_OUTPUT, "name": "equal", "methods": ["cross_layer_equalization"]}))
        plain, equal = row(result, "plain"), row(result, "equal")
        self.assertEqual(len(report(equal, "cross_layer_equalization")["pairs"]), 3)
        self.assertTrue(report(equal, "cross_layer_equalization")["converged"])
        self.assertGreater(equal["output_sqnr_db"], 80)
        self.assertAlmostEqual(equal["output_sqnr_db"], plain["output_sqnr_db"], delta=0.5)

    def test_ranges__per_tensor_loses_far_less(self):
        part = {"format": "int8", "granularity": "per_tensor", "range": "minmax"}
        result, _ = worker.run(self.job(
            {"name": "plain", "weights": part, "activations": None},
            {"name": "equal", "weights": part, "activations": None, "methods": ["cross_layer_equalization"]}))
        plain, equal = row(result, "plain"), row(result, "equal")
        self.assertGreater(equal["output_sqnr_db"], plain["output_sqnr_db"] + 10)
        # A range that is equal for all channels is also the smallest possible one of each tensor.
        self.assertEqual(len(plain["tensors"]), len(equal["tensors"]))

    def test_relu6__is_replaced_or_kept_and_said(self):
        replaced, kept = ({**FLOAT_BUT_OUTPUT, "name": how, "methods": [
            {"name": "cross_layer_equalization", "relu6": how}]} for how in ("replace", "keep"))
        result, _ = worker.run(self.job(replaced, kept, relu6=True))
        self.assertEqual(report(row(result, "replace"), "cross_layer_equalization")["relu6_replaced"], 1)
        self.assertEqual(report(row(result, "keep"), "cross_layer_equalization")["relu6_kept"], 1)
        self.assertGreater(row(result, "keep")["output_sqnr_db"], 80)
        # Numbers above six are there: another function, and the error against the network as it was says so.
        self.assertLess(row(result, "replace")["output_sqnr_db"], 60)

    def test_threads_and_company__do_not_change_a_number(self):
        int8 = {"weights": "int8", "activations": "int8"}
        methods = ["cross_layer_equalization", "high_bias_absorption", "batch_norm_reestimation"]
        rows = []
        for threads, others in ((1, []), (2, ["int4", "E4"])):
            self.random = np.random.default_rng(5)
            result, _ = worker.run(self.job({**int8, "name": "all", "methods": methods}, *others, threads=threads))
            rows.append(json.dumps(row(result, "all")))
        self.assertEqual(rows[0], rows[1])

    def test_unknown_method__error_lists_them(self):
        with self.assertRaisesRegex(worker.Failed, r'schemes\[0\]\.methods\[0\].*"equalize".*cross_layer_equalization'):
            worker.run(self.job({"weights": "int8", "activations": "int8", "methods": ["equalize"]}))

    def test_method_twice__is_an_error(self):
        with self.assertRaisesRegex(worker.Failed, "twice"):
            worker.run(self.job("int8", methods=["cross_layer_equalization", "cross_layer_equalization"]))


class Absorption(tiny.Case):
    def job(self, *schemes, pads=0):
        nodes = [
            helper.make_node("Conv", ["x", "w1"], ["c1"], "first"),
            helper.make_node("BatchNormalization", ["c1", "gamma", "beta", "mean", "var"], ["n1"], "norm"),
            helper.make_node("Relu", ["n1"], ["r1"], "relu"),
            helper.make_node("Conv", ["r1", "w2"], ["c2"], "second", pads=[pads] * 4),
            helper.make_node("GlobalAveragePool", ["c2"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "w3"], ["out"], "product", transB=1)]
        beta = np.where(np.arange(8) % 2, 20, 0).astype(np.float32)
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 3, 8, 8])}, {"out": (tiny.FLOAT, ["N", 10])},
            {"w1": self.normal(8, 3, 1, 1), "gamma": np.ones(8, np.float32), "beta": beta,
             "mean": np.zeros(8, np.float32), "var": np.full(8, 3, np.float32), "w2": self.normal(12, 8, 3, 3),
             "w3": self.normal(10, 12)})
        data = self.save_data("data.npz", x=self.normal(64, 3, 8, 8).clip(-2.5, 2.5), y=np.arange(64) % 10)
        return {"type": "ptq", "model": model, "data": data, "schemes": list(schemes), "latency": False}

    def test_channels_far_above_zero__are_moved_and_the_function_kept(self):
        int8 = {"weights": None, "activations": {"format": "int8", "range": "minmax"}}
        method = {"name": "high_bias_absorption", "deviations": 6}
        result, _ = worker.run(self.job(
            {**FLOAT_BUT_OUTPUT, "name": "float", "methods": [method]},
            {**int8, "name": "plain"}, {**int8, "name": "absorbed", "methods": [method]}))
        layers = report(row(result, "float"), "high_bias_absorption")["layers"]
        self.assertEqual([(l["from"], l["to"], l["channels"]) for l in layers], [("first", "second", 4)])
        self.assertAlmostEqual(layers[0]["largest"], 14, places=4)
        self.assertGreater(row(result, "float")["output_sqnr_db"], 80)
        largest = [max(t["observed_max"] for t in row(result, n)["tensors"] if t["layer"] == "first")
                   for n in ("plain", "absorbed")]
        self.assertAlmostEqual(largest[0] - largest[1], 14, places=3)

    def test_padded_layer__is_left_alone_unless_asked(self):
        left, forced = ({**FLOAT_BUT_OUTPUT, "name": str(p), "methods": [
            {"name": "high_bias_absorption", "deviations": 6, "padded": p}]} for p in (False, True))
        result, _ = worker.run(self.job(left, forced, pads=1))
        self.assertEqual(report(row(result, "False"), "high_bias_absorption")["layers"], [])
        self.assertEqual(len(report(row(result, "True"), "high_bias_absorption")["layers"]), 1)


class Reestimation(Absorption):
    """One convolution, a norm: afterwards means and deviations under quantization are those in float."""

    def job(self, *schemes):
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
            helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["out"], "norm")]
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 4, 10, 10])}, {"out": (tiny.FLOAT, ["N", 8, 8, 8])},
            {"w": self.normal(8, 4, 3, 3), "gamma": self.normal(8) + 2, "beta": self.normal(8),
             "mean": self.normal(8), "var": np.full(8, 36, np.float32)})
        x = self.normal(64, 4, 10, 10) + np.float32(0.5)
        y = onnxruntime.InferenceSession(model).run(None, {"x": x})[0]
        data = self.save_data("data.npz", x=x, y=y)
        return {"type": "ptq", "model": model, "data": data, "metric": "mse", "schemes": list(schemes),
                "latency": False, "calibration": {"samples": 64}}

    test_channels_far_above_zero__are_moved_and_the_function_kept = None
    test_padded_layer__is_left_alone_unless_asked = None

    def test_second_estimate__has_nothing_left_to_correct(self):
        part = {"weights": {"format": "int2", "range": "minmax"}, "activations": None}
        result, _ = worker.run(self.job(
            {**part, "name": "plain"}, {**part, "name": "norm", "methods": ["batch_norm_reestimation"]}))
        layer, = report(row(result, "norm"), "batch_norm_reestimation")["layers"]
        self.assertTrue(layer["scales"])
        self.assertGreater(layer["largest_shift"], 0.01)
        self.assertLess(layer["least_ratio"], 1)
        self.assertLess(row(result, "norm")["metric"], row(result, "plain")["metric"])

    def test_one_scale_a_tensor__only_means_are_corrected(self):
        part = {"weights": {"format": "int3", "granularity": "per_tensor"}, "activations": None,
                "methods": ["batch_norm_reestimation"]}
        result, _ = worker.run(self.job({**part, "name": "norm"}))
        layer, = report(row(result, "norm"), "batch_norm_reestimation")["layers"]
        self.assertFalse(layer["scales"])
        self.assertEqual((layer["least_ratio"], layer["largest_ratio"]), (1, 1))


class Ranges(Equalization):
    """Every option of a part, on a network that any of them must hold."""

    for name in [n for n in dir(Equalization) if n.startswith("test_")]:
        locals()[name] = None

    def sqnr(self, **weights):
        result, _ = worker.run(self.job({"name": "s", "weights": weights, "activations": {
            "format": "int8", **{k: v for k, v in weights.items() if k in ("range", "scale")}}}))
        return row(result, "s")

    def test_range_methods__all_run_and_are_named_in_the_result(self):
        for method in ("minmax", "running_minmax", "percentile", "mse", "sqnr", "entropy"):
            s = self.sqnr(format="int8", range=method)
            self.assertEqual((s["weights"]["range"], s["activations"]["range"]), (method, method))
            self.assertGreater(s["output_sqnr_db"], 8, method)

    def test_power_of_two__scales_are(self):
        s = self.sqnr(format="int8", scale="power_of_two")
        self.assertEqual(s["weights"]["scale"], "power_of_two")
        for t in s["tensors"]:
            if t["kind"] == "activation":
                step = (t["max"] - t["min"]) / 255
                self.assertEqual(np.log2(step) % 1, 0, t["name"])

    def test_groups__become_blocks(self):
        s = self.sqnr(format="int4", granularity="per_group", group_size=16)
        self.assertEqual((s["weights"]["format"], s["weights"]["granularity"]), ("int4_g16", "per_group"))
        s = self.sqnr(format="int4", granularity="per_group", group_size=16, symmetric=False)
        self.assertEqual((s["weights"]["format"], s["weights"]["granularity"], s["weights"]["symmetric"]), ("int4_asym_g16", "per_group", False))
        with self.assertRaisesRegex(worker.Failed, r"weights\.granularity: per_group needs an integer format"):
            self.sqnr(format="nf4", granularity="per_group")
        with self.assertRaisesRegex(worker.Failed, r"weights\.group_size"):
            self.sqnr(format="int4", group_size=16)

    def test_fp8_auto__takes_the_best_split_of_each_tensor(self):
        result, _ = worker.run(self.job("fp8_auto", "E2", "E3", "E4", "E5"))
        auto = row(result, "fp8_auto")
        self.assertEqual(auto["weights"]["format"], "fp8_auto")
        for t in auto["tensors"]:
            if t["kind"] != "weight":
                continue
            fixed = {n: next(u["sqnr_db"] for u in row(result, n)["tensors"] if u["name"] == t["name"])
                     for n in ("E2", "E3", "E4", "E5")}
            self.assertAlmostEqual(t["sqnr_db"], max(fixed.values()), places=6, msg=t["name"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
