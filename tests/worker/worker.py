# SPDX-License-Identifier: Apache-2.0
"""Runs quantbench-worker as its parent would: a job in, events out."""
import json
import os
import subprocess
import tempfile
import unittest

BUILD = os.environ.get("top_builddir", "build")
SHARED = os.environ.get("QB_SHARED", "../shared")


class Failed(Exception):
    def __init__(self, code, detail, event=None):
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.event = code, detail, event


class Case(unittest.TestCase):
    """With a folder that goes when the test ends."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def shared(self, name):
        """A file of the real networks and data, where the machine has it (QB_SHARED)."""
        path = os.path.join(SHARED, "data", name)
        if not os.path.exists(path):
            self.skipTest(f"lacks shared: {name}")
        return path


def run(job, *options, timeout=600, program=None):
    """The job's result and all its events; raises Failed with the worker's own error. program: words of another worker's command."""
    worker = subprocess.Popen(
        [*(program or [os.path.join(BUILD, "quantbench-worker")]), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    events = []
    try:
        worker.stdin.write(json.dumps(job) + "\n")
        worker.stdin.flush()
        for line in worker.stdout:
            event = json.loads(line)
            events.append(event)
            if event["event"] == "section" and event["state"] == "begin":
                worker.stdin.write(json.dumps({"go": event["name"]}) + "\n")
                worker.stdin.flush()
        status = worker.wait(timeout)
    finally:
        worker.kill()
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
    last = events[-1] if events else {}
    if last.get("event") == "error":
        raise Failed(last["code"], last["detail"], last)
    if status != 0 or last.get("event") != "result":
        raise Failed("crash", f"exit status {status}, last event {last}")
    return last["result"], events
