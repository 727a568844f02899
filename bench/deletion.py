#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long the loop is held while a job of very many rows is deleted: changes of another job, which only the loop makes, one after the
other beside the deletion.

    bench/deletion.py BUILD [ROWS]
"""
import http.client
import json
import os
import sqlite3
import sys
import tempfile
import threading
import time

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
os.environ["top_builddir"] = BUILD
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
import crowd  # noqa: E402
from daemon import Daemon  # noqa: E402

LIMIT_MS = 50


def main():
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 200000
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        crowd.people(state, 1000)
        db = sqlite3.connect(os.path.join(state, "quantbench.db"))
        db.executemany("INSERT INTO metrics (job, scope, tensor, step, name, value, time) VALUES (1, 'tensor', ?, ?, 'sqnr', ?, '2026-01-01T00:00:00.000Z')",
                       (("/block%d/weight" % (i % 100), i // 100, i * 0.001) for i in range(rows)))
        db.commit()
        db.close()
        d = Daemon(folder).ready()
        connection = http.client.HTTPConnection("127.0.0.1", d.port, timeout=60)
        times, deleted = [], []

        def change(n):
            begun = time.perf_counter()
            connection.request("PATCH", "/v1/jobs/j2", json.dumps({"notes": str(n)}))
            assert connection.getresponse().read()
            return 1000 * (time.perf_counter() - begun)

        def delete():
            begun = time.perf_counter()
            d.call("DELETE", "/v1/jobs/j1", expect=204)
            deleted.append(time.perf_counter() - begun)

        alone = sorted(change(n) for n in range(200))
        thread = threading.Thread(target=delete)
        thread.start()
        while thread.is_alive():
            times.append(change(len(times)))
        thread.join()
        connection.close()
        d.stop()
        times.sort()
        print("a job of %d rows is deleted in %.2f s; ms of a change of another job meanwhile (%d of them): median %.1f, longest %.1f, "
              "%.2f x limit; alone: median %.1f, longest %.1f" % (rows, deleted[0], len(times), times[len(times) // 2], times[-1],
                                                                times[-1] / LIMIT_MS, alone[len(alone) // 2], alone[-1]))
        return times[-1] > LIMIT_MS


if __name__ == "__main__":
    sys.exit(main())
