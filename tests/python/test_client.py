#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbench.Client against a server: with a worker that misbehaves on demand, and with the real one on the demo's network."""
import hashlib
import http.server
import io
import re
import threading
import time
import unittest

import served
from served import DEMO, FAKE, TOP, quantbench
from quantbench import events, inputs

try:
    import pandas
except ImportError as why:
    pandas, NO_PANDAS = None, why
try:
    import numpy
except ImportError as why:
    numpy, NO_NUMPY = None, why


class Fake(served.Served):
    worker = FAKE
    options = ("--jobs", "2")

    def fake(self, *steps, **fields):
        return self.client.submit(type="fake", do=list(steps), fresh=True, **fields)

    def test_follow__job__shows_progress_and_logs(self):
        bar = served.Silent()
        job = self.fake(["sleep", 1], ["sleep", 0.1]).follow(bar)  # events of progress that follow within 0.1 s are left out
        self.assertEqual(job.state, "succeeded")
        self.assertEqual([f for f, _, _ in bar.shown], [0, 0.5])
        self.assertEqual([s for s in bar.said if s in ("running", "succeeded") or s.startswith("info")],
                         ["running", "info: step 0", "info: step 1", "succeeded"])
        self.assertTrue(bar.closed)

    def test_events__from_a_number__begin_behind_it(self):
        job = self.fake().follow(served.Silent())
        everything = list(job.events())
        self.assertEqual(everything[-1]["state"], "succeeded")
        self.assertEqual(list(job.events(after=everything[1]["id"])), everything[2:])
        self.assertEqual(list(job.events(after=everything[0]["id"])), everything[1:])

    def test_events__server_restarts__go_on_behind_the_last(self):
        job = self.fake(["sleep", 2], ["sleep", 0])
        seen, restarted = [], False
        for event in job.events():
            seen.append(event)
            if event["event"] == "log" and not restarted:
                restarted = True
                self.server.stop()
                type(self).server = served.Server(self.state, *self.options, worker=self.worker, port=self.server.port)
        self.assertTrue(restarted)
        self.assertEqual(seen, list(job.events()))
        self.assertEqual(seen[-1]["state"], "succeeded")

    def test_wait__failed_job__raises_its_error(self):
        job = self.fake(["fail", "node conv1 has no weight"])
        for method in (job.wait, job.follow, job.result):
            with self.assertRaises(quantbench.Error) as why:
                method(*([served.Silent()] if method == job.follow else []))
            self.assertEqual((why.exception.code, why.exception.status, why.exception.job), ("bad_model", None, job))
            self.assertEqual(str(why.exception), f"job {job.id} failed: node conv1 has no weight")

    def test_wait__too_long__times_out_and_job_goes_on(self):
        job = self.fake(["sleep", 30])
        with self.assertRaises(quantbench.Error) as why:
            job.wait(timeout=0.3, poll=0.1)
        self.assertEqual(why.exception.code, "timeout")
        with self.assertRaises(quantbench.Error) as why:
            job.cancel().wait(poll=0.05)
        self.assertEqual(str(why.exception).split(":")[0], f"job {job.id} cancelled")

    def test_labels__of_a_job__are_given_changed_and_listed(self):
        job = self.fake(name="first", tags=["mine", "paper"], notes="why").follow(served.Silent())
        self.assertEqual((job.name, job.notes, job.tags, job.best), ("first", "why", ["mine", "paper"], None))
        job.label(name="second", add=["x"], remove=["paper"])
        self.assertEqual((job.name, job.notes, job.tags), ("second", "why", ["mine", "x"]))
        self.assertEqual(self.client.job(job.id).label(tags=["alone-of-its-kind"], notes="").tags, ["alone-of-its-kind"])
        self.assertEqual([j.id for j in self.client.jobs(tag="alone-of-its-kind")], [job.id])
        self.assertEqual(self.client.tags()["alone-of-its-kind"], 1)
        self.assertEqual(job.refresh().notes, None)
        numbers = [int(j.id[1:]) for j in self.client.jobs(type="fake", sort="created")]
        self.assertEqual(numbers, sorted(numbers))
        with self.assertRaises(quantbench.Error) as why:
            job.label(add=["a b"])
        self.assertEqual((why.exception.code, why.exception.status), ("bad_labels", 422))

    def test_submit__refused__has_the_problem_and_its_fields(self):
        with self.assertRaises(quantbench.Error) as why:
            self.client.submit(type="fake", part={"range": "mode"}, seed=-1)
        error = why.exception
        self.assertEqual((error.status, len(error.errors)), (422, 2))
        self.assertEqual(sorted(e["pointer"] for e in error.errors), ["/part/range", "/seed"])
        for e in error.errors:
            self.assertIn(f"  {e['field']}: {e['detail']}", str(error))

    def test_submit__same_job__is_answered_by_the_first(self):
        first = self.client.submit({"type": "fake", "do": []}, seed=7).wait(poll=0.05)
        self.assertEqual(self.client.submit(type="fake", do=[], seed=7).id, first.id)
        self.assertNotEqual(self.client.submit(type="fake", do=[], seed=7, fresh=True).id, first.id)

    def test_upload__file__is_sent_once(self):
        path = self.folder / "näher & net.onnx"
        path.write_bytes(b"a network of its own")
        model = self.client.upload_model(path)
        self.assertEqual((model["name"], model["sha256"]), (path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
        self.assertEqual(self.client.upload_model(str(path), name="other.onnx")["id"], model["id"])
        self.assertEqual(self.client.upload_model(b"bytes", name="b.onnx")["size_bytes"], 5)
        self.assertEqual(self.client.model(model["id"])["name"], path.name)
        self.assertIn(model["id"], [m["id"] for m in self.client.models()])
        self.client.delete_model(model["id"])
        self.assertNotIn(model["id"], [m["id"] for m in self.client.models()])

    def test_upload__no_use__raises_what_inspection_found(self):
        with self.assertRaises(quantbench.Error) as why:
            self.client.upload_model(b"broken", name="net.onnx")
        self.assertEqual(why.exception.code, "bad_model")
        self.assertIn("export it as ONNX", str(why.exception))
        for source, options in (("absent.onnx", {}), ({"x": "text"}, {}), (b"bytes", {})):
            with self.assertRaises(quantbench.Error):
                self.client.upload_model(source, **options)

    def test_submit__inputs__are_files_names_ids_or_descriptions(self):
        (self.folder / "n.onnx").write_bytes(b"network n")
        (self.folder / "d.npz").write_bytes(b"data d")
        job = self.fake(model=self.folder / "n.onnx", data=str(self.folder / "d.npz"))
        model, data = job.info["model"], job.info["data"]
        self.assertEqual((model["name"], data["name"]), ("n.onnx", "d.npz"))
        again = self.fake(model="n.onnx", data=self.client.dataset(data["id"]))
        self.assertEqual((again.info["model"], again.info["data"]), (model, data))
        self.assertEqual(self.fake(model=model["id"]).info["model"], model)
        with self.assertRaises(quantbench.Error) as why:
            self.fake(model="nobody.onnx")
        self.assertIn("nobody.onnx", str(why.exception))

    def test_inputs__fields__are_those_of_the_command_line(self):
        rows = re.findall(r'\{"(\w+)", &cli_upload_(\w+)\}', (TOP / "cli/jobspec.c").read_text())
        self.assertEqual(dict(rows), {field: kind[:-1] for field, kind in inputs.INPUTS.items()})

    def test_jobs__filters_and_pages__reach_the_server(self):
        ids = [self.client.submit(type="fake", do=[], seed=1000 + i).id for i in range(5)]
        found = self.client.jobs(type="fake", limit=3)
        self.assertEqual([j.id for j in found], ids[:1:-1])
        self.assertEqual(self.client.jobs(type="nothing"), [])
        everything = [j.id for j in self.client.jobs()]
        self.assertEqual(everything[:5], ids[::-1])
        self.assertEqual(self.client.job(ids[0]).id, ids[0])
        pages = list(self.client._connection.pages("/v1/jobs", "jobs", {"type": "fake"}, 4))
        self.assertEqual(len(pages), 4)

    def test_artifact__file__is_bytes_or_saved(self):
        job = self.fake(["artifact", "made.txt"]).wait(poll=0.05)
        self.assertEqual(job.artifacts, ["made.txt"])
        self.assertEqual(job.artifact("made.txt"), b"made by a worker\n")
        saved = job.artifact("made.txt", self.folder)
        self.assertEqual(saved, str(self.folder / "made.txt"))
        self.assertEqual((self.folder / "made.txt").read_bytes(), b"made by a worker\n")
        with self.assertRaises(quantbench.Error) as why:
            job.artifact("../x")
        self.assertEqual(why.exception.status, 404)

    def test_delete__job__is_gone(self):
        job = self.fake().wait(poll=0.05)
        job.delete()
        with self.assertRaises(quantbench.Error) as why:
            job.refresh()
        self.assertEqual(why.exception.status, 404)

    def test_server__questions__are_answered(self):
        self.assertEqual({t["type"] for t in self.client.job_types()}, {"fake", "ptq"})
        self.assertEqual(self.client.format("E4")["bits"], 8)
        self.assertIn("machine", self.client.system())
        self.assertEqual([f["name"] if isinstance(f, dict) else f for f in self.client.formats()], ["int8", "E4"])

    def test_unreachable__server__says_where(self):
        with self.assertRaises(quantbench.Error) as why:
            quantbench.Client("http://127.0.0.1:1").jobs()
        self.assertEqual((why.exception.code, why.exception.status), ("unreachable", None))
        self.assertIn("http://127.0.0.1:1", str(why.exception))
        with self.assertRaises(ValueError):
            quantbench.Client("127.0.0.1:8080")


class Access(unittest.TestCase):
    def test_token__sent__lets_in(self):
        with served.tempfile.TemporaryDirectory() as folder:
            made = served.subprocess.run([served.BUILD / "quantbenchd", "token", "create", "ann", "--role", "read", "--state", folder],
                                         capture_output=True, text=True, check=True)
            server = served.Server(folder, "--tokens", "all", worker=FAKE)
            self.addCleanup(server.stop)
            self.assertEqual(quantbench.Client(server.url, made.stdout.split()[-1]).jobs(), [])
            with self.assertRaises(quantbench.Error) as why:
                quantbench.Client(server.url).jobs()
            self.assertEqual((why.exception.status, why.exception.code), (401, "token_needed"))


class Socket(unittest.TestCase):
    def test_unix_socket__server__answers(self):
        with served.tempfile.TemporaryDirectory() as folder:
            server = served.Server(folder + "/state", "--socket", folder + "/s", worker=FAKE)
            self.addCleanup(server.stop)
            client = quantbench.Client(f"unix:{folder}/s")
            self.assertEqual(client.submit(type="fake", do=[]).wait(poll=0.05).state, "succeeded")


class Lines(unittest.TestCase):
    """Streams as a server or a proxy may break them."""

    def test_messages__fields_comments_and_cuts__are_read_as_the_standard_has_them(self):
        stream = b": hello\n\nid: 1\r\nevent: state\r\ndata: {\r\ndata: }\r\n\r\nid:2\ndata:x\n\nid: 3\ndata: cut off"
        self.assertEqual(list(events.messages(io.BytesIO(stream))), [("1", "{\n}"), ("2", "x")])

    def test_events__line_breaks_in_the_middle__resume_with_last_event_id(self):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                asked.append(self.headers.get("Last-Event-ID"))
                if len(asked) == 2:
                    self.send_response(503)
                    self.send_header("Retry-After", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for number in range(int(asked[-1] or 0) + 1, 4):
                    state = "succeeded" if number == 3 else "running"
                    self.wfile.write(b'id: %d\ndata: {"event": "state", "state": "%s"}\n\n' % (number, state.encode()))
                    if len(asked) == 1 and number == 2:
                        self.wfile.write(b'id: 3\ndata: {"event": "sta')
                        return

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        connection = quantbench.Client(f"http://127.0.0.1:{server.server_address[1]}")._connection
        seen = list(events.of_job(connection, "/v1/jobs/j1/events"))
        self.assertEqual([e["state"] for e in seen], ["running", "running", "succeeded"])
        self.assertEqual(asked, [None, "2", "2"])


class Real(served.Served):
    """The demo's network."""

    def sweep(self, **fields):
        return self.client.submit(type="ptq", model=DEMO / "digits.onnx", data=DEMO / "digits-test.npz", metric="top1",
                                  schemes=["int8", "E4"], latency=False, **fields)

    def test_sweep__results__are_those_of_the_server(self):
        job = self.sweep().wait(poll=0.1)
        result = job.result()
        self.assertEqual([s["scheme"] for s in result["schemes"]], ["int8", "E4"])
        compared = self.client.compare(job)
        self.assertEqual([(c["scheme"], c["metric"]) for c in compared["rows"][0]["cells"]],
                         [(s["scheme"], s["metric"]) for s in result["schemes"]])
        if pandas is None:
            with self.assertRaises(quantbench.Error) as why:
                job.frame()
            self.assertEqual(why.exception.code, "no_pandas")
            self.assertIn("pip install pandas", str(why.exception))
            self.skipTest(f"lacks pandas: {NO_PANDAS}")
        frame = job.frame()
        self.assertEqual(list(frame["metric"]), [result["float"]["metric"], *(s["metric"] for s in result["schemes"])])
        self.assertEqual(list(frame["delta_low"][1:]), [s["delta_low"] for s in result["schemes"]])
        self.assertTrue(numpy.isnan(frame["delta"][0]))
        cells = self.client.compare(job.id, frame=True)
        self.assertEqual(list(cells["scheme"]), ["int8", "E4"])
        self.assertEqual(list(cells["delta"]), [s["delta"] for s in result["schemes"]])

    def test_arrays__same_values__are_the_same_upload(self):
        if numpy is None:
            self.skipTest(f"lacks numpy: {NO_NUMPY}")
        with numpy.load(DEMO / "digits-test.npz") as npz:
            arrays = {name: npz[name] for name in npz.files}
        from_file = self.sweep(calibration={"samples": 50}).wait(poll=0.1).result()
        data = self.client.upload_data(arrays)
        self.assertEqual([(a["name"], a["shape"]) for a in data["inspection"]["result"]["arrays"]],
                         [(name, list(a.shape)) for name, a in arrays.items()])
        time.sleep(2.1)  # a zip file's time has steps of two seconds
        self.assertEqual(self.client.upload_data((arrays["x"], arrays["y"]))["id"], data["id"])
        job = self.client.submit(type="ptq", model=DEMO / "digits.onnx", data=arrays, metric="top1", schemes=["int8", "E4"], latency=False,
                                 calibration={"samples": 50})
        result = job.result()
        self.assertEqual(job.info["data"]["id"], data["id"])
        self.assertEqual([s["metric"] for s in result["schemes"]], [s["metric"] for s in from_file["schemes"]])
        with self.assertRaises(quantbench.Error) as why:
            self.client.upload_data({"x": numpy.array([None, 1])})
        self.assertIn("'x' holds Python objects", str(why.exception))


if __name__ == "__main__":
    unittest.main()
