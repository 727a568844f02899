#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the methods of weights do to trained networks in 4-bit weights and 8-bit activations: top-1 of each, and the signal to
noise ratio of the output.

    methods.py [NETWORK]... [--held-out]

NETWORK is resnet8, ds_cnn or mobilenet_v2 (all of them without), of $QB_SHARED/data (../shared). Weights int4 per channel in
every layer, activations int8 per tensor, 100 samples calibrate. --held-out: those are not evaluated."""
import os
import sys

import jobs

DATA = os.path.join(os.environ.get("QB_SHARED", "../shared"), "data")
NETWORKS = {
    "resnet8": {"model": "mlperf-tiny/resnet8.onnx", "data": "cifar10/test-846.npz"},
    "ds_cnn": {"model": "mlperf-tiny/ds_cnn.onnx", "data": "mlperf-tiny/kws01-test-1000.npz"},
    "mobilenet_v2": {"model": "imagenet/mobilenet_v2.onnx", "data": "imagenet/sample-500.npz",
                     "preprocess": {"scale": 1 / 127.5, "mean": 1}, "iterations": 300},
}


def schemes(iterations=2000):
    learned = {"name": "adaround", "iterations": iterations}
    return [{"name": name, "scheme": "w4a8", "methods": methods} for name, methods in (
        ("nearest", []), ("adaround", [learned]), ("adaround, bias_correction", [learned, "bias_correction"]),
        ("equalization, adaround", ["cross_layer_equalization", learned]), ("gptq", ["gptq"]),
        ("gptq, bias_correction", ["gptq", "bias_correction"]), ("bias_correction", ["bias_correction"]),
        ("its analytic mode", [{"name": "bias_correction", "mode": "analytic"}]))]


def main():
    held_out = "--held-out" in sys.argv
    for name in [a for a in sys.argv[1:] if a != "--held-out"] or NETWORKS:
        network = dict(NETWORKS[name])
        options = {"iterations": network.pop("iterations")} if "iterations" in network else {}
        files = {k: os.path.abspath(os.path.join(DATA, network.pop(k))) for k in ("model", "data")}
        result = jobs.run({"type": "ptq", **files, **network, "calibration": {"samples": 100, "held_out": held_out},
                           "latency": False, "schemes": schemes(**options)})
        print(f"{name}, {result['samples']} samples: float {result['float']['metric']:.2f}")
        for row in result["schemes"]:
            print(f"    {row['scheme']:28}{row['metric']:8.2f}{row['delta']:+8.2f}{row['output_sqnr_db']:8.2f} dB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
