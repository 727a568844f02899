#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Ranges of trained weights per channel, which the mse method chooses, against a dense scan by numpy."""
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

import worker

# Exponent and mantissa bits; bits.
FLOATS = {"E2": (2, 5), "E3": (3, 4), "E4": (4, 3), "E5": (5, 2), "e2m1": (2, 1)}
INTEGERS = {"int8": 8, "int6": 6, "int4": 4, "int2": 2}
ASYMMETRIC = {"int4_asym": 4, "int2_asym": 2}
FORMATS = [*FLOATS, *INTEGERS, *ASYMMETRIC]


def to_float(v, exponent, mantissa):
    bias = 2 ** (exponent - 1) - 1
    most = (2 - 2.0 ** -mantissa) * 2.0 ** (2 ** exponent - 1 - bias)
    a = np.minimum(np.abs(v), most)
    step = np.exp2(np.maximum(np.frexp(a)[1] - 1, 1 - bias) - mantissa)
    return np.sign(v) * np.minimum(np.rint(a / step) * step, most), most


def scanned(x, name):
    """The least squared error on one channel over ranges from a 32nd of the largest element to four times it."""
    t = np.exp2(np.arange(2, -5, -1 / 160))[:, None]
    most = np.abs(x).max()
    if name in FLOATS:
        unit = to_float(np.inf, *FLOATS[name])[1]
        scale = most * t / unit
        return (((to_float(x / scale, *FLOATS[name])[0] * scale) - x) ** 2).sum(1).min()
    if name in INTEGERS:
        end = 2 ** (INTEGERS[name] - 1)
        scale = most * t / (end - 1)
        return ((np.clip(np.rint(x / scale), -end, end - 1) * scale - x) ** 2).sum(1).min()
    steps = 2 ** ASYMMETRIC[name] - 1
    scale = (max(x.max(), 0) - min(x.min(), 0)) * t[::4] / steps
    return min(((np.clip(np.rint(x / scale), k, k + steps) * scale - x) ** 2).sum(1).min() for k in range(-steps, 1))


class Ranges(worker.Case):
    def check(self, model, data, preprocess, elements, channels):
        """Weights of at most so many channels of so few elements."""
        result, _ = worker.run({
            "type": "ptq", "model": self.shared(model), "data": self.shared(data), "metric": "top1", "preprocess": preprocess, "samples": 1,
            "calibration": {"samples": 1}, "latency": False, "export": ["float"], "workdir": self.folder,
            "schemes": [{"name": f, "weights": f, "activations": None} for f in FORMATS]})
        # as they are quantized, batch norms folded
        weights = {w.name: numpy_helper.to_array(w) for w in onnx.load(self.path("float.onnx")).graph.initializer}
        tried = 0
        for scheme in result["schemes"]:
            for row in scheme["tensors"]:
                w = weights.get(row["name"])
                if row["kind"] != "weight" or w is None or w.ndim != 4 or len(w) > channels or w[0].size > elements or row["exact"]:
                    continue
                x = w.reshape(len(w), -1).astype(np.float64)
                noise = sum(scanned(c, scheme["scheme"]) for c in x if c.any())
                self.assertGreater(row["sqnr_db"], 10 * np.log10((x ** 2).sum() / noise) - 0.02, (scheme["scheme"], row["name"], w.shape))
                tried += 1
        self.assertGreaterEqual(tried, 2 * len(FORMATS))

    def test_mobilenet_v2__channels_of_9_to_32_elements(self):
        self.check("imagenet/mobilenet_v2.onnx", "imagenet/sample-500.npz", {"scale": 1 / 127.5, "mean": 1}, 32, 96)

    def test_resnet8__channels_of_16_to_144_elements(self):
        self.check("mlperf-tiny/resnet8.onnx", "cifar10/test-846.npz", {}, 144, 64)


if __name__ == "__main__":
    unittest.main(verbosity=1)
