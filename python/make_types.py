#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes quantbench/types.py: the objects of schema/openapi.yaml as types. `make_types.py OPENAPI OUT`."""
import keyword
import re
import sys

import yaml

HEAD = '''# SPDX-License-Identifier: Apache-2.0
"""What the server's answers are, for type checkers: made from schema/openapi.yaml by python/make_types.py; do not edit.

At run time they are plain dicts, of whose fields there may be more."""
from typing import Any, Literal, NotRequired, TypedDict
'''
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "dict[str, Any]"}


class Types:
    def __init__(self, schemas):
        self.schemas = schemas
        self.written = {}  # name -> text, in the order in which they are needed

    def ref(self, path):
        name = path.rsplit("/", 1)[1]
        self.define(name)
        return name

    def of(self, schema, name):
        """The type of a schema as an expression; objects inside it become types of their own, called after their place."""
        if not schema:
            return "Any"
        if "$ref" in schema:
            return self.ref(schema["$ref"])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return union(self.of(s, f"{name}{i or ''}") for i, s in enumerate(schema[several]))
        if "allOf" in schema:
            return self.object(merged(schema, self.schemas), name)
        if "const" in schema:
            return literal([schema["const"]])
        if "enum" in schema:
            return literal(schema["enum"])
        kinds = schema.get("type", "object" if "properties" in schema else None)
        if kinds is None:
            return "Any"
        return union(self.one(kind, schema, name) for kind in (kinds if isinstance(kinds, list) else [kinds]))

    def one(self, kind, schema, name):
        if kind == "array":
            return f"list[{self.of(schema.get('items'), name + 'Item')}]"
        if kind == "object" and schema.get("properties"):
            return self.object(schema, name)
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"dict[str, {self.of(schema['additionalProperties'], name + 'Value')}]"
        return PLAIN[kind]

    def object(self, schema, name):
        """A class; where a name of a field is none of Python, the functional form."""
        if name in self.written:
            return name
        self.written[name] = None  # one that holds itself ends here
        required = schema.get("required", [])
        fields = {}
        for key, value in schema["properties"].items():
            told = self.of(value, name + "".join(w[:1].upper() + w[1:] for w in re.split(r"\W|_", key)))
            fields[key] = told if key in required else f"NotRequired[{told}]"
        if all(k.isidentifier() and not keyword.iskeyword(k) for k in fields):
            text = f"class {name}(TypedDict):\n" + "".join(f"    {k}: {v}\n" for k, v in fields.items())
        else:
            text = f"{name} = TypedDict({name!r}, {{\n" + "".join(f"    {k!r}: {v},\n" for k, v in fields.items()) + "})\n"
        del self.written[name]
        self.written[name] = text
        return name

    def define(self, name):
        if name in self.written:
            return
        schema = self.schemas[name]
        if "properties" in schema or "allOf" in schema:
            self.of(schema if "allOf" in schema else {**schema, "type": "object"}, name)
        else:
            self.written[name] = None
            text = f"{name} = {self.of(schema, name)}\n"
            del self.written[name]
            self.written[name] = text


def union(types):
    return " | ".join(dict.fromkeys(types))


def literal(values):
    return f"Literal[{', '.join(repr(v) for v in values)}]"


def merged(schema, schemas):
    properties, required = {}, []
    for part in [*schema["allOf"], {k: v for k, v in schema.items() if k != "allOf"}]:
        while "$ref" in part:
            part = schemas[part["$ref"].rsplit("/", 1)[1]]
        if "allOf" in part:
            part = merged(part, schemas)
        properties.update(part.get("properties", {}))
        required += part.get("required", [])
    return {"type": "object", "properties": properties, "required": required}


def made(openapi):
    types = Types(openapi["components"]["schemas"])
    for name in types.schemas:
        types.define(name)
    text, after_class = HEAD, False
    for piece in types.written.values():
        is_class = piece.startswith("class ")
        text += ("\n\n" if is_class or after_class else "") + piece
        after_class = is_class
    return text


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        openapi = yaml.safe_load(source)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(made(openapi))
