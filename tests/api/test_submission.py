#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs that would fail for a reason that can be known are refused when they are submitted or retried."""
import io
import json
import os
import tempfile
import threading
import time
import unittest
import zipfile

from daemon import BUILD, Case, Daemon, TOP

WORKER = os.path.join(BUILD, "quantbench-worker")
DEMO = os.path.join(TOP, "demo")


class Asked(Case):
    """A worker whose answers are scripted."""

    def job(self, check, **more):
        return {"type": "fake", "do": [["check", check]], "fresh": True, **more}

    def test_check__refuses__problem_has_field_pointer_and_near_names(self):
        answer = {"ok": False, "code": "bad_job", "field": "/schemes/1/a~1b", "detail": "schemes[1].a/b: no such thing",
                  "near": ["x", "y"]}
        p = self.refused(422, "POST", "/v1/jobs", self.job(answer))
        self.assertEqual((p["code"], p["detail"]), ("bad_job", "schemes[1].a/b: no such thing"))
        self.assertEqual((p["field"], p["pointer"], p["near"]), ("schemes[1].a/b", "/schemes/1/a~1b", ["x", "y"]))
        self.assertEqual(p["errors"], [{"field": "schemes[1].a/b", "pointer": "/schemes/1/a~1b", "detail": "no such thing",
                                        "near": ["x", "y"]}])
        p = self.refused(422, "POST", "/v1/jobs", self.job({"ok": False, "code": "too_big", "detail": "the job is too big"}))
        self.assertEqual((p["code"], "errors" in p), ("too_big", False))
        self.assertEqual(self.d.call("GET", "/v1/jobs", expect=200)["total"], 0)

    def test_check__alone__answers_as_a_submission_and_queues_nothing(self):
        answer = {"ok": False, "code": "bad_job", "field": "/odd", "detail": "odd: there is no such field", "near": ["do"]}
        asked = self.refused(422, "POST", "/v1/jobs?check=true", self.job(answer, odd=1, seed=-1))
        self.assertEqual(asked, self.refused(422, "POST", "/v1/jobs", self.job(answer, odd=1, seed=-1)))
        self.assertEqual(self.d.call("POST", "/v1/jobs?check=true", self.job({"ok": True}), expect=200), {"ok": True})
        self.refused(422, "POST", "/v1/jobs?check=true", {"type": "zork"})
        self.refused(400, "POST", "/v1/jobs?check=perhaps", self.job({"ok": True}))
        self.assertEqual(self.d.call("GET", "/v1/jobs", expect=200)["total"], 0)

    def test_check__beside_a_broken_schema__speaks_first(self):
        answer = {"ok": False, "code": "bad_job", "field": "/odd", "detail": "odd: there is no such field", "near": ["do"]}
        p = self.refused(422, "POST", "/v1/jobs", self.job(answer, odd=1, seed=-1))
        self.assertEqual([e["pointer"] for e in p["errors"]], ["/odd", "/seed"])
        self.assertEqual((p["field"], p["errors"][0]["detail"]), ("odd", "there is no such field"))
        p = self.refused(422, "POST", "/v1/jobs", self.job(answer, odd=1))
        self.assertEqual(p["detail"], "odd: there is no such field")
        p = self.refused(422, "POST", "/v1/jobs", self.job({"ok": True}, seed=-1))
        self.assertEqual((p["field"], p["pointer"]), ("seed", "/seed"))

    def test_check__worker_cannot_answer__job_is_taken(self):
        for verb in (["kill", 9], ["exit", 0], ["garbage", None], ["sleep", 8]):
            begin = time.monotonic()
            j = self.d.call("POST", "/v1/jobs", self.job(verb), expect=201)
            self.assertLess(time.monotonic() - begin, 7)
            self.assertEqual(self.d.wait(j["id"])["state"], "succeeded")

    def test_check__slow__holds_up_nobody_else(self):
        threads = [threading.Thread(target=self.d.call, args=("POST", "/v1/jobs", self.job(["sleep", 0.3])))
                   for _ in range(12)]
        for t in threads:
            t.start()
        slowest = 0
        while any(t.is_alive() for t in threads):
            begin = time.monotonic()
            self.d.call("GET", "/readyz", expect=200)
            slowest = max(slowest, time.monotonic() - begin)
        self.assertLess(slowest, 1)
        self.assertEqual(self.d.call("GET", "/v1/jobs", expect=200)["total"], 12)

    def test_submit__identical_job__is_not_checked(self):
        spec = self.job(["sleep", 0.5])
        spec["fresh"] = False
        first = self.d.call("POST", "/v1/jobs", spec, expect=201)
        begin = time.monotonic()
        self.assertEqual(self.d.call("POST", "/v1/jobs", spec, expect=200)["id"], first["id"])
        self.assertLess(time.monotonic() - begin, 0.4)

    def test_upload__that_cannot_be_used__is_refused_with_its_own_error(self):
        m = self.inspected(self.upload(b"broken network"))
        p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", "model": m["id"]})
        self.assertIn("this is no network; export it as ONNX", p["detail"])
        self.assertEqual(p["pointer"], "/model")

    def test_retry__of_a_job_that_would_be_refused_now__is_refused(self):
        m = self.inspected(self.upload())
        j = self.d.call("POST", "/v1/jobs", {"type": "fake", "model": m["id"], "do": [["fail", "no"]]}, expect=201)
        self.assertEqual(self.d.wait(j["id"])["state"], "failed")
        self.d.call("POST", "/v1/jobs/%s/retry" % j["id"], expect=202)
        self.d.wait(j["id"])
        self.d.call("DELETE", "/v1/models/" + m["id"], expect=204)
        p = self.refused(422, "POST", "/v1/jobs/%s/retry" % j["id"])
        self.assertIn("there is no %s here" % m["id"], p["detail"])
        self.refused(404, "POST", "/v1/jobs/j99/retry")
        done = self.d.fake()
        self.d.wait(done)
        self.refused(409, "POST", "/v1/jobs/%s/retry" % done)


def npz(**shapes):
    """Zeros as .npy members of a zip, written by hand: no numpy is needed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, (dtype, shape) in shapes.items():
            head = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (dtype, shape)
            head += " " * (63 - (10 + len(head)) % 64) + "\n"
            n = int(dtype[2:])
            for k in shape:
                n *= k
            z.writestr(name + ".npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(n))
    return out.getvalue()


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class Real(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.d = Daemon(self.folder.name, worker=WORKER).ready()
        self.model, self.data = self.demo("digits.onnx", "models"), self.demo("digits-test.npz", "datasets")

    def demo(self, name, kind):
        with open(os.path.join(DEMO, name), "rb") as f:
            return self.inspected(self.upload(f.read(), kind, name), kind)["id"]

    def test_job__that_would_fail__is_refused_with_field_and_names(self):
        good = {"type": "ptq", "model": self.model, "data": self.data, "metric": "top1", "schemes": ["int8"]}
        for wrong, pointer, near in (({"schemes": ["int8", "fp8"]}, "/schemes/1", "e4m3fn"), ({"metric": "top-1"}, "/metric", "top1"),
                                     ({"schemes": [{"weights": "int99"}]}, "/schemes/0/weights", "int8"),
                                     ({"metrik": "top1"}, "/metrik", "metric"), ({"samples": -3}, "/samples", None),
                                     ({"type": "ptk"}, None, None)):
            p = self.refused(422, "POST", "/v1/jobs", {**good, **wrong})
            self.assertEqual(p.get("pointer"), pointer, p)
            if near:
                self.assertIn(near, p["near"])
        shape = self.inspected(self.upload(npz(x=("<f4", (20, 3, 5, 5)), y=("<i8", (20,))), "datasets", "odd.npz"), "datasets")
        p = self.refused(422, "POST", "/v1/jobs", {**good, "data": shape["id"]})
        self.assertIn("5", p["detail"])
        j = self.d.call("POST", "/v1/jobs", {**good, "samples": 8, "latency": False}, expect=201)
        self.assertEqual(self.d.wait(j["id"], seconds=60)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main(verbosity=1)
