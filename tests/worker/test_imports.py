#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""What files may hold beside a plain float32 network, against ONNX Runtime; and what is said of those that do not run."""
import time
import unittest

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import worker

FLOAT, HALF, DOUBLE, BFLOAT = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16
node = helper.make_node


def session(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Imports(worker.Case):
    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(11)

    def normal(self, *shape):
        return self.rng.normal(size=shape).astype(np.float32)

    def save(self, nodes, constants, shape=("N", 3, 8, 8), kind=FLOAT, opset=17, out=None, name="m.onnx", more=()):
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", kind, shape), *more],
            [helper.make_tensor_value_info("y", kind if out is None else out, None)],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9 if opset > 18 else 8)
        onnx.save(model, self.path(name))
        return self.path(name)

    def run_job(self, model, x, y, metric="mse", **more):
        np.savez(self.path("d.npz"), **(x if isinstance(x, dict) else {"x": x}), y=y)
        return worker.run({"type": "ptq", "model": model, "data": self.path("d.npz"), "metric": metric, "schemes": ["int8"],
                           "latency": False, "workdir": self.folder} | more)[0]

    def fails(self, *args, words, **more):
        with self.assertRaises(worker.Failed) as caught:
            self.run_job(*args, **more)
        self.assertNotEqual(caught.exception.code, "crash")
        for word in words:
            self.assertIn(word, caught.exception.detail)

    def conv(self, dtype=np.float32):
        return [node("Conv", ["x", "w"], ["c"]), node("Relu", ["c"], ["y"])], {"w": self.normal(4, 3, 3, 3).astype(dtype)}

    # ---- other floats

    def other_float(self, kind, dtype, rtol, runtime=True, wider=False):
        nodes, constants = self.conv(dtype)
        x = self.normal(24, 3, 8, 8)
        path = self.save(nodes, constants, kind=kind)
        inspected, _ = worker.run({"type": "inspect", "model": path})
        self.assertIn("converted to float32", inspected["notes"][0])
        plain = self.save(nodes, {k: v.astype(np.float32) for k, v in constants.items()}, name="plain.onnx")
        y = session(path).run(None, {"x": x.astype(dtype)})[0].astype(np.float32) if runtime else session(plain).run(None, {"x": x})[0]
        result = self.run_job(path, x if not wider else x.astype(np.float64), y, export=["qdq", "float"])
        self.assertLess(result["float"]["metric"], rtol ** 2 * np.mean(y ** 2))
        self.assertIn(inspected["inputs"][0]["type"], result["notes"][0])
        for file in ("int8.qdq.onnx", "float.onnx"):
            got = session(self.path(file)).run(["y"], {"x": x})[0]
            self.assertEqual(got.dtype, np.float32)
            self.assertLess(np.mean((got - y) ** 2), 1e-2 * np.mean(y ** 2))

    def test_float16(self):
        self.other_float(HALF, np.float16, 2e-3)

    def test_float64__and_data_of_float64(self):
        self.other_float(DOUBLE, np.float64, 1e-6, runtime=False, wider=True)

    def test_bfloat16(self):
        self.other_float(BFLOAT, ml_dtypes.bfloat16, 1e-6, runtime=False)

    def test_float16_weights_and_casts_within_a_float32_network(self):
        w = self.normal(4, 3, 3, 3).astype(np.float16)
        path = self.save([node("Cast", ["w"], ["w32"], to=FLOAT), node("Conv", ["x", "w32"], ["c"]), node("Cast", ["c"], ["h"], to=HALF),
                          node("Relu", ["h"], ["r"]), node("Cast", ["r"], ["y"], to=FLOAT)], {"w": w})
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x})[0]
        result = self.run_job(path, x, y)
        self.assertLess(result["float"]["metric"], 1e-6 * np.mean(y ** 2))
        self.assertIn("float16", result["notes"][0])
        self.assertIn("w32", {t["name"] for t in result["schemes"][0]["tensors"] if t["kind"] == "weight"})

    def test_float16_output(self):
        path = self.save([node("Conv", ["x", "w"], ["c"]), node("Cast", ["c"], ["y"], to=HALF)], {"w": self.normal(4, 3, 3, 3)}, out=HALF)
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x})[0]
        self.assertLess(self.run_job(path, x, y.astype(np.float32))["float"]["metric"], 1e-6 * np.mean(y.astype(np.float32) ** 2))

    def test_float64_masks_beyond_float32(self):
        mask = np.zeros((1, 1, 1, 8))
        mask[..., 3:] = np.finfo(np.float64).min
        path = self.save([node("Add", ["x", "m"], ["a"]), node("Softmax", ["a"], ["y"], axis=-1)], {"m": mask}, kind=DOUBLE)
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x.astype(np.float64)})[0]
        self.assertLess(self.run_job(path, x, y)["float"]["metric"], 1e-12)

    def test_float32__has_no_notes(self):
        nodes, constants = self.conv()
        path = self.save(nodes, constants)
        self.assertNotIn("notes", worker.run({"type": "inspect", "model": path})[0])

    # ---- free dimensions

    def check_dims(self, file, want):
        got = [[d.dim_param or d.dim_value or None for d in v.type.tensor_type.shape.dim]
               for v in (*onnx.load(self.path(file)).graph.input, *onnx.load(self.path(file)).graph.output)]
        self.assertEqual(got, want)

    def test_free_dimensions__stay_free_in_exports(self):
        nodes, constants = self.conv()
        path = self.save(nodes, constants, shape=("batch", 3, "height", None))
        inspected, _ = worker.run({"type": "inspect", "model": path})
        self.assertEqual(inspected["inputs"][0]["shape"], ["N", 3, None, None])
        self.assertNotIn("macs", inspected)
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x})[0]
        self.run_job(path, x, y, schemes=["int8", "int4"], export=["qdq", "float"])
        for file in ("int8.qdq.onnx", "int4.qdq.onnx", "float.onnx"):
            self.check_dims(file, [["batch", 3, "height", None], ["N", 4, None, None]])
            self.assertEqual(session(self.path(file)).run(["y"], {"x": self.normal(2, 3, 11, 7)})[0].shape, (2, 4, 9, 5))

    def test_free_dimensions__that_the_network_computes_with__stay_free(self):
        path = self.save([node("Conv", ["x", "w"], ["c"]), node("Shape", ["c"], ["s"]), node("Slice", ["s", "two", "four"], ["hw"]),
                          node("Concat", ["nc", "hw"], ["t"], axis=0), node("Reshape", ["c", "t"], ["r"]), node("Relu", ["r"], ["y"])],
                         {"w": self.normal(4, 3, 3, 3), "two": np.array([2]), "four": np.array([4]), "nc": np.array([-1, 4])},
                         shape=("N", 3, "H", "W"))
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x})[0]
        result = self.run_job(path, x, y, export=["qdq", "float"])
        for file in ("int8.qdq.onnx", "float.onnx"):
            self.assertEqual(session(self.path(file)).run(["y"], {"x": self.normal(2, 3, 11, 7)})[0].shape, (2, 4, 9, 5))
            self.assertEqual([d.dim_param for d in onnx.load(self.path(file)).graph.input[0].type.tensor_type.shape.dim], ["N", "", "H", "W"])
        got = session(self.path("int8.qdq.onnx")).run(["y"], {"x": x})[0]
        # One output of 3,456 that lies between two codes and is rounded the other way moves the mean by up to 0.4 %.
        self.assertAlmostEqual(float(np.mean((got - y) ** 2)), result["schemes"][0]["metric"], delta=1e-2 * result["schemes"][0]["metric"])

    def test_no_shape__is_that_of_the_data(self):
        nodes, constants = self.conv()
        path = self.save(nodes, constants, shape=None)
        worker.run({"type": "inspect", "model": path})
        x = self.normal(24, 3, 8, 8)
        y = session(path).run(None, {"x": x})[0]
        self.assertLess(self.run_job(path, x, y, export=["qdq"])["float"]["metric"], 1e-10)
        session(self.path("int8.qdq.onnx")).run(["y"], {"x": x})

    # ---- what is said

    def test_missing_input__says_what_is_wanted_and_found(self):
        nodes = [node("Conv", ["x", "w"], ["c"]), node("Add", ["c", "z"], ["y"])]
        path = self.save(nodes, {"w": self.normal(4, 3, 3, 3)}, shape=("N", 3, "H", "W"), more=[helper.make_tensor_value_info("z", FLOAT, ["N", 4, 1, 1])])
        self.fails(path, self.normal(8, 3, 8, 8), np.zeros(8), words=['"z"', "float32 [N,4,1,1]", "x (float32 [8,3,8,8])"])
        self.fails(path, {"q": self.normal(8, 3, 8, 8), "z": self.normal(8, 4, 1, 1)}, np.zeros(8), words=['"x"', "[N,3,?,?]", "q (float32"])

    def test_output_of_integers__says_its_type_and_shape(self):
        path = self.save([node("ArgMax", ["x"], ["y"], axis=1)], {}, out=TensorProto.INT64)
        self.fails(path, self.normal(8, 3, 8, 8), np.zeros(8), words=['"y"', "int64 [8,1,8,8]", "float32"])

    def test_wrong_rank__says_both(self):
        nodes, constants = self.conv()
        self.fails(self.save(nodes, constants, shape=("N", 3, "H", "W")), self.normal(8, 3, 8), np.zeros(8), words=["[8,3,8]", "[N,3,?,?]"])

    def test_batch_norm_in_training__is_refused(self):
        constants = {"s": self.normal(3), "b": self.normal(3), "m": self.normal(3), "v": np.abs(self.normal(3))}
        ins = ["x", "s", "b", "m", "v"]
        for opset, n in ((7, node("BatchNormalization", ins, ["y", "m2", "v2", "sm", "sv"])), (9, node("BatchNormalization", ins, ["y", "", "", "sm"])),
                         (14, node("BatchNormalization", ins, ["y"], training_mode=1)),
                         (15, node("BatchNormalization", ins, ["y", "m2", "v2"], training_mode=1))):
            path = self.save([n], constants, opset=opset)
            self.fails(path, self.normal(8, 3, 8, 8), np.zeros(8), words=["BatchNormalization", "training mode"])
        path = self.save([node("BatchNormalization", ins, ["y", "", "", "", ""])], constants, opset=9)
        x = self.normal(8, 3, 8, 8)
        plain = self.save([node("BatchNormalization", ins, ["y"])], constants, opset=9, name="plain.onnx")
        y = session(plain).run(None, {"x": x})[0]
        self.assertLess(self.run_job(path, x, y)["float"]["metric"], 1e-10)

    # ---- quantization that a file brings

    def test_saturate__off_makes_what_is_out_of_range_nan_or_infinite(self):
        for kind, name in ((TensorProto.FLOAT8E4M3FN, "e4m3fn"), (TensorProto.FLOAT8E5M2, "e5m2")):
            for saturate in (0, 1):
                zero = helper.make_tensor("z", kind, [], [0.])
                path = self.save([node("QuantizeLinear", ["x", "s", "z"], ["q"], saturate=saturate), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
                                  node("Relu", ["d"], ["y"])], {"s": np.float32(.01)}, opset=19)
                model = onnx.load(path)
                model.graph.initializer.append(zero)
                onnx.save(model, path)
                x = self.normal(24, 3, 8, 8) * np.float32(4 if name == "e4m3fn" else 200)
                y = session(path).run(None, {"x": x})[0]
                self.assertEqual(bool(np.isfinite(y).all()), saturate == 1)
                result = self.run_job(path, x, np.where(np.isfinite(y), y, 0).astype(np.float32), schemes=["carried"], export=["qdq"])
                row = result["schemes"][0]
                self.assertEqual(row["nan_outputs"] > 0 or row["metric"] is None, saturate == 0, name)
                got = session(self.path("carried.qdq.onnx")).run(["y"], {"x": x})[0]
                np.testing.assert_array_equal(got, y)

    def test_dynamic_quantize_lstm(self):
        for directions in (1, 2):
            for per_channel in (False, True):
                constants = {"w": self.normal(directions, 20, 6) * np.float32(.4), "r": self.normal(directions, 20, 5) * np.float32(.4),
                             "b": self.normal(directions, 40) * np.float32(.1)}
                lstm = [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
                        node("LSTM", ["t", "w", "r", "b"], ["", "h"], hidden_size=5, direction="bidirectional" if directions == 2 else "forward"),
                        node("Transpose", ["h"], ["y"], perm=[1, 0, 2])]
                path = self.save(lstm, constants, shape=("N", 7, 6))
                quantize_dynamic(path, self.path("q.onnx"), per_channel=per_channel, weight_type=QuantType.QInt8 if per_channel else QuantType.QUInt8)
                self.assertIn("DynamicQuantizeLSTM", {n.op_type for n in onnx.load(self.path("q.onnx")).graph.node})
                x = self.normal(48, 7, 6)
                y, q = (session(p).run(None, {"x": x})[0] for p in (path, self.path("q.onnx")))
                result = self.run_job(self.path("q.onnx"), x, q, schemes=["int8", "carried"])
                # An LSTM of the weights that the codes stand for; ONNX Runtime quantizes its input and state, too.
                held = {i.name: numpy_helper.to_array(i) for i in onnx.load(self.path("q.onnx")).graph.initializer}
                for k in "wr":
                    scale, zero = (held[f"{k}_{what}"].reshape(directions, 1, -1) for what in ("scale", "zero_point"))
                    real = (held[f"{k}_quantized"].astype(np.float32) - zero) * scale
                    constants[k] = real.transpose(0, 2, 1).astype(np.float32)
                want = session(self.save(lstm, constants, shape=("N", 7, 6), name="real.onnx")).run(None, {"x": x})[0]
                mse = float(np.mean((want - q) ** 2))
                self.assertAlmostEqual(result["float"]["metric"], mse, delta=1e-3 * mse + 1e-9)
                self.assertLess(result["schemes"][1]["metric"], 2 * np.mean((q - y) ** 2))

    # ---- work before anything runs

    def test_folding__has_a_budget(self):
        nodes = [node("ConstantOfShape", ["s"], ["a0"], value=helper.make_tensor("v", FLOAT, [1], [.001]))]
        nodes += [node("MatMul", [f"a{i}", "a0"], [f"a{i + 1}"]) for i in range(100)]
        nodes += [node("ReduceMean", ["a100"], ["m"], keepdims=0), node("Add", ["x", "m"], ["y"])]
        path = self.save(nodes, {"s": np.array([3000, 3000])})
        start = time.monotonic()
        worker.run({"type": "inspect", "model": path})
        self.assertLess(time.monotonic() - start, 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
