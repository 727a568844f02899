#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs that leave checkpoints go on from them, whatever dies: the worker or the server."""
import os
import tempfile
import unittest

from daemon import Case, Daemon
from test_workers import until


def number_in(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read() or 0)
    except FileNotFoundError:
        return 0


class Checkpoints(Case):
    def folder_of(self, job):
        return os.path.join(self.d.state, "state", "checkpoints", job)

    def texts(self, job):
        return [e["text"] for _, e in self.d.events(job) if e["event"] == "log" and e["text"].startswith("from ")]

    def test_worker__killed_again_and_again__goes_on_where_it_was(self):
        at = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
        job = self.d.fake(["train", [30, at]])
        ended = self.d.wait(job)
        self.assertEqual(ended["state"], "succeeded")
        self.assertEqual(ended["attempts"], 1)  # it came further each time
        self.assertEqual(self.texts(job), ["from %d" % n for n in [0, *at]])
        warnings = [e for _, e in self.d.events(job) if e["event"] == "log" and e["level"] == "warning"]
        self.assertEqual(len(warnings), len(at))
        self.assertIn("SIGKILL", warnings[0]["text"])
        self.assertFalse(os.path.exists(self.folder_of(job)))

    def test_worker__that_comes_no_further__is_given_up_and_may_be_retried(self):
        job = self.d.fake("crash_after_checkpoint")
        ended = self.d.wait(job)
        self.assertEqual(ended["state"], "failed")
        self.assertEqual(ended["error"]["code"], "worker_crashed")
        # The first start wrote a checkpoint, those after it wrote no other.
        self.assertEqual(ended["attempts"], 3)
        self.assertTrue(os.listdir(self.folder_of(job)))
        self.d.call("POST", "/v1/jobs/%s/retry" % job, expect=202)
        self.assertEqual(self.d.wait(job, "failed")["state"], "failed")
        self.d.call("DELETE", "/v1/jobs/%s" % job, expect=204)
        self.assertFalse(os.path.exists(self.folder_of(job)))

    def test_job__cancelled__leaves_no_checkpoint(self):
        job = self.d.fake(["train", [1000, [], 0.05]])
        until(lambda: os.path.exists(os.path.join(self.folder_of(job), "checkpoint")))
        self.d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
        self.assertEqual(self.d.wait(job)["state"], "cancelled")
        until(lambda: not os.path.exists(self.folder_of(job)))

    def test_job__without_a_checkpoint__fails_at_once(self):
        job = self.d.fake(["kill", 9])
        ended = self.d.wait(job)
        self.assertEqual((ended["state"], ended["attempts"]), ("failed", 1))
        until(lambda: not os.path.exists(self.folder_of(job)))


class Restarts(unittest.TestCase):
    def test_server__killed_in_the_midst__goes_on_and_forgets_what_no_job_needs(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            job = d.fake(["train", [60, [], 0.05]])
            count = os.path.join(folder, "state", "checkpoints", job, "checkpoint")
            until(lambda: number_in(count) >= 3)
            d.process.kill()
            d.stop()
            os.makedirs(os.path.join(folder, "state", "checkpoints", "j99"))
            d = Daemon(folder).ready()
            self.assertFalse(os.path.exists(os.path.join(folder, "state", "checkpoints", "j99")))
            ended = d.wait(job)
            self.assertEqual((ended["state"], ended["attempts"]), ("succeeded", 1))
            began = [int(e["text"].split()[1]) for _, e in d.events(job)
                     if e["event"] == "log" and e["text"].startswith("from ")]
            self.assertEqual(began[0], 0)
            self.assertGreaterEqual(began[1], 3)
            self.assertEqual(os.listdir(os.path.join(folder, "state", "checkpoints")), [])
            d.stop()


if __name__ == "__main__":
    unittest.main()
