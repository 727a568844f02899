#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The toy job against the regression written out here: gradient descent on one weight, rounded."""
import math
import unittest

import worker


def by_hand(target, start, scale, rate, steps):
    """The straight-through estimator: levels before each step and after the last."""
    w, levels = start, []
    for _ in range(steps + 1):
        q = round(w / scale) * scale
        levels.append(q)
        w -= rate * (q - target)
    return levels


class Toy(unittest.TestCase):
    def run_toy(self, **more):
        return worker.run({"type": "toy", **more})[0]

    def test_lsq__oscillates_as_by_hand_and_as_predicted(self):
        job = {"target": 0.7105, "start": 0.737, "scale": 1 / 15, "lr": 1.0 / 10, "steps": 2000}
        r = self.run_toy(methods=["lsq"], **job)
        run = r["runs"][0]
        levels = by_hand(job["target"], job["start"], job["scale"], job["lr"], job["steps"])
        self.assertEqual(len(run["points"]), job["steps"] + 1)
        same = sum(abs(p["quantized"] - q) < 1e-6 for p, q in zip(run["points"], levels))
        self.assertGreater(same, 0.98 * len(levels))  # float32 against double near the threshold
        lower = math.floor(job["target"] * 15) / 15
        self.assertAlmostEqual(r["share_predicted"], (job["target"] - lower) * 15, places=5)
        self.assertAlmostEqual(run["share"], r["share_predicted"], delta=0.03)
        self.assertAlmostEqual(run["period"], r["period_predicted"], delta=0.3)
        self.assertGreater(run["changes"], 100)

    def test_dampen_and_freeze__end_the_oscillation(self):
        r = self.run_toy(methods=["lsq", {"name": "dampen", "lambda": 1}, "freeze"], steps=2000)
        lsq, dampen, freeze = r["runs"]
        self.assertGreater(lsq["changes"], 100)
        self.assertEqual((dampen["changes"], freeze["changes"]), (0, 0))
        self.assertTrue(freeze["points"][-1]["frozen"])
        self.assertFalse(lsq["points"][-1]["frozen"])
        self.assertEqual(freeze["method"], "lsq+freeze")

    def test_defaults__are_the_figure(self):
        r = self.run_toy()
        self.assertEqual([run["method"] for run in r["runs"]], ["lsq", "lsq+dampen", "lsq+freeze"])
        self.assertEqual(r["steps"], 60)
        self.assertAlmostEqual(r["share_predicted"], 0.66, delta=0.01)

    def test_fields__that_are_wrong__are_named(self):
        for job, field in ({"format": "E4"}, "/format"), ({"format": "int99"}, "/format"), (
                {"methods": ["frieze"]}, "/methods/0"), ({"methods": [["lsq", "frieze"]]}, "/methods/0/1"), (
                {"methods": [{"name": "freeze", "threshold": 7}]}, "/methods/0/threshold"), ({"steps": 0}, "/steps"), (
                {"methods": [["lsq", "pact"]]}, None):
            with self.subTest(job=job), self.assertRaises(worker.Failed) as failed:
                self.run_toy(**job)
            if field:
                self.assertEqual(failed.exception.event["field"], field)


if __name__ == "__main__":
    unittest.main()
