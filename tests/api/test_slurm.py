#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A target that Slurm rules: a munged, slurmctld and slurmd of the test's own on this machine run, cancel and kill jobs."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from daemon import Daemon
from test_workers import until

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
NEEDED = ("munged", "slurmctld", "slurmd", "srun", "squeue", "scancel")
if any(not shutil.which(p, path=PATH) for p in NEEDED):
    print("SKIP: lacks slurm: one of %s is missing; install slurm-wlm and munge" % ", ".join(NEEDED))
    sys.exit(77)
if os.getuid() != 0:
    print("SKIP: lacks root: slurmd starts as root alone")
    sys.exit(77)

CONF = """
ClusterName=test
SlurmctldHost=%(host)s(127.0.0.1)
SlurmctldPort=%(ctld)d
SlurmdPort=%(slurmd)d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=%(folder)s/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SlurmctldPidFile=%(folder)s/slurmctld.pid
SlurmdPidFile=%(folder)s/slurmd.pid
StateSaveLocation=%(folder)s/ctld
SlurmdSpoolDir=%(folder)s/slurmd
SlurmctldLogFile=%(folder)s/slurmctld.log
SlurmdLogFile=%(folder)s/slurmd.log
SlurmctldParameters=enable_configless
KillWait=2
MinJobAge=5
InactiveLimit=30
NodeName=%(host)s NodeAddr=127.0.0.1 CPUs=%(cpus)d State=UNKNOWN
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        f = cls.folder.name
        os.chmod(f, 0o755)
        for name in ("ctld", "slurmd"):
            os.mkdir(os.path.join(f, name))
        with open(os.path.join(f, "munge.key"), "wb") as key:
            key.write(os.urandom(1024))
        os.chmod(key.name, 0o400)
        # No cgroups: the test may run in a container.
        with open(os.path.join(f, "cgroup.conf"), "w", encoding="ascii") as conf:
            conf.write("CgroupAutomount=no\nCgroupPlugin=cgroup/v1\nConstrainCores=no\n")
        cls.conf = os.path.join(f, "slurm.conf")
        with open(cls.conf, "w", encoding="ascii") as conf:
            conf.write(CONF % {"host": socket.gethostname().split(".")[0], "ctld": free_port(), "slurmd": free_port(), "folder": f,
                               "cpus": os.cpu_count()})
        cls.env = {**os.environ, "SLURM_CONF": cls.conf, "PATH": PATH}
        cls.running = []
        try:
            cls.start("munged", "-F", "--key-file=%s/munge.key" % f, "--socket=%s/munge.socket" % f, "--pid-file=%s/munged.pid" % f,
                      "--seed-file=%s/munge.seed" % f, "--log-file=%s/munged.log" % f, "--force")
            until(lambda: os.path.exists(os.path.join(f, "munge.socket")))
            cls.start("slurmctld", "-D", "-f", cls.conf)
            cls.start("slurmd", "-D", "-f", cls.conf)
            until(lambda: "idle" in cls.slurm("sinfo", "-h", "-o", "%T"), seconds=60)
        except BaseException:
            for log in ("slurmctld.log", "slurmd.log", "munged.log"):
                if os.path.exists(os.path.join(f, log)):
                    with open(os.path.join(f, log), encoding="utf-8") as text:
                        print(log, text.read()[-3000:], file=sys.stderr)
            cls.tearDownClass()
            raise

    @classmethod
    def start(cls, *command):
        cls.running.append(subprocess.Popen(command, env=cls.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    @classmethod
    def slurm(cls, *command):
        return subprocess.run(command, env=cls.env, capture_output=True, text=True, timeout=60).stdout

    @classmethod
    def tearDownClass(cls):
        for p in reversed(cls.running):
            p.terminate()
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        cls.folder.cleanup()

    def setUp(self):
        self.state = tempfile.TemporaryDirectory()
        self.d = Daemon(self.state.name, "--target", "cluster slurm jobs=3 threads=1 --overcommit -p lab", env=self.env).ready()

    def tearDown(self):
        code = self.d.stop()
        self.state.cleanup()
        self.assertEqual(code, 0, self.d.lines)
        until(lambda: not self.slurm("squeue", "-h").strip(), seconds=40)

    def queue(self):
        return self.slurm("squeue", "-h", "-o", "%j %T").split("\n")[:-1]

    def test_jobs__several__run_as_slurms(self):
        jobs = [self.d.fake(["sleep", 2], ["artifact", "a.txt"], run={"target": "cluster"}) for _ in range(2)]
        until(lambda: "quantbench-%s RUNNING" % jobs[0] in self.queue())
        for j in jobs:
            done = self.d.wait(j, seconds=60)
            self.assertEqual((done["state"], done["target"]), ("succeeded", "cluster"), done["error"])
            self.assertEqual(self.d.call("GET", "/v1/jobs/%s/artifacts/a.txt" % j), b"made by a worker\n")

    def test_job__cancelled__leaves_slurms_queue(self):
        job = self.d.fake(["sleep", 100], run={"target": "cluster"})
        until(lambda: "quantbench-%s RUNNING" % job in self.queue())
        self.d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
        self.assertEqual(self.d.wait(job)["state"], "cancelled")
        until(lambda: not self.queue())

    def test_job__that_slurm_ends__fails_and_is_tried_again(self):
        self.d.stop()
        self.d = Daemon(self.state.name, "--target", "cluster slurm threads=1", "--retry-seconds", "1", env=self.env).ready()
        flag = os.path.join(self.state.name, "flag")
        job = self.d.fake(["stop_once", flag], run={"target": "cluster", "retries": 1})
        until(lambda: os.path.exists(flag))
        self.slurm("scancel", "--name=quantbench-" + job)
        done = self.d.wait(job, seconds=60)
        self.assertEqual(done["state"], "succeeded", done["error"])

    def test_latency__in_slurms_cores__begins_at_once(self):
        job = self.d.fake(["section", ["sleep", 0]], run={"target": "cluster"})
        self.assertEqual(self.d.wait(job, seconds=60)["state"], "succeeded")

    def test_server__killed__leaves_no_job_behind(self):
        job = self.d.fake(["sleep", 100], run={"target": "cluster"})
        until(lambda: "quantbench-%s RUNNING" % job in self.queue())
        self.d.process.kill()
        self.d.process.wait()
        until(lambda: not self.queue(), seconds=60)
        self.d.reader.join(10)
        self.d.process.stderr.close()
        self.d.log.close()
        self.d = Daemon(self.state.name, env=self.env).ready()


if __name__ == "__main__":
    unittest.main(verbosity=1)
