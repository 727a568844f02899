#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Connections to quantbenchd: many that do nothing, slow ones, and those that come through a proxy."""
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from daemon import Case, DAEMON, Daemon

IDLE = 1100


def closed(sockets):
    """How many of them the server has closed."""
    n = 0
    for s in sockets:
        s.setblocking(False)
        try:
            while chunk := s.recv(65536):
                del chunk
            n += 1
        except BlockingIOError:
            pass
        except ConnectionResetError:
            n += 1
    return n


class Many(Case):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 2 * IDLE:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * IDLE, hard), hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        super().setUp()

    def connect(self, n):
        sockets = [socket.create_connection(("127.0.0.1", self.d.port)) for _ in range(n)]
        self.addCleanup(lambda: [s.close() for s in sockets])
        return sockets

    def get_seconds(self):
        begin = time.monotonic()
        self.d.call("GET", "/v1/jobs", expect=200)
        return time.monotonic() - begin

    def metric(self, name):
        text = self.d.call("GET", "/metrics", expect=200).decode()
        return float(re.search(r"^quantbench_%s (\S+)$" % re.escape(name), text, re.M).group(1))


class Descriptors(Many):
    def test_connections__1100_idle__stay_and_others_are_served(self):
        idle = self.connect(IDLE)
        self.assertLess(max(self.get_seconds() for _ in range(20)), 2)
        self.assertEqual(closed(idle), 0)
        self.assertGreaterEqual(self.metric("http_connections"), IDLE)


class FewDescriptors(Many):
    wrapper = ("prlimit", "--nofile=1024:1024")

    def test_connections__more_than_descriptors__longest_idle_make_room(self):
        idle = self.connect(IDLE)
        self.assertLess(max(self.get_seconds() for _ in range(20)), 2)
        limit = self.metric("http_connections_limit")
        self.assertLess(limit, 512)
        self.assertIn("the limit of descriptors is 1024", "".join(self.d.lines))
        self.assertEqual(closed(idle[:200]), 200)  # the first ones go
        self.assertGreaterEqual(closed(idle), IDLE - limit - 1)
        self.assertGreaterEqual(self.metric('http_connections_closed_total{reason="made_room"}'), 200)
        job = self.d.fake()  # a worker, its pipes and the database have descriptors
        self.assertEqual(self.d.wait(job)["state"], "succeeded")


class OneAddress(Many):
    options = ("--listen", "0.0.0.0:0", "--connections-per-address", "20")

    def setUp(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            self.address = None
            try:
                s.connect(("192.0.2.1", 9))  # sends nothing
                self.address = s.getsockname()[0]
            except OSError:
                pass  # this machine has loopback alone
            done = subprocess.run([DAEMON, "token", "create", "alice", "--role", "read", "--state", folder + "/state"],
                                  capture_output=True, text=True, check=True, timeout=60)
            self.secret = done.stdout.strip()
            self.folder = tempfile.TemporaryDirectory()
            shutil.copytree(folder + "/state", self.folder.name + "/state")
        self.d = Daemon(self.folder.name, *self.options).ready()

    def test_connections__of_one_address__leave_others_theirs(self):
        if not self.address or self.address.startswith("127."):
            return
        many = [socket.create_connection((self.address, self.d.port)) for _ in range(60)]
        self.addCleanup(lambda: [s.close() for s in many])
        busy = self.connect(30)  # of loopback, which is not counted so
        self.get_seconds()
        self.assertGreaterEqual(closed(many), 35)
        self.assertEqual(closed(busy), 0)
        with socket.create_connection((self.address, self.d.port)) as s:
            s.sendall(b"GET /v1/jobs HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n" % (self.address.encode(), self.secret.encode()))
            self.assertIn(b" 200 ", s.recv(4096).split(b"\r\n")[0])


class Slow(Many):
    options = ("--header-seconds", "2", "--body-seconds", "2", "--idle-seconds", "4")

    def drip(self, first, byte=b"x", n=50, seconds=6):
        """Seconds until all of n clients that send a byte now and then have been closed."""
        sockets = self.connect(n)
        for s in sockets:
            s.sendall(first)
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if closed(sockets) == n:
                return time.monotonic() - begin
            for s in sockets:
                try:
                    s.send(byte)
                except OSError:
                    pass
            time.sleep(0.2)
        raise AssertionError("%d of %d are still open after %d s" % (n - closed(sockets), n, seconds))

    def test_slow__50_that_drip_headers__are_closed_in_time(self):
        self.assertGreater(self.drip(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "), 1)
        self.assertEqual(self.metric('http_connections_closed_total{reason="slow_headers"}'), 50)

    def test_slow__50_that_drip_a_body__are_closed_in_time(self):
        for path in ("jobs", "models"):
            self.assertGreater(self.drip(b"POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" % path.encode()), 1)
        self.assertEqual(self.metric('http_connections_closed_total{reason="slow_body"}'), 100)
        self.assertEqual(self.d.call("GET", "/v1/models", expect=200)["total"], 0)

    def test_slow__that_keep_a_rate__are_not_closed(self):
        s, = self.connect(1)
        body = b"a network" * 12000
        s.sendall(b"POST /v1/models?name=n.onnx HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
        for i in range(6):  # 18 kB every 0.7 s
            s.sendall(body[i * 18000:(i + 1) * 18000])
            time.sleep(0.7)
        self.assertIn(b" 201 ", s.recv(4096).split(b"\r\n")[0])

    def test_slow__idle_for_long__is_closed_and_one_at_work_is_not(self):
        idle = self.connect(5)
        job = self.d.fake(["sleep", 6])
        begin = time.monotonic()
        self.assertEqual(self.d.events(job)[-1][1]["state"], "succeeded")  # one answer of six seconds
        self.assertGreater(time.monotonic() - begin, 5)
        self.assertEqual(closed(idle), 5)


class Proxied(Case):
    options = ("--public", "https://bench.example", "--tokens", "none")

    def status(self, host, **headers):
        c = socket.create_connection(("127.0.0.1", self.d.port))
        head = "POST /v1/jobs HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\n" % host
        head += "".join("%s: %s\r\n" % (k.replace("_", "-"), v) for k, v in headers.items())
        c.sendall((head + "\r\n{}").encode())
        status = int(c.recv(4096).split()[1])
        c.close()
        return status

    def test_public__post_of_its_pages__is_served_whatever_the_proxy_calls_us(self):
        for host in ("bench.example", "BENCH.example:443", "127.0.0.1:8080", "localhost"):
            self.assertEqual(self.status(host, Origin="https://bench.example", Sec_Fetch_Site="same-origin"), 422, host)

    def test_public__post_of_other_pages__is_refused(self):
        for origin in ("http://bench.example", "https://bench.example:8443", "https://evil.example", "https://bench.example.evil.example", "null"):
            for host in ("bench.example", "127.0.0.1:8080"):
                self.assertEqual(self.status(host, Origin=origin), 403, origin)
        self.assertEqual(self.status("other.example", Origin="https://bench.example"), 403)
        self.assertEqual(self.status("bench.example", Sec_Fetch_Site="cross-site"), 403)


if __name__ == "__main__":
    unittest.main(verbosity=1)
