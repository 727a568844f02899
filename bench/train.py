#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A step of training in float against PyTorch on the processor: the same network, batch and threads, each in a process of its
own, in turns.

usage: train.py [-b BATCH] [-s SHARDS] [-t THREADS] [-n STEPS] [-r ROUNDS] [NETWORK ...]

Prints images per second of both by the least time of a step, and ratios: of least times, and of least processor times, which say
more where other work is running.
"""
import argparse
import os
import re
import subprocess
import sys
import time

NETWORKS = ["resnet8", "mobilenetv2"]


def resnet8(nn):
	class Stack(nn.Module):
		def __init__(self, channels, outputs, stride):
			super().__init__()
			self.conv1 = nn.Conv2d(channels, outputs, 3, stride, 1)
			self.bn1 = nn.BatchNorm2d(outputs)
			self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
			self.bn2 = nn.BatchNorm2d(outputs)
			self.shortcut = nn.Conv2d(channels, outputs, 1, stride) if stride != 1 else nn.Identity()
			self.relu = nn.ReLU()

		def forward(self, x):
			y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
			return self.relu(y + self.shortcut(x))

	return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), Stack(16, 16, 1), Stack(16, 32, 2),
		Stack(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mobilenetv2(nn):
	def conv(channels, outputs, kernel, stride=1, groups=1):
		return [nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]

	class Bottleneck(nn.Module):
		def __init__(self, channels, outputs, expansion, stride):
			super().__init__()
			wide = channels * expansion
			layers = conv(channels, wide, 1) + [nn.ReLU6()] if expansion != 1 else []
			layers += conv(wide, wide, 3, stride, wide) + [nn.ReLU6()] + conv(wide, outputs, 1)
			self.layers = nn.Sequential(*layers)
			self.adds = stride == 1 and channels == outputs

		def forward(self, x):
			y = self.layers(x)
			return x + y if self.adds else y

	layers, channels = conv(3, 32, 3) + [nn.ReLU6()], 32
	for expansion, outputs, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
			(6, 160, 3, 2), (6, 320, 1, 1)):
		for i in range(blocks):
			layers.append(Bottleneck(channels, outputs, expansion, stride if i == 0 else 1))
			channels = outputs
	layers += conv(channels, 1280, 1) + [nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10)]
	return nn.Sequential(*layers)


def peer(args):
	"""Steps of PyTorch, whichever of its two layouts is faster."""
	import torch
	torch.set_num_threads(args.threads)
	torch.manual_seed(1)
	best = None
	for layout in (torch.contiguous_format, torch.channels_last):
		net = globals()[args.networks[0]](torch.nn).to(memory_format=layout)
		optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
		x = torch.randn(args.batch, 3, 32, 32).to(memory_format=layout)
		y = torch.randint(10, (args.batch,))
		wall = cpu = float("inf")
		for _ in range(args.steps + 2):
			start, start_cpu = time.perf_counter(), time.process_time()
			optimizer.zero_grad()
			torch.nn.functional.cross_entropy(net(x), y).backward()
			optimizer.step()
			wall, cpu = min(wall, time.perf_counter() - start), min(cpu, time.process_time() - start_cpu)
		best = min(best, (cpu, wall)) if best else (cpu, wall)
	print(f"least {best[1] * 1e3:.2f} ms, processor {best[0] * 1e3:.2f} ms")


def measure(command):
	said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
	found = re.search(r"least ([\d.]+) ms, processor ([\d.]+) ms", said)
	return float(found[1]), float(found[2])


def compare(args, network):
	options = ["-b", str(args.batch), "-t", str(args.threads), "-n", str(args.steps)]
	ours, theirs = [], []
	for _ in range(args.rounds):
		ours.append(measure(["bench/bench_train", "-s", str(args.shards), *options, network]))
		theirs.append(measure([sys.executable, sys.argv[0], "--peer", *options, network]))
	wall, cpu = (min(v[i] for v in ours) for i in range(2))
	their_wall, their_cpu = (min(v[i] for v in theirs) for i in range(2))
	print(f"{network:12} batch {args.batch}, {args.threads} threads: ours {args.batch / wall * 1e3:8.1f} images/s, PyTorch "
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
