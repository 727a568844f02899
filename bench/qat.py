#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A step of quantization-aware training against a step in float, by method: whole jobs of two lengths, whose difference in
processor time is that of steps alone. In turns, the least of several rounds. Beside it, where a Python has torch (QB_PYTHON),
what PyTorch's own quantization-aware training (8 bits, the default for x86) costs against its float step.

usage: qat.py [-b BATCH] [-t THREADS] [-n STEPS] [-r ROUNDS] [NETWORK ...]

NETWORK is a network by name or a job's "network" as JSON; without, resnet8 and mobilenetv2 of width 0.25. Freezing and dampening
act from the first step. Needs numpy."""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

import numpy as np

NETWORKS = ["resnet8", '{"name": "mobilenetv2", "width": 0.25}']
METHODS = {"lsq": ["lsq"], "lsq, freeze": ["lsq", {"name": "freeze", "begin": 0}], "lsq, dampen": ["lsq", {"name": "dampen", "begin": 0}]}


def seconds(job, threads):
    """Of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    p = subprocess.run([os.path.join(os.getcwd(), "quantbench-worker"), "--threads", str(threads)], input=json.dumps(job) + "\n",
                       stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last = json.loads(p.stdout.splitlines()[-1])
    if p.returncode:
        sys.exit(f"qat: {last.get('detail', p.stdout)}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def step_ms(job, args):
    """Of one step, between a run of n steps, in whole epochs, and one of 2 n; evaluation and preparation are the same in both."""
    epochs = max(1, args.steps // args.epoch_steps)
    few, many = (seconds({**job, "epochs": epochs * k, "evaluate_every": epochs * k}, args.threads) for k in (1, 2))
    return (many - few) / (epochs * args.epoch_steps) * 1e3


def peer(args):
    """PyTorch's float step and that with fake quantization, each in the faster of its layouts."""
    import torch
    import torch_networks
    import torch_step
    from torch.ao.quantization import get_default_qat_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    given = json.loads(args.networks[0]) if args.networks[0].startswith("{") else {"name": args.networks[0]}
    least = [float("inf"), float("inf")]
    for layout in torch_step.LAYOUTS:
        net = getattr(torch_networks, given["name"])(torch.nn, **{k: v for k, v in given.items() if k != "name"})
        net = net.train().to(memory_format=layout)
        x, y = torch_step.images(args.batch, layout)
        for i, stepped in enumerate((net, prepare_qat_fx(net, get_default_qat_qconfig_mapping("x86"), (x,)))):
            least[i] = min(least[i], torch_step.least(stepped, x, y, args.steps)[0])
    print(f"{least[0] * 1e3:.2f} {least[1] * 1e3:.2f}")


def compare_with_peer(network, args):
    python = os.environ.get("QB_PYTHON")
    if not python:
        print("PyTorch is not compared with: no QB_PYTHON")
        return
    said = subprocess.run([python, "-W", "ignore", sys.argv[0], "--peer", "-b", str(args.batch), "-t", str(args.threads), "-n", "6", network],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    plain, fake = (float(v) for v in said.split()[-2:])
    print(f"{network} PyTorch: float {plain:.2f}; fake quantization {fake:.2f} ({fake / plain:.2f} x float)", flush=True)


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--peer", action="store_true")
    p.add_argument("-b", dest="batch", type=int, default=64)
    p.add_argument("-t", dest="threads", type=int, default=1)
    p.add_argument("-n", dest="steps", type=int, default=16)
    p.add_argument("-r", dest="rounds", type=int, default=3)
    p.add_argument("networks", nargs="*")
    args = p.parse_args()
    args.epoch_steps = 4
    if args.peer:
        peer(args)
        return
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images.npz")
        images = args.batch * args.epoch_steps
        np.savez(path, x=random.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8), y=random.integers(0, 10, images))
        base = {"train": path, "data": path, "metric": "top1", "batch": args.batch, "seed": 1, "workdir": folder,
                "preprocess": {"scale": 1 / 255}}
        for given in args.networks or NETWORKS:
            network = json.loads(given) if given.startswith("{") else given
            fresh = {**base, "type": "train", "network": network, "optimizer": {"name": "sgd", "lr": 1e-3}}
            seconds({**fresh, "epochs": 1}, args.threads)
            model = os.path.join(folder, "model.onnx")
            os.rename(os.path.join(folder, "trained.onnx"), model)
            jobs = {"float": fresh}
            for name, method in METHODS.items():
                jobs[name] = {**base, "type": "qat", "model": model, "scheme": "w4a4", "method": method, "optimizer": {"lr": 1e-3},
                              "batch_norm": {"reestimate": 0}, "calibration": {"samples": 64}}
            least = {}
            for _ in range(args.rounds):
                for name, job in jobs.items():
                    least[name] = min(least.get(name, 1e9), step_ms(job, args))
            print(network, f"batch {args.batch}, {args.threads} threads, processor ms a step: " +
                  "; ".join(f"{k} {v:.2f} ({v / least['float']:.2f} x float)" for k, v in least.items()), flush=True)
            compare_with_peer(given, args)


main()
