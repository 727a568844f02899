#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The train job: networks by name and from files, files that run elsewhere, the same bytes whatever happens on the way."""
import os
import random
import signal
import tempfile
import unittest

import files
import numpy as np
import onnxruntime
import small_network
import training
import worker

MLP = {"type": "train", "network": {"name": "mlp", "layers": [32]}, **training.DIGITS, "epochs": 3, "batch": 32, "seed": 3,
       "optimizer": {"name": "adam", "lr": 0.003}}
CNN = {"type": "train", "init": "fresh", **training.DIGITS, "epochs": 2, "batch": 64, "samples": 200,
       "schedule": {"name": "cosine", "warm_up": 0.5}, "augment": {"crop": 1, "noise": 0.05}, "label_smoothing": 0.1}


def accuracy(path, count=None):
    data = np.load(training.DIGITS["data"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = (data["x"][:count] * np.float32(1 / 255)).astype(np.float32)
    scores = session.run(None, {session.get_inputs()[0].name: x})[0]
    return 100 * np.mean(np.argmax(scores, 1) == data["y"][:count])


class Train(files.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.CNN = {**CNN, "model": os.path.join(folder.name, "small.onnx")}
        small_network.fresh(cls.CNN["model"])

    def test_mlp__of_digits__learns_and_its_file_runs_elsewhere(self):
        r, _, events = training.run(MLP, self.folder)
        steps = 1197 // 32 * 3
        self.assertGreater(r["final"]["metric"], 55)
        self.assertLess(r["start"]["metric"], 30)
        self.assertEqual(r["parameters"], 256 * 32 + 32 + 32 * 10 + 10)
        self.assertEqual(r["macs"], 256 * 32 + 32 * 10)
        self.assertEqual(r["steps_done"], steps)
        self.assertEqual([row["epoch"] for row in r["history"]], [1, 2, 3])
        self.assertEqual([row["step"] for row in r["history"]], [steps // 3, 2 * steps // 3, steps])
        self.assertLess(r["history"][-1]["loss"], r["history"][0]["loss"])
        self.assertEqual(r["best"]["metric"], max(row["metric"] for row in r["history"]))
        self.assertEqual(r["final"]["metric"], r["best"]["metric"])
        self.assertEqual(len(r["steps"]), steps)
        self.assertAlmostEqual(np.mean([s["loss"] for s in r["steps"][:steps // 3]]), r["history"][0]["loss"], places=5)
        heard = [e for e in events if e.get("scope") == "step" and e["name"] == "loss"]
        self.assertEqual([e["value"] for e in heard], [s["loss"] for s in r["steps"]])
        self.assertEqual([e["step"] for e in heard], [s["step"] for s in r["steps"]])
        self.assertAlmostEqual(accuracy(self.path("trained.onnx")), r["final"]["metric"], delta=0.2)

    def test_model__from_fresh_and_given_weights__trains(self):
        fresh, _, _ = training.run(self.CNN, self.path("fresh"))
        self.assertGreater(fresh["final"]["metric"], fresh["start"]["metric"])
        self.assertAlmostEqual(accuracy(self.path("fresh/trained.onnx"), 200), fresh["final"]["metric"], delta=0.6)
        given, _, _ = training.run({**self.CNN, "model": self.path("fresh/trained.onnx"), "init": "given", "epochs": 1},
                                   self.path("given"))
        self.assertEqual(given["start"]["metric"], fresh["final"]["metric"])

    def test_threads_and_repetition__give_the_same_bytes(self):
        for job in MLP, self.CNN:
            first, files_of_first, _ = training.run({**job, "threads": 1}, self.path("a"))
            second, files_of_second, _ = training.run({**job, "threads": 2}, self.path("b"))
            for r in first, second:
                r.pop("machine")
            self.assertEqual(first, second)
            self.assertEqual(files_of_first, files_of_second)

    def test_worker__killed_at_random_steps__ends_with_the_same_bytes(self):
        job = {**self.CNN, "checkpoint_every": 3}
        at = random.Random(5)
        whole, files_of_whole = training.check_kills(self, job, [at.randrange(2, 9) for _ in range(4)])
        # Of a training that is over nothing is computed again.
        again, files_of_again, _ = training.run(job, self.path("again"), checkpoints=self.path("checkpoints"))
        self.assertEqual((again, files_of_again), (whole, files_of_whole))

    def test_checkpoint__of_another_job__is_refused(self):
        training.interrupted({**MLP, "checkpoint_every": 1}, self.path("part"), self.path("checkpoints"), 5)
        with self.assertRaises(worker.Failed) as failed:
            training.run({**MLP, "seed": 4}, self.path("other"), checkpoints=self.path("checkpoints"))
        self.assertIn("checkpoint", failed.exception.detail)

    def test_cancel__keeps_the_best_network(self):
        events = training.interrupted({**MLP, "epochs": 200}, self.path("part"), self.path("checkpoints"), 60, signal.SIGTERM)
        self.assertEqual((events[-1]["event"], events[-1]["code"]), ("error", "cancelled"))
        self.assertIn("trained.onnx", events[-1]["detail"])
        self.assertGreater(accuracy(self.path("part/trained.onnx")), 40)

    def test_rate__that_is_too_high__is_said_at_which_step_and_what_to_try(self):
        with self.assertRaises(worker.Failed) as failed:
            training.run({**MLP, "optimizer": {"name": "sgd", "lr": 1000}}, self.folder)
        self.assertEqual(failed.exception.code, "diverged")
        self.assertRegex(failed.exception.detail, r"step \d+")

    def test_profile__of_steps__adds_up(self):
        r, _, _ = training.run({**self.CNN, "profile": True, "epochs": 1}, self.folder)
        p = r["profile"]
        self.assertEqual(p["steps"], r["steps_done"] - 1)
        self.assertAlmostEqual(p["samples_per_second"], 64 * p["steps"] / p["seconds"])
        self.assertGreater(p["seconds_per_step"], 0)
        self.assertLess(p["seconds_per_step"], 2 * p["seconds"] / p["steps"])  # a median of positive numbers
        plan = p["plan"]
        self.assertAlmostEqual(plan["total_ns"], sum(t["ns"] for t in plan["types"]))
        self.assertLessEqual({"Conv", "ConvWeightGradient", "BatchNormalizationTraining"}, {t["type"] for t in plan["types"]})
        self.assertGreater(plan["total_ns"], 0)

    def test_validation__held_out__chooses_and_data_measures_the_end_alone(self):
        job = {**self.CNN, "epochs": 3, "augment": {}, "validation": 0.25}
        r, _, _ = training.run(job, self.path("a"))
        self.assertEqual((r["validation_samples"], r["train_samples"]), (299, 898))
        self.assertEqual(r["steps_done"], 898 // 64 * 3)
        self.assertEqual(r["best"]["metric"], max(row["metric"] for row in r["history"]))
        # What chose is a part of the training data: as a share of 299 samples, where data has 200.
        for row in r["history"]:
            self.assertAlmostEqual(row["metric"] * 2.99, round(row["metric"] * 2.99), places=6)
        self.assertAlmostEqual(accuracy(self.path("a/trained.onnx"), 200), r["final"]["metric"], delta=0.6)
        # Data has no say: with other data the same network comes out.
        other, _, _ = training.run({**job, "data": training.DIGITS["train"], "samples": 100}, self.path("b"))
        self.assertEqual([row["metric"] for row in r["history"]], [row["metric"] for row in other["history"]])
        with open(self.path("a/trained.onnx"), "rb") as a, open(self.path("b/trained.onnx"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        whole, _, _ = training.run({**job, "validation": 0}, self.path("c"))
        self.assertEqual((whole["validation_samples"], whole["train_samples"]), (0, 1197))

    def test_change__of_the_metric__has_an_interval(self):
        r, _, _ = training.run(MLP, self.folder)
        final = r["final"]
        self.assertAlmostEqual(final["delta"], final["metric"] - r["start"]["metric"])
        self.assertLess(final["delta_low"], final["delta"])
        self.assertGreater(final["delta_high"], final["delta"])
        self.assertGreater(final["delta_low"], 20)  # of 1200 samples, and it learned

    def test_recompute__of_cheap_steps__gives_the_same_bytes(self):
        kept, files_of_kept, _ = training.run({**self.CNN, "epochs": 1}, self.path("a"))
        again, files_of_again, _ = training.run({**self.CNN, "epochs": 1, "recompute": True}, self.path("b"))
        self.assertEqual((kept, files_of_kept), (again, files_of_again))

    def test_latency__of_the_trained_network__is_measured_where_it_is_asked_for(self):
        r, _, _ = training.run({**MLP, "epochs": 1, "latency": {"min_seconds": 0, "min_queries": 20, "warmup_seconds": 0}}, self.folder)
        self.assertEqual(r["final"]["latency"]["execution"], "native")
        self.assertGreater(r["final"]["latency"]["p50_ns"], 0)
        for latency, field in ((3, "/latency"), ({"min_queries": 0}, "/latency/min_queries")):
            with self.assertRaises(worker.Failed) as failed:
                training.run({**MLP, "latency": latency}, self.folder)
            self.assertEqual(failed.exception.event.get("field"), field)

    def test_early_stop__ends_before_the_last_epoch(self):
        r, _, _ = training.run({**MLP, "epochs": 50, "early_stop": 1, "optimizer": {"name": "adam", "lr": 0.03}}, self.folder)
        self.assertEqual(r["ended"], "early_stop")
        self.assertLess(r["epochs"], 50)

    def test_fields__that_are_wrong__are_named(self):
        for change, field in (
                ({"network": "resnet9"}, "/network"), ({"model": training.MODEL}, "/model"), ({"network": None}, None),
                ({"batch": 5000}, "/batch"), ({"shards": 64}, "/shards"), ({"optimizer": {"name": "adagrad"}}, "/optimizer/name"),
                ({"schedule": {"name": "cosine", "final": 2}}, "/schedule/final"), ({"init": "fresh"}, "/init"),
                ({"distillation": {"weight": 0.5}}, "/teacher"), ({"metric": "top2"}, "/metric"), ({"network": "resnet8",
                 "epoch": 3}, "/epoch"), ({"validation": 0.95}, "/validation"), ({"validation": 1e-6}, "/validation"), ({"batch_norm": {"mode": "frozen", "reestimate": 5}}, "/batch_norm/reestimate")):
            with self.subTest(change=change), self.assertRaises(worker.Failed) as failed:
                training.run({**MLP, **change}, self.folder)
            if field:
                self.assertEqual(failed.exception.event.get("field"), field, failed.exception.detail)


if __name__ == "__main__":
    unittest.main()
