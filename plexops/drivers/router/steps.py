"""The steps that take an answer apart. All are total: what does not fit is not understood, and never skipped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from plexops.drivers.patterns import compile_pattern
from plexops.model.exchange import Json
from plexops.model.profile import LineStep, ListStep, Step
from plexops.parsers import PARSERS, ParseError
from plexops.parsers.base import lines_of


def taken_apart(value: Json, steps: Sequence[Step]) -> Json:
    """Take one answer apart, step by step. Raises ParseError for what does not fit."""
    for step in steps:
        value = _step(step, value)
    return value


def taken(value: Json, expression: str) -> Json:
    """Give what an expression finds. Raises ParseError for a value that is not as it wants it."""
    from plexops.drivers.router.functions import search

    try:
        return search(expression, value)
    except ValueError as reason:
        raise ParseError(str(reason)) from None


def _step(step: Step, value: Json) -> Json:
    if step.take:
        return taken(value, step.take)
    if not isinstance(value, str):
        raise ParseError("what the step before gave is no text")
    if step.parser:
        return PARSERS[step.parser](value)
    if step.each is not None:
        return _lines(step.each, value)
    if step.list is not None:
        return _items(step.list, value)
    return html.unescape(value)


def _lines(step: LineStep, text: str) -> Json:
    pattern = compile_pattern(step.line)
    rows: list[Json] = []
    for line in lines_of(text):
        if not line.strip() or (step.skip and line.startswith(step.skip)):
            continue
        row = pattern.read(line, step.least)
        if row is None:
            raise ParseError(f"it is not {step.line}", line)
        rows.append({**row})
    return rows


def _items(step: ListStep, text: str) -> Json:
    """Read one text of many items, each by the pattern; with `lead` an item begins with what separates them."""
    pattern = compile_pattern(step.item)
    if not text.strip():
        return []
    if step.lead and not text.startswith(step.items):
        raise ParseError(f"it does not begin with {step.items!r}", text)
    inner = text.removeprefix(step.items) if step.lead else text.strip(step.items)
    rows: list[Json] = []
    for item in inner.split() if step.items.isspace() else inner.split(step.items):
        row = pattern.read(item, step.least)
        if row is None:
            raise ParseError(f"it is not {step.item}", item)
        rows.append({**row})
    return rows
