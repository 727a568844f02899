#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""What a job says of a scheme is what the quantizers are and what results call them, wherever it is said."""
import json
import os
import unittest

import numpy as np
import onnx
from onnx import helper, numpy_helper

import groups
import tiny
import worker

BASE = "w8a8"  # what every scheme here begins with

# words of a half, and what its row says then
WEIGHTS = [
    ({"format": "int4"}, {"format": "int4", "bits": 4, "granularity": "per_channel"}),
    ({"format": "E4"}, {"format": "E4", "granularity": "per_channel", "range": "mse"}),
    ({"format": "fp8_auto"}, {"format": "fp8_auto"}),
    ({"format": "mxfp4"}, {"format": "mxfp4", "granularity": "per_block", "range": "minmax", "scale": "power_of_two"}),
    ({"format": "bf16"}, {"format": "bf16", "granularity": None, "range": None, "scale": None}),
    ({"granularity": "per_tensor"}, {"format": "int8", "granularity": "per_tensor"}),
    ({"granularity": "per_group"}, {"format": "int8_g32", "granularity": "per_group", "group_size": 32}),
    ({"granularity": "per_group", "group_size": 9}, {"format": "int8_g9", "granularity": "per_group", "group_size": 9}),
    ({"format": "int4", "granularity": "per_group", "group_size": 4}, {"format": "int4_g4", "group_size": 4, "range": "minmax"}),
    ({"range": "minmax"}, {"range": "minmax"}),
    ({"range": "running_minmax"}, {"range": "running_minmax"}),
    ({"range": "percentile", "percentile": 90}, {"range": "percentile", "percentile": 90}),
    ({"range": "sqnr"}, {"range": "sqnr"}),
    ({"range": "entropy"}, {"range": "entropy"}),
    ({"scale": "power_of_two"}, {"scale": "power_of_two", "range": "mse"}),
    ({"symmetric": False}, {"format": "int8_asym", "symmetric": False}),
    ({"symmetric": True}, {"format": "int8", "symmetric": True}),
    ({"format": "int4", "symmetric": False, "range": "minmax"}, {"format": "int4_asym", "symmetric": False, "range": "minmax"}),
    ({"format": "uint8_asym", "symmetric": True}, {"format": "int8", "symmetric": True}),
    ({"format": "int8_narrow"}, {"format": "int8_narrow", "symmetric": True}),
    ({"format": "int4_g32"}, {"format": "int4_g32", "granularity": "per_group", "group_size": 32, "symmetric": True}),
    ({"format": "int4_g32", "symmetric": False},
     {"format": "int4_asym_g32", "bits": 4, "granularity": "per_group", "group_size": 32, "range": "minmax", "scale": "real", "symmetric": False}),
    ({"format": "int4", "granularity": "per_group", "group_size": 9, "symmetric": False},
     {"format": "int4_asym_g9", "granularity": "per_group", "group_size": 9, "symmetric": False}),
    ({"granularity": "per_group", "symmetric": False}, {"format": "int8_asym_g32", "granularity": "per_group", "group_size": 32, "symmetric": False}),
    ({"format": "uint4_asym", "granularity": "per_group"}, {"format": "uint4_asym_g32", "symmetric": False}),
    ({"format": "uint4_g32", "symmetric": False}, {"format": "uint4_asym_g32", "symmetric": False}),
    ({"format": "uint4_asym_g32", "symmetric": True}, {"format": "int4_g32", "group_size": 32, "symmetric": True}),
    ({"format": "int3_asym_g128"}, {"format": "int3_asym_g128", "granularity": "per_group", "group_size": 128, "symmetric": False}),
]
ACTIVATIONS = [
    ({"format": "int4"}, {"format": "uint4_asym", "bits": 4, "symmetric": False, "granularity": "per_tensor"}),
    ({"format": "E5"}, {"format": "E5"}),
    ({"format": "mxfp8"}, {"format": "mxfp8", "granularity": "per_block", "scale": "power_of_two"}),
    ({"symmetric": True}, {"format": "int8", "symmetric": True}),
    ({"symmetric": False}, {"format": "uint8_asym", "symmetric": False}),
    ({"format": "int16", "symmetric": True}, {"format": "int16", "symmetric": True}),
    ({"format": "uint8", "symmetric": True}, {"format": "int8", "symmetric": True}),
    ({"range": "minmax"}, {"format": "uint8_asym", "range": "minmax"}),
    ({"range": "percentile", "percentile": 99}, {"range": "percentile", "percentile": 99}),
    ({"scale": "power_of_two"}, {"scale": "power_of_two"}),
    ({"granularity": "per_group", "group_size": 8}, {"format": "int8_g8", "granularity": "per_group", "group_size": 8}),
    ({"granularity": "per_group", "group_size": 8, "symmetric": False},
     {"format": "uint8_asym_g8", "granularity": "per_group", "group_size": 8, "symmetric": False}),
    ({"format": "int8_g32", "symmetric": False}, {"format": "uint8_asym_g32", "symmetric": False}),
    ({"format": "int4_asym_g32"}, {"format": "int4_asym_g32", "granularity": "per_group", "group_size": 32, "symmetric": False}),
]

# a half that cannot be had, and the word at fault
REFUSED = [
    ("weights", {"format": "int8_narrow", "granularity": "per_group", "symmetric": False}, "symmetric"),
    ("weights", {"format": "nf4_g32", "symmetric": False}, "symmetric"),
    ("weights", {"format": "E4_g32", "symmetric": False}, "symmetric"),
    ("weights", {"format": "int4_asym_g32", "granularity": "per_channel"}, "granularity"),
    ("weights", {"format": "int4_asym_g32", "group_size": 16}, "group_size"),
    ("weights", {"format": "int4_asym_g32", "range": "mse"}, "range"),
    ("weights", {"format": "int4_asym_g32", "scale": "power_of_two"}, "scale"),
    ("weights", {"format": "int8_narrow", "symmetric": False}, "symmetric"),
    ("weights", {"format": "mxint8", "symmetric": False}, "symmetric"),
    ("weights", {"format": "E4", "symmetric": False}, "symmetric"),
    ("weights", {"format": "mxfp4", "granularity": "per_channel"}, "granularity"),
    ("weights", {"format": "nf4", "granularity": "per_group"}, "granularity"),
    ("weights", {"granularity": "per_block"}, "granularity"),
    ("weights", {"group_size": 8}, "group_size"),
    ("weights", {"percentile": 99}, "percentile"),
    ("weights", {"format": "mxfp4", "range": "mse"}, "range"),
    ("weights", {"format": "bf16", "range": "entropy"}, "range"),
    ("weights", {"format": "nvfp4", "scale": "power_of_two"}, "scale"),
    ("activations", {"granularity": "per_channel"}, "granularity"),
    ("activations", {"format": "mxint8", "symmetric": False}, "symmetric"),
]


def part_of(row, fields):
    return {k: row.get(k) for k in fields}


class Schemes(tiny.Case):
    def setUp(self):
        super().setUp()
        w1, w2 = self.normal(4, 3, 3, 3), self.normal(4, 4, 3, 3) + np.float32(.5)
        self.model = self.save_model(
            "m.onnx", [helper.make_node("Conv", ["x", "w1"], ["a"], name="first"), helper.make_node("Conv", ["a", "w2"], ["y"], name="second")],
            {"x": (tiny.FLOAT, ["N", 3, 8, 8])}, {"y": (tiny.FLOAT, ["N", 4, 4, 4])}, {"w1": w1, "w2": w2})
        self.data = self.save_data("d.npz", x=self.normal(16, 3, 8, 8), y=self.normal(16, 4, 4, 4))

    def run_job(self, scheme, kind="ptq", **more):
        schemes = {"schemes": [scheme], "latency": False} if kind == "ptq" else {"scheme": scheme, "sensitivity": False}
        return worker.run({"type": kind, "model": self.model, "data": self.data, "metric": "mse", **schemes, **more})[0]

    def run_all(self, schemes, **job):
        """Rows by the scheme's name, with those of its tensors by their names as "of"."""
        result = worker.run({"type": "ptq", "model": self.model, "data": self.data, "metric": "mse", "schemes": schemes, "latency": False, **job})[0]
        return {s["scheme"]: {**s, "of": {t["name"]: t for t in s["tensors"]}} for s in result["schemes"]}

    def rows(self, scheme, **job):
        """The scheme's row and those of its tensors, of which a diagnosis tells the same."""
        s = self.run_job(scheme, **job)["schemes"][0]
        tensors = {t["name"]: t for t in s["tensors"]}
        fields = ("format", "granularity", "range", "scale", "symmetric", "group_size", "percentile")
        for t in self.run_job(scheme, kind="diagnose", **job)["tensors"]:
            self.assertEqual(part_of(t, fields), part_of(tensors[t["name"]], fields))
        return s, tensors

    def check(self, half, words, row, where):
        message = f"{half} {words} {where}: {row}"
        for field, value in words.items():
            self.assertEqual(row.get(field), value, f"{field} of {message}")

    def test_words_of_a_half__said_anywhere__reach_results_and_every_tensor(self):
        for half, other, table, tensors in (("weights", "activations", WEIGHTS, ("w1", "w2")),
                                            ("activations", "weights", ACTIVATIONS, ("x", "a", "y"))):
            usual = self.rows(BASE)[0]
            for words, want in table:
                # an unsigned or split format is each tensor's own
                of_tensor = {k: v for k, v in want.items() if k not in ("format", "bits") or half == "weights" and v != "fp8_auto"}
                schemes = [BASE, {"name": "s", "scheme": BASE, half: words}, {"name": "l", "scheme": BASE, "layers": {"second": {half: words}}}]
                by_scheme = self.run_all(schemes)
                by_job = self.run_all([BASE, {"name": "o", "scheme": BASE, other: {"range": "minmax"}}], **{half: words})
                for where, s in (("scheme", by_scheme["s"]), ("job", by_job[BASE]), ("job, under another word of the scheme", by_job["o"])):
                    self.check(half, want, s[half], where)
                    for t in tensors:
                        self.check(half, of_tensor, s["of"][t], where)
                    if s is not by_job["o"]:
                        self.assertEqual(s[other], usual[other], where)
                layered = by_scheme["l"]
                self.assertEqual(layered[half], usual[half], "the scheme itself is as it was")
                self.check(half, of_tensor, layered["of"]["w2" if half == "weights" else "y"], "layer")
                self.check(half, {k: usual[half][k] for k in ("range", "granularity")}, layered["of"][tensors[0]], "the other layer")

    def test_words_of_a_layer__inherit_what_they_do_not_say__from_scheme_job_and_name(self):
        scheme = {"scheme": "w4a8", "weights": {"symmetric": False}, "layers": {"second": {"weights": {"range": "minmax"}, "activations": {}}}}
        s, rows = self.rows(scheme, weights={"scale": "power_of_two"}, activations={"symmetric": True, "range": "minmax"})
        self.check("weights", {"format": "int4_asym", "range": "mse", "scale": "power_of_two"}, rows["w1"], "")
        self.check("weights", {"format": "int4_asym", "range": "minmax", "scale": "power_of_two"}, rows["w2"], "")
        for t in ("x", "a", "y"):
            self.check("activations", {"format": "int8", "symmetric": True, "range": "minmax"}, rows[t], t)
        # a format alone keeps the other words; a name says both formats; null and float32 stay float
        s, rows = self.rows({"scheme": "int8", "weights": {"granularity": "per_group", "group_size": 9}, "activations": {"symmetric": True},
                             "layers": {"second": {"scheme": "int4", "activations": None}}})
        self.assertEqual((rows["w1"]["format"], rows["w2"]["format"], "y" in rows, rows["x"]["symmetric"]), ("int8_g9", "int4_g9", False, True))
        s, rows = self.rows({"scheme": "int8", "weights": {"symmetric": False}, "layers": {"second": "float32"}})
        self.assertEqual(("w2" in rows, "y" in rows, rows["w1"]["format"]), (False, False, "int8_asym"))
        # of a format that has it otherwise, words that it inherits say nothing
        s, rows = self.rows({"scheme": "int8", "weights": {"symmetric": False, "range": "entropy"}, "layers": {"second": "mxfp4"}})
        self.check("weights", {"format": "mxfp4", "range": "minmax"}, rows["w2"], "")

    def test_half_without_format__inherits_it_or_is_refused(self):
        self.assertEqual(self.rows({"activations": "int8"}, weights={"format": "int4"})[0]["weights"]["format"], "int4")
        self.assertIsNone(self.rows({"activations": "int8"})[0]["weights"])
        self.assertIsNone(self.rows({"scheme": "int8", "weights": None})[0]["weights"])
        self.assertEqual(self.rows({"weights": {"range": "minmax"}, "activations": "int8"}, weights={"format": "int4"})[0]["weights"]["format"], "int4")
        for scheme, at in (({"weights": {"range": "minmax"}, "activations": "int8"}, "/schemes/0/weights/range"),
                           ({"scheme": "float32", "activations": {"symmetric": True}}, "/schemes/0/activations/symmetric"),
                           ({"scheme": "w4a32", "layers": {"first": {"activations": {"range": "mse"}}}}, "/schemes/0/layers/first/activations/range")):
            with self.assertRaises(worker.Failed) as caught:
                self.run_job(scheme)
            self.assertEqual(caught.exception.event["field"], at)

    def test_halves_that_cannot_be_had__are_refused_not_changed(self):
        for half, words, at in REFUSED:
            for scheme, path in (({"scheme": BASE, half: words}, f"/schemes/0/{half}/{at}"),
                                 ({"scheme": BASE, "layers": {"first": {half: words}}}, f"/schemes/0/layers/first/{half}/{at}")):
                with self.assertRaises(worker.Failed, msg=f"{words}") as caught:
                    self.run_job(scheme)
                self.assertEqual(caught.exception.event.get("field"), path, caught.exception.detail)
        with self.assertRaisesRegex(worker.Failed, "no zero point"):
            self.run_job("mxint8", weights={"symmetric": False})

    def test_zero_points_in_groups__of_a_job__reach_schemes_in_groups(self):
        s = self.run_job("int4_g32", weights={"symmetric": False})["schemes"][0]
        self.assertEqual([s[half]["format"] for half in ("weights", "activations")], ["int4_asym_g32", "int4_g32"])

    def test_zero_points_in_groups__errors_and_size__equal_numpy(self):
        """Of rows of 27 and 36 elements, whose last groups are short."""
        graph = onnx.load(self.model).graph
        w = {i.name: numpy_helper.to_array(i).reshape(4, -1) for i in graph.initializer}
        for fmt, bits, size in (("uint4_asym", 4, 8), ("int4_asym", 4, 32), ("int2_asym", 2, 9), ("uint8_asym", 8, 5)):
            s = self.run_job(f"{fmt}_g{size}/float32")
            row, nbytes = s["schemes"][0], 0
            for t in row["tensors"]:
                x = w[t["name"]]
                y = groups.quantized_in_groups(x, bits, size)
                want = 10 * np.log10((x.astype(np.float64) ** 2).sum() / ((x.astype(np.float64) - y) ** 2).sum())
                self.assertAlmostEqual(t["sqnr_db"], want, delta=1e-3, msg=f"{fmt}_g{size} {t['name']}")
                count = len(x) * -(-x.shape[1] // size)
                nbytes += -(-x.size * bits // 8) + 4 * count + -(-count * bits // 8)
            self.assertEqual(row["size_bytes"], nbytes)

    def test_jobs_words__without_meaning_for_a_format__leave_it_as_it_is(self):
        words = {"granularity": "per_channel", "range": "mse", "symmetric": True}
        result = worker.run({"type": "ptq", "model": self.model, "data": self.data, "metric": "mse", "latency": False,
                             "schemes": ["int8", "mxfp4", "E4", "fp16", "int4_g32"], "weights": words})[0]
        self.assertEqual([s["weights"]["granularity"] for s in result["schemes"]], ["per_channel", "per_block", "per_channel", None, "per_group"])

    def test_symmetric__numbers__equal_numpy_and_exported_files(self):
        x, w = np.load(self.data)["x"], numpy_helper.to_array(onnx.load(self.model).graph.initializer[0])
        scheme = {"name": "q", "scheme": "int8", "weights": {"symmetric": False, "range": "minmax", "granularity": "per_tensor"},
                  "activations": {"symmetric": True, "range": "minmax"}}
        s = self.run_job(scheme, workdir=self.folder, export=["qdq", "encodings"])["schemes"][0]
        rows = {t["name"]: t for t in s["tensors"]}
        lo, hi = float(w.min()), float(w.max())
        scale = (hi - lo) / 255
        self.assertLess(abs(rows["w1"]["max"] - rows["w1"]["min"] - 255 * scale), 1e-5)
        self.assertLess(abs(rows["w1"]["min"] - lo), scale)
        self.assertAlmostEqual(rows["x"]["max"] / (float(np.abs(x).max()) / 127 * 127), 1, places=5)
        graph = onnx.load(self.path("q.qdq.onnx")).graph
        constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        zero = {n.input[0]: constants[n.input[2]] if len(n.input) > 2 else np.int8(0) for n in graph.node if n.op_type == "QuantizeLinear"}
        self.assertEqual((zero["x"].dtype, int(zero["x"])), (np.int8, 0))
        with open(self.path("q.encodings.json"), encoding="utf-8") as f:
            encodings = json.load(f)
        self.assertEqual(encodings["activation_encodings"]["x"][0]["is_symmetric"], "True")
        self.assertEqual(encodings["param_encodings"]["w1"][0]["is_symmetric"], "False")
        self.assertEqual(encodings["quantizer_args"]["is_symmetric"], "False")

    def test_mixed__candidates_words__are_kept_in_the_job_that_is_ready(self):
        result = self.run_job({"scheme": "int8", "activations": {"range": "minmax"}}, kind="diagnose", sensitivity=True, weights={"symmetric": True},
                              mixed={"candidates": [{"scheme": "int4", "weights": {"symmetric": False, "range": "minmax"}}], "budget": {"share": 0.2}})
        job = result["mixed"]["job"]
        layers = job["schemes"][1]["layers"]
        self.assertTrue(layers)
        again = worker.run({**job, "model": self.model, "data": self.data})[0]
        mixed = {t["name"]: t for t in again["schemes"][1]["tensors"]}
        names = [n for n, t in mixed.items() if t["kind"] == "weight" and t["format"] == "int4_asym" and t["range"] == "minmax"]
        self.assertTrue(names)
        self.assertAlmostEqual(again["schemes"][1]["output_sqnr_db"], result["mixed"]["chosen"]["output_sqnr_db"], places=4)


if __name__ == "__main__":
    unittest.main(verbosity=1)
