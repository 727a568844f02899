#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""The qat job: the network gets back what a scheme takes, runs elsewhere as it was evaluated, and ends with the same bytes
whatever happens on the way."""
import os
import random
import tempfile
import unittest

import files
import onnx
import small_network
import training
import worker

HOW = {"type": "qat", "scheme": "w4a4", "batch": 64, "seed": 1, "calibration": {"samples": 64},
       "optimizer": {"name": "adam", "lr": 2e-4, "weight_decay": 0}, "batch_norm": {"reestimate": 4}}


class Qat(files.Case):
    """SMALL trains a small network in a moment; DEEP the demo's, from which a few bits take much, on some of its data."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.SMALL = {**HOW, **small_network.trained(folder.name), "epochs": 1}
        cls.DEEP = {**HOW, "model": training.MODEL, "train": small_network.part(os.path.join(folder.name, "deep.npz"), 0, 192),
                    "data": training.DIGITS["data"], "samples": 150, "epochs": 3, "batch": 32, "calibration": {"samples": 32}}

    def test_w3a3__gets_back_what_it_takes(self):
        r, names, _ = training.run({**self.DEEP, "scheme": "w3a3"}, self.folder)
        self.assertLess(r["start"]["metric"], r["float"]["metric"] - 10)
        self.assertGreater(r["final"]["metric"], r["start"]["metric"] + 5)
        for row in r["start"], r["final"]:
            self.assertAlmostEqual(row["delta"], row["metric"] - r["float"]["metric"])
            self.assertLessEqual(row["delta_low"], row["delta"])
            self.assertGreaterEqual(row["delta_high"], row["delta"])
            self.assertLess(row["delta_low"], row["delta_high"])
        self.assertEqual(r["final"]["metric"], r["best"]["metric"])
        self.assertEqual(r["final"]["scheme"], "w3a3+lsq")
        self.assertLess(r["final"]["size_bytes"], r["float"]["size_bytes"] / 2)
        self.assertEqual(len(r["snapshots"]), 3)
        self.assertEqual([s["step"] for s in r["snapshots"]], [h["step"] for h in r["history"]])
        self.assertEqual(sorted(names), sorted(a["name"] for a in r["artifacts"] if "name" in a))
        # The first and the last layer have 8 bits, all others 3.
        formats = [layer["format"] for layer in r["layers"]]
        self.assertEqual({formats[0], formats[-1]}, {"int8"})
        self.assertEqual(set(formats[1:-1]), {"int3"})
        for layer in r["layers"][1:-1]:
            self.assertEqual(sum(layer["frequencies"]), layer["weights"])
            self.assertLessEqual(sum(layer["latent"]), layer["weights"])
        self.assertIsNotNone(r["oscillating"])

    def test_qdq_network__in_onnx_runtime__predicts_the_same(self):
        for scheme in "w4a4", "int8", "w3a3":
            with self.subTest(scheme=scheme):
                r, _, _ = training.run({**self.SMALL, "scheme": scheme}, self.path(scheme))
                name, = [a["name"] for a in r["artifacts"] if a["kind"] == "qdq"]
                path = self.path(os.path.join(scheme, name))
                onnx.checker.check_model(path)
                self.assertAlmostEqual(small_network.accuracy(path, self.SMALL), r["final"]["metric"], delta=0.3)

    def test_trained_file__is_the_float_network_to_go_on_from(self):
        r, _, _ = training.run({**self.SMALL, "scheme": "int8"}, self.path("wide"))
        elsewhere = small_network.accuracy(self.path("wide/trained.onnx"), self.SMALL)
        self.assertAlmostEqual(elsewhere, r["final"]["latent_metric"], delta=0.3)
        self.assertIn("BatchNormalization", {n.op_type for n in onnx.load(self.path("wide/trained.onnx")).graph.node})
        narrow, _, _ = training.run({**self.SMALL, "model": self.path("wide/trained.onnx")}, self.path("narrow"))
        self.assertAlmostEqual(narrow["float"]["metric"], r["final"]["latent_metric"], delta=0.01)

    def test_methods__freeze_and_dampen__leave_less_that_oscillates(self):
        job = {**self.SMALL, "scheme": "w3a3", "epochs": 3, "oscillations": {"momentum": 0.05, "threshold": 0.1},
               "optimizer": {"name": "adam", "lr": 5e-3, "weight_decay": 0}, "schedule": {"name": "constant"}}
        lsq, _, _ = training.run(job, self.path("lsq"))
        freeze, _, _ = training.run({**job, "method": ["lsq", {"name": "freeze", "threshold": 0.06}]}, self.path("freeze"))
        self.assertEqual(lsq["frozen"], 0)
        self.assertGreater(freeze["frozen"], 0)
        self.assertLess(freeze["snapshots"][-1]["oscillating"], lsq["snapshots"][-1]["oscillating"])
        shares = [s["frozen"] for s in freeze["snapshots"]]
        self.assertEqual(shares, sorted(shares))  # nothing thaws
        self.assertEqual(freeze["methods"], ["lsq", "freeze"])

    def test_batch_norms__as_they_ran_and_re_estimated__are_both_measured(self):
        job = {**self.DEEP, "optimizer": {"name": "adam", "lr": 1e-3, "weight_decay": 0}, "epochs": 1}
        on, _, _ = training.run(job, self.path("on"))
        off, _, _ = training.run({**job, "batch_norm": {"reestimate": 0}}, self.path("off"))
        self.assertEqual(on["final"]["reestimated_metric"], on["final"]["metric"])
        self.assertEqual(off["final"]["running_metric"], off["final"]["metric"])
        # Of one epoch both keep the same weights, and differ in what they re-estimate before it is measured.
        self.assertEqual(on["final"]["running_metric"], off["final"]["running_metric"])
        self.assertNotEqual(on["final"]["running_metric"], on["final"]["reestimated_metric"])
        for r in on, off:
            self.assertEqual(r["start"]["running_metric"], r["start"]["metric"])
            self.assertIsNotNone(r["start"]["reestimated_metric"])
        fixed, _, _ = training.run({**job, "batch_norm": {"reestimate": 0, "mode": "frozen"}}, self.path("frozen"))
        self.assertEqual(fixed["final"]["running_metric"], fixed["final"]["metric"])
        self.assertIsNone(fixed["final"]["reestimated_metric"])

    def test_threads_and_repetition__give_the_same_bytes(self):
        job = {**self.SMALL, "method": "freeze"}
        first, files_of_first, _ = training.run({**job, "threads": 1}, self.path("a"))
        second, files_of_second, _ = training.run({**job, "threads": 2}, self.path("b"))
        for r in first, second:
            r.pop("machine")
        self.assertEqual(first, second)
        self.assertEqual(files_of_first, files_of_second)

    def test_worker__killed_at_random_steps__ends_with_the_same_bytes(self):
        job = {**self.SMALL, "epochs": 2, "checkpoint_every": 2, "method": "freeze", "ema": 0.9}
        at = random.Random(7)
        training.check_kills(self, job, [at.randrange(3, 9) for _ in range(3)])

    def test_validation__held_out__chooses_and_calibrates_nothing(self):
        r, _, _ = training.run({**self.SMALL, "scheme": "w3a3", "epochs": 2, "validation": 0.2}, self.path("a"))
        self.assertEqual((r["validation_samples"], r["train_samples"], r["samples"]), (128, 512, 300))
        self.assertEqual(r["best"]["metric"], max(row["metric"] for row in r["history"]))
        for row in r["history"]:
            self.assertAlmostEqual(row["metric"] * 1.28, round(row["metric"] * 1.28), places=6)
        # Data measures what was kept.
        self.assertAlmostEqual(small_network.accuracy(self.path("a/trained.onnx"), self.SMALL), r["final"]["latent_metric"], delta=0.4)

    def test_start__of_methods_that_decide_weights__begins_with_them(self):
        job = {**self.SMALL, "start": {"methods": [{"name": "adaround", "iterations": 50}]}}
        r, _, _ = training.run(job, self.folder)
        self.assertEqual(r["start"]["scheme"], "w4a4")
        self.assertIsNotNone(r["final"]["metric"])

    def test_start__by_wider_schemes__trains_for_each_in_turn(self):
        job = {**self.SMALL, "scheme": "w3a3", "epochs": 2, "start": {"schemes": ["w8a8", {"scheme": "w4a4", "name": "four"}],
                                                                     "epochs": 1}}
        r, names, _ = training.run(job, self.path("all"))
        self.assertEqual([s["scheme"] for s in r["stages"]], ["w8a8", "four"])
        self.assertEqual([s["epochs"] for s in r["stages"]], [1, 1])
        self.assertEqual(r["epochs"], 2)
        self.assertIn("stage-2.onnx", names)
        self.assertEqual(sorted(names), sorted(a["name"] for a in r["artifacts"] if "name" in a))
        # As jobs one after the other.
        model, float_metric = self.SMALL["model"], None
        for i, scheme in enumerate(("w8a8", "w4a4")):
            one, files_of_one, _ = training.run({**job, "model": model, "scheme": scheme, "epochs": 1, "start": "float"},
                                                self.path(str(i)))
            float_metric = float_metric or one["float"]["metric"]
            stage = r["stages"][i]
            self.assertEqual(files_of_one["trained.onnx"], names[f"stage-{i + 1}.onnx"])
            for at in "start", "final":
                self.assertEqual({k: one[at][k] for k in stage[at]}, stage[at])
            self.assertEqual(one["history"], stage["history"])
            model = self.path(f"{i}/trained.onnx")
        last, files_of_last, _ = training.run({**job, "model": model, "start": "float"}, self.path("last"))
        self.assertEqual(files_of_last["trained.onnx"], names["trained.onnx"])
        self.assertEqual((last["start"]["metric"], last["final"]["metric"]), (r["start"]["metric"], r["final"]["metric"]))
        self.assertEqual(last["steps"], r["steps"])
        # Float, and changes against it, are of the network as it came.
        self.assertEqual(r["float"]["metric"], float_metric)
        for at in "start", "final":
            self.assertAlmostEqual(r[at]["delta"], r[at]["metric"] - float_metric)
        self.assertEqual(last["stages"], [])

    def test_worker__killed_in_a_stage__ends_with_the_same_bytes(self):
        job = {**self.SMALL, "scheme": "w3a3", "checkpoint_every": 2, "start": {"schemes": ["w8a8", "w4a4"], "methods": [
            {"name": "adaround", "iterations": 20}]}}
        whole, files_of_whole, _ = training.run(job, self.path("whole"))
        training.interrupted(job, self.path("part"), self.path("checkpoints"), 5, event=lambda e: e["event"] == "progress")
        training.interrupted(job, self.path("part"), self.path("checkpoints"), 40, event=lambda e: e["event"] == "progress")
        training.interrupted(job, self.path("part"), self.path("checkpoints"), 4)
        self.assertTrue(os.path.exists(self.path("checkpoints/stage-1/checkpoint")))
        resumed, files_of_resumed, events = training.run(job, self.path("part"), checkpoints=self.path("checkpoints"))
        self.assertEqual(resumed, whole)
        self.assertEqual(files_of_resumed, files_of_whole)
        self.assertTrue(any("went on from step" in e.get("text", "") for e in events))

    def test_floats__learn_their_ranges__too(self):
        r, _, _ = training.run({**self.DEEP, "scheme": "E2", "epochs": 1, "first_last": "same", "placement": "all"}, self.folder)
        self.assertIsNone(r["oscillating"])
        self.assertEqual({layer["format"] for layer in r["layers"]}, {"E2"})
        self.assertGreater(r["final"]["metric"], 90)

    def test_latency__of_the_result__is_that_of_integers(self):
        r, _, _ = training.run({**self.SMALL, "scheme": "int8", "placement": "all", "latency": {
            "min_seconds": 0, "min_queries": 20, "warmup_seconds": 0}}, self.folder)
        self.assertEqual(r["final"]["latency"]["execution"], "native")
        self.assertGreater(r["float"]["latency"]["p50_ns"], 0)

    def test_fields__that_are_wrong__are_named(self):
        for change, field in (
                ({"scheme": "w4q4"}, "/scheme/scheme"), ({"scheme": "float32"}, "/scheme"), ({"scheme": "carried"}, "/scheme"),
                ({"method": "frieze"}, "/method"), ({"method": [{"name": "freeze", "threshold": 3}]}, "/method/0/threshold"),
                ({"ranges": "loose"}, "/ranges"), ({"start": "int8"}, "/start"), ({"start": {}}, "/start"),
                ({"start": {"schemes": ["w8q8"]}}, "/start/schemes/0/scheme"), ({"start": {"schemes": ["float32"]}}, "/start/schemes/0"), (
                    {"start": {"methods": ["smoothquant"]}}, "/start"), ({"first_last": "4bit"}, "/first_last"),
                ({"quantizer_optimizer": {"lr": -1}}, "/quantizer_optimizer/lr"), ({"network": "resnet8"}, "/network"),
                ({"teacher": training.MODEL}, "/distillation/weight")):
            with self.subTest(change=change), self.assertRaises(worker.Failed) as failed:
                training.run({**self.SMALL, **change}, self.folder)
            self.assertEqual(failed.exception.event.get("field"), field, failed.exception.detail)


if __name__ == "__main__":
    unittest.main()
