"""Many homes in one run: how each ended, and what they have in common."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from plexops.model.finding import FindingStatus
from plexops.model.run import DRY_RUNS, RunReport, SiteReport
from plexops.model.status import PRECEDENCE, ExitStatus
from plexops.pattern import Pattern
from plexops.report.terminal import Pen, Style, apart, labelled, one_line, safe_term
from plexops.report.view import QUIET, STATUSES, View, spaced, style_of_exit
from plexops.structs import replace

#: The name of the summary's shape. Fields are only added within one number.
FLEET_SCHEMA = "plexops.fleet/1"

#: So many homes of one cause are named.
_NAMED = 8
#: What differs from home to home: an address, in clear or masked.
_OWN = Pattern(r"\S*··\S*#\w{4}|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w/])")


class Row(Struct, frozen=True):
    """All that stays of a home that is done. `cause` is worded alike in every home that has it."""

    name: str
    exit_status: int
    cause: str
    outcome: str


class Group(Struct, frozen=True):
    """Homes that ended alike, for the same cause, in the order of their names."""

    cause: str
    exit_status: int
    homes: tuple[str, ...]


class Summary(Struct, frozen=True, kw_only=True):
    """The last line of a run over several homes in `--format jsonl`. `homes` counts them all."""

    schema: str = FLEET_SCHEMA
    command: str
    run_id: str
    started: str
    seconds: float
    version: str
    exit_status: int
    homes: int
    causes: tuple[Group, ...]


def row_of(site: SiteReport) -> Row:
    """Give what stays of a home."""
    return Row(site.name, int(site.exit_status), _cause(site), site.outcome)


def _cause(site: SiteReport) -> str:
    """A diagnosis names its verdict, a safe stop what stops, a failure its code, an audit what is not as it shall be.

    A verdict that says no more than that nothing is known gives way to what was in the way of knowing it.
    """
    if site.verdict is not None and not (site.errors and site.verdict.mark == "unknown"):
        layer = f"{site.verdict.layer}: " if site.verdict.layer else ""
        return layer + (site.verdict.id or _alike(site.verdict.cause))
    stopped = (f.have for f in site.findings if f.status is FindingStatus.STOPPED and f.have)
    stop = site.safe_stop and next(stopped, site.safe_stop)
    if stop:
        return f"safe stop: {_alike(stop)}"
    if site.errors:
        from plexops.model.codes import CODES

        code = site.errors[0].code
        return f"{code}: {CODES[code].title if code in CODES else _alike(site.errors[0].reason)}"
    kinds = {
        word: dict.fromkeys(spaced(f.kind) for f in site.findings if f.status is status)
        for status, (word, _) in STATUSES.items()
        if status not in QUIET
    }
    found = [f"{word}: {', '.join(of)}" for word, of in kinds.items() if of]
    return "; ".join(found) or _alike(site.outcome)


def _alike(text: str) -> str:
    return _OWN.sub("…", one_line(text))


def groups(rows: Iterable[Row]) -> tuple[Group, ...]:
    """Give the homes by cause, the worst status first, of one status the most frequent cause first."""
    found: dict[tuple[int, str], list[str]] = {}
    for row in rows:
        found.setdefault((row.exit_status, row.cause), []).append(row.name)
    order: Mapping[int, int] = {int(status): number for number, status in enumerate(PRECEDENCE)}
    made = [Group(cause, status, tuple(sorted(names))) for (status, cause), names in found.items()]
    return tuple(sorted(made, key=lambda g: (order.get(g.exit_status, 0), -len(g.homes), g.cause)))


def document_line(report: RunReport) -> str:
    """Give a run's document on one line; ASCII, so that no reader acts on what a device wrote."""
    return json.dumps(msgspec.to_builtins(report), ensure_ascii=True) + "\n"


def summary_line(report: RunReport, rows: Sequence[Row]) -> str:
    """Give the line that ends a run over several homes."""
    summary = Summary(
        command=report.command,
        run_id=report.run_id,
        started=report.started,
        seconds=report.seconds,
        version=report.version,
        exit_status=int(report.exit_status),
        homes=len(rows),
        causes=groups(rows),
    )
    return json.dumps(msgspec.to_builtins(summary), ensure_ascii=True) + "\n"


def render(report: RunReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give a whole run as lines: a document of each home, and the summary."""
    parts = (replace(report, exit_status=site.exit_status, sites=(site,)) for site in report.sites)
    return "".join(map(document_line, parts)) + summary_line(report, [row_of(s) for s in report.sites])


def summary_text(report: RunReport, rows: Sequence[Row], view: View) -> str:
    """Give the table for a terminal: how many homes ended how, and which; how to repeat those that failed."""
    pen = Pen(view.colour, view.unicode)
    head = f"plexops {DRY_RUNS.get(report.command, report.command)}"
    right = f"{len(rows)} homes · {report.seconds:.1f} s"
    lines = [apart(pen.paint(head, Style.STRONG), pen.paint(right, Style.FAINT), view.width), ""]
    for group in groups(rows):
        lines += _group(group, pen, view.width)
    failed = any(row.exit_status != ExitStatus.IN_ORDER for row in rows)
    again = f"details: -v, or -l SITE; repeat these: plexops {report.command} -l @failed" if failed else ""
    lines += ["", *([f"evidence: {one_line(view.evidence)}"] if view.evidence else [])]
    lines.append(apart(again, f"exit {report.exit_status}", view.width))
    return pen.finish("\n".join(lines) + "\n")


def _group(group: Group, pen: Pen, width: int) -> list[str]:
    count = len(group.homes)
    label = f"{count} home{'s' if count != 1 else ''}"
    ending = "" if group.exit_status == ExitStatus.IN_ORDER else f" (exit {group.exit_status})"
    lines = labelled(
        pen, label, style_of_exit(group.exit_status), [safe_term(one_line(group.cause)) + ending], width, 12
    )
    if group.exit_status == ExitStatus.IN_ORDER:
        return lines
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return [*lines, *labelled(pen, "", Style.FAINT, [", ".join(group.homes[:_NAMED]) + more], width, 12)]
