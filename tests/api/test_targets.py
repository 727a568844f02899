#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs on other targets than the server's own: by words before the worker, and by ssh, whose program is a stand-in here that
runs the command in a folder of its own (test_sshd.py and test_slurm.py have the real ones)."""
import glob
import hashlib
import os
import signal
import subprocess
import tempfile
import time
import unittest
from urllib.parse import quote

from daemon import DAEMON, Daemon, FAKE, said
from test_workers import until, write_program

# A stand-in of ssh: the last word is the command; what it was told is kept.
SSH = """#!/bin/bash
printf '%%s\\n' "$*" >> %(log)s
[ -e %(down)s ] && { echo 'ssh: connect to host board: No route to host' >&2; exit 255; }
cd / && exec bash -c "${@: -1}"
"""

# A stand-in of srun, which loses signals until its task is placed.
SRUN = """#!/bin/bash
trap '' TERM
> %(folder)s/starts
until [ -e %(folder)s/placed ]; do sleep 0.05; done
trap 'exit 143' TERM
while :; do sleep 0.1; done
"""


class Board(unittest.TestCase):
    """The server of self.d has the target board."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.mkdir(self.path("bin"))
        write_program(self.path("bin/ssh"), SSH % {"log": self.path("told"), "down": self.path("down")})
        self.d = self.start()

    def tearDown(self):
        code = self.d.stop()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def target(self):
        return "board ssh:me@board worker=%s folder=%s -p 2222" % (FAKE, self.path("there"))

    def start(self):
        return Daemon(self.folder.name, "--target", self.target(),
                      env={"PATH": self.path("bin") + ":" + os.environ["PATH"]}).ready()

    def upload(self, content, kind="models", name="it's a \"net\" $(x).onnx"):
        return self.d.call("POST", "/v1/%s?name=%s" % (kind, quote(name)), content, expect=201)["id"]

    def told(self):
        with open(self.path("told"), encoding="utf-8") as f:
            return f.read()

    def test_job__on_the_board__runs_there_with_its_files(self):
        m, data = self.upload(b"a network"), self.upload(b"some data", "datasets", "d.npz")
        job = self.d.fake("siblings", ["artifact", "out.txt"], ["machine", {"cpu": "Board CPU", "isa": "neon", "threads": 4}],
                          model=m, data=data, run={"target": "board"})
        done = self.d.wait(job)
        self.assertEqual((done["state"], done["target"]), ("succeeded", "board"), done["error"])
        self.assertEqual(done["machine"], {"cpu": "Board CPU", "isa": "neon", "threads": 4})
        self.assertEqual(self.d.call("GET", "/v1/jobs/%s/results" % job)["run_target"], "board")
        self.assertEqual(self.d.call("GET", "/v1/jobs/%s/artifacts/out.txt" % job), b"made by a worker\n")
        logs = [e for _, e in self.d.events(job) if e["event"] == "log" and e["text"].startswith("{")]
        self.assertIn("it's a \\\"net\\\" $(x).onnx", logs[0]["text"])
        self.assertIn("-p 2222 me@board", self.told())
        for content in (b"a network", b"some data"):
            with open(self.path("there/blobs/" + hashlib.sha256(content).hexdigest()), "rb") as f:
                self.assertEqual(f.read(), content)
        until(lambda: not glob.glob(self.path("there/runs/*")))
        self.assertEqual(glob.glob(self.path("there/checkpoints/*")), [])

    def test_files__that_are_there__are_not_sent_again(self):
        m = self.upload(b"once")
        for _ in range(3):
            self.assertEqual(self.d.wait(self.d.fake(model=m, run={"target": "board"}))["state"], "succeeded")
        self.assertEqual(self.told().count("cat >"), 1)

    def test_file__that_does_not_arrive_whole__is_not_kept(self):
        write_program(self.path("bin/sha256sum"), "#!/bin/sh\necho 0000\n")
        job = self.d.fake(model=self.upload(b"torn"), run={"target": "board"})
        said(self.d, "target board: ")
        self.assertEqual(os.listdir(self.path("there/blobs")), [])
        os.remove(self.path("bin/sha256sum"))
        self.assertEqual(self.d.wait(job)["state"], "succeeded")

    def test_board__that_is_away__holds_up_its_own_jobs_alone(self):
        open(self.path("down"), "x", encoding="ascii").close()
        job = self.d.fake(run={"target": "board"})
        said(self.d, "No route to host")
        self.assertEqual(self.d.wait(self.d.fake())["state"], "succeeded")
        self.assertEqual(self.d.call("GET", "/readyz", expect=200), {"status": "ok"})
        board = [t for t in self.d.call("GET", "/v1/targets", expect=200)["targets"] if t["name"] == "board"][0]
        self.assertIn("No route to host", board["problem"])
        os.remove(self.path("down"))
        done = self.d.wait(job)
        self.assertEqual((done["state"], done["attempts"]), ("succeeded", 1))
        said(self.d, "target board works again")

    def test_job__cancelled__ends_there(self):
        pids = self.path("pids")
        job = self.d.fake(["touch", pids], ["sleep", 60], run={"target": "board"})
        until(lambda: os.path.exists(pids))
        self.d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
        self.assertEqual(self.d.wait(job)["state"], "cancelled")
        with open(pids, encoding="ascii") as f:
            pid = int(f.read())
        until(lambda: not os.path.exists("/proc/%d" % pid))

    def test_job__that_crashes_there__fails_here(self):
        done = self.d.wait(self.d.fake(["kill", signal.SIGSEGV], run={"target": "board"}))
        self.assertEqual((done["state"], done["error"]["code"]), ("failed", "worker_crashed"))
        self.assertIn("139", done["error"]["detail"])

    def test_sandbox__that_lacks_something_there__is_told_with_the_job(self):
        def warnings(**more):
            job = self.d.fake(["sandbox", "this kernel lacks Landlock"], **more)
            self.assertEqual(self.d.wait(job)["state"], "succeeded")
            return [e["text"] for _, e in self.d.events(job) if e["event"] == "log" and e["level"] == "warning"]
        self.assertEqual(warnings(run={"target": "board"}), ["the sandbox on board: this kernel lacks Landlock"])
        self.assertEqual(warnings(), [])

    def test_latency__there_and_here__do_not_wait_for_each_other(self):
        here, there = self.path("here.ticks"), self.path("there.ticks")
        a = self.d.fake(["section", ["tick", [there, 2]]], run={"target": "board"})
        until(lambda: os.path.exists(there))
        b = self.d.fake(["section", ["tick", [here, 0.5]]])
        self.assertEqual(self.d.wait(b)["state"], "succeeded")
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + a)["state"], "running")
        self.assertEqual(self.d.wait(a)["state"], "succeeded")
        with open(there, encoding="ascii") as f:
            ticks = [float(t) for t in f]
        self.assertLess(max(y - x for x, y in zip(ticks, ticks[1:])), 0.4)

    def test_run__left_there_by_one_that_is_gone__is_removed(self):
        os.makedirs(self.path("there/runs/j9-x.1/scratch"))
        with open(self.path("there/runs/j9-x.1/pid"), "w", encoding="ascii") as f:
            f.write("999999999\n")
        self.assertEqual(self.d.wait(self.d.fake(run={"target": "board"}))["state"], "succeeded")
        until(lambda: not os.path.exists(self.path("there/runs/j9-x.1")))

    def test_same_job__elsewhere__is_another(self):
        spec = {"type": "fake", "do": [["sleep", 0]], "seed": 5}
        a = self.d.call("POST", "/v1/jobs", spec, expect=201)
        b = self.d.call("POST", "/v1/jobs", {**spec, "run": {"target": "board"}}, expect=201)
        self.assertNotEqual(a["fingerprint"], b["fingerprint"])
        self.d.wait(a["id"])
        self.d.wait(b["id"])
        self.assertEqual(self.d.call("POST", "/v1/jobs", {**spec, "run": {"target": "local", "priority": 3}}, expect=200)["id"], a["id"])
        self.assertEqual(self.d.call("POST", "/v1/jobs", {**spec, "run": {"target": "board"}}, expect=200)["id"], b["id"])


class Local(unittest.TestCase):
    """Words before the worker, slots of each target, and what is said of mistakes."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.config = os.path.join(self.folder.name, "conf")
        self.configure("target = twice local jobs=2 nice -n 1\n")
        self.d = Daemon(self.folder.name, "--config", self.config).ready()

    def tearDown(self):
        code = self.d.stop()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    def configure(self, text):
        with open(self.config, "w", encoding="ascii") as f:
            f.write(text)

    def names(self):
        return [t["name"] for t in self.d.call("GET", "/v1/targets", expect=200)["targets"]]

    def test_targets__each__has_slots_of_its_own(self):
        stay = os.path.join(self.folder.name, "stay")
        jobs = [self.d.fake(["touch", stay], ["sleep", 2], run={"target": t}) for t in ("local", "local", "twice", "twice", "twice")]
        until(lambda: [self.d.call("GET", "/v1/jobs/" + j)["state"] for j in jobs] == ["running", "queued", "running", "running", "queued"])
        table = {t["name"]: (t["kind"], t["slots"], t["running"], t["queued"], t["problem"])
                 for t in self.d.call("GET", "/v1/targets", expect=200)["targets"]}
        self.assertEqual(table, {"local": ("local", 1, 1, 1, None), "twice": ("local", 2, 2, 1, None)})
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + jobs[4])["position"], 1)
        for j in jobs:
            self.assertEqual(self.d.wait(j)["state"], "succeeded")

    def test_target__that_is_none__is_refused_with_those_that_are(self):
        p = self.d.call("POST", "/v1/jobs", {"type": "fake", "run": {"target": "moon"}}, expect=422)
        self.assertEqual((p["pointer"], p["field"]), ("/run/target", "run.target"))
        self.assertIn("local and twice", p["detail"])

    def test_targets__read_again__are_the_new_ones(self):
        self.configure("target = other local\ntarget = third local\n")
        self.d.process.send_signal(signal.SIGHUP)
        until(lambda: self.names() == ["local", "other", "third"])
        self.assertEqual(self.d.wait(self.d.fake(run={"target": "third"}))["state"], "succeeded")
        self.configure("target = other slurm\ntarget = other local\n")
        self.d.process.send_signal(signal.SIGHUP)
        said(self.d, "what is wrong stays as it was")
        self.assertEqual(self.names(), ["local", "other", "third"])

    def test_target__of_which_the_settings_are_wrong__is_told(self):
        for line, word in (("x", "write NAME KIND"), ("x moon", "no kind of target"), ("x ssh", "ssh needs a destination"),
                           ("x ssh:-oProxyCommand=sh", "no destination"), ("local slurm", "this machine already"), ("x local jobs=0", "jobs is"),
                           ("x ssh:b worker=relative", "absolute path"), ("a/b local", "a name has")):
            with self.subTest(line=line):
                done = subprocess.run([DAEMON, "check-config", "--target", line], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 1)
                self.assertIn(word, done.stderr)
        done = subprocess.run([DAEMON, "check-config", "--worker", FAKE, "--state", self.folder.name, "--target", "a local jobs=3", "--target", "b slurm -p x"],
                              capture_output=True, text=True, timeout=60)
        self.assertIn("target = a local jobs=3\ntarget = b slurm -p x\n", done.stdout)


class Cluster(unittest.TestCase):
    def test_cancel__that_srun_lost__is_sent_again(self):
        with tempfile.TemporaryDirectory() as folder:
            write_program(os.path.join(folder, "srun"), SRUN % {"folder": folder})
            d = Daemon(folder, "--target", "cluster slurm", env={**os.environ, "PATH": folder + ":" + os.environ["PATH"]}).ready()
            job = d.fake(run={"target": "cluster"})
            until(lambda: os.path.exists(os.path.join(folder, "starts")))
            d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
            time.sleep(0.5)
            open(os.path.join(folder, "placed"), "x", encoding="ascii").close()
            self.assertEqual(d.wait(job, seconds=20)["state"], "cancelled")
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
