# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon, and of workers, at random moments under load. Afterwards: what was accepted is there, what was to end has ended
once, nothing is left over, and the database is whole."""
import hashlib
import http.client
import os
import random
import signal
import sqlite3
import threading
import time

from daemon import Daemon

ROWS = 5            # of a job's result
ABREAST = 12        # jobs that wait or run
TERMINAL = ("succeeded", "failed", "cancelled")


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Campaign:
    def __init__(self, folder, seed=1):
        self.folder, self.random = folder, random.Random(seed)
        self.pids = os.path.join(folder, "pids")
        self.jobs, self.models = [], {}   # accepted: ids, and ids with SHA-256
        self.ended = set()
        self.pause = threading.Event()    # while there is no daemon
        self.over, self.error = False, None
        self.lock = threading.Lock()
        self.start()

    def start(self):
        self.daemon = Daemon(self.folder, "--jobs", "4", "--retry-seconds", "1").ready()
        self.pause.clear()

    def post(self, url, body):
        """The answer, or None where none came: then nothing is known of it."""
        try:
            return self.daemon.call("POST", url, body, expect=201)
        except (OSError, http.client.HTTPException):
            return None

    def client(self):
        try:
            self.submit()
        except Exception as e:  # the thread's end is the campaign's
            self.error = e

    def submit(self):
        number, i = random.Random(threading.get_ident()), 0
        while not self.over:
            if self.pause.is_set() or len(self.jobs) - len(self.ended) >= ABREAST:
                time.sleep(0.02)
                self.look()
                continue
            i += 1
            content = number.randbytes(200000 if i % 4 == 0 else 100)
            model = self.post("/v1/models?name=m%d" % i, content)
            if model:
                self.models[model["id"]] = hashlib.sha256(content).hexdigest()
                job = self.post("/v1/jobs", {"type": "fake", "model": model["id"], "fresh": True, "run": {"retries": 10}, "do": [
                    ["touch", self.pids], ["metric", ROWS], ["sleep", number.random() / 4], ["artifact", "a.txt"]]})
                if job:
                    self.jobs.append(job["id"])

    def look(self):
        """Notes which jobs have ended."""
        with self.lock:
            for j in self.jobs:
                if j not in self.ended and not self.pause.is_set():
                    try:
                        if self.daemon.call("GET", "/v1/jobs/" + j, expect=200)["state"] in TERMINAL:
                            self.ended.add(j)
                    except (OSError, http.client.HTTPException):
                        return

    def workers(self):
        try:
            with open(self.pids, encoding="ascii") as f:
                return {p for p in map(int, f.read().split()) if is_running(p)}
        except OSError:
            return set()

    def kill_worker(self):
        """One that computes; False where there is none now."""
        running = sorted(self.workers())
        if not running:
            return False
        try:
            os.kill(self.random.choice(running), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_daemon(self):
        self.pause.set()
        self.daemon.process.kill()
        self.daemon.stop()
        before = self.workers()
        with sqlite3.connect(os.path.join(self.folder, "state/quantbench.db")) as db:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
            assert found == "ok", found
        self.start()
        left = {p for p in before if is_running(p)}
        assert not left, "workers of a killed server still run: %s" % left

    def run(self, daemon_kills, worker_kills):
        threads = [threading.Thread(target=self.client, daemon=True) for _ in range(2)]
        for t in threads:
            t.start()
        kills = ["daemon"] * daemon_kills + ["worker"] * worker_kills
        self.random.shuffle(kills)
        for victim in kills:
            time.sleep(self.random.random() / (1 if victim == "daemon" else 4))
            if self.error:
                raise self.error
            if victim == "daemon":
                self.kill_daemon()
                continue
            end = time.monotonic() + 60
            while not self.kill_worker():
                assert time.monotonic() < end, "no worker runs: %s" % self.daemon.lines[-5:]
                time.sleep(0.02)
        self.over = True
        for t in threads:
            t.join()
        return self.check()

    def check(self):
        d = self.daemon
        starts = {}
        for j in self.jobs:
            job = d.wait(j, seconds=120)
            assert job["state"] == "succeeded", (j, job["error"])
            told = [e["state"] for _, e in d.events(j) if e["event"] == "state" and e["state"] in TERMINAL]
            assert told[-1] == "succeeded" and told.count("succeeded") == 1, (j, told)
            assert d.call("GET", "/v1/results?job=" + j, expect=200)["total"] == ROWS, j
            assert d.call("GET", "/v1/jobs/%s/artifacts/a.txt" % j) == b"made by a worker\n", j
            starts[job["attempts"]] = starts.get(job["attempts"], 0) + 1
        for m, sha in self.models.items():
            d.call("GET", "/v1/models/" + m, expect=200)
            with open(os.path.join(self.folder, "state/blobs", sha), "rb") as f:
                assert hashlib.sha256(f.read()).hexdigest() == sha, m
        assert d.stop() == 0
        assert not self.workers()
        for empty in ("tmp", "work"):
            left = os.listdir(os.path.join(self.folder, "state", empty))
            assert not left, (empty, left)
        with sqlite3.connect(os.path.join(self.folder, "state/quantbench.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return "%d jobs and %d uploads accepted: each job succeeded once with its rows and its artifact (starts: %s), each upload is there; no worker left, " \
            "nothing half written, database whole after each kill" % (len(self.jobs), len(self.models),
            ", ".join("%d of %d" % (n, s) for s, n in sorted(starts.items())))
