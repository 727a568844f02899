#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""INT8 files as ONNX Runtime makes them, to measure and to compare with: QDQ, u8 activations per tensor, s8 weights per
channel, ranges by min-max, unless asked otherwise.

usage: int8_peers.py OUTDIR MODEL.onnx DATA.npz SCALE MEAN [MODEL ...]
"""
import logging
import os
import sys

import numpy
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process


class Feeds(CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def inputs_of(model):
    graph = onnx.load(model).graph
    constants = {i.name for i in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def random_feeds(model, count=4):
    """Speed does not depend on the ranges."""
    rng = numpy.random.default_rng(1)
    return [{i.name: rng.uniform(-1, 1, [d.dim_value or 1 for d in i.type.tensor_type.shape.dim])
             .astype(numpy.float32) for i in inputs_of(model)} for _ in range(count)]


def sample_feeds(model, data, scale=1, mean=0, std=1, count=100):
    """y = (x * scale - mean) / std of the first samples; mean and std per channel where they are lists."""
    x = numpy.load(data)["x"][:count].astype(numpy.float32)
    mean, std = (numpy.asarray(v, numpy.float32).reshape(-1, *[1] * (x.ndim - 2)) for v in (mean, std))
    name = inputs_of(model)[0].name
    return [{name: row[None]} for row in ((x * numpy.float32(scale) - mean) / std).astype(numpy.float32)]


def make(model, out, feeds=None, **options):
    """Quantizes the file `model` into the file `out`; options are quantize_static's."""
    ready = out + ".ready"
    logging.disable(logging.WARNING)
    quant_pre_process(model, ready, skip_symbolic_shape=True)
    options = dict(
        quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax) | options
    quantize_static(ready, out, Feeds(feeds or random_feeds(model)), **options)
    os.remove(ready)
    return out


def main():
    out, rest = sys.argv[1], sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    for model, data, scale, mean in zip(*[iter(rest)] * 4):
        name = os.path.splitext(os.path.basename(model))[0] + ".int8.onnx"
        print(make(model, os.path.join(out, name), sample_feeds(model, data, float(scale), float(mean))))


if __name__ == "__main__":
    main()
