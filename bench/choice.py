#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the table of core/exec/lower/f32/choice.c on this processor: for each technique a network of layers of common
sizes, with our kernels of this technique and with oneDNN's.

    choice.py BENCH_FLOAT [-r ROUNDS] [NAME ...]

Prints percent of the peak of multiply-adds, counted as the plain algorithm's (of concat, of the bandwidth of a copy), from
the sum of the least times of the steps in one of ROUNDS (5) interleaved rounds. Needs numpy and onnx."""
import argparse
import os
import re
import subprocess
import tempfile
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A chain of nodes on x; macs counts their multiply-adds."""

    def __init__(self, shape):
        self.shape, self.nodes, self.weights, self.macs, self.moved, self.at = list(shape), [], [], 0, 0, "x"
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)

    def weight(self, *shape):
        name = f"w{len(self.weights)}"
        w = np.random.default_rng(len(self.weights)).standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)
        self.weights.append(numpy_helper.from_array(w.astype(np.float32), name))
        return name

    def add(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [self.at, *inputs], [name], **attributes))
        self.at = name
        return self

    def conv(self, outputs, kernel=1, stride=1, group=1):
        n, c, h, w = self.shape
        pad = kernel // 2
        self.add("Conv", self.weight(outputs, c // group, kernel, kernel), self.weight(outputs), strides=[stride] * 2,
                 pads=[pad] * 4, group=group)
        self.shape = [n, outputs, (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1]
        self.macs += int(np.prod(self.shape)) * c // group * kernel * kernel
        return self.add("Relu")

    def matmul(self, outputs):
        rows, depth = self.shape
        self.macs += rows * depth * outputs
        self.shape = [rows, outputs]
        return self.add("MatMul", self.weight(depth, outputs))

    def save(self, path):
        out = helper.make_tensor_value_info(self.at, TensorProto.FLOAT, self.shape)
        graph = helper.make_graph(self.nodes, "layers", [self.input], [out], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


# Each layer takes less than a millisecond: other programs seldom interrupt all of its runs.
def layers():
    net = Net([1, 64, 28, 28]).conv(128).conv(64).conv(256).conv(64).conv(128, 3, 2).conv(256).conv(128).conv(512).conv(128)
    return net.conv(256, 3, 2).conv(512).conv(256).conv(1024).conv(256)


def winograd():
    return Net([1, 64, 28, 28]).conv(64, 3).conv(64, 3).conv(128, 1, 2).conv(128, 3).conv(128, 3)


def strassen():
    return Net([256, 768]).matmul(768).matmul(768).matmul(512).matmul(768)


def depthwise():
    """Inverted bottlenecks, as MobileNetV2 has them: the first are large enough to be fused by lines."""
    net = Net([1, 24, 56, 56])
    for outputs, stride in ((24, 1), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)):
        wide = 6 * net.shape[1]
        net.conv(wide).conv(wide, 3, stride, wide).conv(outputs)
    return net


def batched():
    """Attention of 12 heads of 64 over 128 tokens."""
    net = Net([1, 128, 768])
    net.add("Reshape", "split").add("Transpose", perm=[0, 2, 1, 3])
    head = net.at
    net.weights.append(numpy_helper.from_array(np.array([1, 128, 12, 64]), "split"))
    for _ in range(4):
        query = net.at
        net.add("Transpose", perm=[0, 1, 3, 2])
        key, net.at = net.at, query
        net.add("MatMul", key).add("Softmax", axis=-1).add("MatMul", head)
        net.macs += 2 * 12 * 128 * 128 * 64
    net.shape = [1, 12, 128, 64]
    return net


def concat():
    """Of four images, as networks with skips have them, each made by a layer that costs little."""
    net = Net([1, 8, 64, 64])
    net.conv(32)
    made = net.at
    for _ in range(4):
        parts = []
        for _ in range(4):
            net.at = made
            parts.append(net.add("Relu").at)
        net.at = parts[0]
        net.add("Concat", *parts[1:], axis=1)
        net.shape[1] = 128
        net.moved += 4 * 128 * 64 * 64
        made = net.conv(32).at
    return net


NETWORKS = {f.__name__: f for f in (layers, depthwise, winograd, strassen, batched, concat)}


def measure(bench, path, name, ours):
    """Seconds that the steps take at least, those of concat alone, and the peak in multiply-adds a second. Copies of the network's
    input and output into another layout are left out, those between its layers not."""
    p = subprocess.run([bench, "-v", "-p", f"{name}={'ours' if ours else 'onednn'}", "-s", "1", path], capture_output=True, text=True,
                       check=True)
    peak = float(re.search(r"peak of 1 thread: ([\d.]+) GMAC/s", p.stdout)[1]) * 1e9
    steps = [(float(line.split()[0]), " reorder " in line) for line in p.stdout.splitlines() if re.match(r"\s+[\d.]+ us\s+[\d.]+ %", line)]
    inner = steps[steps[0][1]:len(steps) - steps[-1][1]]
    sum_us = sum(us for us, _ in inner)
    concat_us = sum(float(line.split()[0]) for line in p.stdout.splitlines() if re.search(r"\bConcat\b", line))
    return sum_us * 1e-6, concat_us * 1e-6, peak


def copy_bandwidth():
    """Bytes a second of a copy as large as an image of the network of concat."""
    x = np.zeros(128 * 64 * 64, np.float32)
    y = np.empty_like(x)
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        np.copyto(y, x)
        best = min(best, time.perf_counter() - start)
    return x.nbytes / best


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bench")
    p.add_argument("names", nargs="*")
    p.add_argument("-r", type=int, default=5)
    a = p.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in a.names or NETWORKS:
            net, path = NETWORKS[name](), os.path.join(folder, name + ".onnx")
            net.save(path)
            runs = {ours: [] for ours in (True, False)}
            for _ in range(a.r):
                for ours in runs:
                    runs[ours].append(measure(a.bench, path, name, ours))
            rate = {}
            for ours, some in runs.items():
                least, peak = min(r[name == "concat"] for r in some), max(r[2] for rs in runs.values() for r in rs)
                rate[ours] = net.moved / least / copy_bandwidth() if name == "concat" else net.macs / least / peak
            print(f"{name:10} ours {rate[True]:5.0%}  oneDNN {rate[False]:5.0%}", flush=True)


if __name__ == "__main__":
    main()
