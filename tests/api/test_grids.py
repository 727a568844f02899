#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several jobs as one submission."""
import unittest

from daemon import Case, Stream


class Grids(Case):
    options = ("--target", "other local")

    def grid(self, job, over, expect=201):
        return self.d.call("POST", "/v1/grids", {"job": job, "over": over}, expect=expect)

    def test_grid__every_combination__is_a_job(self):
        models = [self.upload(b"network %d" % i, name="n%d.onnx" % i)["id"] for i in range(2)]
        g = self.grid({"type": "fake", "do": []}, {"model": models, "seed": [1, 2, 3], "run.target": ["local", "other"]})
        self.assertEqual(g["id"], "g1")
        self.assertEqual([j["at"] for j in g["jobs"]], [{"model": m, "seed": s, "run.target": t}
                                                        for m in models for s in (1, 2, 3) for t in ("local", "other")])
        for one in g["jobs"]:
            job = self.d.wait(one["job"])
            self.assertEqual((job["state"], job["grid"], job["target"], job["spec"]["seed"], job["model"]["id"]),
                             ("succeeded", "g1", one["at"]["run.target"], one["at"]["seed"], one["at"]["model"]))
        again = self.d.call("GET", "/v1/grids/g1", expect=200)
        self.assertEqual({j["state"] for j in again["jobs"]}, {"succeeded"})
        listed = self.d.call("GET", "/v1/grids", expect=200)
        self.assertEqual((listed["total"], listed["grids"][0]["states"]), (1, {"succeeded": 12}))

    def test_grid__its_jobs__are_told_while_they_wait(self):
        self.d.call("POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 60]]}, expect=201)
        for i in range(20):  # which take every place
            self.d.call("POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 60]], "seed": i}, expect=201)
        changes = Stream(self.d)
        self.assertEqual(changes.next()[0], "reset")
        jobs = [j["job"] for j in self.grid({"type": "fake", "do": []}, {"seed": [1, 2, 3]})["jobs"]]
        told = {job["id"]: job["state"] for kind, job, _ in changes.until(lambda _, job: job.get("id") == jobs[-1]) if kind == "job"}
        self.assertEqual({told[j] for j in jobs}, {"queued"})
        changes.close()

    def test_grid__of_a_job_that_is_there__has_that_one(self):
        old = self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 2}, expect=201)["id"]
        g = self.grid({"type": "fake"}, {"seed": [1, 2]})
        self.assertEqual(g["jobs"][1]["job"], old)
        self.d.call("DELETE", "/v1/jobs/" + self.d.wait(g["jobs"][0]["job"])["id"], expect=204)
        self.assertEqual([j["job"] for j in self.d.call("GET", "/v1/grids/g1", expect=200)["jobs"]], [old])

    def test_grid__one_wrong_job__queues_none(self):
        for job, over, word in (({"type": "fake"}, {"seed": [1, "x"]}, '{"seed":"x"}'),
                                ({"type": "fake"}, {"model": ["m9"]}, "there is no m9"),
                                ({"type": "fake"}, {"run.target": ["local", "moon"]}, "moon"),
                                ({"type": "fake", "do": [["check", {"ok": False, "code": "bad_job", "detail": "no such thing"}]]},
                                 {"seed": [1]}, "no such thing"),
                                ({"type": "fake"}, {"seed": []}, "at least one value"), ({"type": "fake"}, {}, "1 to 8 fields"),
                                ({"type": "fake"}, {"seed": list(range(1001))}, "more than 1000"),
                                ({"type": "fake", "seed": 1}, {"seed.x": [1]}, "is no field"), ({"type": "none"}, {"seed": [1]}, "no kind of job")):
            with self.subTest(over=over):
                self.assertIn(word, self.grid(job, over, expect=422)["detail"])
        self.refused(422, "POST", "/v1/grids", {"job": {"type": "fake"}})
        self.refused(422, "POST", "/v1/grids", [])
        self.refused(400, "POST", "/v1/grids", "{")
        self.refused(404, "GET", "/v1/grids/g1")
        self.refused(404, "GET", "/v1/grids/x")
        self.assertEqual(self.d.call("GET", "/v1/jobs")["total"], 0)
        self.assertEqual(self.d.call("GET", "/v1/grids")["total"], 0)

    def test_grid__cancelled__cancels_what_has_not_ended(self):
        g = self.grid({"type": "fake", "do": [["sleep", 20]]}, {"seed": list(range(20))})
        g = self.d.call("POST", "/v1/grids/%s/cancel" % g["id"], expect=202)
        for one in g["jobs"]:
            self.assertEqual(self.d.wait(one["job"])["state"], "cancelled")
        self.refused(404, "POST", "/v1/grids/g9/cancel")

    def test_grids__in_pages__come_latest_first(self):
        for i in range(3):
            self.grid({"type": "fake"}, {"seed": [i]})
        page = self.d.call("GET", "/v1/grids?limit=2", expect=200)
        self.assertEqual(([g["id"] for g in page["grids"]], page["next"], page["total"]), (["g3", "g2"], "g2", 3))
        self.assertEqual([g["id"] for g in self.d.call("GET", "/v1/grids?limit=2&before=g2", expect=200)["grids"]], ["g1"])
        self.refused(400, "GET", "/v1/grids?before=x")


if __name__ == "__main__":
    unittest.main(verbosity=1)
