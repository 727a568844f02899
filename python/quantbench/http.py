# SPDX-License-Identifier: Apache-2.0
"""Requests to a server: over HTTP and HTTPS, or a unix socket (unix:PATH)."""
import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request

from . import errors

DEFAULT_URL = "http://127.0.0.1:8080"


class _UnixConnection(http.client.HTTPConnection):
    path = ""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _UnixHandler(urllib.request.HTTPHandler):
    def __init__(self, path):
        super().__init__()
        self.connection = type("UnixConnection", (_UnixConnection,), {"path": path})

    def http_open(self, req):
        return self.do_open(self.connection, req)


class Connection:
    """Where the server is, and what lets one in. Holds no socket: every request opens its own."""

    def __init__(self, url=None, token=None, ca=None, timeout=60):
        self.url = (url or os.environ.get("QUANTBENCH_URL") or DEFAULT_URL).rstrip("/")
        self.token = token or os.environ.get("QUANTBENCH_TOKEN") or None
        self.timeout = timeout
        self.base = self.url
        handlers = []
        if self.url.startswith("unix:"):
            # A proxy of the environment is not for a socket on this machine.
            handlers = [_UnixHandler(self.url[len("unix:"):]), urllib.request.ProxyHandler({})]
            self.base = "http://localhost"
        elif self.url.startswith("https:"):
            ca = ca or os.environ.get("QUANTBENCH_CA") or None
            handlers = [urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))]
        elif not self.url.startswith("http:"):
            raise ValueError(f"{self.url!r} is no server's address; write http://HOST:PORT, https://HOST or unix:PATH")
        self.opener = urllib.request.build_opener(*handlers)

    def open(self, method, path, body=None, headers=None):
        """The answer, a file to read; Error where it is a refusal or there is none. A body is bytes or a file with its
        Content-Length among the headers."""
        request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers or {})
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        try:
            return self.opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as answer:
            with answer:
                raise _refusal(answer) from None
        except (OSError, http.client.HTTPException) as why:
            reason = getattr(why, "reason", why)
            raise errors.Error(f"no server answers at {self.url}: {reason}; start quantbenchd, or name another server",
                               code="unreachable") from why

    def read(self, method, path, body=None, headers=None):
        with self.open(method, path, body, headers) as answer:
            try:
                return answer.read()
            except (OSError, http.client.HTTPException) as why:
                raise errors.Error(f"the answer of {self.url} broke off: {why}", code="unreachable") from why

    def call(self, method, path, content=None, query=None):
        """JSON in, JSON out; None for an empty answer. query: what is None is left out."""
        given = {k: v for k, v in (query or {}).items() if v is not None}
        body = headers = None
        if content is not None:
            body, headers = json.dumps(content).encode(), {"Content-Type": "application/json"}
        elif method == "POST":
            body = b""
        answer = self.read(method, path + ("?" + urllib.parse.urlencode(given) if given else ""), body, headers)
        try:
            return json.loads(answer) if answer else None
        except ValueError:
            raise errors.Error(f"what answers at {self.url} does not speak JSON; is it quantbenchd?", code="unreachable") from None

    def pages(self, path, member, query=None, limit=None):
        """The entries of a list, page after page; at most `limit` of them."""
        before, left = None, limit
        while left is None or left > 0:
            page = self.call("GET", path, query={**(query or {}), "before": before, "limit": min(left or 1000, 1000)})
            yield from page[member]
            before = page["next"]
            left = None if left is None else left - len(page[member])
            if before is None:
                return


def escape(text):
    """Text as one part of a path."""
    return urllib.parse.quote(str(text), safe="")


def _refusal(answer):
    body = answer.read()
    seconds = answer.headers.get("Retry-After", "")
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    return errors.of_problem(problem if isinstance(problem, dict) else {}, answer.code, int(seconds) if seconds.isdigit() else None)
