#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbenchd backup: while a server works, into files that another one starts from."""
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest

from daemon import Case, DAEMON, Daemon


class Backup(Case):
    def setUp(self):
        super().setUp()
        self.out = tempfile.TemporaryDirectory()
        self.addCleanup(self.out.cleanup)
        self.file, self.blobs = os.path.join(self.out.name, "q.db"), os.path.join(self.out.name, "blobs")
        self.state = os.path.join(self.folder.name, "state")

    def backup(self, *options, code=0):
        done = subprocess.run([DAEMON, "backup", self.file, "--state", self.state, *options], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def restored(self):
        """A server that was started from what the backup left."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.makedirs(os.path.join(folder.name, "state"))
        shutil.copy(self.file, os.path.join(folder.name, "state/quantbench.db"))
        if os.path.isdir(self.blobs):
            shutil.copytree(self.blobs, os.path.join(folder.name, "state/blobs"))
        d = Daemon(folder.name).ready()
        self.addCleanup(d.stop)
        return d

    def test_backup__restored__has_jobs_results_and_files(self):
        m = self.upload(b"a network")
        job = self.d.fake(["artifact", "a.txt"], ["metric", 3])
        self.d.wait(job)
        said = self.backup("--with-blobs", self.blobs)
        self.assertIn("and 2 files of", said)
        self.assertEqual(sorted(os.listdir(self.out.name)), ["blobs", "q.db"])
        d = self.restored()
        self.assertEqual(d.call("GET", "/v1/jobs/" + job, expect=200)["state"], "succeeded")
        self.assertEqual(d.call("GET", "/v1/jobs/%s/artifacts/a.txt" % job, expect=200), b"made by a worker\n")
        self.assertEqual(d.call("GET", "/v1/models/" + m["id"], expect=200)["sha256"], m["sha256"])
        again = d.fake(model=m["id"])  # whose file is read
        self.assertEqual(d.wait(again)["state"], "succeeded")

    def test_backup__once_more__copies_new_files_alone_and_keeps_those_of_before(self):
        first = self.upload(b"first")
        self.backup("--with-blobs", self.blobs)
        stamp = os.stat(os.path.join(self.blobs, first["sha256"])).st_mtime_ns
        self.inspected(first)
        self.d.call("DELETE", "/v1/models/" + first["id"], expect=204)
        self.upload(b"second")
        self.assertIn("and 1 files of 6 bytes", self.backup("--with-blobs", self.blobs))
        self.assertIn("and 0 files of 0 bytes in %s beside 1 that were there" % self.blobs, self.backup("--with-blobs", self.blobs))
        self.assertEqual(os.stat(os.path.join(self.blobs, first["sha256"])).st_mtime_ns, stamp)
        self.assertEqual(len(os.listdir(self.blobs)), 2)

    def test_backup__under_load__is_of_one_moment_and_complete(self):
        stop, errors = threading.Event(), []

        def work(n):
            try:
                i = 0
                while not stop.is_set():
                    i += 1
                    m = self.d.call("POST", "/v1/models?name=x", b"%d %d" % (n, i) * 1000, expect=201)
                    job = self.d.fake(["artifact", "a.txt"], model=m["id"])
                    self.d.wait(job)
                    if i % 3 == 0:
                        self.d.call("DELETE", "/v1/jobs/" + job, expect=204)
                        self.inspected(m)
                        self.d.call("DELETE", "/v1/models/" + m["id"], expect=204)
            except BaseException as e:  # of a thread
                errors.append(e)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        try:
            for _ in range(12):
                self.backup("--with-blobs", self.blobs)
                db = sqlite3.connect(self.file)
                self.assertEqual(db.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                self.assertEqual(db.execute("PRAGMA journal_mode").fetchone()[0], "delete")
                self.assertEqual(db.execute("SELECT count(*) FROM jobs WHERE state = 'succeeded' AND id NOT IN (SELECT job FROM results)").fetchone()[0], 0)
                for sha256, in db.execute("SELECT sha256 FROM uploads UNION SELECT sha256 FROM artifacts").fetchall():
                    with open(os.path.join(self.blobs, sha256), "rb") as f:
                        self.assertEqual(hashlib.sha256(f.read()).hexdigest(), sha256)
                db.close()
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(errors, [])
        self.restored()

    def test_backup__of_a_stopped_server__works_as_well(self):
        self.upload()
        self.assertEqual(self.d.stop(), 0)
        self.backup("--with-blobs", self.blobs)
        self.d = self.restored()
        self.assertEqual(self.d.call("GET", "/v1/models", expect=200)["total"], 1)

    def test_backup__damaged_or_missing_file__is_told_and_the_rest_is_kept(self):
        bad, gone, good = (self.upload(c) for c in (b"bad one", b"gone one", b"good one"))
        with open(os.path.join(self.state, "blobs", bad["sha256"]), "wb") as f:
            f.write(b"BAD ONE")
        os.unlink(os.path.join(self.state, "blobs", gone["sha256"]))
        said = self.backup("--with-blobs", self.blobs, code=1)
        self.assertIn("%s is damaged" % bad["sha256"], said)
        self.assertIn("1 files are missing", said)
        self.assertEqual(os.listdir(self.blobs), [good["sha256"]])
        self.assertTrue(os.path.exists(self.file))

    def test_backup__that_cannot_be_made__leaves_the_earlier_one(self):
        self.backup()
        with open(self.file, "rb") as f:
            before = f.read()
        done = subprocess.run([DAEMON, "backup", self.file, "--state", "/nonexistent"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is --state the folder of the server?", done.stderr)
        self.assertEqual(subprocess.run([DAEMON, "backup"], capture_output=True, timeout=30).returncode, 2)
        self.assertEqual(subprocess.run([DAEMON, "backup", "/nonexistent/x", "--state", self.state], capture_output=True, timeout=30).returncode, 1)
        with open(self.file, "rb") as f:
            self.assertEqual(f.read(), before)


if __name__ == "__main__":
    unittest.main(verbosity=1)
