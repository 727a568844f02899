#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Every operator from its oldest opset on, exported in codes of each width: ONNX Runtime loads the files and runs them, under the
names and shapes of the network, as far from the float network as was simulated."""
import concurrent.futures
import os
import unittest

import numpy as np
import onnx
import onnxruntime

import operators
import worker

SCHEMES = ["int8", "int4", "int16", "e4m3fn"]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def session(model):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(path, net):
    s = session(path)
    parts = [s.run(["y"], {"x": net.x[i:i + net.batch]})[0] for i in range(0, len(net.x), net.batch)]
    return np.concatenate(parts)


def dims(path):
    graph = onnx.load(path).graph
    return [(v.name, [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]) for v in graph.input]


def check(net, folder):
    """What is wrong with the exports of one network, as sentences."""
    def path(name):
        return os.path.join(folder, name)

    onnx.save(net.model, path("m.onnx"))
    y = run(path("m.onnx"), net)
    np.savez(path("d.npz"), x=net.x, y=y)
    result, _ = worker.run({"type": "ptq", "model": path("m.onnx"), "data": path("d.npz"), "metric": "mse", "schemes": SCHEMES,
                            "latency": False, "threads": 1, "workdir": folder, "export": ["qdq"]})
    wrong = []
    signal = float(np.mean(np.square(y, dtype=np.float64)))
    if result["float"]["metric"] > 1e-9 * max(signal, 1e-3):
        wrong.append(f"float mse {result['float']['metric']:g} of {signal:g}")
    files = {e["scheme"]: e for e in result["exports"]}
    for row in result["schemes"]:
        scheme, file = row["scheme"], files[row["scheme"]]
        if "refused" in file:
            wrong.append(f"{scheme}: refused: {file['refused']}")
            continue
        try:
            got = run(path(file["name"]), net)
        except Exception as e:  # whatever ONNX Runtime raises
            wrong.append(f"{scheme}: {str(e)[:300]}")
            continue
        if dims(path(file["name"])) != dims(path("m.onnx")):
            wrong.append(f"{scheme}: input {dims(path(file['name']))}")
        error, told = float(np.mean(np.square((got - y).astype(np.float64)))), row["metric"]
        if got.shape != y.shape or abs(error - told) > net.tolerance * max(error, told) + 1e-9 * signal:
            wrong.append(f"{scheme}: {error:g} exported, {told:g} simulated, signal {signal:g}")
    return wrong


class Operators(worker.Case):
    def test_every_operator__has_networks_or_a_reason(self):
        table = operators.table_of_operators(os.path.join(ROOT, "core", "ops", "ops.h"))
        self.assertEqual(set(table), set(operators.TABLE) | set(operators.NOT_HERE))

    def test_exports__load_and_run_as_simulated(self):
        nets = {n.name: n for n in operators.networks()}
        chosen = os.environ.get("QB_OPERATORS", "").split() or nets

        def one(name):
            folder = self.path(name)
            os.mkdir(folder)
            try:
                return name, check(nets[name], folder)
            except Exception as e:  # a network that does not run
                return name, [f"{type(e).__name__}: {str(e)[:300]}"]

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for name, wrong in pool.map(one, chosen):
                with self.subTest(name):
                    self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
