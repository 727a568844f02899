#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists of jobs: filters, orders and pages against a plain search, and how long they take where there are very many."""
import datetime
import http.client
import os
import tempfile
import time
import unittest
import urllib.parse

import crowd
from daemon import Daemon

JOBS, WAITING = 25000, 10000
KEYS = {"created": lambda j: j["id"], "finished": lambda j: j["finished"], "name": lambda j: j["name"] and j["name"].lower(),
        "model": lambda j: j["network"] and j["network"].lower(), "type": lambda j: j["type"], "state": lambda j: j["state"],
        "best": lambda j: j["best"], "took": lambda j: j["finished"] and seconds(j["finished"]) - seconds(j["started"])}


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp).timestamp()


def in_order(jobs, sort):
    """Those with a key in its order, then the others, the latest first."""
    down, key = sort.startswith("-"), KEYS[sort.lstrip("-")]
    keyed = sorted((j for j in jobs if key(j) is not None), key=lambda j: (key(j), j["id"]), reverse=down)
    return ["j%d" % j["id"] for j in keyed + sorted((j for j in jobs if key(j) is None), key=lambda j: -j["id"])]


def words_of(job):
    return " ".join(["j%d" % job["id"], job["type"], job["state"], job["name"] or "", job["network"], " ".join(job["tags"]),
                     " ".join(job["schemes"])] + ([] if job["state"] == "queued" else ["test-%s.npz" % job["data"][1:]])).lower()


def passes(job, query):
    return all(w in words_of(job) for w in query.get("q", "").lower().split()) and all(
        job[k] == query[k] for k in ("state", "type") if k in query) and all(
        job["state"] != "queued" and job[k] == query[k] for k in ("model", "data") if k in query) and \
        query.get("tag") in (None, *job["tags"]) and query.get("scheme") in (None, *job["schemes"])


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.jobs = crowd.people(os.path.join(folder.name, "state"), JOBS, WAITING)
        cls.d = Daemon(folder.name, "--jobs", "1").ready()
        cls.addClassCleanup(cls.d.stop)
        cls.d.wait("j%d" % (JOBS - WAITING + 1), "running")
        cls.jobs[JOBS - WAITING]["state"] = "running"
        cls.jobs[JOBS - WAITING]["started"] = "2027-01-01T00:00:00.000Z"

    def ask(self, query):
        return self.d.call("GET", "/v1/jobs?" + urllib.parse.urlencode(query), expect=200)

    def pages(self, query, most):
        ids, before = [], query.get("before")
        while len(ids) < most:
            page = self.ask({**query, **({"before": before} if before else {})})
            ids += [j["id"] for j in page["jobs"]]
            before = page["next"]
            if before is None:
                break
        return ids[:most]

    def test_filters_and_orders__pages__are_those_of_a_plain_search(self):
        queries = [{}, {"state": "failed"}, {"state": "succeeded"}, {"type": "train"}, {"tag": "paper"}, {"tag": "rare"}, {"scheme": "E2"},
                   {"scheme": "int8", "state": "failed"}, {"model": "m7"}, {"data": "d3", "type": "qat"}, {"q": "net17_"}, {"q": "SWEEP 17"},
                   {"q": "failed test-3"}, {"q": "run", "tag": "paper"}, {"q": "j12"}, {"q": "2"}, {"q": "e4", "state": "succeeded"},
                   {"scheme": "int8", "tag": "baseline"}, {"state": "queued"}, {"q": 'no"quote'}, {"q": "paper qat", "data": "d1"}]
        for i, query in enumerate(queries):
            matching = [j for j in self.jobs if passes(j, query)]
            orders = [s + k for k in KEYS for s in ("", "-")]
            for sort in {"-created", *(orders[(5 * i + k) % len(orders)] for k in range(3))}:
                with self.subTest(query=query, sort=sort):
                    self.assertEqual(self.pages({**query, "sort": sort, "limit": 37}, 80), in_order(matching, sort)[:80])
            page = self.ask({**query, "limit": 1})
            with self.subTest(query=query):
                self.assertTrue(page["total"] == len(matching) or (page["more"] and page["total"] < len(matching)), (page["total"], len(matching)))
                self.assertEqual(page["more"], page["total"] < len(matching))

    def test_order__to_the_end__has_every_job_once(self):
        few = {"model": "m7"}
        for sort in ("-best", "name", "-took"):
            self.assertEqual(self.pages({**few, "sort": sort, "limit": 9}, JOBS), in_order([j for j in self.jobs if passes(j, few)], sort))

    def test_pages__jobs_come_and_go_between__none_is_missed_or_told_twice(self):
        query = {"state": "failed", "type": "sqnr", "limit": 5, "sort": "-took"}
        wanted = in_order([j for j in self.jobs if passes(j, query)], "-took")
        first = self.ask(query)
        gone = first["jobs"][-1]  # where the next page begins
        self.d.call("DELETE", "/v1/jobs/" + gone["id"], expect=204)
        rest = self.pages({**query, "before": first["next"]}, JOBS)
        self.assertEqual([j["id"] for j in first["jobs"]] + rest, wanted)
        self.jobs.remove(next(j for j in self.jobs if "j%d" % j["id"] == gone["id"]))
        query = {"state": "queued", "limit": 1000}
        first = self.ask(query)
        new = self.d.call("POST", "/v1/jobs", {"type": "fake", "do": [["sleep", 1]], "fresh": True}, expect=201)["id"]
        rest = self.pages({**query, "before": first["next"]}, JOBS)
        self.assertEqual([j["id"] for j in first["jobs"]] + rest, in_order([j for j in self.jobs if j["state"] == "queued"], "-created"))
        self.d.call("POST", "/v1/jobs/%s/cancel" % new, expect=202)
        self.d.call("DELETE", "/v1/jobs/" + new, expect=204)

    def test_position__of_ten_thousand_waiting__is_right_on_every_page(self):
        first = JOBS - WAITING + 1  # runs
        for query in ({"state": "queued", "limit": 1000}, {"state": "queued", "sort": "created"}, {"q": "j24"}, {"tag": "paper", "limit": 50}):
            for j in self.ask(query)["jobs"]:
                self.assertEqual(j["position"], int(j["id"][1:]) - first if j["state"] == "queued" else None)

    def test_words__that_are_no_text_or_very_long__match_nothing(self):
        for query in ("q=%ff", "q=ab%ffcd", "tag=%ff", "scheme=%c3", "q=a" + 85 * "%e2%82%ac", "q=" + 300 * "a"):
            with self.subTest(query=query):
                self.assertEqual(self.d.call("GET", "/v1/jobs?" + query, expect=200)["jobs"], [])

    def test_cursor_or_order__that_cannot_be__is_refused(self):
        for query in ({"sort": "colour"}, {"sort": "-"}, {"sort": "name", "before": "j5"}, {"sort": "name", "before": "x:1"}, {"before": "j5:1"},
                      {"sort": "best", "before": "j5:{}"}, {"before": "x"}):
            p = self.d.call("GET", "/v1/jobs?" + urllib.parse.urlencode(query), expect=400)
            self.assertEqual(p["code"], "bad_query", query)

    def test_lists__of_very_many__take_little(self):
        def spent():
            with open("/proc/%d/stat" % self.d.process.pid, encoding="ascii") as f:
                return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

        # Of the processor, so that a busy machine does not count; bench/lists.py measures time. Places in the queue counted for
        # each job took five times this for the second.
        for query in ({}, {"state": "queued"}, {"sort": "-best"}, {"q": "sweep"}, {"tag": "baseline", "sort": "name"}):
            before = spent()
            for _ in range(20):
                self.ask_raw(query)
            self.assertLess((spent() - before) / 20, 0.03, query)

    def ask_raw(self, query):
        c = http.client.HTTPConnection("127.0.0.1", self.d.port, timeout=60)
        c.request("GET", "/v1/jobs?" + urllib.parse.urlencode(query))
        body = c.getresponse().read()
        c.close()
        return body


if __name__ == "__main__":
    unittest.main(verbosity=1)
