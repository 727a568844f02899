#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What people say of jobs, and the stream that tells of every job that changes."""
import time
import unittest

from daemon import Case, Stream


class Labels(Case):
    def of(self, job):
        j = self.d.call("GET", "/v1/jobs/" + job, expect=200)
        return j["name"], j["notes"], j["tags"]

    def test_labels__at_submission_and_later__are_kept_and_no_part_of_the_job(self):
        a = self.d.call("POST", "/v1/jobs", {"type": "fake", "do": [], "name": "first try", "notes": "two\nlines", "tags": ["paper", "b"]}, expect=201)
        self.assertEqual((a["name"], a["notes"], a["tags"]), ("first try", "two\nlines", ["b", "paper"]))
        self.assertEqual(a["spec"], {"type": "fake", "do": []})
        plain = self.d.call("POST", "/v1/jobs", {"type": "fake", "do": [], "fresh": True}, expect=201)
        self.assertEqual((plain["fingerprint"], plain["name"], plain["notes"], plain["tags"]), (a["fingerprint"], None, None, []))
        self.d.wait(a["id"], "succeeded")
        self.assertEqual(self.of(a["id"]), ("first try", "two\nlines", ["b", "paper"]))
        url = "/v1/jobs/" + a["id"]
        self.assertEqual(self.d.call("PATCH", url, {"add_tags": ["c"], "remove_tags": ["b", "none"]}, expect=200)["tags"], ["c", "paper"])
        self.assertEqual(self.of(a["id"])[0], "first try")
        self.assertEqual(self.d.call("PATCH", url, {"name": "second", "notes": None, "tags": ["x"]}, expect=200)["tags"], ["x"])
        self.assertEqual(self.of(a["id"]), ("second", None, ["x"]))
        self.d.call("PATCH", url, {"name": "", "tags": []}, expect=200)
        self.assertEqual(self.of(a["id"]), (None, None, []))

    def test_labels__of_a_job_that_answers_another__are_added_and_fill_what_is_empty(self):
        a = self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 5, "name": "mine", "tags": ["a"]}, expect=201)
        again = self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 5, "name": "other", "notes": "seen", "tags": ["b"]}, expect=200)
        self.assertEqual((again["id"], again["cached"], again["name"], again["notes"], again["tags"]), (a["id"], True, "mine", "seen", ["a", "b"]))

    def test_labels__not_valid__are_refused_at_their_field(self):
        job = self.d.fake()
        for labels, field in (({"name": 3}, "name"), ({"name": "a" * 201}, "name"), ({"name": "a\nb"}, "name"), ({"notes": "n" * 10001}, "notes"),
                              ({"notes": ["n"]}, "notes"), ({"tags": "a"}, "tags"), ({"tags": ["a b"]}, "tags"), ({"tags": ["a,b"]}, "tags"),
                              ({"tags": [""]}, "tags"), ({"tags": ["t" * 65]}, "tags"), ({"tags": [1]}, "tags"),
                              ({"tags": ["t%d" % i for i in range(21)]}, "tags")):
            p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", **labels})
            self.assertEqual((p["code"], p["errors"][0]["field"]), ("bad_labels", field), labels)
            self.assertEqual(self.refused(422, "PATCH", "/v1/jobs/" + job, labels)["pointer"], "/" + field)
        self.refused(422, "PATCH", "/v1/jobs/" + job, {"add_tags": ["a b"]})
        self.refused(400, "PATCH", "/v1/jobs/" + job, "[1]")
        self.refused(404, "PATCH", "/v1/jobs/j99", {"name": "x"})
        self.d.call("PATCH", "/v1/jobs/" + job, {"tags": ["\u00e9" * 64], "name": "\u00e9" * 200}, expect=200)
        self.d.call("PATCH", "/v1/jobs/" + job, {"tags": ["t%d" % i for i in range(20)]}, expect=200)
        self.assertIn("may have 20", self.refused(422, "PATCH", "/v1/jobs/" + job, {"add_tags": ["one-more"]})["detail"])
        self.assertEqual(len(self.of(job)[2]), 20)

    def test_labels__somebody_elses_job__stays_as_it_is(self):
        tokens = {n: self.d.call("POST", "/v1/tokens", {"name": n, "role": r}, expect=201)["secret"]
                  for n, r in (("alice", "submit"), ("bob", "submit"), ("eve", "read"))}
        self.d.token = tokens["alice"]
        job = self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 9, "tags": ["hers"]}, expect=201)["id"]
        self.d.token = tokens["bob"]
        self.refused(403, "PATCH", "/v1/jobs/" + job, {"tags": []})
        self.assertEqual(self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 9, "tags": ["his"]}, expect=200)["tags"], ["hers"])
        self.d.token = tokens["eve"]
        self.refused(403, "PATCH", "/v1/jobs/" + job, {"tags": []})
        self.assertEqual(self.d.call("GET", "/v1/jobs?tag=hers", expect=200)["total"], 1)
        self.d.token = tokens["alice"]
        self.d.call("PATCH", "/v1/jobs/" + job, {"tags": ["still-hers"]}, expect=200)
        self.d.token = None

    def test_best__of_a_sweep__is_the_smallest_of_the_best(self):
        m, d = self.inspected(self.upload()), self.inspected(self.upload(kind="datasets"), "datasets")
        j = self.d.call("POST", "/v1/jobs", {"type": "ptq", "model": m["id"], "data": d["id"], "schemes": ["int8", "E4", "best", "best-smaller"]}, expect=201)
        best = self.d.wait(j["id"], "succeeded")["best"]
        self.assertEqual((best["scheme"], best["metric"], best["value"], best["delta"]), ("best-smaller", "top1", 87.0, -4.0))
        self.assertEqual(self.d.wait(self.d.fake(), "succeeded")["best"], None)


class Changes(Case):
    def test_changes__of_every_job__are_told_as_the_job_is_then(self):
        stream = Stream(self.d)
        self.addCleanup(stream.close)
        self.assertEqual(stream.next()[0], "reset")
        job = self.d.fake(["sleep", 0.6], name="seen")
        seen = stream.until(lambda e, data: e == "job" and data["state"] == "succeeded")
        self.assertEqual({data["id"] for e, data, _ in seen if e == "job"}, {job})
        self.assertEqual({data["name"] for e, data, _ in seen if e == "job"}, {"seen"})
        self.assertIn("running", [data["state"] for e, data, _ in seen if e == "job"])
        last = stream.until(lambda e, _: e == "told")[-1][2]
        self.d.call("PATCH", "/v1/jobs/" + job, {"tags": ["paper"]}, expect=200)
        self.assertEqual(stream.until(lambda e, _: e == "job")[-1][1]["tags"], ["paper"])
        self.d.call("DELETE", "/v1/jobs/" + job, expect=204)
        self.assertEqual(stream.until(lambda e, _: e == "deleted")[-1][1], {"id": job})
        again = Stream(self.d, last)  # what was missed comes, each job once
        self.addCleanup(again.close)
        self.assertEqual([e for e, *_ in again.until(lambda e, _: e == "told")], ["deleted", "told"])

    def test_changes__of_a_worker_that_floods__come_a_few_times_a_second(self):
        stream = Stream(self.d)
        self.addCleanup(stream.close)
        stream.next()
        begun = time.monotonic()
        self.d.fake(*[["metric", 200], ["sleep", 0.05]] * 20)
        seen = stream.until(lambda e, data: e == "job" and data["state"] == "succeeded")
        self.assertLess(len(seen), 2 * (4 * (time.monotonic() - begun) + 4))

    def test_changes__behind_an_unknown_number__begin_with_a_reset(self):
        for after in (1, 1 << 60):
            stream = Stream(self.d, after)
            self.assertEqual(stream.next()[0], "reset")
            stream.close()
        self.refused(400, "GET", "/v1/events?after=x")


if __name__ == "__main__":
    unittest.main(verbosity=1)
