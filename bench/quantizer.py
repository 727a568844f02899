#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Quantize-dequantize against the reference quantizer of arXiv:2208.09225 in PyTorch, one thread each: 30 x is the target.

The reference is the paper's own formula (real-valued bias from the largest value, floor(log2 |x| + bias) gives the step),
and for INT8 scale, round, clip, as its authors' code computes them tensor by tensor.
"""
import os
import re
import subprocess
import sys
import time

NUMBERS = 1 << 22


def fp8(torch, x, maxval, mantissa):
	exponent = 7 - mantissa
	bias = 2.0 ** exponent - torch.log2(maxval) + torch.log2(torch.tensor(2 - 2.0 ** -mantissa)) - 1
	xc = torch.min(torch.max(x, -maxval), maxval)
	log_scales = torch.clamp(torch.floor(torch.log2(torch.abs(xc)) + bias), 1.0)
	scales = 2.0 ** (log_scales - mantissa - bias)
	return torch.round(xc / scales) * scales


def int8(torch, x, maxval, _):
	scale = maxval / 127
	return torch.clamp(torch.round(x / scale), -128, 127) * scale


def main():
	try:
		import torch
	except ImportError:
		sys.exit(subprocess.run([os.environ["QB_TORCH_PYTHON"], __file__]).returncode
			if os.environ.get("QB_TORCH_PYTHON") and sys.executable != os.environ["QB_TORCH_PYTHON"]
			else print("quantizer: no Python with torch (set QB_TORCH_PYTHON): nothing to compare with"))
	torch.set_num_threads(1)
	x = torch.randn(NUMBERS)
	maxval = torch.tensor(4.0)
	for name, quantize, mantissa in (("int8", int8, None), ("E2", fp8, 5), ("E3", fp8, 4), ("E4", fp8, 3), ("E5", fp8, 2)):
		best = 1e9
		for _ in range(5):
			start = time.perf_counter()
			quantize(torch, x, maxval, mantissa)
			best = min(best, time.perf_counter() - start)
		theirs = 1e9 * best / NUMBERS
		out = subprocess.run(["bench/bench_qdq", name], stdout=subprocess.PIPE, text=True, check=True).stdout
		ours = 8 / float(re.search(name + r"\s+([0-9.]+) GB/s", out).group(1))
		print(f"{name}: PyTorch {torch.__version__} {theirs:.2f} ns an element, ours {ours:.3f}: {theirs / ours:.0f} x"
			+ ("" if theirs >= 30 * ours else "  below 30 x"))


main()
