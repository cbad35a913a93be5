"""Write docs/verdicts.md, “What diagnose can tell you”, from the table of causes: python -m scripts.verdict_page"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from plexops.runbook.causes.cause import Cause, Weight
from plexops.runbook.causes.table import CAUSES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verdicts.md"
_HEAD = """# What diagnose can tell you

Made from the table of causes by `python -m scripts.verdict_page`, not by hand.

`plexops diagnose` asks every layer that your inventory gives access to, at once and read-only, and follows three ways
stop by stop: **in** (a viewer's connection to the port that Plex announces), **back** (Plex's answer), and
**announced** (what plex.tv tells apps). Attempts from outside, plex.tv's own check and Plex's log are weighed against
what was read: they strike out what they refute, and neither outvotes the other. **The verdict is the outermost cause
that is left**; others follow as *also*.

A cause needs evidence, and what was not read may hide one. Where that leaves several, the verdict says what was
observed, and *may be* lists the stops at which the cause may lie, the likeliest first, with what decides next. In
order is a home of which an attempt from outside, or plex.tv within the last hour, met this Plex, and of which nothing
that was asked is missing.

Each verdict names its exhibits, how sure it is (*certain*: a device shows it, an observation or the account agrees,
and nothing further out is unread; *likely*: one of these lacks), and what would overturn it. The exit status is 0 in
order, 1 something fails, 3 a safe stop, 4 whether it works is not known.
"""
_ROWS = {
    "R1": "Capture every layer first",
    "R2": "Rule out carrier NAT",
    "R3": "Eliminate a second NAT",
    "R4": "A steady LAN address for the Plex host",
    "R5": "One manual port, forwarded; never 32400 itself",
    "D1": "WAN address ≠ public address",
    "D2": "Two NAT layers",
    "D3": "Plex says that mapping failed",
    "D4": "Closed from outside, open at home",
    "D5": "Everything passes, apps still say no",
    "E1": "WAN address in 100.64.0.0/10; the relay",
    "E2": "UPnP's table is empty although Plex shows a mapping",
    "E3": "The outside test says closed, the LAN works",
    "E4": "Works from one network and not from another",
    "M1": "Plex's own status",
    "M3": "WAN address against public address",
    "M4": "A test from outside",
}
_WEIGHTS = {
    Weight.CAUSE: "a cause",
    Weight.HEADLINE: "not decided",
    Weight.PARTS: "some get in, some do not",
    Weight.POLICY: "forbidden, even where it works",
    Weight.WEAKNESS: "works, and will break",
    Weight.NOTE: "in order",
}


def verdict_page() -> str:
    """Give the page as Markdown."""
    return "\n".join([_HEAD, *_by_row(), *_causes()]) + "\n"


def _by_row() -> Iterator[str]:
    yield "## Row by row of the runbook\n"
    yield "| row | what it is about | verdicts |"
    yield "|---|---|---|"
    for row, about in _ROWS.items():
        found = ", ".join(f"[{cause.id}](#{cause.id})" for cause in CAUSES if row in cause.rows)
        yield f"| {row} | {about} | {found} |"
    yield "\nM2, Plex's log, is read for all of them: it decides between causes, and its excerpt is kept as an exhibit.\n"


def _causes() -> Iterator[str]:
    yield "## The causes, from the outside in\n"
    for cause in CAUSES:
        yield from _cause(cause)


def _cause(cause: Cause) -> Iterator[str]:
    yield f"### {cause.id}\n"
    stop = " **Safe stop**: plexops changes nothing while it holds, with any flag." if cause.stop else ""
    yield f"{cause.title}. *{cause.layer}; {_WEIGHTS[cause.weight]}; {', '.join(cause.rows)}.*{stop}\n"
    yield from (f"- {step}" for step in cause.action)
    yield f"- Overturned by {cause.overturned_by}."
    others = sorted(cause.access - {"forward"})
    if "forward" not in cause.access or others:
        yield f"- Judged with `access:` {', '.join(sorted(cause.access))}."
    yield ""


if __name__ == "__main__":
    PAGE.write_text(verdict_page(), encoding="utf-8")
