#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every role on every route, sessions of browsers, limits of tokens, the audit log."""
import http.client
import os
import re
import sqlite3
import socket
import subprocess
import tempfile
import time
import unittest

from daemon import API, Case, DAEMON, Daemon, FAKE, said

# What each operation takes. Those that are not here take the role read.
ROLE = {
    "open": {"get /healthz", "get /readyz", "get /openapi.yaml", "get /v1/session", "get /login", "post /login", "post /logout"},
    "submit": {"post /v1/grids", "post /v1/grids/{id}/cancel", "post /v1/models", "delete /v1/models/{id}", "post /v1/models/{id}/inspect", "post /v1/datasets",
               "delete /v1/datasets/{id}", "post /v1/datasets/{id}/inspect", "post /v1/jobs", "patch /v1/jobs/{id}", "delete /v1/jobs/{id}",
               "post /v1/jobs/{id}/cancel", "post /v1/jobs/{id}/retry"},
    "admin": {"get /v1/tokens", "post /v1/tokens", "delete /v1/tokens/{id}", "get /v1/audit"},
}
ORDER = ["open", "read", "submit", "admin"]


def role_of(operation):
    return next((role for role, those in ROLE.items() if operation in those), "read")


def operations():
    return [(method, path) for path, item in API["paths"].items() for method in item if method in ("get", "post", "delete", "put", "patch")]


def token_command(folder, *words):
    done = subprocess.run([DAEMON, "token", *words, "--state", os.path.join(folder, "state")], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr


class Locked(Case):
    """Loopback, too, is asked for a token; self.tokens has one of each role."""
    options = ("--tokens", "all")

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.tokens = {}
        for role in ORDER[1:]:
            code, self.tokens[role], said = token_command(self.folder.name, "create", role + "er", "--role", role)
            self.assertEqual(code, 0, said)
        self.d = Daemon(self.folder.name, *self.options).ready()

    def as_(self, role):
        self.d.token = self.tokens.get(role, role)
        return self.d

    def make(self, name, role="submit", **more):
        self.tokens[name] = self.as_("admin").call("POST", "/v1/tokens", {"name": name, "role": role, **more}, expect=201)["secret"]
        return self.as_(name)


class Roles(Locked):
    def status(self, method, path, role):
        """An answer to a request that would change nothing: its objects are not there."""
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=30)
        headers = {"Authorization": "Bearer " + self.tokens.get(role, role)} if role else {}
        url = re.sub(r"\{(\w+)\}", lambda m: {"models": "m", "datasets": "d", "jobs": "j", "grids": "g", "tokens": "t"}.get(path.split("/")[2], "x") + "99", path)
        c.request(method.upper(), url, "{}" if method == "post" and path not in ("/v1/models", "/v1/datasets") else None, headers)
        r = c.getresponse()
        body = r.readline() if r.headers["Content-Type"] == "text/event-stream" else r.read()  # a stream has no end
        c.close()
        return r.status, body, r.headers

    def test_roles__on_every_route__as_the_table_says(self):
        self.assertEqual(set().union(*ROLE.values()) - {"%s %s" % o for o in operations()}, set())
        for method, path in operations():
            takes = role_of("%s %s" % (method, path))
            for role in [None] + ORDER[1:]:
                if (method, path) == ("post", "/login"):
                    continue
                got, body, headers = self.status(method, path, role)
                with self.subTest(method=method, path=path, role=role, body=body[:200]):
                    if ORDER.index(role or "open") >= ORDER.index(takes):
                        self.assertNotIn(got, (401, 403))
                    elif role is None:
                        self.assertEqual((got, headers["WWW-Authenticate"]), (401, 'Bearer realm="quantbench"'))
                    else:
                        self.assertEqual(got, 403)
                        self.assertIn(b"this takes " + takes.encode(), body)

    def test_token__that_is_none__is_refused_on_every_route_that_asks(self):
        for n, (method, path) in enumerate(operations()):
            if role_of("%s %s" % (method, path)) != "open":
                got, _, _ = self.status(method, path, "qb_" + "0" * 64)
                self.assertEqual(got, 401 if n < 15 else got)
                self.assertIn(got, (401, 429))
        self.assertEqual(got, 429)  # so many attempts
        self.assertEqual(self.status("get", "/v1/jobs", "read")[0], 200)

    def test_token__in_no_header_of_ours__is_nothing(self):
        for headers in ({"Authorization": "Basic " + self.tokens["read"]}, {"Authorization": self.tokens["read"]},
                        {"Cookie": "quantbench_session=" + self.tokens["read"]}, {"X-Token": self.tokens["read"]}):
            self.refused(401, "GET", "/v1/jobs", headers=headers)
        self.refused(401, "GET", "/v1/jobs?token=" + self.tokens["read"])

    def test_token__revoked__ends_at_once(self):
        d = self.as_("read")
        d.call("GET", "/v1/jobs", expect=200)
        self.assertEqual(token_command(self.folder.name, "revoke", "reader")[0], 0)
        self.refused(401, "GET", "/v1/jobs")

    def test_token__expired__is_refused(self):
        d = self.make("brief", "read", expires="1m")
        d.call("GET", "/v1/jobs", expect=200)
        with sqlite3.connect(os.path.join(self.folder.name, "state/quantbench.db")) as db:
            db.execute("UPDATE tokens SET expires = '2026-01-01T00:00:00.000Z' WHERE name = 'brief'")
        self.refused(401, "GET", "/v1/jobs")


class Owners(Locked):
    def test_job__of_another__is_an_administrators_to_change(self):
        d = self.make("alice")
        mine = d.fake(["fail", "no"])
        self.assertEqual(d.wait(mine)["submitter"], "alice")
        waiting = d.fake(["sleep", 30])
        self.as_("submit")
        for method, what in (("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
            for job in (mine, waiting):
                self.assertEqual(self.refused(403, method, "/v1/jobs/%s%s" % (job, what))["code"], "not_yours")
        self.as_("alice").call("POST", "/v1/jobs/%s/cancel" % waiting, expect=202)
        self.as_("alice").call("POST", "/v1/jobs/%s/retry" % mine, expect=202)
        self.as_("admin").wait(mine)
        self.d.call("DELETE", "/v1/jobs/" + mine, expect=204)

    def test_upload__of_another__is_an_administrators_to_delete(self):
        self.make("alice")
        m = self.upload()
        self.assertEqual(m["submitter"], "alice")
        self.as_("submit")
        self.assertEqual(self.upload(expect=200)["submitter"], "alice")  # the same bytes stay whose they were
        self.assertEqual(self.refused(403, "DELETE", "/v1/models/" + m["id"])["code"], "not_yours")
        self.as_("alice").call("DELETE", "/v1/models/" + m["id"], expect=204)


class Limits(Locked):
    def test_rate__used_up__says_when_to_come_again(self):
        d = self.make("hasty", "read", requests_per_minute=30)
        for _ in range(30):
            d.call("GET", "/v1/jobs", expect=200)
        self.assertEqual(self.refused(429, "GET", "/v1/jobs")["code"], "rate")
        self.assertLessEqual(int(self.d.headers["Retry-After"]), 2)
        self.as_("read").call("GET", "/v1/jobs", expect=200)
        time.sleep(2.1)
        self.as_("hasty").call("GET", "/v1/jobs", expect=200)

    def test_queue__full_of_ones_own__takes_others(self):
        d = self.make("greedy", queued_jobs=2)
        for _ in range(2):
            d.fake(["sleep", 60])
        p = self.refused(429, "POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 61]], "fresh": True})
        self.assertEqual(p["code"], "quota")
        other = self.as_("submit").fake()
        self.as_("greedy").call("POST", "/v1/jobs/j1/cancel", expect=202)
        self.d.wait("j1")
        self.d.fake(["sleep", 60])
        for job in ("j2", "j4"):
            self.d.call("POST", "/v1/jobs/%s/cancel" % job, expect=202)
        self.d.wait(other)

    def test_uploads__of_all_ones_own__are_counted_together(self):
        self.make("hoarder", upload_bytes=200000)
        first = self.upload(b"a" * 150000)
        for content in (b"b" * 300000, b"c" * 60000):  # told before it comes, and noticed on the way
            self.assertEqual(self.refused(413, "POST", "/v1/models?name=x", content)["code"], "quota")
        self.d.call("POST", "/v1/models?name=x", iter([b"d" * 30000, b"e" * 30000]), expect=413)
        self.upload(b"f" * 50000)
        self.d.call("DELETE", "/v1/models/" + first["id"], expect=204)
        self.upload(b"g" * 100000)
        self.as_("submit")
        self.upload(b"h" * 300000)


class Browser(Locked):
    def login(self, secret, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=30)
        c.request("POST", "/login", "x=1&token=" + secret.replace("_", "%5F"), {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})
        r = c.getresponse()
        body = r.read()
        c.close()
        return r, body

    def session(self, role):
        r, _ = self.login(self.tokens[role])
        self.assertEqual((r.status, r.headers["Location"]), (303, "/"))
        cookies = r.headers.get_all("Set-Cookie")
        values = dict(c.split(";")[0].split("=") for c in cookies)
        for c in cookies:
            self.assertIn("; SameSite=Strict", c)
            self.assertEqual("; HttpOnly" in c, c.startswith("quantbench_session"))
        self.d.token = None
        return {"Cookie": "; ".join("%s=%s" % v for v in values.items())}, {"X-CSRF-Token": values["quantbench_csrf"]}

    def test_login__with_a_token__gives_a_session_with_its_role(self):
        cookie, _ = self.session("read")
        self.assertEqual(self.d.call("GET", "/v1/session", headers=cookie, expect=200),
                         {"name": "reader", "role": "read", "session": True})
        self.d.call("GET", "/v1/jobs", headers=cookie, expect=200)
        self.refused(401, "GET", "/v1/jobs")

    def test_login__with_another__shows_the_page_again(self):
        r, body = self.login("qb_nonsense")
        self.assertEqual(r.status, 401)
        self.assertIn(b"not valid", body)
        self.assertEqual(r.headers["Referrer-Policy"], "same-origin")  # else browsers send Origin: null
        self.assertEqual(self.login(self.tokens["read"], {"Origin": "http://evil.example"})[0].status, 403)
        self.assertEqual([self.login("qb_%d" % i)[0].status for i in range(25)][-1], 429)

    def test_csrf__change_without_its_proof__is_refused(self):
        cookie, proof = self.session("submit")
        other, _ = self.session("admin")
        job = {"type": "fake", "do": [], "fresh": True}
        for headers in (cookie, {**cookie, "X-CSRF-Token": "x"}, {**cookie, "X-CSRF-Token": ""}, {**other, **proof}):
            self.assertEqual(self.refused(403, "POST", "/v1/jobs", job, headers)["code"], "csrf")
            self.assertEqual(self.refused(403, "POST", "/v1/models?name=x", b"x", headers)["code"], "csrf")
            self.assertEqual(self.refused(403, "DELETE", "/v1/jobs/j1", headers=headers)["code"], "csrf")
        self.assertEqual(self.d.call("POST", "/v1/jobs", job, {**cookie, **proof}, expect=201)["submitter"], "submiter")

    def test_session__ended_or_its_token_revoked__is_over(self):
        cookie, _ = self.session("read")
        again, _ = self.session("read")
        self.d.call("POST", "/logout", headers=cookie, expect=303)
        self.refused(401, "GET", "/v1/jobs", headers=cookie)
        self.d.call("GET", "/v1/jobs", headers=again, expect=200)
        self.assertEqual(token_command(self.folder.name, "revoke", "reader")[0], 0)
        self.refused(401, "GET", "/v1/jobs", headers=again)


class Audit(Locked):
    def test_audit__of_changes_and_refusals__names_who_and_what(self):
        self.as_("submit")
        m = self.upload()
        self.refused(401, "GET", "/v1/jobs", headers={"Authorization": "Bearer qb_x"})
        self.refused(403, "POST", "/v1/jobs", {}, {"Authorization": "Bearer " + self.tokens["read"]})
        self.refused(404, "DELETE", "/v1/models/m9%0Aaudit:%20forged")
        self.d.call("GET", "/v1/models", expect=200)  # changes nothing
        time.sleep(1.3)
        rows = self.as_("admin").call("GET", "/v1/audit", expect=200)["entries"]
        self.assertEqual([(r["who"], r["method"], r["path"], r["object"], r["status"]) for r in rows[::-1]], [
            ("submiter", "POST", "/v1/models", m["id"], 201), (None, "GET", "/v1/jobs", None, 401),
            ("reader", "POST", "/v1/jobs", None, 403), ("submiter", "DELETE", "/v1/models/m9?audit:?forged", None, 404)])
        self.assertEqual(rows[0]["address"], "127.0.0.1")
        self.assertIn("audit: submiter (127.0.0.1): POST /v1/models = m1: 201", "".join(self.d.lines))
        self.assertNotIn(self.tokens["read"], "".join(self.d.lines))
        page = self.d.call("GET", "/v1/audit?limit=2", expect=200)
        self.assertEqual(len(page["entries"]), 2)
        self.assertEqual(self.d.call("GET", "/v1/audit?limit=2&before=" + page["next"], expect=200)["entries"], rows[2:])

    def test_database__holds_no_secret(self):
        self.d.stop()
        with open(os.path.join(self.folder.name, "state/quantbench.db"), "rb") as f:
            content = f.read()
        for secret in self.tokens.values():
            self.assertNotIn(secret.encode(), content)
            self.assertNotIn(secret[3:].encode(), content)
        self.d = Daemon(self.folder.name, *self.options).ready()


class Open(Case):
    def test_loopback__needs_no_token__and_heeds_one_that_is_sent(self):
        secret = self.d.call("POST", "/v1/tokens", {"name": "bob", "role": "read"}, expect=201)["secret"]
        self.assertEqual(self.d.wait(self.d.fake())["submitter"], "local")
        self.d.token = secret
        self.refused(403, "POST", "/v1/jobs", {})
        self.d.token = "qb_x"
        self.refused(401, "GET", "/v1/jobs")


class Public(Case):
    options = ("--public", "https://bench.example")

    def test_public__everybody_comes_by_loopback__so_all_need_a_token(self):
        p = self.refused(401, "GET", "/v1/jobs")
        self.assertEqual(p["code"], "token_needed")

    def test_public__address_of_the_audit__is_what_the_proxy_saw(self):
        self.refused(401, "POST", "/v1/jobs", {}, {"X-Forwarded-For": "6.6.6.6, 192.0.2.7"})
        said(self.d, "audit: unknown (192.0.2.7): POST /v1/jobs: 401")

    def test_public__cookies__are_for_https_alone(self):
        _, secret, _ = token_command(self.folder.name, "create", "alice")
        self.d.call("POST", "/login", "token=" + secret, {"Origin": "https://bench.example"}, expect=303)
        for c in self.d.headers.get_all("Set-Cookie"):
            self.assertIn("; Secure", c)


def own_address():
    """An address of this machine that is not loopback; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
            return s.getsockname()[0]
        except OSError:
            return None


class Elsewhere(unittest.TestCase):
    def start(self, folder, *options):
        return subprocess.run([DAEMON, "--state", os.path.join(folder, "state"), "--worker", FAKE, "--listen", "0.0.0.0:0", *options],
                              capture_output=True, text=True, timeout=30)

    def test_listen__elsewhere_without_tokens__does_not_start(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.start(folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn("quantbenchd token create NAME", done.stderr)
            _, _, _ = token_command(folder, "create", "alice")
            token_command(folder, "revoke", "alice")
            self.assertEqual(self.start(folder).returncode, 1)  # revoked ones are none
            self.assertEqual(self.start(folder, "--tokens", "none").returncode, 2)

    def test_listen__elsewhere_with_tokens__asks_all_but_loopback(self):
        with tempfile.TemporaryDirectory() as folder:
            _, secret, _ = token_command(folder, "create", "alice", "--role", "read")
            d = Daemon(folder, "--listen", "0.0.0.0:0").ready()
            self.addCleanup(d.stop)
            d.call("GET", "/v1/jobs", expect=200)
            address = own_address()
            if not address or address.startswith("127."):
                self.skipTest("this machine has loopback alone")

            def status(host=None, **headers):
                c = http.client.HTTPConnection(address, d.port, timeout=30)
                c.request("GET", "/v1/jobs", headers={**({"Host": host} if host else {}), **headers})
                status = c.getresponse().status
                c.close()
                return status
            bearer = "Bearer " + secret
            self.assertEqual(status(), 401)
            self.assertEqual(status(Authorization=bearer), 200)
            self.assertEqual(status(socket.gethostname(), Authorization=bearer), 200)
            self.assertEqual(status("evil.example", Authorization=bearer), 403)
            self.assertEqual(status(Authorization=bearer, Origin="http://%s:%d" % (address, d.port)), 200)
            self.assertEqual(status(Authorization=bearer, Origin="http://evil.example"), 403)


class Command(unittest.TestCase):
    def test_command__without_a_server__makes_lists_and_revokes(self):
        with tempfile.TemporaryDirectory() as folder:
            code, secret, said = token_command(folder, "create", "alice", "--role", "admin", "--expires", "30d", "--queued-jobs", "5")
            self.assertEqual(code, 0, said)
            self.assertRegex(secret, r"^qb_[0-9a-f]{64}$")
            self.assertIn("t1: alice, role admin, expires 20", said)
            code, listed, _ = token_command(folder, "list")
            self.assertRegex(listed.split("\n")[1], r"^t1 +alice +admin +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d +valid$")
            self.assertNotIn(secret, listed)
            self.assertEqual(token_command(folder, "revoke", "t1")[0], 0)
            self.assertIn("revoked", token_command(folder, "list")[1])
            self.assertEqual(token_command(folder, "create", "alice")[0], 0)  # the name is free again

    def test_command__given_nonsense__says_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as folder:
            for words, want in ((("create", "a", "--role", "king"), "choose from read, submit and admin"),
                                (("create", "a b"), "name is"), (("create", "a", "--expires", "soon"), "give a time such as"),
                                (("revoke", "nobody"), "there is no token"), (("revoke", "t7"), "there is no token t7")):
                code, out, said = token_command(folder, *words)
                self.assertEqual((code, out), (1, ""), words)
                self.assertIn(want, said)
            for words in ((), ("create",), ("list", "x"), ("frob", "x"), ("create", "a", "--queued-jobs", "x")):
                code, out, said = token_command(folder, *words)
                self.assertEqual((code, out), (2, ""), words)
                self.assertIn("usage:", said)


if __name__ == "__main__":
    unittest.main(verbosity=1)
