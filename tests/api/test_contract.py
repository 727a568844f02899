#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The API holds what schema/openapi.yaml promises, by requests that schemathesis makes of it: what is valid is not refused, what is
not valid is, and every answer is one of those that are described. Links lead to what exists, so that every operation is reached."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from urllib.parse import urlsplit

from daemon import API, Daemon, HERE, TOP, path_of

PYTHON = os.environ.get("QB_PYTHON", "")
if not PYTHON or subprocess.run([PYTHON, "-c", "import schemathesis"], stderr=subprocess.DEVNULL, check=False).returncode:
    print("SKIP: lacks schemathesis: requests made of openapi.yaml")
    sys.exit(77)

# Some of what is valid alone is not beside something else, or not here and now: 400 and 422 say so.
SETTINGS = """
[[operations]]
include-name = "GET /v1/jobs"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 403]
[[operations]]
include-name-regex = "^(POST /v1/(jobs|grids|tokens|compute/.question.)|PATCH /v1/jobs/.id.)$"
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422, 429, "5xx"]
[[operations]]
include-name = "GET /v1/events"
request-timeout = 0.5
"""


class Contract(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.d = Daemon(self.folder.name, "--jobs", "2").ready()
        self.addCleanup(self.d.stop)
        with open(self.path("schemathesis.toml"), "w", encoding="ascii") as f:
            f.write(SETTINGS)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_requests__made_of_the_description__are_answered_as_described_and_reach_every_operation(self):
        done = subprocess.run(
            [PYTHON, "-m", "schemathesis.cli", "run", os.path.join(TOP, "schema/openapi.yaml"), "--url", "http://127.0.0.1:%d" % self.d.port,
             "--phases", "examples,coverage,stateful", "--seed", "1", "-n", "40", "--request-timeout", "30", "--suppress-health-check", "all",
             "--warnings", "off", "--no-color", "--report", "har", "--report-har-path", self.path("answers")],
            cwd=self.folder.name, env={**os.environ, "SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": HERE}, capture_output=True,
            text=True, timeout=1800, check=False)  # its own work takes 20 s of one processor
        self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])
        with open(self.path("answers"), encoding="utf-8") as f:
            entries = json.load(f)["log"]["entries"]
        reached = set()
        for e in entries:
            path, method = path_of(urlsplit(e["request"]["url"]).path), e["request"]["method"].lower()
            if path and method in API["paths"][path] and e["response"]["status"] not in (401, 404):
                reached.add(API["paths"][path][method]["operationId"])
        everything = {o["operationId"] for p in API["paths"].values() for method, o in p.items() if method != "parameters"}
        # Nobody has a token here, and no sequence of requests waits for the end of a job, which gives it artifacts.
        self.assertLessEqual(everything - reached, {"login", "getArtifact"})


if __name__ == "__main__":
    unittest.main()
