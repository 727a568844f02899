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
    print(f"SKIP: lacks litert: {e}; it is the package ai-edge-litert")
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
    "resize_nearest_half_pixels": (IMAGE, {"s": ints(11, 9)}, [
        ("RESIZE_NEAREST_NEIGHBOR", "x s", "y", {1: byte(1)})], (1, 11, 9, 4)),
    "resize_nearest_corners": (IMAGE, {"s": ints(3, 11)}, [
        ("RESIZE_NEAREST_NEIGHBOR", "x s", "y", {0: byte(1)})], (1, 3, 11, 4)),
    "arithmetic": (IMAGE, {"c": normal(4)}, [
        ("SQUARED_DIFFERENCE", "x c", "a", {}), ("RSQRT", "a", "b", {}), ("SQUARE", "x", "d", {}),
        ("LOG", "d", "e", {}), ("ELU", "e", "f", {}), ("MINIMUM", "b f", "y", {})], IMAGE, dict.fromkeys("abdef", IMAGE)),
    "rounding": (IMAGE, {}, [
        ("ROUND", "x", "a", {}), ("CEIL", "x", "b", {}), ("SIN", "a", "c", {}), ("COS", "b", "d", {}),
        ("SUB", "c d", "y", {})], IMAGE, dict.fromkeys("abcd", IMAGE)),
    "powers": (IMAGE, {"c": np.array([2], np.float32)}, [
        ("POW", "x c", "a", {}), ("SQRT", "a", "b", {}), ("EXP", "b", "y", {})], IMAGE, dict.fromkeys("ab", IMAGE)),
    "gelu": (IMAGE, {}, [("GELU", "x", "y", {0: byte(0)})], IMAGE),
    "gelu_tanh": (IMAGE, {}, [("GELU", "x", "y", {0: byte(1)})], IMAGE),
    "prelu": (IMAGE, {"c": normal(1, 1, 4)}, [("PRELU", "x c", "y", {})], IMAGE),
    "log_softmax": ((1, 9), {}, [("LOG_SOFTMAX", "x", "y", {})], (1, 9)),
    "l2_normalization": (IMAGE, {}, [("L2_NORMALIZATION", "x", "y", {0: byte(0)})], IMAGE),
    "depth_to_space": (IMAGE, {}, [("DEPTH_TO_SPACE", "x", "y", {0: integer(2)})], (1, 14, 12, 1)),
    "reduce_max": (IMAGE, {"a": ints(1, 3)}, [("REDUCE_MAX", "x a", "y", {})], (1, 6)),
    "expand_and_squeeze": ((1, 6, 4), {"a": ints(1)}, [
        ("EXPAND_DIMS", "x a", "e", {}), ("RELU", "e", "r", {}), ("SQUEEZE", "r", "y", {})], (6, 4),
        dict.fromkeys("er", (1, 1, 6, 4))),
    "strided_slice_image": (IMAGE, {"b": ints(0, 1, 5, 0), "e": ints(1, 7, -7, 3), "s": ints(1, 2, -2, 1)}, [
        ("STRIDED_SLICE", "x b e s", "y", {0: integer(1 << 3), 1: integer(1 << 0)})], (1, 3, 3, 3)),
    "strided_slice_shrinks": (IMAGE, {"b": ints(0, 2, -1), "e": ints(0, 3, 0), "s": ints(1, 1, 1)}, [
        ("STRIDED_SLICE", "x b e s", "y", {0: integer(1), 1: integer(1), 4: integer(0b110)})], (1, 4)),
    "slice_one_pixel_less": (IMAGE, {"b": ints(0, 1, 0, 0), "s": ints(1, -1, -1, -1)}, [
        ("SLICE", "x b s", "y", {})], (1, 6, 6, 4)),
    "split": (IMAGE, {"a": ints(3)}, [
        ("SPLIT", "a x", "p q", {0: integer(2)}), ("SUB", "q p", "y", {})], (1, 7, 6, 2),
        dict.fromkeys("pq", (1, 7, 6, 2))),
    "split_sizes": (IMAGE, {"s": ints(1, -1, 2), "a": ints(-3)}, [
        ("SPLIT_V", "x s a", "p q r", {0: integer(3)}), ("CONCATENATION", "r q p", "y", {0: integer(1)})], IMAGE,
        {"p": (1, 1, 6, 4), "q": (1, 4, 6, 4), "r": (1, 2, 6, 4)}),
    "unpack_and_pack": (IMAGE, {}, [
        ("UNPACK", "x", "p q r s", {0: integer(4), 1: integer(3)}),
        ("PACK", "s p r", "y", {0: integer(3), 1: integer(1)})], (1, 3, 7, 6), dict.fromkeys("pqrs", (1, 7, 6))),
    "gather": (IMAGE, {"i": ints(3, 0, 0, 5)}, [("GATHER", "x i", "y", {0: integer(2)})], (1, 7, 4, 4)),
    "gather_one": (IMAGE, {"i": np.array(1, np.int32)}, [("GATHER", "x i", "y", {0: integer(-1)})], (1, 7, 6)),
    "batch_matmul": ((1, 5, 6), {"c": normal(1, 6, 3)}, [("BATCH_MATMUL", "x c", "y", {})], (1, 5, 3)),
    "batch_matmul_attention": ((1, 2, 5, 6), {}, [
        ("BATCH_MATMUL", "x x", "a", {1: byte(1)}), ("SOFTMAX", "a", "p", {0: real(1)}),
        ("BATCH_MATMUL", "p x", "q", {}), ("BATCH_MATMUL", "q p", "y", {0: byte(1)})], (1, 2, 6, 5),
        {"a": (1, 2, 5, 5), "p": (1, 2, 5, 5), "q": (1, 2, 5, 6)}),
    "cast_of_classes": (IMAGE, {"a": ints(3)}, [
        ("ARG_MAX", "x a", "m", {0: byte(4)}), ("CAST", "m", "y", {})], (1, 7, 6), {"m": ((1, 7, 6), "int64")}),
    "space_to_batch": (IMAGE, {"k": ints(2, 3), "p": ints((1, 0), (0, 3))}, [
        ("SPACE_TO_BATCH_ND", "x k p", "y", {})], (6, 4, 3, 4)),
    "batch_to_space": (IMAGE, {"k": ints(2, 3), "p": ints((1, 0), (0, 3)), "c": ints((0, 1), (2, 0))}, [
        ("SPACE_TO_BATCH_ND", "x k p", "s", {}), ("RELU", "s", "r", {}),
        ("BATCH_TO_SPACE_ND", "r k c", "y", {})], (1, 7, 7, 4), dict.fromkeys("sr", (6, 4, 3, 4))),
    "dilated_conv": (IMAGE, {"k": ints(2, 3), "p": ints((2, 3), (3, 3)), "c": ints((0, 1), (0, 0)),
                             "w": normal(5, 3, 3, 4), "b": normal(5)}, [
        ("SPACE_TO_BATCH_ND", "x k p", "s", {}),
        ("CONV_2D", "s w b", "t", {0: byte(VALID), 1: integer(1), 2: integer(1), 3: byte(RELU)}),
        ("BATCH_TO_SPACE_ND", "t k c", "y", {})], (1, 7, 6, 5), {"s": (6, 6, 4, 4), "t": (6, 4, 2, 5)}),
    "dilated_depthwise": (IMAGE, {"k": ints(2, 2), "p": ints((2, 3), (2, 2)), "c": ints((0, 1), (0, 0)),
                                  "w": normal(1, 3, 3, 4), "b": normal(4)}, [
        ("SPACE_TO_BATCH_ND", "x k p", "s", {}),
        ("DEPTHWISE_CONV_2D", "s w b", "t", {0: byte(VALID), 1: integer(1), 2: integer(1), 3: integer(1)}),
        ("BATCH_TO_SPACE_ND", "t k c", "y", {})], (1, 7, 6, 4), {"s": (4, 6, 5, 4), "t": (4, 4, 3, 4)}),
    "dilated_conv_read_twice": (IMAGE, {"k": ints(2, 2), "p": ints((2, 3), (2, 2)), "c": ints((0, 1), (0, 0)),
                                        "w": normal(4, 3, 3, 4), "b": normal(4)}, [
        ("SPACE_TO_BATCH_ND", "x k p", "s", {}),
        ("CONV_2D", "s w b", "t", {0: byte(VALID), 1: integer(1), 2: integer(1)}),
        ("RELU", "t", "u", {}), ("MAXIMUM", "t u", "v", {}),
        ("BATCH_TO_SPACE_ND", "v k c", "y", {})], (1, 7, 6, 4),
        {"s": (4, 6, 5, 4), "t": (4, 4, 3, 4), "u": (4, 4, 3, 4), "v": (4, 4, 3, 4)}),
    "lstm": ((1, 6, 3), {f"w{i}": normal(5, 3) for i in range(4)} | {f"r{i}": normal(5, 5) for i in range(4)}
             | {f"b{i}": normal(5) for i in range(4)}, [
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",
         "x w0 w1 w2 w3 r0 r1 r2 r3    b0 b1 b2 b3   h c    ", "y", {0: byte(4), 3: byte(0)})], (1, 6, 5),
        {"h": ((1, 5), "state"), "c": ((1, 5), "state")}),
    "lstm_time_major": ((6, 1, 3), {f"w{i}": normal(5, 3) for i in range(4)} | {f"r{i}": normal(5, 5) for i in range(4)}
                        | {f"b{i}": normal(5) for i in range(4)}, [
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",
         "x w0 w1 w2 w3 r0 r1 r2 r3    b0 b1 b2 b3   h c    ", "y", {0: byte(4), 3: byte(1)})], (6, 1, 5),
        {"h": ((1, 5), "state"), "c": ((1, 5), "state")}),
    "resize_nearest": (IMAGE, {"s": ints(11, 9)}, [("RESIZE_NEAREST_NEIGHBOR", "x s", "y", {})], (1, 11, 9, 4)),
}


def network(case):
    shape, constants, operators, out, *inner = CASES[case]
    tensors = [Tensor("x", shape), Tensor("y", out)] + [Tensor(n, data=c) for n, c in constants.items()]
    for name, given in (inner[0] if inner else {}).items():
        dims, kind = given if isinstance(given[-1], str) else (given, "float32")
        tensors.append(Tensor(name, dims, variable=True) if kind == "state" else Tensor(name, dims, kind))
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
