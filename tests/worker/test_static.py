#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worker as one static file, for x86-64 and for 64-bit Arm (there under emulation): real jobs in a folder that holds no library."""
import os
import platform
import shutil
import struct
import subprocess
import sys
import unittest

import worker

TOP = os.environ.get("top_srcdir", ".")
DEMO = os.path.join(TOP, "demo")
# Debian's name, machine in an ELF header, the emulator of others
ARCHITECTURES = {"amd64": (62, "x86_64"), "arm64": (183, "aarch64")}


def program(arch):
    return os.path.join(os.path.abspath(worker.BUILD), "static-" + arch, "quantbench-worker")


for name, (_, emulator) in ARCHITECTURES.items():
    if platform.machine() != emulator and not shutil.which("qemu-" + emulator):
        print("SKIP: lacks static: no qemu-%s; install qemu-user" % emulator)
        sys.exit(77)
    built = subprocess.run([os.path.join(TOP, "packaging/cross-worker"), "--static", name, os.path.dirname(program(name))],
                           stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode == 77:
        print("SKIP: lacks static: " + built.stderr.strip().split("\n")[-1])
        sys.exit(77)
    if built.returncode:
        sys.exit(built.stderr)


def command(arch):
    emulator = ARCHITECTURES[arch][1]
    return [program(arch)] if platform.machine() == emulator else ["qemu-" + emulator, "-L", "/nothing", program(arch)]


def program_headers(path):
    """Machine and types of segments of a 64-bit little-endian ELF file."""
    with open(path, "rb") as f:
        head = f.read(64)
        at, = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        f.seek(at)
        table = f.read(size * count)
    return struct.unpack_from("<H", head, 18)[0], [struct.unpack_from("<I", table, size * i)[0] for i in range(count)]


TENSOR = {"type": "tensor", "model": DEMO + "/digits.onnx", "formats": ["int8", "int4", "e4m3", "mxfp4"]}
SWEEP = {"type": "ptq", "model": DEMO + "/digits.onnx", "data": DEMO + "/digits-test.npz", "samples": 4, "calibration": {"samples": 4},
         "latency": False, "schemes": ["int8", {"weights": "int4", "activations": "int8", "name": "gptq", "methods": ["gptq"]}]}


class Static(worker.Case):
    def result(self, job, *where):
        return worker.run({**job, "workdir": self.folder}, program=where or None)[0]

    def test_file__of_each_architecture__asks_for_no_loader(self):
        interpreter = 3
        for arch, (machine, _) in ARCHITECTURES.items():
            found, segments = program_headers(program(arch))
            self.assertEqual(found, machine)
            self.assertNotIn(interpreter, segments)
            self.assertLess(os.path.getsize(program(arch)), 8 << 20)

    def test_quantizers__of_each_architecture__give_the_bytes_of_the_worker_with_libraries(self):
        here = self.result(TENSOR)
        for arch in ARCHITECTURES:
            self.assertEqual(self.result(TENSOR, *command(arch)), here, arch)

    def test_sweep__of_each_architecture__is_the_same_and_agrees_with_the_worker_with_libraries(self):
        here = self.result(SWEEP)
        all_of = [self.result(SWEEP, *command(arch)) for arch in ARCHITECTURES]
        for there in all_of:
            self.assertEqual((there["float"], there["schemes"]), (all_of[0]["float"], all_of[0]["schemes"]))
        self.assertEqual(all_of[0]["float"]["metric"], here["float"]["metric"])
        for a, b in zip(here["schemes"], all_of[0]["schemes"], strict=True):
            self.assertEqual((a["scheme"], a["metric"], a["size_bytes"]), (b["scheme"], b["metric"], b["size_bytes"]))
            self.assertAlmostEqual(a["output_sqnr_db"], b["output_sqnr_db"], delta=0.5)

    def test_sweep__in_an_empty_root__runs(self):
        native = next(a for a, (_, m) in ARCHITECTURES.items() if m == platform.machine())
        root = self.path("root")
        os.makedirs(root + "/scratch")
        for path in (program(native), DEMO + "/digits.onnx", DEMO + "/digits-test.npz"):
            shutil.copy(path, root)
        chroot = [shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin:/sbin"), root]
        if os.getuid():
            chroot = ["unshare", "--user", "--map-root-user", *chroot]
        if subprocess.run([*chroot, "/nothing"], stderr=subprocess.DEVNULL, check=False).returncode != 127:
            self.skipTest("lacks namespace: neither root nor a user namespace, to change the root folder")
        job = {**SWEEP, "model": "/digits.onnx", "data": "/digits-test.npz"}
        there = worker.run({**job, "workdir": "/scratch"}, program=[*chroot, "/quantbench-worker"])[0]
        self.assertEqual(there["schemes"], self.result(SWEEP, *command(native))["schemes"])
        self.assertEqual(sorted(os.listdir(root)), ["digits-test.npz", "digits.onnx", "quantbench-worker", "scratch"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
