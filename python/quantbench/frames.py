# SPDX-License-Identifier: Apache-2.0
"""Rows of results as pandas data frames, from the CSV that quantbench itself makes of a result."""
import io

from . import errors


def pandas():
    try:
        import pandas as module
    except ImportError as why:
        raise errors.Error(f"a data frame takes pandas, which is not here ({why}); `pip install pandas`, or use result()",
                           code="no_pandas") from why
    return module


def of_csv(text):
    """Numbers as they were written, to the last bit; a cell that is empty is NaN."""
    module = pandas()
    version = tuple(int(n) for n in module.__version__.split(".")[:2])
    exact = {} if version >= (3, 1) else {"float_precision": "round_trip"}  # from 3.1 on the only way
    return module.read_csv(io.BytesIO(text), **exact)


def of_comparison(comparison):
    """A row for each network and scheme."""
    rows = []
    for row in comparison["rows"]:
        about = {"job": row["job"], "model": (row["model"] or {}).get("name"), "data": (row["data"] or {}).get("name"),
                 "metric_name": row["metric_name"], "float": row["float"], "samples": row.get("samples")}
        rows += [{**about, **{k: v for k, v in cell.items() if not isinstance(v, (dict, list))}} for cell in row["cells"]]
    return pandas().DataFrame(rows)
