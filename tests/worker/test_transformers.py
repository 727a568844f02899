#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Transformers by name and variants of attention in jobs: they train, their files run elsewhere, are trained on, and are quantized."""
import os
import unittest

import files
import numpy as np
import onnx
import onnxruntime
import training
import worker

LENGTH, TOKENS, ROWS = 16, 13, 192
SIZE = {"layers": 1, "width": 24, "heads": 2, "ffn": 32}
VARIANTS = ["vanilla", {"name": "clipped_softmax", "gamma": -0.03}, {"name": "gated", "gate": "mlp", "hidden": 4}]


def token_data(path, masked):
    """Walks over the tokens; of each every seventh is to be found, or each one's next."""
    rng = np.random.default_rng(4)
    x = (rng.integers(0, TOKENS, (ROWS, 1)) + np.cumsum(rng.integers(1, 3, (ROWS, LENGTH)), 1)) % TOKENS
    y = np.full_like(x, -100)
    if masked:
        y[:, ::7], x[:, ::7] = x[:, ::7], TOKENS
    else:
        y[:, :-1] = x[:, 1:]
    np.savez(path, input=x, y=y)
    return path


def image_data(path):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 4, ROWS)
    x = rng.standard_normal((ROWS, 3, 8, 8)) + 2 * rng.standard_normal((4, 3, 1, 1))[y]
    np.savez(path, x=x.astype(np.float32), y=y)
    return path


class Transformers(files.Case):
    def job(self, network):
        name = network["name"]
        data = self.path(name + ".npz")
        if not os.path.exists(data):
            image_data(data) if name == "vit" else token_data(data, name == "bert")
        text = {} if name == "vit" else {"ignore": -100}
        return {"type": "train", "network": {**SIZE, **network}, "train": data, "data": data, "epochs": 2, "batch": 32, "seed": 2,
                "metric": "top1" if name == "vit" else "perplexity", "optimizer": {"name": "adamw", "lr": 0.004}, **text}

    def better(self, job, after, before):
        self.assertTrue(after > before if job["metric"] == "top1" else after < before, (job, before, after))

    def test_networks__with_variants__train_and_are_quantized(self):
        for network in ({"name": "bert"}, {"name": "opt"}, {"name": "opt", "bias": False, "tied": False, "heads": 1}, {"name": "vit"}):
            for variant in VARIANTS:
                with self.subTest(network=network, attention=variant):
                    job = {**self.job(network), "attention": variant}
                    r, _, _ = training.run(job, self.path("trained"))
                    self.better(job, r["final"]["metric"], r["start"]["metric"])
                    path = self.path("trained/trained.onnx")
                    onnx.checker.check_model(path, full_check=True)
                    again = {k: v for k, v in job.items() if k not in ("network", "attention")}
                    more, _, _ = training.run({**again, "model": path, "epochs": 1}, self.path("again"))
                    self.assertEqual(more["start"]["metric"], r["final"]["metric"])
                    self.assertEqual(more["parameters"], r["parameters"])
                    quantized = {k: v for k, v in again.items() if k in ("data", "metric")}
                    p, _ = worker.run({"type": "ptq", "model": path, "schemes": ["int8"], "calibration": {"samples": 32},
                                       "latency": False, "export": ["qdq"], "workdir": self.path("trained"), **quantized})
                    row = p["schemes"][0]
                    self.assertAlmostEqual(p["float"]["metric"], r["final"]["metric"], places=5)
                    # Of so small a network top1 moves by whole samples.
                    self.assertLess(abs(row["metric"] - p["float"]["metric"]), 12 if job["metric"] == "top1" else 0.5)
                    names = {t["name"] for t in row["tensors"]}
                    probabilities = "probabilities.clipped.out" if "clipped" in str(variant) else "probabilities.out"
                    for part in ("scores.out", probabilities, "context.out"):
                        self.assertIn(f"layer0.attention.{part}", names)
                    self.runs_elsewhere(self.path("trained/int8.qdq.onnx"), job)
                    q, _, _ = training.run({**again, "type": "qat", "model": path, "scheme": "w8a8", "epochs": 1, "latency": False,
                                            "optimizer": {"lr": 0.001}}, self.path("qat"))
                    self.assertTrue(np.isfinite(q["final"]["metric"]))

    def runs_elsewhere(self, path, job):
        with np.load(job["data"]) as data:
            x = data["x" if "x" in data else "input"][:4]
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        logits = session.run(None, {session.get_inputs()[0].name: x})[0]
        self.assertEqual(len(logits), 4)
        self.assertTrue(np.isfinite(logits).all())

    def test_model__with_a_variant__keeps_its_weights(self):
        job = self.job({"name": "opt"})
        training.run(job, self.path("vanilla"))
        path = self.path("vanilla/trained.onnx")
        job = {k: v for k, v in job.items() if k != "network"}
        training.run({**job, "model": path, "attention": "gated", "epochs": 1, "optimizer": {"name": "sgd", "lr": 0}}, self.path("gated"))
        before, after = ({t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(p).graph.initializer}
                         for p in (path, self.path("gated/trained.onnx")))
        for name, want in before.items():
            np.testing.assert_array_equal(after[name], want, name)
        self.assertIn("layer0.attention.context.gate.weight", after)
        # Open by half at first: logit(0.5) is 0.
        np.testing.assert_array_equal(after["layer0.attention.context.gate.bias"], np.zeros((2, 1, 1), np.float32))

    def test_attention__that_does_not_fit__is_refused(self):
        vit = self.job({"name": "vit"})
        for change, field, words in (({"network": "resnet8"}, "/attention", "the network has no attention"),
                                     ({"attention": "gate"}, "/attention", "there is no variant of attention"),
                                     ({"attention": {"name": "gated", "gates": "mlp"}}, "/attention/gates", "no such field"),
                                     ({"network": {"name": "vit", "patch": 3}}, "/network", "of 3 does not divide an image of 8 x 8")):
            with self.subTest(change=change):
                with self.assertRaises(worker.Failed) as e:
                    worker.run({**vit, "attention": "gated", **change})
                self.assertEqual(e.exception.event["field"], field)
                self.assertIn(words, e.exception.detail)


if __name__ == "__main__":
    unittest.main()
