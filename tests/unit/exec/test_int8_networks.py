#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The small networks: every node of them runs on bytes, and every tensor is within one step of the simulation, given the
same inputs (tests/unit/exec/test_networks compares, at every CPU level of this processor, and at the levels of AVX-512
emulated)."""
import os
import subprocess
import sys
import tempfile
import unittest

try:
    from small_networks import FLOAT, NETWORKS, Net
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)

PROGRAMS = [os.path.join("tests", "unit", "exec", name) for name in ("test_networks", "test_networks_emulated")]
CANNOT_EMULATE = 77


class Int8Networks(unittest.TestCase):
    def test_small_networks__all_on_bytes_and_within_one_step(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, (build, shape) in NETWORKS.items():
                with self.subTest(name):
                    net = Net(shape)
                    path = net.save(folder, name, build(net))
                    asked = {} if name in FLOAT else {"QB_NETWORKS_INTEGER": "1"}
                    for program in PROGRAMS:
                        run = subprocess.run([program], capture_output=True, text=True, timeout=300, env={
                            **os.environ, "QB_SHARED": folder, "QB_NETWORKS": path, **asked})
                        emulated = program.endswith("_emulated")
                        self.assertIn(run.returncode, [0, CANNOT_EMULATE] if emulated else [0], run.stderr + run.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
