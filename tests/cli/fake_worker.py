#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that does what the job's "fake" member says, so that tests see how its parent takes it."""
import json
import os
import signal
import sys
import time


def say(**event):
    print(json.dumps(event), flush=True)


def main():
    job = json.loads(sys.stdin.readline())
    del job["about"]  # it differs from run to run
    fake = job.get("fake", "ok")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fake == "deaf" else lambda *_: sys.exit(1))
    say(event="progress", stage="load", fraction=0.01, text="reading the network")
    if fake == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fake == "silent":
        return 0
    if fake == "trouble":
        say(event="error", code="out_of_memory", detail="no memory for a plan")
        return 1
    if fake == "error":
        say(event="error", code="bad_model", detail="node conv1: weight has 2 dimensions")
        return 1
    if fake in ("hang", "deaf"):
        while True:
            time.sleep(0.1)
    say(event="log", level="warning", text="something to know")
    say(event="section", name="latency", state="begin")
    answer = json.loads(sys.stdin.readline())
    say(event="section", name="latency", state="end")
    for i in range(1, 11):
        say(event="progress", stage="sweep", fraction=i / 10, text=f"step {i}")
    latency = {"execution": "native", "threads": 1, "p50_ns": 41234, "p90_ns": 1, "p99_ns": 1, "count": 9}
    say(event="result", result={
        "type": "ptq", "model": job["model"]["name"], "data": "d", "metric_name": "top1", "samples": 9,
        "argv": sys.argv[1:], "job_seen": job, "answer": answer,
        "float": {"metric": 97.5, "size_bytes": 1234567, "latency": latency},
        "schemes": [
            {"scheme": "int8", "metric": 97.25, "delta": -0.25, "delta_low": -0.5, "delta_high": 0.0, "best": True, "output_sqnr_db": 35.25, "size_bytes": 400000,
             "latency": dict(latency, p50_ns=20617)},
            {"scheme": "E4", "metric": 96.0, "delta": -1.5, "output_sqnr_db": None, "size_bytes": 400000,
             "latency": None}]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
