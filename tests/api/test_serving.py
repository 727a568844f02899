#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbenchd as a process: its address, its signals, its descriptors."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

from daemon import BUILD, Case, DAEMON, Daemon, FAKE


class Address(Case):
    def second(self, address):
        """Another daemon, with a state of its own, on that address."""
        with tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, "state")
            begin = time.monotonic()
            done = subprocess.run([DAEMON, "--listen", address, "--state", state, "--worker", FAKE], stderr=subprocess.PIPE,
                                  timeout=10, text=True)
            return done.returncode, time.monotonic() - begin, done.stderr, os.path.exists(state)

    def test_address__taken__ends_at_once_and_touches_no_state(self):
        address = "127.0.0.1:%d" % self.d.port
        for _ in range(3):
            code, seconds, said, touched = self.second(address)
            self.assertEqual(code, 1)
            self.assertLess(seconds, 1)
            self.assertIn("cannot listen on %s: Address already in use; is another server there?" % address, said)
            self.assertFalse(touched)
        self.assertEqual(self.d.call("GET", "/healthz", expect=200), {"status": "ok"})

    def test_address__shared_by_reuse__is_not(self):
        for option in (socket.SO_REUSEPORT, socket.SO_REUSEADDR):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, option, 1)
                with self.assertRaises(OSError):
                    s.bind(("127.0.0.1", self.d.port))
                    s.listen()

    def test_address__of_a_server_just_stopped__is_free(self):
        port = self.d.port
        idle = socket.create_connection(("127.0.0.1", port))  # the server closes it first: its end waits there
        self.d.call("GET", "/healthz", expect=200)
        self.assertEqual(self.d.stop(), 0)
        self.d = Daemon(self.folder.name, "--listen", "127.0.0.1:%d" % port).ready()
        self.assertEqual(self.d.port, port)
        idle.close()


class Signals(Case):
    def test_hangup__server_goes_on(self):
        for _ in range(3):
            self.d.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        self.assertEqual(self.d.call("GET", "/readyz", expect=200), {"status": "ok"})
        self.assertIn("SIGHUP", "".join(self.d.lines))


class Descriptors(Case):
    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.d.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_descriptors__none_free__neither_haste_nor_flood(self):
        pid = self.d.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(n) for n in os.listdir("/proc/%d/fd" % pid)) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, before[1]))
        lines, cpu = len(self.d.lines), self.cpu_seconds()
        waiting = [socket.create_connection(("127.0.0.1", self.d.port)) for _ in range(20)]
        time.sleep(3)
        self.assertLess(len(self.d.lines) - lines, 50)
        self.assertLess(self.cpu_seconds() - cpu, 0.6)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for s in waiting:
            s.close()
        self.assertEqual(self.d.call("GET", "/healthz", expect=200), {"status": "ok"})


class Programs(unittest.TestCase):
    @unittest.skipUnless(os.path.exists(os.path.join(BUILD, "quantbench-worker")), "lacks worker: it is not built")
    def test_programs__of_a_build_folder__find_each_other(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder, worker=None).ready()
            self.assertNotEqual(d.call("GET", "/v1/system", expect=200)["engine"], "fake-1")
            if os.path.exists(os.path.join(BUILD, "web/dist/index.html")):
                with urllib.request.urlopen("http://127.0.0.1:%d/" % d.port) as page:
                    self.assertIn(b"<html", page.read().lower())
            self.assertEqual(d.stop(), 0)

    def test_programs__installed_alone__name_the_installed_ones(self):
        with tempfile.TemporaryDirectory() as folder:
            alone = os.path.join(folder, "quantbenchd")
            shutil.copy(DAEMON, alone)
            said = subprocess.run([alone, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertRegex(said, r"the worker program \(/.*/quantbench-worker\)")


if __name__ == "__main__":
    unittest.main(verbosity=1)
