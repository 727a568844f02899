#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The commands that speak to a server, against a server that is made of canned answers and remembers what it got."""
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
RESULT = {"job": "j1", "type": "ptq", "model": "net.onnx", "data": "x.npz", "metric_name": "top1", "samples": 9,
          "calibration_samples": 7, "calibration_spread": True,
          "float": {"metric": 97.5}, "schemes": [
              {"scheme": "int8", "metric": 97.25, "delta": -0.25, "output_sqnr_db": 35.25, "output_sqnr_low_db": 34.85,
               "output_sqnr_high_db": 35.65, "size_bytes": 400000}]}


def upload(id, name, content):
    return {"id": id, "name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
            "created": "2026-01-02T03:04:05Z", "inspection": {"state": "ok", "error": None, "result": {
                "opset": 13, "parameters": 1000, "macs": 2e6}}}


def job(id, state="succeeded", **more):
    return {"id": id, "type": "ptq", "state": state, "model": {"id": "m1", "name": "net.onnx"},
            "data": {"id": "d1", "name": "x.npz"}, "created": "2026-01-02T03:04:05Z", "error": None, **more}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status, detail, errors=()):
        self.answer(status, {"type": "about:blank", "title": "No", "status": status, "detail": detail,
                             "code": "x", "errors": list(errors)}, "application/problem+json")

    def uploads(self, path, query, body):
        server, kind = self.server, "models" if path == "/v1/models" else "datasets"
        if self.command == "POST":
            name = query.split("name=")[1]
            new = upload(f"{kind[0]}{len(server.uploads[kind]) + 1}", name, body)
            server.uploads[kind].append(new)
            return self.answer(201, new)
        wanted = [u for u in server.uploads[kind] if "sha256=" not in query or u["sha256"] in query]
        return self.answer(200, {kind: wanted, "total": len(wanted), "next": None})

    def events(self):
        after = int(self.headers.get("Last-Event-ID") or 0)
        events = [("state", {"event": "state", "state": "running"}),
                  ("progress", {"event": "progress", "stage": "sweep", "fraction": 0.5, "text": "half"}),
                  ("state", {"event": "state", "state": self.server.final})]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b": hello\n\n")
        for number, (name, data) in enumerate(events, 1):
            if number > after:
                self.wfile.write(f"id: {number}\r\nevent: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode())
            if number == 2 and not after:
                return  # the line breaks once

    def handle_any(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        server.seen.append((self.command, self.path, body, dict(self.headers)))
        self.close_connection = path.endswith("/events")
        if path in ("/v1/models", "/v1/datasets"):
            return self.uploads(path, query, body)
        if path == "/v1/jobs" and self.command == "POST":
            server.spec = json.loads(body)
            if server.spec.get("schemes") == ["wrong"]:
                return self.problem(422, "schemes[0]: no such format",
                                    [{"field": "schemes[0]", "detail": "no such format"}])
            if server.spec.get("schemes") == ["wrong", "too"]:
                return self.problem(422, "the job has 2 mistakes",
                                    [{"field": f"schemes[{i}]", "detail": f"not {i}"} for i in (0, 1)])
            return self.answer(201, job("j1", "queued", cached=False))
        if path == "/v1/jobs" and "type=many" in query:
            asked = urllib.parse.parse_qs(query)
            last = int(asked.get("before", ["j2501"])[0][1:]) - 1
            ids = [f"j{i}" for i in range(last, max(last - int(asked["limit"][0]), 0), -1)]
            return self.answer(200, {"jobs": [job(i) for i in ids], "total": 2500,
                                     "next": ids[-1] if ids[-1] != "j1" else None})
        if path == "/v1/jobs":
            return self.answer(200, {"jobs": [job("j2", "running", progress={"fraction": 0.25}), job("j3", "queued", position=7), job(
                "j1", name="first sweep", tags=["b", "paper"], best={"scheme": "int8", "metric": "top1", "value": 97.25, "delta": -0.25})],
                                     "total": 3, "more": False, "next": None})
        if path == "/v1/jobs/j1/events":
            return self.events()
        if path == "/v1/jobs/j1/results":
            return self.answer(200, server.results.pop(0) if getattr(server, "results", None) else RESULT)
        if path == "/v1/export":
            form = query.removeprefix("format=")
            if server.final == "failed":
                return self.problem(503, "somebody else exports just now; try again in some seconds")
            if server.final == "broken":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"begun")
                self.close_connection = True
                return None
            return self.answer(200, {"json": b'{"id":"j2"}\n{"id":"j1"}\n', "csv": b"job,type\r\nj1,ptq\r\n",
                                     "sqlite": b"SQLite format 3\0" + bytes(range(256))}[form], "application/octet-stream")
        if path == "/v1/grids":
            server.spec = json.loads(body)
            jobs = [{"job": f"j{i}", "at": {"model": "m1", "run.target": t}, "state": "queued"} for i, t in enumerate(("local", "pi"), 1)]
            return self.answer(201, {"id": "g1", "spec": server.spec, "jobs": jobs})
        if path == "/v1/jobs/j1/results.csv":
            return self.answer(200, b"scheme,metric\nint8,97.25\n", "text/csv")
        if self.command == "PATCH":
            return self.answer(200, job(path.rsplit("/", 1)[1], name="a name", tags=["paper", "x"]))
        if path in ("/v1/jobs/j1", "/v1/jobs/j1/cancel"):
            error = {"code": "x", "detail": "the worker crashed"} if server.final == "failed" else None
            return self.answer(200, job("j1", server.final, error=error, target="pi", spec={"type": "ptq"}))
        if path == "/v1/compare":
            row = {"job": "j1", "model": {"id": "m1", "name": "net.onnx"}, "data": None, "metric_name": "top1",
                   "float": 97.5, "cells": [{"scheme": "int8", "metric": 97.25, "delta": -0.25, "delta_low": -0.75, "delta_high": 0.25, "best": True}]}
            return self.answer(200, {"schemes": ["int8"], "rows": [{**row, **m} for m in getattr(server, "machines", [{}])]})
        return self.problem(404, f"there is nothing at {path}")

    do_GET = do_POST = do_DELETE = do_PATCH = handle_any


class Client(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "net.onnx").write_bytes(b"m" * 100000)
        (self.folder / "x y.npz").write_bytes(b"")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.uploads = {"models": [], "datasets": []}
        self.server.seen, self.server.final = [], "succeeded"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def quantbench(self, *arguments, url=None, **environment):
        url = url or f"http://127.0.0.1:{self.server.server_address[1]}/"
        done = subprocess.run([BUILD / "quantbench", *arguments], cwd=self.folder, text=True, capture_output=True,
                              timeout=30, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, QUANTBENCH_URL=url, **environment))
        return done.returncode, done.stdout, done.stderr

    def into(self, path, *arguments):
        with open(self.folder / path, "wb") as out:
            return subprocess.run([BUILD / "quantbench", *arguments], stdout=out, stderr=subprocess.PIPE, text=True, timeout=30,
                                  env=dict(os.environ, QUANTBENCH_URL="http://127.0.0.1:%d/" % self.server.server_address[1]))

    def test_models_add__new_file__is_streamed_once(self):
        code, out, err = self.quantbench("models", "add", "net.onnx", "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["sha256"], hashlib.sha256(b"m" * 100000).hexdigest())
        self.quantbench("models", "add", "net.onnx")
        posts = [body for method, _, body, _ in self.server.seen if method == "POST"]
        self.assertEqual(posts, [b"m" * 100000])

    def test_models_list__table__describes_them(self):
        self.quantbench("models", "add", "net.onnx", "--name", "my net")
        code, out, _ = self.quantbench("models")
        self.assertEqual(code, 0)
        self.assertIn("m1  my%20net", out)
        self.assertIn("opset 13, 1000 parameters, 2 M multiply-accumulates", out)

    def test_submit_wait__files__are_sent_and_results_printed(self):
        code, out, err = self.quantbench("submit", "--model", "net.onnx", "--data", "x y.npz", "--schemes", "int8,E4",
                                         "--calibration", "7", "--no-latency", "--fresh", "--wait")
        self.assertEqual(code, 0, err)
        self.assertEqual(self.server.spec, {
            "type": "ptq", "model": "m1", "data": "d1", "schemes": ["int8", "E4"], "calibration": {"samples": 7},
            "latency": False, "fresh": True})
        self.assertIn(" 50 %  half", err)
        self.assertIn("int8", out)
        self.assertIn(" 35.2 ±0.4 ", out)
        self.assertIn("97.25", out)

    def test_submit__id_and_name__need_no_file(self):
        self.quantbench("models", "add", "net.onnx")
        os.rename(self.folder / "net.onnx", self.folder / "gone")
        code, out, err = self.quantbench("submit", "--model", "net.onnx", "--schemes", "int8")
        self.assertEqual((code, out), (0, "j1\n"), err)
        self.assertEqual(self.server.spec["model"], "m1")
        code, _, err = self.quantbench("submit", "--model", "other", "--schemes", "int8")
        self.assertEqual(code, 2)
        self.assertIn("other: no file of that name here", err)

    def test_submit__how_it_is_run__stands_beside_the_job(self):
        code, _, err = self.quantbench("submit", "--schemes", "int8", "--target", "pi", "--priority", "-3", "--after", "j1,j2",
                                       "--set", "run.retries=2")
        self.assertEqual(code, 0, err)
        self.assertEqual(self.server.spec["run"], {"target": "pi", "after": ["j1", "j2"], "priority": -3, "retries": 2})

    def test_verify__same_result__but_for_what_was_measured(self):
        code, out, err = self.quantbench("verify", "j1")
        self.assertEqual(code, 0, err)
        self.assertIn("j1 and j1 have the same result", out)
        self.assertEqual((self.server.spec["fresh"], self.server.spec["run"]), (True, {"target": "pi"}))

    def test_verify__another_result__says_where(self):
        self.server.results = [{"type": "ptq", "schemes": [{"metric": 1, "latency": {"p50_ns": n}}, {"metric": n}], "seconds": n} for n in (5, 6)]
        code, out, _ = self.quantbench("verify", "j1")
        self.assertEqual(code, 5)
        self.assertIn("differ at /schemes/1/metric: 5 and 6", out)

    def test_export__in_each_form__prints_what_the_server_gives(self):
        self.assertEqual(self.quantbench("export"), (0, '{"id":"j2"}\n{"id":"j1"}\n', ""))
        self.assertEqual(self.quantbench("export", "csv")[1].split(), ["job,type", "j1,ptq"])
        self.assertEqual(self.into("lab.db", "export", "sqlite").returncode, 0)
        self.assertEqual((self.folder / "lab.db").read_bytes(), b"SQLite format 3\0" + bytes(range(256)))

    def test_export__what_cannot_be_had__is_said(self):
        code, out, err = self.quantbench("export", "xml")
        self.assertEqual((code, out), (2, ""))
        self.assertIn('json, csv or sqlite, not "xml"', err)
        self.server.final = "failed"
        self.assertEqual(self.quantbench("export")[:2], (4, ""))
        self.server.final = "broken"
        code, out, err = self.quantbench("export")
        self.assertEqual((code, out), (3, "begun"))
        self.assertIn("broke off", err)
        self.server.final = "succeeded"
        p = self.into("/dev/full", "export")
        self.assertEqual(p.returncode, 2)
        self.assertIn("cannot be written", p.stderr)

    def test_submit__grid__sends_its_files_and_prints_its_jobs(self):
        (self.folder / "grid.json").write_text(json.dumps({"job": {"type": "ptq", "schemes": ["int8"]},
                                                           "over": {"model": ["net.onnx"], "run.target": ["local", "pi"]}}))
        code, out, err = self.quantbench("submit", "grid.json", "--seed", "4")
        self.assertEqual(code, 0, err)
        self.assertEqual(self.server.spec, {"job": {"type": "ptq", "schemes": ["int8"], "seed": 4},
                                            "over": {"model": ["m1"], "run.target": ["local", "pi"]}})
        self.assertEqual(out, "j1  model m1, run.target local\nj2  model m1, run.target pi\n")

    def test_submit__refused__every_mistake_is_printed(self):
        code, out, err = self.quantbench("submit", "--schemes", "wrong")
        self.assertEqual((code, out), (4, ""))
        self.assertEqual(err, "quantbench: schemes[0]: no such format\n")
        err = self.quantbench("submit", "--schemes", "wrong,too")[2]
        self.assertEqual(err, "quantbench: the job has 2 mistakes\n  schemes[0]: not 0\n  schemes[1]: not 1\n")

    def test_watch__line_breaks__resumes_behind_the_last_event(self):
        code, out, err = self.quantbench("watch", "j1", "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out), RESULT)
        asked = [headers.get("Last-Event-ID") for _, path, _, headers in self.server.seen if path.endswith("/events")]
        self.assertEqual(asked, [None, "2"])
        self.assertEqual(err.splitlines(), ["running", " 50 %  half", "succeeded"])

    def test_watch__failed_job__exit_status_is_1(self):
        self.server.final = "failed"
        code, out, err = self.quantbench("watch", "j1")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("job j1 failed: the worker crashed", err)

    def test_show__forms__table_json_csv(self):
        self.assertIn("net.onnx on x.npz, 9 samples, 7 spread over the data calibrate", self.quantbench("show", "j1")[1])
        self.assertEqual(json.loads(self.quantbench("show", "j1", "--json")[1]), RESULT)
        self.assertEqual(self.quantbench("show", "j1", "--csv")[1], "scheme,metric\nint8,97.25\n")

    def test_list__filters__reach_the_server(self):
        code, out, _ = self.quantbench("list", "--state", "running", "--limit", "5")
        self.assertEqual(code, 0)
        self.assertIn("running 25 %", out)
        self.assertEqual(self.server.seen[0][1], "/v1/jobs?state=running&limit=5")

    def test_list__more_than_a_page__says_so_or_reads_on(self):
        code, out, _ = self.quantbench("list", "--type", "many")
        self.assertEqual((code, len(out.splitlines())), (0, 102))
        self.assertIn("100 of 2500 jobs; --limit 0", out)
        out = self.quantbench("list", "--type", "many", "--limit", "0")[1]
        self.assertEqual(len(out.splitlines()), 2501)
        self.assertEqual(out.splitlines()[-1].split()[0], "j1")
        jobs = json.loads(self.quantbench("list", "--type", "many", "--limit", "1500", "--json")[1])["jobs"]
        self.assertEqual([j["id"] for j in jobs], [f"j{i}" for i in range(2500, 1000, -1)])
        self.assertEqual(self.quantbench("list", "--limit", "few")[0], 2)

    def test_list__names_tags_and_the_best__are_shown_and_asked_for(self):
        out = self.quantbench("list", "--tag", "paper", "--scheme", "int8", "--sort", "-best", "--limit", "3")[1]
        self.assertEqual(self.server.seen[0][1], "/v1/jobs?tag=paper&scheme=int8&sort=-best&limit=3")
        self.assertEqual(out.splitlines()[0].split(), ["id", "name", "type", "state", "network", "data", "created", "best", "tags"])
        self.assertIn("first sweep", out)
        self.assertIn("int8 top1 97.25, -0.25", out)
        self.assertIn("b,paper", out)
        self.assertIn("queued, place 7", out)

    def test_submit__name_notes_and_tags__go_along_with_the_job(self):
        job = self.folder / "job.json"
        job.write_text('{"type": "sqnr", "tags": ["own"]}')
        self.assertEqual(self.quantbench("submit", str(job), "--name", "a name", "--notes", "n", "--tag", "a,b", "--tag", "c")[0], 0)
        self.assertEqual(self.server.spec, {"type": "sqnr", "tags": ["own", "a", "b", "c"], "name": "a name", "notes": "n"})

    def test_submit__grid__name_notes_and_tags_go_along_with_each_job(self):
        (self.folder / "grid.json").write_text('{"job": {"type": "sqnr", "tags": ["own"]}, "over": {"seed": [1, 2]}}')
        self.assertEqual(self.quantbench("submit", "grid.json", "--name", "a name", "--notes", "n", "--tag", "a,b")[0], 0)
        self.assertEqual(self.server.spec, {"job": {"type": "sqnr", "tags": ["own", "a", "b"], "name": "a name", "notes": "n"},
                                            "over": {"seed": [1, 2]}})

    def test_tag__jobs__each_is_changed(self):
        code, out, _ = self.quantbench("tag", "j1", "j2", "--tag", "paper", "--untag", "old,older", "--name", "")
        self.assertEqual((code, out), (0, "j1 a name: paper,x\nj2 a name: paper,x\n"))
        self.assertEqual([(m, p, json.loads(b)) for m, p, b, _ in self.server.seen],
                         [("PATCH", f"/v1/jobs/{j}", {"name": "", "add_tags": ["paper"], "remove_tags": ["old", "older"]}) for j in ("j1", "j2")])
        code, _, err = self.quantbench("tag", "j1")
        self.assertEqual(code, 2)
        self.assertIn("what is to change?", err)

    def test_list__words__are_asked_of_the_server(self):
        self.assertEqual(self.quantbench("list", "resnet", "a&b")[0], 0)
        self.assertEqual(self.server.seen[0][1], "/v1/jobs?q=resnet%20a%26b&limit=100")

    def test_cancel__job__tells_its_state(self):
        self.server.final = "cancelled"
        self.assertEqual(self.quantbench("cancel", "j1")[:2], (0, "j1 cancelled\n"))

    def test_compare__of_unlike_machines__says_so(self):
        self.assertNotIn("unlike", self.quantbench("compare", "j1", "j1")[1])
        self.server.machines = [{"target": "local", "cpu": "A", "isa": "avx2"}, {"target": "pi", "cpu": "B", "isa": "neon"}]
        out = self.quantbench("compare", "j1", "j1")[1]
        self.assertIn("unlike machines, whose times do not compare:\n  j1  local: A, avx2\n  j1  pi: B, neon\n", out)

    def test_compare__jobs__networks_by_formats(self):
        code, out, _ = self.quantbench("compare", "j1", "j1")
        self.assertEqual(code, 0)
        self.assertIn("97.25, -0.25 (-0.75 to +0.25)*", out)
        self.assertEqual(self.server.seen[0][1], "/v1/compare?jobs=j1,j1")

    def test_unknown_job__detail__exit_status_is_4(self):
        code, _, err = self.quantbench("show", "j77/../x")
        self.assertEqual(code, 4)
        self.assertEqual(err, "quantbench: there is nothing at /v1/jobs/j77%2F..%2Fx\n")

    def test_no_server__sentence__exit_status_is_3(self):
        code, _, err = self.quantbench("list", url="http://127.0.0.1:1")
        self.assertEqual(code, 3)
        self.assertIn("http://127.0.0.1:1", err)

    def test_token__option_or_environment__is_sent(self):
        self.quantbench("--token", "secret", "list")
        self.quantbench("list", QUANTBENCH_TOKEN="other")
        self.assertEqual([headers.get("Authorization") for *_, headers in self.server.seen],
                         ["Bearer secret", "Bearer other"])


if __name__ == "__main__":
    unittest.main()
