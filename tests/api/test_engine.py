#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worker that answers questions: many at once, clients that leave, limits, and a program that is replaced."""
import http.client
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import BUILD, Case, Daemon, FAKE

WORKER = os.path.join(BUILD, "quantbench-worker")


class Questions(Case):
    options = ("--worker-memory", "900M", "--worker-cpu-seconds", "77", "--http-threads", "2")

    def question(self, kind, do):
        """Status, headers and answer."""
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        c.request("POST", "/v1/compute/" + kind, json.dumps({"do": do}))
        r = c.getresponse()
        out = r.status, r.headers, json.loads(r.read()), time.monotonic()
        c.close()
        return out

    def at_once(self, *questions):
        """Each with its own connection; the pause keeps their order."""
        answers = [None] * len(questions)

        def one(i):
            answers[i] = self.question(*questions[i])
        threads = [threading.Thread(target=one, args=(i,)) for i in range(len(questions))]
        for t in threads:
            t.start()
            time.sleep(0.01)
        return threads, answers

    def test_questions__many__do_not_hold_up_other_requests(self):
        threads, answers = self.at_once(*[("sqnr", [["sleep", 0.15]])] * 24)
        slowest = 0
        while any(t.is_alive() for t in threads):
            for url in ("/healthz", "/readyz", "/v1/system", "/v1/jobs"):
                begin = time.monotonic()
                self.d.call("GET", url, expect=200)
                slowest = max(slowest, time.monotonic() - begin)
        self.assertLess(slowest, 1)
        self.assertEqual([a[0] for a in answers], [200] * 24)

    def test_questions__too_many__are_told_when_to_try_again(self):
        threads, answers = self.at_once(*[("sqnr", [["sleep", 0.1]])] * 50)
        for t in threads:
            t.join()
        self.assertEqual({a[0] for a in answers}, {200, 503})
        for status, headers, answer, _ in answers:
            if status == 503:
                self.assertEqual(answer["code"], "busy")
                self.assertGreater(int(headers["Retry-After"]), 0)

    def test_questions__light__go_before_heavy(self):
        threads, answers = self.at_once(*[("sqnr", [["sleep", 0.3]])] * 5, ("round", []))
        for t in threads:
            t.join()
        # behind the one that is at work by then, if one is
        self.assertLessEqual(sorted(answers, key=lambda a: a[3]).index(answers[5]), 1)

    def test_questions__of_clients_that_left__are_not_asked(self):
        log = os.path.join(self.folder.name, "asked")
        threads, _ = self.at_once(("sqnr", [["sleep", 0.5]]))
        for _ in range(200):  # many more than may wait
            with socket.create_connection(("127.0.0.1", self.d.port)) as s:
                body = json.dumps({"do": [["touch", log]]})
                s.sendall(("POST /v1/compute/sqnr HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" %
                           (len(body), body)).encode())
        threads[0].join()
        self.assertEqual(self.question("sqnr", [])[0], 200)
        asked = open(log).read().count("\n") if os.path.exists(log) else 0
        self.assertLess(asked, 5)

    def test_questions__that_wait_when_the_server_stops__are_answered(self):
        threads, answers = self.at_once(*[("sqnr", [["sleep", 20]])] * 6)
        time.sleep(3)  # all were accepted, on a busy machine too
        begin = time.monotonic()
        self.assertEqual(self.d.stop(), 0)
        self.assertLess(time.monotonic() - begin, 2.5)
        for t in threads:
            t.join()
        self.assertEqual({(a[0], a[2]["code"]) for a in answers}, {(503, "stopping")})

    def test_worker__has_the_limits_of_jobs(self):
        args = self.question("round", [])[2]["args"]
        for option, value in (("--memory-bytes", str(900 << 20)), ("--cpu-seconds", "77")):
            self.assertEqual(args[args.index(option) + 1], value)

    def test_worker__killed_while_it_answers__costs_one_answer(self):
        threads, answers = self.at_once(("sqnr", [["sleep", 0.2], ["kill", 9]]), ("sqnr", []), ("sqnr", []))
        for t in threads:
            t.join()
        self.assertEqual([a[0] for a in answers], [503, 200, 200])
        self.assertIn("Retry-After", answers[0][1])


class Replacement(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.worker = os.path.join(self.folder.name, "worker")
        self.install("fake-1")
        self.d = Daemon(self.folder.name, worker=self.worker).ready()

    def tearDown(self):
        code = self.d.stop()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    def install(self, version, **replaced):
        """As a package manager does: a new file takes the name."""
        with open(FAKE, encoding="utf-8") as f:
            text = f.read().replace('"fake-1"', '"%s"' % version)
        for old, new in replaced.items():
            self.assertIn('"%s"' % old, text)
            text = text.replace('"%s"' % old, '"%s"' % new)
        with open(self.worker + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.worker + ".new", 0o755)
        os.rename(self.worker + ".new", self.worker)

    def submit(self, **more):
        return self.d.call("POST", "/v1/jobs", {"type": "fake", "seed": 3, **more})

    def test_worker__replaced__is_asked_anew(self):
        first = self.submit()
        self.assertEqual(self.d.wait(first["id"])["state"], "succeeded")
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + first["id"])["engine"], "fake-1")
        self.install("fake-2")
        for _ in range(100):
            if self.d.call("GET", "/v1/system", expect=200)["engine"] == "fake-2":
                break
            time.sleep(0.05)
        self.assertEqual(self.d.call("GET", "/v1/job-types", expect=200)["engine"], "fake-2")
        second = self.submit()
        self.assertFalse(second["cached"])
        self.assertEqual(self.d.wait(second["id"])["engine"], "fake-2")
        self.assertTrue(self.submit()["cached"])

    def test_job__queued_before_a_replacement__is_of_the_version_that_ran_it(self):
        self.d.fake(["sleep", 0.7])
        waits = self.submit()
        self.assertEqual(waits["engine"], "fake-1")
        self.install("fake-2")
        self.assertEqual(self.d.wait(waits["id"])["engine"], "fake-2")
        again = self.submit()
        self.assertEqual((again["cached"], again["id"]), (True, waits["id"]))
        self.install("fake-1")
        time.sleep(2.5)
        self.assertFalse(self.submit()["cached"])

    def test_worker__named_by_a_link_or_by_path__is_followed(self):
        self.d.stop()
        versions = os.path.join(self.folder.name, "bin")
        os.mkdir(versions)
        link = os.path.join(versions, "linked-worker")
        os.symlink(self.worker, link)
        self.d = Daemon(self.folder.name, worker="linked-worker", env={"PATH": versions + ":" + os.environ["PATH"]}).ready()
        former, self.worker = self.worker, os.path.join(self.folder.name, "worker-2")
        self.install("fake-2")
        os.symlink(self.worker, link + ".new")
        os.rename(link + ".new", link)
        os.unlink(former)
        self.assertEqual(self.d.wait(self.submit()["id"])["engine"], "fake-2")

    def test_job__run_by_another_version_than_described__is_of_that_one(self):
        """As where a launcher places workers on machines with an installation of their own."""
        job = self.submit(do=[["version", "fake-9"]])
        self.assertEqual(self.d.wait(job["id"])["engine"], "fake-9")
        self.assertFalse(self.submit(do=[["version", "fake-9"]])["cached"])
        self.assertEqual(sum("was replaced" in line for line in self.d.lines), 1)  # asked again, once

    def test_worker__with_a_schema_that_is_not_understood__is_not_used(self):
        self.install("fake-3", minItems="minimalItems")
        for _ in range(100):
            p = self.d.call("GET", "/readyz")
            if p != {"status": "ok"}:
                break
            time.sleep(0.05)
        self.assertEqual((p["status"], p["code"]), (503, "worker_unavailable"))
        self.assertIn('"ptq" cannot be used: the keyword "minimalItems" is not understood', p["detail"])
        waits = self.submit()
        self.assertEqual(waits["state"], "queued")
        time.sleep(0.5)
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + waits["id"])["state"], "queued")
        self.install("fake-4")
        self.assertEqual(self.d.wait(waits["id"])["engine"], "fake-4")

    def test_worker__away_for_a_moment__is_no_fault(self):
        os.rename(self.worker, self.worker + ".away")
        time.sleep(1.5)
        self.assertEqual(self.d.call("GET", "/readyz", expect=200), {"status": "ok"})
        os.rename(self.worker + ".away", self.worker)
        self.assertEqual(self.d.wait(self.submit()["id"])["state"], "succeeded")


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class Limits(unittest.TestCase):
    def test_worker__processor_time__is_that_of_a_question(self):
        """A limit of 1 s, and more than that over all questions."""
        work = json.dumps({"ask": "sqnr", "distributions": [{"name": "gaussian"}], "formats": ["int8", "E4", "E5"],
                           "samples": 300000})
        p = subprocess.Popen([WORKER, "--serve", "--threads", "1", "--cpu-seconds", "1"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
        used, n = 0, 0
        while used < 4 and n < 500:
            p.stdin.write(work + "\n")
            p.stdin.flush()
            line = p.stdout.readline()
            self.assertIn("answer", line)
            with open("/proc/%d/stat" % p.pid, encoding="ascii") as f:
                used = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
            n += 1
        p.stdin.close()
        p.stdout.close()
        self.assertEqual(p.wait(), 0)
        self.assertGreaterEqual(used, 4)


if __name__ == "__main__":
    unittest.main(verbosity=1)
