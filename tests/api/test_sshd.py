#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A target behind a real sshd on loopback, and the real worker there."""
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from daemon import BUILD, Daemon, FAKE
import test_targets
from test_workers import until

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
if not SSHD or not shutil.which("ssh"):
    print("SKIP: lacks sshd: no sshd or no ssh; install openssh-server and openssh-client")
    sys.exit(77)

# SHLVL: a bash that is not the first one reads no .bashrc.
CONFIG = """
ListenAddress 127.0.0.1
Port %(port)d
HostKey %(folder)s/host
AuthorizedKeysFile %(folder)s/me.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv SHLVL=5
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """An sshd of the test's own; self.folder is there."""

    def start_server(self):
        self.port = free_port()
        for key in ("host", "me"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)], check=True)
        with open(self.path("sshd_config"), "w", encoding="ascii") as f:
            f.write(CONFIG % {"port": self.port, "folder": self.folder.name})
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # for its privilege separation
        self.sshd = self.start_sshd()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start_sshd(self):
        p = subprocess.Popen([SSHD, "-D", "-e", "-f", self.path("sshd_config")], stderr=subprocess.DEVNULL)

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        until(listens)
        return p

    def stop_sshd(self):
        self.sshd.terminate()
        self.sshd.wait(10)

    def destination(self):
        return "ssh:%s@127.0.0.1" % getpass.getuser()

    def options(self):
        return "-p %d -i %s -oUserKnownHostsFile=%s -oStrictHostKeyChecking=accept-new" % (self.port, self.path("me"), self.path("known"))


class Sshd(Server, test_targets.Board):
    """What a stand-in does, by the real one."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.start_server()
        self.d = self.start()

    def tearDown(self):
        super().tearDown()
        self.stop_sshd()

    def target(self):
        return "board %s worker=%s folder=%s %s" % (self.destination(), FAKE, self.path("there"), self.options())

    def start(self):
        d = Daemon(self.folder.name, "--target", self.target()).ready()
        d.patience = 120  # a login takes a while on a busy machine
        return d

    def test_files__that_are_there__are_not_sent_again(self):
        m = self.upload(b"once")
        self.assertEqual(self.d.wait(self.d.fake(model=m, run={"target": "board"}))["state"], "succeeded")
        blob = [os.path.join(self.path("there/blobs"), b) for b in os.listdir(self.path("there/blobs"))]
        before = [os.stat(b).st_mtime_ns for b in blob]
        self.assertEqual(self.d.wait(self.d.fake(model=m, run={"target": "board"}))["state"], "succeeded")
        self.assertEqual([os.stat(b).st_mtime_ns for b in blob], before)

    # Those of the stand-in alone.
    test_file__that_does_not_arrive_whole__is_not_kept = test_same_job__elsewhere__is_another = None
    test_run__left_there_by_one_that_is_gone__is_removed = None

    def test_job__on_the_board__runs_there_with_its_files(self):
        m = self.upload(b"a network")
        job = self.d.fake("siblings", ["artifact", "out.txt"], model=m, data=self.upload(b"some data", "datasets", "d.npz"),
                          run={"target": "board"})
        done = self.d.wait(job)
        self.assertEqual((done["state"], done["target"]), ("succeeded", "board"), done["error"])
        self.assertEqual(self.d.call("GET", "/v1/jobs/%s/artifacts/out.txt" % job), b"made by a worker\n")
        until(lambda: os.listdir(self.path("there/runs")) == [])

    def test_board__that_is_away__holds_up_its_own_jobs_alone(self):
        self.stop_sshd()
        job = self.d.fake(run={"target": "board"})
        until(lambda: [t for t in self.d.call("GET", "/v1/targets")["targets"] if t["name"] == "board"][0]["problem"])
        self.assertEqual(self.d.wait(self.d.fake())["state"], "succeeded")
        self.sshd = self.start_sshd()
        self.assertEqual(self.d.wait(job)["state"], "succeeded")

    def test_connection__that_breaks__queues_the_job_again(self):
        flag = self.path("flag")
        job = self.d.fake(["stop_once", flag], ["sleep", 0], run={"target": "board"})
        until(lambda: os.path.exists(flag))
        self.stop_sshd()
        for pid in self.sessions():
            os.kill(pid, 9)
        self.sshd = self.start_sshd()
        done = self.d.wait(job)
        self.assertEqual(done["state"], "succeeded", done["error"])

    def sessions(self):
        """sshd's processes of connections to this test's port."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    command = f.read()
            except OSError:
                continue
            if command.startswith(b"sshd: ") and b"@notty" in command and self.mine(pid):
                found.append(int(pid))
        return found

    def mine(self, pid):
        """Whether a child of it works in this test's folder."""
        for other in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % other, encoding="ascii", errors="replace") as f:
                    parent = f.read().rsplit(")", 1)[1].split()[1]
                if parent == pid and os.readlink("/proc/%s/cwd" % other).startswith(self.path("there")):
                    return True
            except OSError:
                continue
        return False

    def test_worker__the_real_one__computes_there_in_its_sandbox(self):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../demo/digits.onnx"), "rb") as f:
            m = self.upload(f.read(), name="digits.onnx")
        self.d.stop()
        self.d = Daemon(self.folder.name, "--target", "real %s worker=%s folder=%s %s" % (
            self.destination(), os.path.join(os.path.abspath(BUILD), "quantbench-worker"), self.path("there"), self.options()), worker=None).ready()
        spec = {"type": "tensor", "model": m, "formats": ["int8"]}
        here = self.d.call("POST", "/v1/jobs", spec, expect=201)["id"]
        there = self.d.call("POST", "/v1/jobs", {**spec, "run": {"target": "real"}}, expect=201)["id"]
        a, b = (self.d.wait(j, seconds=120) for j in (here, there))
        self.assertEqual((a["state"], b["state"]), ("succeeded", "succeeded"), (a["error"], b["error"]))
        self.assertEqual(b["machine"]["cpu"], a["machine"]["cpu"])
        a, b = (self.d.call("GET", "/v1/jobs/%s/results" % j) for j in (here, there))
        for r in (a, b):
            del r["job"], r["run_target"]
        self.assertEqual(a, b)


if __name__ == "__main__":
    unittest.main(verbosity=1)
