# SPDX-License-Identifier: Apache-2.0
"""A server of this build on a free loopback port, and the client of the sources."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

TOP = pathlib.Path(os.environ.get("top_srcdir", pathlib.Path(__file__).parent / "../..")).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir", TOP / "build")).resolve()
PROGRAM = str(BUILD / "quantbench")
DEMO = TOP / "demo"
FAKE = TOP / "tests/api/fake_worker.py"
sys.path.insert(0, str(TOP / "python"))
try:
    import quantbench  # noqa: E402
except ImportError as why:
    print(f"SKIP: lacks python311: {why}")
    sys.exit(77)


class Server:
    def __init__(self, state, *options, worker=None, port=0):
        self.process = subprocess.Popen(
            [BUILD / "quantbenchd", "--listen", f"127.0.0.1:{port}", "--state", state, "--worker", worker or BUILD / "quantbench-worker",
             "--heartbeat-ms", "200", *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        heard = threading.Event()
        self.port, self.lines = None, []
        self.reader = threading.Thread(target=self._read, args=(heard,), daemon=True)
        self.reader.start()
        assert heard.wait(30) and self.port, self.lines
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

    def _read(self, heard):
        for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace"))
            found = re.search(rb"listens on https?://[\d.]+:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                heard.set()
        heard.set()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.reader.join(10)
        self.process.stderr.close()
        return code


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
