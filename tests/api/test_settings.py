#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbenchd's settings: files, SIGHUP, check-config; and where it listens: unix sockets, TLS, systemd's sockets."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings

from daemon import BUILD, Case, DAEMON, Daemon, FAKE, TOP, said


def command(*words):
    done = subprocess.run([DAEMON, *words], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


class Reload(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "quantbench.conf")

    def start(self, text, *options):
        self.write(text)
        d = Daemon(self.folder.name, "--config", self.file, *options).ready()
        self.addCleanup(d.stop)
        return d

    def write(self, text):
        with open(self.file, "w", encoding="ascii") as f:
            f.write(text)

    def hang_up(self, d, text):
        d.lines.clear()
        d.process.send_signal(signal.SIGHUP)
        said(d, text)

    def test_hangup__live_settings__are_taken_and_jobs_go_on(self):
        d = self.start("jobs = 1\nmax-upload = 1K\nworker-threads = 3\n")
        first, second = d.fake(["sleep", 3]), d.fake(["sleep", 3])
        d.wait(first, "running")
        d.call("POST", "/v1/models?name=x", b"x" * 2000, expect=413)
        self.write("jobs = 2\nmax-upload = 1M\nworker-threads = 3\n")
        self.hang_up(d, "read again")
        self.assertIn("jobs has changed", "".join(d.lines))
        self.assertNotIn("worker-threads", "".join(d.lines))
        d.wait(second, "running")
        self.assertEqual(d.call("GET", "/v1/jobs/" + first, expect=200)["state"], "running")
        d.call("POST", "/v1/models?name=x", b"x" * 2000, expect=201)
        limits = d.call("GET", "/v1/system", expect=200)
        self.assertEqual((limits["limits"]["upload_bytes"], limits["queue"]["slots"]), (1 << 20, 2))
        for job in (first, second):
            self.assertEqual(d.wait(job)["state"], "succeeded")

    def test_hangup__others__are_told_to_wait_for_a_start(self):
        d = self.start("http-threads = 2\n")
        self.write("http-threads = 3\npublic = https://bench.example\n")
        self.hang_up(d, "read again")
        for key in ("http-threads", "public"):
            self.assertIn("%s is another now; it is taken when the server starts again" % key, "".join(d.lines))
        d.call("GET", "/v1/jobs", expect=200)  # and not 401, as with public

    def test_hangup__file_with_a_mistake__changes_nothing(self):
        d = self.start("max-upload = 1K\n")
        self.write("max-upload = 1M\njobs = many\ncolour = red\n")
        self.hang_up(d, "what is wrong stays as it was")
        self.assertIn("line 2: jobs is \"many\"", "".join(d.lines))
        self.assertIn("line 3: \"colour\" is no setting", "".join(d.lines))
        d.call("POST", "/v1/models?name=x", b"x" * 2000, expect=413)

    def test_hangup__command_line__stays_before_the_file(self):
        d = self.start("max-upload = 1K\n", "--max-upload", "2K")
        self.write("max-upload = 1M\n")
        self.hang_up(d, "read again")
        d.call("POST", "/v1/models?name=x", b"x" * 3000, expect=413)


class Check(unittest.TestCase):
    def check(self, text, *options):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "q.conf")
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            return command("check-config", "--config", path, "--worker", FAKE, *options)

    def test_check__sound_settings__are_told_as_they_are_understood(self):
        code, out, err = self.check("worker-memory = 16G\n  # a comment\n\njobs=2\n", "--state", "/nowhere/yet", "--jobs", "3")
        self.assertEqual(code, 0, err)
        self.assertIn("worker-memory = 17179869184\n", out)
        self.assertIn("jobs = 3\n", out)
        self.assertIn("a server would start", out)

    def test_check__each_mistake__is_named(self):
        for text, want in (("jobs = many\n", "line 1: jobs is"), ("jobs\n", "is no setting"), ("listen = here\n", "listen is"),
                           ("public = bench.example\n", "public is"), ("tokens = some\n", "tokens is"),
                           ("listen = none\n", "nobody could reach"), ("tls-cert = x.pem\n", "TLS needs both"),
                           ("tls-cert = /x.pem\ntls-key = /x.pem\n", "TLS: /x.pem"), ("launcher = no-such-program -n1\n", "launcher"),
                           ("state = /dev/null\n", "is no folder"), ("worker = /dev/null\n", "worker")):
            code, _, err = self.check(text, *([] if "worker" not in text else ["--worker", "/dev/null"]))
            self.assertEqual(code, 1, text)
            self.assertIn(want, err, text)

    def test_manual__every_option__is_a_key_of_it(self):
        with open(os.path.join(TOP, "daemon/quantbench.conf.5"), encoding="utf-8") as f:
            manual = f.read().replace("\\-", "-").replace("\\(aq", "'")
        self.assertNotIn("....", manual)
        told = dict(re.findall(r'^\.BR (\S+) " = .*"\n(.*)\.$', manual, re.MULTILINE))
        out = subprocess.run([DAEMON, "--help"], capture_output=True, text=True, timeout=60).stdout
        options = dict(re.findall(r"^  --([a-z-]+) *[*]? ?(.*)$", out, re.MULTILINE))
        for other in ("config", "new-database", "version"):
            options.pop(other, None)
        self.assertGreater(len(options), 35)
        self.assertEqual(set(told), set(options))
        for key, text in told.items():
            self.assertTrue(options[key].startswith(text[0].lower() + text[1:]), (text, options[key]))

    def test_print__every_option__and_is_what_is_installed(self):
        code, out, _ = command("print-config")
        self.assertEqual(code, 0)
        for line in command("--help")[1].split("\n"):
            if line.startswith("  --") and line.split()[0] not in ("--config", "--new-database", "--version,"):
                self.assertIn("\n#%s =" % line.split()[0].strip("-*").rstrip("*"), out)
        with open(os.path.join(TOP, "systemd/quantbench.conf"), encoding="ascii") as f:
            self.assertEqual(f.read(), out, "write it anew: quantbenchd print-config")
        uncommented = "".join(line[1:] + "\n" for line in out.split("\n") if line.startswith("#") and " = " in line and line[1] != " ")
        self.assertEqual(self.check(uncommented, "--state", "/nowhere/yet")[0], 0)


class OverUnix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Sockets(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "s")

    def get(self, url="/v1/jobs"):
        c = OverUnix(self.path)
        c.request("GET", url)
        r = c.getresponse()
        body = r.read()
        c.close()
        return r.status, json.loads(body)

    def test_socket__beside_the_address__is_for_owner_and_group_and_goes_with_the_server(self):
        d = Daemon(self.folder.name, "--socket", self.path).ready()
        self.assertEqual(self.get()[0], 200)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o660)
        said(d, "and unix:" + self.path)
        self.assertEqual(d.stop(), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_socket__left_by_a_killed_server__is_taken_over_and_a_live_one_is_not(self):
        d = Daemon(self.folder.name, "--socket", self.path).ready()
        d.process.kill()
        d.stop()
        self.assertTrue(os.path.exists(self.path))
        d = Daemon(self.folder.name, "--socket", self.path).ready()
        with tempfile.TemporaryDirectory() as other:
            code, _, err = command("--listen", "127.0.0.1:0", "--state", other, "--socket", self.path)
        self.assertEqual(code, 1)
        self.assertIn("is another server there?", err)
        self.assertEqual(self.get("/healthz")[0], 200)
        self.assertEqual(d.stop(), 0)

    def test_socket__alone__serves_the_command_line(self):
        p = subprocess.Popen([DAEMON, "--listen", "none", "--socket", self.path, "--state", self.folder.name + "/state", "--worker", FAKE],
                             stderr=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if os.path.exists(self.path):
                    break
                time.sleep(0.05)
            client = os.path.join(BUILD, "quantbench")
            done = subprocess.run([client, "--server", "unix:" + self.path, "list", "--json"], capture_output=True, text=True, timeout=30)
            self.assertEqual(done.returncode, 0, done.stderr)
        finally:
            p.send_signal(signal.SIGTERM)
            self.assertEqual(p.wait(30), 0)

    def activated(self, address, *options):
        """A server that gets its sockets as from systemd-socket-activate(1), and that of TCP."""
        tcp, local = socket.socket(), socket.socket(socket.AF_UNIX)
        tcp.bind((address, 0))
        local.bind(self.path)
        for s in (tcp, local):
            s.listen()
            self.addCleanup(s.close)
        code = "import os,sys\nos.dup2(%d, 103); os.dup2(%d, 104); os.dup2(103, 3); os.dup2(104, 4)\n" \
            "os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[1], sys.argv[1:])\n" % (tcp.fileno(), local.fileno())
        return tcp, subprocess.Popen(["python3", "-c", code, DAEMON, "--state", self.folder.name + "/state", "--worker", FAKE, *options],
                                     pass_fds=(tcp.fileno(), local.fileno()), stderr=subprocess.DEVNULL)

    def test_sockets__that_systemd_opened_elsewhere__take_tokens_as_well(self):
        for options in ((), ("--tokens", "none")):
            _, p = self.activated("0.0.0.0", *options)
            self.assertEqual(p.wait(30), 1)
            os.unlink(self.path)

    def test_sockets__that_systemd_opened__are_used(self):
        tcp, p = self.activated("127.0.0.1")
        try:
            self.assertEqual(self.get("/healthz")[0], 200)
            c = http.client.HTTPConnection(*tcp.getsockname(), timeout=30)
            c.request("GET", "/healthz")
            self.assertEqual(c.getresponse().status, 200)
            c.close()
        finally:
            p.send_signal(signal.SIGTERM)
            self.assertEqual(p.wait(30), 0)
        self.assertTrue(os.path.exists(self.path))  # not ours to remove


@unittest.skipUnless(shutil.which("openssl"), "lacks openssl: it makes certificates")
class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cert, self.key = (os.path.join(self.folder.name, n) for n in ("cert.pem", "key.pem"))

    def make(self, days=30, algorithm="ec"):
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if algorithm == "ec" else ["-newkey", "rsa:2048"]
        subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-keyout", self.key, "-out", self.cert, "-days", str(days), "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL)

    def start(self):
        d = Daemon(self.folder.name, "--tls-cert", self.cert, "--tls-key", self.key)
        self.addCleanup(d.stop)
        for _ in range(200):
            if self.request(d, url="/readyz").status == 200:
                return d
            time.sleep(0.05)
        raise AssertionError("never ready: %s" % d.lines)

    def trusting(self):
        context = ssl.create_default_context(cafile=self.cert)
        return context

    def request(self, d, method="GET", url="/healthz", headers=None, context=None, body=None):
        c = http.client.HTTPSConnection("127.0.0.1", d.port, timeout=30, context=context or self.trusting())
        c.request(method, url, body, headers or {})
        r = c.getresponse()
        r.read()
        c.close()
        return r

    def test_tls__with_either_kind_of_key__serves_and_reads_a_new_certificate(self):
        self.make(algorithm="rsa")
        d = self.start()
        before = self.trusting()
        self.assertEqual(self.request(d).status, 200)
        kept = http.client.HTTPSConnection("127.0.0.1", d.port, timeout=30, context=before)
        kept.request("GET", "/healthz")
        kept.getresponse().read()
        self.make()
        d.process.send_signal(signal.SIGHUP)
        said(d, "read again")
        self.assertEqual(self.request(d).status, 200)  # trusts the new one alone
        with self.assertRaises(ssl.SSLError):
            self.request(d, context=before)
        kept.request("GET", "/healthz")  # a connection that was there goes on
        self.assertEqual(kept.getresponse().status, 200)
        kept.close()

    def test_tls__reload_of_a_bad_certificate__keeps_the_old_one(self):
        self.make()
        d = self.start()
        trusting = self.trusting()
        with open(self.cert, "w", encoding="ascii") as f:
            f.write("no certificate")
        d.process.send_signal(signal.SIGHUP)
        said(d, "what is wrong stays")
        said(d, "holds no certificate in PEM")
        self.assertEqual(self.request(d, context=trusting).status, 200)

    def test_tls__origin_and_cookies__are_those_of_https(self):
        self.make()
        d = self.start()
        own = "://127.0.0.1:%d" % d.port
        self.assertEqual(self.request(d, "POST", "/v1/jobs", {"Origin": "https" + own}, body="{}").status, 422)
        self.assertEqual(self.request(d, "POST", "/v1/jobs", {"Origin": "http" + own}, body="{}").status, 403)
        cookies = self.request(d, "POST", "/logout", {"Origin": "https" + own}).headers.get_all("Set-Cookie")
        self.assertTrue(all("; Secure" in c for c in cookies), cookies)

    def test_tls__old_versions_and_plain_http__are_refused(self):
        self.make()
        d = self.start()
        old = self.trusting()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is old
            old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError):
            self.request(d, context=old)
        with self.assertRaises((OSError, http.client.HTTPException)):
            c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=5)
            c.request("GET", "/healthz")
            c.getresponse()

    def test_tls__command_line__trusts_what_it_is_told_to(self):
        self.make()
        d = self.start()
        client = [os.path.join(BUILD, "quantbench"), "--server", "https://127.0.0.1:%d" % d.port, "list", "--json"]
        self.assertEqual(subprocess.run([*client, "--ca", self.cert], capture_output=True, timeout=30).returncode, 0)
        self.assertEqual(subprocess.run(client, capture_output=True, timeout=30).returncode, 3)

    def test_tls__expired_or_of_another_key__does_not_start(self):
        self.make()
        other = os.path.join(self.folder.name, "other.pem")
        os.rename(self.key, other)
        self.make()
        code, _, err = command("--listen", "127.0.0.1:0", "--state", self.folder.name + "/state", "--tls-cert", self.cert, "--tls-key", other)
        self.assertEqual(code, 1)
        self.assertIn("is not the key of the certificate", err)
        self.assertFalse(os.path.exists(self.folder.name + "/state"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
