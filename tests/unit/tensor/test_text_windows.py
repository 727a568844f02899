#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# python: peers
"""core/tensor/text_windows.h against a second writing of it: Philox, masks, offsets and sequences drawn from bigrams."""
import os
import subprocess
import tempfile
import unittest

import numpy as np

BUILD = os.environ.get("top_builddir", "build")
IGNORE = -100
EVALUATION = (1 << 48) - 1
WINDOW, MASK, SEQUENCE = 5, 6, 7


def philox(seed, stream, index):
    """Words 0 and 1 of Philox4x32-10 as a number in [0, 1); index: an array."""
    u32 = np.uint64(0xFFFFFFFF)
    index = np.asarray(index, np.uint64)
    c = [index & u32, index >> np.uint64(32), np.full_like(index, stream & 0xFFFFFFFF), np.full_like(index, stream >> 32)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & u32, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & u32]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return ((c[0] << np.uint64(32) | c[1]) >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


def draw(seed, purpose, epoch, index):
    return philox(seed, purpose << 48 | epoch, index)


def masked(window, i, seed, epoch, counts=0, share=0.15, words=256, mask=256, padding=258):
    place = (i * len(window) + np.arange(len(window))) * 4
    found = (draw(seed, MASK, epoch, place) < share) & (np.arange(len(window)) >= counts) & (window != padding)
    how = draw(seed, MASK, epoch, place + 1)
    other = (draw(seed, MASK, epoch, place + 2) * words).astype(np.int64)
    shown = np.where(how < 0.8, mask, np.where(how < 0.8 + 0.1, other, window))
    return np.where(found, shown, window), np.where(found, window, IGNORE)


def bigrams(text, triggers):
    follower = np.roll(text, -1)
    order = np.lexsort((follower, text))
    count = np.bincount(text)
    frequent = sorted(sorted(range(len(count)), key=lambda v: (-count[v], v))[:triggers])
    return {v: follower[order][text[order] == v] for v in set(text.tolist())}, count, frequent


def sequences(text, length, numbers, seed, epoch, triggers=3, start=257):
    table, count, frequent = bigrams(text, triggers)
    firsts = np.sort(text[~np.isin(text, frequent)])
    rows, copied, nats = [], 0, 0
    for i in numbers:
        u = draw(seed, SEQUENCE, epoch, i * length + np.arange(length))
        row = [start, int(firsts[int(u[0] * len(firsts))])]
        nats += np.log(len(firsts) / count[row[1]])
        for t in range(1, length):
            if row[-1] in frequent:
                row.append(row[-2])
                copied += 1
            else:
                after = table[row[-1]]
                row.append(int(after[int(u[t] * len(after))]))
                nats += np.log(len(after) / np.sum(after == row[-1]))
        rows.append(row)
    rows = np.array(rows)
    return rows[:, :-1], rows[:, 1:], copied / (len(rows) * length), nats / (len(rows) * length)


class Windows(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        # Pieces of words that come again, so that bigrams are those of a language.
        at = np.random.default_rng(3)
        words = ["the ", "quick ", "tent ", "set ", "note ", "tree ", "\n", "x\u00e9", "eat ", "zest "]
        self.text = np.frombuffer("".join(words[i] for i in at.integers(0, len(words), 700)).encode(), np.uint8).astype(np.int64)
        self.plain = os.path.join(self.folder, "a.TXT")
        self.text.astype(np.uint8).tofile(self.plain)

    def save(self, tokens, name="t.npz"):
        path = os.path.join(self.folder, name)
        np.savez(path, tokens=tokens) if name.endswith("z") else np.save(path, tokens)
        return path

    def windows(self, path, how, first=0, count=1000000, seed=1, epoch=0, survey=False, **config):
        length = config["length"]
        def call(n):
            p = subprocess.run([os.path.join(BUILD, "tests/tools/text_windows"), path, how, str(seed), str(epoch), str(first), str(n),
                                *(f"{k}={v}" for k, v in config.items())], capture_output=True, text=True, check=False)
            self.assertEqual(p.returncode, 0, p.stderr)
            return p.stdout.splitlines()
        lines = call(0)
        head = [float(x) for x in lines[0].split()] if survey else None
        there = int(lines[-1])
        rows = np.array([line.split() for line in call(min(count, there - first))[len(lines):]], np.int64)
        return (rows[:, :length], rows[:, length:2 * length], rows[:, 2 * length:], there, *([head] if survey else []))

    def test_causal__of_evaluation__asks_for_every_token_but_the_first_once(self):
        for length in (7, 64, 1, len(self.text) - 1):
            tokens, labels, mask, count, = self.windows(self.plain, "evaluate", task="causal", length=length)
            self.assertEqual(count, -(-(len(self.text) - 1) // length))
            self.assertEqual(mask.min(), 1)
            counted = labels != IGNORE
            np.testing.assert_array_equal(labels[counted], self.text[1:])
            np.testing.assert_array_equal(tokens[counted], self.text[:-1])
            # What does not count is read all the same: every window is a piece of the text.
            for row in (tokens[-1], tokens[0]):
                found = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(self.text, length) == row).all(1))
                self.assertGreater(len(found), 0)

    def test_causal__of_training__begins_where_the_generator_says(self):
        length = 50
        tokens, labels, _, count = self.windows(self.plain, "train", task="causal", length=length, seed=2 ** 40 + 7, epoch=3)
        self.assertEqual(count, len(self.text) // length)
        i = np.arange(count)
        first = (draw(2 ** 40 + 7, WINDOW, 3, i) * (len(self.text) - length)).astype(np.int64)
        at = first[:, None] + np.arange(length)
        np.testing.assert_array_equal(tokens, self.text[at])
        np.testing.assert_array_equal(labels, self.text[at + 1])
        other = self.windows(self.plain, "train", task="causal", length=length, seed=2 ** 40 + 7, epoch=4)[0]
        self.assertTrue((other != tokens).any())
        _, _, _, count = self.windows(self.plain, "train", task="causal", length=length, sequences=12345, count=1)
        self.assertEqual(count, 12345)

    def test_causal__strided__lie_side_by_side(self):
        tokens, labels, _, count = self.windows(self.plain, "train", task="causal", length=32, windows="strided", stride=20)
        self.assertEqual(count, (len(self.text) - 33) // 20 + 1)
        at = 20 * np.arange(count)[:, None] + np.arange(32)
        np.testing.assert_array_equal(tokens, self.text[at])
        np.testing.assert_array_equal(labels, self.text[at + 1])

    def test_masked__of_training__is_bert_as_the_generator_says(self):
        length = 40
        tokens, labels, _, count = self.windows(self.plain, "train", task="masked", length=length, seed=9, epoch=2)
        first = (draw(9, WINDOW, 2, np.arange(count)) * (len(self.text) - length + 1)).astype(np.int64)
        for i in range(count):
            want = masked(self.text[first[i]:first[i] + length], i, 9, 2)
            np.testing.assert_array_equal(tokens[i], want[0])
            np.testing.assert_array_equal(labels[i], want[1])
        again = self.windows(self.plain, "train", task="masked", length=length, seed=9, epoch=3)[1]
        self.assertTrue((again != labels).any())

    def test_masked__of_evaluation__is_fixed_and_covers_the_text_once(self):
        length = 48
        tokens, labels, _, count = self.windows(self.plain, "evaluate", task="masked", length=length, seed=1)
        again = self.windows(self.plain, "evaluate", task="masked", length=length, seed=2, epoch=5)
        np.testing.assert_array_equal(tokens, again[0])
        self.assertEqual(count, -(-len(self.text) // length))
        for i in range(count):
            first = min(i * length, len(self.text) - length)
            want = masked(self.text[first:first + length], i, 0, EVALUATION, counts=i * length - first)
            np.testing.assert_array_equal(tokens[i], want[0])
            np.testing.assert_array_equal(labels[i], want[1])

    def test_masked__shares__are_those_of_bert(self):
        tokens = np.random.default_rng(1).integers(0, 1000, 400000)
        shown, labels, _, _ = self.windows(self.save(tokens), "evaluate", task="masked", length=100, mask=0.3)
        was = labels.ravel()[:len(tokens)]
        shown = shown.ravel()[:len(tokens)]
        found = was != IGNORE
        self.assertAlmostEqual(found.mean(), 0.3, delta=0.004)
        np.testing.assert_array_equal(was[found], tokens[found])
        np.testing.assert_array_equal(shown[~found], tokens[~found])
        self.assertAlmostEqual((shown[found] == 1000).mean(), 0.8, delta=0.006)
        self.assertAlmostEqual((shown[found] == tokens[found]).mean(), 0.1 + 0.1 / 1000, delta=0.005)
        drawn = shown[found][(shown[found] != 1000) & (shown[found] != tokens[found])]
        self.assertAlmostEqual(drawn.mean(), 499.5, delta=10)

    def test_bigram_backcopy__sequences__are_those_of_the_text(self):
        for text, path, start in ((self.text, self.plain, 257), (self.text * 3, self.save(self.text * 3), 3 * self.text.max() + 2)):
            for how, seed, epoch in (("train", 5, 1), ("evaluate", 0, EVALUATION)):
                tokens, labels, _, count, survey = self.windows(path, how, task="bigram_backcopy", length=30, sequences=60, seed=5,
                                                                epoch=1, survey=True)
                want = sequences(text, 30, range(count), seed, epoch, start=start)
                self.assertEqual(count, 60)
                np.testing.assert_array_equal(tokens, want[0])
                np.testing.assert_array_equal(labels, want[1])
            # The last ones were those that evaluate.
            np.testing.assert_allclose(survey, want[2:], rtol=1e-12)

    def test_bigram_backcopy__statistics__follow_the_table_and_copy_after_triggers(self):
        tokens, labels, _, _ = self.windows(self.plain, "train", task="bigram_backcopy", length=100, sequences=1500)
        table, count, frequent = bigrams(self.text, 3)
        now, after, before = tokens[:, 1:].ravel(), labels[:, 1:].ravel(), tokens[:, :-1].ravel()
        copies = np.isin(now, frequent)
        np.testing.assert_array_equal(after[copies], before[copies])
        self.assertFalse((np.isin(before, frequent) & copies).any())
        drawn = ~copies
        for v in np.flatnonzero(count):
            if v in frequent:
                continue
            made = np.bincount(after[drawn & (now == v)], minlength=256) / max((drawn & (now == v)).sum(), 1)
            true = np.bincount(table[v], minlength=256) / len(table[v])
            self.assertLess(np.abs(made - true).max(), 4 * np.sqrt(0.25 / (drawn & (now == v)).sum()), v)
        self.assertTrue((tokens[:, 0] == 257).all())

    def test_arrays__of_rows__are_windows_and_padding_does_not_count(self):
        rows = np.random.default_rng(2).integers(1, 70000, (20, 16)).astype(np.int32)
        rows[3, 10:] = 0
        path = self.save(rows)
        for how in ("train", "evaluate"):
            tokens, labels, mask, count = self.windows(path, how, task="causal", length=16, padding_token=0)
            self.assertEqual(count, 20)
            np.testing.assert_array_equal(tokens, rows)
            want = np.concatenate([rows[:, 1:], np.zeros((20, 1), int)], 1)
            np.testing.assert_array_equal(labels, np.where(want == 0, IGNORE, want))
            np.testing.assert_array_equal(mask, rows != 0)
        tokens, labels, _, _ = self.windows(path, "evaluate", task="masked", length=16, padding_token=0, mask_token=5, vocabulary=90000)
        for i in range(20):
            want = masked(rows[i].astype(np.int64), i, 0, EVALUATION, words=90000, mask=5, padding=0)
            np.testing.assert_array_equal(tokens[i], want[0])
            np.testing.assert_array_equal(labels[i], want[1])

    def test_arrays__of_any_integers__are_the_same_tokens(self):
        for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, ">i4"):
            for name in ("t.npz", "t.npy"):
                tokens, _, _, _ = self.windows(self.save(self.text.astype(dtype), name), "train", task="causal", length=32, windows="strided")
                np.testing.assert_array_equal(tokens.ravel(), self.text[:tokens.size])


if __name__ == "__main__":
    unittest.main()
