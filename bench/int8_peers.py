#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""INT8 files as ONNX Runtime makes them, to measure and to compare with: QDQ, u8 activations per tensor, s8 weights per
channel, symmetric, ranges by min-max, unless asked otherwise. In transformers only products, sums and Softmax are
quantized, which is what runs fastest there; elsewhere all that quantize_static knows.

usage: int8_peers.py OUTDIR MODEL.onnx DATA.npz SCALE MEAN [MODEL ...]
"""
import logging
import os
import sys

import numpy
import onnx
import onnx.version_converter
from onnxruntime.quantization import (
    CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process

TRANSFORMER = ["MatMul", "Gemm", "Conv", "Add", "Softmax"]


class Feeds(CalibrationDataReader):
    def __init__(self, feeds):
        self.feeds = iter(feeds)

    def get_next(self):
        return next(self.feeds, None)


def inputs_of(model):
    graph = onnx.load(model, load_external_data=False).graph
    constants = {i.name for i in graph.initializer}
    return [i for i in graph.input if i.name not in constants]


def is_transformer(model):
    types = [n.op_type for n in onnx.load(model, load_external_data=False).graph.node]
    return types.count("MatMul") > types.count("Conv")


def random_input(value, rng):
    """Numbers within [-1, 1]; tokens small enough for any vocabulary, under a mask that hides none of them."""
    shape = [d.dim_value or 1 for d in value.type.tensor_type.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if numpy.issubdtype(dtype, numpy.floating):
        return rng.uniform(-1, 1, shape).astype(dtype)
    if "mask" in value.name or dtype == bool:
        return numpy.ones(shape, dtype)
    return rng.integers(0, 2 if "type" in value.name else 100, shape).astype(dtype)


def random_feeds(model, count=4):
    """Speed does not depend on the ranges."""
    rng = numpy.random.default_rng(1)
    return [{i.name: random_input(i, rng) for i in inputs_of(model)} for _ in range(count)]


def beside(model, count=1):
    """The first samples of MODEL.npz beside MODEL.onnx, whose arrays are named as the inputs; None where there is none."""
    data = os.path.splitext(model)[0] + ".npz"
    if not os.path.exists(data):
        return None
    arrays = numpy.load(data)
    return [{i.name: arrays[i.name][k:k + 1] for i in inputs_of(model)} for k in range(count)]


def sample_feeds(model, data, scale=1, mean=0, std=1, count=100):
    """y = (x * scale - mean) / std of the first samples; mean and std per channel where they are lists."""
    x = numpy.load(data)["x"][:count].astype(numpy.float32)
    mean, std = (numpy.asarray(v, numpy.float32).reshape(-1, *[1] * (x.ndim - 2)) for v in (mean, std))
    name = inputs_of(model)[0].name
    return [{name: row[None]} for row in ((x * numpy.float32(scale) - mean) / std).astype(numpy.float32)]


def with_channels(model):
    """The file, or the network in opset 13, which first has scales per channel."""
    network = onnx.load(model)
    opset = next(o.version for o in network.opset_import if o.domain in ("", "ai.onnx"))
    return model if opset >= 13 else onnx.version_converter.convert_version(network, 13)


def make(model, out, feeds=None, **options):
    """Quantizes the file `model` into the file `out`; options are quantize_static's."""
    ready = out + ".ready"
    logging.disable(logging.WARNING)
    quant_pre_process(with_channels(model), ready, skip_symbolic_shape=True)
    options = dict(
        quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=TRANSFORMER if is_transformer(model) else None) | options
    quantize_static(ready, out, Feeds(feeds or beside(model) or random_feeds(model)), **options)
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
