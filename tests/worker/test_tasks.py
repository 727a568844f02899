#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
# levels: all
"""Tasks end to end on small networks: the float metric of a ptq job against ONNX Runtime's outputs and a definition
written out here in numpy and scipy."""
import unittest

import numpy as np
import onnxruntime
import scipy.stats
import tiny
import worker
from onnx import helper


def outputs(model, **inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def matthews(a, b, classes):
    c = np.zeros((classes, classes))
    np.add.at(c, (a, b), 1)
    n, hits, t, p = c.sum(), np.trace(c), c.sum(1), c.sum(0)
    return 100 * (hits * n - t @ p) / np.sqrt((n * n - t @ t) * (n * n - p @ p))


class Tasks(tiny.Case):
    def ptq(self, model, data, metric, **more):
        result, _ = worker.run({"type": "ptq", "model": model, "data": data, "metric": metric,
                                "schemes": ["int8", "E4"], "latency": False, **more})
        for row in result["schemes"]:
            self.assertIsNotNone(row["metric"], row["scheme"])
            self.assertGreater(row["output_sqnr_db"], 5)
        return result

    def text_network(self, tail, out, weights, vocabulary=40, width=12):
        """Tokens and a mask, both of any length: embedding, mean over the mask, or all tokens."""
        nodes = [
            helper.make_node("Gather", ["embedding", "input_ids"], ["e"], "embed"),
            helper.make_node("MatMul", ["e", "w"], ["h0"], "project"),
            helper.make_node("Tanh", ["h0"], ["h"], "tanh"),
            helper.make_node("Cast", ["attention_mask"], ["m0"], to=tiny.FLOAT),
            helper.make_node("Unsqueeze", ["m0", "axis2"], ["m"]),
            helper.make_node("Mul", ["h", "m"], ["hm"], "mask"),
            helper.make_node("ReduceSum", ["hm", "axis1"], ["sum"], keepdims=0),
            helper.make_node("ReduceSum", ["m", "axis1"], ["count"], keepdims=0),
            helper.make_node("Div", ["sum", "count"], ["pooled"], "pool")] + tail
        return self.save_model(
            "text.onnx", nodes,
            {"input_ids": (tiny.INT64, ["N", "T"]), "attention_mask": (tiny.INT64, ["N", "T"])},
            out, {"embedding": self.normal(vocabulary, width), "w": self.normal(width, width) / 3,
                  "axis1": np.array([1]), "axis2": np.array([2]), **weights})

    def tokens(self, *shape, vocabulary=40):
        ids = self.random.integers(0, vocabulary, shape)
        lengths = self.random.integers(2, shape[-1] + 1, shape[:-1])
        mask = (np.arange(shape[-1]) < lengths[..., None]).astype(np.int64)
        return ids * mask, mask

    def classified_text(self):
        """A network of three classes, 150 texts, their labels by chance and the network's guesses."""
        model = self.text_network(
            [helper.make_node("MatMul", ["pooled", "head"], ["logits"], "head")],
            {"logits": (tiny.FLOAT, ["N", 3])}, {"head": self.normal(12, 3)})
        ids, mask = self.tokens(150, 9)
        y = self.random.integers(0, 3, 150)
        return model, ids, mask, y, outputs(model, input_ids=ids, attention_mask=mask).argmax(1)

    def test_classification_of_text__glue_metrics(self):
        model, ids, mask, y, guess = self.classified_text()
        y = np.where(self.random.random(150) < 0.7, guess, y)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
        f1 = np.mean([2 * ((guess == c) & (y == c)).sum() / ((guess == c).sum() + (y == c).sum())
                      for c in range(3)])
        want = {"accuracy": 100 * (guess == y).mean(), "top1": 100 * (guess == y).mean(),
                "f1": 100 * f1, "matthews": matthews(guess, y, 3)}
        for metric, value in want.items():
            got = self.ptq(model, data, metric)
            self.assertAlmostEqual(got["float"]["metric"], value, places=9, msg=metric)
            self.assertGreater(got["schemes"][0]["metric"], value - 10)

    def test_held_out__samples_that_calibrate_are_not_evaluated(self):
        model, ids, mask, y, guess = self.classified_text()
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
        for spread, options in (False, {}), (True, {}), (False, {"samples": 20}), (True, {"samples": 20}):
            got = self.ptq(model, data, "top1", calibration={"samples": 37, "held_out": True, "spread": spread}, **options)
            taken = np.arange(37) * (150 if spread else 37) // 37
            part = np.setdiff1d(np.arange(150), taken)[:options.get("samples", 150)]
            self.assertEqual((got["samples"], got["calibration_samples"], got["held_out"]), (len(part), 37, True))
            self.assertAlmostEqual(got["float"]["metric"], 100 * (guess[part] == y[part]).mean(), places=9)
        with self.assertRaisesRegex(worker.Failed, "none is left"):
            self.ptq(model, data, "top1", calibration={"samples": 150, "held_out": True})

    def test_spread__ranges_are_those_of_samples_all_over_the_data(self):
        model = self.text_network([], {"pooled": (tiny.FLOAT, ["N", 12])}, {})
        ids, mask = self.tokens(60, 9)
        mask[:30] = mask[:30] * (np.arange(9) < 3)  # the first half has short sentences alone
        y = outputs(model, input_ids=ids, attention_mask=mask)
        ranges = []
        for rows, fields in (slice(0, 60, 3), {"spread": False}), (slice(0, 60), {}), (slice(0, 60), {"spread": False}):
            data = self.save_data("d.npz", input_ids=ids[rows], attention_mask=mask[rows], y=y[rows])
            got = self.ptq(model, data, "mse", calibration={"samples": 20, **fields})
            self.assertEqual(got["calibration_spread"], not fields)
            ranges.append([(t["name"], t["observed_min"], t["observed_max"]) for t in got["schemes"][0]["tensors"]
                           if t["kind"] == "activation"])
        self.assertEqual(ranges[0], ranges[1])
        self.assertNotEqual(ranges[1], ranges[2])

    def test_calibration__may_see_more_than_is_evaluated(self):
        model = self.text_network([], {"pooled": (tiny.FLOAT, ["N", 12])}, {})
        ids, mask = self.tokens(60, 9)
        y = outputs(model, input_ids=ids, attention_mask=mask)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
        all_of_them, few = (self.ptq(model, data, "mse", samples=n) for n in (60, 7))
        self.assertEqual((few["samples"], few["calibration_samples"]), (7, 60))
        ranges = [[(t["name"], t["min"], t["max"]) for t in r["schemes"][0]["tensors"]] for r in (all_of_them, few)]
        self.assertEqual(*ranges)

    def test_regression_of_text__correlations(self):
        model = self.text_network(
            [helper.make_node("MatMul", ["pooled", "head"], ["logits"], "head")],
            {"logits": (tiny.FLOAT, ["N", 1])}, {"head": self.normal(12, 1)})
        ids, mask = self.tokens(101, 7)
        score = outputs(model, input_ids=ids, attention_mask=mask)[:, 0]
        y = np.round(score + 0.5 * self.normal(101), 1)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
        for metric, f in ("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr):
            got = self.ptq(model, data, metric)
            self.assertAlmostEqual(got["float"]["metric"], 100 * f(score, y)[0], places=4)

    def test_constant_output__correlations_are_null(self):
        model = self.text_network(
            [helper.make_node("MatMul", ["pooled", "head"], ["dead"], "head"), helper.make_node("Add", ["dead", "b"], ["logits"], "bias")],
            {"logits": (tiny.FLOAT, ["N", 1])}, {"head": np.zeros((12, 1), np.float32), "b": np.array([0.1], np.float32)})
        ids, mask = self.tokens(33, 7)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=self.normal(33))
        for metric in "pearson", "spearman":
            result, events = worker.run({"type": "ptq", "model": model, "data": data, "metric": metric, "schemes": ["int8"], "latency": False})
            self.assertIsNone(result["float"]["metric"])
            self.assertIsNone(result["schemes"][0]["metric"])
            self.assertIsNone(result["schemes"][0]["delta"])
            self.assertEqual({e["value"] for e in events if e["event"] == "metric" and e["name"] == metric}, {None})

    def test_pairs_of_sentences__spearman_of_cosines(self):
        model = self.text_network([], {"pooled": (tiny.FLOAT, ["N", 12])}, {})
        for count, options in (61, ()), (8, ("--threads", "1")):
            ids, mask = self.tokens(count, 2, 11)
            a, b = (outputs(model, input_ids=ids[:, k], attention_mask=mask[:, k]) for k in (0, 1))
            cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            y = np.round(5 * cosine + self.normal(count))
            data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
            got = self.ptq(model, data, "spearman", calibration={"samples": 7})
            self.assertEqual(got["samples"], count)
            self.assertAlmostEqual(got["float"]["metric"],
                                   100 * scipy.stats.spearmanr(cosine, y)[0], places=4)

    def test_pairs_and_a_fixed_batch_of_one__same_value(self):
        free = self.text_network([], {"pooled": (tiny.FLOAT, ["N", 12])}, {})
        ids, mask = self.tokens(20, 2, 11)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=self.normal(20))
        want = self.ptq(free, data, "spearman")
        import onnx
        model = onnx.load(free)
        for v in list(model.graph.input) + list(model.graph.output):
            v.type.tensor_type.shape.dim[0].dim_value = 1
        onnx.save(model, self.path("one.onnx"))
        got = self.ptq(self.path("one.onnx"), data, "spearman")
        self.assertEqual(got["batch"], 1)
        self.assertAlmostEqual(got["float"]["metric"], want["float"]["metric"], places=9)

    def test_language_model__perplexity_plain_and_causal(self):
        model = self.text_network(
            [helper.make_node("MatMul", ["h", "head"], ["logits"], "head")],
            {"logits": (tiny.FLOAT, ["N", "T", 40])}, {"head": self.normal(12, 40)})
        ids, mask = self.tokens(33, 10)
        y = np.where(mask == 1, ids, -100)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=y)
        z = outputs(model, input_ids=ids, attention_mask=mask).astype(np.float64)
        loss = np.log(np.exp(z).sum(2, keepdims=True)) - z
        for metric, logits, label in (("perplexity", loss, y),
                                      ("perplexity_causal", loss[:, :-1], y[:, 1:])):
            chosen = np.take_along_axis(logits, np.maximum(label, 0)[..., None], 2)[..., 0]
            want = np.exp(chosen[label != -100].mean())
            got = self.ptq(model, data, metric)["float"]["metric"]
            self.assertAlmostEqual(got / want, 1, places=5)

    def test_segmentation__miou_ignores_255(self):
        model = self.save_model(
            "seg.onnx", [helper.make_node("Conv", ["x", "w"], ["y0"], "conv", pads=[1, 1, 1, 1])],
            {"x": (tiny.FLOAT, ["N", 3, 8, 8])}, {"y0": (tiny.FLOAT, ["N", 5, 8, 8])},
            {"w": self.normal(5, 3, 3, 3)})
        x = self.normal(12, 3, 8, 8)
        guess = outputs(model, x=x).argmax(1)
        y = np.where(self.random.random(guess.shape) < 0.6, guess, 2)
        y[:, 0, :] = 255
        want = [((guess == c) & (y == c)).sum() /
                (((guess == c) & (y != 255)) | (y == c)).sum() for c in range(5)]
        data = self.save_data("d.npz", x=x, y=y.astype(np.uint8))
        got = self.ptq(model, data, "miou")
        self.assertAlmostEqual(got["float"]["metric"], 100 * np.mean(want), places=6)

    def test_autoencoder__auc_of_the_reconstruction_error(self):
        model = self.save_model(
            "ae.onnx", [helper.make_node("MatMul", ["x", "a"], ["h"], "encode"),
                        helper.make_node("MatMul", ["h", "b"], ["out"], "decode")],
            {"x": (tiny.FLOAT, ["N", 6])}, {"out": (tiny.FLOAT, ["N", 6])},
            {"a": self.normal(6, 3), "b": self.normal(3, 6) / 3})
        for shape in (90, 6), (45, 4, 6):
            x = self.normal(*shape)
            out = outputs(model, x=x.reshape(-1, 6)).reshape(shape)
            score = ((out - x) ** 2).reshape(len(x), -1).mean(1)
            y = (score + self.normal(len(x)) > np.median(score)).astype(np.int64)
            wins = np.mean([(p > n) + 0.5 * (p == n) for p in score[y == 1] for n in score[y == 0]])
            data = self.save_data("d.npz", x=x, y=y)
            got = self.ptq(model, data, "auc")
            self.assertAlmostEqual(got["float"]["metric"], 100 * wins, places=6)

    def test_labels_that_do_not_fit__error_says_what_is_wanted(self):
        model = self.text_network([], {"pooled": (tiny.FLOAT, ["N", 12])}, {})
        ids, mask = self.tokens(5, 2, 11)
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask, y=self.normal(5))
        with self.assertRaisesRegex(worker.Failed, "top1 .*12 classes|takes one input"):
            self.ptq(model, data, "top1")
        data = self.save_data("d.npz", input_ids=ids, attention_mask=mask[:, 0], y=self.normal(5))
        with self.assertRaisesRegex(worker.Failed, "attention_mask.* has 1 rows a sample"):
            self.ptq(model, data, "spearman")

    def test_no_answer_changes__interval_is_the_exact_bound_or_none(self):
        w = self.normal(16, 4)
        model = self.save_model("net.onnx", [helper.make_node("MatMul", ["x", "w"], ["out"], "only")], {"x": (tiny.FLOAT, ["N", 16])},
                                {"out": (tiny.FLOAT, ["N", 4])}, {"w": w})
        x = w.T[self.random.integers(0, 4, 50)] + self.normal(50, 16) / 9  # far from every border between classes
        data = self.save_data("data.npz", x=x, y=(x @ w).argmax(1))
        schemes = ["E3", {"name": "same", "scheme": "float32"}]
        for metric in "top1", "accuracy", "f1":
            changed, same = worker.run({"type": "ptq", "model": model, "data": data, "metric": metric, "schemes": schemes, "latency": False})[0]["schemes"]
            self.assertEqual((changed["delta"], changed["best"], same["delta_low"], same["delta_high"]), (0, True, 0, 0))
            if metric == "f1":
                self.assertIsNone(changed["delta_low"])
                self.assertIsNone(changed["delta_high"])
            else:
                bound = 100 * scipy.stats.beta.ppf(0.975, 1, 50)  # Clopper and Pearson's, of 0 in 50
                self.assertAlmostEqual(changed["delta_low"], -bound)
                self.assertAlmostEqual(changed["delta_high"], bound)


if __name__ == "__main__":
    unittest.main(verbosity=2)
