#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Formats on a trained transformer: the table of a sentence encoder on the STS benchmark, and where its outliers are.

    sentences.py FOLDER [PAIRS]

FOLDER is what export_minilm.py wrote; PAIRS of the test set (all 1,379 without). INT8, E2, E3, E4, INT8 with SmoothQuant
at several alphas and with other ranges, its halves alone, and INT8 whose outlier tensors (what the second product of
each feed-forward block gives, and its sum with the residual stream) have 16 bits. Activations per tensor, weights per
channel, ranges by mean squared error on 64 pairs."""
import os
import sys

import jobs


ALPHAS = (0.3, 0.5, 0.7, 0.9)
OUTLIERS = {"*layer.?/output/dense/Add_output_0": {"activations": "int16"},
            "*layer.?/output/Add_output_0": {"activations": "int16"}}


def schemes():
    return ["int8", "E2", "E3", "E4",
            *({"name": f"int8+smoothquant {alpha}", "scheme": "int8",
               "methods": [{"name": "smoothquant", "alpha": alpha}]} for alpha in ALPHAS),
            *({"name": f"int8, ranges {method}", "scheme": "int8", "activations": {"format": "int8", "range": method}}
              for method in ("sqnr", "minmax", "percentile")),
            {"name": "int8 weights alone", "weights": "int8", "activations": None},
            {"name": "int8 activations alone", "weights": None, "activations": "int8"},
            {"name": "int8, outliers int16", "scheme": "int8", "layers": OUTLIERS}]


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    job = {"model": os.path.join(sys.argv[1], "minilm.onnx"), "metric": "spearman",
           "data": os.path.join(sys.argv[1], "stsb-test.npz"), "calibration": {"samples": 64}}
    pairs = {"samples": int(sys.argv[2])} if len(sys.argv) > 2 else {}
    ptq = jobs.run({**job, **pairs, "type": "ptq", "latency": False, "schemes": schemes()})
    print(f"{ptq['samples']} pairs              Spearman %   change   SQNR dB")
    print(f"{'float':26}{ptq['float']['metric']:9.2f}")
    for row in ptq["schemes"]:
        print(f"{row['scheme']:26}{row['metric']:9.2f}{row['delta']:+9.2f}{row['output_sqnr_db']:10.1f}")
    faults = jobs.run({**job, "type": "diagnose", "scheme": "int8", "samples": 1, "sensitivity": False})
    print("\nlargest activations            channel   largest   against the median channel")
    for row in faults["largest"][:10]:
        print(f"{row['layer'][-30:]:32}{row['channel']:6}{row['inf_norm']:10.1f}{row['ratio']:10.1f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
