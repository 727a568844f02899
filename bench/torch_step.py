# SPDX-License-Identifier: Apache-2.0
"""A step of training in PyTorch, timed."""
import time

import torch

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def least(net, x, y, steps):
	"""(processor's, wall) seconds of a step with plain sgd, the least of some."""
	optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
	wall = cpu = float("inf")
	for _ in range(steps + 2):
		start, start_cpu = time.perf_counter(), time.process_time()
		optimizer.zero_grad()
		torch.nn.functional.cross_entropy(net(x), y).backward()
		optimizer.step()
		wall, cpu = min(wall, time.perf_counter() - start), min(cpu, time.process_time() - start_cpu)
	return cpu, wall


def images(batch, layout):
	return torch.randn(batch, 3, 32, 32).to(memory_format=layout), torch.randint(10, (batch,))
