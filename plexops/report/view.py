"""How a report shall look: the same for every format, and none of it changes what the report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from plexops.model.finding import FindingStatus
from plexops.model.run import Mark, RunReport, SiteReport, VerdictReport, WayStop, map_texts
from plexops.report.terminal import Style, safe_term
from plexops.structs import replace


class View(Struct, frozen=True):
    """`width` in columns; `evidence` is the run folder as a person finds it, empty where none was kept."""

    width: int = 80
    colour: bool = False
    unicode: bool = True
    verbose: bool = False
    evidence: str = ""


#: Up to so many homes a report tells of each of them in full.
FEW = 3
_TITLE_CHARACTERS = 120
#: The state of stops that the inventory gives no access to.
_NOT_ASKED = "not asked"
#: The statuses in the order of counts, with the word of a report and the mark that says the same by shape and colour.
#: `stop` is how the runbook says it.
STATUSES: Mapping[FindingStatus, tuple[str, Mark]] = {
    FindingStatus.OK: ("ok", "ok"),
    FindingStatus.DRIFT: ("drift", "drift"),
    FindingStatus.CONFLICT: ("conflict", "drift"),
    FindingStatus.STOPPED: ("stop", "stop"),
    FindingStatus.UNKNOWN: ("unknown", "unknown"),
    FindingStatus.UNSUPPORTED: ("unsupported", "unknown"),
    FindingStatus.NOT_APPLICABLE: ("n/a", "not-asked"),
    FindingStatus.NOTE: ("note", "not-asked"),
}
#: The same marks for what became of a change, and for a proof.
OUTCOME_MARKS: Mapping[str, Mark] = {
    "planned": "not-asked",
    "done": "ok",
    "kept": "unknown",
    "undone": "drift",
    "not-sent": "not-asked",
    "failed": "stop",
    "undo-failed": "stop",
    "stays": "drift",
}
PROOF_MARKS: Mapping[str, Mark] = {"proven": "ok", "refuted": "stop", "unknown": "unknown"}
MARK_STYLES: Mapping[Mark, Style] = {
    "ok": Style.OK,
    "changed": Style.OK,
    "drift": Style.DRIFT,
    "stop": Style.STOP,
    "unknown": Style.UNKNOWN,
    "not-asked": Style.FAINT,
}


#: What needs nobody.
QUIET = frozenset({FindingStatus.OK, FindingStatus.NOT_APPLICABLE, FindingStatus.NOTE})


def style_of_exit(status: int) -> Style:
    """Give the style for how a run ended."""
    return {0: Style.OK, 1: Style.DRIFT, 4: Style.UNKNOWN}.get(status, Style.STOP)


def word_of(status: FindingStatus) -> str:
    """Give the word that reports show for a status."""
    return STATUSES[status][0]


def mark_of(status: FindingStatus) -> Mark:
    """Give the mark of a status."""
    return STATUSES[status][1]


def counts(sites: Sequence[SiteReport]) -> str:
    """Give how many findings there are of each status, as `2 ok · 2 drift · 1 note`; empty statuses are left out."""
    findings = [finding for site in sites for finding in site.findings]
    numbers = ((sum(f.status is status for f in findings), word) for status, (word, _) in STATUSES.items())
    return " · ".join(f"{number} {word}" for number, word in numbers if number) or "nothing was judged"


def basis(verdict: VerdictReport, *, exhibits: bool = True) -> str:
    """Give how sure a verdict is, and the rows of the runbook and the exhibits that it rests on.

    Rows and exhibits are both named E1, so each says what it is.
    """
    sure = verdict.confidence if verdict.confidence != "none" else ""
    rows = f"runbook {', '.join(verdict.rows)}" if verdict.rows else ""
    noun = "exhibit" if len(verdict.exhibits) == 1 else "exhibits"
    shown = f"{noun} {', '.join(verdict.exhibits)}" if verdict.exhibits and exhibits else ""
    return " · ".join(part for part in (sure, rows, shown) if part)


def candidates(verdict: VerdictReport) -> list[str]:
    """Give where the cause may be, stop by stop: never a list of thirty causes. What was not asked is one line."""
    known = [one for one in verdict.candidates if one.state != _NOT_ASKED]
    others = [one.label for one in verdict.candidates if one.state == _NOT_ASKED]
    lines = [one.says if one.says.startswith(one.label) else f"{one.label}: {one.says}" for one in known]
    return [*lines, *([f"{_NOT_ASKED}: {', '.join(others)}"] if others else [])]


def also_seen(verdict: VerdictReport) -> list[str]:
    """Give what else was found, each with where it lies."""
    return [f"{also.layer}: {also.says}" for also in verdict.also]


def ways(site: SiteReport) -> list[tuple[str, list[WayStop]]]:
    """Give the three ways with their stops."""
    names = dict.fromkeys(stop.way for stop in site.ways)
    return [(name, [stop for stop in site.ways if stop.way == name]) for name in names]


def closing(report: RunReport) -> str:
    """Give the words with which a report ends. A diagnosis judges no task: it counts nothing."""
    numbers = [] if report.command == "diagnose" else [counts(report.sites)]
    run = [f"run {report.run_id}"] if report.run_id else []
    return " · ".join([*numbers, f"exit {report.exit_status}", *run])


def shortened(source: str, most: int = _TITLE_CHARACTERS) -> str:
    """Give what was asked of a device as a title of at most so many characters: a search through a log is a page long."""
    return source if len(source) <= most else source[: most - 1].rstrip() + "…"


def spaced(kind: str) -> str:
    """Give a kind as people say it: `port_forward` is `port forward`."""
    return kind.replace("_", " ")


def visible(report: RunReport, *, exhibits: bool = True) -> RunReport:
    """Give the report with every control, direction override and zero-width character made visible.

    Line ends and tabs stay: exhibits and scripts have them, and each format breaks or folds them itself. Without
    `exhibits` what devices answered is left out, which is most of a report: for what does not print it.
    """
    shown = report if exhibits else replace(report, sites=tuple(map(_without_answers, report.sites)))
    return map_texts(shown, lambda _, text: safe_term(text.replace("\r\n", "\n"), keep="\n\t"))


def _without_answers(site: SiteReport) -> SiteReport:
    return replace(site, exhibits=tuple(replace(one, text="") for one in site.exhibits), before_after=())
