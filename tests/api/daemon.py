# SPDX-License-Identifier: Apache-2.0
"""quantbenchd as a program on a free loopback port, and test cases with one: every answer is checked against
schema/openapi.yaml."""
import http.client
import json
import os
import re
import sys
import tempfile
import time
import unittest

try:
    import jsonschema
    import yaml
except ImportError as e:
    print("SKIP: lacks schemas: %s; install python3-yaml and python3-jsonschema" % e)
    sys.exit(77)

from process import Process

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("top_srcdir", os.path.join(HERE, "../.."))
BUILD = os.environ.get("top_builddir", os.path.join(TOP, "build"))
DAEMON = os.environ.get("QUANTBENCHD", os.path.join(BUILD, "quantbenchd"))
FAKE = os.path.join(HERE, "fake_worker.py")

with open(os.path.join(TOP, "schema/openapi.yaml"), encoding="utf-8") as f:
    API = yaml.safe_load(f)
VISITED = set()  # operations that were called: (method, path of openapi.yaml)


def path_of(url):
    """The path of openapi.yaml that a URL belongs to."""
    bare = url.split("?")[0]
    for known in sorted(API["paths"], key=lambda p: p.count("{")):
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(known)), bare):
            return known
    return None


def check_against_api(method, url, status, content_type, body):
    """The status and the body are what openapi.yaml says of the operation."""
    known = path_of(url)
    if known is None or method.lower() not in API["paths"][known]:
        assert status in (404, 405, 403), (method, url, status)
        schema = {"$ref": "#/components/schemas/Problem"}
    else:
        VISITED.add((method.lower(), known))
        if status in (403, 405):
            return
        response = API["paths"][known][method.lower()]["responses"].get(str(status))
        assert response is not None, "%s %s answered %d, which openapi.yaml does not know: %s" % (
            method, url, status, body[:300])
        if "$ref" in response:
            response = API["components"]["responses"][response["$ref"].split("/")[-1]]
        content = response.get("content", {})
        bare = (content_type or "").split(";")[0]
        if not content:
            assert body == b"", body
            return
        assert bare in content or "*/*" in content, (method, url, content_type)
        schema = content.get(bare, {}).get("schema")
    if schema and "json" in (content_type or ""):
        jsonschema.Draft202012Validator({**schema, "components": API["components"]}).validate(json.loads(body))


class Daemon(Process):
    """A daemon with a state folder of its own."""

    def __init__(self, state, *options, worker=FAKE, env=None, wrapper=()):
        self.state = state
        self.log = open(os.path.join(state, "log"), "ab")
        self.token = None  # sent along by call() and events()
        super().__init__(
            [*wrapper, DAEMON, "--listen", "127.0.0.1:0", "--state", os.path.join(state, "state"), *(["--worker", worker] if worker else []),
             "--heartbeat-ms", "200", *options], stdout=self.log, env={**os.environ, **(env or {})})

    def call(self, method, url, body=None, headers=None, expect=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, url, body, {**self.bearer(), **(headers or {})})
        r = c.getresponse()
        data = r.read()
        c.close()
        check_against_api(method, url, r.status, r.getheader("Content-Type"), data)
        if expect is not None:
            assert r.status == expect, (method, url, r.status, data[:500])
        self.headers = r.headers
        if r.getheader("Content-Type", "").startswith(("application/json", "application/problem")):
            return json.loads(data)
        return data

    def bearer(self):
        return {"Authorization": "Bearer " + self.token} if self.token else {}

    def events(self, job, last=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("GET", "/v1/jobs/%s/events" % job, headers={**self.bearer(), **({"Last-Event-ID": str(last)} if last else {})})
        r = c.getresponse()
        assert r.status == 200, r.read()
        VISITED.add(("get", "/v1/jobs/{id}/events"))
        text = r.read().decode()
        c.close()
        out = []
        for block in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if "data" in fields:
                data = json.loads(fields["data"])
                jsonschema.Draft202012Validator(
                    {"$ref": "#/components/schemas/Event", "components": API["components"]}).validate(data)
                assert fields["event"] == data["event"]
                out.append((int(fields["id"]), data))
        self.comments = text.count(": still here")
        return out

    def ready(self):
        for _ in range(200):
            if self.call("GET", "/readyz") == {"status": "ok"}:
                return self
            time.sleep(0.05)
        raise AssertionError("never ready: %s" % self.lines)

    patience = 30

    def wait(self, job, *states, seconds=None):
        end = time.monotonic() + (seconds or self.patience)
        while time.monotonic() < end:
            j = self.call("GET", "/v1/jobs/" + job, expect=200)
            if j["state"] in (states or ("succeeded", "failed", "cancelled")):
                return j
            time.sleep(0.03)
        raise AssertionError("%s is still %s: %s" % (job, j["state"], self.lines))

    def fake(self, *steps, **more):
        return self.call("POST", "/v1/jobs", {"type": "fake", "do": list(steps), "fresh": True, **more}, expect=201)["id"]

    def stop(self):
        code = super().stop()
        self.log.close()
        return code


class Stream:
    """GET /v1/events as it comes."""

    def __init__(self, d, after=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=20)
        self.connection.request("GET", "/v1/events", headers={"Last-Event-ID": str(after)} if after else {})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        VISITED.add(("get", "/v1/events"))

    def next(self):
        fields = {}
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if not line and "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id")
            if line and not line.startswith((":", "retry")):
                name, value = line.split(": ", 1)
                fields[name] = value

    def until(self, wanted):
        """What came up to the event that `wanted` takes."""
        seen = []
        while not seen or not wanted(*seen[-1][:2]):
            seen.append(self.next())
        return seen

    def close(self):
        self.connection.close()


def said(d, text, seconds=10):
    """Waits until the log has the text: what is read of it may come after the answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if text in "".join(d.lines):
            return
        time.sleep(0.05)
    raise AssertionError("never said %r: %s" % (text, d.lines))


class Case(unittest.TestCase):
    options = ()
    wrapper = ()  # words before the daemon

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.d = Daemon(self.folder.name, *self.options, wrapper=self.wrapper).ready()

    def tearDown(self):
        code = self.d.stop()
        self.folder.cleanup()
        self.assertEqual(code, 0, self.d.lines)

    def upload(self, content=b"a network", kind="models", name="net.onnx", expect=201):
        return self.d.call("POST", "/v1/%s?name=%s" % (kind, name), content, expect=expect)

    def inspected(self, upload, kind="models"):
        for _ in range(200):
            u = self.d.call("GET", "/v1/%s/%s" % (kind, upload["id"]), expect=200)
            if u["inspection"]["state"] != "pending":
                return u
            time.sleep(0.03)
        raise AssertionError("never inspected")

    def refused(self, status, method, url, body=None, headers=None):
        p = self.d.call(method, url, body, headers, expect=status)
        self.assertEqual(p["status"], status)
        self.assertGreater(len(p["detail"]), 15)
        return p
