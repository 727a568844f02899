#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Data files as numpy writes them: order in memory, byte order, types, arrays that nobody reads."""
import unittest

import numpy as np
from onnx import helper

import tiny
import worker


class Data(tiny.Case):
    def setUp(self):
        super().setUp()
        self.w = self.normal(5, 2, 3, 4)
        self.model = self.save_model("m.onnx", [helper.make_node("Mul", ["x", "c"], ["a"]), helper.make_node("ReduceSum", ["a", "axes"], ["y"], keepdims=0)],
                                     {"x": (tiny.FLOAT, ["N", 2, 3, 4])}, {"y": (tiny.FLOAT, ["N", 2])},
                                     {"c": self.w[:1], "axes": np.array([2, 3], np.int64)})

    def mse(self, **arrays):
        for save in (np.savez, np.savez_compressed):
            save(self.path("d.npz"), **arrays)
            result = worker.run({"type": "ptq", "model": self.model, "data": self.path("d.npz"), "metric": "mse", "schemes": ["int8"],
                                 "latency": False, "threads": 2})[0]
        return result["float"]["metric"]

    def y(self, x):
        return (x.astype(np.float32) * self.w[:1]).sum((2, 3))

    def test_order_in_memory__any__is_the_same_data(self):
        x = self.normal(300, 2, 3, 4)
        views = {"Fortran": np.asfortranarray(x), "transposed": np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
                 "reversed": x.T.copy().T, "batch last": np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(3, 0, 1, 2)}
        for name, view in views.items():
            for order in "<>":
                self.assertLess(self.mse(x=view.astype(order + "f4", order="K"), y=np.asfortranarray(self.y(x))), 1e-9, name)

    def test_types__integers_halves_doubles_and_bools__feed_a_float_input(self):
        for dtype in ("u1", "i1", ">u2", "<i2", ">i4", "u4", "i8", ">u8", "?", "f2", ">f2", ">f8"):
            x = (self.random.integers(0, 100, (40, 2, 3, 4)) * .5).astype(dtype)
            self.assertLess(self.mse(x=np.asfortranarray(x), y=self.y(x)), 1e-6, dtype)

    def test_types__integers__feed_integer_inputs_or_are_told_that_they_do_not_fit(self):
        for model_type, name in ((helper.TensorProto.INT64, "int64"), (helper.TensorProto.INT32, "int32"), (helper.TensorProto.BOOL, "bool")):
            model = self.save_model("ids.onnx", [helper.make_node("Cast", ["x"], ["f"], to=tiny.FLOAT), helper.make_node("Mul", ["f", "c"], ["y"])],
                                    {"x": (model_type, ["N", 4])}, {"y": (tiny.FLOAT, ["N", 4])}, {"c": np.full((1, 4), 2, np.float32)})
            for dtype in ("u1", "i1", "u2", ">i2", "i4", "u4", "i8", "?"):
                x = self.random.integers(0, 2, (20, 4)).astype(dtype)
                data = self.save_data("ids.npz", x=x, y=x.astype(np.float32) * 2)
                got = worker.run({"type": "ptq", "model": model, "data": data, "metric": "mse", "schemes": ["int8"], "latency": False})[0]
                self.assertLess(got["float"]["metric"], 1e-9, (name, dtype))
        x = np.full((20, 4), 2 ** 40)
        model = self.save_model("i32.onnx", [helper.make_node("Cast", ["x"], ["f"], to=tiny.FLOAT), helper.make_node("Mul", ["f", "c"], ["y"])],
                                {"x": (helper.TensorProto.INT32, ["N", 4])}, {"y": (tiny.FLOAT, ["N", 4])}, {"c": np.full((1, 4), 2, np.float32)})
        with self.assertRaisesRegex(worker.Failed, "holds 1099511627776, which is no int32"):
            worker.run({"type": "ptq", "model": model, "data": self.save_data("big.npz", x=x, y=x.astype(np.float32)), "metric": "mse",
                        "schemes": ["int8"], "latency": False})

    def test_arrays_that_nobody_reads__of_any_type__are_listed(self):
        x = self.normal(20, 2, 3, 4)
        others = {"names": np.array(["a", "bcd"]), "raw": np.array([b"ab", b"c"]), "objects": np.array([{"a": 1}, None], dtype=object),
                  "records": np.array([(1, 2.)], dtype=[("shape", "<i4"), ("descr", "<f8")]), "z": x.astype(np.complex64), "wide": x.astype(np.complex128),
                  "when": np.array(["2020-01-01"], "M8[D]"), "flag": np.array(True), "none": np.zeros((0, 3)), "one": np.float64(3), "deep": np.zeros((1,) * 9),
                  "long": np.zeros(3, np.longdouble)}
        self.assertLess(self.mse(x=x, y=self.y(x), **others), 1e-9)
        listed = {a["name"]: (a["type"], a["shape"]) for a in worker.run({"type": "inspect", "data": self.path("d.npz")})[0]["arrays"]}
        for name, want in {"names": "str", "raw": "bytes", "objects": "object", "records": "structured", "z": "complex64", "wide": "complex128",
                           "when": "datetime64", "flag": "bool", "none": "float64", "one": "float64", "x": "float32"}.items():
            self.assertEqual(listed[name][0], want)
        self.assertEqual((listed["flag"][1], listed["none"][1], listed["names"][1]), ([], [0, 3], [2]))
        result = worker.run({"type": "tensor", "data": self.path("d.npz"), "formats": ["int8"]})[0]
        self.assertEqual({t["name"] for t in result["tensors"]}, {"x", "y", "one"})
        self.assertLessEqual({"names", "objects", "flag", "none", "deep"}, {s["name"] for s in result["skipped"]})

    def test_arrays_that_are_read__and_hold_no_numbers__are_named(self):
        x = self.normal(20, 2, 3, 4)
        for arrays in (dict(x=x, y=np.array(["a"] * 20)), dict(x=x.astype(object), y=self.y(x)), dict(x=x.astype(np.complex64), y=self.y(x))):
            with self.assertRaisesRegex(worker.Failed, r'array "[xy]" is of type (str|object|complex64)'):
                self.mse(**arrays)

    def test_single_arrays__of_every_version_and_order__are_surveyed_alike(self):
        x = self.normal(70, 33, 3)
        want = None
        for version in ((1, 0), (2, 0), (3, 0)):
            for order in ("C", "F"):
                with open(self.path("a.npy"), "wb") as f:
                    np.lib.format.write_array(f, np.array(x, order=order), version=version)
                rows = worker.run({"type": "tensor", "data": self.path("a.npy"), "formats": ["int8", "mxfp4"]})[0]["rows"]
                want = want or rows
                self.assertEqual(rows, want)


if __name__ == "__main__":
    unittest.main(verbosity=1)
