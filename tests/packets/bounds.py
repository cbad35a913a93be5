"""Routers at the bounds of the walk: tests judge them, and the bench times them."""

from __future__ import annotations

from plexops.model.intervals import Numbers
from plexops.model.matches import MarkIs, SetHas
from plexops.model.packets import Box, NamedSet, SetMark
from tests.packets.handmade import DNAT, DROP, SOURCE, TCP, base, dport, m, router, rule


def thousand_rules() -> Box:
    """A filter that names a thousand ports."""
    return router(DNAT, base("forward", *(rule(TCP, dport(i + 1), DROP) for i in range(1000))))


def country() -> Box:
    """A block list of fifty thousand ranges, asked before all else."""
    ranges: Numbers = tuple((i * 70_000, i * 70_000 + 300) for i in range(1, 50_001))
    chain = base("prerouting", rule(m(SetHas(SOURCE, "country")), DROP), priority=-300)
    return router(DNAT, chain, sets={"country": NamedSet(ranges)})


def unknown_marks() -> Box:
    """Two hundred questions about a mark, and each may set what another rule asks about."""
    sets = [rule(m(MarkIs(i)), TCP, SetMark(i + 1000, connection=True)) for i in range(200)]
    drops = [rule(m(MarkIs(i + 1000, connection=True)), TCP, DROP) for i in range(200)]
    return router(DNAT, base("forward", rule(SetMark(unknown=True)), *sets, *drops))
