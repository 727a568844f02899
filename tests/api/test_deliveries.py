#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is told of jobs that ended: webhooks and mail."""
import hashlib
import hmac
import json
import os
import tempfile
import time
import unittest

from daemon import Daemon, said
from hook import Hook
from test_workers import until, write_program

SECRET = "a secret of the lab"


class Deliveries(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        with open(self.path("secret"), "w", encoding="ascii") as f:
            f.write(SECRET + "\n")

    def tearDown(self):
        self.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def start(self, *options):
        d = Daemon(self.folder.name, "--webhook-secret", self.path("secret"), "--retry-seconds", "1", *options).ready()
        self.addCleanup(d.stop)
        return d

    def test_webhook__of_each_end__is_signed(self):
        hook = Hook(200)
        self.addCleanup(hook.stop)
        d = self.start("--webhook", hook.url)
        good, bad = d.fake(), d.fake(["fail", "no \"network\""])
        until(lambda: len(hook.heard) == 2)
        said_of = {json.loads(b)["job"]: (h, json.loads(b), b) for h, b in hook.heard}
        headers, event, body = said_of[good]
        self.assertEqual(headers["X-Quantbench-Signature"], "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest())
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual((event["event"], event["state"], event["type"], event["target"], event["submitter"], event["error"]),
                         ("job_ended", "succeeded", "fake", "local", "local", None))
        self.assertEqual(event["finished"], d.call("GET", "/v1/jobs/" + good)["finished"])
        self.assertEqual(said_of[bad][1]["error"], {"code": "bad_model", "detail": "no \"network\""})
        self.assertEqual(d.stop(), 0)

    def test_webhook__that_fails__is_told_again(self):
        hook = Hook(500, 404, 204)
        self.addCleanup(hook.stop)
        d = self.start("--webhook", hook.url)
        d.fake()
        until(lambda: len(hook.heard) == 3)
        self.assertEqual(len({h["X-Quantbench-Delivery"] for h, _ in hook.heard}), 1)
        said(d, "it answers 500")
        time.sleep(1)
        self.assertEqual(len(hook.heard), 3)
        self.assertEqual(d.stop(), 0)

    def test_webhook__nobody_there__outlives_the_server(self):
        hook = Hook(200)
        hook.stop()
        d = self.start("--webhook", hook.url)
        job = d.fake()
        said(d, "tried again later")
        self.assertEqual(d.call("GET", "/v1/jobs/" + job)["state"], "succeeded")
        d.process.kill()
        d.stop()
        hook = Hook(200, port=hook.port)
        self.addCleanup(hook.stop)
        d = self.start("--webhook", hook.url)
        until(lambda: hook.heard)
        self.assertEqual(json.loads(hook.heard[0][1])["job"], job)
        self.assertEqual(d.stop(), 0)

    def test_webhook__that_is_slow__holds_up_nothing(self):
        hook = Hook(None)
        self.addCleanup(hook.stop)
        d = self.start("--webhook", hook.url)
        d.fake()
        until(lambda: hook.heard)
        begun = time.monotonic()
        d.wait(d.fake())
        self.assertLess(time.monotonic() - begun, 2.5)
        self.assertEqual(d.stop(), 0)

    def test_mail__of_each_end__goes_through_sendmail(self):
        sendmail = write_program(self.path("sendmail"), '#!/bin/sh\n[ -e %s ] || { touch %s; exit 75; }\necho "$@" >> %s\ncat >> %s\n' % (
            self.path("once"), self.path("once"), self.path("words"), self.path("mail")))
        d = self.start("--mail", "lab@example.org", "--sendmail", sendmail, "--public", "http://bench.example", "--tokens", "none")
        d.call("POST", "/v1/jobs", {"type": "fake", "do": [["fail", "no network"]]}, expect=201)
        until(lambda: os.path.exists(self.path("mail")) and os.path.getsize(self.path("mail")))
        with open(self.path("mail"), encoding="utf-8") as f:
            text = f.read()
        self.assertIn("To: lab@example.org\nSubject: quantbench: j1 failed\n", text)
        self.assertIn("no network\n\nhttp://bench.example/#/jobs/j1\n", text)
        with open(self.path("words"), encoding="ascii") as f:
            self.assertEqual(f.read(), "-t -i\n")
        self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
