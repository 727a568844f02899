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


def make_peer(model, peer):
	import numpy
	import onnx
	from onnxruntime import quantization as q
	from onnxruntime.quantization.shape_inference import quant_pre_process

	class Random(q.CalibrationDataReader):
		def __init__(self):
			graph = onnx.load(model).graph
			known = {i.name for i in graph.initializer}
			rng = numpy.random.default_rng(1)
			self.left = []
			for _ in range(4):
				feed = {}
				for i in graph.input:
					if i.name not in known:
						dims = [d.dim_value or 1 for d in i.type.tensor_type.shape.dim]
						feed[i.name] = rng.uniform(-1, 1, dims).astype(numpy.float32)
				self.left.append(feed)

		def get_next(self):
			return self.left.pop() if self.left else None

	ready = peer + ".ready"
	quant_pre_process(model, ready, skip_symbolic_shape=True)
	q.quantize_static(ready, peer, Random(), quant_format=q.QuantFormat.QDQ, per_channel=True,
		activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
	os.remove(ready)


def main():
	try:
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
			make_peer(model, peer)
		for threads in sys.argv[1:] or ["1", "2"]:
			subprocess.run(["bench/bench_latency", "-t", threads, "-l", library, model, peer], check=True)


main()
