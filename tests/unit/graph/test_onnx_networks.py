#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Real networks by the operators' plain C, as imported and after every pass, against ONNX Runtime."""
import os
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError as e:
    print(f"SKIP: lacks peers: {e}")
    sys.exit(77)
import onnx_run

SHARED = os.path.join(os.environ.get("QB_SHARED", ""), "data")
# network, data, samples, scale, mean, std: y = (x * scale - mean) / std
NETWORKS = [
    ("mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/kws01-test-1000.npz", 8, 1, 0, 1),
    ("mlperf-tiny/resnet8.onnx", "cifar10/test-846.npz", 8, 1, 0, 1),
    ("cifar10/resnet20.onnx", "cifar10/test-846.npz", 4, 1 / 255, [.485, .456, .406], [.229, .224, .225]),
    ("imagenet/mobilenet_v2.onnx", "imagenet/sample-500.npz", 2, 1, 127.5, 127.5),
    ("pascal/deeplabv3_mobilenet_v2.onnx", "pascal/bird.npz", 1, 1, 127.5, 127.5),
]


def load(data, count, scale, mean, std):
    x = np.load(os.path.join(SHARED, data))["x"][:count].astype(np.float32)
    per_channel = [np.asarray(v, np.float32).reshape(-1, *[1] * (x.ndim - 2)) for v in (mean, std)]
    return ((x * np.float32(scale) - per_channel[0]) / per_channel[1]).astype(np.float32)


def main():
    bad = tried = 0
    for name, data, count, scale, mean, std in NETWORKS:
        path = os.path.join(SHARED, name)
        lacking = [f for f in (name, data) if not os.path.exists(os.path.join(SHARED, f))]
        if lacking:
            print(f"SKIP: lacks shared: {lacking[0]}")
            continue
        tried += 1
        x = load(data, count, scale, mean, std)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        want = session.run(None, {session.get_inputs()[0].name: x})[0]
        for prepare in (False, True):
            got = onnx_run.run(path, [x], prepare=prepare)[0]
            worst = float(np.max(np.abs(got - want)) / max(np.max(np.abs(want)), 1))
            good = got.shape == want.shape and worst <= 1e-4
            bad += not good
            print(f"{'ok' if good else 'FAIL'} {name} {'prepared' if prepare else 'as imported'}: "
                  f"largest difference {worst:.1e} of the largest output")
    return 1 if bad else 0 if tried else 77


if __name__ == "__main__":
    sys.exit(main())
