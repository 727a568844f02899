# SPDX-License-Identifier: Apache-2.0
"""Read by schemathesis (SCHEMATHESIS_HOOKS): the jobs that it submits are those of fake_worker.py, whose fields openapi.yaml leaves
to the kinds of jobs, so that what is generated from it can be carried out."""
import copy

import schemathesis


@schemathesis.hook
def before_load_schema(_context, raw):
    job = copy.deepcopy(raw["components"]["schemas"]["JobSpec"])
    run = copy.deepcopy(raw["components"]["schemas"]["Run"])
    job["properties"]["type"] = {"const": "fake"}
    job["properties"]["do"] = {"enum": [[], [["artifact", "out.txt"]], ["fail"], [["metric", {"name": "top1", "value": 1}]]]}
    job["required"] = ["type"]
    job["additionalProperties"] = False
    for uploads in ("model", "data"):
        del job["properties"][uploads]
    # What this machine has none of, or not so much.
    for name in ("target", "after", "threads", "memory_bytes", "wall_seconds"):
        del run["properties"][name]
    job["properties"]["run"] = run
    grid = copy.deepcopy(raw["components"]["schemas"]["GridSpec"])
    grid["properties"]["job"] = {"const": {"type": "fake", "do": [], "fresh": True}}
    grid["properties"]["over"] = {
        "type": "object", "required": ["seed"], "additionalProperties": False,
        "properties": {"seed": {"type": "array", "minItems": 1, "items": {"enum": [1, 2, 3, 4, 5]}}}}
    for path, schema in (("/v1/jobs", job), ("/v1/grids", grid)):
        raw["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"] = schema
