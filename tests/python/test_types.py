#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quantbench.types: what schema/openapi.yaml says now, and what a server answers."""
import pathlib
import sys
import types as builtin
import typing
import unittest

try:
    import yaml
except ImportError as why:
    print(f"SKIP: lacks schemas: {why}; install python3-yaml")
    sys.exit(77)

import served
from served import FAKE, TOP
from quantbench import types

sys.path.insert(0, str(TOP / "python"))
import make_types  # noqa: E402


def fits(value, told):
    """Whether a value is of a type, as far as a reader who knows the type may rely on it."""
    origin, arguments = typing.get_origin(told), typing.get_args(told)
    if told is typing.Any:
        return True
    if origin is typing.NotRequired:
        return fits(value, arguments[0])
    if origin is typing.Literal:
        return value in arguments
    if origin in (builtin.UnionType, typing.Union):
        return any(fits(value, a) for a in arguments)
    if origin is list:
        return isinstance(value, list) and all(fits(v, arguments[0]) for v in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(v, arguments[1]) for v in value.values())
    if typing.is_typeddict(told):
        hints = typing.get_type_hints(told, include_extras=True)
        return isinstance(value, dict) and told.__required_keys__ <= set(value) and all(fits(value[k], h) for k, h in hints.items() if k in value)
    return value is None if told in (None, type(None)) else isinstance(value, (int, float) if told is float else told)


class Types(unittest.TestCase):
    def test_types__as_committed__are_those_of_openapi(self):
        openapi = yaml.safe_load((TOP / "schema/openapi.yaml").read_text())
        self.assertEqual(make_types.made(openapi), (TOP / "python/quantbench/types.py").read_text(),
                         "run python/make_types.py schema/openapi.yaml python/quantbench/types.py")

    def test_types__every_object__is_one_with_its_fields(self):
        openapi = yaml.safe_load((TOP / "schema/openapi.yaml").read_text())
        for name, schema in openapi["components"]["schemas"].items():
            self.assertTrue(hasattr(types, name), name)
            if "properties" in schema:
                told = getattr(types, name)
                self.assertEqual(set(typing.get_type_hints(told)), set(schema["properties"]), name)
                self.assertEqual(told.__required_keys__, set(schema.get("required", [])), name)


class Answers(served.Served):
    worker = FAKE

    def test_answers__of_a_server__are_of_their_types(self):
        model = self.client.upload_model(b"a network", "net.onnx")
        data = self.client.upload_data(b"data", "x.npz")
        job = self.client.submit(type="ptq", model=model, data=data, schemes=["int8", "best"], tags=["a"], name="n").follow(served.Silent())
        for value, told in ((job.info, types.Job), (job.result(), types.PtqResult),
                            (self.client.compare(job), types.Comparison), (self.client.system(), types.System)):
            self.assertTrue(fits(value, told), (told, value))
        self.assertFalse(fits({**job.info, "state": "odd"}, types.Job))
        self.assertFalse(fits({k: v for k, v in job.info.items() if k != "tags"}, types.Job))


if __name__ == "__main__":
    unittest.main()
