#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long lists of jobs take with 100,000 jobs of which 10,000 wait, over HTTP, against the limit of 20 ms.

    bench/lists.py BUILD [JOBS [WAITING]]
"""
import http.client
import os
import sys
import tempfile
import time
import urllib.parse

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
os.environ["top_builddir"] = BUILD
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
import crowd  # noqa: E402
from daemon import Daemon  # noqa: E402

LIMIT_MS = 20
QUERIES = [
    ("all jobs, the latest 100", {}), ("waiting", {"state": "queued"}), ("waiting, the next ones first", {"state": "queued", "sort": "created"}),
    ("failed", {"state": "failed"}), ("of one kind", {"type": "qat"}), ("failed of one kind", {"state": "failed", "type": "train"}),
    ("with a frequent tag", {"tag": "baseline"}), ("with a rare tag, by name", {"tag": "rare", "sort": "name"}),
    ("about a frequent scheme", {"scheme": "int8"}), ("about a scheme, failed", {"scheme": "int8", "state": "failed"}),
    ("about a frequent scheme, succeeded", {"scheme": "int8", "state": "succeeded"}),
    ("of one network", {"model": "m7"}), ("of one network, by the best result", {"model": "m7", "sort": "-best"}),
    ("by the best result", {"sort": "-best"}), ("by time taken", {"sort": "-took"}), ("by name", {"sort": "name"}),
    ("by the end, succeeded", {"sort": "-finished", "state": "succeeded"}), ("a word that many have", {"q": "sweep"}),
    ("a word that few have", {"q": "net17_epoch"}), ("two words", {"q": "sweep net17_"}), ("a word and a kind", {"q": "sweep", "type": "qat"}),
    ("a word and a state in words", {"q": "failed net17_"}), ("nothing has the word", {"q": "zork"}),
]


def measure(port, path, queries, limit_ms):
    """Prints how long each of {name: query} takes; gives how many are beyond the limit."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(query):
        begun = time.perf_counter()
        connection.request("GET", path + "?" + urllib.parse.urlencode(query))
        connection.getresponse().read()
        return 1000 * (time.perf_counter() - begun)

    beyond = 0
    for name, query in queries:
        times = sorted(ask(query) for _ in range(15))
        beyond += times[0] > limit_ms
        print("%-50s %6.1f %6.1f  %5.2f x limit" % (name, times[0], times[7], times[0] / limit_ms))
    connection.close()
    return beyond


def main():
    jobs, waiting = (int(sys.argv[i]) if len(sys.argv) > i else n for i, n in ((2, 100000), (3, 10000)))
    with tempfile.TemporaryDirectory() as folder:
        crowd.people(os.path.join(folder, "state"), jobs, waiting)
        d = Daemon(folder, "--jobs", "1").ready()
        d.wait("j%d" % (jobs - waiting + 1), "running")
        print("%d jobs, %d waiting; ms of a request, the least and the median of 15" % (jobs, waiting))
        beyond = measure(d.port, "/v1/jobs", QUERIES, LIMIT_MS)
        d.stop()
        return beyond > 0


if __name__ == "__main__":
    sys.exit(main())
