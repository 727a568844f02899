#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""Training against PyTorch: the losses of ten steps, gradients' norms, weights and running statistics, from the same weights
with the same batches. And the same bytes for any number of threads, and for a run that was killed and resumed."""
import os
import random
import subprocess
import sys
import tempfile
import unittest
import warnings

try:
    import numpy as np
    import onnx
    import torch
    import torch.nn.functional as F
    from onnx import numpy_helper
    from training_networks import Vit, resnet, transformer
except ImportError as e:
    print(f"SKIP: lacks torch: {e}; it is the package torch")
    sys.exit(77)

TOOL = os.path.join(os.environ.get("top_builddir", "."), "tests", "tools", "train_steps")
STATISTICS = (".mean", ".variance")


def run_tool(model, data, **options):
    return subprocess.run([TOOL, model, data, *(f"{k}={v}" for k, v in options.items())], capture_output=True, text=True,
                          timeout=600, check=False)


def steps_of(text):
    """[(loss, norm, rate, samples)] of the lines that the tool prints."""
    steps = []
    for line in text.splitlines():
        if line.startswith("step "):
            words = line.split()
            steps.append((float(words[3]), float(words[5]), float(words[7]), [int(w) for w in words[9:]]))
    return steps


def weights_of(path):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


class Peer:
    """The same training in PyTorch: weights decay, biases, gains, offsets and positions do not."""

    def __init__(self, weights, forward, optimizer, rate, decay, clip=0):
        self.p = {k: torch.tensor(v, requires_grad=not k.endswith(STATISTICS)) for k, v in weights.items()}
        self.forward, self.clip = forward, clip
        trained = [k for k in self.p if not k.endswith(STATISTICS)]
        groups = [{"params": [self.p[k] for k in trained if k.endswith(".w") or k == "table"], "weight_decay": decay},
                  {"params": [self.p[k] for k in trained if not (k.endswith(".w") or k == "table")], "weight_decay": 0}]
        self.optimizer = (torch.optim.SGD(groups, lr=rate, momentum=0.9) if optimizer == "sgd"
                          else torch.optim.AdamW(groups, lr=rate))

    def step(self, x, loss_of):
        loss = loss_of(self.forward(self.p, x))
        self.optimizer.zero_grad()
        loss.backward()
        params = [v for v in self.p.values() if v.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(params, self.clip or float("inf"))
        self.optimizer.step()
        return loss.item(), norm.item()


def image_data(folder):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 10, 96)
    x = (rng.standard_normal((96, 3, 16, 16)) + rng.standard_normal((10, 3, 1, 1))[y]).astype(np.float32)
    path = os.path.join(folder, "images.npz")
    np.savez(path, x=x, y=y)
    return path, x, y


def token_data(folder):
    rng = np.random.default_rng(6)
    tokens = (np.cumsum(rng.integers(0, 3, (64, 12)), 1) % 31).astype(np.int64)
    path = os.path.join(folder, "tokens.npz")
    np.savez(path, tokens=tokens)
    return path, tokens


class Training(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def compare(self, model, data, weights, peer, batches, loss_of, **options):
        out = os.path.join(self.folder.name, "trained.onnx")
        run = run_tool(model, data, OUT=out, **options)
        self.assertEqual(run.returncode, 0, run.stderr)
        steps = steps_of(run.stdout)
        self.assertGreaterEqual(len(steps), 10)
        self.assertNotEqual(steps[0][3], steps[1][3])
        for i, (loss, norm, _, samples) in enumerate(steps):
            want, want_norm = peer.step(batches(samples), lambda y, s=samples: loss_of(y, s))
            if i < 10:
                self.assertAlmostEqual(loss, want, delta=1e-4, msg=f"loss of step {i}")
                self.assertAlmostEqual(norm, want_norm, delta=3e-3 * max(1, want_norm), msg=f"norm of step {i}")
        got = weights_of(out)
        for name, want in peer.p.items():
            if name not in peer.forward.flat:
                np.testing.assert_allclose(got[name], want.detach().numpy(), rtol=2e-3, atol=1e-3, err_msg=name)
            if want.requires_grad:
                self.assertFalse(np.array_equal(got[name], weights[name]), f"{name} did not train")
        for name in peer.forward.fixed.keys() & got.keys():
            np.testing.assert_array_equal(got[name], peer.forward.fixed[name], err_msg=f"{name} is no parameter")

    def test_resnet__sgd_and_adamw__losses_as_pytorch(self):
        model = os.path.join(self.folder.name, "resnet.onnx")
        data, x, y = image_data(self.folder.name)
        for optimizer, rate, extra in (("sgd", 0.05, {}), ("adamw", 0.0005, {"smoothing": 0.1, "clip": 1}),
                                       ("sgd", 0.02, {"shards": 1})):
            with self.subTest(optimizer=optimizer, **extra):
                weights, forward = resnet(model)
                peer = Peer(weights, forward, optimizer, rate, 0.01, extra.get("clip", 0))
                self.compare(model, data, weights, peer, lambda s: torch.from_numpy(x[s]),
                             lambda logits, s, e=extra: F.cross_entropy(logits, torch.from_numpy(y[s]),
                                                                        label_smoothing=e.get("smoothing", 0)),
                             optimizer=optimizer, rate=rate, decay=0.01, batch=16, epochs=2, seed=3, **extra)

    def test_transformer__sgd_and_adamw__losses_as_pytorch(self):
        model = os.path.join(self.folder.name, "transformer.onnx")
        data, tokens = token_data(self.folder.name)
        for optimizer, rate in (("sgd", 0.1), ("adamw", 0.003)):
            with self.subTest(optimizer=optimizer):
                weights, forward = transformer(model)
                peer = Peer(weights, forward, optimizer, rate, 0.01)
                self.compare(model, data, weights, peer, lambda s: torch.from_numpy(tokens[s]),
                             lambda logits, s: F.cross_entropy(logits[:, :-1].flatten(0, 1),
                                                               torch.from_numpy(tokens[s][:, 1:]).flatten()),
                             optimizer=optimizer, rate=rate, decay=0.01, batch=16, epochs=3, axis=-1, next_token=1)

    def test_resnet__frozen_batch_norms__as_pytorch(self):
        model = os.path.join(self.folder.name, "resnet.onnx")
        data, x, y = image_data(self.folder.name)
        weights, forward = resnet(model)
        peer = Peer(weights, forward, "sgd", 0.002, 0.01)
        peer.forward = lambda p, v: forward(p, v, training=False)
        peer.forward.fixed, peer.forward.flat = {}, set()
        self.compare(model, data, weights, peer, lambda s: torch.from_numpy(x[s]),
                     lambda logits, s: F.cross_entropy(logits, torch.from_numpy(y[s])),
                     rate=0.002, decay=0.01, batch=16, epochs=2, batch_norm="frozen")

    def test_resnet__distilled__as_pytorch(self):
        """The teacher is the network as it was, its batch norms with running statistics."""
        model = os.path.join(self.folder.name, "resnet.onnx")
        data, x, y = image_data(self.folder.name)
        weights, forward = resnet(model)
        peer = Peer(weights, forward, "sgd", 0.02, 0.01)
        teacher = {k: torch.tensor(v) for k, v in weights.items()}

        def loss_of(logits, s):
            with torch.no_grad():
                target = F.softmax(forward(teacher, torch.from_numpy(x[s]), training=False) / 3, 1)
            soft = F.kl_div(F.log_softmax(logits / 3, 1), target, reduction="batchmean") * 9
            return 0.3 * F.cross_entropy(logits, torch.from_numpy(y[s])) + 0.7 * soft

        self.compare(model, data, weights, peer, lambda s: torch.from_numpy(x[s]), loss_of,
                     rate=0.02, decay=0.01, batch=16, epochs=2, distillation=0.7, temperature=3)

    def test_resnet__squared_error__as_pytorch(self):
        model = os.path.join(self.folder.name, "resnet.onnx")
        _, x, _ = image_data(self.folder.name)
        targets = np.random.default_rng(8).standard_normal((96, 10)).astype(np.float32)
        data = os.path.join(self.folder.name, "targets.npz")
        np.savez(data, x=x, y=targets)
        weights, forward = resnet(model)
        peer = Peer(weights, forward, "sgd", 0.02, 0.01)
        self.compare(model, data, weights, peer, lambda s: torch.from_numpy(x[s]),
                     lambda out, s: F.mse_loss(out, torch.from_numpy(targets[s])),
                     rate=0.02, decay=0.01, batch=16, epochs=2, loss="mse")

    def test_vit__exported_by_pytorch__losses_as_pytorch(self):
        """Class token, positions, layer scales and weights that the exporter transposed: all of them train."""
        model = os.path.join(self.folder.name, "vit.onnx")
        data, x, y = image_data(self.folder.name)
        torch.manual_seed(4)
        vit = Vit()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vit.export(model)
        run = run_tool(model, data, rate=0.05, decay=0, batch=16, epochs=2)
        self.assertEqual(run.returncode, 0, run.stderr)
        optimizer = torch.optim.SGD(vit.parameters(), lr=0.05, momentum=0.9)
        steps = steps_of(run.stdout)
        self.assertEqual(len(steps), 12)
        for i, (loss, norm, _, samples) in enumerate(steps):
            want = F.cross_entropy(vit(torch.from_numpy(x[samples])), torch.from_numpy(y[samples]))
            optimizer.zero_grad()
            want.backward()
            want_norm = torch.nn.utils.clip_grad_norm_(vit.parameters(), float("inf")).item()
            optimizer.step()
            self.assertAlmostEqual(loss, want.item(), delta=1e-4, msg=f"loss of step {i}")
            self.assertAlmostEqual(norm, want_norm, delta=1e-3 * max(1, want_norm), msg=f"norm of step {i}")

    def test_resnet__accumulation__is_the_mean_of_batches(self):
        """Batch norms see each batch apart, as PyTorch's do."""
        model = os.path.join(self.folder.name, "resnet.onnx")
        data, x, y = image_data(self.folder.name)
        weights, forward = resnet(model)
        single = run_tool(model, data, batch=16, epochs=1, rate=0)
        both = run_tool(model, data, batch=16, epochs=1, rate=0, accumulation=2)
        losses = [s[0] for s in steps_of(single.stdout)]
        self.assertEqual(len(losses), 6)
        for i, s in enumerate(steps_of(both.stdout)):
            self.assertAlmostEqual(s[0], (losses[2 * i] + losses[2 * i + 1]) / 2, delta=1e-5)
        self.assertEqual(len(steps_of(both.stdout)), 3)


class SameBytes(unittest.TestCase):
    OPTIONS = {"batch": 16, "epochs": 3, "seed": 11, "optimizer": "adamw", "rate": 0.003, "ema": 0.9, "flip": 1, "crop": 2,
               "noise": 0.01, "schedule": "cosine", "every": 1}

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.model = os.path.join(self.folder.name, "resnet.onnx")
        self.data = image_data(self.folder.name)[0]
        resnet(self.model)

    def run_to_end(self, name, kills=(), **options):
        """Bytes of checkpoint and network, and what was printed, of a run that is killed after these steps."""
        paths = {"checkpoint": os.path.join(self.folder.name, name), "OUT": os.path.join(self.folder.name, name + ".onnx")}
        printed = []
        for kill in kills:
            run = run_tool(self.model, self.data, KILL=kill, **paths, **{**self.OPTIONS, **options})
            self.assertEqual(run.returncode, -9, run.stderr)
            printed.append(run.stdout)
        run = run_tool(self.model, self.data, **paths, **{**self.OPTIONS, **options})
        self.assertEqual(run.returncode, 0, run.stderr)
        printed.append(run.stdout)
        contents = []
        for path in paths.values():
            with open(path, "rb") as f:
                contents.append(f.read())
        return contents, printed

    def test_threads__one_two_and_three__same_bytes(self):
        want, _ = self.run_to_end("one", threads=1)
        for threads in (2, 3):
            self.assertEqual(self.run_to_end(f"threads{threads}", threads=threads)[0], want)

    def test_killed__at_random_steps__same_bytes(self):
        want, printed = self.run_to_end("whole")
        all_steps = [line for line in printed[0].splitlines() if line.startswith("step ")]
        self.assertEqual(len(all_steps), 18)
        seed = random.randrange(1 << 30)
        kills = sorted(random.Random(seed).sample(range(1, 17), 10))
        got, printed = self.run_to_end("killed", kills)
        self.assertEqual(got, want, f"seed {seed}, kills {kills}")
        self.assertIn(f"resumed {kills[-1]}", printed[-1])
        last = [line for line in printed[-1].splitlines() if line.startswith("step ")]
        self.assertEqual(last, all_steps[kills[-1]:])

    def test_killed__between_checkpoints__same_bytes(self):
        want, _ = self.run_to_end("whole", every=4)
        self.assertEqual(self.run_to_end("killed", (2, 6, 11), every=4)[0], want)


if __name__ == "__main__":
    unittest.main(verbosity=2)
