#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Training by the real worker: whatever is killed on the way, the job ends with the bytes of one that was left alone."""
import glob
import os
import signal
import subprocess
import tempfile
import unittest

from daemon import BUILD, TOP, Daemon
from test_workers import runs, until

WORKER = os.path.join(BUILD, "quantbench-worker")


def worker_of(daemon):
    """The process that carries out the job, not the one that answers questions."""
    found = subprocess.run(["pgrep", "-P", str(daemon.process.pid), "-a"], capture_output=True, text=True, check=False).stdout
    pids = [int(line.split()[0]) for line in found.splitlines() if "--serve" not in line]
    return pids[0] if pids else None


class Training(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.d = self.start()

    def tearDown(self):
        self.assertEqual(self.d.stop(), 0)

    def start(self):
        return Daemon(self.folder, "--worker-threads", "1", worker=WORKER).ready()

    def upload(self, name, kind):
        with open(os.path.join(TOP, "demo", name), "rb") as f:
            return self.d.call("POST", "/v1/%s?name=%s" % (kind, name), f.read(), expect=201)["id"]

    def submit(self, **job):
        return self.d.call("POST", "/v1/jobs", {"fresh": True, **job}, expect=201)["id"]

    def outcome(self, job):
        ended = self.d.wait(job, seconds=120)
        self.assertEqual(ended["state"], "succeeded", ended.get("error"))
        result = self.d.call("GET", "/v1/jobs/%s/results" % job, expect=200)
        result.pop("job")
        artifacts = {a["name"]: a["sha256"] for a in ended["artifacts"]}
        return result, artifacts, ended["attempts"]

    def progressed(self, job, before):
        folder = os.path.join(self.folder, "state", "checkpoints", job)
        try:
            now = [os.stat(p).st_mtime_ns for p in glob.glob(folder + "/checkpoint") + glob.glob(folder + "/*/checkpoint")]
        except FileNotFoundError:
            return None
        return max(now) if now and max(now) != before else None

    def disturb(self, job, kills):
        """Kills the worker each time that it has come further, and the server the last time."""
        stamp = None
        for i in range(kills):
            until(lambda: self.progressed(job, stamp), seconds=60)
            if i + 1 < kills:
                pid = worker_of(self.d)
                os.kill(pid, signal.SIGKILL)
                until(lambda: not runs(pid))
                stamp = self.progressed(job, None)
            else:
                self.d.process.kill()
                self.d.stop()
                self.d = self.start()

    def test_train__worker_and_server_killed__ends_with_the_same_bytes(self):
        data = {"train": self.upload("digits-train.npz", "datasets"), "data": self.upload("digits-test.npz", "datasets")}
        job = {"type": "train", "network": {"name": "mlp", "layers": [256]}, **data, "epochs": 60, "batch": 32,
               "checkpoint_every": 10, "preprocess": {"scale": 1 / 255}, "optimizer": {"name": "adam", "lr": 0.002}}
        alone = self.outcome(self.submit(**job))
        disturbed = self.submit(**job)
        self.disturb(disturbed, 4)
        self.assertEqual(self.outcome(disturbed), alone)
        rows = self.d.call("GET", "/v1/results?job=%s&scope=model" % disturbed, expect=200)["results"]
        self.assertEqual([(r["scheme"], r["value"]) for r in rows], [("float", alone[0]["final"]["metric"])])

    def test_text__under_a_name_that_says_so__is_inspected_and_trained_on(self):
        text = b"".join(b"%d, then %d; " % (i, i * i) for i in range(300))

        def inspected(upload):
            return until(lambda: (lambda u: u["inspection"]["state"] != "pending" and u)(
                self.d.call("GET", "/v1/datasets/" + upload["id"], expect=200)))["inspection"]

        wrong = self.d.call("POST", "/v1/datasets?name=text.raw", text, expect=201)
        found = inspected(wrong)
        self.assertEqual(found["state"], "failed")
        self.assertIn(".txt", found["error"]["detail"])
        # The same bytes under another name are the same upload, which is then looked into under that name.
        right = self.d.call("POST", "/v1/datasets?name=text.txt", text, expect=200)
        self.assertEqual((right["id"], right["name"]), (wrong["id"], "text.txt"))
        found = inspected(right)
        self.assertEqual((found["state"], found["result"]["kind"], found["result"]["tokens"]), ("ok", "text", len(text)))
        self.assertEqual(self.d.call("POST", "/v1/datasets?name=other", text, expect=200)["name"], "text.txt")
        network = {"name": "opt", "layers": 1, "width": 16, "heads": 1}
        job = {"type": "train", "network": network, "train": right["id"], "data": right["id"], "epochs": 2, "batch": 8, "samples": 30}
        refused = self.d.call("POST", "/v1/jobs", job, expect=422)
        self.assertEqual(refused["errors"][0]["field"], "text")
        result, artifacts, _ = self.outcome(self.submit(**job, text={"task": "causal", "length": 32}))
        self.assertEqual((result["text"]["vocabulary"], result["metric_name"]), (259, "perplexity"))
        self.assertLess(result["final"]["metric"], result["start"]["metric"])
        self.assertEqual(list(artifacts), ["trained.onnx"])

    def test_train__cancelled__keeps_the_best_network(self):
        data = {"train": self.upload("digits-train.npz", "datasets"), "data": self.upload("digits-test.npz", "datasets")}
        job = self.submit(type="train", network={"name": "mlp"}, **data, epochs=10000, batch=32, preprocess={"scale": 1 / 255})
        until(lambda: self.progressed(job, None), seconds=60)
        self.d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
        ended = self.d.wait(job)
        self.assertEqual((ended["state"], ended["error"]["code"]), ("cancelled", "cancelled"))
        self.assertIn("trained.onnx", ended["error"]["detail"])
        self.assertEqual([a["name"] for a in ended["artifacts"]], ["trained.onnx"])
        self.assertGreater(len(self.d.call("GET", "/v1/jobs/%s/artifacts/trained.onnx" % job, expect=200)), 10000)

    def test_outliers__worker_killed_in_each_training__ends_with_the_same_bytes(self):
        job = {"type": "outliers", "network": {"name": "vit", "layers": 1, "width": 32, "heads": 2}, "epochs": 8, "batch": 32,
               "train": self.upload("digits-train.npz", "datasets"), "data": self.upload("digits-test.npz", "datasets"),
               "preprocess": {"scale": 1 / 255}, "methods": ["vanilla", "gated"], "samples": 100, "checkpoint_every": 8,
               "calibration": {"samples": 32, "seeds": 2}}
        alone = self.outcome(self.submit(**job))
        self.assertEqual(sorted(alone[1]), ["gated.onnx", "vanilla.onnx"])
        disturbed = self.submit(**job)
        self.disturb(disturbed, 3)
        self.assertEqual(self.outcome(disturbed)[:2], alone[:2])

    def test_qat__worker_killed__ends_with_the_same_bytes_and_csv(self):
        job = {"type": "qat", "model": self.upload("digits.onnx", "models"), "train": self.upload("digits-train.npz", "datasets"),
               "data": self.upload("digits-test.npz", "datasets"), "scheme": "w4a4", "method": "freeze", "epochs": 2,
               "checkpoint_every": 3, "samples": 200, "calibration": {"samples": 32}, "batch_norm": {"reestimate": 4},
               "optimizer": {"name": "adam", "lr": 1e-4}}
        alone = self.outcome(self.submit(**job))
        self.assertEqual(sorted(alone[1]), ["trained.onnx", "w4a4_lsq_freeze-0.qdq.onnx"])
        disturbed = self.submit(**job)
        self.disturb(disturbed, 2)
        self.assertEqual(self.outcome(disturbed), alone)
        csv = self.d.call("GET", "/v1/jobs/%s/results.csv" % disturbed, expect=200).decode()
        rows = [line.split(",")[0] for line in csv.splitlines()]
        self.assertEqual(rows[:4], ["row", "float", "start", "final"])
        self.assertEqual(rows.count("epoch"), 2)
        self.assertEqual(rows.count("layer"), len(alone[0]["layers"]))


if __name__ == "__main__":
    unittest.main()
