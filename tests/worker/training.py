# SPDX-License-Identifier: Apache-2.0
"""Jobs that train: what they leave behind, and runs that are killed on the way."""
import hashlib
import json
import os
import signal
import subprocess

import worker

TOP = os.environ.get("top_srcdir", ".")
DIGITS = {"train": os.path.join(TOP, "demo/digits-train.npz"), "data": os.path.join(TOP, "demo/digits-test.npz"),
          "preprocess": {"scale": 1 / 255}}
MODEL = os.path.join(TOP, "demo/digits.onnx")


def run(job, folder, **more):
    """The result, and the bytes of every artifact."""
    os.makedirs(folder, exist_ok=True)
    result, events = worker.run({**job, "workdir": folder, **more})
    files = {}
    for e in events:
        if e["event"] == "artifact":
            with open(e["path"], "rb") as f:
                files[e["name"]] = hashlib.sha256(f.read()).hexdigest()
    return result, files, events


def is_step(e):
    return e.get("scope") == "step" and e["name"] == "loss"


def interrupted(job, folder, checkpoints, after, how=signal.SIGKILL, event=is_step):
    """Starts the job and kills its worker after so many events, those of steps; all events until then."""
    os.makedirs(folder, exist_ok=True)
    os.makedirs(checkpoints, exist_ok=True)
    p = subprocess.Popen([os.path.join(worker.BUILD, "quantbench-worker")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    events, seen = [], 0
    try:
        p.stdin.write(json.dumps({**job, "workdir": folder, "checkpoints": checkpoints}) + "\n")
        p.stdin.flush()
        for line in p.stdout:
            events.append(json.loads(line))
            if event(events[-1]):
                seen += 1
                if seen == after:
                    p.send_signal(how)
        p.wait(60)
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()
    return events


def check_kills(case, job, kills):
    """A job whose worker is killed after so many steps, once for each of kills, goes on where it was and ends with what it
    ends with undisturbed: that result, and those files."""
    whole, files_of_whole, _ = run(job, case.path("whole"))
    for i, after in enumerate(kills):
        interrupted(job, case.path("part"), case.path("checkpoints"), after)
        case.assertTrue(os.path.exists(case.path("checkpoints/checkpoint")), i)
    resumed, files_of_resumed, events = run(job, case.path("part"), checkpoints=case.path("checkpoints"))
    case.assertEqual(resumed, whole)
    case.assertEqual(files_of_resumed, files_of_whole)
    case.assertTrue(any("went on from step" in e.get("text", "") for e in events))
    return whole, files_of_whole
