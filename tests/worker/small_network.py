# SPDX-License-Identifier: Apache-2.0
"""A network for digits that plain C trains in seconds: batch norms, a depthwise convolution, a residual; and a part of the
demo's data for it."""
import os

import files  # first: skips where the peers are not installed
import numpy as np
import training
from onnx import TensorProto, helper, numpy_helper, save

FEATURES = 24 * 4 * 4


class Builder:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def normal(self, name, shape, fan_in):
        return self.constant(name, self.random.normal(0, (2 / fan_in) ** 0.5, shape))

    def node(self, kind, name, inputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, name, shape, stride=1, group=1, relu=True):
        outputs, _, k, _ = shape
        w = self.normal(f"{name}.weight", shape, np.prod(shape[1:]))
        y = self.node("Conv", name, [x, w], kernel_shape=[k, k], strides=[stride] * 2, pads=[k // 2] * 4, group=group)
        norm = [self.constant(f"{name}_bn.{part}", np.full(outputs, value))
                for part, value in (("weight", 1), ("bias", 0), ("mean", 0), ("var", 1))]
        y = self.node("BatchNormalization", f"{name}_bn", [y, *norm])
        return self.node("Relu", f"{name}_relu", [y]) if relu else y


def fresh(path):
    """Untrained weights, [batch,1,16,16] to ten scores."""
    b = Builder(0)
    x = b.conv("image", "stem", (8, 1, 3, 3), stride=2)
    x = b.conv(x, "expand", (16, 8, 1, 1))
    x = b.conv(x, "depth", (16, 1, 3, 3), stride=2, group=16)
    y = b.conv(x, "project", (24, 16, 1, 1), relu=False)
    x = b.conv(y, "expand2", (48, 24, 1, 1))
    x = b.conv(x, "depth2", (48, 1, 3, 3), group=48)
    x = b.conv(x, "project2", (24, 48, 1, 1), relu=False)
    x = b.node("Flatten", "features", [b.node("Add", "sum", [y, x])])
    classify = [x, b.normal("classify.weight", (10, FEATURES), 2 * FEATURES), b.constant("classify.bias", np.zeros(10))]
    b.node("Gemm", "classify", classify, transB=1)
    image, scores = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                     for name, shape in (("image", ["batch", 1, 16, 16]), ("classify", ["batch", 10])))
    graph = helper.make_graph(b.nodes, "small", [image], [scores], b.constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def part(path, begin, end):
    """Some of the demo's training data."""
    data = np.load(training.DIGITS["train"])
    np.savez(path, x=data["x"][begin:end], y=data["y"][begin:end])
    return path


def trained(folder):
    """What a job names: the network after four epochs in float, its training data, and others to measure it on."""
    job = {"train": part(os.path.join(folder, "train.npz"), 0, 640), "data": part(os.path.join(folder, "data.npz"), 640, 940),
           "preprocess": {"scale": 1 / 255}, "model": os.path.join(folder, "fresh.onnx")}
    fresh(job["model"])
    training.run({**job, "type": "train", "epochs": 4, "batch": 32, "seed": 1, "optimizer": {"name": "adam", "lr": 0.01},
                  "batch_norm": {"reestimate": 8}}, folder)
    return {**job, "model": os.path.join(folder, "trained.onnx")}


def accuracy(path, job):
    """In ONNX Runtime, as the file says, on the job's data."""
    data = np.load(job["data"])
    session = files.session(path)
    x = (data["x"] * np.float32(1 / 255)).astype(np.float32)
    scores = np.concatenate([session.run(None, {session.get_inputs()[0].name: part})[0] for part in np.split(x, 3)])
    return 100 * np.mean(np.argmax(scores, 1) == data["y"])
