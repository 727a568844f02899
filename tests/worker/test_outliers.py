#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The outliers job on trained networks: every number against numpy on the activations that ONNX Runtime computes."""
import json
import os
import unittest

import files
import numpy as np
import onnx
import onnxruntime
import small_transformer as small
import worker

KINDS = {"attention": "attention_out", "ffn": "ffn_out"}
LAYERS, SEQUENCES = 2, 40
BASE = {"type": "outliers", "metric": "perplexity", "calibration": {"samples": 20, "seeds": 2}}


def values(path, data, names, folder):
    session = onnxruntime.InferenceSession(small.show(path, names, os.path.join(folder, "shown.onnx")),
                                           providers=["CPUExecutionProvider"])
    arrays = np.load(data)
    feeds = {i.name: arrays[i.name] for i in session.get_inputs()}
    return dict(zip(names, session.run(list(names), feeds)))


def sequences(x, kept):
    """The elements of each sequence in double, padding left out."""
    return [v[k].astype(np.float64) for v, k in zip(x, kept)]


def kurtosis(v):
    return np.mean((v - v.mean()) ** 4) / (v.std(ddof=1) ** 4 + 1e-6)


def beyond(v):
    return np.abs(v - v.mean()) > 6 * v.std(ddof=1)


class Outliers(files.Case):
    def job(self, pre_norm=False, masked=False, causal=False, change=None, name="net.onnx", flat=False, **more):
        model = small.build(self.path(name), pre_norm, masked, causal, LAYERS, change=change, flat=flat)
        data = small.tokens(self.path("data.npz"), SEQUENCES, masked)
        return {**BASE, "model": model, "data": data, **more}

    def compare(self, **form):
        job = self.job(**form)
        r, _ = worker.run(job)
        run = r["runs"][0]
        arrays = np.load(job["data"])
        kept = arrays["mask"].astype(bool) if "mask" in arrays else np.ones((SEQUENCES, small.TOKENS), bool)
        heads = [f"layer{i}.attention.{n}" for i in range(LAYERS) for n in ("probabilities", "values")]
        residual = [t["name"] for t in run["residual"]]
        x = values(job["model"], job["data"], [t["name"] for t in run["tensors"]] + residual[:1] + heads, self.folder)
        self.check_tensors(run, x, kept)
        self.check_residual(run, x, kept)
        self.check_attention(run, x, kept, form.get("causal"))
        self.check_maps(run, x, kept)
        self.check_histogram(run, x, kept)
        self.assertEqual((r["samples"], r["sequence"], r["masked"]), (SEQUENCES, small.TOKENS, "mask" in arrays))
        return run, r

    def check_tensors(self, run, x, kept):
        for t in run["tensors"]:
            rows = sequences(x[t["name"]], kept)
            far = [beyond(v) for v in rows]
            every = np.concatenate(rows)
            most = np.abs(every).max(0)
            np.testing.assert_allclose(t["inf_norm"], np.mean([np.abs(v).max() for v in rows]), rtol=1e-5)
            np.testing.assert_allclose(t["kurtosis"], np.mean([kurtosis(v) for v in rows]), rtol=1e-4)
            np.testing.assert_allclose((t["max_abs"], t["median_channel"]), (most.max(), np.median(most)), rtol=1e-5)
            self.assertEqual(t["beyond_6sd"], sum(f.sum() for f in far), t["name"])
            self.assertAlmostEqual(t["beyond_6sd_share"], t["beyond_6sd"] / every.size)
            counts = sum(f.sum(0) for f in far)
            self.assertEqual([c["channel"] for c in t["channels"]], list(np.argsort(-most, kind="stable")[:8]))
            self.assertEqual([c["count"] for c in t["channels"]], [counts[c["channel"]] for c in t["channels"]])
            np.testing.assert_allclose([c["max_abs"] for c in t["channels"]], [most[c["channel"]] for c in t["channels"]], rtol=1e-5)
            by_token = np.zeros(small.TOKENS, int)
            for f, k in zip(far, kept):
                by_token[k] += f.sum(1)
            self.assertEqual([k["count"] for k in t["tokens"]], sorted(by_token[by_token > 0], reverse=True)[:8])
            self.assertEqual([k["count"] for k in t["tokens"]], [by_token[k["position"]] for k in t["tokens"]])
        measured = [t for t in run["tensors"] if t["measured"]]
        self.assertEqual(run["max_inf_norm"], max(t["inf_norm"] for t in measured))
        self.assertEqual(run["worst"], max(measured, key=lambda t: t["inf_norm"])["name"])
        self.assertAlmostEqual(run["avg_kurtosis"], np.mean([t["kurtosis"] for t in measured]))
        self.assertEqual(run["max_kurtosis"], max(t["kurtosis"] for t in measured))

    def check_residual(self, run, x, kept):
        for t in run["residual"]:
            norms = np.linalg.norm(x[t["name"]].astype(np.float64), axis=2)
            by_position = [norms[kept[:, i], i].mean() for i in range(small.TOKENS)]
            np.testing.assert_allclose((t["norm"], t["norm_first"]), (norms[kept].mean(), norms[:, 0].mean()), rtol=1e-5)
            np.testing.assert_allclose(t["peak"], max(by_position), rtol=1e-5)
            self.assertEqual(t["peak_position"], int(np.argmax(by_position)))

    def check_attention(self, run, x, kept, causal):
        self.assertEqual([(a["layer"], a["head"]) for a in run["attention"]],
                         [(i, h) for i in range(LAYERS) for h in range(small.HEADS)])
        for a in run["attention"]:
            p, v = (x[f"layer{a['layer']}.attention.{n}"][:, a["head"]].astype(np.float64) for n in ("probabilities", "values"))
            means = [m[k][:, k].mean(0) for m, k in zip(p, kept)]
            norms = np.linalg.norm(v, axis=2)
            np.testing.assert_allclose(a["to_first"], np.mean([m[0] for m in means]), rtol=1e-5)
            np.testing.assert_allclose(a["most"], np.mean([m.max() for m in means]), rtol=1e-5)
            np.testing.assert_allclose(a["value_norm_first"], norms[:, 0].mean(), rtol=1e-5)
            np.testing.assert_allclose(a["value_norm"], norms[:, 1:][kept[:, 1:]].mean(), rtol=1e-5)
            self.assertEqual(a["sink"], a["most"] > 0.3)
            self.assertEqual(a["zeros"], 0)
        self.assertEqual(run["sink_share"], np.mean([a["sink"] for a in run["attention"]]))

    def check_maps(self, run, x, kept):
        first = kept[0]
        self.assertEqual([m["name"] for m in run["maps"]["residual"]], [t["name"] for t in run["residual"]])
        for m in run["maps"]["residual"]:
            self.assertEqual((m["positions"], m["channels"]), (list(np.flatnonzero(first)), list(range(small.WIDTH))))
            np.testing.assert_allclose(m["values"], x[m["name"]][0][first], rtol=2e-3)
        for m in run["maps"]["attention"]:
            p = x[f"layer{m['layer']}.attention.probabilities"][0, m["head"]][first][:, first]
            np.testing.assert_allclose(m["values"], p, atol=6e-4)

    def check_histogram(self, run, x, kept):
        h = run["histograms"][0]
        v = x[h["tensor"]][kept]
        self.assertEqual(h["tensor"], run["worst"])
        self.assertEqual(sum(h["counts"]), v.size)
        edges = np.linspace(h["low"], h["high"], len(h["counts"]) + 1)
        self.assertLessEqual(np.abs(np.histogram(v, edges)[0] - h["counts"]).sum(), 4)
        self.assertEqual(h["grid"]["levels"], 256)
        self.assertAlmostEqual((h["grid"]["high"] - h["grid"]["low"]) / 255, h["grid"]["step"], places=5)

    def test_post_norm_with_mask__every_number__is_numpys(self):
        run, _ = self.compare(masked=True)
        self.assertEqual([t["name"] for t in run["tensors"] if t["measured"]],
                         [f"layer{i}.ffn{n}" for i in range(LAYERS) for n in (".out", ".norm")])
        self.assertEqual(run["residual"][0]["name"], "embedding.norm")

    def test_pre_norm_causal__every_number__is_numpys(self):
        run, _ = self.compare(pre_norm=True, causal=True)
        want = {}
        for i in range(LAYERS):
            for block in "attention", "ffn":
                want[f"layer{i}.{block}.norm"] = (i, "layer_norm", True)
                want[f"layer{i}.{block}.out"] = (i, KINDS[block], True)
                want[f"layer{i}.{block}.sum"] = (i, "residual", block == "ffn")
        want["last.norm"] = (None, "layer_norm", True)
        self.assertEqual({t["name"]: (t["layer"], t["kind"], t["measured"]) for t in run["tensors"]}, want)
        self.assertEqual([(t["layer"], t["after"]) for t in run["residual"]],
                         [(None, "input")] + [(i, a) for i in range(LAYERS) for a in ("attention", "ffn")])

    def test_pre_norm_without_mask__every_number__is_numpys(self):
        self.compare(pre_norm=True)

    def test_layers_of_flat_rows__every_number__is_numpys(self):
        run, _ = self.compare(pre_norm=True, causal=True, flat=True)
        plain, _ = worker.run(self.job(pre_norm=True, causal=True))
        self.assertEqual([(t["name"], t["layer"], t["kind"], t["measured"]) for t in run["tensors"]],
                         [(t["name"], t["layer"], t["kind"], t["measured"]) for t in plain["runs"][0]["tensors"]])
        np.testing.assert_allclose([t["sqnr_db"] for t in run["tensors"]], [t["sqnr_db"] for t in plain["runs"][0]["tensors"]], atol=0.5)

    def test_planted_outliers__are_named(self):
        def plant(weights):
            weights["layer1.ffn.out.b"][5] = 60
            weights["layer0.attention.q.w"][:] = 0  # every query alike ...
            weights["layer0.attention.q.b"][:] = 8
            weights["layer0.attention.k.w"][:] = 0
            weights["places"][0, 0, :] = 0

        run, r = self.compare(change=plant)
        tensors = {t["name"]: t for t in run["tensors"]}
        self.assertEqual(run["worst"], "layer1.ffn.out")
        self.assertEqual(tensors["layer1.ffn.out"]["channels"][0]["channel"], 5)
        self.assertEqual(tensors["layer1.ffn.sum"]["channels"][0]["channel"], 5)
        self.assertGreater(tensors["layer1.ffn.out"]["inf_norm"], 55)
        self.assertGreater(tensors["layer1.ffn.out"]["kurtosis"], 3 * tensors["layer0.ffn.out"]["kurtosis"])
        self.assertEqual([a["sink"] for a in run["attention"]][:2], [False, False])  # uniform attention
        plain, _ = worker.run(self.job(name="plain.onnx"))
        self.assertGreater(run["max_inf_norm"], 4 * plain["runs"][0]["max_inf_norm"])

    def test_schemes__are_those_of_a_ptq_job(self):
        words = {"weights": {"granularity": "per_tensor", "range": "minmax"},
                 "activations": {"granularity": "per_tensor", "range": "minmax"}}
        all_of_them = {"calibration": {"samples": SEQUENCES, "seeds": 2}, "activations": {"range": "minmax"},
                       "schemes": ["w8a8", "w4a8"]}
        for head in True, False:
            job = self.job(pre_norm=True, causal=True, head_float=head, **all_of_them)
            run = worker.run(job)[0]["runs"][0]
            layers = {"node.head.product": "float32"} if head else {}
            ptq, _ = worker.run({"type": "ptq", "metric": "perplexity", "model": job["model"], "data": job["data"], "latency": False,
                                 "calibration": {"samples": SEQUENCES}, **words,
                                 "schemes": [{"name": s, "scheme": s, "layers": layers} for s in ("w8a8", "w4a8")]})
            self.assertEqual(run["float"]["metric"], ptq["float"]["metric"])
            self.assertAlmostEqual(run["float"]["loss"], np.log(ptq["float"]["metric"]))
            for mine, theirs in zip(run["schemes"], ptq["schemes"]):
                self.assertEqual(mine["metrics"], [theirs["metric"]] * 2)
                self.assertEqual((mine["metric"], mine["delta"]), (theirs["metric"], theirs["delta"]))
                self.assertAlmostEqual(mine["delta_low"], theirs["delta_low"])
                self.assertEqual(mine["output_sqnr_db"], theirs["output_sqnr_db"])
            rows = {t["name"]: t["sqnr_db"] for t in ptq["schemes"][0]["tensors"]}
            named = [t for t in run["tensors"] if t["name"] in rows]
            self.assertGreater(len(named), 8)
            self.assertEqual([t["sqnr_db"] for t in named], [rows[t["name"]] for t in named])

    def test_calibration_seeds__choose_other_samples(self):
        r, _ = worker.run(self.job(calibration={"samples": 4, "seeds": 4}, schemes=["int4"]))
        s = r["runs"][0]["schemes"][0]
        self.assertEqual(r["calibration"], {"samples": 4, "seeds": [1, 2, 3, 4]})
        self.assertGreater(len(set(s["metrics"])), 1)
        self.assertEqual((s["low"], s["high"]), (min(s["metrics"]), max(s["metrics"])))
        self.assertAlmostEqual(s["metric"], np.mean(s["metrics"]))
        self.assertEqual(s["activations"]["range"], "running_minmax")
        self.assertEqual(s["weights"]["granularity"], "per_tensor")

    def test_models__side_by_side__have_a_row_and_the_first_ones_worst_tensor_each(self):
        def plant(weights):
            weights["layer1.ffn.out.b"][5] = 60

        one, two = self.job(change=plant), self.job(name="two.onnx")
        models = {"models": [one["model"], two["model"], one["model"]]}
        r, _ = worker.run({k: v for k, v in {**one, **models}.items() if k != "model"})
        self.assertEqual([x["id"] for x in r["runs"]], ["net.onnx", "two.onnx", "net.onnx-3"])
        self.assertEqual([(s["name"], s["runs"]) for s in r["summary"]], [("net.onnx", 2), ("two.onnx", 1)])
        self.assertEqual([h["tensor"] for h in r["runs"][1]["histograms"]][-1], "layer1.ffn.out")
        self.assertEqual({k: v for k, v in r["runs"][0].items() if k != "id"}, {k: v for k, v in r["runs"][2].items() if k != "id"})
        s = r["summary"][0]
        self.assertEqual(s["float"], {"mean": r["runs"][0]["float"]["metric"], "sd": 0, **{k: r["runs"][0]["float"]["metric"]
                                                                                             for k in ("low", "high")}})
        self.assertEqual(r["summary"][1]["max_inf_norm"]["sd"], None)

    def test_threads__give_the_same_bytes(self):
        job = self.job(masked=True)
        results = []
        for n in 1, 2, 3:
            r, _ = worker.run(job, "--threads", str(n))
            r.pop("machine")
            results.append(json.dumps(r))
        self.assertEqual(results, results[:1] * 3)

    def test_fixed_batch_and_last_sequences__are_all_seen(self):
        job = self.job(samples=33)
        free, _ = worker.run(job)
        model = onnx.load(job["model"])
        for v in list(model.graph.input) + list(model.graph.output):
            v.type.tensor_type.shape.dim[0].dim_value = 3
        onnx.save(model, job["model"])
        fixed, _ = worker.run(job)
        a, b = (r["runs"][0]["tensors"] for r in (free, fixed))
        self.assertEqual([t["beyond_6sd"] for t in a], [t["beyond_6sd"] for t in b])
        np.testing.assert_allclose([t["kurtosis"] for t in a], [t["kurtosis"] for t in b], rtol=1e-5)

    def test_numbers_that_are_none__become_null(self):
        def spoil(weights):
            weights["layer1.ffn.out.b"][3] = np.nan

        run = worker.run(self.job(change=spoil))[0]["runs"][0]
        tensors = {t["name"]: t for t in run["tensors"]}
        self.assertIsNone(tensors["layer1.ffn.out"]["inf_norm"])
        self.assertIsNone(run["max_inf_norm"])
        self.assertIsNotNone(tensors["layer0.ffn.out"]["inf_norm"])

    def test_sequence_of_padding_alone__is_left_out(self):
        job = self.job(masked=True)
        arrays = dict(np.load(job["data"]))
        before = worker.run(job)[0]["runs"][0]
        arrays["mask"] = np.concatenate([arrays["mask"], np.zeros((1, small.TOKENS), np.int64)])
        arrays = {k: np.concatenate([v, v[:1]]) if k != "mask" else v for k, v in arrays.items()}
        np.savez(job["data"], **arrays)
        after = worker.run(job)[0]["runs"][0]
        for a, b in zip(before["tensors"], after["tensors"]):
            np.testing.assert_allclose((a["inf_norm"], a["kurtosis"], a["beyond_6sd"]), (b["inf_norm"], b["kurtosis"], b["beyond_6sd"]))

    def test_wrong_jobs__are_refused_with_their_field(self):
        job = self.job()
        for change, field, words in (
                ({"model": None}, "/model", "transformer"), ({"models": [job["model"]]}, "/model", "both"),
                ({"models": []}, "/models", "1 to 16"), ({"schemes": []}, "/schemes", "schemes"),
                ({"schemes": ["w8a8", "w8a8"]}, "/schemes/1", "already"), ({"schemes": ["int99"]}, "/schemes/0", "int99"),
                ({"metric": "accuracy"}, "/metric", "accuracy"), ({"calibration": {"seeds": 0}}, "/calibration/seeds", "1"),
                ({"calibration": {"held_out": True}}, "/calibration/held_out", "held_out"),
                ({"samples": 0}, "/samples", "1"), ({"latency": False}, "/latency", "latency")):
            wrong = {k: v for k, v in {**job, **change}.items() if v is not None}
            with self.subTest(change=change), self.assertRaises(worker.Failed) as failed:
                worker.run(wrong)
            self.assertEqual(failed.exception.event.get("field"), field, failed.exception.detail)
            self.assertIn(words, failed.exception.detail)

    def test_network_without_tokens__is_refused(self):
        model, data, _ = files.DIGITS
        with self.assertRaises(worker.Failed) as failed:
            worker.run({**BASE, "model": model, "data": data, "metric": "top1", "preprocess": {"scale": 1 / 255}})
        self.assertEqual(failed.exception.code, "unsupported")
        self.assertIn("neither attention nor a residual stream", failed.exception.detail)

    def test_minilm__names_the_tensors_and_the_channel_that_cost_it_int8(self):
        folder = os.environ.get("QB_MINILM", os.path.join(worker.SHARED, "..", "minilm"))
        if not os.path.exists(os.path.join(folder, "minilm.onnx")):
            self.skipTest("lacks shared: minilm.onnx, as bench/export_minilm.py writes it (QB_MINILM)")
        r, _ = worker.run({"type": "outliers", "model": os.path.join(folder, "minilm.onnx"), "metric": "spearman", "samples": 100,
                           "data": os.path.join(folder, "stsb-test.npz"), "calibration": {"seeds": 1}})
        run = r["runs"][0]
        self.assertTrue(r["masked"])
        worst = sorted((t for t in run["tensors"] if t["kind"] != "layer_norm"), key=lambda t: -t["inf_norm"])[:12]
        self.assertEqual(sorted((t["layer"], t["kind"]) for t in worst),
                         sorted((i, k) for i in range(6) for k in ("ffn_out", "residual")))
        for t in worst[:8]:
            self.assertLess(t["layer"], 4)
            self.assertEqual((t["channels"][0]["channel"], t["tokens"][0]["position"]), (99, 0))
        most = {(t["layer"], t["kind"]): t["max_abs"] for t in worst}
        # docs/networks.md, from other samples
        for place, value in (((0, "residual"), 224.2), ((0, "ffn_out"), 195.9), ((2, "residual"), 191.4), ((2, "ffn_out"), 163.8)):
            self.assertAlmostEqual(most[place], value, delta=0.5)
        self.assertLess(run["schemes"][0]["delta"], -1)
        self.assertGreater(run["sink_share"], 0.5)


if __name__ == "__main__":
    unittest.main()
