"""The terminal's report."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.finding import FindingStatus
from plexops.model.run import (
    DRY_RUNS,
    Exhibit,
    FindingReport,
    LayerMark,
    RunReport,
    SiteReport,
    VerdictReport,
)
from plexops.pattern import Pattern
from plexops.report.terminal import (
    Pen,
    Style,
    apart,
    hanging,
    labelled,
    one_line,
    safe_term,
    titled,
    width_of,
    wrap,
)
from plexops.report.view import (
    FEW,
    MARK_STYLES,
    View,
    also_seen,
    basis,
    candidates,
    counts,
    mark_of,
    shortened,
    style_of_exit,
    visible,
    ways,
    word_of,
)

_LOOKS = {"audit", "diagnose"}
_NOT_SENDING = {*_LOOKS, *DRY_RUNS}
#: Below this a right-aligned place leaves no room for what was found.
_WIDE = 96
_NARROWEST = 40
#: The column at which texts begin beside their label.
_LABELS = 11
#: So many lines of an exhibit are shown where more is wanted.
_SAID_LINES = 12
#: What a verdict names and an answer holds word for word: addresses, ports, names.
_NAMED = Pattern(r"[0-9]+(?:\.[0-9]+){3}|“[^”]+”|\b[0-9]{4,5}\b")


def render(report: RunReport, view: View) -> str:
    """Give the report as text that ends with a newline."""
    if len(report.sites) > FEW and report.command in _LOOKS and not view.verbose:
        from plexops.report.fleet import row_of, summary_text

        return summary_text(report, [row_of(site) for site in report.sites], view)
    report = visible(report, exhibits=view.verbose)
    pen = Pen(view.colour, view.unicode)
    width = max(_NARROWEST, view.width)
    lines: list[str] = []
    for site in report.sites:
        lines += [*_site(report, site, pen, width, view), ""]
    lines += _last(report, pen, width, view)
    return pen.finish("\n".join(lines) + "\n")


def render_part(report: RunReport, view: View) -> str:
    """Give the part of one home of many, as soon as it is done: without a run's closing lines."""
    shown = visible(report, exhibits=view.verbose)
    pen = Pen(view.colour, view.unicode)
    lines = _site(shown, shown.sites[0], pen, max(_NARROWEST, view.width), view)
    return pen.finish("\n".join([*lines, ""]) + "\n")


def _site(report: RunReport, site: SiteReport, pen: Pen, width: int, view: View) -> list[str]:
    lines = [*_title(report, site, pen, width), *_path(site, pen, width)]
    if site.verdict is not None:
        lines += ["", *_verdict(site.verdict, site, pen, width)]
        lines += _deciding(site.verdict, site.exhibits, pen, width, verbose=view.verbose)
    elif report.command in {"apply", "rollback", "recover"} or site.safe_stop is not None:
        lines += ["", *wrap(one_line(site.outcome), width)]
    if site.changes:
        from plexops.report.plan_text import change_lines, outcome_lines

        lines.append("")
        if report.command in DRY_RUNS:
            lines += change_lines(site, pen, width)
        else:
            lines += outcome_lines(site, pen, width, verbose=view.verbose)
    if view.verbose and site.ways:
        lines += ["", *_ways(site, pen, width)]
    if site.log and (view.verbose or not any(hop.mark == "ok" for hop in site.hops)):
        lines += ["", pen.paint("what Plex's log tells", Style.STRONG)]
        lines += [part for line in site.log for part in hanging("  ", line, width)]
    findings = _shown(report, site, verbose=view.verbose)
    if findings:
        lines += ["", *_findings(findings, pen, width)]
    if site.guards and report.command != "audit":
        from plexops.report.plan_text import guard_lines

        lines += ["", *guard_lines(site.guards, pen, width, verbose=view.verbose)]
    for problem in site.errors:
        from plexops.report.problem import render_problem

        lines += ["", *render_problem(problem, None, view).split("\n")]
    if site.safe_stop is not None:
        lines += ["", *labelled(pen, "Safe stop.", Style.STOP, [site.safe_stop], width, _LABELS)]
    shown = site.plex_web if site.verdict is None else ""
    told = [(label, text) for label, text in (("profile", site.taught), ("Plex Web", shown)) if text]
    told += [("weak SSH", text) for text in site.weak_ssh]
    told += [("asked", text) for text in site.asked] + [("not asked", text) for text in site.not_asked]
    for label, text in told:
        lines += labelled(pen, label, Style.FAINT, [text], width, _LABELS)
    return lines


def _title(report: RunReport, site: SiteReport, pen: Pen, width: int) -> list[str]:
    touch = "read-only" if report.command in _NOT_SENDING else report.started[:16].replace("T", " ") + " UTC"
    name = f"plexops {DRY_RUNS.get(report.command, report.command)}"
    right = f"{one_line(site.name)} · {touch} · {report.seconds:.1f} s"
    return titled(pen, name, right, width, Style.FAINT)


def _path(site: SiteReport, pen: Pen, width: int) -> list[str]:
    """The way from the Internet to Plex on one line, or on several where the terminal is narrow."""
    meant = pen.paint(f"meant: {one_line(site.access)}", Style.FAINT)
    lines: list[str] = []
    for hop in site.hops:
        shown = _hop(hop, pen)
        if lines and width_of(lines[-1]) + 4 + width_of(shown) <= width:
            lines[-1] += f" ── {shown}"
        else:
            lines.append(f"── {shown}" if lines else shown)
    if lines and width_of(lines[-1]) + 2 + width_of(meant) <= width:
        lines[-1] = apart(lines[-1], meant, width)
    return lines


def _hop(hop: LayerMark, pen: Pen) -> str:
    label, word = one_line(hop.label), one_line(hop.word)
    if not word:
        return label
    word = word.upper() if hop.mark in {"drift", "stop"} else word
    return f"{label} {pen.paint(word, MARK_STYLES[hop.mark])}"


def _verdict(verdict: VerdictReport, site: SiteReport, pen: Pen, width: int) -> list[str]:
    lead = f"{one_line(verdict.layer)}: " if verdict.layer else ""
    head = f"{pen.paint('Verdict', MARK_STYLES[verdict.mark])}  {lead}"
    indent = 9
    first, *rest = wrap(one_line(verdict.cause), max(20, width - width_of(head)))
    lines = [head + first, *(" " * indent + line for line in rest)]
    groups = (
        ("because", verdict.because),
        ("Plex Web", [site.plex_web] if site.plex_web else []),
        ("may be", candidates(verdict)),
        ("before it", [", ".join(verdict.before)] if verdict.before else []),
        ("do", site.next_steps),
        ("unless", verdict.overturned_by),
        ("also", also_seen(verdict)),
        ("not seen", verdict.missing),
        ("ignored", verdict.ignored),
    )
    for label, texts in groups:
        lines += labelled(pen, label, Style.FAINT, texts, width, indent)
    return lines


def _ways(site: SiteReport, pen: Pen, width: int) -> list[str]:
    """Show the three ways, stop by stop."""
    lines: list[str] = []
    for name, stops in ways(site):
        lines.append(pen.paint(one_line(name), Style.STRONG))
        for stop in stops:
            lines += hanging("  ", f"{one_line(stop.label)}: {stop.state}. {one_line(stop.says)}", width)
    return lines


def _deciding(
    verdict: VerdictReport, exhibits: Sequence[Exhibit], pen: Pen, width: int, *, verbose: bool
) -> list[str]:
    """Show what the verdict rests on: what was asked, of whom, and, where more is wanted, what was said."""
    indent = 9
    decided = basis(verdict, exhibits=False)
    lines = labelled(pen, "see", Style.FAINT, [decided] if decided else [], width, indent)
    named = [name.strip("“”") for text in verdict.because for name in _NAMED.findall(text)]
    for exhibit in (one for one in exhibits if one.id in verdict.exhibits):
        asked = shortened(f"{exhibit.id}  {exhibit.device}: {one_line(exhibit.source)}", width - indent)
        lines += labelled(pen, "" if lines else "see", Style.FAINT, [asked], width, indent)
        said = _said(exhibit, named, width - indent - 4) if verbose else []
        lines += [" " * (indent + 4) + line for line in said]
    return lines


def _said(exhibit: Exhibit, named: Sequence[str], width: int) -> list[str]:
    """Show the lines of an answer that hold what the verdict names, else how it begins; files hold the rest."""
    said = [one_line(line) for line in exhibit.text.splitlines() if line.strip()] or ["(nothing)"]
    telling = [line for line in said if any(name in line for name in named)] or said
    shown = [_around(line, named, width) for line in telling[:_SAID_LINES]]
    if len(said) > len(shown):
        shown.append(f"… {len(said) - len(shown)} more lines: --format html:FILE shows them")
    return shown


def _around(line: str, named: Sequence[str], width: int) -> str:
    """Cut a line to the part around what is named in it."""
    line = safe_term(line)
    at = min((line.find(name) for name in named if name in line), default=0)
    start = 0 if len(line) <= width else max(0, min(at - width // 3, len(line) - width + 1))
    return shortened(f"…{line[start + 1 :]}" if start else line, width)


def _shown(report: RunReport, site: SiteReport, *, verbose: bool) -> list[FindingReport]:
    """What is in order folds into the count; a drift that a planned change cures is told by that change."""
    planned = {(change.role, change.kind, change.key) for change in site.changes}
    quiet = {FindingStatus.OK, FindingStatus.NOT_APPLICABLE}

    def cured(finding: FindingReport) -> bool:
        drift = finding.status is FindingStatus.DRIFT and report.command in DRY_RUNS
        return drift and (finding.role, finding.kind, finding.key) in planned

    return [f for f in site.findings if verbose or not (f.status in quiet or cured(f))]


def _findings(findings: Sequence[FindingReport], pen: Pen, width: int) -> list[str]:
    first = max(width_of(word_of(finding.status)) for finding in findings) + 2
    second = min(max(width_of(one_line(finding.role)) for finding in findings), 16) + 2
    return [line for finding in findings for line in _finding(finding, first, second, pen, width)]


def _finding(finding: FindingReport, first: int, second: int, pen: Pen, width: int) -> list[str]:
    indent = first + second
    place = str(finding.place) if finding.place is not None else ""
    beside = bool(place) and width >= _WIDE
    whole = max(20, width - indent)
    body = _body(finding, max(20, whole - width_of(place) - 2) if beside else whole, whole)
    word = word_of(finding.status)
    role = one_line(finding.role)
    note = finding.status is FindingStatus.NOTE
    style = Style.NOTE if note else MARK_STYLES[mark_of(finding.status)]
    head = pen.paint(word, style) + " " * (first - width_of(word))
    head += role + " " * max(1, second - width_of(role))
    lines = [head + body[0], *(" " * indent + line for line in body[1:])]
    shown = pen.paint(place, Style.FAINT)
    if beside:
        lines[0] = apart(lines[0], shown, width)
    elif place:
        lines.append(" " * indent + shown)
    for number, step in enumerate(finding.steps, 1):
        lines += hanging(" " * indent + f"{number}  ", step, width)
    if finding.adoptable is not None:
        lines += hanging(
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
    reason = hanging("why  ", why, whole) if why else []
    if finding.status is FindingStatus.STOPPED and not finding.have:
        return [*hanging("want ", want, room), *reason]
    if width_of(together) <= room:
        return [together, *reason]
    return [*hanging("want ", want, room), *hanging("have ", have, whole), *reason]


def _last(report: RunReport, pen: Pen, width: int, view: View) -> list[str]:
    """The closing lines: counts, what to do next, where the evidence is, and the exit status, always the last word."""
    told = (site for site in report.sites if site.verdict is None)  # a verdict says itself what to do
    steps = list(dict.fromkeys(one_line(step) for site in told for step in site.next_steps))
    lines = [f"evidence: {one_line(view.evidence)}"] if view.evidence else []
    total = "" if report.command == "diagnose" else counts(report.sites)
    end = pen.paint(f"exit {report.exit_status}", style_of_exit(report.exit_status))
    steps = [f"next: {step}" if step.startswith("plexops ") else f"do: {step}" for step in steps]
    middle = f"       {steps[0]}" if len(steps) == 1 else ""
    if width_of(total + middle) + 2 + width_of(end) <= width:
        return [*lines, apart(total + middle, end, width)]
    return [*lines, *steps, apart(total, end, width)]
