#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of whole networks against ONNX Runtime, float and int8, with one thread and two, and geometric means.

usage: latency.py [-k] [-t 1,2] [-s SECONDS] [-q QUERIES] [-e FOLDER] [NAME ...]

The real networks of QB_SHARED, and those that export_networks.py wrote into FOLDER. -k adds where our own time goes, by
kind of step, with its fraction of the machine's peak. The int8 peers are made once (int8_peers.py) and kept under
bench/int8-peers. A .tflite, which ONNX Runtime does not read, is measured by itself.
"""
import argparse
import glob
import math
import os
import re
import subprocess
import sys

SHARED = os.environ.get("QB_SHARED", "../shared")
REAL = ["mlperf-tiny/ds_cnn.onnx", "mlperf-tiny/resnet8.onnx", "cifar10/resnet20.onnx", "imagenet/mobilenet_v2.onnx",
	"tflite/mobilenet_v1_0.25_128_quant.tflite"]
EXPORTED = ["resnet18", "resnet50", "mobilenet_v2", "hrnet", "deeplabv3", "salsanext", "bert", "vit", "opt",
	"mobilenet_v1_025", "autoencoder"]
PEERS = "bench/int8-peers"
RATIOS = ["float : ONNX Runtime", "int8 : ONNX Runtime", "int8 : float"]


def arguments():
	p = argparse.ArgumentParser(usage=__doc__)
	p.add_argument("-k", action="store_true")
	p.add_argument("-t", default="1,2")
	p.add_argument("-s", default="2")
	p.add_argument("-q", default="10")
	p.add_argument("-e", default="")
	p.add_argument("names", nargs="*")
	return p.parse_args()


def models(folder, names):
	"""Files, and names that are theirs alone."""
	files = [os.path.join(SHARED, "data", f) for f in REAL]
	files += [os.path.join(folder, n + ".onnx") for n in EXPORTED] if folder else []
	for path in files:
		name = os.path.basename(os.path.dirname(path)) + "-" + os.path.splitext(os.path.basename(path))[0]
		if names and not any(n == name or n == os.path.splitext(os.path.basename(path))[0] for n in names):
			continue
		if os.path.exists(path):
			yield name, path
		else:
			print(f"latency: {path} is absent, skipped")


def peer_of(name, model):
	import int8_peers
	if not model.endswith(".onnx"):
		return None
	os.makedirs(PEERS, exist_ok=True)
	peer = os.path.join(PEERS, name + ".onnx")
	if not os.path.exists(peer):
		int8_peers.make(model, peer)
	return peer


def measure(args, library, threads, model, peer):
	"""Prints what bench_latency says and returns its ratios: of one thread's least processor time, of two threads' least time."""
	command = ["bench/bench_latency", "-t", threads, "-s", args.s, "-q", args.q] + (["-k"] if args.k else [])
	command += ["-l", library, model, peer] if peer else [model]
	said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
	print(said, end="", flush=True)
	line = r"^  (\S.*? : .*?) +[\d.]+  of minima +([\d.]+)  of processor time +([\d.]+)$"
	return {m[1].strip(): float(m[3 if threads == "1" else 2]) for m in re.finditer(line, said, re.M)}


def summarise(threads, rows):
	title = f"{threads} thread{'s' * (threads != '1')}, least times"
	print(f"\n{title:40}" + "".join(f"{r:>24}" for r in RATIOS))
	for name, ratio in rows.items():
		print(f"  {name:38}" + "".join(f"{ratio[r]:24.2f}" if r in ratio else f"{'':24}" for r in RATIOS))
	means = ([v[r] for v in rows.values() if r in v] for r in RATIOS)
	print(f"  {'geometric mean':38}" + "".join(
		f"{math.exp(sum(map(math.log, m)) / len(m)):24.2f}" if m else f"{'':24}" for m in means))


def main():
	args = arguments()
	try:
		import onnxruntime
	except ImportError:
		sys.exit(subprocess.run([os.environ["QB_PYTHON"], *sys.argv]).returncode
			if os.environ.get("QB_PYTHON") and sys.executable != os.environ["QB_PYTHON"]
			else "latency: no Python with onnxruntime (set QB_PYTHON): nothing to compare with")
	library = glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), "capi", "libonnxruntime.so*"))[0]
	subjects = [(name, model, peer_of(name, model)) for name, model in models(args.e, args.names)]
	for threads in args.t.split(","):
		rows = {name: measure(args, library, threads, model, peer) for name, model, peer in subjects}
		if rows:
			summarise(threads, rows)


main()
