#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that does what the name of its model's file tells it: it speaks the protocol, and misbehaves on demand.

The kind of job "fake" carries its script in the field "do": a list of steps, each a string or [string, argument].
"""
import json
import os
import select
import signal
import sys
import threading
import time

SCHEMA = {
    "type": "object", "required": ["type"], "additionalProperties": False,
    "properties": {
        "type": {"const": "fake"}, "model": {"type": "string"}, "data": {"type": "string"},
        "do": {"type": "array", "maxItems": 100, "items": {"anyOf": [{"type": "string"}, {"type": "array"}]}},
        "seed": {"type": "integer", "minimum": 0},
        "part": {"type": "object", "additionalProperties": False, "properties": {"range": {"enum": ["mse", "minmax"]}}},
    },
}
PTQ = {"type": "object", "required": ["type", "model", "data", "schemes"],
       "properties": {"schemes": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}}}


hoarded = []


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def ptq(job):
    latency = {"execution": "native", "threads": 1, "p50_ns": 1000, "p90_ns": 1100, "p99_ns": 1200, "count": 700}
    rows = []
    for i, name in enumerate(job["schemes"]):
        say("progress", stage="sweep", fraction=i / len(job["schemes"]), text=name)
        say("metric", scope="model", scheme=name, name="top1", value=90.0 - i)
        say("metric", scope="tensor", scheme=name, tensor="/conv1/weight", name="sqnr", value=None, unit="dB")
        rows.append({"scheme": name, "metric": 90.0 - i, "delta": -1.0 - i, "output_sqnr_db": None, "size_bytes": 10 - i,
                     **({"best": True} if "best" in name else {}), "latency": latency, "tensors": [{"name": "w", "kind": "weight", "sqnr_db": 30.5, "exact": False,
                                  "min": -1, "max": 1}]})
    return {"type": "ptq", "metric_name": "top1", "float": {"metric": 91.0, "latency": latency}, "schemes": rows}


def stopped(*_):
    say("error", code="cancelled", detail="stopped")
    sys.exit(1)


def step(job, verb, arg):
    if verb == "sleep":
        time.sleep(arg)
    elif verb == "await":  # a file
        while not os.path.exists(arg):
            time.sleep(0.02)
    elif verb in ("version", "machine", "check"):
        pass  # told beside the result, or before the job
    elif verb == "sandbox":
        say("sandbox", lacks=arg)
    elif verb == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif verb == "kill":
        sys.stderr.write("about to die\n")
        sys.stderr.flush()
        os.kill(os.getpid(), arg)
    elif verb == "default_term":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    elif verb == "leave":  # a process in a session of its own, of no parent, that does not say whose it is
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                with open(arg, "w", encoding="ascii") as f:
                    f.write("%d" % os.getpid())
                os.execve("/bin/sleep", ["sleep", "300"], {})
            os._exit(0)
        os.wait()
    elif verb == "stop_once":  # as a debugger or an operator would, in the first start of the job
        if not os.path.exists(arg):
            open(arg, "x", encoding="ascii").close()
            os.kill(os.getpid(), signal.SIGSTOP)
    elif verb == "siblings":  # what lies beside each input
        say("log", level="info", text=json.dumps({k: os.listdir(os.path.dirname(job[k]["path"])) for k in ("model", "data")}))
    elif verb == "folder":
        with open(arg, "a", encoding="ascii") as f:
            f.write(job["workdir"] + "\n")
    elif verb == "train":  # [steps, where to die]: counts in its checkpoint, and dies once at each of these
        path = os.path.join(job["checkpoints"], "checkpoint")
        count = int(open(path, encoding="ascii").read()) if os.path.exists(path) else 0
        say("log", level="info", text="from %d" % count)
        while count < arg[0]:
            count += 1
            with open(path, "w", encoding="ascii") as f:
                f.write("%d" % count)
            if count in arg[1]:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(arg[2] if len(arg) > 2 else 0)
    elif verb == "crash_after_checkpoint":
        with open(os.path.join(job["checkpoints"], "checkpoint"), "a", encoding="ascii") as f:
            f.write("x" if f.tell() == 0 else "")
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "exit":
        sys.exit(arg)
    elif verb == "fail":
        say("error", code="bad_model", detail=arg)
        sys.exit(1)
    elif verb == "garbage":
        sys.stdout.buffer.write(b"\xff\xfe not json\n{\"event\": 3}\n[1]\n" + os.urandom(2000) + b"\n")
        sys.stdout.flush()
    elif verb == "flood":
        chunk = b"x" * (1 << 20)
        for _ in range(arg):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
    elif verb == "allocate":
        hoarded.append(bytearray(arg))
        hoarded[-1][::4096] = b"x" * len(hoarded[-1][::4096])
    elif verb == "hoard":  # [processes, bytes of each]
        for _ in range(arg[0]):
            if os.fork() == 0:
                step(job, "allocate", arg[1])
                time.sleep(300)
        os.wait()
    elif verb == "spin":  # [processes, seconds]: each takes what it gets of a processor
        end = time.monotonic() + arg[1]
        for _ in range(arg[0]):
            if os.fork() == 0:
                while time.monotonic() < end:
                    pass
                os._exit(0)
        for _ in range(arg[0]):
            os.wait()
    elif verb == "multiply":  # as many processes as can be made; how many is written down
        n = 1
        try:
            while os.fork():
                n += 1
            time.sleep(300)
        except OSError:
            with open(arg, "w", encoding="ascii") as f:
                f.write("%d" % n)
    elif verb == "touch":
        with open(arg, "a", encoding="ascii") as f:
            f.write("%d\n" % os.getpid())
    elif verb == "tick":  # stamps of time, which show when this process stood still
        end = time.monotonic() + arg[1]
        with open(arg[0], "a", encoding="ascii") as f:
            while time.monotonic() < end:
                f.write("%f\n" % time.monotonic())
                f.flush()
                time.sleep(0.01)
    elif verb == "metric":
        for i in range(arg):
            say("metric", scope="step", name="loss", step=i, value=i / 4)
    elif verb == "artifact":
        with open(os.path.join(job["workdir"], arg), "w", encoding="ascii") as f:
            f.write("made by a worker\n")
        say("artifact", name=arg, path=os.path.join(job["workdir"], arg), content_type="text/plain")
    elif verb == "json_artifact":  # [name, rows]
        with open(os.path.join(job["workdir"], arg[0]), "w", encoding="ascii") as f:
            json.dump([{"row": i, "square": i * i} for i in range(arg[1])], f)
        say("artifact", name=arg[0], path=os.path.join(job["workdir"], arg[0]), content_type="application/json")
    elif verb == "escape":
        os.symlink("/etc/passwd", os.path.join(job["workdir"], "link"))
        say("artifact", name="link", path="/etc/passwd", content_type="text/plain")
        say("artifact", name="../../quantbench.db", path="/etc/passwd", content_type="text/plain")
    elif verb == "section":
        say("section", name="latency", state="begin")
        assert json.loads(sys.stdin.readline()) == {"go": "latency"}
        step(job, *arg)
        say("section", name="latency", state="end")
    else:
        raise ValueError(verb)


def fake(job):
    for i, s in enumerate(job.get("do", [])):
        say("progress", stage="step", fraction=i / len(job["do"]), text=str(s)[:50])
        say("log", level="info", text="step %d" % i)
        step(job, *(s if isinstance(s, list) else [s, None]))
    return {"rows": [{"name": "a,\"b\"", "value": 1.5, "parts": {"add": 3}}, {"name": "c", "value": None}]}


def inspect(job):
    with open((job.get("model") or job.get("data"))["path"], "rb") as f:
        head = f.read(64)
    if head.startswith(b"broken"):
        say("error", code="bad_model", detail="this is no network; export it as ONNX")
        sys.exit(1)
    if head.startswith(b"slow"):
        time.sleep(60)
    if head.startswith(b"crash"):
        for path in head.split()[1:]:
            step(job, "touch", path)
        os.kill(os.getpid(), signal.SIGSEGV)
    if "model" in job:
        return {"kind": "model", "inputs": [{"name": "x", "type": "float32", "shape": ["N", 3, None]}], "outputs": [],
                "parameters": 5, "macs": 7.0, "graph": {"nodes": [{"name": "n", "type": "Conv"}]}}
    return {"kind": "data", "arrays": [{"name": "x", "type": "uint8", "shape": [10, 3]}]}


ENGINE = {"engine": "fake-1", "isa": "none", "formats": ["int8", {"name": "E4", "bits": 8}], "types": [
    {"type": "fake", "inputs": "model data", "schema": SCHEMA},
    {"type": "ptq", "inputs": ["model", "data"], "schema": PTQ},
    {"type": "inspect", "inputs": [], "internal": True, "schema": {}}]}


def check(job):
    """The argument of the step "check": an answer, or a step to take first."""
    for s in job.get("do", []):
        if s[0] == "check" and isinstance(s[1], dict):
            return s[1]
        if s[0] == "check":
            step({}, *s[1])
    return {"ok": True}


def answer(ask, question):
    """One line for one question; "do" misbehaves as it does in jobs."""
    if ask == "check":
        print(json.dumps({"answer": check(question["job"])}), flush=True)
        return
    for s in question.get("do", []):
        step({}, *(s if isinstance(s, list) else [s, None]))
    if question.get("name") == "nonsense":
        say("error", code="invalid", detail="nonsense is no number format")
    elif ask == "types":
        print(json.dumps({"answer": ENGINE}), flush=True)
    elif ask == "format":
        print(json.dumps({"answer": {"name": question["name"], "bits": 8, "values": []}}), flush=True)
    else:
        print(json.dumps({"answer": {"rows": [], "pid": os.getpid(), "asked": ask, "args": sys.argv[1:]}}), flush=True)


KINDS = {"fake": fake, "ptq": ptq, "inspect": inspect}


def end_with_input():
    watched = select.poll()
    watched.register(0, 0)  # nothing is read here: it is told when the other end is closed
    watched.poll()
    os._exit(1)


def main():
    args = sys.argv[1:]
    if "--serve" in args:
        for line in sys.stdin:
            question = json.loads(line)
            answer(question.pop("ask"), question)
        return 0
    signal.signal(signal.SIGTERM, stopped)
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # as the real one: it does not outlive the daemon
    if "--end-with-input" in args:
        threading.Thread(target=end_with_input, daemon=True).start()
    if "--memory-bytes" in args:
        import resource
        n = int(args[args.index("--memory-bytes") + 1])
        resource.setrlimit(resource.RLIMIT_AS, (n, n))
    job = json.loads(sys.stdin.readline())
    result = KINDS[job["type"]](job)
    version = [s[1] for s in job.get("do", []) if s[0] == "version"]
    machine = [s[1] for s in job.get("do", []) if s[0] == "machine"]
    say("result", result=result, **({"engine": version[0]} if version else {}), **({"machine": machine[0]} if machine else {}))
    return 0


sys.exit(main())
