"""The terminal's report."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.finding import FindingStatus
from plexops.model.run import FindingReport, Hop, RunReport, SiteReport, VerdictReport
from plexops.report.plan_text import change_lines, guard_lines, outcome_lines
from plexops.report.problem import render_problem
from plexops.report.terminal import Pen, Style, one_line, width_of, wrap
from plexops.report.view import View, basis, counts, visible, word_of

STATUS_STYLES: dict[FindingStatus, Style] = {
    FindingStatus.OK: Style.OK,
    FindingStatus.DRIFT: Style.DRIFT,
    FindingStatus.CONFLICT: Style.DRIFT,
    FindingStatus.STOPPED: Style.STOP,
    FindingStatus.UNKNOWN: Style.UNKNOWN,
    FindingStatus.UNSUPPORTED: Style.UNKNOWN,
    FindingStatus.NOT_APPLICABLE: Style.FAINT,
    FindingStatus.NOTE: Style.NOTE,
}
MARK_STYLES = {
    "ok": Style.OK,
    "changed": Style.OK,
    "drift": Style.DRIFT,
    "stop": Style.STOP,
    "unknown": Style.UNKNOWN,
    "not-asked": Style.FAINT,
}
_NOT_SENDING = {"audit", "diagnose", "dry-run"}
#: Below this a right-aligned place leaves no room for what was found.
_WIDE = 96
_NARROWEST = 40


def render(report: RunReport, view: View) -> str:
    """Give the report as text that ends with a newline."""
    report = visible(report)
    pen = Pen(view.colour, view.unicode)
    width = max(_NARROWEST, view.width)
    lines: list[str] = []
    for site in report.sites:
        lines += [*_site(report, site, pen, width, view), ""]
    lines += _last(report, pen, width, view)
    return pen.finish("\n".join(lines) + "\n")


def _site(report: RunReport, site: SiteReport, pen: Pen, width: int, view: View) -> list[str]:
    lines = [*_title(report, site, pen, width), *_path(site, pen, width)]
    if site.verdict is not None:
        lines += ["", *_verdict(site.verdict, site.next_steps, pen, width)]
    elif report.command in {"apply", "rollback", "recover"} or site.safe_stop is not None:
        lines += ["", *wrap(one_line(site.outcome), width)]
    if site.changes and report.command == "dry-run":
        lines += ["", *change_lines(site, pen, width)]
    elif site.changes:
        lines += ["", *outcome_lines(site, pen, width, verbose=view.verbose)]
    findings = _shown(report, site, verbose=view.verbose)
    if findings:
        lines += ["", *_findings(findings, pen, width)]
    if site.guards and report.command != "audit":
        lines += ["", *guard_lines(site.guards, pen, width, verbose=view.verbose)]
    for problem in site.errors:
        lines += ["", *render_problem(problem, None, view).split("\n")]
    if site.safe_stop is not None:
        lines += ["", *_labelled(pen, "Safe stop.", Style.STOP, site.safe_stop, width)]
    for reason in site.not_asked:
        lines += _labelled(pen, "not asked", Style.FAINT, reason, width)
    return lines


def _title(report: RunReport, site: SiteReport, pen: Pen, width: int) -> list[str]:
    touch = "read-only" if report.command in _NOT_SENDING else report.started[:16].replace("T", " ") + " UTC"
    name = f"plexops {'apply --dry-run' if report.command == 'dry-run' else report.command}"
    right = f"{one_line(site.name)} · {touch} · {report.seconds:.1f} s"
    gap = width - width_of(name) - width_of(right)
    if gap < 2:
        return [pen.paint(name, Style.STRONG), *(pen.paint(line, Style.FAINT) for line in wrap(right, width))]
    return [f"{pen.paint(name, Style.STRONG)}{' ' * gap}{pen.paint(right, Style.FAINT)}"]


def _path(site: SiteReport, pen: Pen, width: int) -> list[str]:
    """The way from the Internet to Plex on one line, or on several where the terminal is narrow."""
    meant = f"meant: {one_line(site.access)}"
    lines: list[tuple[str, int]] = []
    for hop in site.hops:
        plain, painted = _hop(hop, pen)
        if lines and lines[-1][1] + 4 + width_of(plain) <= width:
            text, used = lines.pop()
            lines.append((f"{text} ── {painted}", used + 4 + width_of(plain)))
        else:
            lines.append((("── " if lines else "") + painted, width_of(plain) + (3 if lines else 0)))
    if lines and lines[-1][1] + 2 + width_of(meant) <= width:
        text, used = lines.pop()
        lines.append(
            (f"{text}{' ' * (width - used - width_of(meant))}{pen.paint(meant, Style.FAINT)}", width)
        )
    return [text for text, _ in lines]


def _hop(hop: Hop, pen: Pen) -> tuple[str, str]:
    label, word = one_line(hop.label), one_line(hop.word)
    if not word:
        return label, label
    word = word.upper() if hop.mark in {"drift", "stop"} else word
    return f"{label} {word}", f"{label} {pen.paint(word, MARK_STYLES[hop.mark])}"


def _verdict(verdict: VerdictReport, steps: Sequence[str], pen: Pen, width: int) -> list[str]:
    lead = f"{one_line(verdict.layer)}: " if verdict.layer else ""
    head = f"{pen.paint('Verdict', MARK_STYLES[verdict.mark])}  {lead}"
    indent = 9
    first, *rest = wrap(one_line(verdict.cause), max(20, width - width_of(f"Verdict  {lead}")))
    lines = [head + first, *(" " * indent + line for line in rest)]
    also = [f"{one_line(seen.layer)}: {one_line(seen.says)}" for seen in verdict.also]
    groups = (
        ("because", verdict.because),
        ("do", steps),
        ("unless", verdict.overturned_by),
        ("also", also),
        ("not seen", verdict.missing),
    )
    for label, texts in groups:
        for number, text in enumerate(texts):
            # Where a text takes several lines, only a dash shows where the next one begins.
            lead = "- " if len(texts) > 1 else ""
            head, *rest = wrap(one_line(text), max(20, width - indent - len(lead)))
            name = label if number == 0 else ""
            lines.append(pen.paint(name, Style.FAINT) + " " * (indent - width_of(name)) + lead + head)
            lines += [" " * (indent + len(lead)) + line for line in rest]
    decided = basis(verdict)
    if decided:
        lines += _labelled(pen, "see", Style.FAINT, decided, width, column=indent)
    return lines


def _labelled(pen: Pen, label: str, style: Style, text: str, width: int, *, column: int = 11) -> list[str]:
    column = max(column, width_of(label) + 1)
    first, *rest = wrap(one_line(text), max(20, width - column))
    head = pen.paint(label, style) + " " * (column - width_of(label))
    return [head + first, *(" " * column + line for line in rest)]


def _shown(report: RunReport, site: SiteReport, *, verbose: bool) -> list[FindingReport]:
    """What is in order folds into the count; a drift that a planned change cures is told by that change."""
    planned = {(change.role, change.kind, change.key) for change in site.changes}
    quiet = {FindingStatus.OK, FindingStatus.NOT_APPLICABLE}
    shown = []
    for finding in site.findings:
        cured = finding.status is FindingStatus.DRIFT and (finding.role, finding.kind, finding.key) in planned
        if verbose or (finding.status not in quiet and not (cured and report.command == "dry-run")):
            shown.append(finding)
    return shown


def _findings(findings: Sequence[FindingReport], pen: Pen, width: int) -> list[str]:
    first = max(width_of(word_of(finding.status)) for finding in findings) + 2
    second = min(max(width_of(one_line(finding.role)) for finding in findings), 16) + 2
    lines: list[str] = []
    for finding in findings:
        lines += _finding(finding, (first, second), pen, width)
    return lines


def _finding(finding: FindingReport, columns: tuple[int, int], pen: Pen, width: int) -> list[str]:
    first, second = columns
    indent = first + second
    place = str(finding.place) if finding.place is not None else ""
    beside = bool(place) and width >= _WIDE
    whole = max(20, width - indent)
    body = _body(finding, max(20, whole - width_of(place) - 2) if beside else whole, whole)
    word = word_of(finding.status)
    role = one_line(finding.role)
    head = pen.paint(word, STATUS_STYLES[finding.status]) + " " * (first - width_of(word))
    head += role + " " * max(1, second - width_of(role))
    lines = [head + body[0]]
    if beside:
        used = indent + width_of(body[0])
        lines[0] += " " * max(2, width - used - width_of(place)) + pen.paint(place, Style.FAINT)
    lines += [" " * indent + line for line in body[1:]]
    if place and not beside:
        lines.append(" " * indent + pen.paint(place, Style.FAINT))
    for number, step in enumerate(finding.steps, 1):
        lines += _hanging(" " * indent + f"{number}  ", step, width)
    if finding.adoptable is not None:
        lines += _hanging(
            " " * indent, f"adopt it: plexops apply --adopt {one_line(finding.adoptable)}", width
        )
    return lines


def _body(finding: FindingReport, room: int, whole: int) -> list[str]:
    """Want and have on one line where both fit, else below each other; a reason on a line of its own.

    `room` is what the first line has beside the place, `whole` what the others have.
    """
    why = one_line(finding.why)
    if finding.status is FindingStatus.OK or not (finding.want or finding.have):
        title = one_line(finding.title)
        return wrap(f"{title}: {why}" if title and why else title or why, room)
    if not finding.want:
        return wrap(one_line(finding.have), room)
    want = one_line(finding.want)
    have = one_line(finding.have) or "unknown"
    together = f"want {want}   have {have}"
    reason = _hanging("why  ", why, whole) if why else []
    if finding.status is FindingStatus.STOPPED and not finding.have:
        return [*_hanging("want ", want, room), *reason]
    if width_of(together) <= room:
        return [together, *reason]
    return [*_hanging("want ", want, room), *_hanging("have ", have, whole), *reason]


def _hanging(lead: str, text: str, width: int) -> list[str]:
    head, *rest = wrap(one_line(text), max(20, width - width_of(lead)))
    return [lead + head, *(" " * width_of(lead) + line for line in rest)]


def _last(report: RunReport, pen: Pen, width: int, view: View) -> list[str]:
    """The closing lines: counts, what to do next, where the evidence is, and the exit status, always the last word."""
    told = (site for site in report.sites if site.verdict is None)  # a verdict says itself what to do
    steps = list(dict.fromkeys(one_line(step) for site in told for step in site.next_steps))
    lines = []
    if view.evidence:
        lines.append(f"evidence: {one_line(view.evidence)}")
    total = "" if report.command == "diagnose" else counts(report.sites)
    end = f"exit {report.exit_status}"
    next_step = f"next: {steps[0]}" if len(steps) == 1 else ""
    middle = f"       {next_step}" if next_step else ""
    if width_of(total + middle) + 2 + width_of(end) <= width:
        gap = " " * (width - width_of(total + middle) - width_of(end))
        return [*lines, f"{total}{middle}{gap}{pen.paint(end, _end_style(report))}"]
    lines += [f"next: {step}" for step in steps]
    gap = " " * max(2, width - width_of(total) - width_of(end))
    return [*lines, f"{total}{gap}{pen.paint(end, _end_style(report))}"]


def _end_style(report: RunReport) -> Style:
    return {0: Style.OK, 1: Style.DRIFT, 4: Style.UNKNOWN}.get(report.exit_status, Style.STOP)
