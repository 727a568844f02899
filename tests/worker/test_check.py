#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The question "check": what is refused before a job is queued is what the job itself refuses, with the field's pointer."""
import json
import os
import subprocess
import unittest

import numpy as np
from onnx import helper

import tiny
import worker

NETWORK = ({"type": "ptq"}, {"type": "diagnose", "scheme": "int8"})

# what is wrong with a job, the pointer to it, a name that must be near
PTQ = [
    ({"metric": "msee"}, "/metric", "mse"),
    ({"metric": "top1"}, "/metric", None),
    ({"seed": -1}, "/seed", None),
    ({"zork": 1}, "/zork", None),
    ({"sample": 1}, "/sample", "samples"),
    ({"weights": {"format": "fp8"}}, "/weights/format", "e4m3fn"),
    ({"weights": {"range": "mze"}}, "/weights/range", "mse"),
    ({"activations": {"percentile": 10}}, "/activations/percentile", None),
    ({"methods": ["adaruond"]}, "/methods/0", "adaround"),
    ({"methods": ["gptq", {"name": "adaround", "iteration": 3}]}, "/methods/1/iteration", "iterations"),
    ({"methods": [{"name": "adaround", "iterations": 0}]}, "/methods/0/iterations", None),
    ({"preprocess": {"std": [1, 0]}}, "/preprocess/std/1", None),
    ({"preprocess": {"mean": [1, 2]}}, "/preprocess/mean", None),
    ({"calibration": {"samples": 0}}, "/calibration/samples", None),
    ({"model": None}, "/model", None),
]
SCHEMES = [
    ({"schemes": []}, "/schemes", None),
    ({"schemes": ["int8", "fp8"]}, "/schemes/1", "E4"),
    ({"schemes": ["fp32"]}, "/schemes/0", "float32"),
    ({"schemes": ["w4b8"]}, "/schemes/0", "w4a8"),
    ({"schemes": ["int8", "int8"]}, "/schemes/1", None),
    ({"schemes": [{"scheme": "int9x"}]}, "/schemes/0/scheme", "int8"),
    ({"schemes": [{"weights": "int99", "activations": "int8"}]}, "/schemes/0/weights", "int8"),
    ({"schemes": [{"scheme": "int8", "weights": {"scale": "power"}}]}, "/schemes/0/weights/scale", "power_of_two"),
    ({"schemes": [{"scheme": "int8", "layers": {"a/b.c~d": {"weights": "int0"}}}]}, "/schemes/0/layers/a~1b.c~0d/weights", "int8"),
    ({"schemes": [{"scheme": "int8", "methods": ["gtpq"]}]}, "/schemes/0/methods/0", "gptq"),
    ({"calibration": {"held_out": True}}, "/calibration/held_out", None),
    ({"export": ["qdc"]}, "/export/0", "qdq"),
    ({"latency": {"thread": 1}}, "/latency/thread", "threads"),
]
DIAGNOSE = [
    ({"scheme": "fp4"}, "/scheme", "mxfp4"),
    ({"mixed": {"candidates": ["E4", "in4"], "budget": {"share": .5}}}, "/mixed/candidates/1", "int4"),
    ({"mixed": {"candidates": ["E4"], "budget": {"kind": "sise", "share": .5}}}, "/mixed/budget/kind", "size"),
    ({"mixed": {"candidates": ["E4"], "budget": {}}}, "/mixed/budget", None),
    ({"mixed": {"candidates": ["E4"]}}, "/mixed/budget", None),
    ({"mixed": {"budget": {"share": .5}}}, "/mixed/candidates", None),
    ({"weights": 3}, "/weights", None),
    ({"methods": ["smoothquant"]}, "/methods", None),
]
OTHERS = [
    ({"type": "ptw"}, "/type", "ptq"),
    ({"type": "sqnr", "formats": ["int8", "fp6"], "distributions": [{"name": "gaussian"}]}, "/formats/1", "mxfp6"),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gausian"}]}, "/distributions/0/name", "gaussian"),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gaussian", "nu": 3}]}, "/distributions/0/nu", None),
    ({"type": "sqnr", "formats": ["int8"], "data": "d", "distributions": [{"name": "empirical", "tensor": "xx"}]},
     "/distributions/0/tensor", "x"),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gaussian"}], "sweep": {"parameter": "bits", "values": [4, 99]}},
     "/sweep/values/1", None),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gaussian"}], "sweep": {}}, "/sweep/parameter", None),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gaussian", "label": ""}]}, "/distributions/0/label", None),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "mixture", "parts": [{"name": "laplace"}]}]},
     "/distributions/0/parts/0/weight", None),
    ({"type": "sqnr", "formats": ["int8"], "distributions": [{"name": "gaussian"}], "dot": {"distribution": 3}}, "/dot/distribution", None),
    ({"type": "sqnr", "distributions": [{"name": "gaussian"}]}, "/formats", None),
    ({"type": "tensor", "data": "d", "formats": []}, "/formats", None),
    ({"type": "tensor", "data": "d", "formats": ["int8", "mx"]}, "/formats/1", "mxfp4"),
    ({"type": "tensor", "data": "d", "tensors": ["x", "z"]}, "/tensors/1", "x"),
    ({"type": "tensor", "data": "d", "granularities": ["per_chanel"]}, "/granularities/0", "per_channel"),
    ({"type": "tensor", "data": "d", "block": 3}, "/block", None),
    ({"type": "hwcost", "units": [{"operands": "int8"}, {"operands": ["int8", "float16"]}]}, "/units/1/operands", "fp16"),
    ({"type": "hwcost", "units": [{"operands": "int8", "accumulator": "fp31"}]}, "/units/0/accumulator", "fp32"),
    ({"type": "hwcost", "units": [{"operands": "int8"}], "adders": "riple"}, "/adders", "ripple"),
    ({"type": "hwcost", "units": [{}]}, "/units/0/operands", None),
    ({"type": "hwcost"}, "/units", None),
]


class Check(tiny.Case):
    def setUp(self):
        super().setUp()
        w = self.normal(4, 3, 3, 3)
        self.model = self.save_model("m.onnx", [helper.make_node("Conv", ["x", "w"], ["y"])], {"x": (tiny.FLOAT, ["N", 3, 8, 8])},
                                     {"y": (tiny.FLOAT, ["N", 4, 6, 6])}, {"w": w})
        self.data = self.save_data("d.npz", x=self.normal(8, 3, 8, 8), y=self.normal(8, 4, 6, 6))

    def inspect(self, **upload):
        return worker.run({"type": "inspect", **upload})[0]

    def uploads(self, data=None):
        return {"model": self.inspect(model=self.model), "data": self.inspect(data=data or self.data)}

    def ask(self, *questions):
        p = subprocess.run([os.path.join(worker.BUILD, "quantbench-worker"), "--serve"], capture_output=True, text=True, check=True,
                           input="".join(json.dumps({"ask": "check", **q}) + "\n" for q in questions))
        return [json.loads(line)["answer"] for line in p.stdout.splitlines()]

    def job(self, base, change):
        job = {"model": "m1", "data": "d1", "metric": "mse", **base, **({"schemes": ["int8"]} if base["type"] == "ptq" else {}), **change}
        return {k: v for k, v in job.items() if v is not None}

    def refused_alike(self, job, uploads, field, near):
        [answer] = self.ask({"job": job, "uploads": uploads})
        self.assertEqual((answer["ok"], answer.get("field"), answer.get("code")), (False, field, "bad_job"), (job, answer))
        if near:
            self.assertIn(near, answer["near"], answer)
        files = {**job, **{k: v for k, v in (("model", self.model), ("data", self.data)) if k in job}}
        if files.get("export"):
            files["workdir"] = self.folder
        with self.assertRaises(worker.Failed) as caught:
            worker.run(files)
        error = caught.exception.event
        self.assertEqual((error.get("field"), error.get("near")), (field, answer.get("near")), error)
        if job.get("tensors") is None and "empirical" not in str(job):
            self.assertEqual(error["detail"], answer["detail"])

    def test_refusals__each__are_those_of_the_job_itself(self):
        uploads = self.uploads()
        for base, rows in ((NETWORK[0], PTQ + SCHEMES), (NETWORK[1], PTQ + DIAGNOSE)):
            for change, field, near in rows:
                self.refused_alike(self.job(base, change), uploads, field, near)
        for job, field, near in OTHERS:
            self.refused_alike(job, uploads, field, near)

    def test_arrays__that_do_not_suit_the_model__are_refused_by_their_descriptions(self):
        x, y = self.normal(8, 3, 8, 8), self.normal(8, 4, 6, 6)
        for arrays, words in ((dict(x=x.transpose(0, 2, 3, 1), y=y), "channels come last"), (dict(z=x, y=y), "no array named"),
                              (dict(x=x[:, :2], y=y), "has shape"), (dict(x=x, y=y[:4]), "4 labels for 8 samples"),
                              (dict(x=x[:0], y=y[:0]), "no samples")):
            data = self.save_data("bad.npz", **arrays)
            [answer] = self.ask({"job": self.job(NETWORK[0], {}), "uploads": self.uploads(data)})
            self.assertEqual((answer["ok"], answer["field"]), (False, "/data"))
            self.assertIn(words, answer["detail"])
            with self.assertRaises(worker.Failed) as caught:
                worker.run(self.job(NETWORK[0], {"model": self.model, "data": data}))
            self.assertEqual(caught.exception.detail, answer["detail"])

    def test_schemas_and_readers__of_every_object__know_the_same_fields(self):
        p = subprocess.run([os.path.join(worker.BUILD, "quantbench-worker"), "--serve"], capture_output=True, text=True, check=True, input='{"ask": "types"}\n')
        schemas = {t["type"]: t["schema"] for t in json.loads(p.stdout)["answer"]["types"]}
        scheme = {"schemes": [{"scheme": "int8", "weights": {}, "activations": {}, "layers": {"a": {"weights": {}}}}]}
        training = {"optimizer": {}, "schedule": {}, "augment": {}, "batch_norm": {}, "distillation": {}, "preprocess": {}}
        base = {"ptq": {"model": "m", "data": "d", **scheme, "weights": {}, "activations": {}, "calibration": {}, "preprocess": {}, "latency": {}},
                "diagnose": {"model": "m", "data": "d", "scheme": {"scheme": "int8", "weights": {}}, "calibration": {}, "preprocess": {},
                             "mixed": {"candidates": [{"scheme": "int4", "weights": {}}], "budget": {"share": .5}}},
                "tensor": {"data": "d"},
                "sqnr": {"formats": ["int8"], "distributions": [{"name": "gaussian"}], "dot": {}, "sweep": {"parameter": "clip", "values": [1]}},
                "hwcost": {"units": [{"operands": "int8"}]},
                "train": {"network": "mlp", "train": "t", "data": "d", **training},
                "qat": {"model": "m", "train": "t", "data": "d", "scheme": {"scheme": "w4a4", "weights": {}}, **training,
                        "calibration": {}, "quantizer_optimizer": {}, "oscillations": {}, "latency": {}},
                "toy": {"steps": 5}}
        elsewhere = {"/calibration": {"held_out"}}  # of a diagnosis: known, and refused with the reason
        of_kind = {"low", "high", "mean", "sigma", "scale", "nu", "parts", "tensor", "from"}  # each distribution has some

        def properties(root, schema):
            if "$ref" in schema:
                at = root
                for key in schema["$ref"].split("#/")[1].split("/"):
                    at = at[key]
                return properties(root, at)
            for s in schema.get("anyOf", []):
                if properties(root, s):
                    return properties(root, s)
            return schema.get("properties")

        def visit(root, schema, job, value, path):
            known = properties(root, schema) if isinstance(value, dict) else None
            if isinstance(value, dict) and known:
                value["zork"] = 1
                [answer] = self.ask({"job": job})
                del value["zork"]
                self.assertEqual(answer.get("field"), path + "/zork", answer)
                told = set(answer["detail"].split("the fields are ")[1].split(", "))
                ours = set(known) - (of_kind if path.startswith("/distributions") else set())
                self.assertEqual(told - (of_kind if path.startswith("/distributions") else set()) - (elsewhere.get(path, set()) - ours), ours, (job["type"], path))
            for key, v in list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []:
                below = (known or {}).get(key) if isinstance(value, dict) else schema.get("items")
                if below is None and isinstance(value, dict) and not known:
                    below = schema.get("additionalProperties")
                if isinstance(below, dict):
                    while "$ref" in below:
                        at = root
                        for k in below["$ref"].split("#/")[1].split("/"):
                            at = at[k]
                        below = at
                    visit(root, below, job, v, f"{path}/{key}")

        for kind, spec in base.items():
            job = {"type": kind, **spec}
            self.assertEqual(self.ask({"job": job}), [{"ok": True}], kind)
            visit(schemas[kind], schemas[kind], job, job, "")

    def test_good_jobs__with_and_without_descriptions__are_accepted(self):
        uploads = self.uploads()
        jobs = [self.job(b, {}) for b in NETWORK] + [
            {"type": "tensor", "data": "d1", "tensors": ["x"]}, {"type": "tensor", "model": "m1", "tensors": ["w"]},
            {"type": "hwcost", "model": "m1", "units": [{"operands": ["int4", "E4"], "accumulator": "fp32"}]},
            {"type": "sqnr", "data": "d1", "formats": ["int8"], "distributions": [{"name": "empirical", "tensor": "x"}],
             "sweep": {"parameter": "outlier_mass", "values": [0, .1]}},
            self.job(NETWORK[0], {"export": ["qdq"], "schemes": ["w4a8", {"scheme": "int8", "layers": {"any": "E4"}}]})]
        for job in jobs:
            for known in (uploads, {"model": uploads["model"]}, {"data": uploads["data"]}, {}, None):
                [answer] = self.ask({"job": job, **({} if known is None else {"uploads": known})})
                self.assertEqual(answer, {"ok": True}, job)

    def test_unknown_dimensions__of_the_model__refuse_nothing(self):
        uploads = self.uploads()
        uploads["model"]["inputs"][0]["shape"] = ["N", 3, None, None]
        uploads["model"]["outputs"][0]["shape"] = ["N", 4, None, None]
        for metric in ("mse", "top1"):
            [answer] = self.ask({"job": self.job(NETWORK[0], {"metric": metric}), "uploads": uploads})
            self.assertTrue(answer["ok"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
