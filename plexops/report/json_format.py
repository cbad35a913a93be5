"""The run's document itself, for machines: one object, its schema first, ASCII only."""

from __future__ import annotations

import json

import msgspec

from plexops.model.run import MaskedReport
from plexops.report.view import View


def render(report: MaskedReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give the JSON of `plexops.run/1`; ASCII, so that no terminal or log reader acts on what a device wrote."""
    return json.dumps(msgspec.to_builtins(report), indent=2, ensure_ascii=True) + "\n"
