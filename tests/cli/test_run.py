#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`quantbench run` with a worker that behaves and workers that do not."""
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("top_builddir", "."))


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "net.onnx").write_bytes(b"model")
        self.worker = self.folder / "worker"
        # Automake's distribution may lose the executable bit; a wrapper needs none.
        self.worker.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/fake_worker.py "$@"\n')
        self.worker.chmod(0o755)

    def start(self, *arguments, worker=None, stdin=None):
        environment = dict(os.environ, QUANTBENCH_WORKER=str(worker or self.worker))
        return subprocess.Popen([BUILD.resolve() / "quantbench", *arguments], cwd=self.folder, env=environment, text=True,
                                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def quantbench(self, *arguments, stdin=None, **options):
        process = self.start(*arguments, stdin=stdin, **options)
        out, err = process.communicate(stdin, timeout=30)
        return process.returncode, out, err

    def fake(self, what, *arguments):
        return self.quantbench("run", "--model", "net.onnx", "--set", f"fake={what}", *arguments)

    def test_run__json__prints_the_result_alone(self):
        code, out, err = self.fake("ok", "--json", "--threads", "3", "--schemes", "int8,E4", "--seed", "5")
        self.assertEqual(code, 0, err)
        result = json.loads(out)
        self.assertEqual(result["argv"], ["--threads", "3", "--sandbox", "--readable", "/dev/null", "--readable", "."])
        self.assertEqual(result["answer"], {"go": "latency"})
        self.assertEqual(result["job_seen"], {
            "type": "ptq", "model": {"path": "net.onnx", "name": "net.onnx"}, "schemes": ["int8", "E4"],
            "seed": 5, "fake": "ok"})
        self.assertIn("warning: something to know", err)

    def test_run__files_and_folders_of_the_job__are_what_the_worker_reaches(self):
        (self.folder / "in").mkdir()
        (self.folder / "in/net.onnx").write_bytes(b"model")
        (self.folder / "in/data.npz").write_bytes(b"data")
        code, out, err = self.quantbench("run", "--model", "in/net.onnx", "--data", "in/data.npz", "--out", "made", "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["argv"], ["--sandbox", "--readable", "/dev/null", "--readable", "in", "--writable", "made"])

    def test_run__real_worker__reads_nothing_else(self):
        worker = BUILD.resolve() / "quantbench-worker"
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"
        header += b" " * (117 - len(header)) + b"\n"
        for name in ("in", "other"):
            (self.folder / name).mkdir()
            (self.folder / name / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header +
                                                      b"\0\0\x80\x3f" * 4)
        code, out, err = self.quantbench("run", "--type", "tensor", "--data", "in/x.npy", "--json", worker=worker)
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["type"], "tensor")
        job = json.dumps({"type": "tensor", "data": "other/x.npy"}) + "\n"
        for readable, status in (("other", 0), ("in", 1)):
            done = subprocess.run([worker, "--sandbox", "--readable", readable], input=job, text=True, capture_output=True, cwd=self.folder,
                                  timeout=60)
            self.assertEqual(done.returncode, status, done.stdout)
        (self.folder / "in/x.npy").unlink()
        os.symlink("../other/x.npy", self.folder / "in/x.npy")  # a link leads out
        self.assertNotEqual(self.quantbench("run", "--type", "tensor", "--data", "in/x.npy", worker=worker)[0], 0)

    def test_run__pipe__progress_is_plain_lines(self):
        _, _, err = self.fake("ok")
        self.assertNotIn("\r", err)
        self.assertNotIn("\033", err)
        self.assertIn("100 %  step 10", err.splitlines())

    def test_run__terminal__progress_is_a_bar_that_goes_away(self):
        try:
            master, slave = pty.openpty()
        except OSError as why:
            self.skipTest(f"lacks terminal: {why}")
        self.addCleanup(os.close, master)
        environment = dict(os.environ, QUANTBENCH_WORKER=str(self.worker), TERM="xterm")
        process = subprocess.Popen([BUILD.resolve() / "quantbench", "run", "--model", "net.onnx", "--json"],
                                   cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=slave)
        self.assertEqual(process.wait(timeout=30), 0)
        os.close(slave)
        shown = os.read(master, 65536).decode()
        self.assertIn("\r[############------------]  50 %  step 5\033[K", shown)
        self.assertTrue(shown.endswith("\r\033[K"), shown)

    def test_run__table__holds_every_scheme(self):
        code, out, _ = self.fake("ok")
        self.assertEqual(code, 0)
        rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
        self.assertEqual(rows["float"][1:], ["97.50", "-", "-", "1.23", "MB", "41.2", "µs", "-", "native"])
        self.assertEqual(rows["int8"][1:],
                         ["97.25", "*", "-0.25", "(-0.50", "to", "+0.00)", "35.2", "400", "kB", "20.6", "µs", "2.00x", "native"])
        self.assertEqual(rows["E4"][1:], ["96.00", "-1.50", "-", "400", "kB", "-", "-"])

    def test_show__result_file__is_the_table_of_the_run(self):
        printed = self.fake("ok", "--json")[1]
        (self.folder / "result.json").write_text(printed)
        for form in ([], ["--csv"], ["--json"]):
            expected = self.fake("ok", *form)[1]
            self.assertTrue(expected)
            self.assertEqual(self.quantbench("show", "result.json", *form)[:2], (0, expected))
            self.assertEqual(self.quantbench("show", "-", *form, stdin=printed)[:2], (0, expected))
        (self.folder / "result.json").write_text("[1]")
        code, _, err = self.quantbench("show", "result.json")
        self.assertEqual((code, err), (2, "quantbench: result.json: a result is a JSON object\n"))
        self.assertIn('a result has a "type"', self.quantbench("show", "-", stdin="{}")[2])

    def test_run__job_file__its_files_are_found_beside_it(self):
        (self.folder / "jobs").mkdir()
        (self.folder / "jobs" / "other.onnx").write_bytes(b"model")
        (self.folder / "jobs" / "job.json").write_text(json.dumps({"type": "ptq", "model": "other.onnx"}))
        code, out, err = self.quantbench("run", "jobs/job.json", "--json", "--set", "latency.min_seconds=2.5")
        self.assertEqual(code, 0, err)
        seen = json.loads(out)["job_seen"]
        self.assertEqual(seen["model"], {"path": "jobs/other.onnx", "name": "other.onnx"})
        self.assertEqual(seen["latency"], {"min_seconds": 2.5})

    def test_run__stdin__is_read(self):
        code, out, err = self.quantbench("run", "-", "--json", stdin='{"type": "x", "model": "net.onnx"}')
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["job_seen"]["type"], "x")

    def test_run__error_event__is_the_message(self):
        code, out, err = self.fake("error")
        self.assertEqual((code, out), (4, ""))  # as a server refuses it
        self.assertIn("quantbench: node conv1: weight has 2 dimensions", err)
        self.assertEqual(self.fake("trouble")[0], 1)

    def test_run__crash__is_named(self):
        code, _, err = self.fake("crash")
        self.assertEqual(code, 1)
        self.assertIn("crashed: Segmentation fault", err)

    def test_run__no_result__fails(self):
        code, _, err = self.fake("silent")
        self.assertEqual(code, 1)
        self.assertIn("without a result", err)

    def test_run__no_worker__exit_status_is_3(self):
        code, _, err = self.quantbench("run", "--model", "net.onnx", worker="/nowhere/worker")
        self.assertEqual(code, 3)
        self.assertIn("/nowhere/worker", err)

    def test_run__terminated__stops_the_worker(self):
        for kind in ("hang", "deaf"):
            process = self.start("run", "--model", "net.onnx", "--set", f"fake={kind}")
            self.assertIn("reading the network", process.stderr.readline())
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 1)
            self.assertIn("stopped", err)
            self.assertLess(time.monotonic() - start, 10)

    def test_usage__wrong_arguments__exit_status_is_2(self):
        for arguments in ((), ("frobnicate",), ("run",), ("run", "none.json"), ("list", "--frobnicate"),
                          ("show",), ("run", "--model", "absent.onnx"), ("run", "--set", "nonsense"),
                          ("run", "--model", "net.onnx", "--seed", "five")):
            code, out, err = self.quantbench(*arguments)
            self.assertEqual((code, out), (2, ""), (arguments, err))
            self.assertTrue(err)

    def test_help__every_command__succeeds(self):
        code, out, _ = self.quantbench("--help")
        self.assertEqual(code, 0)
        commands = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(len(commands), 16)
        for command in commands:
            code, out, _ = self.quantbench(command, "--help")
            self.assertEqual(code, 0)
            self.assertTrue(out.startswith(f"usage: quantbench {command}"))


if __name__ == "__main__":
    unittest.main()
