#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A state folder that is damaged, lost in part or not writable: nothing is answered wrongly, and nothing is lost."""
import os
import sqlite3
import subprocess
import tempfile
import time
import unittest

from test_daemon import DAEMON, FAKE, Case, Daemon


def start_refused(state, *options):
    """A daemon that must not start: its exit status and what it said."""
    r = subprocess.run([DAEMON, "--listen", "127.0.0.1:0", "--state", state, "--worker", FAKE, *options],
                       stderr=subprocess.PIPE, timeout=30)
    return r.returncode, r.stderr.decode()


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


def overwrite_pages(path):
    """Every page of the database but the first becomes garbage; a running daemon's log is folded in before."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    with open(path, "r+b") as f:
        f.seek(0, os.SEEK_END)
        n = f.tell() - size
        f.seek(size)
        f.write(b"\xa5" * n)


class Database(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.state = os.path.join(self.folder.name, "state")
        self.db = os.path.join(self.state, "quantbench.db")
        d = Daemon(self.folder.name).ready()
        self.model = d.call("POST", "/v1/models?name=n.onnx", b"a network", expect=201)
        d.wait(d.fake(["sleep", 0]))
        self.assertEqual(d.stop(), 0)

    def tearDown(self):
        self.folder.cleanup()

    def blobs(self):
        return os.listdir(os.path.join(self.state, "blobs"))

    def test_start__damaged_database__refused_with_a_sentence(self):
        with open(self.db, "rb") as f:
            whole = f.read()
        for damage in (lambda: overwrite_pages(self.db), lambda: write(self.db, b"no database" * 1000),
                       lambda: write(self.db, whole[:len(whole) // 2 + 100])):
            damage()
            code, said = start_refused(self.state)
            self.assertEqual(code, 1, said)
            self.assertIn("backup", said)
            self.assertEqual(self.blobs(), [self.model["sha256"]])
        write(self.db, whole)
        d = Daemon(self.folder.name).ready()
        self.assertEqual(d.call("GET", "/v1/jobs", expect=200)["total"], 1)
        self.assertEqual(d.stop(), 0)

    def test_start__database_lost_beside_uploads__refused_until_told_to_begin_anew(self):
        os.rename(self.db, self.db + ".moved")
        for empty in (None, b"", "tables"):
            if empty == "tables":
                os.unlink(self.db)
                sqlite3.connect(self.db).execute("VACUUM")
            elif empty is not None:
                write(self.db, empty)
            code, said = start_refused(self.state)
            self.assertEqual(code, 1, said)
            self.assertIn("--new-database", said)
            self.assertEqual(self.blobs(), [self.model["sha256"]])
        d = Daemon(self.folder.name, "--new-database").ready()
        self.assertEqual(d.call("GET", "/v1/jobs", expect=200)["total"], 0)
        self.assertEqual(self.blobs(), [])
        aside = [f for f in os.listdir(self.state) if f.startswith("blobs-of-lost-database-")]
        self.assertEqual(os.listdir(os.path.join(self.state, aside[0])), [self.model["sha256"]])
        self.assertEqual(d.call("POST", "/v1/models", b"another", expect=201)["id"], "m1")
        self.assertEqual(d.stop(), 0)
        d = Daemon(self.folder.name, "--new-database").ready()  # nothing is lost now, so nothing begins anew
        self.assertEqual(d.call("GET", "/v1/models", expect=200)["total"], 1)
        self.assertEqual(d.stop(), 0)

    def test_start__files_without_rows__are_removed_and_others_stay(self):
        for name in ("blobs/" + "0" * 64, "tmp/blob-half", "blobs/notes.txt"):
            write(os.path.join(self.state, name), b"left behind")
        d = Daemon(self.folder.name).ready()
        self.assertEqual(sorted(self.blobs()), sorted([self.model["sha256"], "notes.txt"]))
        self.assertEqual(os.listdir(os.path.join(self.state, "tmp")), [])
        self.assertEqual(d.stop(), 0)

    def test_running__database_damaged__every_read_is_a_500_and_nothing_is_started(self):
        d = Daemon(self.folder.name).ready()
        overwrite_pages(self.db)
        for url in ("/v1/jobs", "/v1/jobs/j1", "/v1/models", "/v1/models/m1", "/v1/models/m1/graph", "/v1/datasets",
                    "/v1/jobs/j1/results", "/v1/jobs/j1/results.csv", "/v1/results", "/v1/compare", "/v1/compare?jobs=j1",
                    "/v1/jobs/j1/events", "/v1/jobs/j1/artifacts/a", "/v1/system"):
            self.assertEqual(d.call("GET", url, expect=500)["code"], "database", url)
        self.assertEqual(d.call("GET", "/readyz", expect=503)["code"], "database")
        self.assertIn(b"storage_ok 0", d.call("GET", "/metrics", expect=200))
        for method, url, body in (("POST", "/v1/models", b"third"), ("POST", "/v1/jobs", {"type": "fake"}),
                                  ("DELETE", "/v1/models/m1", None), ("POST", "/v1/models/m1/inspect", None)):
            self.assertEqual(d.call(method, url, body, expect=500)["code"], "database", url)
        d.call("GET", "/healthz", expect=200)
        self.assertEqual(d.stop(), 0)


class Uploads(Case):
    def blob(self, upload):
        return os.path.join(self.folder.name, "state/blobs", upload["sha256"])

    def test_upload__known_bytes_whose_file_is_gone_or_damaged__heals_it(self):
        m = self.inspected(self.upload())
        for damage in (lambda p: None, lambda p: write(p, b"A network"), lambda p: write(p, b"")):
            os.unlink(self.blob(m))
            damage(self.blob(m))
            self.assertEqual(self.upload(expect=200)["id"], m["id"])
            with open(self.blob(m), "rb") as f:
                self.assertEqual(f.read(), b"a network")
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "state/tmp")), [])

    def test_inspect__on_request__looks_again(self):
        m = self.inspected(self.upload(b"crash"))
        self.assertEqual(m["inspection"]["error"]["code"], "worker_crashed")
        again = self.d.call("POST", "/v1/models/%s/inspect" % m["id"], expect=202)
        self.assertEqual(again["inspection"]["state"], "pending")
        self.assertEqual(self.inspected(m)["inspection"]["error"]["code"], "worker_crashed")
        d = self.inspected(self.upload(kind="datasets"), "datasets")
        self.d.call("POST", "/v1/datasets/%s/inspect" % d["id"], expect=202)
        self.assertEqual(self.inspected(d, "datasets")["inspection"]["state"], "ok")
        for url in ("/v1/models/m99/inspect", "/v1/datasets/d99/inspect", "/v1/models/x/inspect"):
            self.refused(404, "POST", url)


if __name__ == "__main__":
    unittest.main(verbosity=1)
