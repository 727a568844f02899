#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long pages of results take among 10 million rows of metrics, over HTTP, against the limit of 50 ms.

    bench/results.py BUILD [ROWS]

Takes 1.5 GB in TMPDIR."""
import os
import sqlite3
import sys
import tempfile

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
os.environ["top_builddir"] = BUILD
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/api"))
import crowd  # noqa: E402
from daemon import Daemon  # noqa: E402
from lists import measure  # noqa: E402

LIMIT_MS, ROWS_OF_A_JOB = 50, 512
# Six schemes of two metrics each, and 500 rows of tensors, by every job.
FILL = """WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO metrics (job, scope, scheme, tensor, name, value, unit, time)
SELECT j.id, CASE WHEN i < 12 THEN 'model' ELSE 'tensor' END, 's' || (i %% 6), CASE WHEN i >= 12 THEN 'layer' || (i / 6) || '.' || (j.id %% 100) END,
CASE WHEN i < 6 THEN 'top1' WHEN i < 12 THEN 'latency_p50' WHEN i / 6 %% 2 THEN 'sqnr' ELSE 'own_sqnr' END, i * 1.5, NULL, j.created
FROM jobs j CROSS JOIN n WHERE j.state = 'succeeded' ORDER BY j.id, i""" % (ROWS_OF_A_JOB - 1)
QUERIES = [{}, {"job": "j777"}, {"name": "top1"}, {"name": "sqnr"}, {"scheme": "s0"}, {"scheme": "nobody's"}, {"name": "top1", "scheme": "s0"},
           {"tensor": "layer7.3"}, {"tensor": "nobody's"}, {"scheme": "s0", "tensor": "layer9.7"}, {"scope": "model"},
           {"scope": "model", "tensor": "layer7.3"}, {"type": "qat"}, {"type": "qat", "scheme": "s1", "name": "sqnr"}, {"model": "m7"},
           {"model": "m7", "name": "top1"}, {"data": "d3"}, {"scheme": "s2", "before": "4000000"}]


def main():
    jobs = (int(sys.argv[2]) if len(sys.argv) > 2 else 10000000) * 10 // 9 // ROWS_OF_A_JOB + 1  # of ten, nine succeed
    with tempfile.TemporaryDirectory() as folder:
        crowd.people(os.path.join(folder, "state"), jobs)
        with sqlite3.connect(os.path.join(folder, "state/quantbench.db")) as db:
            db.execute("PRAGMA cache_size = -500000")
            db.execute(FILL)
            rows = db.execute("SELECT count(*) FROM metrics").fetchone()[0]
        d = Daemon(folder).ready()
        print("%d rows of %d jobs; ms of a request, the least and the median of 15" % (rows, jobs))
        beyond = measure(d.port, "/v1/results", [(", ".join("%s %s" % f for f in q.items()) or "the latest", q) for q in QUERIES], LIMIT_MS)
        d.stop()
        return beyond > 0


if __name__ == "__main__":
    sys.exit(main())
