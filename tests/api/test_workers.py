#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Worker processes of quantbenchd: hosts that cannot start them, what they can read, and those that outlive their daemon."""
import hashlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from daemon import BUILD, Case, Daemon, FAKE

WORKER = os.path.join(BUILD, "quantbench-worker")


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.03)
    raise AssertionError("not in %d s" % seconds)


def runs(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def words(path, n):
    """The first n words of a file that another process writes."""
    def found():
        if os.path.exists(path):
            with open(path, encoding="ascii") as f:
                text = f.read().split()
            return text if len(text) >= n else None
    return until(found)


def write_program(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, stat.S_IRWXU)
    return path


class Host(unittest.TestCase):
    """What the machine lacks is no fault of the jobs that wait for it."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.worker = shutil.copy(FAKE, self.path("worker.py"))

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, *options):
        d = Daemon(self.folder.name, *options, worker=self.worker).ready()
        self.addCleanup(lambda: self.assertEqual(d.stop(), 0))
        return d

    def all_succeed_at_first(self, d, jobs):
        for j in jobs:
            self.assertEqual(d.wait(j)["state"], "succeeded")
            self.assertEqual(d.call("GET", "/v1/jobs/" + j)["attempts"], 1)
            self.assertEqual([e["state"] for _, e in d.events(j) if e["event"] == "state"][-2:], ["running", "succeeded"])

    def test_worker_file__away_for_a_moment__jobs_wait(self):
        d = self.start("--jobs", "3")
        os.rename(self.worker, self.path("away"))
        jobs = [d.fake() for _ in range(20)]
        m = d.call("POST", "/v1/models", b"a network", expect=201)
        p = until(lambda: [p for p in [d.call("GET", "/readyz")] if p["status"] == 503])[0]
        self.assertEqual(p["code"], "worker_unavailable")
        self.assertIn(self.worker, p["detail"])
        self.assertEqual([c["code"] for c in d.call("GET", "/v1/system", expect=200)["conditions"]], ["worker_unavailable"])
        time.sleep(0.5)
        self.assertEqual({d.call("GET", "/v1/jobs/" + j)["state"] for j in jobs}, {"queued"})
        os.rename(self.path("away"), self.worker)
        self.all_succeed_at_first(d, jobs)
        until(lambda: d.call("GET", "/v1/models/" + m["id"])["inspection"]["state"] == "ok")
        self.assertEqual(d.call("GET", "/readyz", expect=200), {"status": "ok"})
        self.assertEqual(sum("workers cannot be started" in line and "error" in line for line in d.lines), 1, d.lines)

    def test_worker_file__away_for_good__daemon_answers_and_stops(self):
        d = self.start("--jobs", "4")
        os.remove(self.worker)
        jobs = [d.fake() for _ in range(20)]
        time.sleep(0.3)
        begin = time.monotonic()
        self.assertEqual(d.call("GET", "/v1/jobs/" + jobs[0], expect=200)["state"], "queued")
        d.call("POST", "/v1/jobs/%s/cancel" % jobs[1], expect=202)
        self.assertEqual(d.call("GET", "/readyz", expect=503)["code"], "worker_unavailable")
        self.assertEqual(d.stop(), 0)
        self.assertLess(time.monotonic() - begin, 3)

    def test_worker_file__away_until_nobody_waits__server_is_ready_again(self):
        d = self.start()
        os.rename(self.worker, self.path("away"))
        j = d.fake()
        until(lambda: d.call("GET", "/readyz")["status"] == 503)
        os.rename(self.path("away"), self.worker)
        d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)
        until(lambda: d.call("GET", "/readyz")["status"] == "ok", 3)

    def test_descriptors__none_for_a_moment__jobs_wait(self):
        d = self.start("--jobs", "1")
        first = d.fake(["sleep", 0.7])
        jobs = [d.fake() for _ in range(10)]
        d.wait(first, "running")
        time.sleep(0.1)
        used = len(os.listdir("/proc/%d/fd" % d.process.pid))
        before = resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        time.sleep(1.5)
        resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, before)
        self.assertEqual(d.wait(first)["state"], "succeeded")
        self.all_succeed_at_first(d, jobs)

    def test_launcher__finds_no_worker__jobs_wait(self):
        flag = self.path("flag")
        launcher = write_program(self.path("launch"), '#!/bin/sh\n[ -e %s ] && exec "$@"\necho no worker here >&2\nexit 127\n' % flag)
        d = self.start("--launcher", launcher)
        jobs = [d.fake() for _ in range(3)]
        p = until(lambda: [p for p in [d.call("GET", "/readyz")] if p["status"] == 503])[0]
        self.assertIn("no worker here", p["detail"])
        time.sleep(0.5)
        write_program(flag, "")
        for j in jobs:
            self.assertEqual(d.wait(j)["state"], "succeeded")
            self.assertEqual(d.call("GET", "/v1/jobs/" + j)["attempts"], 1)
        self.assertEqual(d.call("GET", "/readyz", expect=200), {"status": "ok"})


    def test_worker__that_ends_without_a_word__is_tried_again_some_times(self):
        good, starts, needed = os.path.abspath(FAKE), self.path("starts"), self.path("needed")
        write_program(self.worker, """#!/bin/sh
case "$*" in *--serve*) exec %s "$@";; esac
echo >> %s
[ $(wc -l < %s) -ge $(cat %s) ] && exec %s "$@"
echo broken >&2
exit 1
""" % (good, starts, starts, needed, good))
        write_program(needed, "3")
        d = self.start()
        j = d.wait(d.fake())
        self.assertEqual((j["state"], j["attempts"]), ("succeeded", 3))
        write_program(needed, "99")
        j = d.wait(d.fake())
        self.assertEqual((j["state"], j["attempts"], j["error"]["code"]), ("failed", 3, "worker_crashed"))
        self.assertIn("broken", j["error"]["detail"])


class Deaths(Case):
    options = ("--worker-cpu-seconds", "7")

    def test_signals__from_outside_and_limits__are_told_apart(self):
        for number, code, words in ((signal.SIGKILL, "worker_crashed", "from outside"),
                                    (signal.SIGTERM, "worker_crashed", "from outside"),
                                    (signal.SIGXCPU, "time_limit", "limit of 7 s of processor time"),
                                    (signal.SIGSEGV, "worker_crashed", "fault of the program")):
            j = self.d.wait(self.d.fake("default_term", ["kill", number]))
            self.assertEqual((j["state"], j["error"]["code"]), ("failed", code))
            self.assertIn(words, j["error"]["detail"])
            self.assertNotIn("memory", j["error"]["detail"])


class Folders(Case):
    options = ("--jobs", "2")

    def test_inputs__of_a_job__lie_alone_under_their_names(self):
        m = self.inspected(self.upload(b"a network"))
        self.inspected(self.upload(b"somebody else's"))
        d = self.inspected(self.upload(b"data", "datasets", "net.onnx"), "datasets")
        j = self.d.fake("siblings", model=m["id"], data=d["id"])
        self.assertEqual(self.d.wait(j)["state"], "succeeded")
        said = [json.loads(e["text"]) for _, e in self.d.events(j) if e["event"] == "log" and e["text"].startswith("{")]
        self.assertEqual(said, [{"model": ["net.onnx"], "data": ["net.onnx"]}])
        until(lambda: not os.listdir(os.path.join(self.folder.name, "state/work")))

    def test_folders__two_starts_of_a_job__have_none_in_common(self):
        log = os.path.join(self.folder.name, "folders")
        j = self.d.fake(["folder", log], ["sleep", 60])
        for n in (1, 2):
            self.assertEqual(len(set(words(log, n))), n)
            self.d.wait(j, "running")
            if n == 1:
                self.assertEqual(self.d.stop(), 0)
                self.d = Daemon(self.folder.name, *self.options).ready()
        self.d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)

    def test_input__whose_blob_is_gone__fails_and_says_so(self):
        m = self.inspected(self.upload(b"a network"))
        os.remove(os.path.join(self.folder.name, "state/blobs", m["sha256"]))
        j = self.d.wait(self.d.fake(model=m["id"]))
        self.assertEqual((j["state"], j["error"]["code"]), ("failed", "input_damaged"))
        self.assertIn("upload the same file again", j["error"]["detail"])


class Inspections(Case):
    options = ("--inspections", "2", "--inspection-wall-seconds", "6")

    def test_inspection__of_a_slow_file__is_limited_and_nobody_waits_for_it(self):
        j = self.d.fake(["sleep", 60])
        slow = self.upload(b"slow")
        quick = self.inspected(self.upload(b"quick"))
        self.assertEqual(quick["inspection"]["state"], "ok")
        self.assertEqual(self.d.call("GET", "/v1/models/" + slow["id"])["inspection"]["state"], "pending")
        slow = until(lambda: [u for u in [self.d.call("GET", "/v1/models/" + slow["id"])]
                              if u["inspection"]["state"] != "pending"])[0]
        self.assertEqual((slow["inspection"]["state"], slow["inspection"]["error"]["code"]), ("failed", "time_limit"))
        self.assertIn("inspection-wall-seconds", slow["inspection"]["error"]["detail"])
        self.d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)


# A launcher whose worker is not in the daemon's process group, and which survives the daemon and keeps its worker: as whose
# child the worker does not end with the daemon. It does not watch its input, either.
FORKING = """#!/usr/bin/python3
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execv(sys.argv[1], [a for a in sys.argv[1:] if a != "--end-with-input"])
os.waitpid(pid, 0)
while True:
    signal.pause()
"""


class Survivors(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.launcher = write_program(os.path.join(self.folder.name, "launch"), FORKING)
        self.log = os.path.join(self.folder.name, "pids")

    def start(self):
        return Daemon(self.folder.name, "--launcher", self.launcher).ready()

    def test_launcher__that_forks_and_a_daemon_that_is_killed__leave_no_worker(self):
        d = self.start()
        j = d.fake(["touch", self.log], ["sleep", 60])
        old = int(words(self.log, 1)[0])
        d.process.kill()
        d.stop()
        self.assertTrue(runs(old))  # a worker that does not watch its input is what this test is about
        d = self.start()
        self.assertFalse(runs(old))
        new = int(words(self.log, 2)[1])
        self.assertEqual(d.wait(j, "running")["attempts"], 1)
        d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)
        d.wait(j, "cancelled")
        until(lambda: not runs(new), 1)
        self.assertEqual(d.stop(), 0)

    @unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
    def test_worker__whose_input_is_closed__ends_in_the_middle_of_its_work(self):
        job = {"type": "sqnr", "samples": 10000000, "distributions": [{"name": "gaussian", "clip": 10}] * 16,
               "formats": ["int8", "E2", "E3", "E4", "E5"]}
        w = subprocess.Popen([WORKER, "--end-with-input", "--threads", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        w.stdin.write(json.dumps(job).encode() + b"\n")
        w.stdin.flush()
        self.assertIn(b"progress", next(line for line in w.stdout if b"alive" not in line))
        w.stdin.close()
        self.assertEqual(w.wait(2), 1)
        self.assertNotIn(b'"result"', w.stdout.read())
        w.stdout.close()


class Left(Case):
    options = ("--jobs", "2")

    def test_worker__leaves_a_process_in_a_session_of_its_own__it_is_ended_and_others_go_on(self):
        other = self.d.fake(["sleep", 4])
        for how in (None, ["kill", signal.SIGKILL], ["fail", "no"]):
            path = os.path.join(self.folder.name, "pid")
            j = self.d.fake(["leave", path], ["sleep", 0.2], *([how] if how else []))
            pid = int(words(path, 1)[0])
            self.d.wait(j)
            until(lambda pid=pid: not os.path.exists("/proc/%d" % pid), 5)  # and is no zombie
            os.unlink(path)
        self.assertEqual(self.d.wait(other)["state"], "succeeded")
        self.assertIn("processes that workers left behind", "".join(self.d.lines))


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class Sandboxed(unittest.TestCase):
    def test_workers__of_the_real_program__have_no_way_out(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder, worker=None).ready()
            self.addCleanup(d.stop)
            j = d.call("POST", "/v1/jobs", {"type": "sqnr", "samples": 10000000, "distributions": [{"name": "gaussian", "clip": 10}] * 16,
                                            "formats": ["int8", "E4"]}, expect=201)["id"]
            d.wait(j, "running")

            def workers():
                pids = []
                for thread in os.listdir("/proc/%d/task" % d.process.pid):
                    with open("/proc/%d/task/%s/children" % (d.process.pid, thread), encoding="ascii") as f:
                        pids += f.read().split()
                return pids if len(pids) == 2 else None
            for pid in until(workers):  # the one that answers questions, and that of the job
                def restricted(pid=pid):
                    with open("/proc/%s/status" % pid, encoding="ascii") as f:
                        fields = dict(line.split(":", 1) for line in f)
                    return (fields["NoNewPrivs"].strip(), fields["Seccomp"].strip()) == ("1", "2")
                until(restricted)
            d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)
            d.wait(j, "cancelled")


class Stalled(Case):
    options = ("--stall-seconds", "8", "--jobs", "2")

    def test_exclusive_run__whose_process_is_stopped__is_told_ended_and_queued_again(self):
        other = self.d.fake(["sleep", 0.5])
        marker = os.path.join(self.folder.name, "marker")
        j = self.d.fake(["section", ["stop_once", marker]])
        begin = time.monotonic()
        p = until(lambda: [p for p in [self.d.call("GET", "/readyz")] if p["status"] == 503])[0]
        self.assertEqual(p["code"], "measurement_stalled")
        self.assertIn(j, p["detail"])
        j = self.d.wait(j)
        self.assertEqual((j["state"], j["attempts"]), ("succeeded", 2))
        self.assertGreater(time.monotonic() - begin, 7)
        self.assertTrue([e for _, e in self.d.events(j["id"]) if e.get("level") == "warning" and "sign of life" in e["text"]])
        self.assertEqual(self.d.wait(other)["state"], "succeeded")
        self.assertEqual(self.d.call("GET", "/readyz", expect=200), {"status": "ok"})


def field(number, value):
    """One field of a protocol buffer: a number, or bytes with their length."""
    def varint(n):
        out = b""
        while n > 127:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def network_with_data_in(location):
    """y = x + w, with w in another file."""
    def tensor(name):
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, field(1, field(1, 2)))))

    weight = (field(1, 2) + field(2, 1) + field(8, "w") + field(14, 1) +
              field(13, field(1, "location") + field(2, location)))
    node = field(1, "x") + field(1, "w") + field(2, "y") + field(4, "Add")
    graph = field(1, node) + field(2, "g") + field(5, weight) + field(11, tensor("x")) + field(12, tensor("y"))
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17))


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class ExternalData(unittest.TestCase):
    def test_model__that_names_another_upload__does_not_get_it(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder, worker=WORKER).ready()
            secret = b"8 bytes!"
            digest = hashlib.sha256(secret).hexdigest()
            d.call("POST", "/v1/datasets?name=secret.bin", secret, expect=201)
            for name, location in (("a", digest), ("b", "secret.bin"), ("c", "../../../blobs/" + digest),
                                   ("d", os.path.join(folder, "state/blobs", digest))):
                m = d.call("POST", "/v1/models?name=%s.onnx" % name, network_with_data_in(location), expect=201)
                m = until(lambda: [u for u in [d.call("GET", "/v1/models/" + m["id"])]
                                   if u["inspection"]["state"] != "pending"])[0]
                self.assertEqual(m["inspection"]["state"], "failed", location)
                self.assertIn("w", m["inspection"]["error"]["detail"])
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
