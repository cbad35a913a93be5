"""The JSON Schema of a run's document, made from the model itself so that the two cannot drift apart."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from plexops.model.run import RUN_SCHEMA, RunReport

Schema = dict[str, Any]

_PLAIN: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def run_schema() -> Schema:
    """Give the schema of what `--format json` prints (JSON Schema draft 7)."""
    definitions: dict[str, Schema] = {}
    root = _object(RunReport, definitions)
    root["properties"]["schema"] = {"const": RUN_SCHEMA}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "One run of plexops",
        **root,
        "definitions": definitions,
    }


def _object(model: type[Any], definitions: dict[str, Schema]) -> Schema:
    hints = get_type_hints(model)
    return {
        "type": "object",
        "description": inspect.cleandoc(model.__doc__ or "").split("\n\n")[0],
        "properties": {field.name: _schema(hints[field.name], definitions) for field in fields(model)},
        "required": [field.name for field in fields(model)],
    }


def _schema(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin = get_origin(hint)
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is NoneType:
        return {"type": "null"}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(part, definitions) for part in get_args(hint)]}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], definitions)}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [str(word) for word in hint]}
    if not is_dataclass(hint):
        raise TypeError(f"a run's document cannot hold a {hint}")
    name = getattr(hint, "__name__", str(hint))
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(hint, definitions)  # type: ignore[arg-type]
    return {"$ref": f"#/definitions/{name}"}
