#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes by itself, what may not be deleted, and deletions of much."""
import http.client
import os
import sqlite3
import tempfile
import threading
import unittest

from daemon import Case, Daemon, said
from test_workers import until

LONG_AGO = "2020-01-01T00:00:00.000Z"


class Policy(unittest.TestCase):
    def test_jobs_and_uploads__older_than_what_is_kept__go(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            m = [d.call("POST", "/v1/models?name=n%d" % i, b"%d" % i, expect=201)["id"] for i in range(3)]
            old, new, bad = d.fake(model=m[0]), d.fake(), d.fake(["fail", "no"], model=m[1])
            for j in (old, new, bad):
                d.wait(j)
            until(lambda: all(x["inspection"]["state"] == "ok" for x in d.call("GET", "/v1/models")["models"]))
            self.assertEqual(d.stop(), 0)
            with sqlite3.connect(os.path.join(folder, "state/quantbench.db")) as db:
                db.execute("UPDATE jobs SET finished = ? WHERE id IN (1, 3)", (LONG_AGO,))
                db.execute("UPDATE uploads SET created = ?", (LONG_AGO,))
            d = Daemon(folder, "--keep-failed-days", "30", "--keep-uploads-days", "300").ready()
            said(d, "are removed")
            until(lambda: [j["id"] for j in d.call("GET", "/v1/jobs")["jobs"]] == [new, old])
            until(lambda: [x["id"] for x in d.call("GET", "/v1/models")["models"]] == [m[0]])  # a result refers to it
            self.assertEqual(len(os.listdir(os.path.join(folder, "state/blobs"))), 1)
            self.assertEqual(d.stop(), 0)
            d = Daemon(folder, "--keep-jobs-days", "300").ready()
            until(lambda: [j["id"] for j in d.call("GET", "/v1/jobs")["jobs"]] == [new])
            self.assertEqual(d.stop(), 0)


class Refusal(Case):
    def test_upload__that_results_refer_to__is_deleted_only_when_it_is_meant(self):
        m = self.inspected(self.upload())["id"]
        job = self.d.fake(model=m)
        self.d.wait(job)
        p = self.refused(409, "DELETE", "/v1/models/" + m)
        self.assertEqual(p["code"], "has_results")
        self.assertIn("results of 1 job (%s) refer to %s" % (job, m), p["detail"])
        self.refused(400, "DELETE", "/v1/models/%s?force=maybe" % m)
        self.d.call("DELETE", "/v1/models/%s?force=true" % m, expect=204)
        m = self.inspected(self.upload())["id"]
        job = self.d.fake(model=m)
        self.d.wait(job)
        self.d.call("DELETE", "/v1/jobs/" + job, expect=204)
        self.d.call("DELETE", "/v1/models/" + m, expect=204)


class Many(Case):
    def test_deletion__of_many_rows__leaves_the_loop_to_others(self):
        job = self.d.fake()
        self.d.wait(job)
        self.d.stop()
        with sqlite3.connect(os.path.join(self.folder.name, "state/quantbench.db")) as db:
            db.executemany("INSERT INTO metrics (job, scope, name, value, step, time) VALUES (1, 'step', 'loss', 0.5, ?, ?)",
                           ((i, LONG_AGO) for i in range(200000)))
            db.executemany("INSERT INTO events (job, kind, data) VALUES (1, 'metric', ?)", (('{"event": "metric"}',) for _ in range(200000)))
        self.d = Daemon(self.folder.name).ready()
        deleted = threading.Thread(target=lambda: self.d.call("DELETE", "/v1/jobs/" + job, expect=204))
        deleted.start()
        n = 0
        # d.call would take longer than the deletion; some share the thread of the connection that deletes.
        plain = [http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60) for _ in range(8)]
        while deleted.is_alive():
            plain[n % 8].request("GET", "/v1/targets")  # which asks the loop
            self.assertEqual(plain[n % 8].getresponse().read()[:1], b"{")
            n += 1
        for connection in plain:
            connection.close()
        deleted.join()
        self.assertGreater(n, 16)  # all at once, or with its thread in wait, it would be ten at most
        self.refused(404, "GET", "/v1/jobs/" + job)
        self.assertEqual(self.d.call("GET", "/v1/results?job=" + job)["total"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
