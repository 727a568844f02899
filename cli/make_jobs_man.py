#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes quantbench-jobs.5: every kind of job and its fields, as the worker's table and `quantbench help` tell them.
`make_jobs_man.py QUANTBENCH WORKER OUT`."""
import json
import re
import subprocess
import sys

HEAD = r'''.\" SPDX-License-Identifier: Apache-2.0
.\" Made from what `quantbench help` prints by cli/make_jobs_man.py; do not edit.
.TH QUANTBENCH-JOBS 5 "" "quantbench" "File formats"
.SH NAME
quantbench\-jobs \- kinds of jobs and their fields
.SH DESCRIPTION
A job is a JSON object. Its
.I type
says what is done, its other fields how. It is handed in by
.BR "quantbench submit" " or " "POST /v1/jobs" ,
and done without a server by
.BR "quantbench run" .
Fields that are not here are refused, and so are values out of bounds. A name such as
.I schemes[].name
is the field
.I name
of each entry of the list
.IR schemes ;
.IR methods[](gptq).damping
is the field
.I damping
of an entry whose
.I name
is gptq.
.PP
To a server a job may say by the object
.I run
where and when it runs, and beside it name, tags and notes; all these do not change what is computed.
.B quantbench help
.I TYPE
prints the same as this page, of the worker here or of a server.
'''
TAIL = r'''.SH SEE ALSO
.BR quantbench (1),
.BR quantbench-worker (8),
.BR quantbenchd (8)
'''


def roff(text):
    """The text as it stands."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return r"\&" + text if text.startswith((".", "'")) else text


def section(kind, text):
    summary, _, rest = text.partition("\n")
    out = [f".SH {kind.upper()}", roff(summary)]
    for line in rest.split("\n"):
        field = re.match(r"  (\S+): (.*)$", line)
        if field:
            out += [".TP", f".B {roff(field[1])}", roff(field[2]), ".br"]
        elif line.strip():
            out.append(roff(line.strip()))
    return out


def made(quantbench, worker):
    answer = subprocess.run([worker, "--serve"], input='{"ask": "types"}\n', capture_output=True, text=True, timeout=60, check=True).stdout
    out = []
    for t in json.loads(answer)["answer"]["types"]:
        if not t["internal"]:
            told = subprocess.run([quantbench, "help", t["type"]], capture_output=True, text=True, timeout=60, check=True).stdout
            out += section(t["type"], told)
    return HEAD + "\n".join(out) + "\n" + TAIL


if __name__ == "__main__":
    with open(sys.argv[3], "w", encoding="utf-8") as f:
        f.write(made(sys.argv[1], sys.argv[2]))
