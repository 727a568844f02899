#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command of README.md, word for word, with the demo's files: those of its blocks run one after the other as a reader
types them, the server first. They name the port 8080, so they run in a network of their own where that is allowed."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("top_srcdir", BUILD / "..")).resolve()
README = (SOURCE / "README.md").read_text(encoding="utf-8")
PORT = 8080
# Commands that cannot run inside `make check`, and the file that runs them.
ELSEWHERE = {"./setup demo": "tests/bare-debian", "./setup check": ".ci/run", "./setup build": "setup", "make -C build install": "Makefile.am"}
PROGRAMS = re.compile(r"^(\./setup|make|quantbench|quantbenchd|build/|curl|pip|env/|python3|export|cd) ?")


def blocks():
    """The text of each block of code."""
    for block in re.findall(r"(?:^    .*\n)+", README, re.M):
        yield re.sub(r"^    ", "", block, flags=re.M).rstrip("\n")


def commands():
    for block in blocks():
        for command in re.findall(r"(?:.*\\\n)*.*", block):
            if command.strip():
                yield command


def bare(command):
    """Without its comment."""
    return re.sub(r"\s+#.*$", "", command, flags=re.M).strip()


def expected_status(command):
    told = re.search(r"#.*exit status (\d+)", command)
    return int(told.group(1)) if told else 0


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up and running


def own_network():
    """Runs this test again in a network of its own, where nobody has the port; without the right to one, here."""
    if os.environ.get("QB_README_NETWORK") or not shutil.which("unshare"):
        return
    me = ["unshare", "--user", "--map-root-user", "--net"] if os.geteuid() else ["unshare", "--net"]
    if subprocess.run(me + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["QB_README_NETWORK"] = "own"
        os.execvp(me[0], me + [sys.executable, *sys.argv])


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.environ.get("QB_README_NETWORK"):
            raise_loopback()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", PORT))
            except OSError:
                raise unittest.SkipTest("lacks port: somebody has port %d, and this test may have no network of its own" % PORT)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.clone = pathlib.Path(folder.name)
        (cls.clone / "demo").symlink_to(SOURCE / "demo")
        (cls.clone / "build").symlink_to(BUILD)
        cls.server = None
        cls.exports = []
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        if cls.server:
            cls.server.send_signal(signal.SIGINT)
            cls.server.wait(30)

    def start(self, command):
        """The server: what a reader leaves in a terminal, until Ctrl-C."""
        type(self).server = subprocess.Popen(command.split(), cwd=self.clone)
        for _ in range(300):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/readyz" % PORT, timeout=5).close()
                return
            except OSError:
                self.assertIsNone(self.server.poll(), "the server ended")
                time.sleep(0.1)
        self.fail("the server did not answer")

    def shell(self, command):
        return subprocess.run(["bash", "-c", "\n".join([*self.exports, command])], cwd=self.clone, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=1800, env={**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"})

    def test_blocks__typed_one_after_the_other__do_what_the_text_says(self):
        said = {}
        for command in commands():
            if bare(command) in ELSEWHERE:
                continue
            if bare(command).startswith("build/quantbenchd"):
                self.start(bare(command))
                continue
            if bare(command).startswith("export "):
                self.exports.append(bare(command))
                continue
            with self.subTest(command=bare(command)[:70]):
                if "pip install" in command and not list((BUILD / "python").glob("*.whl")):
                    self.skipTest("lacks python311: no wheel was built here")
                done = self.shell(command)
                self.assertEqual(done.returncode, expected_status(command), "%s\n%s\n%s" % (command, done.stdout[-2000:], done.stderr[-2000:]))
                said[bare(command)] = done.stdout
        self.assertIsNotNone(self.server, "README.md starts no server")
        self.check_outputs(said)

    def check_outputs(self, said):
        def of(words):
            return next(text for command, text in said.items() if all(w in command for w in words))
        self.assertIn("int4", of(["quantbench submit"]))
        self.assertIn("digits.onnx", of(["quantbench list"]))
        self.assertRegex(of(["quantbench show", "--csv"]), r"(?m)^.*E5")
        result = json.loads((self.clone / "result.json").read_text())
        self.assertEqual([s["scheme"] for s in result["schemes"]], json.loads((SOURCE / "demo/sweep.json").read_text())["schemes"])
        self.assertIn("| int4", (self.clone / "summary.md").read_text())
        self.assertEqual(json.loads(of(["/v1/models?name"]))["id"], "m1")
        self.assertEqual(json.loads(of(["/v1/datasets?name"]))["id"], "d1")
        self.assertEqual(json.loads(of(["-d '"]))["id"], "j2")
        self.assertIn("event: state", of(["curl -N"]))
        self.assertEqual([s["scheme"] for s in json.loads(of(["curl http", "/results"]))["schemes"]], ["int8", "E4"])
        if any("env/bin/python " in c for c in said):
            self.assertIn("'metric': 96.58", of(["env/bin/python "]))

    def test_images__of_the_text__are_pictures_of_at_most_512_kib(self):
        files = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
        self.assertGreaterEqual(len(files), 2)
        for file in files:
            data = (SOURCE / file).read_bytes()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n", file)
            self.assertLessEqual(len(data), 512 * 1024, file)

    def test_commands__that_run_elsewhere__are_those_that_the_files_named_have(self):
        for command, file in ELSEWHERE.items():
            words = command.split()
            self.assertIn(words[-1], (SOURCE / file).read_text(encoding="utf-8"), "%s does not run %s" % (file, command))

    def test_commands__within_the_text__are_run_too(self):
        for span in re.findall(r"(?<!`)`([^`\n]+)`", README):
            if not PROGRAMS.match(span + " ") or " " not in span or span in ELSEWHERE:
                continue
            command = span.replace("TYPE", "ptq")
            with self.subTest(command=command):
                done = self.shell('PATH="%s:$PATH"\n%s' % (BUILD, command))
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    own_network()
    unittest.main()
