#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The outliers job with a training: one network under several variants of attention, killed and not, and what it leaves behind."""
import json
import os
import random
import unittest

import files
import numpy as np
import onnxruntime
import small_transformer as small
import training
import worker

GAMMA = {"name": "clipped_softmax", "gamma": -0.2}


class Training(files.Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(5)
        with open(self.path("text.txt"), "w", encoding="ascii") as f:
            f.write("".join(rng.choice(list("etaoin shrdlu"), 6000, p=np.arange(13, 0, -1) / 91)))
        self.job = {"type": "outliers", "network": {"name": "opt", "layers": 2, "width": 16, "heads": 2, "bias": False},
                    "train": self.path("text.txt"), "data": self.path("text.txt"), "methods": ["vanilla", GAMMA], "samples": 24,
                    "text": {"task": "causal", "length": 16, "sequences": 64}, "epochs": 2, "batch": 16,
                    "optimizer": {"lr": 0.01}, "calibration": {"samples": 16, "seeds": 2}}

    def run_in(self, folder, job=None, **more):
        return training.run(job or self.job, self.path(folder), **more)

    def test_two_methods__train_one_after_the_other_and_are_reported(self):
        r, kept, events = self.run_in("out")
        self.assertEqual([(x["id"], x["name"], x["seed"], x["attention_method"]) for x in r["runs"]],
                         [("vanilla", "vanilla", 1, {"name": "vanilla"}), ("clipped_softmax", "clipped_softmax", 1, GAMMA)])
        self.assertEqual(sorted(kept), ["clipped_softmax.onnx", "vanilla.onnx"])
        self.assertEqual((r["train"], r["text"]["task"], r["model"]), ("text.txt", "causal", "opt"))
        for run in r["runs"]:
            t = run["training"]
            self.assertEqual((t["epochs"], t["steps_done"]), (2, 2 * (64 // 16)))
            self.assertEqual(run["float"]["metric"], t["best"]["metric"])
            self.assertEqual(t["artifacts"], [{"kind": "trained", "name": run["id"] + ".onnx"}])
            heard = [e for e in events if e.get("scope") == "step" and e.get("scheme") == run["id"]]
            self.assertEqual([e["value"] for e in heard if e["name"] == "loss"], [s["loss"] for s in t["steps"]])
            self.assertEqual([(g["step"], g["epoch"]) for g in run["growth"]], [(4, 1), (8, 2)])
            for name in "max_inf_norm", "avg_kurtosis":
                self.assertEqual([e["value"] for e in heard if e["name"] == name], [g[name] for g in run["growth"]])
        zeros = [a["zeros"] for run in r["runs"] for a in run["attention"]]
        self.assertEqual(zeros[:4], [0] * 4)
        self.assertGreater(min(zeros[4:]), 0)  # what clipped softmax is for
        # The same network from the same weights: the first step's loss differs by the attention alone.
        first = [run["training"]["steps"][0]["loss"] for run in r["runs"]]
        self.assertNotEqual(first[0], first[1])
        self.assertAlmostEqual(first[0], first[1], delta=0.2)

    def test_artifacts__are_what_was_reported(self):
        r, _, _ = self.run_in("out")
        job = {k: v for k, v in self.job.items() if k in ("type", "data", "text", "samples", "calibration")}
        models = [self.path(f"out/{run['id']}.onnx") for run in r["runs"]]
        again, _ = worker.run({**job, "models": models})
        for a, b in zip(r["runs"], again["runs"]):
            self.assertEqual([t["name"] for t in a["tensors"]], [t["name"] for t in b["tensors"]])
            for key in "max_inf_norm", "avg_kurtosis", "sink_share":
                self.assertAlmostEqual(a[key], b[key], places=4)
            self.assertAlmostEqual(a["float"]["metric"], b["float"]["metric"], places=4)
            np.testing.assert_allclose(a["schemes"][0]["metrics"], b["schemes"][0]["metrics"], rtol=1e-4)
            self.assertIsNone(b["training"])
        for path in models:
            onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def test_seeds__have_a_run_each_and_a_spread(self):
        r, kept, _ = self.run_in("out", {**self.job, "seeds": [3, 4], "epochs": 1, "methods": ["vanilla", "gated"]})
        self.assertEqual([x["id"] for x in r["runs"]], ["vanilla-3", "vanilla-4", "gated-3", "gated-4"])
        self.assertEqual(len(kept), 4)
        for row, runs in zip(r["summary"], (r["runs"][:2], r["runs"][2:])):
            self.assertEqual((row["name"], row["runs"]), (runs[0]["name"], 2))
            for got, x in ((row["float"], [u["float"]["metric"] for u in runs]), (row["loss"], [u["float"]["loss"] for u in runs]),
                           (row["max_inf_norm"], [u["max_inf_norm"] for u in runs]),
                           (row["avg_kurtosis"], [u["avg_kurtosis"] for u in runs]), (row["sink_share"], [u["sink_share"] for u in runs]),
                           (row["schemes"][0]["metric"], [u["schemes"][0]["metric"] for u in runs]),
                           (row["schemes"][0]["delta"], [u["schemes"][0]["delta"] for u in runs])):
                np.testing.assert_allclose((got["mean"], got["sd"], got["low"], got["high"]),
                                           (np.mean(x), np.std(x, ddof=1), min(x), max(x)), rtol=1e-9)

    def test_threads_and_kills__give_the_same_bytes(self):
        job = {**self.job, "checkpoint_every": 1}
        whole, files_of_whole, _ = self.run_in("whole", {**job, "threads": 1})
        at = random.Random(7)
        for i in range(4):
            # Later kills hit the second method; what has trained is not trained again.
            training.interrupted({**job, "threads": 2}, self.path("part"), self.path("checkpoints"), at.randrange(2, 6) if i < 3 else 9)
        self.assertTrue(os.path.exists(self.path("checkpoints/vanilla/checkpoint")))
        resumed, files_of_resumed, events = self.run_in("part", {**job, "threads": 2}, checkpoints=self.path("checkpoints"))
        for r in whole, resumed:
            r.pop("machine")
        self.assertEqual(json.dumps(resumed), json.dumps(whole))
        self.assertEqual(files_of_resumed, files_of_whole)
        self.assertTrue(any("went on from step" in e.get("text", "") for e in events))

    def test_images_and_uploaded_networks__train_as_well(self):
        digits = {k: training.DIGITS[k] for k in ("train", "data", "preprocess")}
        r, _, _ = self.run_in("out", {"type": "outliers", "network": {"name": "vit", "layers": 1, "width": 16, "heads": 2}, **digits,
                                      "metric": "top1", "samples": 64, "epochs": 1, "methods": ["vanilla", "gated"],
                                      "calibration": {"seeds": 1}})
        self.assertEqual(len(r["runs"][1]["attention"]), 2)
        model = small.build(self.path("net.onnx"), pre_norm=True, causal=True)
        data = small.tokens(self.path("data.npz"), 40)
        r, _, _ = self.run_in("own", {"type": "outliers", "model": model, "train": data, "data": data, "metric": "perplexity",
                                      "epochs": 1, "batch": 20, "methods": ["gated", {"name": "gated", "gate": "all_heads"}],
                                      "optimizer": {"lr": 1e-4}, "calibration": {"samples": 16, "seeds": 1}})
        self.assertEqual([x["id"] for x in r["runs"]], ["gated", 'gated gate="all_heads"'])
        self.assertEqual([a["name"] for x in r["runs"] for a in x["training"]["artifacts"]],
                         ["gated.onnx", "gated_gate=_all_heads_.onnx"])

    def test_sentence_network__learns_its_own_embeddings_and_is_tried_on_pairs(self):
        model = small.build(self.path("net.onnx"), masked=True, head=False)
        rng = np.random.default_rng(3)
        ids, mask = rng.integers(0, small.VOCABULARY, (64, small.TOKENS)), np.ones((64, small.TOKENS), np.int64)
        y = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"ids": ids, "mask": mask})[0]
        np.savez(self.path("own.npz"), ids=ids, mask=mask, y=y)
        np.savez(self.path("pairs.npz"), ids=ids.reshape(32, 2, -1), mask=mask.reshape(32, 2, -1), y=rng.random(32))
        job = {"type": "outliers", "model": model, "data": self.path("pairs.npz"), "metric": "spearman",
               "calibration": {"samples": 8, "seeds": 1}}
        r, _, _ = self.run_in("out", {**job, "train": self.path("own.npz"), "loss": "mse", "epochs": 1, "batch": 16,
                                      "methods": ["vanilla", GAMMA], "optimizer": {"lr": 1e-6}})
        first = [run["training"]["steps"][0]["loss"] for run in r["runs"]]
        self.assertLess(first[0], 1e-9)  # it makes these labels itself
        self.assertGreater(first[1], 1e-4)
        as_it_came, _ = worker.run(job)
        self.assertAlmostEqual(r["runs"][0]["float"]["metric"], as_it_came["runs"][0]["float"]["metric"], delta=1)

    def test_wrong_jobs__are_refused_with_their_field(self):
        model = small.build(self.path("net.onnx"))
        for change, field, words in (
                ({"models": [model]}, "/models", "as they are"), ({"model": model}, "/model", "both"),
                ({"network": None}, "/model", "network"), ({"train": None}, "/train", "missing"),
                ({"methods": []}, "/methods", "1 to 8"), ({"methods": ["vanilla", "vanilla"]}, "/methods/1", "already"),
                ({"methods": ["valina"]}, "/methods/0", "vanilla"), ({"seeds": [1, 1]}, "/seeds/1", "twice"),
                ({"methods": [{"name": "gated", "gamma": 1}]}, "/methods/0/gamma", "gamma"),
                ({"seeds": [1.5]}, "/seeds/0", "whole"), ({"attention": "gated"}, "/attention", "attention"),
                ({"network": "resnet8", "text": None, "train": training.DIGITS["train"], "data": training.DIGITS["data"],
                  "metric": "top1"}, "/attention", "no attention")):
            wrong = {k: v for k, v in {**self.job, **change}.items() if v is not None}
            with self.subTest(change=change), self.assertRaises(worker.Failed) as failed:
                worker.run(wrong)
            self.assertEqual(failed.exception.event.get("field"), field, failed.exception.detail)
            self.assertIn(words, failed.exception.detail)
        for field in "methods", "seeds", "epochs", "optimizer", "init":
            value = {"methods": ["vanilla"], "seeds": [1], "epochs": 1, "optimizer": {}, "init": "given"}[field]
            with self.subTest(field), self.assertRaises(worker.Failed) as failed:
                worker.run({"type": "outliers", "model": model, "data": small.tokens(self.path("d.npz"), 4), "metric": "perplexity",
                            field: value})
            self.assertEqual(failed.exception.event.get("field"), "/" + field)
            self.assertIn("of a training", failed.exception.detail)

    def test_divergence__says_which_method(self):
        with self.assertRaises(worker.Failed) as failed:
            self.run_in("out", {**self.job, "optimizer": {"name": "sgd", "lr": 1000, "momentum": 0.99, "weight_decay": 100}, "clip": 0,
                                "epochs": 30, "schedule": {"name": "constant", "warm_up": 0}})
        self.assertEqual(failed.exception.code, "diverged")
        self.assertIn("method vanilla, seed 1", failed.exception.detail)


if __name__ == "__main__":
    unittest.main()
