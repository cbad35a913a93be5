"""GitHub Actions: annotations at the lines that people wrote, and a log that no device can give orders to."""

from __future__ import annotations

import hashlib
import re

from plexops.model.errors import Place
from plexops.model.run import MaskedReport, RunReport
from plexops.report import text
from plexops.report.view import View, mark_of, visible

#: GitHub shows ten of each level per step and drops the others without a word.
_MOST = 10


def render(report: MaskedReport, view: View) -> str:
    """Give the log: the text report between stop-commands marks, then the annotations.

    The mark is a hash of what it encloses, so nothing enclosed can contain it.
    """
    body = "\n".join(
        _quiet(line) for line in text.render(report, View(width=view.width, verbose=True)).split("\n")
    )
    mark = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()[:32]
    return f"::stop-commands::{mark}\n{body}\n::{mark}::\n" + "".join(
        f"{line}\n" for line in _annotations(visible(report, exhibits=False))
    )


def _quiet(line: str) -> str:
    """Break what other log readers act on: GitHub's old `##[`, Azure's `##vso[`, TeamCity's, GitLab's sections."""
    line = re.sub(r"##(?=\[|vso|teamcity)", "# #", line)
    line = re.sub(r"section_(?=start:|end:)", "section ", line)
    return f"| {line}" if line.lstrip().startswith("::") else line


def _annotations(report: RunReport) -> list[str]:
    errors: list[str] = []
    warnings: list[str] = []
    for site in report.sites:
        if site.verdict is not None and site.verdict.mark != "ok":
            title = f"{site.name}: {site.verdict.layer or 'verdict'}"
            told = _annotation("error", title, site.verdict.cause)
            (warnings if site.verdict.mark == "unknown" else errors).append(told)
        for finding in site.findings:
            parts = (("want ", finding.want), ("have ", finding.have), ("", finding.why))
            message = "\n".join(lead + part for lead, part in parts if part) or finding.title
            title = f"{site.name}: {finding.title}"
            mark = mark_of(finding.status)
            if mark in ("drift", "stop"):
                errors.append(_annotation("error", title, message, finding.place))
            elif mark == "unknown":
                warnings.append(_annotation("warning", title, message, finding.place))
        for problem in site.errors:
            message = f"{problem.reason}\n{problem.cure}".strip()
            errors.append(_annotation("error", f"{site.name}: {problem.code}", message, problem.place))
    lines = errors[:_MOST] + warnings[:_MOST]
    left = len(errors) + len(warnings) - len(lines)
    if left:
        more = f"{left} more are in the log; GitHub shows {_MOST} of a kind"
        lines.append(_annotation("notice", "plexops", more))
    return lines


def _annotation(level: str, title: str, message: str, place: Place | None = None) -> str:
    properties = {"title": title}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), "col": str(place.column), **properties}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {listed}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
