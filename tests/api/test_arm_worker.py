#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A board behind a real sshd on loopback: its worker is the cross build for 64-bit Arm, under emulation."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from daemon import BUILD, Daemon, TOP
from test_sshd import Server
from test_workers import write_program

FOLDER = os.path.join(os.path.abspath(BUILD), "cross-arm64")
# What FOLDER/quantbench-worker does on a board; all libraries are those of the folder.
EMULATED = """#!/bin/sh
exec qemu-aarch64 -L /nothing %(lib)s/ld-linux-aarch64.so.1 --library-path %(lib)s %(lib)s/quantbench-worker "$@"
""" % {"lib": FOLDER + "/lib"}

if not shutil.which("qemu-aarch64"):
    print("SKIP: lacks arm_worker: no qemu-aarch64; install qemu-user")
    sys.exit(77)
BUILT = subprocess.run([os.path.join(TOP, "packaging/cross-worker"), "arm64", FOLDER], stderr=subprocess.PIPE, text=True, check=False)
if BUILT.returncode == 77:
    print("SKIP: lacks arm_worker: " + BUILT.stderr.strip().split("\n")[-1])
    sys.exit(77)


class ArmWorker(Server, unittest.TestCase):
    def setUp(self):
        self.assertEqual(BUILT.returncode, 0, BUILT.stderr)
        self.folder = tempfile.TemporaryDirectory()
        self.start_server()
        write_program(self.path("worker"), EMULATED)
        self.d = Daemon(self.folder.name, "--worker-threads", "1", "--target", "arm %s worker=%s folder=%s threads=1 %s" % (
            self.destination(), self.path("worker"), self.path("there"), self.options()), worker=None).ready()

    def tearDown(self):
        code = self.d.stop()
        self.stop_sshd()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    def upload(self, kind, name):
        with open(os.path.join(TOP, "demo", name), "rb") as f:
            return self.d.call("POST", "/v1/%s?name=%s" % (kind, name), f.read(), expect=201)["id"]

    def both(self, spec):
        """The job's results here and on the board."""
        jobs = [self.d.call("POST", "/v1/jobs", {**spec, **run}, expect=201)["id"] for run in ({}, {"run": {"target": "arm"}})]
        ends = [self.d.wait(j, seconds=300) for j in jobs]
        for end, target in zip(ends, ("local", "arm")):
            self.assertEqual((end["state"], end["target"]), ("succeeded", target), end["error"])
        self.assertRegex(ends[1]["machine"]["isa"], "^neon")
        self.assertNotRegex(ends[0]["machine"]["isa"], "^neon")
        self.jobs = jobs
        return [self.d.call("GET", "/v1/jobs/%s/results" % j, expect=200) for j in jobs]

    def test_quantizers__on_the_board__give_the_same_bytes(self):
        here, there = self.both({"type": "tensor", "model": self.upload("models", "digits.onnx"), "formats": ["int8", "int4", "e4m3", "mxfp4"]})
        self.assertEqual(there["run_target"], "arm")
        for r in (here, there):
            del r["job"], r["run_target"]
        self.assertEqual(here, there)

    def test_network__on_the_board__agrees_and_its_sandbox_says_what_it_lacks(self):
        here, there = self.both({"type": "ptq", "model": self.upload("models", "digits.onnx"), "data": self.upload("datasets", "digits-test.npz"),
                                 "samples": 4, "calibration": {"samples": 4}, "latency": False, "schemes": ["int8"]})
        a, b = here["schemes"][0], there["schemes"][0]
        self.assertEqual((here["float"]["metric"], a["metric"], a["size_bytes"]), (there["float"]["metric"], b["metric"], b["size_bytes"]))
        weights = [[t for t in s["tensors"] if t["kind"] == "weight"] for s in (a, b)]
        self.assertGreater(len(weights[0]), 3)
        for x, y in zip(*weights):
            self.assertEqual((x["name"], x["sqnr_db"], x["min"], x["max"]), (y["name"], y["sqnr_db"], y["min"], y["max"]))
        self.assertLess(abs(a["output_sqnr_db"] - b["output_sqnr_db"]), 6)
        # qemu-user passes neither Landlock nor seccomp on to the kernel: the worker runs with the rest, and says so.
        told = [e["text"] for _, e in self.d.events(self.jobs[1]) if e["event"] == "log" and e["level"] == "warning"]
        self.assertEqual(len(told), 1, told)
        self.assertRegex(told[0], "^the sandbox on arm: .*Landlock.*system call")


if __name__ == "__main__":
    unittest.main(verbosity=1)
