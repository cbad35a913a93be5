"""A profile's YAML: its schema, and from what is valid by it to the model. `model.profile` declares both.

What the texts in it may say (commands, paths, templates) is judged when the profile is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from msgspec import convert

from plexops.config.file_schema import schema_of
from plexops.config.nodes import Node, places, plain
from plexops.config.problems import Problems
from plexops.config.schemas import Schema
from plexops.config.validate import SchemaCheck
from plexops.model.exchange import Json
from plexops.model.profile import Profile, Word
from plexops.model.resources import KINDS
from plexops.model.snapshot import Kind
from plexops.structs import replace

_CHOICES = {
    "ReadSpec": (("run",), ("call",)),
    "Request": (("run",), ("send",), ("file",)),
    "KindSpec": (("from",), ("backends",)),
    "WindowSpec": (("directory",), ("open", "confirm", "armed")),
}
_READ_ONLY = (Kind.LEASE, Kind.NEIGHBOUR, Kind.UPNP_MAPPING)


def check_profile(document: Node) -> None:
    """Raise PlexopsError with all that is wrong with a profile's shape."""
    problems = Problems()
    SchemaCheck(profile_schema(), {}).problems(document, problems)
    problems.raise_if_any()


def profile_schema() -> Schema:
    """Give the schema of a router profile. A kind is a key of its own, so that a misspelt one is told as such."""
    schema = schema_of(Profile, "plexops router profile", _CHOICES)
    kept = (*(kind for kind, resource in KINDS.items() if not resource.is_condition), *_READ_ONLY)
    for part, kinds in (("resources", kept), ("steps", tuple(KINDS))):
        table = schema["properties"][part]
        del table["propertyNames"]
        table["properties"] = {str(kind): {"$ref": f"#/definitions/{part}"} for kind in kinds}
        schema["definitions"][part] = table["additionalProperties"]
        table["additionalProperties"] = False
    del schema["definitions"]["Kind"]
    return schema


def fill_params(value: Json, params: Mapping[str, str]) -> Json:
    """Put the router's own words into a profile's texts: `{{ wan }}` where `wan` is a param."""
    if isinstance(value, str):
        return re.sub(r"\{\{ (\w+) \}\}", lambda m: params.get(m[1], m[0]), value)
    if isinstance(value, Mapping):
        return {key: fill_params(item, params) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_params(item, params) for item in value]
    return value


def build_profile(document: Node, text: str, given: Mapping[str, str] = MappingProxyType({})) -> Profile:
    """Make the model of a profile. `given` are the inventory's params; those of the profile are the defaults."""
    raw = plain(document)
    declared = _tables(raw, "params")
    params = {name: given.get(name, str(spec["default"])) for name, spec in declared.items()}
    filled = cast("dict[str, Json]", fill_params(raw, params)) | {"params": declared}
    for part in ("reads", "facts"):
        for name, spec in _tables(filled, part).items():
            spec["@name"] = name
    for kind, kept in _tables(filled, "resources").items():
        for name, spec in {"": kept, **_tables(kept, "backends")}.items():
            spec |= {"@kind": kind, "@name": name}
    profile: Profile = convert(filled, Profile, dec_hook=lambda _, word: Word(word))
    return replace(profile, text=text, places=places(document))


def _tables(document: Json, part: str) -> dict[str, dict[str, Json]]:
    """Give the tables of one part of a document that its schema has judged."""
    return cast("dict[str, dict[str, dict[str, Json]]]", document).get(part, {})
