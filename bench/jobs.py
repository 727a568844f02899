# SPDX-License-Identifier: Apache-2.0
"""Jobs run by the command line of this build, for benchmarks in Python."""
import json
import os
import subprocess
import tempfile

BUILD = os.environ.get("top_builddir", "build")


def run(job):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(job, f)
        f.flush()
        out = subprocess.run([os.path.join(BUILD, "quantbench"), "run", f.name, "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(out.stdout)
