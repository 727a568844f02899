# SPDX-License-Identifier: Apache-2.0
"""A server of this build on a free loopback port, and the client of the sources."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

TOP = pathlib.Path(os.environ.get("top_srcdir", pathlib.Path(__file__).parent / "../..")).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir", TOP / "build")).resolve()
PROGRAM = str(BUILD / "quantbench")
DEMO = TOP / "demo"
FAKE = TOP / "tests/api/fake_worker.py"
sys.path[:0] = [str(TOP / "python"), str(TOP / "tests/api")]
from process import Process  # noqa: E402
try:
    import quantbench  # noqa: E402
except ImportError as why:
    print(f"SKIP: lacks python311: {why}")
    sys.exit(77)


class Server(Process):
    def __init__(self, state, *options, worker=None, port=0):
        super().__init__(
            [BUILD / "quantbenchd", "--listen", f"127.0.0.1:{port}", "--state", state, "--worker", worker or BUILD / "quantbench-worker",
             "--heartbeat-ms", "200", *options], stdout=subprocess.DEVNULL)
        assert self.port, self.lines
        self.url = f"http://127.0.0.1:{self.port}"
        self._await_ready()

    def _await_ready(self):
        for _ in range(300):
            try:
                urllib.request.urlopen(self.url + "/readyz").close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"never ready: {self.lines}")


class Served(unittest.TestCase):
    """One server for the class; `options` and `worker` are its."""
    options, worker = (), None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.state = folder.name
        cls.server = Server(cls.state, *cls.options, worker=cls.worker)
        cls.addClassCleanup(lambda: cls.server.stop())  # the one that is there then

    def setUp(self):
        self.client = quantbench.Client(self.server.url)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class Silent:
    """A bar that remembers what it was shown."""

    def __init__(self):
        self.shown, self.said, self.closed = [], [], False

    def show(self, fraction, stage, text):
        self.shown.append((fraction, stage, text))

    def say(self, text):
        self.said.append(text)

    def close(self):
        self.closed = True
