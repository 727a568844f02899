#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""The diagnose job and profiles: against ptq jobs that say the same by "layers", and against numpy."""
import unittest

import numpy as np
import tiny
import worker
from onnx import helper


class Diagnose(tiny.Case):
    def network(self):
        """Two layers, the first of which gets an input with one channel forty times the others."""
        nodes = [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first"),
            helper.make_node("Relu", ["h"], ["r"], "relu"),
            helper.make_node("Sin", ["r"], ["s"], "wave"),
            helper.make_node("MatMul", ["s", "w2"], ["out"], "second")]
        self.w1, self.w2, self.b1 = self.normal(16, 32) / 4, self.normal(32, 8), self.normal(32) / 9
        model = self.save_model(
            "net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 16])}, {"out": (tiny.FLOAT, ["N", 8])},
            {"w1": self.w1, "b1": self.b1, "w2": self.w2})
        self.x = self.normal(64, 16)
        self.x[:, 5] *= 40
        data = self.save_data("data.npz", x=self.x, y=self.x.argmax(1) % 8)
        return {"model": model, "data": data, "calibration": {"samples": 64}}

    def diagnose(self, *options, **more):
        result, _ = worker.run({"type": "diagnose", "samples": 64, **self.network(), **more}, *options)
        return result

    def ptq(self, *schemes, **more):
        result, _ = worker.run({"type": "ptq", "latency": False, **self.network(), **more,
                                "schemes": list(schemes)})
        return result

    def test_progress__counts_no_layer_that_is_not_there(self):
        _, events = worker.run({"type": "diagnose", "samples": 64, **self.network(), "scheme": "int4"})
        told = [e["text"] for e in events if e["event"] == "progress" and e["stage"] == "layers"]
        self.assertEqual(told[0], "the whole network")
        for text in told[1:]:
            layer, count = (int(word) for word in text.split() if word.isdigit())
            self.assertLessEqual(layer, count)
        self.assertTrue(told[1:])

    def test_each_layer__equals_a_scheme_that_names_it(self):
        self.random = np.random.default_rng(7)
        d = self.diagnose(scheme="int4")
        self.assertEqual([r["layer"] for r in d["layers"]], ["x", "first", "wave", "second"])
        for layer in d["layers"]:
            self.random = np.random.default_rng(7)
            p = self.ptq({"name": "only", "scheme": "float32", "layers": {layer["layer"]: "int4"}},
                         {"name": "but", "scheme": "int4", "layers": {layer["layer"]: "float32"}}, "int4")
            for mine, row in zip((layer["only"], layer["all_but"], d["all"]), p["schemes"]):
                self.assertAlmostEqual(mine["output_sqnr_db"], row["output_sqnr_db"], places=9)
                self.assertEqual(mine["metric"], row["metric"])
                self.assertEqual((mine["delta_low"], mine["delta_high"]), (row["delta_low"], row["delta_high"]))
                self.assertAlmostEqual(mine["output_sqnr_low_db"], row["output_sqnr_low_db"], places=9)
                self.assertAlmostEqual(mine["output_sqnr_high_db"], row["output_sqnr_high_db"], places=9)
        self.assertLess(d["layers"][1]["only"]["delta_low"], d["layers"][1]["only"]["delta_high"])
        self.assertAlmostEqual(sum(r["noise_share"] for r in d["layers"]), 1)

    def test_output_sqnr__its_interval__is_that_of_a_ratio_over_samples(self):
        fields = self.network()
        row = worker.run({"type": "ptq", "latency": False, **fields, "schemes": [
            {"name": "w", "layers": {"first": {"weights": "int4"}}, "weights": "float32", "activations": "float32"}],
            "weights": {"granularity": "per_tensor", "range": "minmax"}})[0]["schemes"][0]
        w1 = next(t for t in row["tensors"] if t["name"] == "w1")
        scale = (w1["max"] - w1["min"]) / 15
        out = lambda w: np.sin(np.maximum(self.x.astype(np.float64) @ w + self.b1, 0)) @ self.w2
        y, z = out(self.w1), out(np.clip(np.round(self.w1 / scale), -8, 7) * scale)
        s, n = (y ** 2).sum(1), ((z - y) ** 2).sum(1)
        u = s / s.sum() - n / n.sum()  # of 64 samples: Student's quantile of 63 degrees of freedom
        half = 1.9983 * 10 / np.log(10) * np.sqrt(len(u) / (len(u) - 1) * (u ** 2).sum())
        db = 10 * np.log10(s.sum() / n.sum())
        self.assertGreater(half, 0.2)
        for name, want in ("output_sqnr_db", db), ("output_sqnr_low_db", db - half), ("output_sqnr_high_db", db + half):
            self.assertAlmostEqual(row[name], want, places=3, msg=name)

    def test_clipping_and_rounding__equal_numpy(self):
        self.random = np.random.default_rng(8)
        d = self.diagnose(scheme="int4", activations={"range": "percentile", "percentile": 90})
        self.random = np.random.default_rng(8)
        p = self.ptq("int4", activations={"range": "percentile", "percentile": 90})
        lo, hi = next((t["min"], t["max"]) for t in p["schemes"][0]["tensors"] if t["name"] == "x")
        scale = (hi - lo) / 15
        q = np.clip(np.round(self.x / scale), round(lo / scale), round(hi / scale)) * scale
        error = ((q - self.x) ** 2).astype(np.float64)
        clipped = error[(self.x < lo) | (self.x > hi)].sum() / error.sum()
        t = next(t for t in d["tensors"] if t["name"] == "x")
        self.assertGreater(clipped, 0.1)
        self.assertAlmostEqual(t["clipping"], clipped, places=3)
        self.assertAlmostEqual(t["clipping"] + t["rounding"], 1)
        self.assertAlmostEqual(
            t["sqnr_db"], 10 * np.log10((self.x.astype(np.float64) ** 2).sum() / error.sum()), places=3)
        x = self.x.astype(np.float64).ravel()
        self.assertAlmostEqual(
            t["kurtosis"], ((x - x.mean()) ** 4).mean() / x.var() ** 2, places=6)

    def test_calibration__tensors_are_looked_at_on_the_samples_that_calibrate(self):
        for fields, taken in (({}, np.arange(10) * 64 // 10), ({"spread": False}, np.arange(10))):
            self.random = np.random.default_rng(12)
            d = self.diagnose(scheme="int8", sensitivity=False, calibration={"samples": 10, **fields},
                              activations={"range": "minmax"})
            self.assertEqual((d["calibration_samples"], d["calibration_spread"]), (10, not fields))
            t = next(t for t in d["tensors"] if t["name"] == "x")
            self.assertAlmostEqual(t["inf_norm"], np.abs(self.x[taken]).max(), places=4)
            self.assertLess(t["clipping"], 0.05)  # at the ends of the range, whose zero point is rounded
        with self.assertRaisesRegex(worker.Failed, r"calibration\.held_out: is for ptq"):
            self.diagnose(scheme="int8", calibration={"samples": 10, "held_out": True})

    def test_outlier_channel__is_named(self):
        d = self.diagnose(scheme="int8")
        norms = np.abs(self.x).max(0)
        first = d["largest"][0]
        self.assertEqual((first["layer"], first["tensor"], first["channel"]), ("x", "x", 5))
        self.assertAlmostEqual(first["inf_norm"], norms[5], places=4)
        self.assertAlmostEqual(first["ratio"], norms[5] / np.sort(norms)[8], places=4)
        w2 = next(t for t in d["tensors"] if t["name"] == "w2")
        self.assertEqual(w2["channels"], 8)
        self.assertEqual(len(w2["worst_channels"]), 5)
        shares = [c["noise_share"] for c in w2["worst_channels"]]
        self.assertEqual(shares, sorted(shares, reverse=True))

    def test_without_sensitivity__tensors_are_the_same(self):
        results = []
        for fields in {}, {"sensitivity": False}:
            self.random = np.random.default_rng(10)
            results.append(self.diagnose(scheme="int4", **fields))
        self.assertEqual(results[1]["layers"], [])
        for key in "tensors", "largest", "all":
            self.assertEqual(results[0][key], results[1][key])

    def test_threads__do_not_change_anything(self):
        results = []
        for threads in "1", "2":
            self.random = np.random.default_rng(9)
            results.append(self.diagnose("--threads", threads, scheme="E3"))
        self.assertEqual(*results)

    def test_mixed__within_budget_and_its_job_gives_the_same(self):
        for kind in "size", "gates":
            d = self.diagnose(scheme="int4", mixed={
                "candidates": ["int8", "E4"], "budget": {"kind": kind, "share": 0.2}})
            m = d["mixed"]
            self.assertLessEqual(m["chosen"]["cost"], m["budget"])
            self.assertAlmostEqual(m["budget"], 0.2 * m["float_cost"])
            costs = [row["cost"] for row in m["front"]]
            noise = [row["predicted_sqnr_db"] for row in m["front"]]
            self.assertEqual(costs, sorted(costs))
            self.assertEqual(noise, sorted(noise))
            self.assertGreater(m["chosen"]["output_sqnr_db"], d["all"]["output_sqnr_db"])
            result, _ = worker.run({**m["job"], "latency": False})
            mixed = next(r for r in result["schemes"] if r["scheme"] == "mixed")
            self.assertAlmostEqual(mixed["output_sqnr_db"], m["chosen"]["output_sqnr_db"], places=9)
            if kind == "size":
                rest = result["float"]["size_bytes"] - m["float_cost"]
                self.assertEqual(mixed["size_bytes"], m["chosen"]["cost"] + rest)

    def test_mixed__latency_is_measured(self):
        d = self.diagnose(scheme="int8", mixed={
            "candidates": ["float32"], "budget": {"kind": "latency", "value": 1e9}})
        m = d["mixed"]
        self.assertGreater(m["float_cost"], 0)
        # With room for everything, every layer is as good as it gets.
        self.assertEqual(set(m["chosen"]["scheme"]["layers"].values()), {"float32"})

    def test_bad_requests__say_what_to_do(self):
        for text, fields in (
                ("scheme: say what", {}),
                (r"mixed\.budget: give a", {"scheme": "int8", "mixed": {"candidates": ["E4"]}}),
                (r"mixed\.candidates", {"scheme": "int8", "mixed": {"budget": {"value": 1}}}),
                ("even the cheapest", {"scheme": "int8", "mixed": {
                    "candidates": ["E4"], "budget": {"value": 1}}}),
                ("rewrite the network", {"scheme": "int8", "methods": ["cross_layer_equalization"]})):
            with self.assertRaisesRegex(worker.Failed, text):
                self.diagnose(**fields)

    def test_profile__steps_add_up_and_floats_are_explained(self):
        result = self.ptq({"name": "part", "scheme": "int8", "layers": {"second": "float32"}}, "E4",
                          latency={"min_seconds": 0, "min_queries": 1, "warmup_seconds": 0,
                                   "profile": True})
        for row in result["float"], result["schemes"][0]:
            p = row["latency"]["profile"]
            self.assertEqual(sum(s["ns"] for s in p["steps"]), p["total_ns"])
            self.assertEqual(sum(t["ns"] for t in p["types"]), p["total_ns"])
            self.assertAlmostEqual(sum(s["share"] for s in p["steps"]), 1)
            conversions = ("quantize", "dequantize", "reorder")
            self.assertEqual(sum(s["ns"] for s in p["steps"] if s["kind"] in conversions),
                             p["conversions_ns"])
        p = result["schemes"][0]["latency"]["profile"]
        stayed = {f["node"]: f["why"] for f in p["stayed_float"]}
        self.assertEqual(set(stayed), {s["node"] for s in p["steps"] if s["kind"] == "float"})
        self.assertIn("not quantized", stayed["second"])
        self.assertNotIn("first", stayed)
        self.assertIn("dequantize", {s["kind"] for s in p["steps"]})
        self.assertNotIn("profile", result["schemes"][1]["latency"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
