#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains in PyTorch by the recipe of a `train` job: what accuracy does the same network reach there?

usage: train_accuracy.py JOB.json [-t THREADS]

The job: a network of torch_networks.py by name, images of 32 x 32 in npz files, sgd with a cosine schedule and linear warm-up, flips
and crops, preprocess. Fresh weights have the same distribution as ours, batches another order. Prints top-1 after each epoch.
"""
import argparse
import json
import math
import time

import numpy as np
import torch
import torch_networks
from torch.nn import functional as F


def fresh(net):
	"""He et al., 2015, by the number of inputs; gain 1 in the last layer."""
	for m in net.modules():
		if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
			gain = 1 if isinstance(m, torch.nn.Linear) else 2
			torch.nn.init.normal_(m.weight, 0, math.sqrt(gain / m.weight[0].numel()))
			if m.bias is not None:
				torch.nn.init.zeros_(m.bias)


def groups(net, decay):
	weights = [p for p in net.parameters() if p.dim() > 1]
	return [{"params": weights, "weight_decay": decay}, {"params": [p for p in net.parameters() if p.dim() <= 1]}]


def rate(step, per_epoch, steps, schedule):
	warm = schedule.get("warm_up", 0) * per_epoch
	if step < warm:
		return (step + 1) / warm
	return (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2


def augmented(x, augment, generator):
	"""x uint8 [N,C,H,W]; padding is black, as the job pads before it preprocesses."""
	if augment.get("flip"):
		flipped = torch.rand(len(x), generator=generator) < 0.5
		x = torch.where(flipped[:, None, None, None], x.flip(3), x)
	crop = augment.get("crop", 0)
	if crop:
		padded, size = F.pad(x, [crop] * 4), x.shape[2]
		at = torch.randint(2 * crop + 1, (len(x), 2), generator=generator).tolist()
		x = torch.stack([p[:, i:i + size, j:j + size] for p, (i, j) in zip(padded, at)])
	return x


def main():
	p = argparse.ArgumentParser(usage=__doc__)
	p.add_argument("job")
	p.add_argument("-t", dest="threads", type=int, default=1)
	args = p.parse_args()
	with open(args.job, encoding="utf-8") as file:
		job = json.load(file)
	torch.set_num_threads(args.threads)
	torch.manual_seed(job["seed"])
	generator = torch.Generator().manual_seed(job["seed"])
	network = dict(job["network"])
	net = getattr(torch_networks, network.pop("name"))(torch.nn, **network).to(memory_format=torch.channels_last)
	fresh(net)
	optimizer = torch.optim.SGD(groups(net, job["optimizer"]["weight_decay"]), lr=job["optimizer"]["lr"],
		momentum=job["optimizer"]["momentum"])
	pre = job["preprocess"]
	mean, std = (torch.tensor(pre[k], dtype=torch.float32).view(1, -1, 1, 1) for k in ("mean", "std"))
	(x, y), (tx, ty) = ((torch.from_numpy(d["x"]), torch.from_numpy(d["y"]).long()) for d in map(np.load, (job["train"], job["data"])))
	batch, per_epoch = job["batch"], len(x) // job["batch"]
	steps, done = per_epoch * job["epochs"], 0

	def prepared(images):
		return ((images.float() * pre["scale"] - mean) / std).contiguous(memory_format=torch.channels_last)

	for epoch in range(job["epochs"]):
		start, order = time.process_time(), torch.randperm(len(x), generator=generator)
		net.train()
		for i in range(per_epoch):
			for g in optimizer.param_groups:
				g["lr"] = job["optimizer"]["lr"] * rate(done, per_epoch, steps, job["schedule"])
			those = order[i * batch:(i + 1) * batch]
			optimizer.zero_grad()
			F.cross_entropy(net(prepared(augmented(x[those], job["augment"], generator))), y[those]).backward()
			optimizer.step()
			done += 1
		net.eval()
		with torch.no_grad():
			right = sum((net(prepared(tx[i:i + 500])).argmax(1) == ty[i:i + 500]).sum().item() for i in range(0, len(tx), 500))
		print(f"epoch {epoch + 1}: top-1 {100 * right / len(tx):.2f}, processor time {time.process_time() - start:.0f} s", flush=True)


main()
