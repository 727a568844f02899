#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Networks that bring their quantization (QDQ and QOperator files made by ONNX Runtime's quantizer): the scheme
"carried" against ONNX Runtime running the same file."""
import unittest

from files import Case, DIGITS, feeds, predictions
import int8_peers
import numpy as np
import onnx
import onnx_run
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic
import worker

KINDS = {
    "qdq_u8": {},
    "qdq_s8_per_tensor": dict(activation_type=QuantType.QInt8, per_channel=False),
    "qdq_s8_symmetric": dict(activation_type=QuantType.QInt8, extra_options={"ActivationSymmetric": True}),
    "qdq_u8_weights": dict(weight_type=QuantType.QUInt8, per_channel=False),
    "qdq_u16": dict(activation_type=QuantType.QUInt16),
    "qoperator_u8": dict(quant_format=QuantFormat.QOperator),
}


def ptq(model, data, preprocess, **more):
    return worker.run({"type": "ptq", "model": model, "data": data, "preprocess": preprocess,
                       "schemes": ["carried"], "latency": False, "calibration": {"samples": 10}} | more)[0]


class Carried(Case):
    def quantize(self, network, kind):
        return int8_peers.make(network[0], self.path("q.onnx"), feeds(network, 100), **KINDS[kind])

    def check(self, network, kind):
        """Accuracies agree but for a few samples that lie between two classes."""
        path = self.quantize(network, kind)
        y = np.load(network[1])["y"]
        samples = feeds(network, len(y))
        right = predictions(path, samples).argmax(1) == y
        result = ptq(path, network[1], network[2])
        row = result["schemes"][0]
        # what is left without quantizers is the network that the file was made of
        self.assertAlmostEqual(result["float"]["metric"], row["metric"], delta=3)
        self.assertAlmostEqual(row["metric"], 100 * right.mean(), delta=100 * 4 / len(y))
        self.assertEqual(row["activations"]["range"], "carried")
        kinds = {t["kind"] for t in row["tensors"]}
        self.assertEqual(kinds, {"weight", "activation"})
        return path, row, samples

    def test_digits__agrees_with_onnx_runtime(self):
        for kind in KINDS:
            with self.subTest(kind):
                path, row, samples = self.check(DIGITS, kind)
                want = predictions(path, samples[:8])
                got = onnx_run.run(path, [np.concatenate([next(iter(f.values())) for f in samples[:8]])])[0]
                self.assertLess(np.abs(got - want).max(), 0.1 * np.abs(want).max())

    def test_digits__carried_weights_are_exact_and_counted_in_their_bits(self):
        path = self.quantize(DIGITS, "qdq_u8")
        result = ptq(path, *DIGITS[1:])
        row = result["schemes"][0]
        for t in row["tensors"]:
            if t["kind"] == "weight":
                self.assertTrue(t["sqnr_db"] is None or t["sqnr_db"] > 120, t)
        self.assertLess(row["size_bytes"], 0.45 * result["float"]["size_bytes"])

    def test_digits__carried_runs_on_integers(self):
        for kind in ("qdq_u8", "qoperator_u8"):
            result = ptq(self.quantize(DIGITS, kind), *DIGITS[1:], samples=20,
                         latency={"min_seconds": 0, "min_queries": 20, "warmup_seconds": 0})
            row = result["schemes"][0]
            self.assertEqual(row["latency"]["execution"], "native")
            self.assertGreaterEqual(row["integer"]["steps"], 5)
            # The answer, which nothing quantized reads, may be all that is left in float.
            self.assertLessEqual({n["type"] for n in row["integer"]["float_steps"]}, {"Softmax"})
            self.assertTrue(all(n["node"] and n["why"] for n in row["integer"]["float_steps"]))

    def test_dynamic_quantization__becomes_float_operators_with_quantizers(self):
        rng = np.random.default_rng(5)
        w = [rng.normal(size=s).astype(np.float32) * 0.3 for s in ((32, 24), (24, 6))]
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w0"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("MatMul", ["b", "w1"], ["y"])], "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 32])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])],
            [numpy_helper.from_array(a, f"w{i}") for i, a in enumerate(w)])
        path, quantized = (self.path(n) for n in ("f.onnx", "d.onnx"))
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        x = rng.normal(size=(64, 32)).astype(np.float32)
        data = self.path("x.npz")
        for per_channel in (False, True):
            # weights of 7 bits, with which no processor's sums saturate
            quantize_dynamic(path, quantized, per_channel=per_channel, reduce_range=True,
                             weight_type=QuantType.QInt8)
            self.assertIn("MatMulInteger", {n.op_type for n in onnx.load(quantized).graph.node})
            y = predictions(quantized, [{"x": x}])
            # but for codes between two steps
            self.assertLess(((onnx_run.run(quantized, [x])[0] - y) ** 2).mean(), 1e-3 * (y ** 2).mean())
            np.savez(data, x=x, y=y)
            row = ptq(quantized, data, {}, metric="mse", calibration={"samples": 64})["schemes"][0]
            self.assertLess(row["metric"], 1e-3 * float((y ** 2).mean()))
            self.assertEqual(sorted(t["kind"] for t in row["tensors"]), ["activation"] * 2 + ["weight"] * 2)
            self.assertEqual(row["weights"]["granularity"], "per_channel" if per_channel else "per_tensor")

    def test_float_network__carried_is_refused(self):
        with self.assertRaises(worker.Failed) as caught:
            ptq(*DIGITS)
        self.assertIn("brings no quantization", caught.exception.detail)

    def matmul(self, weight, scale, zero, opset, axis, block=0):
        """x -> MatMul with DequantizeLinear(weight)."""
        attributes = dict(axis=axis) | (dict(block_size=block) if block else {})
        constants = [weight, numpy_helper.from_array(scale, "s")] + ([zero] if zero is not None else [])
        graph = helper.make_graph(
            [helper.make_node("DequantizeLinear", ["w", "s"] + ["z"] * (zero is not None), ["d"], **attributes),
             helper.make_node("MatMul", ["x", "d"], ["y"])], "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 32])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])], constants)
        path = self.path("m.onnx")
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
        x = np.random.default_rng(1).normal(size=(40, 32)).astype(np.float32)
        data = self.path("x.npz")
        np.savez(data, x=x, y=np.zeros((40, 6), np.float32))
        return path, data, x

    def check_matmul(self, *network, format, granularity, symmetric=True):
        path, data, x = self.matmul(*network)
        want = predictions(path, [{"x": x}])
        np.testing.assert_allclose(onnx_run.run(path, [x])[0], want, rtol=1e-5, atol=1e-5)
        result = ptq(path, data, {}, metric="mse")
        row = result["schemes"][0]
        self.assertAlmostEqual(row["metric"], float((want.astype(np.float64) ** 2).mean()), places=4)
        self.assertEqual((row["weights"]["format"], row["weights"]["granularity"]), (format, granularity))
        self.assertEqual(row["weights"].get("symmetric"), symmetric)
        self.assertLess(row["size_bytes"], result["float"]["size_bytes"])

    def test_int4_weights__per_channel_and_in_blocks(self):
        codes = np.random.default_rng(2).integers(-8, 8, (32, 6))
        weight = helper.make_tensor("w", TensorProto.INT4, codes.shape, codes.flatten().tolist())
        scale = np.linspace(0.1, 0.6, 6, dtype=np.float32)
        self.check_matmul(weight, scale, None, 21, 1, format="int4", granularity="per_channel")
        zero = helper.make_tensor("z", TensorProto.INT4, (4, 6), [1, -1, 0] * 8)
        scales = np.random.default_rng(3).uniform(0.1, 1, (4, 6)).astype(np.float32)
        self.check_matmul(weight, scales, zero, 21, 0, 8, format="int4", granularity="per_block", symmetric=False)
        zero = helper.make_tensor("z", TensorProto.INT4, (4, 6), [0] * 24)
        self.check_matmul(weight, scales, zero, 21, 0, 8, format="int4", granularity="per_block")

    def test_float8_weights__per_channel(self):
        values = np.random.default_rng(4).normal(size=(32, 6))
        weight = helper.make_tensor("w", TensorProto.FLOAT8E4M3FN, values.shape, values.flatten().tolist())
        zero = helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, (6,), [0.] * 6)
        self.check_matmul(weight, np.linspace(0.1, 0.6, 6, dtype=np.float32), zero, 19, 1,
                          format="e4m3fn", granularity="per_channel", symmetric=None)


def add_real(name, kind):
    def test(self):
        self.check(self.real(name), kind)
    setattr(Carried, f"test_{name}_{kind}__agrees_with_onnx_runtime", test)


for network in ("ds_cnn", "resnet8", "resnet20"):
    add_real(network, "qdq_u8")
add_real("resnet8", "qoperator_u8")

if __name__ == "__main__":
    unittest.main(verbosity=2)
