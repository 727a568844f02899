#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""One network, four ways to run a scheme on it: the simulation that a job measures, the exported file in ONNX Runtime, that
file read again as "carried", and integers. All give the same but where float sums lie between two codes."""
import os
import subprocess
import sys
import unittest

import files  # first: it finds the modules of the other tests
import numpy as np
import onnx
from onnx import helper, numpy_helper
import worker

sys.path.insert(0, os.path.join(files.TOP, "tests/unit/exec"))
import constant_networks
import small_networks

INTEGERS = os.path.join("tests", "unit", "exec", "test_networks")
# Mean square of differences, in squared steps of the output. Sums of float32 are as fine as the steps of 16 bits.
TIES, TIES_16 = 0.02, 0.5


def step(path):
    """Of the last quantizer: nothing but moves comes after it in the networks here."""
    model = onnx.load(path)
    scales = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer if i.name.endswith("scale")}
    return float(scales[[n for n in model.graph.node if n.op_type == "QuantizeLinear"][-1].input[1]])


def outputs(path, arrays):
    """ONNX Runtime's, by batches where the network has a batch of its own."""
    session = files.session(path)
    names, batch = [i.name for i in session.get_inputs()], session.get_inputs()[0].shape[0]
    count = len(next(iter(arrays.values())))
    size = batch if isinstance(batch, int) else count
    return np.concatenate([session.run(None, {n: arrays[n][i:i + size] for n in names})[0]
                           for i in range(0, count, size)])


class Agreement(files.Case):
    def ptq(self, model, arrays, y, scheme, **more):
        data = self.path("data.npz")
        np.savez(data, **arrays, y=y)
        return worker.run({"type": "ptq", "model": model, "data": data, "metric": "mse", "schemes": scheme,
                           "latency": False, "workdir": self.folder} | more)[0]

    def check(self, model, arrays, schemes):
        """The simulation is within ties of ONNX Runtime's run of the exported file, and so is the file as read again."""
        y = outputs(model, arrays)
        result = self.ptq(model, arrays, y, schemes, export=["qdq"])
        self.assertLess(result["float"]["metric"], 1e-8 * np.square(y, dtype=np.float64).mean() + 1e-30)
        exports = {e["scheme"]: e.get("name") for e in result["exports"]}
        for row in result["schemes"]:
            name = row["scheme"]
            scheme = next(s for s in schemes if s == name or (isinstance(s, dict) and s["name"] == name))
            with self.subTest(scheme=name):
                exported = self.path(exports[name])
                z = outputs(exported, arrays)
                # a few elements of a small output are more than that share
                ties = step(exported) ** 2 * max(TIES_16 if "16" in name else TIES, 3 / z.size)
                self.assertLess(self.ptq(model, arrays, z, [scheme])["schemes"][0]["metric"], ties, "simulated")
                self.assertLess(self.ptq(exported, arrays, z, ["carried"])["schemes"][0]["metric"], ties, "imported")
        return result

    def check_integers(self, paths, carried=()):
        """On inputs of the program's own, tensor by tensor within one step."""
        for some in [list(paths)[i:i + 40] for i in range(0, len(paths), 40)]:
            run = subprocess.run([INTEGERS], capture_output=True, text=True, timeout=300, env={
                **os.environ, "QB_SHARED": self.folder, "QB_NETWORKS": ":".join(some)})
            self.assertEqual(run.returncode, 0, run.stderr + run.stdout)

    def arrays(self, shape, count=24):
        rng = np.random.default_rng(1)
        arrays = {"x": 2 * rng.normal(size=[count, *shape[1:]]).astype(np.float32)}
        if len(shape) == 4:
            arrays["mask"] = (rng.random((count, shape[2])) < 0.75).astype(np.int64)
        return arrays

    def test_small_networks(self):
        for name, (build, shape) in small_networks.NETWORKS.items():
            if name == "turned":
                continue  # its outputs have no batch in front
            with self.subTest(name):
                net = small_networks.Net(shape)
                arrays = self.arrays(shape)
                self.check(net.save(self.folder, name, build(net)), arrays if name == "tokens" else {"x": arrays["x"]},
                           ["int8", "w4a8", "int16"])

    def test_constants(self):
        names = [n for n in constant_networks.NETWORKS if n not in constant_networks.PAIRS]
        paths = []
        for name in names:
            with self.subTest(name):
                path, shape = constant_networks.save(self.folder, name)
                paths.append(path)
                self.check(path, {"x": self.arrays(shape)["x"]}, ["int8", "w4a8", "int16"])
        self.check_integers(paths)

    def test_shared_constants(self):
        """Every pair of operators that can read one constant: the float network, the exported scheme, integers."""
        paths = []
        for name in constant_networks.PAIRS:
            with self.subTest(name):
                path, shape = constant_networks.save(self.folder, name)
                arrays = {"x": self.arrays(shape)["x"]}
                y = outputs(path, arrays)
                result = self.ptq(path, arrays, y, ["int8"], export=["qdq"])
                self.assertLess(result["float"]["metric"], 1e-8 * np.square(y, dtype=np.float64).mean())
                if not result["schemes"][0]["tensors"]:
                    continue  # recurrent networks are not quantized
                paths.append(path)
                z = outputs(self.path("int8.qdq.onnx"), arrays)
                noise = np.square(z - y, dtype=np.float64).mean()
                self.assertAlmostEqual(result["schemes"][0]["metric"], noise, delta=0.02 * noise)
        self.check_integers(paths)

    def test_zeros__have_ranges_of_their_own(self):
        """Of a layer of zeros, a channel of zeros beside others, and what was never seen but 0."""
        for name in ("zeros_layer", "zeros_layer_without_bias", "zeros_channels", "zeros_input"):
            path, shape = constant_networks.save(self.folder, name)
            arrays = {"x": self.arrays(shape)["x"]}
            result = self.ptq(path, arrays, outputs(path, arrays), ["int8", "int4", "e4m3fn"])
            for row in result["schemes"]:
                for t in row["tensors"]:
                    with self.subTest(f"{name}, {row['scheme']}, {t['name']}"):
                        most = max(abs(t["observed_min"]), abs(t["observed_max"]))
                        self.assertLessEqual(max(abs(t["min"]), abs(t["max"])), 2.3 * most)

    def layers(self, network, count):
        """(name, model, x): each layer of a network with its activation, on what comes before it in float."""
        model = onnx.load(network[0])
        graph, opsets = model.graph, model.opset_import
        constants = {i.name: i for i in graph.initializer}
        taken = [(n, [v for v in n.input if v and v not in constants]) for n in graph.node
                 if n.op_type in ("Conv", "Gemm", "MatMul")]
        taken = [(n, inputs[0]) for n, inputs in taken if len(inputs) == 1]
        known = {o.name for o in graph.output} | {i.name for i in graph.input}
        graph.output.extend(helper.make_tensor_value_info(name, 1, None) for name in {x for _, x in taken} - known)
        path = self.path("all.onnx")
        onnx.save(model, path)
        session, feeds = files.session(path), files.feeds(network, count)
        names = [o.name for o in session.get_outputs()]
        runs = [dict(zip(names, session.run(None, f))) | f for f in feeds]
        for n, x in taken:
            after = next((a for a in graph.node if a.op_type in ("Relu", "Clip") and a.input[0] == n.output[0]), None)
            nodes = [n] + [after] * bool(after)
            value = np.concatenate([r[x] for r in runs])
            part = helper.make_graph(nodes, "layer", [helper.make_tensor_value_info(x, 1, ["N", *value.shape[1:]])],
                                     [helper.make_tensor_value_info(nodes[-1].output[0], 1, None)],
                                     [constants[v] for m in nodes for v in m.input if v in constants])
            path = self.path("layer.onnx")
            onnx.save(helper.make_model(part, opset_imports=opsets, ir_version=model.ir_version), path)
            yield n.name, path, {x: value}

    def check_layers(self, network, count, step=1):
        """What ties do in one layer is more than ties in the next, so real networks agree layer by layer; as a whole they
        predict alike (test_export)."""
        for i, (name, path, arrays) in enumerate(self.layers(network, count)):
            if i < 2 or i % step == 0:
                with self.subTest(name):
                    self.check(path, arrays, ["int8", "w4a8"])

    def test_digits(self):
        self.check_layers(files.DIGITS, 20)


def add_real(name, count, step):
    def test(self):
        self.check_layers(self.real(name), count, step)
    setattr(Agreement, f"test_{name}", test)


for real in (("ds_cnn", 20, 2), ("resnet8", 20, 2), ("resnet20", 10, 4), ("mobilenet_v2", 2, 6)):
    add_real(*real)

if __name__ == "__main__":
    unittest.main(verbosity=2)
