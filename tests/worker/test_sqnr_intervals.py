#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""How sure the SQNR of each tensor is: the interval over batches of samples, against numpy."""
import unittest

import numpy as np
import tiny
import worker
from onnx import helper
from scipy import stats

BATCH = 32  # the worker's, of a network as small as this


def interval(s, n):
    """95 %, in dB, of sums of signal and noise by part: the variance of a ratio, Student's quantile."""
    u = s / s.sum() - n / n.sum()
    half = stats.t.ppf(0.975, len(u) - 1) * 10 / np.log(10) * np.sqrt(len(u) / (len(u) - 1) * (u ** 2).sum())
    db = 10 * np.log10(s.sum() / n.sum())
    return db, db - half, db + half


def by_batch(a):
    """Sums of squares of each batch; the rest, fewer than a batch, with the last."""
    ends = np.arange(0, len(a), BATCH)[:len(a) // BATCH]
    return np.add.reduceat((a.astype(np.float64) ** 2).sum(1), ends)


class SqnrIntervals(tiny.Case):
    def network(self, samples):
        nodes = [helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first"), helper.make_node("Relu", ["h"], ["r"], "relu"),
                 helper.make_node("MatMul", ["r", "w2"], ["out"], "second")]
        self.w1, self.b1 = self.normal(16, 32) / 4, self.normal(32) / 9
        model = self.save_model("net.onnx", nodes, {"x": (tiny.FLOAT, ["N", 16])}, {"out": (tiny.FLOAT, ["N", 8])},
                                {"w1": self.w1, "b1": self.b1, "w2": self.normal(32, 8)})
        self.x = self.normal(samples, 16) * np.exp(self.normal(samples, 1) / 2).astype(np.float32)
        self.x = np.round(self.x * 64) / 64  # exact in fp16
        return {"model": model, "data": self.save_data("data.npz", x=self.x, y=self.x.argmax(1) % 8), "calibration": {"samples": 64}}

    def tensors(self, count, *options, type="ptq", scheme="int4", **more):
        job = {"type": type, **self.network(count), **({"latency": False, "schemes": [scheme]} if type == "ptq" else {"scheme": scheme})}
        result, _ = worker.run({**job, **more}, *options)
        return {t["name"]: t for t in (result["schemes"][0] if type == "ptq" else result)["tensors"]}

    def quantized(self, x, row):
        scale = np.float32(row["max"] - row["min"]) / 15
        low = np.round(row["min"] / scale)
        return (np.clip(np.round(x / scale), low, low + 15) * scale).astype(np.float32)

    def test_activations__interval__is_that_of_a_ratio_over_batches(self):
        rows = self.tensors(200, scheme={"name": "a", "weights": "float32", "activations": "int4"})
        layer = lambda x: np.maximum(x @ self.w1 + self.b1, 0)
        x = self.quantized(self.x, rows["x"])
        r, float_r = layer(x), layer(self.x)
        q = self.quantized(r, rows["r"])
        for name, row, signal, error in (("sqnr", "x", self.x, x - self.x), ("sqnr", "r", r, q - r), ("network_sqnr", "r", float_r, q - float_r)):
            want = interval(by_batch(signal), by_batch(error))
            self.assertGreater(want[2] - want[0], 0.1)
            for got, value in zip((f"{name}_db", f"{name}_low_db", f"{name}_high_db"), want):
                self.assertAlmostEqual(rows[row][got], value, delta=0.02, msg=(row, got))

    def test_samples__more_of_them__narrow_the_interval(self):
        width = [r["sqnr_high_db"] - r["sqnr_low_db"] for r in (self.tensors(n)["r"] for n in (160, 3200))]
        self.assertLess(width[1], width[0] / 2)

    def test_one_batch_weights_and_exact__have_no_interval(self):
        exact = self.tensors(200, scheme={"name": "e", "weights": "int4", "activations": "fp16"})
        self.assertTrue(exact["x"]["exact"])
        for row in [*self.tensors(BATCH + 9).values(), self.tensors(200)["w1"], exact["x"]]:
            for name in ("sqnr_low_db", "sqnr_high_db", "network_sqnr_low_db", "network_sqnr_high_db"):
                self.assertIsNone(row[name])

    def test_threads__do_not_change_an_interval(self):
        rows = []
        for threads in "1", "2", "3":
            self.random = np.random.default_rng(3)
            rows.append(self.tensors(300, "--threads", threads))
        self.assertIsNotNone(rows[0]["r"]["sqnr_low_db"])
        self.assertEqual(rows[0], rows[1])
        self.assertEqual(rows[0], rows[2])

    def test_diagnosis__in_the_network__has_the_interval_of_a_sweep(self):
        self.random = np.random.default_rng(5)
        sweep = self.tensors(128)["r"]
        self.random = np.random.default_rng(5)
        found = self.tensors(128, type="diagnose", samples=128, sensitivity=False)["r"]
        self.assertIsNotNone(found["network_sqnr_low_db"])
        for name in ("network_sqnr_db", "network_sqnr_low_db", "network_sqnr_high_db"):
            self.assertAlmostEqual(found[name], sweep[name], places=9)


if __name__ == "__main__":
    unittest.main()
