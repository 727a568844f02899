# SPDX-License-Identifier: Apache-2.0
"""Runs in a SQLite store of MLflow: `mlflow_runs.py DATABASE RUNS < ROW.json`. RUNS of them hold what a row of a list of jobs does (tests/api/
crowd.py: one metric, settings as parameters, tags), and one, the newest, the numbers in ROW as metrics. Prints its experiment and run."""
import json
import os
import random
import sqlite3
import sys
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow.entities import Metric, Param  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402


def main():
    database, runs = sys.argv[1], int(sys.argv[2])
    client = MlflowClient(tracking_uri="sqlite:///" + database)
    experiment = client.create_experiment("lab")
    now = int(time.time() * 1000)

    def made(name, metrics, params, tags):
        run = client.create_run(experiment, run_name=name, tags=tags, start_time=now).info.run_id
        client.log_batch(run, [Metric(k, v, now, 0) for k, v in metrics.items()], [Param(k, v) for k, v in params.items()], [])
        client.set_terminated(run, end_time=now + 1000)
        return run

    params = {"type": "ptq", "model": "net0.onnx", "data": "test-0.npz", "metric": "top1", "schemes": "int8, int4, E4", "seed": "1",
              "weights": "per_channel mse", "activations": "per_tensor mse"}
    first = made("run 0 of the sweep", {"best": 50.0}, params, {"baseline": "1"})
    db = sqlite3.connect(database)
    rng = random.Random(1)
    ids = ["%032x" % (n + 1) for n in range(runs - 1)]
    for table in "runs", "metrics", "latest_metrics", "params", "tags":
        names = [c[1] for c in db.execute("PRAGMA table_info(%s)" % table)]
        rows = db.execute("SELECT * FROM %s WHERE run_uuid = ?" % table, (first,)).fetchall()
        for n, run in enumerate(ids):
            for row in rows:
                row = dict(zip(names, row), run_uuid=run)
                if table == "runs":
                    row.update(name="run %d of the sweep" % (n + 1), start_time=now - 7000 * (n + 1), end_time=now - 7000 * n)
                elif table in ("metrics", "latest_metrics"):
                    row["value"] = round(100 * random.Random(n).random(), 3)
                elif row["key"] == "model":
                    row["value"] = "net%d_epoch_%d.onnx" % (rng.randrange(200), n)
                elif row["key"] == "mlflow.runName":
                    row["value"] = "run %d of the sweep" % (n + 1)
                db.execute("INSERT INTO %s VALUES (%s)" % (table, ", ".join("?" * len(names))), [row[c] for c in names])
    db.commit()
    db.close()
    now += 5000
    run = made("MobileNetV2", json.load(sys.stdin), dict(params, model="mobilenet_v2.onnx"), {"paper": "1"})
    print(json.dumps({"experiment": experiment, "run": run}))


main()
