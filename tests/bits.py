#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes down the bits of everything that plans, schemes and exports compute, so that a restructuring can show that it
changed none of them.

    tests/bits.py BUILD write FILE     before
    tests/bits.py BUILD check FILE     after: prints each difference; exit status 1 if there is one

Networks: those of the suite (one operator each at each opset, those of integer steps, the corpus of the fuzz targets, the
demo's) and, where QB_SHARED has them, the real ones; at every CPU level of the machine. Needs numpy, onnx and onnxruntime.
It takes some minutes, and is no part of the tests."""
import glob
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.environ.get("QB_SHARED", os.path.join(TOP, "..", "shared"))
SCHEMES = ["int8", "w4a8", "int4", "E4", "mxfp4"]
LEVELS = ["plain", "avx2", "avx512", "avx512_vnni", "neon", "neon_dot", "neon_i8mm"]
TIMES = {"latency", "samples_per_second", "sweep_cost", "machine", "engine"}


def networks(folder):
    """name -> path of every network."""
    sys.path[:0] = [os.path.join(TOP, "tests", "worker"), os.path.join(TOP, "tests", "unit", "exec")]
    import onnx
    import operators
    import test_int8_networks as integers

    found = {}
    for n in operators.networks():
        found[f"operator {n.name}"] = os.path.join(folder, n.name + ".onnx")
        onnx.save(n.model, found[f"operator {n.name}"])
    for name, (build, shape) in integers.NETWORKS.items():
        net = integers.Net(shape)
        found[f"integers {name}"] = net.save(folder, name, build(net))
    for path in sorted(glob.glob(os.path.join(TOP, "tests/fuzz/corpus-models/*"))) + [os.path.join(TOP, "demo/digits.onnx")]:
        found[os.path.relpath(path, TOP)] = path
    for path in sorted(glob.glob(os.path.join(SHARED, "data", "*", "*.onnx")) + glob.glob(os.path.join(SHARED, "data", "*", "*.tflite"))):
        if "deeplab" not in path:
            found[os.path.relpath(path, SHARED)] = path
    return found


def plan_bits(build, path, level):
    p = subprocess.run([os.path.join(build, "tests/tools/plan_bits"), path, *SCHEMES], capture_output=True, text=True,
                       env=os.environ | {"QUANTBENCH_CPU": level, "OMP_NUM_THREADS": "1"}, timeout=1200)
    return p.stdout.splitlines() + ([p.stderr.strip()] if p.returncode else [])


def steady(value):
    """A result without what is measured in time."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in TIMES}
    return [steady(v) for v in value] if isinstance(value, list) else value


def job_bits(build, level, folder):
    """The demo's network through a whole job, with methods and exports."""
    job = {"type": "ptq", "model": os.path.join(TOP, "demo/digits.onnx"), "data": os.path.join(TOP, "demo/digits-test.npz"),
           "metric": "top1", "latency": False, "samples": 200, "export": ["qdq", "encodings"],
           "schemes": [*SCHEMES, *({"name": m, "scheme": "w4a8", "methods": [m]} for m in (
               "adaround", "gptq", "smoothquant", "bias_correction", "cross_layer_equalization"))]}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        spec = os.path.join(out, "job.json")
        json.dump(job, open(spec, "w"))
        p = subprocess.run([os.path.join(build, "quantbench"), "run", spec, "--json", "--out", out], capture_output=True,
                           text=True, env=os.environ | {"QUANTBENCH_CPU": level})
        if p.returncode:
            return [p.stderr.strip()]
        lines = [f"result {hashlib.sha256(json.dumps(steady(json.loads(p.stdout)), sort_keys=True).encode()).hexdigest()}"]
        os.remove(spec)
        for name in sorted(os.listdir(out)):
            lines.append(f"{name} {hashlib.sha256(open(os.path.join(out, name), 'rb').read()).hexdigest()}")
        return lines


def everything(build):
    levels = [v for v in LEVELS if not subprocess.run([os.path.join(build, "quantbench-worker"), "--serve"], input=b"",
                                                      capture_output=True, env=os.environ | {"QUANTBENCH_CPU": v}).returncode]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        found = networks(folder)
        asked = {f"{level}: {name}": pool.submit(plan_bits, build, path, level) for level in levels for name, path in found.items()}
        asked |= {f"{level}: job": pool.submit(job_bits, build, level, folder) for level in levels}
        return {name: future.result() for name, future in asked.items()}


def main():
    build, what, file = sys.argv[1:4]
    now = everything(build)
    if what == "write":
        json.dump(now, open(file, "w"), indent=0)
        print(f"{len(now)} networks and levels, {sum(map(len, now.values()))} lines")
        return 0
    before, bad = json.load(open(file)), 0
    for name in sorted(before.keys() | now.keys()):
        a, b = before.get(name, ["missing"]), now.get(name, ["missing"])
        if a != b:
            bad += 1
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"{name}: line {at}: {(a + ['no line'])[at]} was, {(b + ['no line'])[at]} is")
    print(f"{bad} of {len(now)} differ")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
