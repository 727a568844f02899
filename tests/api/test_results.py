#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of job by the real worker: its result is what schema/openapi.yaml describes, field by field."""
import http.client
import json
import os
import tempfile
import unittest

from daemon import API, BUILD, Daemon, TOP, jsonschema

WORKER = os.path.join(BUILD, "quantbench-worker")
DEMO = os.path.join(TOP, "demo")
RESULTS = {"ptq": "PtqResult", "sqnr": "SqnrResult", "tensor": "TensorResult", "hwcost": "HwcostResult",
           "diagnose": "DiagnoseResult", "train": "TrainResult", "qat": "QatResult", "toy": "ToyResult", "outliers": "OutliersResult"}
JOBS = {
    "ptq": {"schemes": ["int8", "w4a8"], "samples": 32, "methods": ["bias_correction"], "export": ["report"],
            "calibration": {"samples": 16}, "latency": {"min_seconds": 0, "min_queries": 5, "warmup_seconds": 0, "profile": True}},
    "sqnr": {"distributions": [{"name": "gaussian"}], "formats": ["int8", "E4", "mxfp4"], "samples": 1000},
    "tensor": {"formats": ["int8", "E4"]},
    "hwcost": {"units": [{"operands": "int8"}, {"operands": ["int8", "int4"], "accumulator": "fp16"}]},
    "diagnose": {"scheme": "int4", "samples": 16, "calibration": {"samples": 16},
                 "mixed": {"candidates": ["int8"], "budget": {"share": 0.2}}},
    "train": {"network": {"name": "mlp", "layers": [16]}, "epochs": 1, "samples": 64, "profile": True},
    "qat": {"scheme": "w4a4", "method": "freeze", "epochs": 1, "samples": 64, "calibration": {"samples": 16}, "profile": True,
            "optimizer": {"name": "adam", "lr": 1e-4}, "batch_norm": {"reestimate": 2},
            "latency": {"min_seconds": 0, "min_queries": 5, "warmup_seconds": 0}},
    "toy": {"steps": 20},
    "outliers": {"network": {"name": "vit", "layers": 1, "width": 16, "heads": 2}, "methods": ["vanilla", {"name": "gated"}], "seeds": [1, 2],
                 "epochs": 1, "samples": 32, "calibration": {"samples": 16, "seeds": 2}, "schemes": ["w8a8", "E4"], "profile": True},
}


def described(schema, value, at):
    """Names of fields that no branch of the schema knows."""
    while "$ref" in schema:
        schema = API["components"]["schemas"][schema["$ref"].split("/")[-1]]
    branches = [b for b in schema.get("anyOf", []) + schema.get("oneOf", [])
                if (b.get("type") == "null") == (value is None)]
    if branches:
        return min((described(b, value, at) for b in branches), key=len)
    parts = schema.get("allOf", [schema])
    if isinstance(value, list):
        return [x for i, v in enumerate(value) for x in described(schema.get("items", {}), v, f"{at}[{i}]")][:5]
    if not isinstance(value, dict):
        return []
    properties, free = {}, False
    for p in parts:
        while "$ref" in p:
            p = API["components"]["schemas"][p["$ref"].split("/")[-1]]
        properties |= p.get("properties", {})
        free = free or "properties" not in p or bool(p.get("additionalProperties"))
    missing = []
    for key, v in value.items():
        if key in properties:
            missing += described(properties[key], v, f"{at}.{key}")
        elif not free:
            missing.append(f"{at}.{key}")
    return missing


def references(schema):
    if isinstance(schema, dict):
        return ([schema["$ref"]] if "$ref" in schema else []) + [r for v in schema.values() for r in references(v)]
    return [r for v in schema for r in references(v)] if isinstance(schema, list) else []


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class Results(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.d = Daemon(cls.folder.name, worker=WORKER).ready()
        cls.ids = {}
        for kind, field, name in (("models", "model", "digits.onnx"), ("datasets", "data", "digits-test.npz"),
                                  ("datasets", "train", "digits-train.npz")):
            with open(os.path.join(DEMO, name), "rb") as f:
                cls.ids[field] = cls.d.call("POST", f"/v1/{kind}?name={name}", f.read())["id"]

    @classmethod
    def tearDownClass(cls):
        cls.d.process.terminate()
        cls.d.process.wait(30)
        cls.folder.cleanup()

    def job(self, kind):
        fields = {"ptq": ("model", "data"), "diagnose": ("model", "data"), "tensor": ("model",),
                  "train": ("train", "data"), "outliers": ("train", "data"), "qat": ("model", "train", "data")}.get(kind, ())
        return self.outcome({"type": kind, **JOBS[kind], **{f: self.ids[f] for f in fields}})

    def outcome(self, spec):
        id = self.d.call("POST", "/v1/jobs", spec)["id"]
        self.d.wait(id, "succeeded", seconds=120)
        return {**self.d.call("GET", f"/v1/jobs/{id}/results", expect=200), "job": id}

    def test_outliers__of_several_uploads__compare_them(self):
        trained = self.job("outliers")
        models = []
        for run in trained["runs"][::2]:
            file = self.d.call("GET", f"/v1/jobs/{trained['job']}/artifacts/{run['id']}.onnx", expect=200)
            models.append(self.d.call("POST", f"/v1/models?name={run['id']}.onnx", file)["id"])
        job = {"type": "outliers", "models": models, "data": self.ids["data"], "samples": 32, "calibration": {"samples": 16}}
        result = self.outcome(job)
        self.assertEqual(described({"$ref": "#/components/schemas/OutliersResult"}, result, "outliers"), [])
        self.assertEqual([r["id"] for r in result["runs"]], ["vanilla-1.onnx", "gated-1.onnx"])
        for of_training, of_file in zip(trained["runs"][::2], result["runs"]):
            self.assertAlmostEqual(of_training["max_inf_norm"], of_file["max_inf_norm"], places=4)
        self.assertTrue(self.d.call("POST", "/v1/jobs", job)["cached"])
        self.assertFalse(self.d.call("POST", "/v1/jobs", {**job, "models": models[::-1]})["cached"])
        for wrong, pointer in ((models + ["m999"], "/models/2"), ([self.ids["data"]], "/models/0"), ([self.ids["model"], 1], None)):
            answer = self.d.call("POST", "/v1/jobs", {**job, "models": wrong}, expect=422)
            if pointer:
                self.assertEqual(answer["errors"][0]["pointer"], pointer)
        csv = self.d.call("GET", f"/v1/jobs/{trained['job']}/results.csv", expect=200).decode().splitlines()
        count = [line.split(",")[0] for line in csv].count
        tensors = sum(len(r["tensors"]) for r in trained["runs"])
        self.assertEqual((count("summary"), count("run"), count("tensor"), count("head"), count("epoch")), (2, 4, tensors, 8, 4))

    def test_each_kind__result__is_described_field_by_field(self):
        self.assertEqual(set(RESULTS), {t["type"] for t in self.d.call("GET", "/v1/job-types")["types"]})
        for kind, schema in RESULTS.items():
            with self.subTest(kind):
                result = self.job(kind)
                self.assertEqual(described({"$ref": f"#/components/schemas/{schema}"}, result, kind), [])
                if kind == "diagnose":
                    self.assertEqual(self.d.call("POST", "/v1/jobs", result["mixed"]["job"])["type"], "ptq")

    def test_job_types__schemas__stand_alone_and_agree_with_the_server(self):
        types = self.d.call("GET", "/v1/job-types", expect=200)["types"]
        self.assertEqual({t["type"] for t in types}, set(JOBS))
        for t in types:
            schema, kind = t["schema"], t["type"]
            jsonschema.Draft202012Validator.check_schema(schema)
            self.assertEqual([r for r in references(schema) if not r.startswith("#/$defs/") or
                              r[len("#/$defs/"):] not in schema["$defs"]], [], kind)
            check = jsonschema.Draft202012Validator(schema)
            fields = {f: self.ids[f] for f in t["inputs"] if f in schema["required"]}
            good = {"type": kind, **JOBS[kind], **fields}
            check.validate(good)
            for wrong in ({"zork": 1}, {"seed": -1}, {"weights": {"group_size": 1}}, {"methods": [{"name": "gptq", "block": 0}]},
                          {"preprocess": {"std": []}}, {"schemes": []}, {"calibration": {"spread": 1}}):
                self.assertFalse(check.is_valid({**good, **wrong}), (kind, wrong))
                self.assertEqual(self.d.call("POST", "/v1/jobs", {**good, **wrong}, expect=422)["code"], "bad_job")

    def test_examples__of_results__are_described_field_by_field(self):
        with open(os.path.join(TOP, "schema/examples/outliers.json"), encoding="utf-8") as f:
            result = json.load(f)
        schema = {"$ref": "#/components/schemas/OutliersResult"}
        jsonschema.Draft202012Validator({**API, **schema}).validate(result)
        self.assertEqual(described(schema, result, "outliers"), [])

    def test_tensor__what_is_exact_says_so(self):
        rows = self.job("tensor")["rows"]
        self.assertTrue(all(r["exact"] == (r["sqnr_db"] is None) for r in rows))

    def test_numbers__are_as_short_as_they_can_be(self):
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        c.request("POST", "/v1/compute/round", json.dumps({"value": [0.3, 1e-40, 5], "formats": ["int8"]}))
        text = c.getresponse().read().decode()
        c.close()
        for value in ("0.3", "1e-40", "5.0"):
            self.assertIn(f'"value":{value},', text)


if __name__ == "__main__":
    unittest.main(verbosity=1)
