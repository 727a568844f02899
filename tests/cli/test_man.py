#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages say what the programs say: every command and option, and every field of every kind of job."""
import os
import re
import shutil
import subprocess
import sys
import unittest

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("top_builddir", os.path.join(TOP, "build"))
sys.path.insert(0, os.path.join(TOP, "cli"))
import make_jobs_man  # noqa: E402

PAGES = ("cli/quantbench.1", "cli/quantbench-jobs.5", "daemon/quantbench.conf.5", "daemon/quantbenchd.8", "worker/quantbench-worker.8")


def program(name):
    return os.path.join(os.path.abspath(BUILD), name)


def page(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def plain(text):
    """Without the marks of roff."""
    return re.sub(r'\\f[RIBP]|\\&|"', "", text).replace("\\-", "-")


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


class Man(unittest.TestCase):
    maxDiff = None

    def test_jobs__every_field__is_as_help_tells_it(self):
        self.assertEqual(make_jobs_man.made(program("quantbench"), program("quantbench-worker")), page("cli/quantbench-jobs.5"),
                         "run cli/make_jobs_man.py build/quantbench build/quantbench-worker cli/quantbench-jobs.5")

    def test_options__each_that_help_tells__is_in_the_page(self):
        for name, where in (("quantbench-worker", ["worker/quantbench-worker.8"]), ("quantbenchd", ["daemon/quantbenchd.8", "daemon/quantbench.conf.5"])):
            text, options = plain("".join(map(page, where))), set(re.findall(r"^ *\*? *--([a-z-]+)", told(program(name), "--help"), re.M))
            self.assertGreater(len(options), 8)
            for option in options - {"help", "version", "config"}:
                self.assertRegex(text, r"(?m)^\.(BI?R?|B|TP) *(--)?%s\b" % option)

    def test_commands__each_of_the_client__is_in_the_page(self):
        text, commands = plain(page("cli/quantbench.1")), re.findall(r"^  ([a-z]+)  ", told(program("quantbench"), "--help"), re.M)
        self.assertGreater(len(commands), 10)
        for command in commands:
            self.assertRegex(text, r"(?m)^\.B[IR]? %s\b" % command)

    @unittest.skipUnless(shutil.which("groff"), "SKIP: lacks groff: no program that sets manual pages; install groff-base")
    def test_pages__set_by_groff__have_no_mistakes(self):
        for name in PAGES:
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", os.path.join(TOP, name)], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


if __name__ == "__main__":
    unittest.main(verbosity=1)
