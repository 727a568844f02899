#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Texts as data: jobs that read and train on tokens, their metrics against ONNX Runtime and numpy, what is refused."""
import json
import os
import random
import subprocess
import unittest

import numpy as np
import onnxruntime
from onnx import helper

import tiny
import training
import worker

IGNORE = -100


def softmax_nats(logits, labels):
    z = logits.astype(np.float64)
    z = z - z.max(-1, keepdims=True)
    z = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -np.take_along_axis(z, labels[..., None], -1)[..., 0]


class Text(tiny.Case):
    def setUp(self):
        super().setUp()
        words = ["the ", "quick ", "tent ", "set ", "note ", "tree ", "\n", "x\u00e9", "eat ", "zest "]
        self.text = "".join(words[i] for i in self.random.integers(0, len(words), 3000)).encode()
        self.train = self.save("train.txt", self.text)
        self.data = self.save("data.txt", self.text[::-1][:2000])
        self.model = self.language_model("lm.onnx")

    def save(self, name, content):
        with open(self.path(name), "wb") as f:
            f.write(content)
        return self.path(name)

    def language_model(self, name, vocabulary=259, width=16, length="T"):
        """Of each token alone, but for a mean over the window: enough for bigrams."""
        n = helper.make_node
        return self.save_model(name, [
            n("Gather", ["table", "ids"], ["e"]), n("ReduceMean", ["e"], ["m"], axes=[1], keepdims=1), n("Add", ["e", "m"], ["s"]),
            n("MatMul", ["s", "w"], ["l"]), n("Add", ["l", "b"], ["logits"])],
            {"ids": (tiny.INT64, ["N", length])}, {"logits": (tiny.FLOAT, ["N", length, vocabulary])},
            {"table": self.normal(vocabulary, width), "w": self.normal(width, vocabulary) / 8, "b": self.normal(vocabulary) / 8})

    def windows(self, path, **config):
        """As tests/tools/text_windows prints those that evaluate, which test_text_windows.py holds to its own."""
        length = config["length"]
        call = [os.path.join(worker.BUILD, "tests/tools/text_windows"), path, "evaluate", "0", "0", "0"]
        options = [f"{k}={v}" for k, v in config.items()]
        head = subprocess.run([*call, "0", *options], capture_output=True, text=True, check=True).stdout.splitlines()
        lines = subprocess.run([*call, head[-1], *options], capture_output=True, text=True, check=True).stdout.splitlines()
        rows = np.array([line.split() for line in lines[len(head):]], np.int64)
        return rows[:, :length], rows[:, length:2 * length]

    def expected(self, model, tokens, labels):
        """loss, perplexity, accuracy of tokens"""
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        logits = session.run(None, {session.get_inputs()[0].name: tokens})[0]
        counts = labels != IGNORE
        nats = softmax_nats(logits[counts], labels[counts])
        return nats.mean(), np.exp(nats.mean()), 100 * (logits[counts].argmax(-1) == labels[counts]).mean()

    def ptq(self, **job):
        return worker.run({"type": "ptq", "model": self.model, "data": self.data, "schemes": ["int8"], "latency": False, **job})[0]

    def job(self, **change):
        return {"type": "train", "model": self.model, "train": self.train, "data": self.data, "epochs": 3, "batch": 16, "seed": 4,
                "optimizer": {"name": "adamw", "lr": 0.02}, "text": {"task": "causal", "length": 32}, **change}

    def failed(self, job, field, *words):
        with self.assertRaises(worker.Failed) as failed:
            worker.run(job)
        self.assertEqual(failed.exception.event.get("field"), field, failed.exception.detail)
        for word in words:
            self.assertIn(word, failed.exception.detail)

    def test_metrics__over_whole_texts__are_those_of_numpy(self):
        for task, more in (("causal", {}), ("masked", {"mask": 0.3}), ("bigram_backcopy", {"sequences": 20})):
            text = {"task": task, "length": 48, **more}
            tokens, labels = self.windows(self.data, **text)
            if task == "causal":
                self.assertEqual((labels != IGNORE).sum(), 1999)
            wanted = self.expected(self.model, tokens, labels)
            for metric, want in zip(("token_loss", "perplexity", "token_accuracy"), wanted):
                got = self.ptq(text=text, metric=metric)
                self.assertAlmostEqual(got["float"]["metric"], want, delta=2e-5 * want, msg=(task, metric))
                self.assertEqual(got["samples"], len(tokens))
                row = got["schemes"][0]
                self.assertLessEqual(row["delta_low"], row["delta"])
                self.assertGreaterEqual(row["delta_high"], row["delta"])
            # What the result tells of the text.
            told = got["text"]
            self.assertEqual((told["task"], told["length"], told["windows"], told["tokens"], told["vocabulary"]),
                             (task, 48, len(tokens), 2000, 259))
            self.assertEqual((told["mask_token"], told["start_token"], told["padding_token"]), (256, 257, 258))
            if task == "bigram_backcopy":
                self.assertEqual(len(told["triggers"]), 3)
                self.assertAlmostEqual(told["copied"], np.isin(tokens, told["triggers"]).mean(), places=12)
                self.assertLess(told["least_loss"], wanted[0])

    def test_metric__that_is_not_named__is_perplexity(self):
        got = self.ptq(text={"task": "causal", "length": 48})
        self.assertEqual(got["metric_name"], "perplexity")

    def test_arrays__of_the_same_bytes__give_the_same(self):
        tokens = np.frombuffer(self.text[::-1][:2000], np.uint8)
        text = {"task": "causal", "length": 48}
        want = self.ptq(text=text)["float"]["metric"]
        for data in (self.save_data("t.npz", tokens=tokens, other=np.zeros(3)), self.save_data("u.npz", tokens=tokens.astype(np.int64))):
            self.assertEqual(self.ptq(text=text, data=data)["float"]["metric"], want)
        rows = self.save_data("rows.npz", tokens=tokens[:1920].reshape(40, 48))
        labels = np.concatenate([tokens[:1920].reshape(40, 48)[:, 1:], np.full((40, 1), IGNORE)], 1).astype(np.int64)
        got = self.ptq(text={"task": "causal"}, data=rows)["float"]["metric"]
        self.assertAlmostEqual(got / self.expected(self.model, tokens[:1920].reshape(40, 48).astype(np.int64), labels)[1], 1, delta=2e-5)

    def test_train__on_a_text__learns_and_its_file_runs_elsewhere(self):
        r, _, _ = training.run(self.job(data=self.train), self.path("out"))
        self.assertEqual(r["metric_name"], "perplexity")
        self.assertLess(r["final"]["metric"], 5)
        self.assertGreater(r["start"]["metric"], 50)
        self.assertEqual(r["best"]["metric"], min(row["metric"] for row in r["history"]))
        self.assertEqual(r["train_samples"], len(self.text) // 32)
        self.assertEqual(r["samples"], -(-(len(self.text) - 1) // 32))
        tokens, labels = self.windows(self.train, task="causal", length=32)
        self.assertAlmostEqual(self.expected(self.path("out/trained.onnx"), tokens, labels)[1] / r["final"]["metric"], 1, delta=2e-5)

    def test_train__on_bigram_backcopy__comes_near_to_the_least_loss_of_bigrams(self):
        """A network of single tokens learns the bigrams and no copies: what it can reach is known."""
        text = {"task": "bigram_backcopy", "length": 64, "sequences": 400}
        r, _, _ = training.run(self.job(model=self.language_model("wide.onnx", width=32), data=self.train, text=text, metric="token_loss",
                                        epochs=8), self.path("out"))
        tokens, labels = self.windows(self.train, **text)
        pairs = np.zeros((259, 259))
        np.add.at(pairs, (tokens.ravel(), labels.ravel()), 1)
        share = pairs / pairs.sum()
        reachable = -(share[share > 0] * np.log((share / share.sum(1, keepdims=True).clip(1e-30))[share > 0])).sum()
        self.assertGreater(r["final"]["metric"], r["text"]["least_loss"])
        self.assertLess(r["final"]["metric"], reachable * 1.15)

    def test_validation__of_a_text__is_its_end(self):
        job = self.job(data=self.data, epochs=2, validation=0.25)
        r, _, _ = training.run(job, self.path("out"))
        held = round(len(self.text) * 0.75)
        self.assertEqual(r["train_samples"], held // 32)
        self.assertEqual(r["validation_samples"], -(-(len(self.text) - held - 1) // 32))
        # The best evaluation is that of the text's end alone, the final one that of the data.
        for path, got in ((self.save("end.txt", self.text[held:]), r["best"]["metric"]), (self.data, r["final"]["metric"])):
            tokens, labels = self.windows(path, task="causal", length=32)
            self.assertAlmostEqual(self.expected(self.path("out/trained.onnx"), tokens, labels)[1] / got, 1, delta=2e-5)
        self.failed({**job, "text": {"task": "bigram_backcopy"}, "data": self.train}, "/validation", "bigram_backcopy")
        self.failed({**job, "validation": 0.001}, "/text/length", "33")

    def test_networks_by_name__take_length_and_vocabulary_from_the_text(self):
        shape = {"layers": 1, "width": 16, "heads": 2}
        for name, task, text in (("opt", "causal", self.train), ("bert", "masked", self.train), ("opt", "bigram_backcopy", self.train),
                                 ("bert", "masked", self.save_data("few.npz", tokens=np.frombuffer(self.text, np.uint8) % 50))):
            job = self.job(network={"name": name, **shape}, train=text, data=text, epochs=1, samples=20, text={"task": task, "length": 24})
            del job["model"]
            r, _, _ = training.run(job, self.path(name + task))
            self.assertEqual(r["text"]["vocabulary"], 259 if text == self.train else 53)
            session = onnxruntime.InferenceSession(self.path(name + task + "/trained.onnx"), providers=["CPUExecutionProvider"])
            self.assertEqual(session.run(None, {"input": np.zeros((2, 24), np.int64)})[0].shape, (2, 24, r["text"]["vocabulary"]))

    def test_train__masked__learns_the_bytes_that_are_asked_for(self):
        r, _, _ = training.run(self.job(data=self.train, text={"task": "masked", "length": 32}, metric="token_accuracy"),
                               self.path("out"))
        self.assertGreater(r["final"]["metric"], r["start"]["metric"] + 10)

    def test_threads_and_repetition__give_the_same_bytes(self):
        for text in {"task": "masked", "length": 32}, {"task": "bigram_backcopy", "length": 32}, {"task": "causal", "windows": "strided"}:
            job = self.job(text=text, data=self.train, epochs=2, samples=50)
            first, files_of_first, _ = training.run({**job, "threads": 1}, self.path("a"))
            second, files_of_second, _ = training.run({**job, "threads": 2}, self.path("b"))
            for r in first, second:
                r.pop("machine")
            self.assertEqual(first, second)
            self.assertEqual(files_of_first, files_of_second)

    def test_worker__killed_at_random_steps__ends_with_the_same_bytes(self):
        job = self.job(text={"task": "masked", "length": 32}, epochs=2, checkpoint_every=4)
        at = random.Random(5)
        training.check_kills(self, job, [at.randrange(5, 12) for _ in range(3)])
        # Another task is another training.
        with self.assertRaises(worker.Failed) as failed:
            training.run({**job, "text": {"task": "masked", "length": 32, "mask": 0.2}}, self.path("other"),
                         checkpoints=self.path("checkpoints"))
        self.assertIn("checkpoint", failed.exception.detail)

    def test_qat__on_a_text__calibrates_and_trains(self):
        r, _, _ = training.run({**self.job(data=self.train, epochs=2, samples=60), "type": "qat", "scheme": "w4a8", "first_last": "same",
                                "optimizer": {"name": "adam", "lr": 0.01}}, self.path("out"))
        self.assertEqual(r["metric_name"], "perplexity")
        self.assertLess(r["final"]["metric"], r["start"]["metric"])
        self.assertEqual(r["text"]["task"], "causal")

    def test_diagnose__on_a_text__counts_its_windows(self):
        r, _ = worker.run({"type": "diagnose", "model": self.model, "data": self.data, "scheme": "int8", "samples": 20,
                           "text": {"task": "causal", "length": 48}})
        self.assertEqual((r["samples"], r["metric_name"], r["text"]["length"]), (20, "perplexity", 48))

    def test_inputs__of_a_transformer_beside_tokens__are_fed(self):
        n = helper.make_node
        model = self.save_model("inputs.onnx", [
            n("Gather", ["table", "input_ids"], ["e"]), n("Gather", ["places", "position_ids"], ["p"]), n("Add", ["e", "p"], ["s"]),
            n("Cast", ["attention_mask"], ["m"], to=1), n("Cast", ["token_type_ids"], ["y"], to=1), n("Sub", ["m", "y"], ["d"]),
            n("Unsqueeze", ["d", "last"], ["u"]), n("Mul", ["s", "u"], ["logits"])],
            {k: (tiny.INT64, ["N", "T"]) for k in ("input_ids", "attention_mask", "token_type_ids", "position_ids")},
            {"logits": (tiny.FLOAT, ["N", "T", 300])},
            {"table": self.normal(300, 300), "places": self.normal(20, 300), "last": np.array([2])})
        rows = self.random.integers(1, 256, (12, 20))
        rows[5, 12:] = 0
        labels = np.concatenate([rows[:, 1:], np.zeros((12, 1), int)], 1)
        got = self.ptq(model=model, data=self.save_data("r.npz", tokens=rows), text={"task": "causal", "padding_token": 0}, metric="token_loss")
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        logits = session.run(None, {"input_ids": rows, "attention_mask": (rows != 0).astype(np.int64), "token_type_ids": 0 * rows,
                                    "position_ids": np.tile(np.arange(20), (12, 1))})[0]
        self.assertAlmostEqual(got["float"]["metric"] / softmax_nats(logits, labels)[labels != 0].mean(), 1, delta=2e-5)

    def test_inspection__of_a_text__tells_its_tokens(self):
        got, _ = worker.run({"type": "inspect", "data": self.train})
        self.assertEqual(got, {"kind": "text", "bytes": len(self.text), "tokens": len(self.text), "distinct": len(set(self.text)),
                               "largest": max(self.text), "vocabulary": 256})
        for name, content, words in (("empty.txt", b"", "empty"), ("text.raw", self.text, ".txt")):
            with self.assertRaises(worker.Failed) as failed:
                worker.run({"type": "inspect", "data": self.save(name, content)})
            self.assertIn(words, failed.exception.detail)
        hostile = self.save("hostile.txt", bytes(range(256)) + b"\x93NUMPY\x01\0\xff\xff{")
        self.assertEqual(worker.run({"type": "inspect", "data": hostile})[0]["distinct"], 256)

    def test_jobs__that_do_not_fit_the_text__are_refused_with_the_field(self):
        base = {"type": "ptq", "model": self.model, "data": self.data, "schemes": ["int8"], "latency": False}
        text = {"task": "causal", "length": 48}
        small = self.language_model("small.onnx", vocabulary=256)
        fixed = self.language_model("fixed.onnx", length=64)
        for job, field, *words in (
                (base, "/text", "is missing"),
                ({**base, "text": {}}, "/text/task", "masked"),
                ({**base, "text": {"task": "casual"}}, "/text/task", "causal"),
                ({**base, "text": {**text, "size": 3}}, "/text/size"),
                ({**base, "text": {**text, "length": 2000}}, "/text/length", "2001", "2000"),
                ({**base, "text": {**text, "length": 0}}, "/text/length"),
                ({**base, "text": {**text, "vocabulary": 300}}, "/text/vocabulary"),
                ({**base, "text": text, "metric": "top1"}, "/metric", "perplexity"),
                ({**base, "text": text, "metric": "perplexity_causal"}, "/metric", "perplexity"),
                ({**base, "text": {**text, "task": "masked"}, "model": small}, "/text", "256"),
                ({**base, "text": text, "model": fixed}, "/text/length", "64"),
                ({**base, "text": text, "data": self.save_data("x.npz", x=self.normal(4, 8), y=np.zeros(4))}, None, "tokens"),
                ({**base, "text": {**text, "triggers": 16, "task": "bigram_backcopy"}, "data": self.save("ab.txt", b"ab" * 50)},
                 "/text/triggers"),
                (self.job(next_token=True), "/next_token"), (self.job(loss="mse"), "/loss"), (self.job(ignore=3), "/ignore"),
                *((self.job(augment={how: 0.1}), "/augment") for how in ("noise", "rotate", "shear", "scale", "brightness")),
                (self.job(augment={"flip": True}), "/augment"), (self.job(augment={"shift": 1}), "/augment"),
                (self.job(text=None), "/text"),
                (self.job(text={"task": "bigram_backcopy"}, data=self.save("z.txt", b"zzqqjj z" * 100)), "/data", "trigger"),
                (self.job(batch=100000), "/batch")):
            with self.subTest(job=job):
                job = {k: v for k, v in job.items() if v is not None}
                self.failed(job, field, *words)
        # A fixed length is the windows' own.
        self.assertEqual(self.ptq(model=fixed, text={"task": "causal"})["text"]["length"], 64)

    def test_checks__of_descriptions__refuse_what_the_job_refuses(self):
        inspected = {k: worker.run({"type": "inspect", k: v})[0] for k, v in (("model", self.model), ("data", self.data))}
        base = {"type": "ptq", "model": "m1", "data": "d1", "schemes": ["int8"], "latency": False}
        def ask(job, uploads):
            p = subprocess.run([os.path.join(worker.BUILD, "quantbench-worker"), "--serve"], capture_output=True, text=True, check=True,
                               input=json.dumps({"ask": "check", "job": job, "uploads": uploads}) + "\n")
            return json.loads(p.stdout)["answer"]
        for change, field in (({}, "/text"), ({"text": {"task": "causal", "length": 3000}}, "/text/length"),
                              ({"text": {"task": "causal"}, "metric": "top1"}, "/metric")):
            answer = ask({**base, **change}, inspected)
            self.assertEqual((answer["ok"], answer.get("field")), (False, field), answer)
            self.failed({**base, "model": self.model, "data": self.data, **change}, field, answer["detail"])
        for text in {"task": "causal"}, {"task": "masked", "length": 64}, {"task": "bigram_backcopy"}:
            self.assertEqual(ask({**base, "text": text}, inspected), {"ok": True})
        # Arrays of tokens, and images for a network of tokens.
        tokens, _ = worker.run({"type": "inspect", "data": self.save_data("t.npz", tokens=np.zeros((5, 30), np.uint8))})
        self.assertEqual(ask({**base, "text": {"task": "causal"}}, {**inspected, "data": tokens}), {"ok": True})
        answer = ask({**base, "text": {"task": "causal", "length": 31}}, {**inspected, "data": tokens})
        self.assertEqual(answer.get("field"), "/text/length")
        self.assertEqual(ask({"type": "train", "network": "mlp", "train": "d1", "data": "d1"}, {"data": inspected["data"]}).get("field"), "/text")


if __name__ == "__main__":
    unittest.main()
