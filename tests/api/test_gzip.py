#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Large answers in gzip for who takes it, and none for who does not."""
import gzip
import http.client
import json
import unittest

from daemon import Case


class Gzip(Case):
    def get(self, path, accepted=None, method="GET", body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        c.request(method, path, body, {"Accept-Encoding": accepted} if accepted else {"Accept-Encoding": "identity"})
        r = c.getresponse()
        data = r.read()
        c.close()
        return data, r.headers

    def same(self, path):
        """Both forms of an answer are the same text; returns the bytes of each."""
        plain, headers = self.get(path)
        self.assertIsNone(headers["Content-Encoding"])
        self.assertEqual(headers["Vary"], "Accept-Encoding", (path, len(plain)))
        less, headers = self.get(path, "br, gzip;q=0.8")
        self.assertEqual((headers["Content-Encoding"], headers["Vary"], int(headers["Content-Length"])), ("gzip", "Accept-Encoding", len(less)), path)
        self.assertEqual(gzip.decompress(less), plain)
        return len(plain), len(less)

    def ptq(self, schemes):
        model, data = self.upload(b"network", name="n.onnx")["id"], self.upload(b"data", "datasets", "x.npz")["id"]
        job = self.d.call("POST", "/v1/jobs", {"type": "ptq", "model": model, "data": data, "schemes": [f"scheme{i}" for i in range(schemes)]}, expect=201)["id"]
        self.assertEqual(self.d.wait(job)["state"], "succeeded")
        return job

    def test_list_results_table_and_api__large__come_in_a_quarter_of_the_bytes(self):
        job = self.ptq(150)
        for i in range(20):
            self.d.wait(self.d.fake(["metric", 3], seed=i))
        for path in "/v1/jobs", "/v1/results", f"/v1/jobs/{job}/results", f"/v1/jobs/{job}/results.csv", "/v1/compare", "/openapi.yaml":
            plain, less = self.same(path)
            self.assertLess(less, plain / (3.5 if path == "/openapi.yaml" else 4), path)

    def test_results__asked_for_again__are_kept_in_both_forms(self):
        job = self.ptq(40)
        path = f"/v1/jobs/{job}/results"
        for _ in range(3):
            self.same(path)
        self.d.call("DELETE", "/v1/jobs/" + job, expect=204)
        for accepted in "gzip", None:
            data, headers = self.get(path, accepted)
            self.assertEqual((json.loads(data)["status"], headers["Content-Encoding"]), (404, None))

    def test_artifact_of_json__large__is_sent_so_and_others_are_not(self):
        job = self.d.fake(["artifact", "plain.txt"], ["json_artifact", ["large.json", 3000]], ["json_artifact", ["small.json", 3]])
        self.assertEqual(self.d.wait(job)["state"], "succeeded")
        self.same(f"/v1/jobs/{job}/artifacts/large.json")
        for name in "plain.txt", "small.json":
            self.assertIsNone(self.get(f"/v1/jobs/{job}/artifacts/{name}", "gzip")[1]["Content-Encoding"])

    def test_answers__small_refused_made_or_streamed__come_as_they_are(self):
        job = self.d.fake(["metric", 2000])
        self.d.wait(job)
        for path in "/healthz", "/v1/jobs/j999", "/v1/session", f"/v1/jobs/{job}/events":
            data, headers = self.get(path, "gzip")
            self.assertIsNone(headers["Content-Encoding"], path)
            self.assertFalse(data.startswith(b"\x1f\x8b"))
        self.assertGreater(len(data), 100000)  # the stream
        notes = {"type": "fake", "do": [], "notes": "n" * 5000}
        data, headers = self.get("/v1/jobs", "gzip", "POST", json.dumps(notes))
        self.assertEqual((json.loads(data)["notes"], headers["Content-Encoding"]), ("n" * 5000, None))

    def test_header__that_refuses_gzip__is_heard(self):
        self.ptq(60)
        for accepted in None, "gzip;q=0", "br", "gzipped", "*;q=0":
            self.assertIsNone(self.get("/v1/compare", accepted)[1]["Content-Encoding"], accepted)
        for accepted in "gzip", "GZIP", "deflate, gzip ; q=0.001":
            self.assertEqual(self.get("/v1/compare", accepted)[1]["Content-Encoding"], "gzip", accepted)


if __name__ == "__main__":
    unittest.main(verbosity=1)
