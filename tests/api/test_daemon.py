#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The life of uploads and jobs through every operation of the API."""
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import API, BUILD, Case, DAEMON, Daemon, Stream, TOP, VISITED, yaml


class Uploads(Case):
    options = ("--max-upload", "300M")

    def test_upload__same_file_twice__is_one_model(self):
        m = self.upload()
        self.assertEqual(m["sha256"], hashlib.sha256(b"a network").hexdigest())
        self.assertEqual(m["name"], "net.onnx")
        self.assertEqual(self.d.headers["Location"], "/v1/models/" + m["id"])
        self.assertEqual(self.upload(expect=200)["id"], m["id"])
        self.assertEqual(self.inspected(m)["inspection"]["result"]["parameters"], 5)
        self.assertEqual(self.d.call("GET", "/v1/models/%s/graph" % m["id"], expect=200)["nodes"][0]["type"], "Conv")
        self.assertEqual(self.d.call("GET", "/v1/models?sha256=" + m["sha256"], expect=200)["total"], 1)
        self.assertEqual(self.d.call("GET", "/v1/models?sha256=" + "0" * 64, expect=200)["total"], 0)

    def test_upload__browser_form__keeps_name_and_bytes(self):
        content = os.urandom(200000)
        form = (b'--Bound\r\nContent-Disposition: form-data; name="file"; filename="dir/t\xc3\xa4st.npz"\r\n\r\n' + content +
                b"\r\n--Bound--\r\n")
        d = self.d.call("POST", "/v1/datasets", form, {"Content-Type": "multipart/form-data; boundary=Bound"}, expect=201)
        self.assertEqual((d["name"], d["sha256"]), ("t\u00e4st.npz", hashlib.sha256(content).hexdigest()))
        self.assertEqual(self.inspected(d, "datasets")["inspection"]["result"]["arrays"][0]["name"], "x")
        self.assertEqual(self.d.call("GET", "/v1/datasets", expect=200)["total"], 1)

    def test_upload__bad_input__is_a_problem_and_leaves_nothing(self):
        self.refused(400, "POST", "/v1/models", b"")
        self.refused(400, "POST", "/v1/models", b"--Bound--\r\n", {"Content-Type": "multipart/form-data; boundary=Bound"})
        self.refused(400, "POST", "/v1/models", b"x", {"Content-Type": "multipart/form-data"})
        s = socket.create_connection(("127.0.0.1", self.d.port))
        s.sendall(b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000001000\r\n\r\n")
        self.assertIn(b" 413 ", s.recv(4096))
        s.close()
        s = socket.create_connection(("127.0.0.1", self.d.port))
        s.sendall(b"POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 500000)
        time.sleep(0.2)
        s.close()
        for _ in range(100):
            if not os.listdir(os.path.join(self.folder.name, "state/tmp")):
                break
            time.sleep(0.05)
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "state/tmp")), [])
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "state/blobs")), [])

    @unittest.skipIf("TSAN_OPTIONS" in os.environ, "lacks memory: ThreadSanitizer takes memory of its own")
    def test_upload__200_megabytes__memory_stays_flat(self):
        def peak():
            with open("/proc/%d/status" % self.d.process.pid, encoding="ascii") as f:
                return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))

        block, total = os.urandom(1 << 20), 200
        self.upload(block, "datasets")
        before = peak()
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=120)
        c.request("POST", "/v1/datasets?name=big", (block for _ in range(total)), {"Transfer-Encoding": "chunked"},
                  encode_chunked=True)
        r = c.getresponse()
        self.assertEqual(r.status, 201)
        self.assertEqual(json.loads(r.read())["size_bytes"], total << 20)
        c.close()
        self.assertLess(peak() - before, 16 << 10, "KiB more at the peak")

    def test_inspection__broken_or_crashing_file__is_named_and_refused_for_jobs(self):
        for content, words in ((b"broken", "export it as ONNX"), (b"crash", "signal 11 (SIGSEGV)")):
            m = self.inspected(self.upload(content))
            self.assertEqual(m["inspection"]["state"], "failed")
            self.assertIn(words, m["inspection"]["error"]["detail"])
            self.refused(409, "GET", "/v1/models/%s/graph" % m["id"])
            self.d.call("POST", "/v1/models/%s/inspect" % m["id"], expect=202)
            self.assertEqual(self.inspected(m)["inspection"]["state"], "failed")
            p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", "model": m["id"]})
            self.assertEqual(p["errors"][0]["field"], "model")

    def test_delete__in_use__is_refused_and_unused_file_goes(self):
        m = self.inspected(self.upload())
        j = self.d.fake(["sleep", 30], model=m["id"])
        self.refused(409, "DELETE", "/v1/models/" + m["id"])
        self.d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)
        self.d.wait(j, "cancelled")
        self.d.call("DELETE", "/v1/models/" + m["id"], expect=204)
        self.refused(404, "GET", "/v1/models/" + m["id"])
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "state/blobs")), [])
        self.assertIn("there is no %s here" % m["id"], self.refused(422, "POST", "/v1/jobs/%s/retry" % j)["detail"])
        d = self.upload(kind="datasets")
        self.d.call("POST", "/v1/datasets/%s/inspect" % d["id"], expect=202)
        self.d.call("DELETE", "/v1/datasets/" + d["id"], expect=204)


class Jobs(Case):
    def test_ptq__whole_life__rows_events_csv_comparison(self):
        m, d = self.inspected(self.upload()), self.inspected(self.upload(kind="datasets"), "datasets")
        spec = {"type": "ptq", "model": m["id"], "data": d["id"], "schemes": ["int8", "E4"]}
        j = self.d.call("POST", "/v1/jobs", spec, expect=201)
        events = self.d.events(j["id"])
        states = [e["state"] for _, e in events if e["event"] == "state"]
        self.assertEqual(states, ["queued", "running", "succeeded"])
        middle = events[len(events) // 2][0]
        self.assertEqual(self.d.events(j["id"], middle), [e for e in events if e[0] > middle])
        self.assertEqual(len(self.d.call("GET", "/v1/jobs/%s/results" % j["id"], expect=200)["schemes"]), 2)
        csv = self.d.call("GET", "/v1/jobs/%s/results.csv" % j["id"], expect=200).decode().split("\r\n")
        self.assertTrue(csv[0].startswith("scheme,metric,delta,delta_low,delta_high,best,"))
        self.assertTrue(csv[2].startswith("int8,90,-1,,,,,,,10,native"))
        self.assertGreater(self.d.call("GET", "/v1/export?format=csv", expect=200).count(b"\n"), 1)
        rows = self.d.call("GET", "/v1/results?scope=tensor&scheme=E4&tensor=/conv1/weight&limit=1", expect=200)
        self.assertEqual((rows["total"], rows["results"][0]["value"]), (1, None))
        table = self.d.call("GET", "/v1/compare", expect=200)
        self.assertEqual(table["rows"][-1]["engine"], j["engine"])
        self.assertEqual((table["schemes"], table["rows"][0]["float"]), (["int8", "E4"], 91.0))
        self.d.call("GET", "/v1/compare?jobs=" + j["id"], expect=200)
        again = self.d.call("POST", "/v1/jobs", dict(reversed(spec.items())), expect=200)
        self.assertEqual((again["id"], again["cached"]), (j["id"], True))
        fresh = self.d.call("POST", "/v1/jobs", {**spec, "fresh": True}, expect=201)
        self.assertNotEqual(fresh["id"], j["id"])
        self.assertEqual(fresh["fingerprint"], j["fingerprint"])
        self.d.wait(fresh["id"])
        page = self.d.call("GET", "/v1/jobs?state=succeeded&type=ptq&model=%s&limit=1" % m["id"], expect=200)
        self.assertEqual((page["total"], page["jobs"][0]["id"], page["next"]), (2, fresh["id"], fresh["id"]))
        for words, total in (("", 2), (j["id"], 1), ("SUCCEEDED%20ptq", 2), (m["name"][:6].upper(), 2),
                             ("ptq%20nowhere", 0), ("100%25", 0)):
            found = self.d.call("GET", "/v1/jobs?limit=1&q=" + words, expect=200)
            self.assertEqual((found["total"], len(found["jobs"])), (total, min(total, 1)), words)
        changes = Stream(self.d)
        self.assertEqual(changes.next()[0], "reset")
        self.d.call("PATCH", "/v1/jobs/" + j["id"], {"tags": ["paper"]}, expect=200)
        changes.until(lambda _, job: job.get("tags") == ["paper"])
        changes.close()
        self.assertEqual(self.d.call("GET", "/v1/tags", expect=200)["tags"], [{"tag": "paper", "jobs": 1}])
        page = self.d.call("GET", "/v1/jobs?before=" + page["next"], expect=200)
        self.assertEqual([x["id"] for x in page["jobs"]], [j["id"]])
        self.d.call("DELETE", "/v1/jobs/" + j["id"], expect=204)
        self.refused(404, "GET", "/v1/jobs/" + j["id"])

    def test_worker__misbehaves__job_fails_with_a_reason_and_nothing_else(self):
        for steps, code, words in (
                ([["fail", "node c1: no"]], "bad_model", "node c1: no"),
                ([["kill", 9]], "worker_crashed", "signal 9 (SIGKILL) from outside"),
                ([["kill", 11]], "worker_crashed", "about to die"),
                ([["exit", 0]], "worker_crashed", "without a result"),
                ([["exit", 3]], "worker_crashed", "status 3")):
            j = self.d.wait(self.d.fake(*steps))
            self.assertEqual((j["state"], j["error"]["code"]), ("failed", code))
            self.assertIn(words, j["error"]["detail"])
        for steps in (["garbage"], [["flood", 70]], ["escape"]):
            j = self.d.wait(self.d.fake(*steps))
            self.assertEqual((j["state"], j["artifacts"]), ("succeeded", []))
            self.assertTrue([e for _, e in self.d.events(j["id"]) if e.get("level") == "warning"])

    def test_artifact__of_a_job__is_kept_and_served(self):
        j = self.d.wait(self.d.fake(["artifact", "a.txt"]))
        self.assertEqual(j["artifacts"][0]["name"], "a.txt")
        self.assertEqual(self.d.call("GET", "/v1/jobs/%s/artifacts/a.txt" % j["id"], expect=200), b"made by a worker\n")
        self.refused(404, "GET", "/v1/jobs/%s/artifacts/b.txt" % j["id"])
        csv = self.d.call("GET", "/v1/jobs/%s/results.csv" % j["id"], expect=200)
        self.assertEqual(csv, b'name,value,parts.add\r\n"a,""b""",1.5,3\r\nc,,\r\n')
        self.d.call("GET", "/v1/jobs/%s/results" % j["id"], expect=200)

    def test_cancel__deaf_worker__is_killed_after_two_seconds(self):
        waits = self.d.fake("deaf", ["sleep", 60])
        queued = self.d.fake(["sleep", 60])
        self.d.wait(waits, "running")
        self.assertEqual(self.d.call("GET", "/v1/jobs/" + queued)["position"], 1)
        self.assertEqual(self.d.call("POST", "/v1/jobs/%s/cancel" % queued, expect=202)["state"], "cancelled")
        time.sleep(0.3)
        begun = time.monotonic()
        self.d.call("POST", "/v1/jobs/%s/cancel" % waits, expect=202)
        self.d.wait(waits, "cancelled")
        self.assertLess(time.monotonic() - begun, 4)
        self.refused(409, "POST", "/v1/jobs/%s/cancel" % waits)
        self.refused(409, "GET", "/v1/jobs/%s/results" % waits)
        self.refused(404, "POST", "/v1/jobs/j999/cancel")

    def test_events__quiet_job__heartbeats_keep_the_stream_open(self):
        self.d.events(self.d.fake(["sleep", 1]))
        self.assertGreaterEqual(self.d.comments, 2)

    def test_bad_requests__every_kind__problem_json(self):
        self.refused(400, "POST", "/v1/jobs", "{")
        self.refused(422, "POST", "/v1/jobs", "[]")
        self.refused(422, "POST", "/v1/jobs", {})
        self.refused(422, "POST", "/v1/jobs", {"type": "inspect"})
        self.assertIn("fake, ptq", self.refused(422, "POST", "/v1/jobs", {"type": "nope"})["detail"])
        self.assertEqual(self.refused(422, "POST", "/v1/jobs", {"type": "fake", "seed": -1})["errors"][0]["field"], "seed")
        p = self.refused(422, "POST", "/v1/jobs", {"type": "fake", "part": {"range": "max"}, "do": ["a", 3], "odd": 1})
        self.assertEqual({e["field"] for e in p["errors"]}, {"part.range", "do[1]", "odd"})
        self.refused(422, "POST", "/v1/jobs", {"type": "fake", "model": "m77"})
        self.refused(422, "POST", "/v1/jobs", {"type": "fake", "model": "../../etc/passwd"})
        self.refused(422, "POST", "/v1/jobs", {"type": "fake", "workdir": "/"})
        self.refused(413, "POST", "/v1/jobs", b" " * (5 << 20))
        for url in ("/v1/jobs?limit=0", "/v1/jobs?before=x", "/v1/jobs?state=odd", "/v1/results?scope=odd",
                    "/v1/results?before=0", "/v1/results?before=+1", "/v1/jobs?limit=", "/v1/jobs?sort=", "/v1/grids?before=",
                    "/v1/models?sha256=", "/v1/events?after=-1", "/v1/jobs?state=", "/v1/compare?jobs=x", "/v1/models?sha256=1", "/v1/datasets?limit=9999"):
            self.refused(400, "GET", url)
        for url in ("/v1/jobs/j7", "/v1/jobs/7/results", "/v1/models/m7", "/v1/models/m7/graph", "/v1/datasets/x",
                    "/v1/nothing", "/v1/jobs/j7/events", "/v1/compare?jobs=j7", "/v1/formats/nonsense"):
            self.refused(404, "GET", url)
        self.refused(405, "PUT", "/v1/jobs", "x")
        self.assertEqual(self.d.headers["Allow"], "GET, POST")
        self.refused(403, "GET", "/v1/jobs", headers={"Host": "evil.example"})
        self.refused(403, "POST", "/v1/jobs", "{}", {"Origin": "http://evil.example"})

    def test_server__about_itself__answers(self):
        self.assertEqual(self.d.call("GET", "/healthz", expect=200), {"status": "ok"})
        self.assertEqual(self.d.call("GET", "/v1/system", expect=200)["engine"], "fake-1")
        self.assertEqual(self.d.call("GET", "/v1/formats", expect=200)["formats"][0], {"name": "int8"})
        self.assertEqual(self.d.call("GET", "/v1/formats/E4", expect=200)["name"], "E4")
        types = self.d.call("GET", "/v1/job-types", expect=200)["types"]
        self.assertEqual([(t["type"], t["inputs"]) for t in types], [("fake", ["model", "data"]), ("ptq", ["model", "data"])])
        self.assertIn(b'quantbench_jobs{state="queued"} 0', self.d.call("GET", "/metrics", expect=200))
        self.assertIn("/v1/jobs", yaml.safe_load(self.d.call("GET", "/openapi.yaml", expect=200))["paths"])


    def test_compute__worker_dies_or_dawdles__question_is_refused_and_the_next_answered(self):
        first = self.d.call("POST", "/v1/compute/round", {"value": 1, "formats": ["int8"]}, expect=200)
        self.assertEqual(first["asked"], "round")
        self.assertEqual(self.d.call("POST", "/v1/compute/sqnr", {}, expect=200)["pid"], first["pid"])
        p = self.d.call("POST", "/v1/compute/hwcost", {"do": [["kill", 11]]}, expect=503)
        self.assertEqual(p["code"], "worker_unavailable")
        second = self.d.call("POST", "/v1/compute/sqnr", {}, expect=200)
        self.assertNotEqual(second["pid"], first["pid"])
        p = self.d.call("POST", "/v1/compute/sqnr", {"do": [["sleep", 60]]}, expect=503)
        self.assertEqual(p["code"], "too_slow")
        self.assertEqual(self.d.call("POST", "/v1/compute/sqnr", {"do": ["garbage"]}, expect=503)["code"],
                         "worker_unavailable")
        self.assertEqual(self.d.call("GET", "/v1/formats/E4", expect=200)["name"], "E4")

    def test_compute__many_at_once__all_are_answered(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.d.call("POST", "/v1/compute/sqnr", {"do": [["sleep", 0.01]]}, expect=200)["asked"])) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(answers, ["sqnr"] * 20)

    def test_json__of_values_that_nothing_here_can_be__is_refused_as_such(self):
        for url, body in (("/v1/compute/sqnr", b'{"a": 99999999999999999999}'), ("/v1/jobs", b'{"type": "a\\u0000"}'),
                          ("/v1/grids", b'{"over": 1e999}'), ("/v1/tokens", b'{"upload_bytes": 99999999999999999999}')):
            self.assertEqual(self.d.call("POST", url, body, expect=422)["code"], "bad_value", url)
        made = self.d.call("POST", "/v1/tokens", b'{"name": "whole", "role": "read", "upload_bytes": 1033.0}', expect=201)
        self.assertEqual(made["upload_bytes"], 1033)

    def test_compute__bad_questions__problems(self):
        self.d.call("POST", "/v1/compute/nothing", {}, expect=404)
        self.d.call("POST", "/v1/compute/sqnr", b"[1]", expect=400)
        self.d.call("POST", "/v1/compute/sqnr", b"{", expect=400)
        self.d.call("POST", "/v1/compute/round", {"name": "nonsense"}, expect=422)


class Dashboard(Case):
    def setUp(self):
        self.web = tempfile.TemporaryDirectory()
        os.mkdir(os.path.join(self.web.name, "assets"))
        for name, text in (("index.html", "<p>page"), ("assets/a.js", "1"), (".hidden", "secret")):
            with open(os.path.join(self.web.name, name), "w", encoding="ascii") as f:
                f.write(text)
        self.options = ("--web", self.web.name)
        super().setUp()

    def tearDown(self):
        super().tearDown()
        self.web.cleanup()

    def get(self, url, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        c.request("GET", url, headers=headers)
        r = c.getresponse()
        out = r.status, r.read(), r.headers
        c.close()
        return out

    def test_static__files_pages_and_traversal(self):
        status, body, headers = self.get("/")
        self.assertEqual((status, body), (200, b"<p>page"))
        self.assertIn("script-src 'self'", headers["Content-Security-Policy"])
        self.assertEqual(self.get("/", **{"If-None-Match": headers["ETag"]})[0], 304)
        self.assertEqual(self.get("/jobs/j1")[1], b"<p>page")
        self.assertIn("immutable", self.get("/assets/a.js")[2]["Cache-Control"])
        for url in ("/.hidden", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/none", "/none.js", "//etc/passwd"):
            self.assertEqual(self.get(url)[0], 404, url)


    def test_static__compressed_copies__go_to_who_takes_them(self):
        def put(name, text, age=0):
            path = os.path.join(self.web.name, name)
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            os.utime(path, (time.time() - age, time.time() - age))

        put("assets/b.js", "plain", 60)
        put("assets/b.js.br", "as brotli")
        put("assets/b.js.gz", "as gzip")
        tags = set()
        for accepted, coding, text in ((None, None, b"plain"), ("gzip, deflate, br", "br", b"as brotli"), ("gzip", "gzip", b"as gzip"),
                                       ("br;q=0, gzip;q=0.5", "gzip", b"as gzip"), ("brotli, gzipped", None, b"plain"), ("BR ; q=1", "br", b"as brotli"),
                                       ("gzip;q=0.0", None, b"plain"), (", ,", None, b"plain")):
            status, body, headers = self.get("/assets/b.js", **({"Accept-Encoding": accepted} if accepted else {}))
            self.assertEqual((status, body, headers["Content-Encoding"]), (200, text, coding), accepted)
            self.assertEqual((headers["Vary"], headers["Content-Type"]), ("Accept-Encoding", "text/javascript; charset=utf-8"))
            tags.add((text, headers["ETag"]))
        self.assertEqual(len(tags), 3)  # each its own
        etag = self.get("/assets/b.js", **{"Accept-Encoding": "br"})[2]["ETag"]
        self.assertEqual(self.get("/assets/b.js", **{"Accept-Encoding": "br", "If-None-Match": etag})[0], 304)
        self.assertEqual(self.get("/assets/b.js", **{"If-None-Match": etag})[1], b"plain")
        put("assets/a.js.br", "of another build", 600)
        self.assertEqual(self.get("/assets/a.js", **{"Accept-Encoding": "br"})[1], b"1")


class Limits(Case):
    options = ("--worker-wall-seconds", "1", "--worker-memory", "300M", "--jobs", "3")

    def test_limits__time_and_memory__end_the_job(self):
        late = self.d.fake(["sleep", 60])
        large = self.d.fake(["allocate", 1 << 30])
        self.assertEqual(self.d.wait(late)["error"]["code"], "time_limit")
        self.assertIn("MemoryError", self.d.wait(large)["error"]["detail"])

    def test_section__other_workers_and_their_clocks__are_paused(self):
        log = os.path.join(self.folder.name, "ticks")
        other = self.d.fake(["tick", [log, 0.9]])
        for _ in range(100):
            if os.path.exists(log):
                break
            time.sleep(0.02)
        alone = self.d.fake(["section", ["sleep", 0.6]])
        self.assertEqual(self.d.wait(alone)["state"], "succeeded")
        self.assertIn(self.d.wait(other)["state"], ("succeeded", "failed"))
        with open(log, encoding="ascii") as f:
            t = [float(x) for x in f]
        self.assertGreater(max(b - a for a, b in zip(t, t[1:])), 0.5)


class Endurance(unittest.TestCase):
    def test_restart__daemon_killed_again_and_again__is_not_the_jobs_fault(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            j = d.fake(["sleep", 60])
            after = d.fake(["sleep", 0])
            for _ in range(5):
                self.assertEqual(d.wait(j, "running")["attempts"], 1)
                d.process.kill()
                d.stop()
                d = Daemon(folder).ready()
            self.assertEqual(d.wait(j, "running")["attempts"], 1)
            self.assertEqual(d.stop(), 0)
            d = Daemon(folder).ready()  # nor is a graceful stop
            self.assertEqual(d.wait(j, "running")["attempts"], 1)
            d.call("POST", "/v1/jobs/%s/cancel" % j, expect=202)
            self.assertEqual(d.wait(after)["state"], "succeeded")
            d.stop()

    def test_worker_missing__daemon_serves_and_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder, worker="/nonexistent/worker")
            self.assertEqual(d.call("GET", "/readyz", expect=503)["code"], "worker_unavailable")
            d.call("GET", "/v1/formats", expect=503)
            d.call("GET", "/v1/job-types", expect=503)
            d.call("GET", "/v1/jobs", expect=200)
            self.assertEqual(d.stop(), 0)
            d = Daemon(folder, worker="/bin/cat")  # takes --serve for a file's option, and ends
            self.assertEqual(d.call("GET", "/readyz", expect=503)["code"], "worker_unavailable")
            self.assertEqual(d.call("POST", "/v1/compute/round", {}, expect=503)["code"], "worker_unavailable")
            self.assertEqual(d.stop(), 0)

    def test_start__open_address_or_second_daemon__refused_with_a_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            r = subprocess.run([DAEMON, "--listen", "0.0.0.0:0", "--state", folder], stderr=subprocess.PIPE, timeout=20)
            self.assertEqual(r.returncode, 1)
            self.assertIn(b"quantbenchd token create", r.stderr)
            d = Daemon(folder).ready()
            r = subprocess.run([DAEMON, "--listen", "127.0.0.1:0", "--state", folder + "/state"],
                               stderr=subprocess.PIPE, timeout=20)
            self.assertEqual(r.returncode, 1)
            self.assertIn(b"another quantbenchd", r.stderr)
            self.assertEqual(d.stop(), 0)


WORKER = os.path.join(BUILD, "quantbench-worker")
DATA = os.environ.get("QB_SHARED") or os.path.join(TOP, "../shared")
NETWORK, IMAGES = (os.path.join(DATA, "data", p) for p in ("mlperf-tiny/resnet8.onnx", "cifar10/test-846.npz"))


@unittest.skipUnless(os.path.exists(WORKER), "lacks worker: it is not built")
class RealWorker(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.d = Daemon(self.folder.name, worker=WORKER).ready()

    def tearDown(self):
        self.assertEqual(self.d.stop(), 0)
        self.folder.cleanup()

    def test_real_worker__formats_and_damaged_file__as_described(self):
        self.assertGreater(len(self.d.call("GET", "/v1/formats", expect=200)["formats"]), 5)
        self.assertEqual(self.d.call("GET", "/v1/formats/int8", expect=200)["name"], "int8")
        for name in ("int8", "uint4_asym", "int4_narrow", "E4", "fp8_e3m4", "e4m3fn", "mxfp4", "nf4", "bf16", "int4_g32", "log4"):
            f = self.d.call("GET", "/v1/formats/" + name, expect=200)
            self.assertEqual(f["other_widths"], name in ("int8", "uint4_asym", "int4_narrow", "E4", "fp8_e3m4"), name)
        self.d.call("GET", "/v1/formats/nonsense", expect=404)
        self.d.call("GET", "/v1/job-types", expect=200)
        m = self.d.call("POST", "/v1/models", b"this is no network", expect=201)
        for _ in range(200):
            m = self.d.call("GET", "/v1/models/" + m["id"], expect=200)
            if m["inspection"]["state"] != "pending":
                break
            time.sleep(0.05)
        self.assertEqual(m["inspection"]["state"], "failed")

    def test_real_worker__numbers_at_once__equal_those_of_the_job(self):
        question = {"distributions": [{"name": "gaussian", "clip": 10}], "formats": ["int8", "E2"]}
        live = self.d.call("POST", "/v1/compute/sqnr", question, expect=200)
        j = self.d.call("POST", "/v1/jobs", {"type": "sqnr", "samples": 0, **question}, expect=201)
        self.assertEqual(self.d.wait(j["id"], seconds=60)["state"], "succeeded")
        self.assertEqual(self.d.call("GET", "/v1/jobs/%s/results" % j["id"], expect=200)["rows"], live["rows"])
        self.assertEqual([r["format"] for r in live["rows"] if r["best"]], ["E2"])
        units = self.d.call("POST", "/v1/compute/hwcost", {"units": [{"operands": "int8"}]}, expect=200)["rows"]
        self.assertEqual((units[0]["verified_pairs"], units[0]["published"]), (0, 750))
        r = self.d.call("POST", "/v1/compute/round", {"value": 0.3, "formats": ["int8", "E4"], "range": 1}, expect=200)
        self.assertEqual((r["rows"][0]["code"], r["rows"][0]["bits"]), (38, "00100110"))
        for ask, body in (("sqnr", {"formats": ["int8"]}), ("sqnr", {**question, "samples": 10000000}),
                          ("sqnr", {**question, "formats": ["int16"] * 64}), ("hwcost", {"units": []}),
                          ("sqnr", {"data": "/etc/passwd", "distributions": [{"name": "empirical"}], "formats": ["E4"]}),
                          ("hwcost", {"units": [{"operands": "int8"}], "model": "/etc/passwd"}),
                          ("round", {"value": 1, "formats": ["nonsense"]}), ("round", {"value": []})):
            self.assertGreater(len(self.d.call("POST", "/v1/compute/" + ask, body, expect=422)["detail"]), 20)

    @unittest.skipUnless(os.path.exists(NETWORK), "lacks shared: mlperf-tiny/resnet8.onnx")
    @unittest.skipUnless(os.path.exists(IMAGES), "lacks shared: cifar10/test-846.npz")
    def test_real_worker__sweep_of_a_real_network__over_http(self):
        ids = []
        for kind, path in (("models", NETWORK), ("datasets", IMAGES)):
            with open(path, "rb") as f:
                ids.append(self.d.call("POST", "/v1/%s?name=%s" % (kind, os.path.basename(path)), f, expect=201)["id"])
        j = self.d.call("POST", "/v1/jobs", {"type": "ptq", "model": ids[0], "data": ids[1], "schemes": ["int8"],
                                             "latency": {"min_seconds": 0.2, "min_queries": 20}}, expect=201)
        self.assertEqual(self.d.wait(j["id"], seconds=300)["state"], "succeeded")
        r = self.d.call("GET", "/v1/jobs/%s/results" % j["id"], expect=200)
        self.assertAlmostEqual(r["float"]["metric"], 87.71, delta=0.01)
        self.assertLess(abs(r["schemes"][0]["delta"]), 1.0)
        self.d.call("GET", "/v1/models/%s/graph" % ids[0], expect=200)


class Tokens(Case):
    def test_tokens__made_listed_and_revoked__over_http(self):
        t = self.d.call("POST", "/v1/tokens", {"name": "alice", "role": "read", "expires": "90d"}, expect=201)
        listed, = self.d.call("GET", "/v1/tokens", expect=200)["tokens"]
        self.assertEqual({**listed, "secret": t["secret"]}, t)
        self.assertEqual(self.d.call("GET", "/v1/session", expect=200), {"name": "local", "role": "admin", "session": False})
        self.d.call("DELETE", "/v1/tokens/" + t["id"], expect=204)
        self.refused(404, "DELETE", "/v1/tokens/t99")
        self.assertIn(b"<form", self.d.call("GET", "/login", expect=200))
        self.d.call("POST", "/login", "token=" + t["secret"], expect=401)  # revoked
        self.d.call("POST", "/logout", expect=303)
        self.d.call("GET", "/v1/audit", expect=200)

    def test_tokens__described_badly__are_refused(self):
        for wish in ({"role": "read"}, {"name": "a"}, {"name": "local", "role": "read"}, {"name": "a b", "role": "read"},
                     {"name": "a" * 65, "role": "read"}, {"name": "a", "role": "open"}, {"name": "a", "role": "read", "expires": "soon"},
                     {"name": "a", "role": "read", "expires": "2001-01-01"}, {"name": "a", "role": "read", "queued_jobs": -1},
                     {"name": "a", "role": "read", "queued_jobs": "x"}, {"name": "a", "role": "read", "colour": 1}, []):
            self.assertEqual(self.refused(422, "POST", "/v1/tokens", wish)["code"], "bad_token", wish)
        self.refused(400, "POST", "/v1/tokens", "{")
        self.d.call("POST", "/v1/tokens", {"name": "a", "role": "read"}, expect=201)
        self.assertEqual(self.refused(409, "POST", "/v1/tokens", {"name": "a", "role": "admin"})["code"], "name_taken")


class Grids(Case):
    def test_grid__whole_life__and_where_it_runs(self):
        g = self.d.call("POST", "/v1/grids", {"job": {"type": "fake"}, "over": {"seed": [1, 2]}}, expect=201)
        self.assertEqual([t["name"] for t in self.d.call("GET", "/v1/targets", expect=200)["targets"]], ["local"])
        for one in g["jobs"]:
            self.d.wait(one["job"])
        self.assertEqual(self.d.call("GET", "/v1/grids", expect=200)["total"], 1)
        self.d.call("POST", "/v1/grids/g1/cancel", expect=202)
        self.assertEqual({j["state"] for j in self.d.call("GET", "/v1/grids/g1", expect=200)["jobs"]}, {"succeeded"})


class ZEverything(unittest.TestCase):
    def test_openapi__every_operation__was_called(self):
        wanted = {(m, p) for p, item in API["paths"].items() for m in item if m in ("get", "post", "delete", "put", "patch")}
        self.assertEqual(wanted - VISITED, set())


if __name__ == "__main__":
    unittest.main(verbosity=1)
