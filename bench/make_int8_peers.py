#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the INT8 files that ONNX Runtime is measured with: QDQ, u8 activations per tensor, s8 weights per channel.

usage: make_int8_peers.py OUTDIR MODEL.onnx DATA.npz SCALE MEAN [MODEL ...]
"""
import os
import sys

import numpy
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process


class Samples(CalibrationDataReader):
    def __init__(self, model, data, scale, mean):
        graph = onnx.load(model).graph
        constants = {i.name for i in graph.initializer}
        name = next(i.name for i in graph.input if i.name not in constants)
        x = numpy.load(data)["x"][:100].astype(numpy.float32) * scale - mean
        self.rows = iter([{name: row[None]} for row in x])

    def get_next(self):
        return next(self.rows, None)


def main():
    out, rest = sys.argv[1], sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    for model, data, scale, mean in zip(*[iter(rest)] * 4):
        base = os.path.join(out, os.path.splitext(os.path.basename(model))[0])
        quant_pre_process(model, base + ".prepared.onnx", skip_symbolic_shape=True)
        quantize_static(
            base + ".prepared.onnx", base + ".int8.onnx",
            Samples(base + ".prepared.onnx", data, float(scale), float(mean)),
            quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax)
        print(base + ".int8.onnx")


if __name__ == "__main__":
    main()
