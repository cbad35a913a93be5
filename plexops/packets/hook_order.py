"""In which order a packet meets the base chains of a box: data, one table a kind of box.

A step is `STAGE` (its filter chains), `STAGE A..B` (those with A ≤ priority < B), `nat STAGE`, or a word: `track`,
`route`, `undo-dnat`, `undo-snat`, `deliver`, `leave`. Sources: netfilter's hooks and priorities (nft(8), and packets);
MikroTik's packet flow; pf.conf(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from msgspec import Struct


class Plumbing(Struct, frozen=True):
    """The ways through a box. Without replies what answers a known connection, and what follows, is let through (pf)."""

    first: tuple[str, ...]
    local: tuple[str, ...]
    away: tuple[str, ...]
    local_reply: tuple[str, ...] = ()
    away_reply: tuple[str, ...] = ()


_BEFORE = ("ingress", "prerouting ..-200", "track", "prerouting -200..-100")
_AFTER = ("postrouting 100..", "egress", "leave")

PLUMBING: Mapping[str, Plumbing] = {
    "netfilter": Plumbing(
        first=(*_BEFORE, "nat prerouting", "prerouting -100..", "route"),
        local=("input", "nat input", "deliver"),
        away=("forward", "postrouting ..100", "nat postrouting", *_AFTER),
        local_reply=("output ..-200", "track", "output -200..", "postrouting ..100", "undo-dnat", *_AFTER),
        away_reply=(
            *_BEFORE, "undo-snat", "prerouting -100..", "forward", "postrouting ..100", "undo-dnat", *_AFTER,
        ),
    ),
    "routeros": Plumbing(
        first=("raw/prerouting", "track", "mangle/prerouting", "nat nat/dstnat", "route"),
        local=("mangle/input", "filter/input", "deliver"),
        away=("mangle/forward", "filter/forward", "mangle/postrouting", "nat nat/srcnat", "leave"),
        local_reply=(
            "raw/output", "track", "mangle/output", "filter/output", "mangle/postrouting", "undo-dnat", "leave",
        ),
        away_reply=(
            "raw/prerouting", "track", "mangle/prerouting", "undo-snat", "mangle/forward", "filter/forward",
            "mangle/postrouting", "undo-dnat", "leave",
        ),
    ),
    "pf": Plumbing(
        first=("track", "nat rdr", "filter", "route"), local=("deliver",), away=("leave",),
    ),
    "list": Plumbing(first=("track", "nat forwards", "route"), local=("deliver",), away=("leave",)),
}  # fmt: skip

#: The stage at which destinations are translated.
TRANSLATING: Mapping[str, str] = {
    "netfilter": "prerouting",
    "routeros": "nat/dstnat",
    "pf": "rdr",
    "list": "forwards",
}


@cache
def priorities(step: str) -> tuple[str, int, int]:
    """Read `prerouting -200..-100`: the stage, and from which priority (included) to which (not included)."""
    stage, _, bounds = step.partition(" ")
    low, dots, high = bounds.partition("..")
    return stage, int(low) if dots and low else -(2**31), int(high) if dots and high else 2**31
