# SPDX-License-Identifier: Apache-2.0
"""Jobs with no server: the program `quantbench run`, which starts a worker on this machine."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading

from . import errors, frames, inputs, progress

CODES = {1: "job_failed", 2: "usage", 3: "unreachable", 4: "refused"}  # the program's exit statuses
PROGRESS = re.compile(r"\s*(\d+) %  (.*)")


class Result(dict):
    """The result of a job that was done here."""

    def __init__(self, content, program):
        super().__init__(content)
        self._program = program

    def frame(self):
        """Its rows as a pandas.DataFrame."""
        frames.pandas()
        done = subprocess.run([self._program, "show", "-", "--csv"], input=json.dumps(self).encode(), capture_output=True, check=False)
        if done.returncode:
            raise _failure(done.returncode, done.stderr.decode(errors="replace").splitlines())
        return frames.of_csv(done.stdout)


def find_program(program=None):
    """What was named, else QUANTBENCH_PROGRAM, else `quantbench` of the PATH."""
    wanted = program or os.environ.get("QUANTBENCH_PROGRAM") or "quantbench"
    found = shutil.which(wanted)
    if not found:
        raise errors.Error(f"there is no program {wanted!r} here; install quantbench, or name its program with program= or "
                           "QUANTBENCH_PROGRAM", code="no_program")
    return found


def run(job=None, /, *, threads=None, out=None, checkpoints=None, program=None, bar=None, **fields):
    """Does a job, a dict or its fields, on this machine and gives its Result. model, data, train, teacher and models are paths,
    arrays or (module, example), as Client.submit takes them.

    threads      of the worker; default all processors
    out          a folder for the job's artifacts
    checkpoints  a folder where a job that trains leaves checkpoints, and goes on from one that is there
    """
    program = find_program(program)
    command = [program, "run", "-", "--json"]
    for option, value in (("--threads", threads), ("--out", out), ("--checkpoint", checkpoints)):
        command += [option, os.fspath(value) if isinstance(value, os.PathLike) else str(value)] if value is not None else []
    with contextlib.ExitStack() as files:
        spec = inputs.replace({"type": "ptq", **(job or {}), **fields}, lambda field, kind, value: _place(files, field, value))
        return Result(_run(command, spec, bar or progress.create()), program)


def _place(files, field, value):
    file = files.enter_context(inputs.as_file(value))
    if file is None:
        raise errors.Error(f"{field}: {value!r} is no file here and holds no arrays", code="no_file")
    path, name = file
    if os.path.basename(path) != name:  # made for this run: results name it as people do
        path = shutil.move(path, os.path.join(os.path.dirname(path), name))
    return os.path.abspath(path)


def _run(command, spec, bar):
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        said = []
        listener = threading.Thread(target=_listen, args=(process.stderr, bar, said))
        listener.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it says why on stderr
                process.stdin.write(json.dumps(spec))
                process.stdin.close()
            answer = process.stdout.read()
            status = process.wait()
        except BaseException:  # Ctrl-C above all: the program ends its worker
            process.terminate()
            raise
        finally:
            listener.join()
            bar.close()
    if status:
        raise _failure(status, said)
    return json.loads(answer)


def _listen(lines, bar, said):
    for line in lines:
        step = PROGRESS.fullmatch(line.rstrip("\n"))
        if step:
            bar.show(int(step[1]) / 100, step[2], step[2])
        else:
            said.append(line.rstrip("\n"))
            if not line.startswith("quantbench: "):
                bar.say(said[-1])


def _failure(status, said):
    sentences = [line.removeprefix("quantbench: ") for line in said if line.startswith("quantbench: ")]
    detail = sentences[-1] if sentences else "\n".join(said[-5:]) or f"quantbench ended with status {status}"
    return errors.Error(detail, code=CODES.get(status, "job_failed"))
