#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which requests quantbenchd serves: those whose end and addressee are certain, and that no page of another site makes."""
import json
import socket
import unittest

from daemon import Case


class Raw(Case):
    def exchange(self, head, body=b""):
        """Status of every answer on one connection, and whether the server closed it."""
        with socket.create_connection(("127.0.0.1", self.d.port), timeout=10) as s:
            s.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)
            s.settimeout(0.5)
            data, closed = b"", False
            try:
                while chunk := s.recv(65536):
                    data += chunk
                closed = True
            except socket.timeout:
                pass
        return [int(line.split()[1]) for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")], closed, data

    def refused(self, status, head, body=b""):
        got, closed, data = self.exchange(head, body)
        self.assertEqual(got, [status], (head, data))
        if status == 400:
            self.assertTrue(closed, head)
            self.assertGreater(len(json.loads(data.split(b"\r\n\r\n", 1)[1])["detail"]), 15)

    def test_request__end_in_doubt__is_refused_and_the_connection_closed(self):
        inner = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for line in ("Content-Length: 2\nContent-Length: 2", "Content-Length: 2\nContent-Length: 45",
                     "Content-Length: 2\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\nContent-Length: 2",
                     "Transfer-Encoding: chunked\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
                     "Transfer-Encoding: identity", "Transfer-Encoding: xchunked", "Content-Length : 2", "Content-Length\t: 2",
                     "Transfer-Encoding : chunked", "Content-Length: 2\ncontent-length: 2", "Bad Name: x", "Na(me: x", "X: a\n Transfer-Encoding: chunked",
                     "X: a\x01b", "X: a\x7fb"):
            for method in ("GET", "POST"):
                self.refused(400, "%s /v1/jobs HTTP/1.1\nHost: localhost\n%s\n" % (method, line), inner)

    def test_request__without_one_host__is_refused(self):
        for line in ("X: y", "Host:", "Host: ", "Host: localhost\nHost: localhost", "Host: localhost\nhost: evil.example",
                     "Host : localhost", "Host: localhost, evil.example", "Host: [::1].evil.example", "Host: [::1",
                     "Host: localhost:x", "Host: localhost:99999", "Host: http://localhost"):
            for method in ("GET", "POST"):
                self.refused(400, "%s /healthz HTTP/1.1\n%s\n" % (method, line))
        self.refused(400, "GET /healthz HTTP/1.0\n")

    def test_request__for_another_host__is_refused(self):
        for host in ("evil.example", "127.0.0.1.evil.example", "127.evil.example", "localhost.evil.example", "0.0.0.0", "[::2]"):
            self.refused(403, "GET /healthz HTTP/1.1\nHost: %s\n" % host)

    def test_request__for_this_machine__is_served(self):
        for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "127.0.0.2:80", "[::1]:8080", "[::1]"):
            self.assertEqual(self.exchange("GET /healthz HTTP/1.1\nHost: %s\n" % host)[:2], ([200], False), host)
        self.assertEqual(self.exchange("POST /v1/jobs HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n",
                                       b"2\r\n{}\r\n0\r\n\r\n")[0], [422])

    def test_request__of_another_page__is_refused(self):
        post = "POST /v1/jobs HTTP/1.1\nHost: localhost:8080\nContent-Length: 2\n"
        get = "GET /v1/jobs HTTP/1.1\nHost: localhost:8080\n"
        for line in ("Origin: http://evil.example", "Origin: https://localhost:8080", "Origin: http://localhost:8081",
                     "Origin: null", "Origin: http://localhost:8080.evil.example", "Sec-Fetch-Site: cross-site",
                     "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: Cross-Site\nSec-Fetch-Mode: no-cors"):
            self.refused(403, post + line + "\n", b"{}")
            self.refused(403, get + line + "\n")
        self.refused(403, post + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\n", b"{}")

    def test_request__of_our_page_or_by_a_link__is_served(self):
        post = "POST /v1/jobs HTTP/1.1\nHost: localhost:8080\nContent-Length: 2\n"
        for line in ("Origin: http://localhost:8080", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"):
            self.assertEqual(self.exchange(post + line + "\n", b"{}")[0], [422], line)
        self.assertEqual(self.exchange("GET /v1/jobs HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site\n"
                                       "Sec-Fetch-Mode: navigate\n")[0], [200])


if __name__ == "__main__":
    unittest.main(verbosity=1)
