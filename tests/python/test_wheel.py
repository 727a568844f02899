#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The wheel: what is in it, that it is imported, and that the same sources give the same bytes."""
import base64
import csv
import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

import served
from served import PROGRAM, TOP, quantbench

sys.path.insert(0, str(TOP / "python"))
import wheel_backend  # noqa: E402


class Wheel(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.wheel = self.folder / wheel_backend.build_wheel(self.folder)

    def test_version__package__is_that_of_the_program(self):
        told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(told, f"quantbench {quantbench.__version__}\n")
        self.assertEqual(self.wheel.name, f"quantbench-{quantbench.__version__}-py3-none-any.whl")

    def test_wheel__record__has_every_file_and_its_hash(self):
        with zipfile.ZipFile(self.wheel) as wheel:
            names = wheel.namelist()
            record = next(n for n in names if n.endswith(".dist-info/RECORD"))
            rows = {r[0]: r[1:] for r in csv.reader(wheel.read(record).decode().splitlines())}
            self.assertEqual(sorted(rows), sorted(names))
            for name in names:
                if name != record:
                    content = wheel.read(name)
                    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                    self.assertEqual(rows[name], [f"sha256={digest}", str(len(content))])
            packed = {n for n in names if n.startswith("quantbench/")}
        listed = {w.removeprefix("python/") for w in (TOP / "python/local.mk").read_text().split() if w.startswith("python/quantbench/")}
        self.assertEqual(packed, listed)

    def test_wheel__same_sources__same_bytes(self):
        again = tempfile.TemporaryDirectory()
        self.addCleanup(again.cleanup)
        name = wheel_backend.build_wheel(again.name)
        self.assertEqual((pathlib.Path(again.name) / name).read_bytes(), self.wheel.read_bytes())
        made = served.BUILD / "python" / name
        if made.exists():
            self.assertEqual(made.read_bytes(), self.wheel.read_bytes())

    def test_wheel__imported__needs_nothing_else(self):
        code = "import sys, quantbench; print(quantbench.__file__); print([m for m in ('numpy', 'pandas', 'torch', 'IPython') if m in sys.modules])"
        out = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=self.folder,
                             env={**os.environ, "PYTHONPATH": str(self.wheel)}).stdout.splitlines()
        self.assertTrue(out[0].startswith(str(self.wheel)), out)
        self.assertEqual(out[1], "[]")

    def test_sdist__sources__build_the_same_wheel(self):
        with tarfile.open(self.folder / wheel_backend.build_sdist(self.folder)) as sdist:
            sdist.extractall(self.folder, filter="data") if hasattr(tarfile, "data_filter") else sdist.extractall(self.folder)
        top = self.folder / f"quantbench-{quantbench.__version__}"
        subprocess.run([sys.executable, "wheel_backend.py", "dist"], cwd=top, check=True, stdout=subprocess.DEVNULL)
        self.assertEqual((top / "dist" / self.wheel.name).read_bytes(), self.wheel.read_bytes())


if __name__ == "__main__":
    unittest.main()
