"""From the type that declares a file's shape to the JSON Schema that editors and the first check know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from msgspec.json import schema_components

from plexops.config.schemas import WANTS, Schema
from scripts.inventory_schema import DRAFT

#: What a value of a JSON type is asked for as, where nothing more is said.
_WANTS = {"object": "table", "array": "list", "string": "text", "boolean": "flag", "integer": "number"}
#: What msgspec says of a type and its fields, and a person who writes a file need not know.
_LEFT_OUT = ("title", "default", "anyOf", "$ref", "uniqueItems")


def declared_schema(declared: type, title: str, choices: Mapping[str, Sequence[Sequence[str]]]) -> Schema:
    """Give the schema of a file that `declared` is the shape of.

    `choices` names, for a type by its name, the fields of which exactly one group is wanted.
    """
    (root,), parts = schema_components(
        [declared],
        ref_template="#/definitions/{name}",
        schema_hook=lambda _: {"type": ["string", "integer"], WANTS: "text"},
    )
    for name, groups in choices.items():
        parts[name]["oneOf"] = [{"required": list(group)} for group in groups]
    done = {name: _tidy(part, parts) for name, part in parts.items()}
    whole = done.pop(root["$ref"].rpartition("/")[2])
    text = json.dumps([whole, *done.values()])
    kept = {name: part for name, part in done.items() if f'"#/definitions/{name}"' in text}
    return {"$schema": DRAFT, "title": title, **whole, "definitions": kept}


def _tidy(schema: Schema, parts: Mapping[str, Schema]) -> Schema:
    """Write a part where it is used once with words of its own; leave out what stands in no file, and null."""
    ways = [way for way in schema.get("anyOf", [schema]) if way != {"type": "null"}]
    if len(ways) > 1:
        ways = [{"type": [way["type"] for way in ways]}]
    inner = ways[0]
    if "$ref" in inner and len(schema) == 1:
        return dict(schema)
    if "$ref" in inner:
        inner = parts[inner["$ref"].rpartition("/")[2]]
    merged = {**inner, **{key: value for key, value in schema.items() if key not in _LEFT_OUT}}
    found: Schema = {key: value for key, value in merged.items() if key not in _LEFT_OUT}
    if "enum" in found:
        found["type"] = "string" if any(isinstance(word, str) for word in found["enum"]) else "integer"
    found.setdefault(WANTS, _WANTS.get(str(found.get("type")), "body" if "type" not in found else "text"))
    if "properties" in found:
        told = {name: part for name, part in found["properties"].items() if not name.startswith("@")}
        found["properties"] = {name: _tidy(part, parts) for name, part in told.items()}
        found["required"] = [name for name in found["required"] if name in told]
        if not found["required"]:
            del found["required"]
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _tidy(cast("Schema", found[key]), parts)
    return found
