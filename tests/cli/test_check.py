#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`quantbench check`: of results in files, of a job done here by a worker, and of jobs on a server of canned answers."""
import http.server
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
TOP = pathlib.Path(os.environ.get("top_srcdir", HERE / "../..")).resolve()


def row(scheme, metric, delta, low=None, high=None):
    return {"scheme": scheme, "metric": metric, "delta": delta, "delta_low": low, "delta_high": high, "output_sqnr_db": None}


def ptq(*schemes, metric="top1", base=97.5, **more):
    return {"job": "j1", "type": "ptq", "model": "net.onnx", "data": "x.npz", "metric_name": metric, "samples": 400,
            "float": {"metric": base}, "schemes": list(schemes), **more}


class Handler(http.server.BaseHTTPRequestHandler):
    """Jobs that have succeeded, by id; what is handed in is j1."""

    def log_message(self, *_):
        pass

    def handle_any(self):
        server, path = self.server, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.seen.append((self.command, path, body))
        job = path.split("/")[3] if path.count("/") > 2 else "j1"
        status, kind, answer = 200, "application/json", {"id": job, "state": "succeeded", "error": None, "cached": False}
        if path == "/v1/jobs":
            status = 201
        elif job not in server.results:
            status, answer = 404, {"type": "about:blank", "title": "No", "status": 404, "detail": f"there is no job {job}", "code": "x"}
        elif path.endswith("/events"):
            kind, answer = "text/event-stream", 'id: 1\nevent: state\ndata: {"event": "state", "state": "succeeded"}\n\n'
        elif path.endswith("/results"):
            answer = server.results[job]
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_any


class Check(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "net.onnx").write_bytes(b"model")
        self.worker = self.folder / "worker"
        self.worker.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/fake_worker.py "$@"\n')
        self.worker.chmod(0o755)

    def check(self, *arguments, **environment):
        known = {k: v for k, v in os.environ.items() if k != "QUANTBENCH_URL"}
        done = subprocess.run([BUILD / "quantbench", "check", *arguments], cwd=self.folder, text=True, capture_output=True, timeout=30,
                              stdin=subprocess.DEVNULL, env={**known, "QUANTBENCH_WORKER": str(self.worker), **environment})
        return done.returncode, done.stdout, done.stderr

    def file(self, name, content):
        (self.folder / name).write_text(json.dumps(content))
        return name

    def judged(self, *arguments, code=0, **environment):
        status, out, err = self.check(*arguments, "--json", **environment)
        self.assertEqual(status, code, err)
        return json.loads(out)

    def served(self, **results):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.results, server.seen = results, []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, f"http://127.0.0.1:{server.server_address[1]}"

    def test_limit__measured_change__decides(self):
        name = self.file("r.json", ptq(row("int8", 97.25, -0.25, -0.5, 0.0), row("E4", 96.0, -1.5, -2.0, -1.1)))
        drops = self.judged(name, "--max-drop", "1.5")
        self.assertTrue(drops["within"])
        drops = self.judged(name, "--max-drop", "1.0", code=5)
        self.assertEqual([(s["scheme"], s["drop"], s["within"], s["sure"]) for s in drops["schemes"]],
                         [("int8", 0.25, True, True), ("E4", 1.5, False, True)])
        self.assertEqual((drops["against"], drops["max_drop"], drops["within"]), ("float", 1.0, False))

    def test_limit__rounding_of_doubles__is_no_drop(self):
        self.assertGreater(97.4 - 97.3, 0.1)
        name = self.file("r.json", ptq(row("int8", 97.3, 97.3 - 97.4), base=97.4))
        self.judged(name, "--max-drop", "0.1")
        self.judged(name, "--max-drop", "0.0999", code=5)

    def test_interval__reaches_over_the_limit__is_said_on_both_sides(self):
        name = self.file("r.json", ptq(row("int8", 97.0, -0.5, -1.25, 0.25), row("E4", 96.0, -1.5, -2.5, -0.5),
                                       row("old", 97.0, -0.5)))
        code, out, err = self.check(name, "--max-drop", "1")
        self.assertEqual(code, 5, err)
        lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
        self.assertTrue(lines["int8"].endswith("-0.50 (-1.25 to +0.25)  within, but the interval reaches over the limit"), out)
        self.assertTrue(lines["E4"].endswith("-1.50 (-2.50 to -0.50)  beyond, but the interval reaches below the limit"), out)
        self.assertTrue(lines["old"].endswith("-0.50  within"), out)
        self.assertIn("\n1 of 3 schemes loses more than 1 point of top1 against float\n", out)
        self.assertEqual([s["sure"] for s in self.judged(name, "--max-drop", "1", code=5)["schemes"]], [False, False, None])

    def test_metrics__direction_and_unit__are_those_of_the_engine(self):
        source = (TOP / "core/analysis/metrics.c").read_text()
        metrics = re.findall(r'\{"(\w+)", ((?:"[^"]*"\s*)+), (true|false),', source)
        self.assertGreater(len(metrics), 10)
        for name, summary, rises in metrics:
            file = self.file("r.json", ptq(row("int8", 15, 5, 4, 6), metric=name, base=10))
            code, out, err = self.check(file, "--max-drop", "1")
            self.assertEqual(code, 0 if rises == "true" else 5, (name, err))
            self.assertEqual(f"{name} %" in out, "%" in summary, name)

    def test_metric__undefined__is_beyond(self):
        code, out, _ = self.check(self.file("r.json", ptq(row("int8", None, None))), "--max-drop", "50")
        self.assertEqual(code, 5)
        self.assertIn("beyond: the metric is undefined", out)

    def test_training__final_network__is_compared(self):
        result = {"type": "qat", "model": "net.onnx", "data": "x.npz", "metric_name": "top1", "samples": 9, "float": {"metric": 97.5},
                  "start": row("w4a4", 60, -37.5), "final": row("w4a4+lsq", 97.0, -0.5, -0.75, -0.25)}
        drops = self.judged(self.file("r.json", result), "--max-drop", "1")
        self.assertEqual([s["scheme"] for s in drops["schemes"]], ["w4a4+lsq"])

    def test_baseline__file__interval_is_by_square_and_add(self):
        new, old = row("int8", 96.9, -0.6, -1.0, -0.3), row("int8", 97.3, -0.2, -0.3, 0.1)
        a, b = self.file("a.json", ptq(new)), self.file("b.json", ptq(row("E4", 1, -96), old))
        drops = self.judged(a, "--baseline", b, "--max-drop", "0.5")
        s = drops["schemes"][0]
        self.assertEqual((drops["against"], drops["why_no_interval"], s["reference"]), ("b.json", None, 97.3))
        self.assertAlmostEqual(s["change"], -0.4)
        self.assertAlmostEqual(s["change_low"], -0.4 - math.sqrt(0.4 ** 2 + 0.3 ** 2))
        self.assertAlmostEqual(s["change_high"], -0.4 + math.sqrt(0.3 ** 2 + 0.1 ** 2))
        self.assertIs(s["sure"], False)
        self.judged(a, "--baseline", b, "--max-drop", "0.3", code=5)

    def test_baseline__other_conditions__no_interval_and_why(self):
        a = self.file("a.json", ptq(row("int8", 97, -0.5, -0.6, -0.4)))
        for why, more in (("on other data", {"data": "y.npz"}), ("number of samples", {"samples": 10}),
                          ("another metric", {"base": 98})):
            b = self.file("b.json", ptq(row("int8", 97.1, -0.4, -0.6, -0.4), **more))
            drops = self.judged(a, "--baseline", b, "--max-drop", "1")
            self.assertIn(why, drops["why_no_interval"])
            self.assertIsNone(drops["schemes"][0]["change_low"])
            self.assertIn("no interval: the baseline", self.check(a, "--baseline", b, "--max-drop", "1")[1])

    def test_baseline__cannot_be_compared__says_why(self):
        a = self.file("a.json", ptq(row("int8", 97, -0.5)))
        for baseline, why in ((ptq(row("E4", 97, -0.5)), 'b.json has no scheme "int8"'),
                              (ptq(row("int8", 97, -0.5), metric="mse"), "the job has the metric top1 and the baseline b.json mse"),
                              ({"type": "sqnr", "rows": []}, "b.json: a result of type sqnr has no schemes with a metric")):
            code, out, err = self.check(a, "--baseline", self.file("b.json", baseline), "--max-drop", "1")
            self.assertEqual((code, out), (2, ""), err)
            self.assertIn(why, err)
        code, _, err = self.check(a, "--baseline", "none.json", "--max-drop", "1")
        self.assertEqual(code, 2)
        self.assertIn("--baseline none.json: No such file", err)

    def test_markdown__file_and_stdout__hold_the_table(self):
        name = self.file("r.json", ptq(row("a|b*", 97.25, -0.25, -0.5, 0.0), row("E4", 96.0, -1.5), model="<net>.onnx"))
        code, out, err = self.check(name, "--max-drop", "1", "--markdown", "-")
        self.assertEqual(code, 5, err)
        self.assertEqual(out, "### quantbench check: beyond the limit\n\n"
                              "1 of 2 schemes loses more than 1 point of top1 against float.\n\n"
                              "| scheme | top1 % | float | change (95 % interval) |  |\n"
                              "|---|---:|---:|---:|---|\n"
                              "| a\\|b\\* | 97.25 | 97.50 | -0.25 (-0.50 to +0.00) | within |\n"
                              "| E4 | 96.00 | 97.50 | -1.50 | beyond |\n\n"
                              "\\<net\\>.onnx on x.npz, 400 samples.\n")
        code, table, _ = self.check(name, "--max-drop", "2", "--markdown", "summary.md")
        self.assertEqual(code, 0)
        self.assertIn("all schemes lose at most 2 points of top1 against float", table)
        self.assertTrue((self.folder / "summary.md").read_text().startswith("### quantbench check: within the limit\n"))
        code, _, err = self.check(name, "--max-drop", "2", "--markdown", "/nowhere/summary.md")
        self.assertEqual(code, 2)
        self.assertIn("/nowhere/summary.md", err)

    def test_job__no_server__is_done_here(self):
        name = self.file("job.json", {"type": "ptq", "model": "net.onnx"})
        code, out, err = self.check(name, "--max-drop", "1")
        self.assertEqual(code, 5, err)
        self.assertIn("1 of 2 schemes loses more than 1 point of top1 against float", out)
        self.assertEqual(self.check(name, "--max-drop", "1.5")[0], 0)
        code, _, err = self.check(name, "--max-drop", "1", "--set", "fake=error")
        self.assertEqual(code, 4)
        self.assertIn("node conv1", err)

    def test_job__server__is_handed_in_or_fetched(self):
        server, url = self.served(j1=ptq(row("int8", 97, -0.5, -0.6, -0.4)), j12=ptq(row("int8", 97.4, -0.1, -0.2, 0)))
        name = self.file("job.json", {"type": "ptq", "schemes": ["int8"]})
        drops = self.judged(name, "--max-drop", "1", "--baseline", "j12", "--server", url)
        self.assertEqual((drops["against"], drops["schemes"][0]["reference"]), ("j12", 97.4))
        self.assertIn(("POST", "/v1/jobs", b'{"type":"ptq","schemes":["int8"]}'), [(m, p, b.replace(b" ", b"")) for m, p, b in server.seen])
        server.seen.clear()
        drops = self.judged("j12", "--max-drop", "1", QUANTBENCH_URL=url)
        self.assertEqual(drops["schemes"][0]["drop"], 0.1)
        self.assertNotIn("POST", [m for m, _, _ in server.seen])
        code, _, err = self.check(name, "--max-drop", "1", "--baseline", "j77", "--server", url)
        self.assertEqual(code, 4)
        self.assertIn("there is no job j77", err)
        self.assertNotIn("POST", [m for m, _, _ in server.seen])  # nothing was begun

    def test_usage__wrong_arguments__exit_status_is_2(self):
        name = self.file("r.json", ptq(row("int8", 97, -0.5)))
        for arguments in ((name,), (name, "--max-drop", "few"), (name, "--max-drop", "-1"), (name, "--max-drop", "nan"),
                          ("--max-drop", "1"), ("none.json", "--max-drop", "1")):
            code, out, err = self.check(*arguments)
            self.assertEqual((code, out), (2, ""), (arguments, err))
            self.assertTrue(err)
        self.assertEqual(self.check("j1", "--max-drop", "1", "--server", "http://127.0.0.1:1")[0], 3)


if __name__ == "__main__":
    unittest.main()
