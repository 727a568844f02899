#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every statement and every commit of the daemon's writer fails in turn, and a real disk is full: nothing is lost,
nothing happens twice, and all goes on by itself.

QB_EXHAUSTIVE=1 lets each single statement of the whole scenario fail, too.
"""
import hashlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import Daemon
from hook import Hook

METRICS = 12
RUN = ("--jobs", "2", "--retry-seconds", "1", "--keep-failed-days", "1000", "--keep-uploads-days", "1000")
# What HTTP threads ask, what a timer asks again, what ends a failed transaction, and what comes after a failure only.
READERS = {"ROLLBACK", "STORAGE_PROBE", "UPLOAD_LIST", "UPLOAD_COUNT", "UPLOAD_GRAPH", "BLOB_BYTES", "JOB_ROWS",
           "JOB_QUEUE", "JOB_TOTAL", "TAG_LIST", "EVENT_LIST", "RESULT_GET", "COMPARE_ROW", "COMPARE_CELLS",
           "COMPARE_LATEST", "ARTIFACT_GET", "JOB_ENGINE", "TOKEN_LIST", "TOKEN_BY_HASH", "TOKEN_BY_SESSION", "TOKEN_UPLOADED",
           "AUDIT_LIST", "AUDIT_COUNT", "BLOB_LIST", "TOKENS_VALID", "GRID_COUNT", "GRID_LIST",
           "GRID_GET", "GRID_JOBS", "GRID_OWNER", "GRID_WAITING", "JOB_CENSUS", "JOB_WAITING",
           "RETAIN_JOBS", "RETAIN_UPLOADS"}
JOB = [["metric", METRICS], ["artifact", "a.txt"], ["metric", METRICS]]


def statements():
    """The names in daemon/sql.h."""
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../daemon/sql.h"), encoding="ascii") as f:
        return set(re.findall(r"^\tX\(([A-Z_]+),", f.read(), re.M))


def patiently(d, method, url, body=None, seconds=60, expect=(200, 201, 202, 204, 303), headers=None):
    """As a client that comes again after a 507; nothing else is an answer to a full disk."""
    end = time.monotonic() + seconds
    while True:
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=60)
        c.request(method, url, json.dumps(body) if isinstance(body, dict) else body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        if r.status in expect:
            return dict(r.headers) if r.status == 303 else json.loads(data) if data else None
        assert r.status == 507 and time.monotonic() < end, (method, url, r.status, data)
        time.sleep(0.03)


def until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.03)


def ended(d, job):
    until(lambda: patiently(d, "GET", "/v1/jobs/" + job)["state"] in ("succeeded", "failed", "cancelled"),
          "%s does not end: %s" % (job, d.lines))
    return patiently(d, "GET", "/v1/jobs/" + job)


class Account(unittest.TestCase):
    """What has to hold of a job that succeeded, whatever failed on the way."""

    def check_job(self, d, job, artifact=b"made by a worker\n"):
        events = [e for _, e in d.events(job)]
        states = [e["state"] for e in events if e["event"] == "state"]
        self.assertEqual(states, ["queued", "running", "succeeded"], d.lines)
        steps = list(range(METRICS)) * 2
        self.assertEqual([e["step"] for e in events if e["event"] == "metric"], steps)
        self.assertEqual([e["text"] for e in events if e["event"] == "log"], ["step %d" % i for i in range(len(JOB))])
        self.assertEqual([e["name"] for e in events if e["event"] == "artifact"], ["a.txt"])
        rows = d.call("GET", "/v1/results?job=%s&limit=1000" % job, expect=200)["results"]
        self.assertEqual([r["step"] for r in reversed(rows)], steps)
        self.assertEqual(d.call("GET", "/v1/jobs/%s/artifacts/a.txt" % job, expect=200), artifact)
        self.assertEqual(len(d.call("GET", "/v1/jobs/%s/results" % job, expect=200)["rows"]), 2)
        said = [line for line in d.lines if "%s succeeded" % job in line]
        self.assertEqual(len(said), 1, said)

    def check_files(self, d, kept):
        state = os.path.join(d.state, "state")
        hashes = {hashlib.sha256(b).hexdigest() for b in kept}
        until(lambda: set(os.listdir(state + "/blobs")) == hashes, "other files are kept: %s" % d.lines)
        until(lambda: os.listdir(state + "/work") == [], "folders of workers stay")
        self.assertEqual(os.listdir(state + "/tmp"), [])


class Faults(Account):
    def scenario(self, d):
        m = patiently(d, "POST", "/v1/models?name=n.onnx", b"a network")["id"]
        self.assertEqual(patiently(d, "POST", "/v1/models?name=again.onnx", b"a network")["id"], m)
        gone = patiently(d, "POST", "/v1/datasets", b"some data")["id"]
        crash = patiently(d, "POST", "/v1/models", b"crash")["id"]
        until(lambda: patiently(d, "GET", "/v1/models/" + crash)["inspection"]["state"] == "failed", "not inspected")
        patiently(d, "POST", "/v1/models/%s/inspect" % crash)
        good = patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": JOB, "model": m, "fresh": True, "name": "good", "tags": ["a"]})["id"]
        bad = patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": [["metric", 3], ["fail", "no"]]})["id"]
        cancelled = patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 60]], "fresh": True})["id"]
        until(lambda: patiently(d, "GET", "/v1/jobs/" + cancelled)["state"] == "running", "does not run")
        patiently(d, "POST", "/v1/jobs/%s/cancel" % cancelled)
        patiently(d, "PATCH", "/v1/jobs/" + good, {"name": "better", "notes": "n", "tags": ["b", "c"]})
        patiently(d, "PATCH", "/v1/jobs/" + good, {"remove_tags": ["b"], "add_tags": ["d"]})
        self.assertEqual(ended(d, good)["state"], "succeeded")
        self.assertEqual(ended(d, bad)["state"], "failed")
        patiently(d, "POST", "/v1/jobs/%s/retry" % bad)
        self.assertEqual(ended(d, bad)["state"], "failed")
        self.assertEqual(ended(d, cancelled)["state"], "cancelled")
        until(lambda: patiently(d, "GET", "/v1/models/" + crash)["inspection"]["state"] == "failed", "not inspected")
        until(lambda: patiently(d, "GET", "/v1/datasets/" + gone)["inspection"]["state"] == "ok", "not inspected")
        until(lambda: d.call("GET", "/readyz") == {"status": "ok"}, "not ready: %s" % d.lines)
        self.check_job(d, good)
        self.assertEqual([d.call("GET", "/v1/jobs/" + good, expect=200)[k] for k in ("name", "notes", "tags")], ["better", "n", ["c", "d"]])
        self.assertEqual(d.call("GET", "/v1/jobs?q=better", expect=200)["total"], 1)
        self.assertEqual([e["state"] for _, e in d.events(bad) if e["event"] == "state"],
                         ["queued", "running", "failed"] * 2)
        self.assertEqual([e["state"] for _, e in d.events(cancelled) if e["event"] == "state"],
                         ["queued", "running", "cancelled"])
        self.assertEqual(d.call("GET", "/v1/results", expect=200)["total"], 2 * METRICS)
        self.scenario_of_tokens(d)
        self.scenario_of_runs(d)
        patiently(d, "DELETE", "/v1/datasets/" + gone)
        patiently(d, "DELETE", "/v1/jobs/" + bad)
        self.assertEqual([d.call("GET", "/v1/" + k, expect=200)["total"] for k in ("models", "datasets", "jobs")], [2, 0, 2])
        self.check_files(d, [b"a network", b"crash", b"made by a worker\n"])

    def scenario_of_tokens(self, d):
        token = patiently(d, "POST", "/v1/tokens", {"name": "alice", "role": "submit", "queued_jobs": 1})
        bearer = {"Authorization": "Bearer " + token["secret"]}
        session = {"Cookie": patiently(d, "POST", "/login", "token=" + token["secret"])["Set-Cookie"].split(";")[0]}
        job = patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 60]], "fresh": True}, headers=bearer)["id"]
        until(lambda: patiently(d, "GET", "/v1/jobs/" + job)["state"] == "running", "does not run")
        patiently(d, "POST", "/v1/jobs/%s/cancel" % job, headers=bearer)
        self.assertEqual(ended(d, job)["state"], "cancelled")
        patiently(d, "DELETE", "/v1/jobs/" + job, headers=bearer)
        patiently(d, "POST", "/logout", headers=session)
        patiently(d, "GET", "/v1/jobs", headers={**session, "Authorization": "Basic x"}, expect=(200,))  # loopback again
        patiently(d, "DELETE", "/v1/tokens/" + token["id"])
        patiently(d, "GET", "/v1/jobs", headers=bearer, expect=(401,))
        tokens = d.call("GET", "/v1/tokens", expect=200)["tokens"]
        self.assertEqual([(t["name"], t["revoked"] is not None) for t in tokens], [("alice", True)])

    def scenario_of_runs(self, d):
        """Jobs after others, jobs that are tried again, grids, and jobs with so many rows that they are deleted in parts."""
        def submit(*do, **run):
            return patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": do, "fresh": True, "run": run})["id"]

        many = submit(["metric", 2001])
        then = submit(["machine", {"cpu": "a processor", "isa": "plain", "threads": 1}], after=[many], priority=1)
        go = os.path.join(d.state, "go")
        crashes = submit(["await", go], ["kill", signal.SIGKILL], retries=1)
        never = submit(after=[crashes])
        open(go, "x", encoding="ascii").close()
        self.assertEqual([ended(d, j)["state"] for j in (many, then, crashes, never)], ["succeeded", "succeeded", "failed", "failed"])
        self.assertEqual([(j["attempts"], j["error"]["code"]) for j in (d.call("GET", "/v1/jobs/" + i) for i in (crashes, never))],
                         [(2, "worker_crashed"), (0, "after_failed")])
        grid = patiently(d, "POST", "/v1/grids", {"job": {"type": "fake", "do": [["sleep", 60]]}, "over": {"seed": [1, 2]}})
        patiently(d, "POST", "/v1/grids/%s/cancel" % grid["id"])
        grid = patiently(d, "GET", "/v1/grids/" + grid["id"])["jobs"]
        self.assertEqual([ended(d, j["job"])["state"] for j in grid], ["cancelled"] * 2)
        for job in (never, crashes, then, many, *(j["job"] for j in grid)):
            patiently(d, "DELETE", "/v1/jobs/" + job)

    def interrupted(self, folder, d, env):
        """A job that runs when the server stops; returns the next server."""
        job = patiently(d, "POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 60]], "fresh": True})["id"]
        until(lambda: patiently(d, "GET", "/v1/jobs/" + job)["state"] == "running", "does not run")
        self.assertEqual(d.stop(), 0)
        after = Daemon(folder, *RUN, env=env)
        after.lines[:0] = d.lines
        until(lambda: after.call("GET", "/readyz") == {"status": "ok"}, "not ready: %s" % d.lines)
        until(lambda: patiently(after, "GET", "/v1/jobs/" + job)["state"] == "running", "does not run again")
        patiently(after, "POST", "/v1/jobs/%s/cancel" % job)
        self.assertEqual(ended(after, job)["state"], "cancelled")
        self.assertEqual([e["state"] for _, e in after.events(job) if e["event"] == "state"],
                         ["queued", "running", "queued", "running", "cancelled"])
        return after

    def run_with(self, faults):
        """Names of the statements that failed."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"QUANTBENCHD_TEST_FAULTS": faults}
            hook = Hook(500, 200)
            d = Daemon(folder, *RUN, "--webhook", hook.url, env=env)
            try:
                self.scenario(d)
                until(lambda: len(hook.heard) >= 2, "nobody is told: %s" % d.lines)
                d = self.interrupted(folder, d, env)
            except BaseException:
                print("faults", faults, "".join(d.lines))
                raise
            finally:
                code = d.stop()
                hook.stop()
            self.assertEqual(code, 0, d.lines)
            return {m.group(1) for line in d.lines for m in [re.search(r"database: (\w+): database or disk is full", line)] if m}

    def sweep(self, cases):
        seen, failures = set(), []

        def some(part):
            for faults in part:
                try:
                    seen.update(self.run_with(faults))
                except BaseException as e:  # of a thread
                    failures.append(e)
                    return

        threads = [threading.Thread(target=some, args=(cases[i::3],)) for i in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failures:
            raise failures[0]
        return seen

    def test_each_statement__fails__nothing_is_lost_and_nothing_happens_twice(self):
        names = sorted(statements() - READERS)
        seen = self.sweep([name + ":1:1" for name in names])
        self.assertEqual(set(names) - seen, set())

    def test_each_commit__fails__nothing_is_lost_and_nothing_happens_twice(self):
        alone = 1 << 40
        cases = ["COMMIT:%d:%d" % (n, alone) for n in range(1, 30)]
        if os.environ.get("QB_EXHAUSTIVE"):
            cases += ["any:%d:%d" % (n, gap) for n in range(1, 260) for gap in (5, alone)]
        self.assertEqual(self.sweep(cases) - {"COMMIT"} if len(cases) < 30 else set(), set())


class Unwritable(Account):
    """Real errors of the operating system, for everybody: no file of the daemon may grow past its first byte."""

    def test_writes_fail__for_a_while__all_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder, "--jobs", "2").ready()
            jobs = [d.fake(["sleep", 0.5], *JOB) for _ in range(4)]
            d.wait(jobs[1], "running")
            limits = resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
            until(lambda: d.call("GET", "/readyz").get("code") == "storage_failing", "does not notice: %s" % d.lines)
            self.assertEqual(d.call("POST", "/v1/jobs", {"type": "fake", "fresh": True}, expect=507)["code"], "storage_failing")
            self.assertEqual(d.call("POST", "/v1/models", b"more", expect=507)["code"], "storage_failing")
            time.sleep(1.5)
            self.assertEqual([d.call("GET", "/v1/jobs?state=" + s, expect=200)["total"] for s in
                              ("running", "succeeded", "failed")], [2, 0, 0])
            resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, limits)
            d.ready()
            for job in jobs:
                self.assertEqual(d.wait(job)["state"], "succeeded")
                events = [e for _, e in d.events(job)]
                self.assertEqual([e["state"] for e in events if e["event"] == "state"], ["queued", "running", "succeeded"])
                self.assertEqual([e["step"] for e in events if e["event"] == "metric"], list(range(METRICS)) * 2)
                self.assertEqual([e["name"] for e in events if e["event"] == "artifact"], ["a.txt"])
            self.assertEqual(d.stop(), 0)


def mounted(folder, megabytes):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", folder],
                          stderr=subprocess.DEVNULL).returncode == 0


class SmallDisk(Account):
    """A state folder on a file system of 24 MB of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        if not mounted(self.folder, 24):
            os.rmdir(self.folder)
            self.skipTest("lacks root: a small file system cannot be mounted")
        self.d = Daemon(self.folder, "--jobs", "2").ready()

    def tearDown(self):
        code = self.d.stop()
        subprocess.run(["umount", "-l", self.folder], check=True)
        os.rmdir(self.folder)
        self.assertEqual(code, 0, self.d.lines)

    def fill(self):
        """Takes all the room there is; removing the file gives it back."""
        path = os.path.join(self.folder, "filler")
        with open(path, "ab", buffering=0) as f:
            for block in (1 << 20, 1 << 12):
                try:
                    while True:
                        f.write(b"x" * block)
                except OSError:
                    pass
        return path

    def full(self):
        until(lambda: self.d.call("GET", "/readyz").get("code") == "disk_full", "does not notice: %s" % self.d.lines)

    def test_full_disk__jobs_run__all_succeed_once_when_there_is_room(self):
        m = patiently(self.d, "POST", "/v1/models?name=n.onnx", b"a network")["id"]
        spare = patiently(self.d, "POST", "/v1/models", os.urandom(200000))["id"]
        old = self.d.fake(*JOB)
        self.assertEqual(self.d.wait(old)["state"], "succeeded")
        jobs = [self.d.fake(*JOB[:2], ["sleep", 0.5], *JOB[2:], model=m) for _ in range(6)]
        filler = self.fill()
        self.full()
        self.assertEqual(self.d.call("GET", "/readyz", expect=503)["code"], "disk_full")
        for url, body in (("/v1/models", b"more"), ("/v1/jobs", {"type": "fake", "fresh": True})):
            self.assertEqual(self.d.call("POST", url, body, expect=507)["code"], "disk_full")
        self.d.call("GET", "/v1/jobs", expect=200)
        time.sleep(1.5)
        self.assertEqual(self.d.call("GET", "/v1/jobs?state=failed", expect=200)["total"], 0)
        self.assertLessEqual(self.d.call("GET", "/v1/jobs?state=running", expect=200)["total"], 2)
        self.d.call("DELETE", "/v1/models/" + spare, expect=204)
        self.d.call("DELETE", "/v1/jobs/" + old, expect=204)
        self.fill()
        self.assertLess(sum(len(line) for line in self.d.lines), 100000)
        os.unlink(filler)
        self.d.ready()
        for job in jobs:
            self.assertEqual(self.d.wait(job, seconds=60)["state"], "succeeded")
            states = [e["state"] for _, e in self.d.events(job) if e["event"] == "state"]
            self.assertIn(states, (["queued", "running", "succeeded"],  # or its worker found no room for its artifact
                                   ["queued", "running"] * 2 + ["succeeded"], ["queued", "running"] * 3 + ["succeeded"]))
            rows = self.d.call("GET", "/v1/results?job=%s&limit=1000" % job, expect=200)["results"]
            self.assertEqual([r["step"] for r in reversed(rows)], list(range(METRICS)) * 2)
        self.assertEqual(self.d.call("GET", "/v1/results", expect=200)["total"], 6 * 2 * METRICS)

    def test_full_disk__unfinished_upload_fills_it__upload_goes_and_jobs_do_not_notice(self):
        jobs = [self.d.fake(*JOB, ["sleep", 0.2]) for _ in range(6)]
        s = socket.create_connection(("127.0.0.1", self.d.port))
        s.sendall(b"POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n")
        s.settimeout(5)
        try:
            for _ in range(50):
                s.sendall(b"x" * 1000000)
        except OSError:
            pass
        for job in jobs:
            self.assertEqual(self.d.wait(job, seconds=60)["state"], "succeeded")
            self.check_events(job)
        s.close()
        self.d.ready()

    def test_full_disk__nothing_runs__it_is_noticed_all_the_same(self):
        m = patiently(self.d, "POST", "/v1/models", b"a network")["id"]
        filler = self.fill()
        self.assertEqual(self.d.call("GET", "/readyz", expect=503)["code"], "disk_full")
        self.assertEqual(self.d.call("POST", "/v1/jobs", {"type": "fake"}, expect=507)["code"], "disk_full")
        self.assertEqual(self.d.call("POST", "/v1/models", b"more", expect=507)["code"], "disk_full")
        self.d.call("DELETE", "/v1/models/" + m, expect=204)
        os.unlink(filler)
        self.d.ready()
        self.assertEqual(self.d.wait(self.d.fake(*JOB))["state"], "succeeded")

    def check_events(self, job):
        events = [e for _, e in self.d.events(job)]
        self.assertEqual([e["state"] for e in events if e["event"] == "state"], ["queued", "running", "succeeded"])
        self.assertEqual([e["step"] for e in events if e["event"] == "metric"], list(range(METRICS)) * 2)

    def test_full_disk__stop_and_start__serves_and_goes_on_when_there_is_room(self):
        job = self.d.fake(["sleep", 1], *JOB)
        self.d.wait(job, "running")
        filler = self.fill()
        self.full()
        self.assertEqual(self.d.stop(), 0)
        self.fill()
        self.d = Daemon(self.folder, "--jobs", "2")
        self.full()
        self.d.call("GET", "/v1/jobs", expect=200)
        os.unlink(filler)
        self.d.ready()
        self.assertEqual(self.d.wait(job)["state"], "succeeded")
        rows = self.d.call("GET", "/v1/results?job=%s&limit=1000" % job, expect=200)["results"]
        self.assertEqual([r["step"] for r in reversed(rows)], list(range(METRICS)) * 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
