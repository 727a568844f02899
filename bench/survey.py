#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tensor job on a 1 GB safetensors file under 12 formats at every granularity: MB/s and memory, with 1 and 2 threads.

The file is read once beforehand, so that the rate is that of the survey and not of this machine's disk.
"""
import array
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

TENSORS, ROWS, COLUMNS = 16, 4096, 4096
TARGET = 200e6


def write(path):
	random.seed(1)
	row = array.array("f", (random.gauss(0, 0.02) for _ in range(COLUMNS + 997)))
	block = b"".join(row[i:i + COLUMNS].tobytes() for i in (random.randrange(997) for _ in range(64)))
	tensor = block * (ROWS // 64)
	head = {f"layer{i}.weight": {"dtype": "F32", "shape": [ROWS, COLUMNS],
		"data_offsets": [i * len(tensor), (i + 1) * len(tensor)]} for i in range(TENSORS)}
	text = json.dumps(head).encode()
	with open(path, "wb") as f:
		f.write(struct.pack("<Q", len(text)) + text)
		for _ in range(TENSORS):
			f.write(tensor)
	return TENSORS * len(tensor)


def peak_kb(pid):
	with open(f"/proc/{pid}/status", encoding="ascii") as f:
		return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def survey(path, threads):
	worker = subprocess.Popen(["./quantbench-worker", "--threads", str(threads)], stdin=subprocess.PIPE,
		stdout=subprocess.PIPE, text=True)
	start = time.monotonic()
	worker.stdin.write(json.dumps({"type": "tensor", "data": path}) + "\n")
	worker.stdin.flush()
	memory = 0
	for line in worker.stdout:
		if '"progress"' in line[:40]:
			memory = max(memory, peak_kb(worker.pid))
		last = line
	took = time.monotonic() - start
	before = resource.getrusage(resource.RUSAGE_CHILDREN)
	assert worker.wait() == 0 and '"result"' in last[:60], last[:300]
	after = resource.getrusage(resource.RUSAGE_CHILDREN)
	return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory


def main():
	with tempfile.TemporaryDirectory() as folder:
		path = os.path.join(folder, "weights.safetensors")
		size = write(path)
		with open(path, "rb") as f:
			while f.read(1 << 24):
				pass
		for threads in sys.argv[1:] or ["1", "2"]:
			took, processor, memory = survey(path, threads)
			print(f"{threads} thread(s): {size / took / 1e6:.0f} MB/s, {100 * size / took / TARGET:.0f} % of the target of "
				f"{TARGET / 1e6:.0f} with two; {size / processor / 1e6:.0f} MB a second of processor time; peak memory {memory / 1024:.0f} MB for a file of {size / 1e6:.0f} MB")


main()
