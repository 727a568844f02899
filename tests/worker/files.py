# SPDX-License-Identifier: Apache-2.0
"""Whole files against ONNX Runtime: the networks that tests of import and export share, and sessions that do as a
file says. A test that imports this is skipped where the peers are not installed."""
import os
import sys

TOP = os.environ.get("top_srcdir", ".")
sys.path[:0] = [os.path.join(TOP, "bench"), os.path.join(TOP, "tests/unit/graph")]
try:
    import numpy as np
    import onnx
    import onnxruntime
    import int8_peers
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)
import worker

# model, data, preprocess
DIGITS = (os.path.join(TOP, "demo/digits.onnx"), os.path.join(TOP, "demo/digits-test.npz"), {})
REAL = {
    "ds_cnn": ("mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/kws01-test-1000.npz", {}),
    "resnet8": ("mlperf-tiny/resnet8.onnx", "cifar10/test-846.npz", {}),
    "resnet20": ("cifar10/resnet20.onnx", "cifar10/test-846.npz", {
        "scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
    "mobilenet_v2": ("imagenet/mobilenet_v2.onnx", "imagenet/sample-500.npz", {"scale": 1 / 127.5, "mean": 1}),
}


def session(path):
    """As the file says: no fusion into other precisions, and sums that do not saturate on processors without VNNI."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if "QLinear" in str({n.op_type for n in onnx.load(path).graph.node}):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feeds(network, count):
    """The first samples of a network's data, one feed each."""
    model, data, preprocess = network
    return int8_peers.sample_feeds(model, data, **preprocess, count=count)


def predictions(path, samples):
    s = session(path)
    return np.concatenate([s.run(None, f)[0] for f in samples])


class Case(worker.Case):
    def real(self, name):
        model, data, preprocess = REAL[name]
        return self.shared(model), self.shared(data), preprocess
