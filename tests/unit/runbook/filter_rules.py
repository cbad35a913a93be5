"""Filter rules as a person would write them down, for tests."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.snapshot import SOMEBODY, Entry, Kind
from plexops.model.values import Ports
from plexops.runbook.filtering import InboundPacket

PLEX = IPv4Address("192.168.1.50")
#: A viewer's first packet, behind the router's address translation.
VIEWER = InboundPacket(PLEX, 32400, frozenset({"wan", "WAN"}), True, frozenset({"lan", "LAN"}))
#: The same at the host itself.
AT_THE_HOST = InboundPacket(PLEX, 32400, frozenset({"eth0"}), False)


def rule(verdict: str, chain: str = "forward", **matches: Any) -> FilterRule:
    """One rule; `jump:NAME` jumps. Only chains whose name starts with a lower-case letter are base chains."""
    kind, _, target = verdict.partition(":")
    ports = matches.pop("ports", None)
    return FilterRule(
        chain,
        base=chain[0].islower(),
        verdict=FilterVerdict(kind),
        target=target,
        ports=None if ports is None else Ports.parse(str(ports)),
        **matches,
    )


def policy(verdict: str, chain: str = "forward", **matches: Any) -> FilterRule:
    """A base chain's policy: its last rule."""
    return rule(verdict, chain, **matches)


def ruleset(*rules: FilterRule | None, policies: bool = True) -> tuple[Entry, ...]:
    """Entries in order. With `policies`, a base chain's last rule is its policy where it matches everything."""
    last = {r.chain: position for position, r in enumerate(rules) if r is not None}
    found = []
    for position, values in enumerate(rules):
        is_policy = policies and values is not None and values.base and last[values.chain] == position
        handle = "policy" if is_policy else f"*{position}"
        found.append(Entry(Kind.FILTER_RULE, values, {}, SOMEBODY, handle, "router.filter", position))
    return tuple(found)
