#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Comma-separated values of every kind of job hold what its result holds."""
import csv
import io
import json
import os
import subprocess
import sys
import unittest

from onnx import helper

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "worker"))
import tiny
import worker

KINDS = {
    "ptq": [("", "float"), ("", "schemes")], "tensor": [("", "rows")], "sqnr": [("", "rows")], "hwcost": [("", "rows")],
    "diagnose": [("float", "float"), ("all", "all"), ("layer", "layers"), ("tensor", "tensors"), ("largest", "largest"), ("mixed", "mixed.front")]}


def numbers(row, prefix=""):
    """Everything in a row but lists of objects, which are tables of their own."""
    for key, v in row.items():
        if isinstance(v, dict):
            yield from numbers(v, f"{prefix}{key}.")
        elif not (isinstance(v, list) and any(isinstance(x, (dict, list)) for x in v)):
            yield prefix + key, v


def cell(v):
    return "" if v is None else str(v).lower() if isinstance(v, bool) else " ".join(map(cell, v)) if isinstance(v, list) else v


class Csv(tiny.Case):
    def jobs(self):
        model = self.save_model("m.onnx", [helper.make_node("Conv", ["x", "w"], ["a"], name='first, "1"'), helper.make_node("Conv", ["a", "v"], ["y"])],
                                {"x": (tiny.FLOAT, ["N", 3, 6, 6])}, {"y": (tiny.FLOAT, ["N", 4, 2, 2])}, {"w": self.normal(4, 3, 3, 3), "v": self.normal(4, 4, 3, 3)})
        data = self.save_data("d.npz", x=self.normal(12, 3, 6, 6), y=self.normal(12, 4, 2, 2))
        network = {"model": model, "data": data, "metric": "mse"}
        return [{"type": "ptq", **network, "latency": False, "schemes": ["int8", {"scheme": "w4a8", "methods": ["gptq", "bias_correction"]}, "bf16"]},
                {"type": "diagnose", **network, "scheme": "int4", "mixed": {"candidates": ["int8"], "budget": {"share": .3}}},
                {"type": "tensor", "data": data, "formats": ["int8", "mxfp4"]},
                {"type": "sqnr", "formats": ["int8", "E4"], "samples": 1000, "distributions": [{"name": "gaussian", "label": 'a,"b"\nc'}],
                 "sweep": {"parameter": "clip", "values": [2, 3]}, "dot": {"length": 8, "format": "int4"}},
                {"type": "hwcost", "units": [{"operands": ["int4", "E4"], "accumulator": "fp32"}, {"operands": "int8"}], "rounds": 1, "macs": 1000}]

    def table(self, job):
        """The result of `quantbench run` and the same as a table."""
        with open(self.path("job.json"), "w", encoding="utf-8") as f:
            json.dump(job, f)
        outs = [subprocess.run([os.path.join(worker.BUILD, "quantbench"), "run", self.path("job.json"), form], capture_output=True, text=True, check=True,
                               env={**os.environ, "QUANTBENCH_WORKER": os.path.join(worker.BUILD, "quantbench-worker")}).stdout for form in ("--json", "--csv")]
        return json.loads(outs[0]), list(csv.DictReader(io.StringIO(outs[1], newline=""), strict=True))

    def test_every_kind__every_number_of_every_row__is_in_the_table(self):
        for job in self.jobs():
            result, rows = self.table(job)
            at = 0
            for name, path in KINDS[job["type"]]:
                part = result
                for key in path.split("."):
                    part = part[key]
                self.assertTrue(part, (job["type"], path))
                for want in part if isinstance(part, list) else [part]:
                    got = rows[at]
                    at += 1
                    self.assertEqual(got.get("row", ""), name)
                    for column, v in numbers(want):
                        self.assertIn(column, got, job["type"])
                        if isinstance(v, float):
                            self.assertEqual(float(got[column]), v, (job["type"], column))
                        else:
                            self.assertEqual(got[column], str(cell(v)), (job["type"], column))
            self.assertEqual(at, len(rows), job["type"])
            if job["type"] == "hwcost":
                self.assertEqual([r["operands"] for r in rows], ["int4 E4", "int8"])
            if job["type"] == "ptq":
                self.assertEqual([(r["scheme"], r["methods"]) for r in rows[:3]], [("float", ""), ("int8", ""), ("w4a8+gptq+bias_correction", "gptq bias_correction")])
            if job["type"] == "diagnose":
                self.assertTrue(all(r["worst_channels"] for r in rows if r["row"] == "tensor"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
