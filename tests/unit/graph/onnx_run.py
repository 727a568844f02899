# SPDX-License-Identifier: Apache-2.0
"""Runs tests/tools/onnx_eval and gradient_eval from Python."""
import os
import struct
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import helper

TOOLS = os.path.join(os.environ.get("top_builddir", "."), "tests/tools")
TOOL = os.path.join(TOOLS, "onnx_eval")


class Failed(Exception):
    pass


def _element_type(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _write(path, arrays):
    with open(path, "wb") as f:
        for a in arrays:
            a = np.asarray(a)
            f.write(struct.pack("<ii", _element_type(a.dtype), a.ndim))
            f.write(struct.pack(f"<{a.ndim}q", *a.shape))
            f.write(np.ascontiguousarray(a).tobytes())


def _read(path):
    with open(path, "rb") as f:
        data = f.read()
    at, arrays = 0, []
    while at < len(data):
        kind, rank = struct.unpack_from("<ii", data, at)
        at += 8
        shape = struct.unpack_from(f"<{rank}q", data, at)
        at += 8 * rank
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(data, dtype, count, at).reshape(shape))
        at += count * np.dtype(dtype).itemsize
    return arrays


def _run(command, inputs, timeout):
    with tempfile.TemporaryDirectory() as tmp:
        a, b = os.path.join(tmp, "in"), os.path.join(tmp, "out")
        _write(a, inputs)
        p = subprocess.run([*command, a, b], capture_output=True, text=True, timeout=timeout)
        if p.returncode != 0:
            raise Failed(f"exit {p.returncode}: {p.stderr.strip()[-600:]}")
        return _read(b)


def run(model, inputs, prepare=False, timeout=120):
    """The outputs of the network in `model` (a path), or Failed with what onnx_eval said."""
    return _run([TOOL] + (["--prepare"] if prepare else []) + [str(model)], inputs, timeout)


def gradients(model, inputs, target, weight, axis=-1, plan=False, timeout=120):
    """[loss, logits, a gradient for each float32 input] of the network in `model`, or Failed with what gradient_eval said."""
    command = [os.path.join(TOOLS, "gradient_eval"), *(["--plan"] if plan else []), f"--axis={axis}", str(model)]
    return _run(command, [*inputs, target, weight], timeout)
