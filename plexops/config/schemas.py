"""The JSON Schemas that come with plexops: `python -m scripts.schemas` makes their files."""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec.json import decode

from plexops.config.files import shipped

Schema = dict[str, Any]

#: Our own annotation: what a value is, so that one message can be right for a port and another for a secret.
WANTS = "x-plexops"
#: What a text that is no number or switch of its own has to hold.
TEMPLATE = r"\{\{"


@cache
def schema_of(name: str) -> Schema:
    """Give the schema of a file by its kind (`inventory`, `playbook` …). It is one for all: nobody changes it."""
    return decode((shipped("schemas") / f"{name}.json").read_bytes(), type=Schema)
