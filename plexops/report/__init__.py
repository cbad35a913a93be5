"""Reports: one document, several formats. No format changes what was found or the exit status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec import Struct

from plexops.model.run import MaskedReport
from plexops.report.view import View


class Format(Struct, frozen=True):
    """One way to write a report. `suffix` is what a file of it is called; `title` is for help texts."""

    name: str
    title: str
    suffix: str
    render: Callable[[MaskedReport, View], str]


def _text(report: MaskedReport, view: View) -> str:
    from plexops.report import text

    return text.render(report, view)


def _json(report: MaskedReport, view: View) -> str:
    from plexops.report import json_format

    return json_format.render(report, view)


def _jsonl(report: MaskedReport, view: View) -> str:
    from plexops.report import fleet

    return fleet.render_lines(report, view)


def _junit(report: MaskedReport, view: View) -> str:
    from plexops.report import junit

    return junit.render(report, view)


def _github(report: MaskedReport, view: View) -> str:
    from plexops.report import github

    return github.render(report, view)


def _html(report: MaskedReport, view: View) -> str:
    from plexops.report import html

    return html.render(report, view)


def _markdown(report: MaskedReport, view: View) -> str:
    from plexops.report import markdown

    return markdown.render(report, view)


#: All formats by name. Each module is imported when it is used, so that help and completion start fast. On the
#: terminal of the person whose home it is, `text.render` also takes the unmasked report.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "text": Format("text", "for people, on a terminal", ".txt", _text),
        "json": Format("json", "for machines: the whole document", ".json", _json),
        "jsonl": Format(
            "jsonl", "for machines: a document of each home on a line, and a summary", ".jsonl", _jsonl
        ),
        "junit": Format("junit", "for CI systems that show test results", ".xml", _junit),
        "github": Format("github", "for GitHub Actions: log and annotations", ".txt", _github),
        "html": Format("html", "one page to keep or to hand on", ".html", _html),
        "markdown": Format("markdown", "for pull requests and issues", ".md", _markdown),
    }
)
