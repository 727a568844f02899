# SPDX-License-Identifier: Apache-2.0
"""Files, arrays and torch modules in the places of a job's uploads.

A source is a path, bytes, an object with arrays (data: a dict {"x": ..., "y": ...}, a pair (x, y) or one array x), or a
torch.nn.Module (a model), which a job has beside an example of its input: (module, x). NumPy and PyTorch are needed by who hands in theirs, and imported by nobody else.
"""
import contextlib
import os
import sys
import tempfile
import warnings
import zipfile

from . import errors

INPUTS = {"model": "models", "data": "datasets", "train": "datasets", "teacher": "models", "models": "models"}
"""Fields of a job that name an upload, or a list of them, and the list on the server that has them."""
OPSET = 17


def is_module(source):
    return "torch" in sys.modules and isinstance(source, sys.modules["torch"].nn.Module)


def is_array(source):
    return hasattr(source, "__array__") or hasattr(source, "__array_interface__")


def arrays_of(source):
    """{name: array} of a source that holds arrays; None for another."""
    if isinstance(source, dict) and source and all(is_array(a) for a in source.values()):
        return source
    if is_array(source):
        return {"x": source}
    if isinstance(source, (tuple, list)) and len(source) == 2 and all(is_array(a) for a in source):
        return {"x": source[0], "y": source[1]}
    return None


def write_npz(arrays, path):
    """The same arrays give the same bytes, so that a server recognizes them; numpy.savez writes the time."""
    import numpy
    with zipfile.ZipFile(path, "w") as npz:
        for name, array in arrays.items():
            if hasattr(array, "detach"):  # a tensor of PyTorch, on whatever device
                array = array.detach().cpu().numpy()
            array = numpy.asanyarray(array)
            if array.dtype.hasobject:
                raise errors.Error(f"array {name!r} holds Python objects; quantbench reads numbers", code="bad_file")
            with npz.open(zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
                numpy.lib.format.write_array(file, array, allow_pickle=False)


def export_module(module, path, example, **options):
    """A torch module in evaluation mode as ONNX, with a batch of any size: `example` is its input, or a tuple of them."""
    import torch
    if example is None:
        raise errors.Error("a torch module is exported by running it once; give example=, a tensor or a tuple of its inputs",
                           code="no_example")
    inputs = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    names = options.pop("input_names", None) or (["x"] if len(inputs) == 1 else [f"x{i}" for i in range(len(inputs))])
    chosen = {"input_names": names, "output_names": ["y"], "opset_version": OPSET, "dynamo": False,
              "dynamic_axes": {name: {0: "N"} for name in [*names, "y"]}, **options}
    if chosen["dynamo"]:
        chosen.pop("dynamic_axes")
    mode = module.training
    module.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(module, inputs, path, **chosen)
    except Exception as why:  # whatever PyTorch raises: of its tracer, its exporter or the module itself
        raise errors.Error(f"PyTorch could not export {type(module).__name__} as ONNX: {why}", code="export") from why
    finally:
        module.train(mode)


@contextlib.contextmanager
def as_file(source, name=None, **options):
    """(path, name) of a source, in a temporary folder where it is no file yet; None for what is no source of a file."""
    if isinstance(source, (tuple, list)) and len(source) == 2 and is_module(source[0]):
        source, options = source[0], {"example": source[1], **options}
    with tempfile.TemporaryDirectory(prefix="quantbench-") as folder:
        arrays = arrays_of(source)
        path = os.path.join(folder, "file")
        if is_module(source):
            name = name or type(source).__name__ + ".onnx"
            export_module(source, path, **{"example": None, **options})
        elif arrays is not None:
            name = name or "arrays.npz"
            write_npz(arrays, path)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            if not name:
                raise errors.Error("bytes have no name; give name=, with an ending: net.onnx", code="no_name")
            with open(path, "wb") as f:
                f.write(source)
        elif isinstance(source, (str, os.PathLike)) and os.path.isfile(source):
            path = os.fspath(source)
            name = name or os.path.basename(path)
        else:
            path = None
        yield (path, name) if path else None


def replace(job, place):
    """A copy of the job in which place(field, kind, value) stands for each value of an input."""
    job = dict(job)
    for field, kind in INPUTS.items():
        value = job.get(field)
        if value is None:
            continue
        if field == "models":
            job[field] = [place(field, kind, v) for v in value]
        else:
            job[field] = place(field, kind, value)
    return job
