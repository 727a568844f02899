#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""GETs a second with keep-alive: the JSON of a job and of its results from quantbenchd, and the same bytes as files from nginx, by
turns. Needs wrk and nginx; prints both and their ratio. `serving.py [SECONDS [ROUNDS]]`."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../build"))
FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api/fake_worker.py")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
NGINX = """
worker_processes 2; daemon off; pid %(d)s/pid; error_log %(d)s/error;
events { worker_connections 256; }
http { access_log off; keepalive_requests 1000000000; default_type application/json; open_file_cache max=10;
  server { listen 127.0.0.1:%(port)d; root %(d)s/www; } }
"""


def get(url, body=None):
    with urllib.request.urlopen(urllib.request.Request(url, body)) as r:
        return r.read()


def wrk(url, seconds):
    out = subprocess.run(["wrk", "-t2", "-c32", "-d%ds" % seconds, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def main():
    for p in ("wrk", "nginx"):
        if not shutil.which(p, path=PATH):
            print("lacks %s" % p)
            return 0
    seconds, rounds = (int(a) for a in (sys.argv[1:] + ["3", "3"][len(sys.argv) - 1:])[:2])
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        daemon = subprocess.Popen([os.path.join(BUILD, "quantbenchd"), "--listen", "127.0.0.1:0", "--state", d + "/state", "--worker", FAKE],
                                  stderr=subprocess.PIPE, text=True)
        port = next(re.search(r":(\d+) ", line).group(1) for line in daemon.stderr if "listens on" in line)
        ours = "http://127.0.0.1:%s" % port
        while True:
            try:
                schemes = ["E%d" % i for i in range(2, 66)]
                for kind in ("models", "datasets"):
                    get(ours + "/v1/%s?name=x" % kind, b"x")
                job = json.loads(get(ours + "/v1/jobs", json.dumps({"type": "ptq", "model": "m1", "data": "d1", "schemes": schemes}).encode()))["id"]
                break
            except urllib.error.HTTPError:
                time.sleep(0.2)
        while json.loads(get(ours + "/v1/jobs/" + job))["state"] != "succeeded":
            time.sleep(0.1)
        os.mkdir(d + "/www")
        paths = {"job": "/v1/jobs/" + job, "results": "/v1/jobs/%s/results" % job}
        for name, path in paths.items():
            with open(os.path.join(d, "www", name), "wb") as f:
                f.write(get(ours + path))
        with open(d + "/conf", "w", encoding="ascii") as f:
            f.write(NGINX % {"d": d, "port": int(port) + 1})
        nginx = subprocess.Popen(["nginx", "-c", d + "/conf"], env={**os.environ, "PATH": PATH}, stderr=subprocess.DEVNULL)
        theirs = "http://127.0.0.1:%d" % (int(port) + 1)
        time.sleep(0.5)
        try:
            for name, path in paths.items():
                best = [0.0, 0.0]
                for _ in range(rounds):
                    best = [max(best[0], wrk(ours + path, seconds)), max(best[1], wrk(theirs + "/" + name, seconds))]
                print("%-8s %6d bytes  quantbenchd %7.0f/s  nginx %7.0f/s  %.2f" % (
                    name, os.path.getsize(os.path.join(d, "www", name)), best[0], best[1], best[0] / best[1]))
        finally:
            nginx.terminate()
            daemon.terminate()
            nginx.wait()
            daemon.wait()
    return 0


sys.exit(main())
