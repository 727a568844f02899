#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The server under load: connections without a request, followers of jobs, large uploads at once and a long queue, all at the same
time. Prints what came of each, how long GETs took meanwhile (limits: 5 ms at the median, 50 ms at the 99th percentile) and
the most memory that the server had (limit: 96 MB). Exits with 1 where something did not end, or is beyond its limit.

    bench/load.py BUILD [UPLOADS [MEGABYTES [JOBS [FOLLOWERS [IDLE]]]]]

Jobs are those of the tests' worker. Needs curl and, for 50 uploads of 200 MB, 20 GB in TMPDIR."""
import http.client
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
os.environ["top_builddir"] = BUILD
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
from daemon import Daemon  # noqa: E402
from uploads import make_files  # noqa: E402

MEDIAN_MS, WORST_MS, MEMORY_MB = 5, 50, 96


def follow(port, path, counted):
    """The events of one follower until the server has no more."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    c.request("GET", path)
    r = c.getresponse()
    events = sum(line.startswith(b"event:") for line in r)
    counted.append((r.status, events))
    c.close()


def ask(port, paths, until, times):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not until.is_set():
        for path in paths:
            begun = time.perf_counter()
            c.request("GET", path)
            r = c.getresponse()
            r.read()
            times.append(1000 * (time.perf_counter() - begun))
            assert r.status == 200, (path, r.status)
        time.sleep(0.01)
    c.close()


def peak_mb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def main():
    given = [int(a) for a in sys.argv[2:]]
    uploads, megabytes, jobs, followers, idle = given + [50, 200, 1000, 200, 1000][len(given):]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(folder, megabytes, uploads)
        d = Daemon(folder, "--connections", "2000", "--jobs", "2").ready()
        begun = time.monotonic()
        quiet = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(idle)]
        first = d.fake(["sleep", 20])  # followed from its beginning to its end
        last = [d.fake(["sleep", 0.01]) for _ in range(jobs)][-1]
        counted, times, over = [], [], threading.Event()
        threads = [threading.Thread(target=follow, args=(d.port, "/v1/jobs/%s/events" % first, counted)) for _ in range(followers)]
        threads.append(threading.Thread(target=ask, args=(d.port, ["/v1/jobs/" + first, "/v1/jobs?limit=20"], over, times)))
        for t in threads:
            t.start()
        sent = [subprocess.Popen(["curl", "-sSf", "-o", "/dev/null", "-H", "Expect:", "-X", "POST", "-T", path,
                                  "http://127.0.0.1:%d/v1/datasets?name=x.npz" % d.port]) for path in files]
        taken = sum(p.wait() == 0 for p in sent)
        uploaded = time.monotonic() - begun
        d.wait(last, seconds=1200)
        d.wait(first, seconds=60)
        over.set()
        for t in threads:
            t.join()
        ended = d.call("GET", "/v1/jobs?state=succeeded&limit=1")["total"]
        memory = peak_mb(d.process.pid)
        for s in quiet:
            s.close()
        print("%d uploads of %d MB: %d taken, %.0f s" % (uploads, megabytes, taken, uploaded))
        print("%d jobs: %d succeeded, %.0f s" % (jobs + 1, ended, time.monotonic() - begun))
        print("%d followers: %d had every event until the end" % (followers, sum(c == max(counted) and c[0] == 200 for c in counted)))
        times.sort()
        median, worst = times[len(times) // 2], times[len(times) * 99 // 100]
        print("%d GETs meanwhile: median %.1f ms (%.2f x limit), 99th percentile %.1f ms (%.2f x limit)" % (
            len(times), median, median / MEDIAN_MS, worst, worst / WORST_MS))
        print("server: %.0f MB at most (%.2f x limit)" % (memory, memory / MEMORY_MB))
        d.stop()
    return not (taken == uploads and ended == jobs + 1 and len(counted) == followers and median <= MEDIAN_MS and worst <= WORST_MS and
                memory <= MEMORY_MB)


if __name__ == "__main__":
    sys.exit(main())
