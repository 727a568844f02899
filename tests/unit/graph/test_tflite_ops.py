#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Every family of TFLite operators in a small network of its own, against LiteRT."""
import os
import sys
import tempfile
import unittest

try:
    import flatbuffers  # noqa: F401
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
except ImportError as e:
    print(f"skipped: {e}; LiteRT is the package ai-edge-litert")
    sys.exit(77)
import onnx_run
from tflite_builder import Tensor, build, byte, integer, real

rng = np.random.default_rng(1)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int32)


SAME, VALID, RELU, RELU6 = 0, 1, 1, 3
IMAGE = (1, 7, 6, 4)
# name -> shape of the input, constants, operators from "x" to "y", shape of y
CASES = {
    "conv_same_stride": (IMAGE, {"w": normal(5, 3, 3, 4), "b": normal(5)}, [
        ("CONV_2D", "x w b", "y", {0: byte(SAME), 1: integer(2), 2: integer(2), 3: byte(RELU6)})], (1, 4, 3, 5)),
    "conv_valid_dilated": (IMAGE, {"w": normal(5, 3, 2, 4), "b": normal(5)}, [
        ("CONV_2D", "x w b", "y", {0: byte(VALID), 1: integer(1), 2: integer(1), 4: integer(2), 5: integer(3)})],
        (1, 1, 4, 5)),
    "depthwise_multiplier": (IMAGE, {"w": normal(1, 3, 3, 8), "b": normal(8)}, [
        ("DEPTHWISE_CONV_2D", "x w b", "y",
         {0: byte(SAME), 1: integer(1), 2: integer(1), 3: integer(2), 4: byte(RELU)})], (1, 7, 6, 8)),
    "transpose_conv": (IMAGE, {"w": normal(3, 3, 3, 4), "s": ints(1, 14, 12, 3)}, [
        ("TRANSPOSE_CONV", "s w x", "y", {0: byte(SAME), 1: integer(2), 2: integer(2)})], (1, 14, 12, 3)),
    "average_pool_same": (IMAGE, {}, [
        ("AVERAGE_POOL_2D", "x", "y", {0: byte(SAME), 1: integer(2), 2: integer(2), 3: integer(3), 4: integer(3)})],
        (1, 4, 3, 4)),
    "average_pool_whole": (IMAGE, {}, [
        ("AVERAGE_POOL_2D", "x", "y", {0: byte(VALID), 1: integer(1), 2: integer(1), 3: integer(6), 4: integer(7)})],
        (1, 1, 1, 4)),
    "max_pool": (IMAGE, {}, [
        ("MAX_POOL_2D", "x", "y", {0: byte(VALID), 1: integer(1), 2: integer(2), 3: integer(2), 4: integer(3)})],
        (1, 3, 5, 4)),
    "image_to_rows": (IMAGE, {"s": ints(1, -1), "w": normal(3, 168), "b": normal(3)}, [
        ("RESHAPE", "x s", "r", {}), ("FULLY_CONNECTED", "r w b", "y", {0: byte(RELU)})], (1, 3), {"r": (1, 168)}),
    "fully_connected_of_image": (IMAGE, {"w": normal(3, 168)}, [("FULLY_CONNECTED", "x w ", "y", {})], (1, 3)),
    "rows_to_image": ((1, 24), {"s": ints(1, 2, 3, 4), "w": normal(5, 1, 1, 4), "b": normal(5)}, [
        ("RESHAPE", "x s", "r", {}),
        ("CONV_2D", "r w b", "y", {0: byte(SAME), 1: integer(1), 2: integer(1)})], (1, 2, 3, 5), {"r": (1, 2, 3, 4)}),
    "add_channels": (IMAGE, {"c": normal(4)}, [("ADD", "x c", "y", {0: byte(RELU)})], IMAGE),
    "mul_image_constant": (IMAGE, {"c": normal(1, 7, 6, 4)}, [("MUL", "x c", "y", {})], IMAGE),
    "sub_scalar": (IMAGE, {"c": normal(1)}, [("SUB", "c x", "y", {})], IMAGE),
    "maximum": (IMAGE, {"c": normal(1, 1, 1, 4)}, [("MAXIMUM", "x c", "y", {})], IMAGE),
    "activations": (IMAGE, {}, [
        ("LOGISTIC", "x", "a", {}), ("TANH", "a", "b", {}), ("HARD_SWISH", "b", "c", {}),
        ("LEAKY_RELU", "x", "d", {0: real(0.25)}), ("ADD", "c d", "y", {0: byte(0)})], IMAGE,
        dict.fromkeys("abcd", IMAGE)),
    "softmax_of_image": (IMAGE, {}, [("SOFTMAX", "x", "y", {0: real(1)})], IMAGE),
    "softmax_of_rows": ((1, 9), {}, [("SOFTMAX", "x", "y", {0: real(0.5)})], (1, 9)),
    "concat_channels": (IMAGE, {}, [
        ("RELU", "x", "r", {}), ("CONCATENATION", "x r", "y", {0: integer(3)})], (1, 7, 6, 8), {"r": IMAGE}),
    "concat_rows": (IMAGE, {}, [
        ("RELU6", "x", "r", {}), ("CONCATENATION", "x r", "y", {0: integer(1)})], (1, 14, 6, 4), {"r": IMAGE}),
    "pad": (IMAGE, {"p": ints((0, 0), (1, 2), (0, 1), (3, 0))}, [("PAD", "x p", "y", {})], (1, 10, 7, 7)),
    "mean_spatial": (IMAGE, {"a": ints(1, 2)}, [("MEAN", "x a", "y", {})], (1, 4)),
    "mean_spatial_kept": (IMAGE, {"a": ints(2, 1)}, [("MEAN", "x a", "y", {0: byte(1)})], (1, 1, 1, 4)),
    "mean_rows": (IMAGE, {"a": ints(1)}, [("MEAN", "x a", "y", {})], (1, 6, 4)),
    "sum_channels_kept": (IMAGE, {"a": ints(3)}, [("SUM", "x a", "y", {0: byte(1)})], (1, 7, 6, 1)),
    "transpose": (IMAGE, {"p": ints(0, 2, 3, 1)}, [("TRANSPOSE", "x p", "y", {})], (1, 6, 4, 7)),
    "slice": (IMAGE, {"b": ints(0, 1, 2, 0), "s": ints(1, -1, 3, 2)}, [("SLICE", "x b s", "y", {})], (1, 6, 3, 2)),
    "resize_bilinear": (IMAGE, {"s": ints(11, 9)}, [("RESIZE_BILINEAR", "x s", "y", {})], (1, 11, 9, 4)),
    "resize_bilinear_corners": (IMAGE, {"s": ints(11, 9)}, [
        ("RESIZE_BILINEAR", "x s", "y", {2: byte(1)})], (1, 11, 9, 4)),
    "resize_bilinear_half_pixels": (IMAGE, {"s": ints(5, 13)}, [
        ("RESIZE_BILINEAR", "x s", "y", {3: byte(1)})], (1, 5, 13, 4)),
    "resize_nearest": (IMAGE, {"s": ints(11, 9)}, [("RESIZE_NEAREST_NEIGHBOR", "x s", "y", {})], (1, 11, 9, 4)),
}


def network(case):
    shape, constants, operators, out, *inner = CASES[case]
    tensors = [Tensor("x", shape), Tensor("y", out)] + [Tensor(n, data=c) for n, c in constants.items()]
    tensors += [Tensor(n, s) for n, s in (inner[0] if inner else {}).items()]
    return build(tensors, [(t, i.split(" "), o.split(" "), f) for t, i, o, f in operators], ["x"], ["y"])


def to_nchw(a):
    return a.transpose(0, 3, 1, 2) if a.ndim == 4 else a


class Operators(unittest.TestCase):
    pass


def add(case):
    def test(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.tflite")
            with open(path, "wb") as f:
                f.write(network(case))
            interpreter = Interpreter(path)
            interpreter.allocate_tensors()
            x = normal(*CASES[case][0])
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
            interpreter.invoke()
            want = to_nchw(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
            for prepare in (False, True):
                got = onnx_run.run(path, [to_nchw(x)], prepare=prepare)[0]
                self.assertEqual(got.shape, want.shape)
                np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    setattr(Operators, f"test_{case}__agrees_with_litert", test)


for name in CASES:
    add(name)

if __name__ == "__main__":
    unittest.main(verbosity=2)
