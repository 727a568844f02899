#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Workers in cgroups of the kernel's, in a folder of the test's own."""
import glob
import os
import signal
import sys
import tempfile
import unittest

from daemon import Daemon
from test_workers import until, words


def make_folder():
    """A new cgroup; None where that cannot be."""
    with open("/proc/mounts", encoding="utf-8") as f:
        mounts = [line.split() for line in f]
    for top in (m[1] for m in mounts if m[2] == "cgroup2"):
        path = os.path.join(top, "qb-test-%d" % os.getpid())
        try:
            os.mkdir(path)
        except OSError:
            continue
        if os.path.exists(os.path.join(path, "cgroup.kill")):
            return path
        os.rmdir(path)
    return None


FOLDER = make_folder() if os.getuid() == 0 else None
if not FOLDER:
    print("SKIP: lacks cgroup: no cgroup v2 in which this user may make one, with cgroup.kill (Linux 5.14)")
    sys.exit(77)


def content(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def group_of(pid):
    return next(line for line in content("/proc/%d/cgroup" % pid).split("\n") if line.startswith("0::"))


class Cgroup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.d = self.start()

    def start(self):
        return Daemon(self.folder.name, "--cgroup", FOLDER, "--jobs", "2", "--worker-threads", "2", "--worker-memory", "3G").ready()

    def tearDown(self):
        code = self.d.stop()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    @classmethod
    def tearDownClass(cls):
        until(lambda: remove(FOLDER))

    def runs(self):
        return glob.glob(FOLDER + "/run-*")

    def test_worker__in_a_group_of_its_own__is_killed_there_with_what_it_left(self):
        path = os.path.join(self.folder.name, "pid")
        job = self.d.fake(["leave", path], ["sleep", 2])
        pid = int(words(path, 1)[0])
        self.assertRegex(group_of(pid), "/qb-test-[0-9]+/run-%s-" % job)
        self.assertRegex(group_of(self.d.process.pid), "/qb-test-[0-9]+/server$")
        available = content(FOLDER + "/cgroup.controllers").split()
        run = self.runs()[0]
        for controller, file, text in (("memory", "memory.max", "%d" % (3 << 30)), ("pids", "pids.max", "258"), ("cpu", "cpu.max", "300000 100000")):
            if controller in available:
                self.assertEqual(content(os.path.join(run, file)).strip(), text)
        self.assertEqual(self.d.wait(job)["state"], "succeeded")
        until(lambda: not os.path.exists("/proc/%d" % pid), 5)
        until(lambda: not self.runs(), 5)

    def test_server__that_was_killed__is_followed_by_one_that_clears_its_groups(self):
        path = os.path.join(self.folder.name, "pid")
        self.d.fake(["leave", path], ["sleep", 60])
        pid = int(words(path, 1)[0])
        self.d.process.send_signal(signal.SIGKILL)
        self.d.stop()
        os.remove(path)
        self.d = self.start()
        until(lambda: not os.path.exists("/proc/%d" % pid) or content("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[0] == "Z", 5)

    def test_folder__that_is_no_cgroup__keeps_the_server_from_starting(self):
        with tempfile.TemporaryDirectory() as f:
            d = Daemon(f, "--cgroup", "/proc/self/nothing")
            self.assertEqual(d.process.wait(30), 1)
            d.stop()
            self.assertIn("cannot be used for the cgroups of workers", "".join(d.lines))


def remove(folder):
    try:
        for path in [*glob.glob(folder + "/*/"), folder]:
            os.rmdir(path)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    unittest.main(verbosity=1)
