#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A step of training in float against PyTorch on the processor: the same network, batch and threads, each in a process of its
own, in turns.

usage: train.py [-b BATCH] [-s SHARDS] [-t THREADS] [-n STEPS] [-r ROUNDS] [NETWORK ...]

NETWORK is resnet8, mobilenetv2 or bert (4 layers of 256 channels, 128 tokens a sample). Prints samples per second of both by the least time of a step, and ratios: of least times, and of least processor times, which say
more where other work is running.
"""
import argparse
import os
import re
import subprocess
import sys

import torch_networks

NETWORKS = ["resnet8", "mobilenetv2"]


def peer(args):
	"""Steps of PyTorch, whichever of its two layouts is faster."""
	import torch
	import torch_step
	torch.set_num_threads(args.threads)
	torch.manual_seed(1)
	times = []
	for layout in torch_step.LAYOUTS:
		net = getattr(torch_networks, args.networks[0])(torch.nn).to(memory_format=layout)
		x, y = torch.randint(256, (2, args.batch, 128)) if args.networks[0] == "bert" else torch_step.images(args.batch, layout)
		times.append(torch_step.least(net, x, y, args.steps))
	best = min(times)
	print(f"least {best[1] * 1e3:.2f} ms, processor {best[0] * 1e3:.2f} ms")


def measure(command):
	said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
	found = re.search(r"least ([\d.]+) ms, processor ([\d.]+) ms", said)
	return float(found[1]), float(found[2])


def compare(args, network):
	options = ["-b", str(args.batch), "-t", str(args.threads), "-n", str(args.steps)]
	ours, theirs = [], []
	for _ in range(args.rounds):
		ours.append(measure(["bench/bench_train", "-s", str(args.shards), *(["-a", "-1"] if network == "bert" else []), *options, network]))
		theirs.append(measure([sys.executable, sys.argv[0], "--peer", *options, network]))
	wall, cpu = (min(v[i] for v in ours) for i in range(2))
	their_wall, their_cpu = (min(v[i] for v in theirs) for i in range(2))
	print(f"{network:12} batch {args.batch}, {args.threads} threads: ours {args.batch / wall * 1e3:8.1f} samples/s, PyTorch "
		f"{args.batch / their_wall * 1e3:8.1f}, ratio {their_wall / wall:.2f}; of processor time {their_cpu / cpu:.2f} "
		f"({cpu:.1f} : {their_cpu:.1f} ms)", flush=True)


def main():
	p = argparse.ArgumentParser(usage=__doc__)
	p.add_argument("--peer", action="store_true")
	p.add_argument("-b", dest="batch", type=int, default=64)
	p.add_argument("-s", dest="shards", type=int, default=8)
	p.add_argument("-t", dest="threads", type=int, default=2)
	p.add_argument("-n", dest="steps", type=int, default=10)
	p.add_argument("-r", dest="rounds", type=int, default=2)
	p.add_argument("networks", nargs="*")
	args = p.parse_args()
	try:
		import torch # noqa: F401
	except ImportError:
		python = os.environ.get("QB_PYTHON")
		sys.exit(subprocess.run([python, *sys.argv]).returncode if python and sys.executable != python
			else "train: no Python with torch (set QB_PYTHON): nothing to compare with")
	if args.peer:
		peer(args)
		return
	for network in args.networks or NETWORKS:
		compare(args, network)


main()
