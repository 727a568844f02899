# SPDX-License-Identifier: Apache-2.0
"""A database of very many jobs, as a server would have left it, for tests and benchmarks of lists."""
import glob
import json
import os
import random
import sqlite3

HERE = os.path.dirname(os.path.abspath(__file__))
STATES = ["succeeded"] * 90 + ["failed"] * 6 + ["cancelled"] * 4
TYPES = ["ptq"] * 70 + ["qat"] * 15 + ["train"] * 5 + ["sqnr"] * 5 + ["tensor"] * 5
SCHEMES = {"ptq": ["int8", "int4", "E4"], "qat": ["w4a4"], "train": [], "sqnr": ["E2"], "tensor": ["int8"]}
COLUMNS = ("id", "type", "state", "name", "network", "created", "started", "finished", "best")


def stamp(seconds):
    return "2026-01-%02dT%02d:%02d:%02d.000Z" % (1 + seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)


def people(state, jobs, waiting=0, seed=1):
    """Fills state/quantbench.db: `waiting` of the jobs wait, the first of them to sleep for ever. Gives what lists may say, job by
    job, oldest first."""
    rng = random.Random(seed)
    os.makedirs(os.path.join(state, "blobs"), exist_ok=True)
    db = sqlite3.connect(os.path.join(state, "quantbench.db"))
    db.execute("PRAGMA journal_mode = WAL")
    migrations = sorted(glob.glob(os.path.join(HERE, "../../schema/[0-9]*.sql")))
    for i, path in enumerate(migrations):
        with open(path, encoding="utf-8") as f:
            db.executescript("BEGIN;%s;PRAGMA user_version = %d;COMMIT;" % (f.read(), i + 1))
    made = []
    for n in range(1, jobs + 1):
        queued = n > jobs - waiting
        state_, type_ = ("queued", "fake") if queued else (rng.choice(STATES), rng.choice(TYPES))
        model, data = rng.randrange(200), rng.randrange(20)
        begun = 60 + 7 * n % 2000000
        row = {"id": n, "type": type_, "state": state_, "network": "net%d_epoch_%d.onnx" % (model, model * 37 % 1000),
               "model": "m%d" % model, "data": "d%d" % data, "name": "run %d of the sweep" % rng.randrange(jobs) if n % 3 == 0 else None,
               "tags": [t for t, every in (("paper", 10), ("baseline", 3), ("rare", 5000)) if n % every == 0],
               "schemes": SCHEMES.get(type_, []), "created": stamp(begun), "started": None if queued else stamp(begun + 1),
               "finished": None if queued else stamp(begun + 2 + rng.randrange(4000)),
               "best": round(100 * rng.random(), 3) if state_ == "succeeded" and type_ in ("ptq", "qat", "train") else None}
        made.append(row)
        spec = {"type": "fake", "do": [["sleep", 100000]]} if queued else \
            {"type": type_, "model": row["model"], "data": row["data"], "metric": "top1", "schemes": row["schemes"], "seed": n,
             "weights": {"granularity": "per_channel", "range": "mse"}, "activations": {"granularity": "per_tensor", "range": "mse"}}
        db.execute("INSERT INTO jobs (id, type, state, spec, fingerprint, engine, attempts, created, started, finished, name, network, best) "
                   "VALUES (?, ?, ?, ?, ?, 'fake-1', 1, ?, ?, ?, ?, ?, ?)",
                   (n, type_, state_, json.dumps(spec), "%064d" % n, row["created"], row["started"], row["finished"], row["name"], row["network"],
                    json.dumps({"scheme": "int8", "metric": "top1", "value": row["best"]}) if row["best"] is not None else
                    "null" if state_ == "succeeded" else None))
        db.executemany("INSERT INTO job_inputs VALUES (?, ?, ?, ?, ?)", () if queued else
                       [(n, "model", row["model"], row["network"], "0" * 64), (n, "data", row["data"], "test-%d.npz" % data, "1" * 64)])
        db.executemany("INSERT INTO job_tags VALUES (?, ?)", [(t, n) for t in row["tags"]])
        db.executemany("INSERT INTO job_schemes VALUES (?, ?)", [(s, n) for s in row["schemes"]])
    db.execute("INSERT INTO job_text (rowid, text) SELECT job, text FROM job_words")
    db.commit()
    db.close()
    return made
