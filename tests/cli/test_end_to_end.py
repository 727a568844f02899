#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's sweep by the real programs: through a server, and without one. Both must tell the same."""
import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
DEMO = pathlib.Path(os.environ.get("top_srcdir", BUILD / "..")).resolve() / "demo"
# Leaves out the measured times, so that nothing depends on the load of the machine.
QUICK = ("--schemes", "int8,int4,E4,E5", "--no-latency", "--json")


def metrics(result):
    rows = [("float", result["float"]["metric"], None)]
    return rows + [(r["scheme"], r["metric"], r["output_sqnr_db"]) for r in result["schemes"]]


class EndToEnd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.url, cls.daemon = cls.start_daemon(folder.name)
        cls.addClassCleanup(cls.stop)

    @staticmethod
    def start_daemon(folder, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        daemon = subprocess.Popen(
            [BUILD / "quantbenchd", "--state", folder, "--listen", f"127.0.0.1:{port}",
             "--worker", BUILD / "quantbench-worker"], stderr=subprocess.DEVNULL, env=dict(os.environ, **environment))
        for _ in range(200):
            try:
                urllib.request.urlopen(url + "/readyz").close()
                return url, daemon
            except OSError:
                time.sleep(0.1)
        daemon.kill()
        raise RuntimeError("the server does not answer")

    @classmethod
    def stop(cls):
        cls.daemon.send_signal(signal.SIGTERM)
        assert cls.daemon.wait(timeout=30) == 0, "the server did not stop in order"

    @classmethod
    def quantbench(cls, *arguments):
        done = subprocess.run([BUILD / "quantbench", *arguments], text=True, capture_output=True, timeout=300,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, QUANTBENCH_URL=cls.url))
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments):
        code, out, err = self.quantbench(*arguments)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def test_sweep__server_and_run__agree(self):
        local = self.json("run", str(DEMO / "sweep.json"), *QUICK)
        served = self.json("submit", str(DEMO / "sweep.json"), "--wait", *QUICK)
        self.assertEqual(metrics(local), metrics(served))
        # demo/README.md: 96.58 %, and ONNX Runtime gets the same from the file.
        self.assertAlmostEqual(served["float"]["metric"], 96.58, delta=0.1)
        rows = {r["scheme"]: r for r in served["schemes"]}
        self.assertGreater(rows["int8"]["metric"], served["float"]["metric"] - 1)
        self.assertLess(rows["int4"]["metric"], served["float"]["metric"] - 1)
        self.assertGreater(rows["E4"]["output_sqnr_db"], rows["E5"]["output_sqnr_db"])

    def test_check__server_and_run__agree(self):
        quick = [str(DEMO / "sweep.json"), "--schemes", "int8,int4", "--no-latency", "--json", "--max-drop"]
        served = {k: v for k, v in os.environ.items() if k != "QUANTBENCH_URL"}
        drops = []
        for server in ([], ["--server", self.url]):
            done = subprocess.run([BUILD / "quantbench", "check", *quick, "1", *server], text=True, capture_output=True, timeout=300,
                                  stdin=subprocess.DEVNULL, env=served)
            self.assertEqual(done.returncode, 5, done.stderr)
            drops.append(json.loads(done.stdout))
        self.assertEqual(*drops)
        self.assertEqual([s["within"] for s in drops[0]["schemes"]], [True, False])
        job = self.json("submit", *quick[:-1], "--wait")["job"]
        same = self.json("check", *quick, "0", "--baseline", job)
        self.assertTrue(same["within"])
        self.assertEqual([s["change"] for s in same["schemes"]], [0, 0])
        self.assertLess(same["schemes"][1]["change_low"], 0)

    def test_repair__server_and_run__agree_and_go_on_from_a_checkpoint(self):
        quick = ["--set", "epochs=2", "--set", "samples=200", "--set", "calibration.samples=32", "--json"]
        with tempfile.TemporaryDirectory() as folder:
            local = self.json("run", str(DEMO / "repair.json"), *quick, "--out", folder + "/out", "--checkpoint", folder + "/kept")
            self.assertEqual(sorted(os.listdir(folder + "/out")), ["trained.onnx", "w4a4_lsq-0.qdq.onnx"])
            self.assertIn("checkpoint", os.listdir(folder + "/kept"))
            again = self.json("run", str(DEMO / "repair.json"), *quick, "--out", folder + "/out", "--checkpoint", folder + "/kept")
        served = self.json("submit", str(DEMO / "repair.json"), "--wait", *quick)
        self.assertEqual(again, local)
        for name in "float", "start", "final":
            self.assertEqual(served[name]["metric"], local[name]["metric"])
        self.assertEqual(served["steps"], local["steps"])
        self.assertGreater(served["final"]["metric"], served["start"]["metric"])
        code, table, err = self.quantbench("show", served["job"])
        self.assertEqual(code, 0, err)
        self.assertRegex(table, r"start \(post-training\)")

    def test_run__lesser_cpu_level__is_that_of_the_worker(self):
        done = subprocess.run([BUILD / "quantbench", "run", DEMO / "sweep.json", "--schemes", "int8", *QUICK[2:]], text=True,
                              capture_output=True, timeout=300, env=dict(os.environ, QUANTBENCH_CPU="plain"))
        self.assertEqual(done.returncode, 0, done.stderr)
        plain = json.loads(done.stdout)
        self.assertEqual(plain["machine"]["isa"], "plain")
        own = self.json("run", str(DEMO / "sweep.json"), "--schemes", "int8", *QUICK[2:])
        self.assertAlmostEqual(own["float"]["metric"], plain["float"]["metric"], delta=0.3)
        self.assertAlmostEqual(own["schemes"][0]["output_sqnr_db"], plain["schemes"][0]["output_sqnr_db"], delta=0.1)

    def test_daemon__lesser_cpu_level__is_that_of_its_workers(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        url, daemon = self.start_daemon(folder.name, QUANTBENCH_CPU="plain")
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        with urllib.request.urlopen(url + "/v1/system") as reply:
            self.assertEqual(json.load(reply)["machine"]["isa"], "plain")

    def test_run__no_such_cpu_level__says_what_there_is(self):
        for level, why in (("avx9", "is not a CPU level"), ("AVX2", "is not a CPU level"),
                           ("neon" if platform.machine() == "x86_64" else "avx2", "is beyond this processor")):
            done = subprocess.run([BUILD / "quantbench", "run", DEMO / "sweep.json", *QUICK], text=True, capture_output=True,
                                  timeout=60, env=dict(os.environ, QUANTBENCH_CPU=level))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f'QUANTBENCH_CPU in the environment is "{level}", which {why}', done.stderr)
            self.assertIn("offers plain", done.stderr)
            served = subprocess.run([BUILD / "quantbench-worker", "--serve"], text=True, capture_output=True, timeout=60,
                                    input='{"ask": "types"}\n', env=dict(os.environ, QUANTBENCH_CPU=level))
            self.assertEqual((served.returncode, served.stdout), (1, ""))
            self.assertIn(f'"{level}", which {why}', served.stderr)

    def test_sweep__gates__each_scheme_needs_fewer_than_float(self):
        r = self.json("run", DEMO / "sweep.json", *QUICK)
        gates = {"float": r["float"]["gates"], **{s["scheme"]: s["gates"] for s in r["schemes"]}}
        self.assertGreater(gates["float"]["unit"], gates["int8"]["unit"])
        self.assertGreater(gates["int8"]["unit"], gates["int4"]["unit"])
        # Floats give the sign of what is never negative to the mantissa, which is another unit.
        macs = {name: round(g["network"] / g["unit"]) for name, g in gates.items() if name[0] != "E"}
        self.assertEqual(len(set(macs.values())), 1, macs)

    def test_run__lab_jobs__print_their_tables(self):
        for job, words in (
                ({"type": "sqnr", "distributions": [{"name": "gaussian"}], "formats": ["int8", "E2"], "samples": 1000,
                  "sweep": {"parameter": "outlier_mass", "values": [0, 0.001]}}, ("outlier_mass", "gaussian(1)", "40.57", "*")),
                ({"type": "tensor", "model": str(DEMO / "digits.onnx"), "formats": ["int8", "mxfp4"]},
                 ("kurtosis", "best per_channel, dB", "per_block", "all tensors together")),
                ({"type": "hwcost", "units": [{"operands": "int8"}, {"operands": ["int8", "int4"]}]},
                 ("published", "750", "int8 x int4", "65536", "multiplier"))):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
                json.dump(job, f)
                f.flush()
                code, out, err = self.quantbench("run", f.name)
            self.assertEqual(code, 0, err)
            for word in words:
                self.assertIn(word, out)

    def test_text__trained_on__is_listed_and_told(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder) / "squares.txt"
            text.write_bytes(b"".join(b"%d, then %d; " % (i, i * i) for i in range(300)))
            job = pathlib.Path(folder) / "job.json"
            job.write_text(json.dumps({"type": "train", "network": {"name": "opt", "layers": 1, "width": 16, "heads": 1}, "train": str(text),
                                       "data": str(text), "epochs": 1, "batch": 8, "samples": 30, "metric": "token_loss",
                                       "text": {"task": "bigram_backcopy", "length": 32}}))
            code, out, err = self.quantbench("run", str(job))
            self.assertEqual(code, 0, err)
            self.assertIn("windows of 32 tokens, vocabulary 259; ", out)
            self.assertIn("the least token_loss there is, is ", out)
            code, out, err = self.quantbench("data", "add", str(text))
            self.assertEqual(code, 0, err)
            self.assertIn(f"text of {text.stat().st_size} tokens", out + self.quantbench("data", "list")[1])

    def test_diagnosis__its_job__is_ready_for_the_server(self):
        with open(DEMO / "sweep.json", encoding="utf-8") as f:
            sweep = json.load(f)
        job = {key: sweep[key] for key in ("metric", "preprocess") if key in sweep}
        job.update(type="diagnose", model=str(DEMO / "digits.onnx"), data=str(DEMO / "digits-test.npz"),
                   scheme="int4", samples=64, mixed={"candidates": ["int8"], "budget": {"share": 0.2}})
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(job, f)
            f.flush()
            found = self.json("submit", f.name, "--wait", "--json")
        mixed = found["mixed"]
        worst = max(found["layers"], key=lambda layer: layer["noise_share"])
        row = next(line for line in self.quantbench("show", found["job"])[1].splitlines() if line.startswith(worst["layer"]))
        for outcome in worst["only"], worst["all_but"]:
            self.assertIn("%.1f ±%.1f" % (outcome["output_sqnr_db"], outcome["output_sqnr_high_db"] - outcome["output_sqnr_db"]), row)
            self.assertIn("%+.2f (%+.2f to %+.2f)" % (outcome["delta"], outcome["delta_low"], outcome["delta_high"]), row)
        tensor = min((t for t in found["tensors"] if t["kind"] == "activation" and t["sqnr_db"]), key=lambda t: t["sqnr_db"])
        rows = self.quantbench("show", found["job"])[1].split("tensors with the least")[1].splitlines()
        row = next(line for line in rows if line.startswith(tensor["name"]) and " activation " in line)
        self.assertIn("%.1f ±%.1f" % (tensor["network_sqnr_db"], tensor["network_sqnr_high_db"] - tensor["network_sqnr_db"]), row)
        self.assertRegex(mixed["job"]["model"], r"^m\d+$")
        self.assertRegex(mixed["job"]["data"], r"^d\d+$")
        with urllib.request.urlopen(urllib.request.Request(
                self.url + "/v1/jobs", json.dumps({**mixed["job"], "latency": False}).encode(),
                {"Content-Type": "application/json"})) as reply:
            id = json.load(reply)["id"]
        self.assertEqual(self.quantbench("watch", id)[0], 0)
        code, out, err = self.quantbench("show", id, "--json")
        self.assertEqual(code, 0, err)
        self.assertIn('"mixed"', out)

    def test_report__names_its_job_and_when_it_ran(self):
        job = {"type": "ptq", "model": str(DEMO / "digits.onnx"), "data": str(DEMO / "digits-test.npz"), "schemes": ["int8"], "samples": 64,
               "latency": False, "export": ["report"]}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "job.json"
            path.write_text(json.dumps(job))
            id = self.json("submit", str(path), "--wait", "--json")["job"]
            with urllib.request.urlopen(f"{self.url}/v1/jobs/{id}/artifacts/report.html") as reply:
                self.assertRegex(reply.read().decode(), rf"Job {id}, started <time>20\d\d-\d\d-\d\dT[\d:.]+Z</time>, engine ")
            self.assertEqual(self.quantbench("run", str(path), "--out", folder)[0], 0)
            self.assertRegex((pathlib.Path(folder) / "report.html").read_text(), r"<p>Started <time>20\d\d-\d\d-\d\dT[\d:]+Z</time>, engine ")

    def test_submit__same_job_again__is_answered_from_the_results(self):
        first = self.json("submit", str(DEMO / "sweep.json"), *QUICK)
        self.json("watch", first["id"], "--json")
        again = self.json("submit", str(DEMO / "sweep.json"), *QUICK)
        self.assertEqual(again["id"], first["id"])
        self.assertTrue(again["cached"])
        fresh = self.json("submit", str(DEMO / "sweep.json"), "--fresh", *QUICK)
        self.assertNotEqual(fresh["id"], first["id"])
        self.quantbench("cancel", fresh["id"])
        code, out, _ = self.quantbench("compare", first["id"])
        self.assertEqual(code, 0)
        self.assertIn("digits.onnx", out)
        code, out, _ = self.quantbench("show", first["id"], "--csv")
        self.assertEqual(len(out.splitlines()), 1 + 1 + 4 if "float" in out else 1 + 4, out)

    def test_models_add__no_model__says_what_is_wrong(self):
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(b"this is no network")
            file.flush()
            code, _, err = self.quantbench("models", "add", file.name)
        self.assertEqual(code, 4)
        self.assertIn("no job can use it", err)

    def test_formats__list_and_one__describe_themselves(self):
        names = [f["name"] for f in self.json("formats", "--json")["formats"]]
        self.assertIn("int8", names)
        code, out, _ = self.quantbench("formats", "E4")
        self.assertEqual(code, 0)
        self.assertIn("bits", out)

    def test_help__kind_of_job__tells_its_fields_here_and_of_the_server(self):
        code, out, _ = self.quantbench("help", "hwcost")
        self.assertEqual(code, 0)
        self.assertIn("  terms: integer from 1 to 16777216; default 1024\n", out)
        self.assertIn("  units: list of 1 to 256 entries, each object; required\n", out)
        self.assertEqual(self.quantbench("help", "hwcost", "--server", self.url)[1], out)
        code, out, _ = self.quantbench("help", "ptq")
        for line in ("  latency.min_queries: integer from 1 to 10000000; default 662\n",
                     "  schemes[].methods[](gptq).block: integer from 1 to 65536; default 128\n",
                     "  schemes[].layers.NAME.weights: text, or null, or object\n"):
            self.assertIn(line, out)
        code, _, err = self.quantbench("help", "zork")
        self.assertEqual(code, 2)
        self.assertIn("the kinds are ptq", err)

    def test_submit__wrong_scheme__is_refused_with_its_field(self):
        code, _, err = self.quantbench("submit", str(DEMO / "sweep.json"), "--set", "calibration.samples=\"many\"")
        self.assertEqual(code, 4)
        self.assertIn("calibration.samples", err)


if __name__ == "__main__":
    missing = [p for p in ("quantbenchd", "quantbench-worker") if not (BUILD / p).exists()]
    if missing:
        print("SKIP: lacks worker: not built:", *missing)
        sys.exit(77)
    unittest.main()
