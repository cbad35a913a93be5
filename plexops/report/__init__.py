"""Reports: one document, several formats. No format changes what was found or the exit status."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plexops.model.run import MaskedReport
    from plexops.report.view import View

#: All formats by name, each with its module here, which is imported when it is used.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "json": "json_format",
        "jsonl": "fleet",
        "junit": "junit",
        "github": "github",
        "html": "html",
        "markdown": "markdown",
    }
)


def render(name: str, report: MaskedReport, view: View) -> str:
    """Give a report in a format. On its owner's terminal `text.render` also takes the unmasked report."""
    text: str = import_module(f"plexops.report.{FORMATS[name]}").render(report, view)
    return text
