#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Answers that are kept are those that would be made anew."""
import threading
import unittest

from daemon import Case


class Cache(Case):
    def test_job__whatever_changes__is_what_it_is(self):
        job = self.d.fake(["sleep", 0.3], ["metric", 3])
        states = []
        while not states or states[-1] in ("queued", "running"):
            j = self.d.call("GET", "/v1/jobs/" + job, expect=200)
            listed = [x for x in self.d.call("GET", "/v1/jobs")["jobs"] if x["id"] == job][0]
            states += [j["state"]] if states[-1:] != [j["state"]] else []
            self.assertLessEqual(["queued", "running", "succeeded"].index(j["state"]), ["queued", "running", "succeeded"].index(listed["state"]))
        self.assertEqual(states[-1], "succeeded")
        for _ in range(3):
            self.assertEqual(self.d.call("GET", "/v1/jobs/" + job)["state"], "succeeded")
            self.assertEqual(self.d.call("GET", "/v1/jobs/%s/results" % job)["job"], job)
        self.d.call("DELETE", "/v1/jobs/" + job, expect=204)
        self.refused(404, "GET", "/v1/jobs/" + job)
        self.refused(404, "GET", "/v1/jobs/%s/results" % job)

    def test_answers__of_two_jobs__are_not_exchanged(self):
        jobs = [self.d.fake() for _ in range(6)]
        for j in jobs:
            self.d.wait(j)
        wrong = []

        def ask(j):
            for _ in range(60):
                if self.d.call("GET", "/v1/jobs/" + j)["id"] != j or self.d.call("GET", "/v1/jobs/%s/results" % j)["job"] != j:
                    wrong.append(j)

        threads = [threading.Thread(target=ask, args=(j,)) for j in jobs]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_answer__that_is_kept__has_all_its_headers_and_its_role(self):
        job = self.d.fake()
        self.d.wait(job)
        names = []
        for _ in range(2):
            self.d.call("GET", "/v1/jobs/" + job)
            names.append(sorted(k for k in self.d.headers if k != "Date"))
        self.assertEqual(names[0], names[1])
        self.assertIn("X-Content-Type-Options", names[1])
        self.refused(401, "GET", "/v1/jobs/" + job, headers={"Authorization": "Bearer qb_x"})


if __name__ == "__main__":
    unittest.main(verbosity=1)
