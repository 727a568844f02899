#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The sqnr job against integrals by scipy and sums by numpy."""
import json
import os
import tempfile
import unittest

import numpy as np
from scipy import integrate, stats

import worker

SLIDE = [{"name": "uniform", "low": -1, "high": 1}, {"name": "gaussian", "clip": 10},
         {"name": "student_t", "nu": 8, "clip": 100}]
FORMATS = ["E5", "E4", "E3", "E2", "int8"]


def sqnr(distributions, formats, **more):
    result = worker.run({"type": "sqnr", "distributions": distributions, "formats": formats, "samples": 0, **more})[0]
    if "sweep" not in more:
        assert len(result["rows"]) == len(distributions) * len(formats), result["rows"]
    return result


def grid(exponent_bits, mantissa_bits):
    """Values of a signed float without specials, up to a factor."""
    values = []
    for e in range(1 << exponent_bits):
        for m in range(1 << mantissa_bits):
            values.append((m if e == 0 else m + (1 << mantissa_bits)) * 2.0 ** max(e, 1))
    return np.unique(np.concatenate([-np.array(values), values]))


def integrated_mse(density, values, clip, tail):
    """Cell by cell; a clip is a point mass at each end."""
    edges = np.concatenate([[-clip], (values[1:] + values[:-1]) / 2, [clip]])
    total = 0.0
    for v, a, b in zip(values, edges, edges[1:]):
        a, b = np.clip([a, b], -clip, clip)
        if a < b:
            total += integrate.quad(lambda x, v=v: density(x) * (x - v) ** 2, a, b, epsabs=1e-14, epsrel=1e-11)[0]
    return total + 2 * tail * np.min(np.abs(values - clip)) ** 2


class Sqnr(unittest.TestCase):
    def test_student_t__each_format__equals_scipys_integral_at_the_optimum(self):
        rows = sqnr([SLIDE[2]], FORMATS)["rows"]
        t = stats.t(8)
        for row in rows:
            if row["format"] == "int8":
                values = np.arange(-128, 128) * (row["range"] / 127)
            else:
                g = grid(int(row["format"][1]), 7 - int(row["format"][1]))
                values = g * (row["range"] / g[-1])
            want = integrated_mse(t.pdf, values, 100, t.sf(100))
            self.assertAlmostEqual(row["mse"] / want, 1, delta=1e-7, msg=row["format"])

    def test_samples__a_million__stand_beside_the_exact_error(self):
        mix = {"name": "mixture", "parts": [{"name": "laplace", "weight": 9}, {"name": "uniform", "low": 2, "high": 5, "weight": 1}]}
        for row in sqnr(SLIDE[:2] + [{"name": "logistic", "mean": 1, "clip": 9}, {"name": "student_t", "nu": 6.5, "clip": 8}, mix],
                        FORMATS + ["int8_asym", "nf4", "log4", "fp16"], samples=1000000)["rows"]:
            self.assertAlmostEqual(row["measured_sqnr_db"], row["sqnr_db"], delta=0.3, msg=row)

    def test_samples__interval_of_the_measured__holds_the_exact_in_95_of_100(self):
        held = [row["measured_sqnr_low_db"] <= row["sqnr_db"] <= row["measured_sqnr_high_db"]
                for seed in range(40) for row in sqnr(SLIDE[:2], ["E3", "mxfp8"], samples=20000, seed=seed)["rows"]]
        self.assertEqual(len(held), 160)
        self.assertTrue(0.9 <= np.mean(held) <= 0.985, np.mean(held))
        row = sqnr(SLIDE[:1], ["int8"], samples=200)["rows"][0]  # too few for two parts
        self.assertIsNotNone(row["measured_sqnr_db"])
        self.assertIsNone(row["measured_sqnr_low_db"])

    def test_blocks__shared_power_of_two__exact_error_equals_the_measured(self):
        formats = ["mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4", "mxint8"]
        for row in sqnr(SLIDE + [{"name": "laplace", "mean": 0.7, "scale": 0.1}], formats + ["nvfp4"], samples=2000000)["rows"]:
            self.assertEqual(row["exact"], row["format"] != "nvfp4")
            if row["exact"]:
                self.assertAlmostEqual(row["measured_mse"] / row["mse"], 1, delta=0.005, msg=row)
                self.assertIsNone(row["range"])

    def test_seed__same_and_other__same_and_other_bytes(self):
        job = {"distributions": SLIDE, "formats": ["int8", "mxfp4", "nvfp4"]}
        first, again, other = (json.dumps(sqnr(**job, samples=5000, seed=s)) for s in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_sweep__outliers_grow__int8_stops_winning(self):
        r = sqnr([{"name": "gaussian"}], ["int8", "E2", "E3", "E4"],
                 sweep={"parameter": "outlier_mass", "values": [0, 1e-4, 1e-3, 1e-2, 0.1], "outlier_sigma": 30})
        self.assertEqual([(row["value"], row["format"]) for row in r["rows"]][:2], [(0, "int8"), (0, "E2")])
        best = [row["format"] for row in r["rows"] if row["best"]]
        self.assertEqual(best[0], "E2")
        self.assertIn("E3", best)
        self.assertEqual(r["crossings"][0]["before"], "E2")
        # and with a light tail the integers win
        r = sqnr([{"name": "student_t", "clip": 50}], ["int8", "E2", "E3"],
                 sweep={"parameter": "nu", "values": [2.5, 8, 100]})
        self.assertEqual([row["format"] for row in r["rows"] if row["best"]][0], "E3")

    def test_sweep__bits__six_decibels_a_bit(self):
        rows = sqnr([{"name": "uniform"}], ["int8"], sweep={"parameter": "bits", "values": [6, 7, 8, 9, 10]})["rows"]
        self.assertEqual([r["format"] for r in rows], ["int6", "int7", "int8", "int9", "int10"])
        steps = np.diff([r["sqnr_db"] for r in rows])
        self.assertTrue(np.all(np.abs(steps - 6.02) < 0.1), steps)

    def test_sweep__range__least_near_the_optimum(self):
        best = sqnr([{"name": "gaussian"}], ["int8"])["rows"][0]
        values = [best["range"] * f for f in (0.5, 0.9, 1, 1.1, 2)]
        rows = sqnr([{"name": "gaussian"}], ["int8"], sweep={"parameter": "range", "values": values})["rows"]
        self.assertEqual(np.argmin([r["mse"] for r in rows]), 2)
        self.assertEqual(rows[2]["mse"], best["mse"])

    def test_dot__two_operands__equals_monte_carlo(self):
        n = 8
        row = sqnr([{"name": "gaussian", "mean": 0.3}], ["int4"], dot={
            "length": n, "distribution": {"name": "uniform", "low": 0, "high": 2}, "format": "int3"})["rows"][0]
        other = sqnr([{"name": "uniform", "low": 0, "high": 2}], ["int3"])["rows"][0]
        rng = np.random.default_rng(1)
        x, y = rng.normal(0.3, 1, (200000, n)), rng.uniform(0, 2, (200000, n))
        q = lambda v, r, lo, hi: np.clip(np.rint(v / r["scale"]), lo, hi) * r["scale"]
        error = (x * y).sum(1) - (q(x, row, -8, 7) * q(y, other, -4, 3)).sum(1)
        self.assertAlmostEqual(row["dot_mse"] / np.mean(error ** 2), 1, delta=0.02)

    def test_empirical__array_of_a_file__equals_numpy(self):
        x = np.random.default_rng(3).standard_normal(5000).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.npz")
            np.savez(path, x=x, other=x[:5])
            row = sqnr([{"name": "empirical", "tensor": "x"}], ["int8"], data=path)["rows"][0]
            q = np.clip(np.rint(x.astype(np.float64) / row["scale"]), -128, 127) * row["scale"]
            self.assertAlmostEqual(row["mse"] / np.mean((x - q) ** 2), 1, delta=1e-6)
            with self.assertRaisesRegex(worker.Failed, "name one"):
                sqnr([{"name": "empirical"}], ["int8"], data=path)

    def test_asymmetric__half_normal_and_exponential__both_ends_of_least_error(self):
        u = (np.arange(4000) + 0.5) / 4000
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.npz")
            np.savez(path, half=-stats.halfnorm.ppf(u).astype(np.float32), exponential=stats.expon.ppf(u).astype(np.float32))
            for name, x in np.load(path).items():
                x = x.astype(np.float64)
                row = sqnr([{"name": "empirical", "tensor": name}], ["int8_asym"], data=path, samples=20000)["rows"][0]
                error = lambda scale, zero: np.mean((x - (np.clip(np.rint(x / scale) + zero, -128, 127) - zero) * scale) ** 2)
                # one end stays at 0: the data's other end, and all within
                most = np.abs(x).max()
                scan = min(error(most * t / 255, z) for t in np.linspace(0.5, 1.1, 400) for z in ((126, 127) if name == "half" else (-128, -127)))
                self.assertLess(row["mse"], scan * 1.0001, name)
                self.assertAlmostEqual(row["mse"] / error(row["scale"], row["zero"]), 1, places=6)
                self.assertAlmostEqual(row["low"], row["scale"] * (-128 - row["zero"]))
                self.assertAlmostEqual(row["high"], row["scale"] * (127 - row["zero"]))
                self.assertAlmostEqual(row["range"], (row["high"] - row["low"]) / 2)
                self.assertAlmostEqual(row["measured_sqnr_db"], row["sqnr_db"], delta=0.3)

    def test_bad_jobs__each__named_by_field(self):
        g = [{"name": "gaussian"}]
        for job, field in (
                (dict(distributions=[{"name": "gaussian", "nu": 3}], formats=["int8"]), "distributions\\[0\\]"),
                (dict(distributions=[{"name": "cauchy"}], formats=["int8"]), "distributions\\[0\\].name"),
                (dict(distributions=[{"name": "student_t", "nu": 1}], formats=["int8"]), "second moment"),
                (dict(distributions=g, formats=["int8", "int99"]), "formats\\[1\\]"),
                (dict(distributions=g, formats=["int8"], range=-1), "range"),
                (dict(distributions=g, formats=["int8"], sweep={"parameter": "nu", "values": [3]}), "sweep"),
                (dict(distributions=g, formats=["nf4"], sweep={"parameter": "bits", "values": [3]}), "formats\\[0\\]"),
                (dict(distributions=[{"name": "empirical"}], formats=["int8"]), "data")):
            with self.assertRaisesRegex(worker.Failed, field, msg=job):
                sqnr(**job)


if __name__ == "__main__":
    unittest.main(verbosity=1)
