#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of the real networks against ONNX Runtime, float and int8, with one thread and two.

The int8 peers are QDQ files made here as ONNX Runtime wants them on x86: u8 activations per tensor, s8 weights per
channel, ranges from random inputs (speed does not depend on them).
"""
import glob
import os
import subprocess
import sys

SHARED = os.environ.get("QB_SHARED", "../shared")
NETWORKS = ["mlperf-tiny/ds_cnn", "mlperf-tiny/resnet8", "cifar10/resnet20", "imagenet/mobilenet_v2"]


def main():
	try:
		import int8_peers
		import onnxruntime
	except ImportError:
		sys.exit(subprocess.run([os.environ["QB_PYTHON"], __file__]).returncode
			if os.environ.get("QB_PYTHON") and sys.executable != os.environ["QB_PYTHON"]
			else "latency: no Python with onnxruntime (set QB_PYTHON): nothing to compare with")
	library = glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), "capi", "libonnxruntime.so*"))[0]
	os.makedirs("bench/int8-peers", exist_ok=True)
	for network in NETWORKS:
		model = os.path.join(SHARED, "data", network + ".onnx")
		if not os.path.exists(model):
			print(f"latency: {model} is absent, skipped")
			continue
		peer = os.path.join("bench/int8-peers", os.path.basename(network) + ".onnx")
		if not os.path.exists(peer):
			int8_peers.make(model, peer)
		for threads in sys.argv[1:] or ["1", "2"]:
			subprocess.run(["bench/bench_latency", "-t", threads, "-l", library, model, peer], check=True)


main()
