#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Formats on a trained transformer: the table of a sentence encoder on the STS benchmark, and where its outliers are.

    sentences.py FOLDER [PAIRS]

FOLDER is what export_minilm.py wrote; PAIRS of the test set (all 1,379 without). INT8, E2, E3, E4, and INT8 with
SmoothQuant; activations per tensor, weights per channel, ranges by mean squared error on 64 pairs."""
import json
import os
import subprocess
import sys
import tempfile

BUILD = os.environ.get("top_builddir", "build")


def run(job):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(job, f)
        f.flush()
        out = subprocess.run([os.path.join(BUILD, "quantbench"), "run", f.name, "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(out.stdout)


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    job = {"model": os.path.join(sys.argv[1], "minilm.onnx"), "metric": "spearman",
           "data": os.path.join(sys.argv[1], "stsb-test.npz"), "calibration": {"samples": 64}}
    pairs = {"samples": int(sys.argv[2])} if len(sys.argv) > 2 else {}
    ptq = run({**job, **pairs, "type": "ptq", "latency": False, "schemes": [
        "int8", "E2", "E3", "E4", {"name": "int8+smoothquant", "scheme": "int8", "methods": ["smoothquant"]}]})
    print(f"{ptq['samples']} pairs        Spearman %   change   SQNR dB")
    print(f"{'float':20}{ptq['float']['metric']:9.2f}")
    for row in ptq["schemes"]:
        print(f"{row['scheme']:20}{row['metric']:9.2f}{row['delta']:+9.2f}{row['output_sqnr_db']:10.1f}")
    faults = run({**job, "type": "diagnose", "scheme": "int8", "samples": 1, "sensitivity": False})
    print("\nlargest activations            channel   largest   against the median channel")
    for row in faults["largest"][:10]:
        print(f"{row['layer'][-30:]:32}{row['channel']:6}{row['inf_norm']:10.1f}{row['ratio']:10.1f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
