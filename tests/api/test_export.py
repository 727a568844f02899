#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything as one file over HTTP: lines of JSON, a table, a database without secrets."""
import csv
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import tempfile
import unittest

from daemon import DAEMON, Daemon

KEY = "http://127.0.0.1:9/hook-with-a-key"


class Export(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        state = os.path.join(self.folder.name, "state")
        self.d = Daemon(self.folder.name, "--webhook", KEY).ready()
        self.secret = subprocess.run([DAEMON, "token", "create", "reader-of-all", "--role", "read", "--state", state], capture_output=True,
                                     text=True, check=True, timeout=60).stdout.strip().split()[-1]
        model = self.d.call("POST", "/v1/models?name=n,et.onnx", b"a network", expect=201)["id"]
        data = self.d.call("POST", "/v1/datasets?name=d.npz", b"data", expect=201)["id"]
        self.jobs = [self.d.call("POST", "/v1/jobs", {"type": "ptq", "model": model, "data": data, "schemes": [s, "int8"]}, expect=201)["id"]
                     for s in ("int4", 'a "b"')]
        self.jobs.append(self.d.fake(["fail"]))
        for job in self.jobs:
            self.d.wait(job)

    def stop(self):
        self.assertEqual(self.d.stop(), 0, self.d.lines)

    def get(self, form, kind):
        body = self.d.call("GET", "/v1/export?format=" + form, expect=200)
        self.assertEqual(self.d.headers["Content-Type"].split(";")[0], kind)
        self.assertIn("attachment", self.d.headers["Content-Disposition"])
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "state/tmp")), [])
        return body

    def test_export__in_each_form__is_whole_and_without_secrets(self):
        lines = [json.loads(line) for line in self.get("json", "application/x-ndjson").decode().splitlines()]
        self.assertEqual([line["id"] for line in lines], self.jobs[::-1])
        for line in lines:
            result = line.pop("result")
            alone = self.d.call("GET", "/v1/jobs/" + line["id"])
            alone.pop("expected_seconds")  # no list has it
            self.assertEqual(line, alone)
            if line["state"] == "succeeded":
                self.assertEqual(result, self.d.call("GET", "/v1/jobs/%s/results" % line["id"]))
            else:
                self.assertIsNone(result)
        self.assertEqual(self.d.call("GET", "/v1/export", expect=200).count(b"\n"), 3)

        rows = list(csv.DictReader(io.StringIO(self.get("csv", "text/csv").decode(), newline="")))
        wanted = self.d.call("GET", "/v1/results?limit=1000", expect=200)["results"]
        self.assertEqual(len(rows), len(wanted))
        self.assertGreater(len(rows), 4)
        for row, want in zip(rows, wanted):
            self.assertEqual((row["job"], row["scheme"], row["name"], row["model"]), (want["job"], want["scheme"], want["name"], "n,et.onnx"))
            self.assertEqual(float(row["value"]) if row["value"] else None, want["value"])

        content = self.get("sqlite", "application/vnd.sqlite3")
        for secret in (self.secret, hashlib.sha256(self.secret.encode()).hexdigest(), "reader-of-all", "hook-with-a-key"):
            self.assertNotIn(secret.encode(), content)
        copy = os.path.join(self.folder.name, "copy.db")
        with open(copy, "wb") as f:
            f.write(content)
        db = sqlite3.connect(copy)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        self.assertEqual(db.execute("SELECT count(*) FROM jobs").fetchone(), (3,))
        self.assertEqual(db.execute("SELECT count(*) FROM metrics").fetchone(), (len(rows),))
        for table in ("tokens", "sessions", "audit", "deliveries"):
            self.assertEqual(db.execute("SELECT count(*) FROM " + table).fetchone(), (0,), table)
        db.close()
        self.stop()

    def test_export__of_another_form__is_refused(self):
        self.assertEqual(self.d.call("GET", "/v1/export?format=xml", expect=400)["code"], "bad_query")
        self.assertEqual(self.d.call("GET", "/v1/export?format=", expect=400)["code"], "bad_query")
        self.stop()

    def test_export__with_tokens__takes_the_role_of_readers(self):
        self.stop()
        self.d = Daemon(self.folder.name, "--tokens", "all")
        for _ in range(200):
            if self.d.call("GET", "/readyz") == {"status": "ok"}:
                break
        self.d.call("GET", "/v1/export", expect=401)
        self.d.token = self.secret
        self.assertEqual(self.d.call("GET", "/v1/export", expect=200).count(b"\n"), 3)
        self.stop()


if __name__ == "__main__":
    unittest.main()
