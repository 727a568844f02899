#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbench.run: jobs with no server, by a worker that behaves, one that does not, and the real one."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import served
from served import DEMO, PROGRAM, TOP, quantbench

try:
    import pandas
except ImportError as why:
    pandas, NO_PANDAS = None, why


class Local(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.worker = self.folder / "worker"
        # Under a name of its own, so that it is known among the processes of other tests.
        (self.folder / "fake_worker.py").symlink_to(TOP / "tests/cli/fake_worker.py")
        self.worker.write_text(f'#!/bin/sh\nexec {sys.executable} {self.folder}/fake_worker.py "$@"\n')
        self.worker.chmod(0o755)
        (self.folder / "net.onnx").write_bytes(b"model")
        self.addCleanup(os.environ.pop, "QUANTBENCH_WORKER", None)
        os.environ["QUANTBENCH_WORKER"] = str(self.worker)

    def fake(self, what, bar=None, **fields):
        return quantbench.run(model=self.folder / "net.onnx", fake=what, program=PROGRAM, bar=bar or served.Silent(), **fields)

    def test_run__worker__gives_its_result_and_shows_progress(self):
        bar = served.Silent()
        result = self.fake("ok", bar, threads=3, schemes=["int8"])
        self.assertEqual(result["argv"][:3], ["--threads", "3", "--sandbox"])
        self.assertEqual(result["job_seen"], {"type": "ptq", "model": {"path": str(self.folder / "net.onnx"), "name": "net.onnx"},
                                              "fake": "ok", "schemes": ["int8"]})
        self.assertEqual(bar.shown[-1], (1.0, "step 10", "step 10"))
        self.assertEqual(bar.said, ["warning: something to know"])
        self.assertTrue(bar.closed)

    def test_run__failure__is_an_error_with_its_sentence(self):
        for what, code, sentence in (("error", "refused", "node conv1: weight has 2 dimensions"),
                                     ("trouble", "job_failed", "no memory for a plan"), ("crash", "job_failed", "Segmentation fault")):
            with self.assertRaises(quantbench.Error) as why:
                self.fake(what)
            self.assertEqual(why.exception.code, code)
            self.assertIn(sentence, str(why.exception))
        for fields in ({"data": "absent.npz"}, {"program": "/nowhere/quantbench"}):
            with self.assertRaises(quantbench.Error) as why:
                quantbench.run(**{"model": self.folder / "net.onnx", "program": PROGRAM, **fields})
            self.assertIn("absent.npz" if "data" in fields else "/nowhere/quantbench", str(why.exception))

    def test_run__interrupted__ends_the_worker(self):
        script = (f"import sys; sys.path.insert(0, {str(TOP / 'python')!r}); import quantbench\n"
                  f"quantbench.run(model={str(self.folder / 'net.onnx')!r}, fake='hang', program={PROGRAM!r})")
        process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a shell's background job ignores it
        self.assertIn("reading the network", process.stderr.readline())
        workers = [p for p in os.listdir("/proc") if p.isdigit() and self.is_worker(p)]
        self.assertEqual(len(workers), 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertIn("KeyboardInterrupt", err)
        for _ in range(100):
            if not self.is_worker(workers[0]):
                return
            time.sleep(0.05)
        self.fail("the worker goes on")

    def is_worker(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return str(self.folder / "fake_worker.py").encode() in f.read().split(b"\0")
        except OSError:
            return False

    def test_run__demo__agrees_with_the_program(self):
        del os.environ["QUANTBENCH_WORKER"]
        job = json.loads((DEMO / "sweep.json").read_text()) | {"latency": False, "schemes": ["int8", "E4"],
                                                               "model": DEMO / "digits.onnx", "data": DEMO / "digits-test.npz"}
        result = quantbench.run(job, program=PROGRAM, bar=served.Silent())
        done = subprocess.run([PROGRAM, "run", DEMO / "sweep.json", "--json", "--no-latency", "--schemes", "int8,E4"], capture_output=True, check=True)
        told = json.loads(done.stdout)
        for timed in ("samples_per_second", "sweep_cost"):
            result.pop(timed, None), told.pop(timed, None)
        self.assertEqual(result["schemes"], told["schemes"])
        self.assertEqual((result["model"], result["float"]), ("digits.onnx", told["float"]))
        if pandas is None:
            with self.assertRaises(quantbench.Error) as why:
                result.frame()
            self.assertEqual(why.exception.code, "no_pandas")
            self.skipTest(f"lacks pandas: {NO_PANDAS}")
        frame = result.frame()
        self.assertEqual(list(frame["metric"]), [result["float"]["metric"], *(s["metric"] for s in result["schemes"])])
        self.assertEqual(list(frame["output_sqnr_db"][1:]), [s["output_sqnr_db"] for s in result["schemes"]])


if __name__ == "__main__":
    unittest.main()
