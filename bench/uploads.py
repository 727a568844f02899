#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Uploads over loopback, by curl, in MB a second: to quantbenchd, which hashes them and has them on the disk when it answers, and
the same bytes to nginx (PUT), which does neither; and copied with fsync, as the disk's own speed. By turns, the best of each.

    bench/uploads.py BUILD [MEGABYTES [ROUNDS [AT-ONCE]]]

Needs curl and nginx with its WebDAV module. TMPDIR says on which disk."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
os.environ["top_builddir"] = BUILD
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
from daemon import Daemon  # noqa: E402

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
NGINX = """
worker_processes 2; daemon off; pid %(d)s/pid; error_log %(d)s/error;
events { worker_connections 256; }
http { access_log off; client_max_body_size 0; client_body_temp_path %(d)s/temp; client_body_buffer_size 1m;
  server { listen 127.0.0.1:%(port)d; root %(d)s/www; dav_methods PUT; } }
"""


def make_files(folder, megabytes, n):
    """Different bytes each, for the same ones would not be written again."""
    block = os.urandom(1 << 20)
    paths = []
    for i in range(n):
        paths.append(os.path.join(folder, "file%d" % i))
        with open(paths[-1], "wb") as f:
            f.write(os.urandom(16))
            for _ in range(megabytes):
                f.write(block)
    return paths


def rate(paths, command):
    """MB a second of all at once."""
    begun = time.perf_counter()
    running = [subprocess.Popen(command(path), stdout=subprocess.DEVNULL) for path in paths]
    assert not any(p.wait() for p in running)
    return sum(os.path.getsize(path) for path in paths) / 1e6 / (time.perf_counter() - begun)


def main():
    megabytes, rounds, at_once = (int(a) for a in (sys.argv[2:] + ["500", "5", "1"][len(sys.argv) - 2:])[:3])
    for p in ("curl", "nginx"):
        if not shutil.which(p, path=PATH):
            print("lacks %s" % p)
            return 0
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        d = Daemon(folder).ready()
        for sub in ("www", "temp", "copies"):
            os.mkdir(os.path.join(folder, sub))
            os.chmod(os.path.join(folder, sub), 0o777)
        with open(os.path.join(folder, "conf"), "w", encoding="ascii") as f:
            f.write(NGINX % {"d": folder, "port": d.port + 1})
        nginx = subprocess.Popen(["nginx", "-c", os.path.join(folder, "conf")], env={**os.environ, "PATH": PATH})
        time.sleep(0.5)
        curl = ["curl", "-sSf", "-o", "/dev/null"]
        kinds = {
            "quantbenchd": lambda path: [*curl, "-H", "Expect:", "-X", "POST", "-T", path,
                                         "http://127.0.0.1:%d/v1/datasets?name=x.npz" % d.port],
            "nginx": lambda path: [*curl, "-H", "Expect:", "-T", path, "http://127.0.0.1:%d/" % (d.port + 1)],
            "copy, fsync": lambda path: ["dd", "if=" + path, "of=" + os.path.join(folder, "copies", os.path.basename(path)), "bs=1M",
                                         "conv=fsync", "status=none"],
        }
        best = dict.fromkeys(kinds, 0.0)
        try:
            for _ in range(rounds):
                paths = make_files(folder, megabytes, at_once)
                for kind, command in kinds.items():
                    best[kind] = max(best[kind], rate(paths, command))
                for u in d.call("GET", "/v1/datasets")["datasets"]:
                    d.call("DELETE", "/v1/datasets/" + u["id"])
                for sub in ("www", "copies"):
                    for name in os.listdir(os.path.join(folder, sub)):
                        os.unlink(os.path.join(folder, sub, name))
        finally:
            nginx.terminate()
            nginx.wait()
            d.stop()
    print("%d MB, %d at once; MB/s, the best of %d" % (megabytes, at_once, rounds))
    for kind, value in best.items():
        print("%-12s %6.0f  %.2f x" % (kind, value, value / best["nginx"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
