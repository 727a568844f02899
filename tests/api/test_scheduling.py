#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which job is next: priorities, shares of tokens, jobs after others, retries, limits of a job, expected times."""
import os
import signal
import tempfile
import time
import unittest

from daemon import Case, Daemon
from test_workers import until


class Order(Case):
    options = ("--retry-seconds", "1")

    def block(self):
        """A job that runs until the file is removed; the others wait behind it."""
        path = os.path.join(self.folder.name, "started")
        job = self.d.fake(["touch", path], ["sleep", 1])
        until(lambda: os.path.exists(path))
        return job

    def order(self, jobs):
        started = {j: self.d.wait(j)["started"] for j in jobs}
        return sorted(jobs, key=lambda j: started[j])

    def test_priority__higher__starts_first(self):
        self.block()
        jobs = [self.d.fake(run={"priority": p}) for p in (0, -5, 7, 0, 100)]
        positions = [self.d.call("GET", "/v1/jobs/" + j)["position"] for j in jobs]
        self.assertEqual(positions, [3, 5, 2, 4, 1])
        self.assertEqual(self.order(jobs), [jobs[i] for i in (4, 2, 0, 3, 1)])

    def test_after__one_that_succeeds__starts_then(self):
        first = self.d.fake(["sleep", 0.3], run={"priority": -10})
        then = self.d.fake(run={"after": [first], "priority": 50})
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + then)["after"], [first])
        self.assertEqual(self.order([first, then]), [first, then])
        self.assertEqual(self.d.wait(then)["state"], "succeeded")

    def test_after__one_that_fails__fails_and_those_behind_it(self):
        first = self.d.fake(["sleep", 0.3], ["fail", "no"])
        second = self.d.fake(run={"after": [first]})
        third = self.d.fake(run={"after": [second, first]})
        for j in (second, third):
            done = self.d.wait(j)
            self.assertEqual((done["state"], done["error"]["code"], done["attempts"]), ("failed", "after_failed", 0))
        p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", "run": {"after": [first]}})
        self.assertIn("has failed already", p["detail"])
        self.refused(422, "POST", "/v1/jobs", {"type": "fake", "run": {"after": ["j999"]}})

    def test_after__one_that_is_cancelled__fails(self):
        self.block()
        first = self.d.fake()
        second = self.d.fake(run={"after": [first]})
        self.d.call("POST", "/v1/jobs/%s/cancel" % first, expect=202)
        self.assertEqual(self.d.wait(second)["error"]["code"], "after_failed")

    def test_after__one_that_has_succeeded_and_is_deleted__starts(self):
        first = self.d.fake()
        self.d.wait(first)
        self.block()
        second = self.d.fake(run={"after": [first]})
        self.d.call("DELETE", "/v1/jobs/" + first, expect=204)
        self.assertEqual(self.d.wait(second)["state"], "succeeded")

    def test_retries__crash__is_tried_again_after_a_pause(self):
        path = os.path.join(self.folder.name, "tries")
        job = self.d.fake(["touch", path], ["kill", signal.SIGKILL], run={"retries": 2})
        begun = time.monotonic()
        done = self.d.wait(job)
        self.assertEqual((done["state"], done["attempts"], done["retries"]), ("failed", 3, 2))
        self.assertGreater(time.monotonic() - begun, 2)  # a second, then two
        with open(path, encoding="ascii") as f:
            self.assertEqual(len(f.readlines()), 3)

    def test_retries__pause__lets_others_run(self):
        job = self.d.fake(["kill", signal.SIGKILL], run={"retries": 1})
        until(lambda: self.d.call("GET", "/v1/jobs/" + job)["attempts"] == 1)
        other = self.d.fake()
        self.assertEqual(self.order([other, job])[0], other)

    def test_retries__what_the_worker_says__is_final(self):
        done = self.d.wait(self.d.fake(["fail", "no network"], run={"retries": 5}))
        self.assertEqual((done["state"], done["attempts"]), ("failed", 1))

    def test_limits__of_a_job__are_its_workers(self):
        done = self.d.wait(self.d.fake(["sleep", 30], run={"wall_seconds": 1}))
        self.assertEqual(done["error"]["code"], "time_limit")
        self.assertEqual(done["limits"], {"wall_seconds": 1})
        done = self.d.wait(self.d.fake(["allocate", 1 << 30], run={"memory_bytes": 400 << 20}))
        self.assertEqual(done["state"], "failed")
        p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", "run": {"threads": 4000}})
        self.assertEqual(p["pointer"], "/run/threads")

    def test_run__malformed__names_what_is_wrong(self):
        for run, field in (({"priority": 101}, "run.priority"), ({"priority": "high"}, "run.priority"), ({"after": "j1"}, "run.after"),
                           ({"after": ["m1"]}, "run.after"), ({"retries": -1}, "run.retries"), ({"targt": "x"}, "run.targt"),
                           ({"memory_bytes": 1}, "run.memory_bytes"), ({"target": ""}, "run.target")):
            with self.subTest(run=run):
                self.assertEqual(self.refused(422, "POST", "/v1/jobs", {"type": "fake", "run": run})["errors"][0]["field"], field)
        self.refused(422, "POST", "/v1/jobs", {"type": "fake", "run": []})

    def test_expected__from_earlier_runs__of_the_same_kind(self):
        job = self.d.fake(["sleep", 0.5])
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + job)["expected_seconds"], None)
        self.d.wait(job)
        job = self.d.fake(["sleep", 0.6])
        self.assertGreater(self.d.call("GET", "/v1/jobs/" + job)["expected_seconds"], 0.5)
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + self.d.wait(job)["id"])["expected_seconds"], None)


class Shares(unittest.TestCase):
    def test_tokens__of_one_priority__get_equal_time(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            self.addCleanup(d.stop)
            secrets = [d.call("POST", "/v1/tokens", {"name": n, "role": "submit"}, expect=201)["secret"] for n in ("ann", "bob")]
            path = os.path.join(folder, "started")
            d.fake(["touch", path], ["sleep", 0.7])
            until(lambda: os.path.exists(path))
            d.token = secrets[0]
            anns = [d.fake(["sleep", 0.4]) for _ in range(4)]
            d.token = secrets[1]
            bobs = [d.fake(["sleep", 0.4]) for _ in range(2)]
            started = {j: d.wait(j)["started"] for j in anns + bobs}
            order = sorted(started, key=lambda j: started[j])
            self.assertEqual([j in bobs for j in order[:4]].count(True), 2, order)
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
