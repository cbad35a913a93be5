"""Markdown for pull requests and job summaries: nothing in it links, mentions, loads or runs anything."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from plexops.model.run import ChangeReport, DeviceDiff, FindingReport, MaskedReport, RunReport, SiteReport
from plexops.pattern import Pattern
from plexops.report.diff import changed_lines
from plexops.report.view import (
    QUIET,
    View,
    also_seen,
    basis,
    candidates,
    closing,
    shortened,
    visible,
    word_of,
)

#: GitHub drops a summary of more than 1 MiB as a whole.
MOST_BYTES = 900_000
_EXHIBIT_CHARACTERS = 4096

_SPECIAL = Pattern(r"([\\`*_{}\[\]()<>+|~!&$^=])")
#: Between a sign and what it would link to: it keeps them apart and is not seen.
_JOINER = "\u200d"


def render(report: MaskedReport, view: View) -> str:  # noqa: ARG001 - one signature for all formats
    """Give the whole report, exhibits folded away. It is cut at 900,000 bytes, and says so."""
    shown = visible(report)
    lines: list[str] = []
    for site in shown.sites:
        lines += _site(shown, site)
    lines.append(inline(closing(shown)))
    text = "\n".join(lines) + "\n"
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MOST_BYTES:
        return text
    kept = encoded[:MOST_BYTES].decode("utf-8", "ignore").rsplit("\n", 1)[0]
    return f"{kept}\n{_open_fence(kept)}\n\nThe rest was cut: this report is {len(encoded)} bytes long.\n"


def _open_fence(text: str) -> str:
    """Give the mark that closes the code block in which a text was cut; empty outside of one."""
    mark = ""
    for line in text.split("\n"):
        run = re.match(r"`{3,}", line)
        if mark:
            mark = "" if line.strip() == mark else mark
        elif run:
            mark = run[0]
    return mark


def inline(text: str) -> str:
    """Give a text that stays text: no markup, no link, no mention, no reference to an issue."""
    flat = " ".join(text.split())
    escaped = _unlinked(_SPECIAL.sub(r"\\\1", flat))
    # A list, heading, rule or reference only begins a line.
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", re.sub(r"^([-#:>])", r"\\\1", escaped))


def _plain(text: str) -> str:
    """Give a text for the summary of a fold, where Markdown is not read but HTML is."""
    escaped = html.escape(" ".join(text.split()))
    # Entities are never markup, should a reader look for Markdown here after all.
    return _unlinked(re.sub(r"[\[\]()*_`|~!\\]", lambda sign: f"&#{ord(sign[0])};", escaped))


def _unlinked(text: str) -> str:
    text = re.sub(r"([@#])(?=\w)", rf"\1{_JOINER}", text)
    return re.sub(r"(?i)(https?|ftp|mailto|www|xmpp)(?=[:.])", rf"\1{_JOINER}", text)


def fence(text: str, language: str = "") -> list[str]:
    """Give a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    return [f"{mark}{language}", *text.split("\n"), mark]


def _site(report: RunReport, site: SiteReport) -> list[str]:
    lines = [f"### plexops {report.command}: {inline(site.name)}", ""]
    verdict = site.verdict
    if verdict is None:
        lines += [f"**{inline(site.outcome)}**", ""]
    else:
        lead = f"{inline(verdict.layer)}: " if verdict.layer else ""
        lines += [f"Verdict: {lead}**{inline(verdict.cause)}**", ""]
    lines += [_path(site), ""] if site.hops else []
    if site.safe_stop is not None:
        lines += [f"> **Safe stop.** {inline(site.safe_stop)}", ""]
    if verdict is not None:
        lines += _items("Because", verdict.because)
        lines += _items("It may be", candidates(verdict))
        lines += _items("Not known before it", verdict.before)
        lines += _items("Also seen", also_seen(verdict))
        lines += _items("Not seen", verdict.missing)
        lines += _items("Says nothing", verdict.ignored)
        lines += _items("Plex's log tells", site.log)
        lines += _items("Unless", verdict.overturned_by)
        decided = basis(verdict)
        lines += [f"See: {inline(decided)}", ""] if decided else []
    lines += _items("Profile", [site.taught] if site.taught else [])
    lines += _items("Weak SSH", site.weak_ssh)
    lines += _items("Plex Web shows", [site.plex_web] if site.plex_web else [])
    lines += _findings(site.findings)
    for change in site.changes:
        lines += _change(change)
    lines += _items("Proof", [f"{proof.mark}: {proof.source}: {proof.text}" for proof in site.proofs])
    lines += _items("Errors", [f"{p.code}: {p.reason} {p.cure}" for p in site.errors])
    refusing = [guard for guard in site.guards if guard.verdict == "refuses"]
    lines += _items("Guards", [f"{g.id} {g.verdict}: {g.title} {g.reason}" for g in refusing])
    for diff in site.before_after:
        lines += _diff(diff)
    lines += _items("Asked", site.asked)
    lines += _items("Not asked", site.not_asked)
    lines += _items("Next", site.next_steps)
    for exhibit in site.exhibits:
        title = f"{exhibit.id} · {exhibit.device} · {shortened(exhibit.source)}"
        cut = exhibit.cut or len(exhibit.text) > _EXHIBIT_CHARACTERS
        body = fence(exhibit.text[:_EXHIBIT_CHARACTERS])
        lines += _folded(title + (" (cut)" if cut else ""), body)
    return lines


def _path(site: SiteReport) -> str:
    stops = []
    for hop in site.hops:
        word = "" if hop.mark == "not-asked" else hop.word or hop.mark
        word = word.upper() if hop.mark in {"drift", "stop"} else word
        stops.append(f"{inline(hop.label)} **{inline(word)}**" if word else inline(hop.label))
    return " → ".join(stops)


def _findings(findings: Sequence[FindingReport]) -> list[str]:
    if not findings:
        return []
    loud = [finding for finding in findings if finding.status not in QUIET]
    quiet = [finding for finding in findings if finding.status in QUIET]
    lines = _table(loud) if loud else []
    for finding in loud:
        lines += _items(finding.title, finding.steps)
    return lines + (_folded(counts_of(quiet), _table(quiet)) if quiet else [])


def counts_of(findings: Sequence[FindingReport]) -> str:
    """Give a title for the findings that need nobody."""
    words = [word_of(finding.status) for finding in findings]
    return " · ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


def _table(findings: Sequence[FindingReport]) -> list[str]:
    lines = ["| | where | what | want | have | place |", "|---|---|---|---|---|---|"]
    for finding in findings:
        title = f"{finding.title}: {finding.why}" if finding.why else finding.title
        place = str(finding.place) if finding.place is not None else ""
        cells = (word_of(finding.status), finding.role, title, finding.want, finding.have, place)
        lines.append("| " + " | ".join(inline(cell) for cell in cells) + " |")
    return [*lines, ""]


def _change(change: ChangeReport) -> list[str]:
    head = f"`{change.symbol}` **{inline(change.role)}** {inline(change.title)}: {inline(change.outcome)}"
    exposure = f" · {inline(change.exposure)}" if change.exposure is not None else ""
    body = fence("\n".join(change.commands))
    undo = ["", "Undo:", "", *fence("\n".join(change.undo))] if change.undo else []
    return [head + exposure, "", *_folded("Requests", [*body, *undo])]


def _diff(diff: DeviceDiff) -> list[str]:
    lines = changed_lines(diff.before, diff.after)
    body = fence("\n".join(f"{line.sign}{line.text}" for line in lines if line.sign != " "), "diff")
    return _folded(f"Before and after: {diff.device}", body)


def _items(title: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    return [f"{inline(title)}:", "", *(f"- {inline(text)}" for text in texts), ""]


def _folded(title: str, body: Sequence[str]) -> list[str]:
    return [f"<details><summary>{_plain(title)}</summary>", "", *body, "", "</details>", ""]
