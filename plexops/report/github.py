"""GitHub Actions: annotations at the lines that people wrote, and a log that no device can give orders to."""

from __future__ import annotations

import hashlib
import re

from plexops.model.errors import Place
from plexops.model.finding import FindingStatus
from plexops.model.run import MaskedReport, RunReport
from plexops.report import markdown, text
from plexops.report.view import View, visible

#: GitHub shows ten of each level per step and drops the others without a word.
_MOST = 10
_ERRORS = {FindingStatus.DRIFT, FindingStatus.CONFLICT, FindingStatus.STOPPED}
_WARNINGS = {FindingStatus.UNKNOWN, FindingStatus.UNSUPPORTED}


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


def render_summary(report: MaskedReport) -> str:
    """Give the Markdown for the file that GITHUB_STEP_SUMMARY names."""
    return markdown.render(report, View())


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
            told = _annotation(
                "error", f"{site.name}: {site.verdict.layer or 'verdict'}", site.verdict.cause, None
            )
            (warnings if site.verdict.mark == "unknown" else errors).append(told)
        for finding in site.findings:
            parts = [
                f"want {finding.want}" if finding.want else "",
                f"have {finding.have}" if finding.have else "",
            ]
            message = "\n".join(part for part in (*parts, finding.why) if part) or finding.title
            title = f"{site.name}: {finding.title}"
            if finding.status in _ERRORS:
                errors.append(_annotation("error", title, message, finding.place))
            elif finding.status in _WARNINGS:
                warnings.append(_annotation("warning", title, message, finding.place))
        for problem in site.errors:
            message = f"{problem.reason}\n{problem.cure}".strip()
            errors.append(_annotation("error", f"{site.name}: {problem.code}", message, problem.place))
    lines = errors[:_MOST] + warnings[:_MOST]
    left = len(errors) + len(warnings) - len(lines)
    if left:
        lines.append(
            _annotation(
                "notice", "plexops", f"{left} more are in the log; GitHub shows {_MOST} of a kind", None
            )
        )
    return lines


def _annotation(level: str, title: str, message: str, place: Place | None) -> str:
    properties = {"title": title}
    if place is not None:
        properties = {"file": place.file, "line": str(place.line), "col": str(place.column), **properties}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {listed}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
