#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""What a ptq job exports: QDQ networks that ONNX Runtime runs with the same predictions, AIMET's encodings, a report."""
import html.parser
import json
import re
import unittest

from files import Case, DIGITS, feeds, predictions, session
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
import groups
import worker


def run(path, network):
    data = np.load(network[1])
    return predictions(path, feeds(network, len(data["x"]))), data


class Export(Case):
    def job(self, network, schemes, export, **more):
        model, data, preprocess = network
        return worker.run({"type": "ptq", "model": model, "data": data, "preprocess": preprocess, "schemes": schemes,
                           "latency": False, "workdir": self.folder, "export": export} | more)

    def exported(self, result, kind="qdq"):
        return {e.get("scheme"): self.path(e["name"])
                for e in result["exports"] if e["kind"] == kind and "name" in e}

    def check_predictions(self, network, schemes):
        result, events = self.job(network, schemes, ["qdq"])
        files = self.exported(result)
        self.assertEqual(set(files), set(schemes))
        self.assertEqual({e["path"] for e in events if e["event"] == "artifact"}, {*files.values(), self.path("histograms.json")})
        for row in result["schemes"]:
            scheme = row["scheme"]
            with self.subTest(scheme):
                onnx.checker.check_model(files[scheme])
                y, data = run(files[scheme], network)
                # agreement with ONNX Runtime sample by sample: its classes are the labels
                labelled = self.path("labelled.npz")
                np.savez(labelled, x=data["x"], y=y.argmax(1))
                again, _ = self.job((network[0], labelled, network[2]), [scheme], [])
                top = np.sort(y, axis=1)
                ties = int((top[:, -1] - top[:, -2] <= self.step(files[scheme])).sum())
                different = round((100 - again["schemes"][0]["metric"]) / 100 * len(y))
                self.assertLessEqual(different, ties, f"of {len(y)}")
                self.assertAlmostEqual(row["metric"], 100 * (y.argmax(1) == data["y"]).mean(),
                                       delta=100 * (max(ties, 1) + 1e-6) / len(y))

    def step(self, path):
        """The coarsest step of the last quantizer before the output."""
        model = onnx.load(path)
        constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer if i.name.endswith("scale")}
        quantized = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
        if not quantized:
            return 1e-4
        last = quantized[-1]
        coarse = 32 if "FLOAT8" in str(helper.tensor_dtype_to_string(self.code_type(model, last))) else 1
        return float(constants[last.input[1]]) * coarse

    def code_type(self, model, node):
        return next(i.data_type for i in model.graph.initializer if i.name == node.input[2])

    def test_digits__onnx_runtime_predicts_the_same(self):
        self.check_predictions(DIGITS, ["int8", "w4a8", "int4", "e5m2", "int8/float32"])

    def test_digits__widths_without_a_type__are_codes_of_the_next_wider_one(self):
        self.check_predictions(DIGITS, ["int6", "w3a7", "w7a12", "int8/int8_narrow"])
        for scheme, weights, opset in (("int6", TensorProto.INT8, 17), ("w3a7", TensorProto.INT4, 21)):
            model = onnx.load(self.path(f"{scheme}.qdq.onnx"))
            self.assertEqual(model.opset_import[0].version, opset)
            codes = next(i for i in model.graph.initializer if i.name.endswith(":codes"))
            self.assertEqual(codes.data_type, weights)
            clipped = {n.output[0] for n in model.graph.node if n.op_type == "Clip"}
            quantized = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
            self.assertTrue(quantized and all(n.input[0] in clipped for n in quantized))
            result, _ = self.job((self.path(f"{scheme}.qdq.onnx"), DIGITS[1], DIGITS[2]), ["carried"], [])
            again, _ = self.job(DIGITS, [scheme], [])
            self.assertAlmostEqual(result["schemes"][0]["metric"], again["schemes"][0]["metric"], delta=0.2)

    def test_digits__types_and_opsets(self):
        result, _ = self.job(DIGITS, ["int8", "int4", "e4m3fn"], ["qdq"])
        for scheme, opset, types in (("int8", 17, {TensorProto.INT8, TensorProto.UINT8}),
                                     ("int4", 21, {TensorProto.INT4, TensorProto.UINT4}),
                                     ("e4m3fn", 19, {TensorProto.FLOAT8E4M3FN})):
            model = onnx.load(self.exported(result)[scheme])
            self.assertEqual(model.opset_import[0].version, opset)
            codes = {i.data_type for i in model.graph.initializer if i.name.endswith("zero_point")}
            self.assertEqual(codes, types)

    def test_digits__exported_file_is_carried_back(self):
        result, _ = self.job(DIGITS, ["int8", "w4a8"], ["qdq"])
        self.assertEqual([row["scheme"] for row in result["schemes"]], ["int8", "w4a8"])
        for row in result["schemes"]:
            path = self.exported(result)[row["scheme"]]
            again, _ = worker.run({"type": "ptq", "model": path, "data": DIGITS[1], "schemes": ["carried"],
                                   "latency": False})
            self.assertAlmostEqual(again["schemes"][0]["metric"], row["metric"], delta=0.26)

    def test_digits__onnx_runtime_runs_it_on_integers(self):
        result, _ = self.job(DIGITS, ["int8"], ["qdq"])
        path, fused = self.exported(result)["int8"], self.path("fused.onnx")
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = fused
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        types = [n.op_type for n in onnx.load(fused).graph.node]
        self.assertNotIn("Conv", types)
        self.assertIn("QLinearConv", types)

    def test_formats_without_words__are_refused_with_a_sentence(self):
        result, events = self.job(DIGITS, ["E4", "mxfp4", "log4"], ["qdq", "encodings"])
        refused = {(e["kind"], e["scheme"]): e["refused"] for e in result["exports"] if "refused" in e}
        self.assertIn("ONNX has no type for", refused["qdq", "E4"])
        self.assertIn("ONNX has no type for", refused["qdq", "log4"])
        self.assertIn("ONNX has no type for", refused["qdq", "mxfp4"])
        self.assertIn("AIMET", refused["encodings", "E4"])
        self.assertEqual([e["name"] for e in events if e["event"] == "artifact"], ["histograms.json"])

    def test_encodings__of_a_width_without_a_type__are_written(self):
        _, events = self.job(DIGITS, ["int6"], ["encodings"])
        self.assertEqual([e["name"] for e in events if e["event"] == "artifact"], ["histograms.json", "int6.encodings.json"])

    def test_histograms__of_every_quantized_tensor__are_those_of_numpy(self):
        smooth = {"scheme": "int8", "name": "smooth", "methods": ["cross_layer_equalization"]}
        result, _ = self.job(DIGITS, ["int8", "E4", smooth], ["float"], calibration={"samples": 1200})
        with open(self.path("histograms.json"), encoding="utf-8") as f:
            first, second = json.load(f)["variants"]
        self.assertEqual((first["schemes"], second["schemes"]), (["int8", "E4"], ["smooth"]))
        rows = {t["name"]: t for t in first["tensors"]}
        told = {t["name"]: t for t in result["schemes"][0]["tensors"]}
        self.assertEqual({n: (t["kind"], t["layer"]) for n, t in rows.items()}, {n: (t["kind"], t["layer"]) for n, t in told.items()})
        elements = {i.name: numpy_helper.to_array(i) for i in onnx.load(self.path("float.onnx")).graph.initializer}
        data = np.load(DIGITS[1])
        elements["input"] = data["x"].astype(np.float32)
        compared = 0
        for name, t in rows.items():
            self.assertLessEqual(len(t["counts"]), 256)
            self.assertEqual(sum(t["counts"]), t["elements"])
            self.assertGreaterEqual(t["min"], t["low"])
            self.assertLess(t["max"], t["low"] + t["width"] * len(t["counts"]))
            if name in elements:
                x = elements[name].astype(np.float64).ravel()
                bins = np.floor(x / t["width"]).astype(np.int64) - int(t["low"] / t["width"])
                self.assertEqual(np.bincount(bins, minlength=len(t["counts"])).tolist(), t["counts"], name)
                self.assertEqual((t["elements"], t["zeros"]), (x.size, int((x == 0).sum())))
                compared += 1
        self.assertEqual(rows["input"]["elements"], 1200 * 256)
        self.assertGreaterEqual(compared, sum(t["kind"] == "weight" for t in rows.values()) + 1)
        # Methods that rewrite the network leave other weights.
        self.assertNotEqual([t["counts"] for t in second["tensors"]], [t["counts"] for t in first["tensors"]])

    def matrices(self):
        """A network of two products, of rows of 70 and 24 elements, and what it gives."""
        rng = np.random.default_rng(5)
        w = [rng.normal(size=s).astype(np.float32) * 0.3 + np.float32(0.2) for s in ((70, 24), (6, 24))]
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w0"], ["a"]), helper.make_node("Relu", ["a"], ["b"]),
             helper.make_node("Gemm", ["b", "w1"], ["y"], transB=1)], "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 70])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])],
            [numpy_helper.from_array(a, f"w{i}") for i, a in enumerate(w)])
        path, data = self.path("m.onnx"), self.path("x.npz")
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        x = rng.normal(size=(64, 70)).astype(np.float32)
        y = session(path).run(None, {"x": x})[0]
        np.savez(data, x=x, y=y)
        return path, data, w, x, y

    def test_blocks__of_matrices_are_dequantized_in_blocks(self):
        path, data, _, x, y = self.matrices()
        for scheme in ("int4_g32/float32", "mxint8/float32", "int4_asym_g32/float32", "uint4_asym_g32/float32", "int8_asym_g9/float32",
                       "uint8_asym_g128/float32", "uint16_asym_g16/float32"):
            result, _ = self.job((path, data, {}), [scheme], ["qdq", "encodings"], metric="mse")
            file = self.exported(result)[scheme]
            onnx.checker.check_model(file)
            self.assertIn("block_size", {a.name for n in onnx.load(file).graph.node for a in n.attribute})
            got, mse = session(file).run(None, {"x": x})[0], result["schemes"][0]["metric"]
            self.assertAlmostEqual(float(((got - y) ** 2).mean()), mse, delta=1e-4 * mse + 1e-10)
            again, _ = self.job((file, data, {}), ["carried"], [], metric="mse")
            self.assertAlmostEqual(again["schemes"][0]["metric"], mse, delta=1e-4 * mse + 1e-10)
            self.assertEqual(again["schemes"][0]["weights"].get("symmetric"), "_asym" not in scheme)
            self.assertIn("integers per tensor or channel", [e["refused"] for e in result["exports"] if e["kind"] == "encodings"][0])

    def test_blocks__rounded_by_a_method__are_exported_as_they_run(self):
        path, data, _, x, y = self.matrices()
        for scheme in ("int4_g32", "uint4_asym_g32", "mxint8"):
            methods = {"gptq": "gptq", "order": {"name": "gptq", "act_order": True}, "adaround": "adaround"}
            result, _ = self.job((path, data, {}), [{"name": name, "scheme": scheme + "/float32", "methods": [m]} for name, m in methods.items()],
                                 ["qdq"], metric="mse")
            for row in result["schemes"]:
                got = session(self.exported(result)[row["scheme"]]).run(None, {"x": x})[0]
                self.assertAlmostEqual(float(((got - y) ** 2).mean()) / row["metric"], 1, delta=1e-4, msg=(scheme, row["scheme"]))

    def test_zero_points_in_groups__codes_are_those_of_numpy(self):
        path, data, w, _, _ = self.matrices()
        for scheme, bits, low, size in (("uint4_asym_g32", 4, 0, 32), ("int4_asym_g32", 4, -8, 32), ("uint8_asym_g7", 8, 0, 7)):
            result, _ = self.job((path, data, {}), [scheme + "/float32"], ["qdq"], metric="mse")
            graph = onnx.load(self.exported(result)[scheme + "/float32"]).graph
            found = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
            for name, rows, axis in (("w0", w[0].T, 0), ("w1", w[1], 1)):
                codes, scale, zero = groups.codes_in_groups(rows, bits, size)
                turn = (lambda a: a.T) if axis == 0 else (lambda a: a)
                np.testing.assert_array_equal(turn(found[name + ":codes"].astype(np.int32)), codes + low)
                np.testing.assert_array_equal(turn(found[name + ":zero_point"].astype(np.int32)), zero + low)
                np.testing.assert_array_equal(turn(found[name + ":scale"]), scale)

    def test_float__is_the_same_network_without_batch_norms(self):
        result, _ = self.job(DIGITS, ["int8"], ["float"], samples=100)
        path = self.path("float.onnx")
        self.assertEqual([e["name"] for e in result["exports"]], ["float.onnx"])
        onnx.checker.check_model(path)
        self.assertNotIn("BatchNormalization", {n.op_type for n in onnx.load(path).graph.node})
        x = np.load(DIGITS[1])["x"][:50].astype(np.float32)
        name = session(path).get_inputs()[0].name
        want = session(DIGITS[0]).run(None, {name: x})[0]
        got = session(path).run(None, {name: x})[0]
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())

    def test_encodings__scales_and_offsets_in_aimets_form(self):
        result, _ = self.job(DIGITS, ["int8"], ["encodings", "qdq"])
        with open(self.exported(result, "encodings")["int8"]) as f:
            encodings = json.load(f)
        self.assertEqual(encodings["version"], "0.6.1")
        rows = {t["name"]: t for t in result["schemes"][0]["tensors"]}
        found = encodings["param_encodings"] | encodings["activation_encodings"]
        self.assertEqual(set(found), set(rows))
        model = onnx.load(self.exported(result)["int8"])
        constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        for name, entries in found.items():
            scales = constants[name + ":scale"].reshape(-1)
            self.assertEqual(len(entries), len(scales))
            for e, scale in zip(entries, scales):
                self.assertEqual((e["bitwidth"], e["dtype"]), (8, "int"))
                self.assertAlmostEqual(e["scale"], float(scale), delta=1e-9 * abs(scale))
                self.assertAlmostEqual(e["min"], e["scale"] * e["offset"])
                self.assertAlmostEqual(e["max"], e["scale"] * (e["offset"] + 255))

    def test_encodings__tensor_of_zeros__has_aimets_least_range(self):
        weights = np.random.default_rng(3).normal(size=(4, 2, 3, 3)).astype(np.float32)
        constants = {"w": weights, "z": np.zeros((3, 4, 1, 1), np.float32)}
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["a"]), helper.make_node("Conv", ["a", "z"], ["b"]),
             helper.make_node("GlobalAveragePool", ["b"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
            "zeros", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 6, 6])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])], [numpy_helper.from_array(c, n) for n, c in constants.items()])
        path, data = self.path("m.onnx"), self.path("x.npz")
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        np.savez(data, x=np.random.default_rng(4).normal(size=(20, 2, 6, 6)).astype(np.float32), y=np.zeros((20, 3), np.float32))
        result, _ = self.job((path, data, {}), ["int8"], ["encodings"], metric="mse")
        with open(self.exported(result, "encodings")["int8"]) as f:
            encodings = json.load(f)
        for e in encodings["param_encodings"]["z"]:
            self.assertEqual((e["offset"], e["is_symmetric"]), (-128, "True"))
            self.assertAlmostEqual(e["max"], 0.01)
            self.assertAlmostEqual(e["scale"], 0.01 / 127)
            self.assertAlmostEqual(e["min"], -128 * e["scale"])
        e = encodings["activation_encodings"]["b"][0]
        self.assertEqual((e["offset"], e["min"]), (0, 0))
        self.assertAlmostEqual(e["max"], 0.01)
        for e, w in zip(encodings["param_encodings"]["w"], weights):
            self.assertAlmostEqual(e["max"], 127 * e["scale"])
            self.assertLess(0.5 * np.abs(w).max(), e["max"])

    def test_report__is_whole_and_needs_nothing_else(self):
        self.job(DIGITS, ["int4", "E4"], ["report"], samples=300)
        with open(self.path("report.html")) as f:
            page = f.read()
        stack, seen = [], []

        class Parser(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                seen.append(tag)
                for key, value in attrs:
                    assert key not in ("src", "href") and "http" not in (value or ""), (tag, key, value)
                if tag in ("table", "svg", "details", "h2", "body"):
                    stack.append(tag)

            def handle_endtag(self, tag):
                if tag in ("table", "svg", "details", "h2", "body"):
                    assert stack.pop() == tag

        Parser().feed(page)
        self.assertEqual(stack, [])
        self.assertNotIn("script", seen)
        for word in ("int4", "E4", "digits.onnx", "Change against float", "top-1", "linear.weight"):
            self.assertTrue(word in page, word)

    def test_report__tells_of_its_run_and_how_sure_it_is(self):
        job = {"type": "ptq", "model": DIGITS[0], "data": DIGITS[1], "schemes": ["int4", "E4"], "samples": 300, "seed": 7, "metric": "top1",
                       "export": ["report"], "workdir": self.folder, "latency": {"min_seconds": 0, "min_queries": 1, "warmup_seconds": 0},
                       "about": {"job": "j12", "started": "2026-01-05T10:00:00Z"}}
        result, _ = worker.run(job)
        with open(self.path("report.html")) as f:
            page = f.read()
        machine, e4 = result["machine"], result["schemes"][1]
        self.assertRegex(page, r"<p>Job j12, started <time>2026-01-05T10:00:00Z</time>, engine \d+\.\d+\.\d+, seed 7; on %s, %s, \d+ threads?\.</p>" % (
            re.escape(machine["cpu"]), machine["isa"]))
        number = lambda x: ("\u2212" if x < 0 else "+" if x > 0 else "") + "%.2f" % abs(x)
        row = re.search(r"<tr><td>E4</td>.*?</tr>", page)[0]
        for said in (number(e4["delta"]), "%s to %s" % (number(e4["delta_low"]), number(e4["delta_high"])), "%.1f dB" % e4["output_sqnr_db"],
                     "\u00b1%.1f dB" % (e4["output_sqnr_high_db"] - e4["output_sqnr_db"]), "85.1 kB", ">509<", "emulated"):
            self.assertIn(said, row)
        tensor = max((t for t in e4["tensors"] if t["kind"] == "activation"), key=lambda t: t["sqnr_high_db"] - t["sqnr_db"])
        self.assertIn("%.1f <small>\u00b1%.1f</small>" % (tensor["sqnr_db"], tensor["sqnr_high_db"] - tensor["sqnr_db"]), page)
        self.assertEqual(page.count("(emulated)"), 1)  # the bar of its time
        self.assertIn("its time says nothing about hardware that has them", page)
        self.assertNotIn("about", result)

    def test_report__opens_with_the_cheapest_scheme_within_a_point(self):
        job = {"type": "ptq", "model": DIGITS[0], "data": DIGITS[1], "samples": 300, "metric": "top1", "export": ["report"], "workdir": self.folder,
               "latency": False}
        for schemes in ["E4", "int8", "int4"], ["int4"]:
            result, _ = worker.run({**job, "schemes": schemes})
            with open(self.path("report.html")) as f:
                page = f.read()
            within = [s for s in result["schemes"] if -s["delta"] <= 1]
            if within:
                best = min(within, key=lambda s: (s["size_bytes"], s["gates"]["network"], -s["delta"]))
                headline = "%s is the smallest of the schemes that lose at most 1 point of top-1." % best["scheme"]
                self.assertIn("The next smaller one, ", page)
            else:
                headline = "No scheme of this sweep loses at most 1 point of top-1."
                self.assertIn("<p>The nearest, int4, takes 51.7 kB and changes top-1 by ", page)
            self.assertIn("<h2>%s</h2>" % headline, page)
            lowest = min((t for t in result["schemes"][-1]["tensors"] if t["sqnr_db"] is not None), key=lambda t: t["sqnr_db"])
            self.assertIn("Its lowest SQNR: %s (%s) %.1f" % (lowest["name"], lowest["kind"], lowest["sqnr_db"]), page)
            for cost in "size", "gates":
                drawing = re.search("<h2>Pareto: top-1 against %s</h2>.*?</svg>" % cost, page, re.S)[0]
                self.assertEqual(drawing.count("<circle "), len(schemes) + 1)  # float, too
                self.assertEqual(drawing.count("class=interval"), len(schemes))
            self.assertNotIn("against latency", page)

    def test_no_folder__is_said(self):
        with self.assertRaises(worker.Failed) as caught:
            worker.run({"type": "ptq", "model": DIGITS[0], "data": DIGITS[1], "schemes": ["int8"], "export": ["qdq"]})
        self.assertIn("no folder", caught.exception.detail)


def add_real(name):
    def test(self):
        self.check_predictions(self.real(name), ["int8", "e4m3fn"])
    setattr(Export, f"test_{name}__onnx_runtime_predicts_the_same", test)


for network in ("ds_cnn", "resnet8"):
    add_real(network)

if __name__ == "__main__":
    unittest.main(verbosity=2)
