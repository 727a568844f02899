#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Databases of every earlier schema open, and keep what they hold."""
import glob
import os
import sqlite3
import tempfile
import unittest

from daemon import Daemon, TOP

MIGRATIONS = sorted(glob.glob(os.path.join(TOP, "schema/[0-9]*.sql")))
TIME = "2026-01-02T03:04:05.678Z"


def database(path, version):
    """As a server of that schema would have left it: an upload, a job that ended and one that waits."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    for i, migration in enumerate(MIGRATIONS[:version]):
        with open(migration, encoding="utf-8") as f:
            db.executescript("BEGIN;%s;PRAGMA user_version = %d;COMMIT;" % (f.read(), i + 1))
    db.execute("UPDATE counters SET last = 3 WHERE kind = 'm'")
    db.execute("INSERT INTO uploads (id, kind, number, name, sha256, size, created, inspection, inspection_result) VALUES "
               "('m3', 'm', 3, 'old.onnx', ?, 5, ?, 'ok', '{\"kind\": \"model\", \"inputs\": [], \"outputs\": []}')", ("ab" * 32, TIME))
    for state in ("succeeded", "queued"):
        db.execute("INSERT INTO jobs (type, state, spec, fingerprint, engine, attempts, created) VALUES ('fake', ?, "
                   "'{\"type\": \"fake\", \"do\": []}', 'f', 'fake-0', 1, ?)", (state, TIME))
    db.execute("INSERT INTO job_inputs VALUES (1, 'model', 'm3', 'old.onnx', ?)", ("ab" * 32,))
    db.execute("INSERT INTO results VALUES (1, '{\"rows\": []}')")
    db.execute("INSERT INTO metrics (job, scope, name, value, time) VALUES (1, 'model', 'top1', 90.5, ?)", (TIME,))
    db.execute("INSERT INTO events (job, kind, data) VALUES (1, 'state', ?)", ('{"event": "state", "state": "succeeded", "time": "%s"}' % TIME,))
    db.commit()
    db.close()


class Migrations(unittest.TestCase):
    def test_database__of_every_schema__opens_and_keeps_its_rows(self):
        self.assertGreaterEqual(len(MIGRATIONS), 3)
        for version in range(1, len(MIGRATIONS) + 1):
            with self.subTest(version=version), tempfile.TemporaryDirectory() as folder:
                state = os.path.join(folder, "state")
                os.makedirs(os.path.join(state, "blobs"))
                database(os.path.join(state, "quantbench.db"), version)
                d = Daemon(folder).ready()
                self.addCleanup(d.stop)
                self.assertEqual(d.wait("j2")["state"], "succeeded")  # the one that waited runs
                self.assertEqual([j["id"] for j in d.call("GET", "/v1/jobs", expect=200)["jobs"]], ["j2", "j1"])
                self.assertEqual(d.call("GET", "/v1/jobs/j1", expect=200)["submitter"], None)
                self.assertEqual(d.call("GET", "/v1/models/m3", expect=200)["name"], "old.onnx")
                self.assertEqual(d.call("GET", "/v1/results?job=j1", expect=200)["total"], 1)
                self.assertEqual(d.fake(), "j3")
                self.assertEqual(d.call("POST", "/v1/models?name=n", b"new", expect=201)["id"], "m4")
                d.wait("j3")
                self.assertEqual(d.stop(), 0)
                with sqlite3.connect(os.path.join(state, "quantbench.db")) as db:
                    self.assertEqual(db.execute("PRAGMA user_version").fetchone()[0], len(MIGRATIONS))
                    self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                    self.assertEqual(db.execute("PRAGMA foreign_key_check").fetchall(), [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
