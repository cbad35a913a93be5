"""How a simulated kernel carries a packet through the chains: every base chain at a hook must let it pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Literal

from plexops.lab.base import Fate, Packet
from plexops.lab.routers.nft import Chain, Ruleset, Table
from plexops.lab.routers.nft_language import (
    NFPROTOCOLS,
    PROTOCOLS,
    STATES,
    STATUSES,
    Counter,
    Match,
    Reject,
    Translate,
    Verdict,
)

#: The first packet of a TCP connection over Ethernet, as counters show it.
FIRST_PACKET_OCTETS = 60
Outcome = Literal["accept", "drop", "reject"]


@dataclass(frozen=True, slots=True)
class Sight:
    """What a rule sees of a packet at one hook."""

    packet: Packet
    hook: str
    in_name: str
    out_name: str = ""


def carry(ruleset: Ruleset, packet: Packet, wan: str, lan: str, own: frozenset[IPv4Address]) -> Packet | Fate:
    """Carry a packet from the WAN side through prerouting, then input or forward.

    Gives it as it leaves, or what became of it.
    """
    sight = Sight(packet, "prerouting", wan)
    for table, chain in ruleset.base_chains("prerouting"):
        assert chain.base is not None  # noqa: S101 (base_chains gives only such)
        if chain.base.type == "nat" and sight.packet.translated:
            continue  # one translation per connection: the kernel asks no later chain
        outcome = _through(table, chain, sight)
        if isinstance(outcome, Translate):
            sight = replace(sight, packet=_translated(outcome, sight.packet, own))
        elif outcome != "accept":
            return "dropped" if outcome == "drop" else "refused"
    inside = sight.packet.destination not in own
    sight = replace(sight, hook="forward" if inside else "input", out_name=lan if inside else "")
    for table, chain in ruleset.base_chains(sight.hook):
        outcome = _through(table, chain, sight)
        if outcome != "accept" and not isinstance(outcome, Translate):
            return "dropped" if outcome == "drop" else "refused"
    return sight.packet


def _translated(to: Translate, packet: Packet, own: frozenset[IPv4Address]) -> Packet:
    address = IPv4Address(to.address) if to.address else min(own)
    port = packet.port
    if to.ports is not None and not to.ports[0] <= port <= to.ports[1]:
        port = to.ports[0]
    return packet.to(address, port)


def _through(table: Table, chain: Chain, sight: Sight) -> Outcome | Translate:
    assert chain.base is not None  # noqa: S101 (only base chains are entered from outside)
    return _walk(table, chain, sight) or ("accept" if chain.base.policy == "accept" else "drop")


def _walk(table: Table, chain: Chain, sight: Sight) -> Outcome | Translate | None:
    """Go through a chain; none means that its end was reached, or a return."""
    for rule in chain.rules:
        for part in rule.parts:
            if isinstance(part, Match):
                if not _matches(part, sight):
                    break
            elif isinstance(part, Counter):
                part.packets += 1
                part.octets += FIRST_PACKET_OCTETS
            elif isinstance(part, Reject):
                return "reject"
            elif isinstance(part, Translate):
                return part
            elif isinstance(part, Verdict):
                if part.name in ("accept", "drop"):
                    return "accept" if part.name == "accept" else "drop"
                if part.name == "return":
                    return None
                if part.target:
                    outcome = _walk(table, table.chains[part.target], sight)
                    if outcome is not None or part.name == "goto":
                        return outcome
    return None


def _matches(match: Match, sight: Sight) -> bool:
    selector = match.selector
    packet = sight.packet
    if selector.protocol and selector.protocol != packet.protocol:
        return False
    if selector.kind == "ifname":
        name = (
            sight.in_name
            if selector.text.endswith("iifname") or selector.text.endswith("iif")
            else sight.out_name
        )
        found = any(_named(str(value.json), name) for value in match.values)
        return found != match.negated
    number = _number(selector.text, packet)
    if number is None:
        return False
    if selector.kind in ("state", "status") and not match.as_set:
        found = any(number & value.first for value in match.values)
    else:
        found = any(value.first <= number <= value.last for value in match.values)
    return found != match.negated


def _named(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == name


def _number(selector: str, packet: Packet) -> int | None:
    """Give what a selector finds in a packet; none where the packet has no such thing."""
    found = {
        "ip saddr": int(packet.source),
        "ip daddr": int(packet.destination),
        "@nh,96,32": int(packet.source),
        "@nh,128,32": int(packet.destination),
        "ip protocol": PROTOCOLS[packet.protocol],
        "@nh,72,8": PROTOCOLS[packet.protocol],
        "meta l4proto": PROTOCOLS[packet.protocol],
        "meta nfproto": NFPROTOCOLS["ipv4"],
        "ct state": STATES["new"],
        "ct status": STATUSES["dnat"] if packet.translated else 0,
        "tcp dport": packet.port,
        "udp dport": packet.port,
        "th dport": packet.port,
    }
    return found.get(selector)
