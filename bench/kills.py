#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""100 kill -9 of the daemon and 500 of workers at random moments under load: nothing accepted is lost, nothing ends twice.

    bench/kills.py BUILD [DAEMON_KILLS [WORKER_KILLS [SEED]]]
"""
import os
import sys
import tempfile
import time

os.environ["top_builddir"] = sys.argv[1] if len(sys.argv) > 1 else "build"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
from kills import Campaign  # noqa: E402

daemon_kills, worker_kills, seed = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((2, 100), (3, 500), (4, 1)))
with tempfile.TemporaryDirectory() as folder:
    begun = time.monotonic()
    said = Campaign(folder, seed).run(daemon_kills, worker_kills)
    print("%d kills of the daemon and %d of workers in %d s: %s" % (daemon_kills, worker_kills, time.monotonic() - begun, said))
