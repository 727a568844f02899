#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""quantbench-worker --serve: a question a line, an answer a line; rounding against ml_dtypes."""
import json
import os
import subprocess
import tempfile
import unittest

import ml_dtypes
import numpy as np

import worker

PEERS = {"e4m3fn": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "e3m2": ml_dtypes.float6_e3m2fn,
         "e2m3": ml_dtypes.float6_e2m3fn, "e2m1": ml_dtypes.float4_e2m1fn, "bf16": ml_dtypes.bfloat16, "fp16": np.float16}


class Questions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.worker = subprocess.Popen([os.path.join(worker.BUILD, "quantbench-worker"), "--serve"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def tearDownClass(cls):
        cls.worker.stdin.close()
        assert cls.worker.wait(20) == 0, "it ends with its input"
        cls.worker.stdout.close()

    def ask(self, ask, **question):
        self.worker.stdin.write(json.dumps({"ask": ask, **question}) + "\n")
        self.worker.stdin.flush()
        return json.loads(self.worker.stdout.readline())

    def test_round__hardware_formats__nearest_and_code_equal_ml_dtypes(self):
        rng = np.random.default_rng(5)
        x = (rng.standard_normal(64) * 2.0 ** rng.integers(-8, 3, 64)).astype(np.float32)
        rows = self.ask("round", value=x.tolist(), formats=list(PEERS))["answer"]["rows"]
        self.assertEqual(len(rows), 64 * len(PEERS))
        for i, row in enumerate(rows):
            theirs = x[i % 64].astype(PEERS[row["format"]])
            bits = np.array([theirs]).view(np.uint16 if theirs.dtype.itemsize == 2 else np.uint8)[0]
            most = float(ml_dtypes.finfo(theirs.dtype).max)
            nearest = np.clip(float(theirs), -most, most)  # ours saturate
            self.assertEqual(np.float32(row["nearest"]), nearest, row)
            if not row["saturated"]:
                self.assertEqual(row["code"], bits, row)
                self.assertLessEqual(row["below"], row["value"])
                self.assertGreaterEqual(row["above"], row["value"])
                self.assertIn(row["nearest"], (row["below"], row["above"]))
            self.assertEqual(int(row["bits"], 2), row["code"] & (1 << len(row["bits"])) - 1)

    def test_round__range__largest_value_and_saturation(self):
        rows = self.ask("round", value=[2.0, -0.3], formats=["int8", "E4"], range=1)["answer"]["rows"]
        self.assertEqual([r["saturated"] for r in rows], [True, False, True, False])
        self.assertEqual((rows[0]["code"], rows[0]["above"], rows[1]["code"]), (127, None, -38))
        self.assertAlmostEqual(rows[2]["nearest"], 1, places=6)

    def test_format__each_common_one__every_code_has_a_value(self):
        formats = self.ask("types")["answer"]["formats"]
        self.assertGreater(len(formats), 10)
        for f in formats:
            d = self.ask("format", name=f["name"])["answer"]
            self.assertEqual((d["min"], d["max"]), (d["values"][0], d["values"][-1]) if d["values"] else (d["min"], d["max"]))
            self.assertEqual(d["values"], sorted(set(d["values"])))
            if d["bits"] <= 8 and d["kind"] != "table":
                self.assertEqual([c["code"] for c in d["codes"]], list(range(1 << d["bits"])))

    def refusal(self, method):
        with self.assertRaises(worker.Failed) as caught:
            worker.run({"type": "ptq", "model": "/none", "data": "/none", "schemes": ["int4"], "methods": [method]})
        return caught.exception.detail

    def test_types__methods__have_the_parameters_that_jobs_take(self):
        answer = self.ask("types")["answer"]
        ptq = next(t["schema"] for t in answer["types"] if t["type"] == "ptq")
        *objects, by_name = ptq["$defs"]["methods"]["items"]["anyOf"]
        self.assertEqual(by_name["enum"], [m["name"] for m in answer["methods"]])
        self.assertGreater(len(objects), 5)
        for method, parameters in ((m["title"], m["properties"]) for m in objects):
            self.assertEqual(parameters.pop("name"), {"const": method})
            usual = {name: p["default"] for name, p in parameters.items() if "default" in p}
            self.assertNotIn("methods", self.refusal({"name": method, **usual}))
            self.assertIn("no such field", self.refusal({"name": method, "zork": 1}))
            for name, p in parameters.items():
                self.assertGreater(len(p["description"]), 5)
                for bound, step in (("minimum", -1), ("maximum", 1)):
                    if bound in p:
                        refused = self.refusal({"name": method, name: p[bound] + step})
                        self.assertRegex(refused, rf"methods\[0\]\.{name}: is .*, must be from")
        self.assertIn("methods[0].beta", self.refusal({"name": "adaround", "beta": [2, 20]}))

    def test_wrong_file__of_a_job__is_named_as_people_know_it(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\x89HDF\r\n\x1a\n")
            f.flush()
            with self.assertRaises(worker.Failed) as caught:
                worker.run({"type": "ptq", "model": {"path": f.name, "name": "net.h5"}, "data": f.name, "schemes": ["int8"]})
        self.assertRegex(caught.exception.detail, r"^model net\.h5: the file is a Keras")

    def test_nonsense__each__is_an_error_and_the_next_is_answered(self):
        for ask, more in (("nothing", {}), ("format", {"name": "int99"}), ("round", {"value": 1, "formats": []}),
                          ("ptq", {"model": "x"}), ("sqnr", {"type": "sqnr"}), ("hwcost", {"units": [{}]})):
            e = self.ask(ask, **more)
            self.assertEqual(e["event"], "error", e)
            self.assertGreater(len(e["detail"]), 15)
        self.assertEqual(self.ask("format", name="E4")["answer"]["name"], "E4")


if __name__ == "__main__":
    unittest.main(verbosity=1)
