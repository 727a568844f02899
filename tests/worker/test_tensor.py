#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The tensor job against numpy, scipy and ml_dtypes; hostile files."""
import json
import struct
import unittest

import ml_dtypes
import numpy as np
import onnx
from scipy import stats

import groups
import worker

TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}


def write_safetensors(path, arrays, header=None):
    at, entries = 0, {}
    for name, a in arrays.items():
        entries[name] = {"dtype": TYPES[a.dtype.name], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(entries).encode() if header is None else header
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(a.tobytes())


def noise(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return np.mean((x - y) ** 2)


def by_int8(x, most):
    scale = np.float32(most / 127)
    return np.clip(np.rint(x / scale), -128, 127) * scale


def by_e4m3fn(x, most):
    scale = np.float32(most / 448)
    return (x / scale).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * scale


class Tensor(worker.Case):
    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(7)

    def survey(self, path, *options, **more):
        return worker.run({"type": "tensor", "data": path, **more}, *options)[0]

    def test_rows__tensor_times_a_power_of_two__same_sqnr(self):
        w = self.rng.standard_normal((64, 64)).astype(np.float32)
        formats = ["int8", "uint4_asym", "E2", "e4m3fn", "nf4", "nvfp4", "int4_g32", "uint4_asym_g32"]
        for more in ({"range": "minmax"}, {"range": "mse"}):
            told = {}
            for k in (0, -20, -73, -100, -116, 63, 100, 124):
                np.save(self.path("w.npy"), np.ldexp(w, k))
                told[k] = [x["sqnr_db"] for x in self.survey(self.path("w.npy"), formats=formats, **more)["rows"]]
                np.testing.assert_allclose(told[k], told[0], atol=0.01, err_msg=f"2^{k}")
        # the numbers below 2^-126 are themselves rounded, to 16 bits here
        np.save(self.path("w.npy"), np.ldexp(w, -135))
        got = [x["sqnr_db"] for x in self.survey(self.path("w.npy"), formats=["int8", "int4"])["rows"]]
        np.save(self.path("w.npy"), w)
        np.testing.assert_allclose(got, [x["sqnr_db"] for x in self.survey(self.path("w.npy"), formats=["int8", "int4"])["rows"]], atol=0.1)

    def test_exact__only_where_nothing_is_lost(self):
        whole = np.arange(-127, 128).astype(np.float32)
        for x, exact in ((whole, True), (np.ldexp(whole, -100), True), (0 * whole, True), (np.append(whole, np.float32(1e-30)), False),
                         (np.ldexp(np.append(whole, 0.25), -120), False)):
            np.save(self.path("w.npy"), x.astype(np.float32))
            r = self.survey(self.path("w.npy"), formats=["int8"], granularities=["per_tensor"])
            row = r["rows"][0]
            self.assertEqual((row["exact"], r["total"][0]["exact"], row["best"], row["sqnr_db"] is None), (exact, exact, True, exact), x[-1])

    def test_rows__each_granularity__equal_numpy_and_ml_dtypes(self):
        w = self.rng.standard_normal((70, 96)).astype(np.float32) * np.exp(self.rng.standard_normal((70, 1))).astype(np.float32)
        np.save(self.path("w.npy"), w)
        r = self.survey(self.path("w.npy"), formats=["int8", "e4m3fn"])
        rows = {(x["granularity"], x["format"]): x for x in r["rows"]}
        views = {"per_tensor": w.reshape(1, -1), "per_channel": w, "per_block": w.reshape(-1, 32)}
        for name, quantize in (("int8", by_int8), ("e4m3fn", by_e4m3fn)):
            for granularity, v in views.items():
                y = quantize(v, np.abs(v).max(axis=1, keepdims=True))
                row = rows[granularity, name]
                self.assertAlmostEqual(row["mse"] / noise(v, y), 1, delta=1e-5, msg=row)
        self.assertEqual(len(rows), 6)
        self.assertAlmostEqual(rows["per_channel", "int8"]["bits"], 8 + 32 * 70 / w.size)
        self.assertEqual(rows["per_block", "int8"]["bits"], 9)

    def test_blocks__any_shape__run_along_the_innermost_dimension_alone(self):
        def scaled(v, most, scale):
            return np.where(most > 0, np.clip(np.rint(v / np.where(most > 0, scale, 1)), -127, 127) * scale, 0)

        def blocked(x, block, scale_of):
            """Each line in blocks of its own, the last one short."""
            lines = x.reshape(-1, x.shape[-1]).astype(np.float64)
            y = np.empty_like(lines)
            for at in range(0, lines.shape[1], block):
                v = lines[:, at:at + block]
                most = np.abs(v).max(axis=1, keepdims=True)
                y[:, at:at + block] = scaled(v, most, scale_of(most))
            return lines, y

        def mx(most):  # OCP MX: 2^(floor(log2 most) - 6), elements of 2^-6 steps
            return 2.0 ** (np.floor(np.log2(np.where(most > 0, most, 1))) - 6)

        def group(most):
            return (most / 127).astype(np.float32).astype(np.float64)

        for shape in ((50, 1), (1, 50), (7, 33), (100,), (3, 5, 7, 33), (2, 3, 4, 5), (4, 40000), (1, 3, 70001), (2, 33000, 3), (64, 3, 3, 3), (33000, 2)):
            x = (self.rng.standard_normal(shape) * np.exp(self.rng.standard_normal(shape))).astype(np.float32)
            np.save(self.path("w.npy"), x)
            for axis in {0, len(shape) - 1}:
                got = {(r["format"], r["granularity"]): r for r in self.survey(self.path("w.npy"), formats=["mxint8", "int8_g48", "int8_narrow"],
                                                                               granularities=["per_block"], axis=axis, block=16)["rows"]}
                for name, block, scale_of, bits in (("mxint8", 32, mx, 8), ("int8_g48", 48, group, 32), ("int8_narrow", 16, group, 32)):
                    lines, y = blocked(x, block, scale_of)
                    want = 10 * np.log10((lines ** 2).sum() / ((lines - y) ** 2).sum()) if np.any(lines != y) else None
                    row = got[name, "per_block"]
                    if want is None or want > 140:
                        self.assertTrue(row["sqnr_db"] is None or row["sqnr_db"] > 120, (shape, name, row))
                    else:
                        self.assertAlmostEqual(row["sqnr_db"], want, delta=0.02, msg=(shape, axis, name))
                    self.assertAlmostEqual(row["bits"], 8 + bits * -(-shape[-1] // block) / shape[-1], places=6)

    def test_zero_points_in_groups__any_shape__equal_numpy(self):
        for shape in ((50, 1), (1, 50), (7, 33), (3, 5, 7, 33), (1, 3, 70001), (33000, 2)):
            x = (self.rng.standard_normal(shape) * np.exp(self.rng.standard_normal(shape)) + 0.5).astype(np.float32)
            lines = x.reshape(-1, shape[-1])
            lines[: len(lines) // 4] = 0
            lines[len(lines) // 4: len(lines) // 2] = abs(lines[len(lines) // 4: len(lines) // 2])
            np.save(self.path("w.npy"), x)
            rows = self.survey(self.path("w.npy"), formats=["uint4_asym_g48", "int8_asym", "int3_asym_g5"], granularities=["per_block"], block=16)["rows"]
            got = {r["format"]: r for r in rows}
            for name, bits, size in (("uint4_asym_g48", 4, 48), ("int8_asym", 8, 16), ("int3_asym_g5", 3, 5)):
                y, row = groups.quantized_in_groups(lines, bits, size), got[name]
                self.assertAlmostEqual(row["mse"] / noise(lines, y) if row["mse"] else 1, 1, delta=1e-4, msg=(shape, name))
                self.assertAlmostEqual(row["bits"], bits + (32 + bits) * -(-shape[-1] // size) / shape[-1], places=6)

    def test_formats_without_a_scale__per_block__are_used_as_they_are(self):
        x = self.rng.standard_normal((40, 100)).astype(np.float32) * np.float32(1e-6)
        np.save(self.path("w.npy"), x)
        formats = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16, "fp8_e4m3_b7": None, "tf32": None}
        rows = self.survey(self.path("w.npy"), formats=list(formats), range="mse")["rows"]
        for name, dtype in formats.items():
            same = [r for r in rows if r["format"] == name]
            self.assertEqual(len(same), 3)
            self.assertEqual(len({(round(r["sqnr_db"], 5), r["bits"]) for r in same}), 1, same)
            if dtype:
                y = x.astype(dtype).astype(np.float64)
                self.assertAlmostEqual(same[0]["sqnr_db"], 10 * np.log10((x.astype(np.float64) ** 2).sum() / ((x - y) ** 2).sum()), delta=1e-3)
                self.assertEqual(same[0]["bits"], 16)

    def test_network__its_weights__and_no_other_constants(self):
        f = onnx.TensorProto.FLOAT
        c = {k: self.rng.standard_normal(s).astype(np.float32) for k, s in {
            "conv": (4, 3, 3, 3), "bias": (4,), "scale": (4,), "shift": (4,), "mean": (4,), "gain": (1, 4, 1, 1), "turned": (16, 36), "fc": (16, 8),
            "table": (10, 8), "slope": (4, 1, 1), "W": (1, 16, 8), "R": (1, 16, 4), "B": (1, 32)}.items()}
        c["var"] = np.abs(self.rng.standard_normal(4)).astype(np.float32)
        n = onnx.helper.make_node
        nodes = [n("Conv", ["x", "conv", "bias"], ["a"]), n("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"]), n("Mul", ["b", "gain"], ["c"]),
                 n("PRelu", ["c", "slope"], ["d"]), n("Flatten", ["d"], ["e"]), n("Transpose", ["turned"], ["t"], perm=[1, 0]), n("MatMul", ["e", "t"], ["g"]),
                 n("MatMul", ["g", "fc"], ["h"]), n("Gather", ["table", "i"], ["j"]), n("Add", ["h", "j"], ["k"]), n("Unsqueeze", ["k", "zero"], ["l"]),
                 n("LSTM", ["l", "W", "R", "B"], ["", "y"], hidden_size=4)]
        graph = onnx.helper.make_graph(nodes, "g", [onnx.helper.make_tensor_value_info("x", f, ["N", 3, 5, 5]), onnx.helper.make_tensor_value_info("i", onnx.TensorProto.INT64, ["N"])],
                                       [onnx.helper.make_tensor_value_info("y", f, None)],
                                       [onnx.numpy_helper.from_array(v, k) for k, v in {**c, "zero": np.array([0])}.items()])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), self.path("m.onnx"))
        r = worker.run({"type": "tensor", "model": self.path("m.onnx"), "formats": ["int8"]})[0]
        self.assertEqual({t["name"] for t in r["tensors"]}, {"conv", "t", "fc", "table", "W", "R"})  # a turned constant is folded
        self.assertEqual(r["skipped"], [])
        self.assertEqual({t["name"]: t["axis"] for t in r["tensors"] if t["name"] in ("conv", "fc")}, {"conv": 0, "fc": 1})

    def test_statistics__each_dtype__equal_scipy(self):
        for dtype in (np.float32, np.float16, ml_dtypes.bfloat16):
            w = (self.rng.standard_t(5, (40, 1000)) + 3).astype(dtype)
            write_safetensors(self.path("w.safetensors"), {"w": w})
            t = self.survey(self.path("w.safetensors"), formats=["E4"])["tensors"][0]
            x = w.astype(np.float64).ravel()
            self.assertAlmostEqual(t["kurtosis"], stats.kurtosis(x, fisher=False), delta=1e-8)
            self.assertAlmostEqual(t["mean"], x.mean(), delta=1e-10)
            self.assertAlmostEqual(t["std"], x.std(), delta=1e-10)
            self.assertEqual([np.float32(t[k]) for k in ("min", "max", "infinity_norm")],
                                 [np.float32(v) for v in (x.min(), x.max(), np.abs(x).max())])
            h = t["histogram"]
            edges = h["low"] + h["width"] * np.arange(len(h["counts"]) + 1)
            self.assertLessEqual(len(h["counts"]), 128)
            self.assertEqual(h["counts"], np.histogram(x, edges)[0].tolist())

    def test_outliers__three_loud_channels__named_by_index(self):
        w = self.rng.uniform(-1, 1, (64, 50)).astype(np.float32)
        w[[5, 17], 3] = 40, -30
        np.save(self.path("w.npy"), w)
        t = self.survey(self.path("w.npy"), formats=["int8"])["tensors"][0]
        self.assertEqual([(o["index"], o["infinity_norm"]) for o in t["outlier_channels"]], [(5, 40), (17, 30)])
        t = self.survey(self.path("w.npy"), formats=["int8"], axis=-1)["tensors"][0]
        self.assertEqual((t["axis"], t["channels"], [o["index"] for o in t["outlier_channels"]]), (1, 50, [3]))

    def test_axis__any__equals_the_transposed(self):
        w = (self.rng.standard_normal((6, 33000, 2)) * np.exp(self.rng.standard_normal((6, 33000, 2)))).astype(np.float32)
        for axis in range(3):
            moved = np.ascontiguousarray(np.moveaxis(w, axis, 0))
            np.save(self.path("w.npy"), w)
            np.save(self.path("m.npy"), moved)
            for method in ("minmax", "mse") if axis != 1 else ("minmax",):
                a, b = (next(x for x in self.survey(self.path(f), formats=["int8"], granularities=["per_channel"],
                                                    range=method, **k)["rows"])
                        for f, k in (("w.npy", {"axis": axis}), ("m.npy", {})))
                self.assertAlmostEqual(a["sqnr_db"], b["sqnr_db"], delta=1e-6)

    def test_range__mse__no_worse_than_minmax(self):
        w = self.rng.standard_t(3, (50, 300)).astype(np.float32)
        np.save(self.path("w.npy"), w)
        at = {m: {(x["granularity"], x["format"]): x["sqnr_db"] for x in self.survey(self.path("w.npy"), range=m)["rows"]}
              for m in ("minmax", "mse")}
        for key, db in at["mse"].items():
            self.assertGreaterEqual(db, at["minmax"][key] - 0.02, key)
        self.assertGreater(at["mse"]["per_tensor", "int8"], at["minmax"]["per_tensor", "int8"] + 0.2)

    def test_containers_and_threads__same_numbers__same_rows(self):
        w = self.rng.standard_normal((300, 777)).astype(np.float32)
        np.save(self.path("w.npy"), w)
        np.savez_compressed(self.path("w.npz"), x=w)
        write_safetensors(self.path("w.safetensors"), {"x": w})
        results = [self.survey(self.path(f), "--threads", n) for f, n in (
            ("w.npy", "1"), ("w.npy", "2"), ("w.npz", "2"), ("w.safetensors", "2"))]
        for r in results:
            r.pop("source")
            self.assertEqual(r, results[0])

    def test_nonfinite__are_counted_and_left_out(self):
        w = self.rng.standard_normal((8, 100)).astype(np.float32)
        w[0, 0], w[3, 5] = np.nan, np.inf
        np.save(self.path("w.npy"), w)
        r = self.survey(self.path("w.npy"), formats=["int8"])
        self.assertEqual(r["tensors"][0]["nonfinite"], 2)
        finite = w[np.isfinite(w)]
        row = r["rows"][0]
        self.assertAlmostEqual(row["mse"] / noise(finite, by_int8(finite, np.abs(finite).max())), 1, delta=1e-5)
        self.assertAlmostEqual(r["tensors"][0]["kurtosis"], stats.kurtosis(finite.astype(np.float64), fisher=False), delta=1e-9)

    def test_odd_tensors__scalar_empty_constant__are_handled(self):
        arrays = {"scalar": np.float32(3).reshape(()), "empty": np.zeros((0, 4), np.float32), "zeros": np.zeros((4, 4), np.float32),
                  "row": np.ones((1, 5), np.float32), "ids": np.arange(10)}
        write_safetensors(self.path("w.safetensors"), arrays)
        r = self.survey(self.path("w.safetensors"))
        self.assertEqual([t["name"] for t in r["tensors"]], ["scalar", "zeros", "row", "ids"])
        self.assertEqual([s["name"] for s in r["skipped"]], ["empty"])
        self.assertIsNone(next(t for t in r["tensors"] if t["name"] == "zeros")["kurtosis"])
        r = self.survey(self.path("w.safetensors"), tensors=["ids"])
        self.assertEqual([t["name"] for t in r["tensors"]], ["ids"])

    def test_model__weights_along_their_own_channels(self):
        model = self.shared("mlperf-tiny/resnet8.onnx")
        r = worker.run({"type": "tensor", "model": model, "formats": ["int8", "E4"]})[0]
        dense = [t for t in r["tensors"] if len(t["shape"]) == 2]
        self.assertTrue(dense and all(10 in t["shape"] and t["channels"] == 10 for t in dense), dense)
        self.assertGreater(len(r["tensors"]), 8)
        self.assertTrue(all(x["sqnr_db"] is None or x["sqnr_db"] > 20 for x in r["rows"]))

    def test_hostile_files__each__refused_with_a_sentence(self):
        huge = b'{"w":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4]}}'
        for header in (b"", b"{", b"[]", b'{"w":1}', huge, b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,400]}}',
                       b'{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
                       b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}'):
            write_safetensors(self.path("bad.safetensors"), {"w": np.zeros(1, np.float32)}, header)
            with self.assertRaises(worker.Failed, msg=header) as e:
                self.survey(self.path("bad.safetensors"))
            self.assertNotEqual(e.exception.code, "crash", header)
            self.assertGreater(len(e.exception.detail), 20)
        with open(self.path("bad.safetensors"), "wb") as f:
            f.write(struct.pack("<Q", 1 << 62) + b"{}")
        with self.assertRaises(worker.Failed) as e:
            self.survey(self.path("bad.safetensors"))
        self.assertNotEqual(e.exception.code, "crash")

    def test_bad_jobs__each__named_by_field(self):
        np.save(self.path("w.npy"), np.ones((3, 4), np.float32))
        for more, field in (({"axis": 5}, "axis"), ({"block": 48}, "block"), ({"formats": ["int0"]}, "formats\\[0\\]"),
                            ({"granularities": ["per_row"]}, "granularities\\[0\\]"), ({"tensors": ["y"]}, "tensors\\[0\\]"),
                            ({"model": "x.onnx"}, "either data")):
            with self.assertRaisesRegex(worker.Failed, field):
                self.survey(self.path("w.npy"), **more)


if __name__ == "__main__":
    unittest.main(verbosity=1)
