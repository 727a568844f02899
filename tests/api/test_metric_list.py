#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rows of results by every pair of filters, page by page, against a plain loop over all rows; with many rows that pass each filter
alone and few, with jobs whose rows interleave, and with jobs that failed."""
import itertools
import os
import random
import sqlite3
import tempfile
import unittest
import urllib.parse

import crowd
from daemon import Daemon

JOBS, ROWS, COUNTED = 40, 60000, 1000
RARE = {"tensor": "rare", "name": "loss", "scheme": "E9"}


def measure(path):
    """Fills in metrics of jobs that are there; gives all rows with what may be asked of them."""
    db = sqlite3.connect(path)
    rng = random.Random(7)

    def often(first, *others):  # 54,000 of the rows: more than are read for a page
        return first if rng.random() < 0.9 else rng.choice(others)
    jobs = {}
    for number, kind, state in db.execute("SELECT id, type, state FROM jobs"):
        inputs = dict(db.execute("SELECT field, upload FROM job_inputs WHERE job = ?", (number,)))
        jobs[number] = {"job": "j%d" % number, "type": kind, "state": state, **inputs}
    rows = []
    for n in range(1, ROWS + 1):
        job = rng.randrange(1, JOBS + 1)
        rare = n % 20000 == 0
        row = {"id": n, "scope": often("tensor", "model"), "scheme": RARE["scheme"] if rare else often("int8", "E4", None),
               "tensor": RARE["tensor"] if rare else often("conv", "gemm", None), "name": RARE["name"] if rare else often("sqnr", "top1")}
        db.execute("INSERT INTO metrics (id, job, scope, scheme, tensor, name, value, time) VALUES (?, ?, ?, ?, ?, ?, 1, '2026-01-02T03:04:05.678Z')",
                   (n, job, row["scope"], row["scheme"], row["tensor"], row["name"]))
        rows.append({**row, **jobs[job]})
    db.commit()
    db.close()
    return rows


class MetricList(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        crowd.people(os.path.join(folder.name, "state"), JOBS)
        cls.rows = measure(os.path.join(folder.name, "state/quantbench.db"))[::-1]
        cls.d = Daemon(folder.name).ready()
        cls.addClassCleanup(cls.d.stop)

    def check(self, query, limit=100):
        """The page, what comes behind it, and how many there are."""
        expected = [r["id"] for r in self.rows if r["state"] == "succeeded" and all(r.get(k) == v for k, v in query.items())]
        page = self.d.call("GET", "/v1/results?" + urllib.parse.urlencode({**query, "limit": limit}), expect=200)
        self.assertEqual([r["id"] for r in page["results"]], expected[:limit], query)
        if page["more"]:
            self.assertEqual(page["total"], COUNTED, query)
            self.assertGreater(len(expected), page["total"], query)
        else:
            self.assertEqual(page["total"], len(expected), query)
        if len(expected) > limit:
            self.assertEqual(page["next"], expected[limit - 1])
            rest = self.d.call("GET", "/v1/results?" + urllib.parse.urlencode({**query, "limit": limit, "before": page["next"]}), expect=200)
            self.assertEqual([r["id"] for r in rest["results"]], expected[limit:2 * limit], query)
            self.assertEqual(rest["total"], page["total"])

    def test_rows__by_every_pair_of_filters__are_those_of_a_plain_loop(self):
        some = [r for r in self.rows if r["state"] == "succeeded"][3]
        choices = {"job": [some["job"]], "scope": ["model", "tensor"], "scheme": ["int8", RARE["scheme"], "nobody's"], "name": ["sqnr", RARE["name"]],
                   "tensor": ["conv", RARE["tensor"]], "type": ["ptq", some["type"]], "model": [some["model"]], "data": [some["data"]]}
        self.check({})
        for a, b in itertools.combinations(choices, 2):
            for x, y in itertools.product(choices[a], choices[b]):
                self.check({a: x})
                self.check({a: x, b: y})
        self.check({"scheme": "int8", "name": "sqnr", "tensor": "conv", "scope": "tensor"})

    def test_rows__of_a_failed_job__are_no_results(self):
        failed = next(r for r in self.rows if r["state"] == "failed")
        self.check({"job": failed["job"]})
        self.assertEqual(self.d.call("GET", "/v1/results?job=" + failed["job"])["total"], 0)


if __name__ == "__main__":
    unittest.main()
