#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is no job and no question, on a worker's standard input: every line gets a sentence, and none ends a worker by a
signal."""
import json
import os
import random
import subprocess
import unittest

import worker

WORKER = os.path.join(worker.BUILD, "quantbench-worker")
NO_JSON = [b"", b"{", b"{\"type\": \"sqnr\"", b"\0", b"{\"type\": \"\0\"}", b"\xff\xfe", b"[" * 100000, b"{\"a\":" * 5000,
           b"{\"type\": \"sqnr\", \"type\": \"sqnr\"}", b"1e999", b"nonsense", b"\"" + b"x" * (8 << 20)]
NO_JOB = [b"[1]", b"{}", b"[]", b"{\"type\": 3}", b"{\"type\": null}", b"{\"type\": \"\"}", b"{\"type\": \"inspect\"}",
          b"{\"type\": \"ptq\", \"model\": []}", b"{\"type\": \"ptq\", \"workdir\": {}}"]
JOB = json.dumps({"type": "sqnr", "formats": ["int8", "E4"], "samples": 0, "seed": 1,
                  "distributions": [{"name": "gaussian", "clip": 3}, {"name": "student_t", "nu": 4, "clip": 5}]}).encode()


def run(text, *options):
    done = subprocess.run([WORKER, *options], input=text, capture_output=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


class Input(unittest.TestCase):
    def failed(self, text):
        status, events = run(text)
        self.assertEqual((status, events[-1]["event"]), (1, "error"), text[:80])
        self.assertGreater(len(events[-1]["detail"]), 10, text[:80])
        return events[-1]

    def test_job__no_json__is_told(self):
        for line in NO_JSON:
            self.failed(line + b"\n" if line else line)

    def test_job__other_json__is_told(self):
        for line in NO_JOB:
            self.failed(line + b"\n")

    def test_job__without_a_newline__runs(self):
        self.assertEqual(run(JOB)[0], 0)

    def test_job__damaged__runs_or_is_told(self):
        draw, refused = random.Random(3), 0
        for _ in range(60):
            line = bytearray(JOB)
            for _ in range(draw.randrange(1, 4)):
                line[draw.randrange(len(line))] = draw.choice(b"0123456789\"{}[],:-eE.\\x\x80")
            status, events = run(bytes(line) + b"\n")
            self.assertIn((status, events[-1]["event"]), [(0, "result"), (1, "error")], line)
            refused += status
        self.assertGreater(refused, 30)

    def test_serve__lines_that_are_no_question__are_told_and_the_next_is_answered(self):
        good = b'{"ask": "format", "name": "int8"}'
        lines = [line for bad in NO_JSON[1:] + NO_JOB for line in (bad, good)]
        status, events = run(b"\n".join(lines) + b"\n", "--serve")
        self.assertEqual((status, len(events)), (0, len(lines)))
        for bad, answer in zip(events[::2], events[1::2]):
            self.assertEqual((bad["event"], answer["answer"]["name"]), ("error", "int8"))


if __name__ == "__main__":
    unittest.main()
