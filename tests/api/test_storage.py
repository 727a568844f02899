#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A state folder that is damaged, lost in part or not writable: nothing is answered wrongly, and nothing is lost."""
import os
import re
import sqlite3
import subprocess
import tempfile
import time
import unittest

from daemon import DAEMON, FAKE, Case, Daemon


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

    def test_start__database_lost_without_uploads__refused_too(self):
        d = Daemon(self.folder.name).ready()
        d.call("DELETE", "/v1/models/m1", expect=204)
        self.assertEqual(d.stop(), 0)
        os.unlink(self.db)
        code, said = start_refused(self.state)
        self.assertEqual((code, "--new-database" in said), (1, True), said)
        d = Daemon(self.folder.name, "--new-database").ready()
        self.assertEqual(d.call("GET", "/v1/jobs", expect=200)["total"], 0)
        self.assertEqual(d.stop(), 0)

    def test_running__another_program_holds_the_database__jobs_wait_and_requests_are_answered(self):
        d = Daemon(self.folder.name).ready()
        jobs = [d.fake(["sleep", 0.3], ["metric", 5]) for _ in range(3)]
        other = sqlite3.connect(self.db, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        slowest = 0
        for _ in range(30):
            begun = time.monotonic()
            d.call("GET", "/v1/jobs", expect=200)
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.1)
        self.assertLess(slowest, 1)
        self.assertEqual(d.call("GET", "/readyz", expect=503)["code"], "storage_failing")
        self.assertEqual(d.call("POST", "/v1/jobs", {"type": "fake", "fresh": True}, expect=507)["code"], "storage_failing")
        other.execute("ROLLBACK")
        other.close()
        d.ready()
        for job in jobs:
            self.assertEqual(d.wait(job)["state"], "succeeded")
            self.assertEqual([e["state"] for _, e in d.events(job) if e["event"] == "state"], ["queued", "running", "succeeded"])
            self.assertEqual(d.call("GET", "/v1/results?job=" + job, expect=200)["total"], 5)
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


class Inputs(Case):
    options = ("--jobs", "2")

    def blob(self, upload):
        return os.path.join(self.folder.name, "state/blobs", upload["sha256"])

    def fake(self, upload, **more):
        return self.d.wait(self.d.fake(["sleep", 0], model=upload["id"], **more))

    def test_input__changed_or_gone_on_disk__fails_the_job_that_reads_it(self):
        m, other = self.inspected(self.upload()), self.inspected(self.upload(b"another"))
        self.assertEqual(self.fake(m)["state"], "succeeded")
        for damage in (lambda p: write(p, b"a Network"), lambda p: write(p, b"a net"), lambda p: write(p, b""), None):
            os.unlink(self.blob(m))
            if damage:
                damage(self.blob(m))
            j = self.fake(m)
            self.assertEqual((j["state"], j["error"]["code"]), ("failed", "input_damaged"), j)
            self.assertRegex(j["error"]["detail"], "upload .* again")
            self.assertIn("net.onnx", j["error"]["detail"])
            self.assertEqual(self.fake(other)["state"], "succeeded")
            self.upload(expect=200)
            self.d.call("POST", "/v1/jobs/%s/retry" % j["id"], expect=202)
            self.assertEqual(self.d.wait(j["id"])["state"], "succeeded")

    def test_artifact__gone_or_cut_on_disk__is_a_problem(self):
        j = self.d.wait(self.d.fake(["artifact", "a.txt"]))
        url = "/v1/jobs/%s/artifacts/a.txt" % j["id"]
        os.chmod(self.blob(j["artifacts"][0]), 0o600)
        write(self.blob(j["artifacts"][0]), b"made by")
        self.refused(500, "GET", url)
        os.unlink(self.blob(j["artifacts"][0]))
        self.refused(500, "GET", url)

    def test_input__damaged_before_its_inspection__is_healed_by_the_next_upload(self):
        m = self.inspected(self.upload())
        os.unlink(self.blob(m))
        self.d.call("POST", "/v1/models/%s/inspect" % m["id"], expect=202)
        m = self.inspected(m)
        self.assertEqual((m["inspection"]["state"], m["inspection"]["error"]["code"]), ("failed", "input_damaged"))
        self.upload(expect=200)
        self.assertEqual(self.inspected(m)["inspection"]["state"], "ok")

    def test_results__of_a_failed_job__are_not_shown(self):
        good = self.d.wait(self.d.fake(["metric", 5]))["id"]
        for end in (["fail", "no"], ["kill", 11], ["exit", 3]):
            self.assertEqual(self.d.wait(self.d.fake(["metric", 7], end))["state"], "failed")
        cancelled = self.d.fake(["metric", 7], ["sleep", 60])
        while self.d.call("GET", "/v1/results?job=" + cancelled, expect=200)["total"] != 7:  # asked for by name, while it runs
            time.sleep(0.03)
        self.assertEqual(self.d.call("GET", "/v1/results", expect=200)["total"], 5)
        self.d.call("POST", "/v1/jobs/%s/cancel" % cancelled, expect=202)
        self.d.wait(cancelled, "cancelled")
        for url in ("", "?name=loss", "?type=fake", "?job=" + good):
            page = self.d.call("GET", "/v1/results" + url, expect=200)
            self.assertEqual((page["total"], {r["job"] for r in page["results"]}), (5, {good}), url)
        self.assertEqual(self.d.call("GET", "/v1/results?job=" + cancelled, expect=200)["total"], 0)


class Inspections(unittest.TestCase):
    def test_inspection__killed__is_repeated_but_not_for_ever(self):
        with tempfile.TemporaryDirectory() as folder:
            def starts():
                with open(folder + "/starts", encoding="ascii") as f:
                    return len(f.read().split())

            crash = b"crash " + (folder + "/starts").encode()
            d = Daemon(folder).ready()
            m = d.call("POST", "/v1/models", crash, expect=201)["id"]
            ended(d, m)
            self.assertEqual(starts(), 1)
            d.call("POST", "/v1/models", crash, expect=200)  # the same bytes
            ended(d, m)
            self.assertEqual(starts(), 2)
            self.assertEqual(d.stop(), 0)
            for _ in range(3):
                d = Daemon(folder).ready()
                ended(d, m)
                d.call("POST", "/v1/models", crash, expect=200)
                ended(d, m)
                self.assertEqual(starts(), 3)
                self.assertEqual(d.stop(), 0)
            d = Daemon(folder).ready()
            d.call("POST", "/v1/models/%s/inspect" % m, expect=202)
            ended(d, m)
            self.assertEqual(starts(), 4)
            self.assertEqual(d.stop(), 0)

    def test_inspection__takes_the_server_down__ends_after_three_times(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            m = d.call("POST", "/v1/models", b"slow", expect=201)["id"]
            for _ in range(3):
                while not re.search(rb"workers_started_total [1-9]", d.call("GET", "/metrics", expect=200)):
                    time.sleep(0.03)
                time.sleep(0.1)  # the start is stored before the worker gets its job
                d.process.kill()
                d.stop()
                d = Daemon(folder).ready()
            error = ended(d, m)["inspection"]["error"]
            self.assertEqual(error["code"], "gave_up")
            self.assertEqual(d.stop(), 0)

    def test_inspection__broken_file__is_not_repeated(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            m = d.call("POST", "/v1/models", b"broken", expect=201)["id"]
            ended(d, m)
            self.assertEqual(d.call("POST", "/v1/models", b"broken", expect=200)["inspection"]["state"], "failed")
            self.assertEqual(d.stop(), 0)
            d = Daemon(folder).ready()
            self.assertEqual(d.call("GET", "/v1/models/" + m, expect=200)["inspection"]["state"], "failed")
            self.assertEqual(d.stop(), 0)


def ended(d, upload):
    """Waits for the end of an upload's inspection."""
    for _ in range(300):
        u = d.call("GET", "/v1/models/" + upload, expect=200)
        if u["inspection"]["state"] != "pending":
            return u
        time.sleep(0.03)
    raise AssertionError("never inspected: %s" % d.lines)


if __name__ == "__main__":
    unittest.main(verbosity=1)
