"""How a simulated kernel carries a packet through the chains: every base chain at a hook must let it pass."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from plexops.lab.base import GATEWAY_MAC, Fate, Packet
from plexops.lab.routers.nft import Chain, Ruleset, Table
from plexops.lab.routers.nft_language import (
    ADDRESS_TYPES,
    FLAG_KINDS,
    NFPROTOCOLS,
    PROTOCOLS,
    STATES,
    STATUSES,
    TCP_FLAGS,
    Match,
    Selector,
    Value,
)
from plexops.lab.routers.nft_objects import NamedSet
from plexops.lab.routers.nft_statements import (
    NO_TRACKING,
    Counter,
    Extension,
    Limit,
    Part,
    Reject,
    Translate,
    Verdict,
    VerdictMap,
)

#: The first packet of a TCP connection over Ethernet, as counters show it.
FIRST_PACKET_OCTETS = 60
#: Chains before this priority see packets that connection tracking has not seen.
TRACKING = -200
#: A viewer's own port: one of those that systems give to clients.
SOURCE_PORT = 50321
Outcome = Literal["accept", "drop", "reject"]


class Sight(Struct):
    """What a rule sees of a packet at one hook. `own` are the host's addresses."""

    packet: Packet
    hook: str
    in_name: str
    own: frozenset[IPv4Address]
    out_name: str = ""
    #: What connection tracking says; before it was there a packet has no connection.
    state: Literal["invalid", "new", "untracked"] = "invalid"


def carry(ruleset: Ruleset, packet: Packet, wan: str, lan: str, own: frozenset[IPv4Address]) -> Packet | Fate:
    """Carry a connection's first packet from the WAN side through prerouting, then input or forward.

    Gives it as it leaves, or what became of it.
    """
    sight = Sight(packet, "prerouting", wan, own)
    for table, chain in ruleset.base_chains("prerouting"):
        assert chain.base is not None  # noqa: S101 (base_chains gives only such)
        nat = chain.base.type == "nat"
        if sight.state == "invalid" and (nat or chain.base.priority >= TRACKING):
            sight.state = "new"
        if nat and (sight.packet.translated or sight.state == "untracked"):
            continue  # one translation per connection: the kernel asks no later chain
        outcome = _through(table, chain, sight)
        if isinstance(outcome, Translate):
            sight.packet = _translated(outcome, sight.packet, own)
        elif outcome != "accept":
            return "dropped" if outcome == "drop" else "refused"
    inside = sight.packet.destination not in own
    sight.hook, sight.out_name = ("forward", lan) if inside else ("input", "")
    sight.state = "untracked" if sight.state == "untracked" else "new"
    for table, chain in ruleset.base_chains(sight.hook):
        outcome = _through(table, chain, sight)
        if outcome != "accept" and not isinstance(outcome, Translate):
            return "dropped" if outcome == "drop" else "refused"
    return sight.packet


def _translated(to: Translate, packet: Packet, own: frozenset[IPv4Address]) -> Packet:
    address = IPv4Address(to.address.partition("-")[0]) if to.address else min(own)
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
        verdict = _verdict(rule.parts, table, sight)
        if verdict is None or verdict == Verdict("continue"):
            continue
        if isinstance(verdict, Translate):
            return verdict
        if isinstance(verdict, Reject):
            return "reject"
        if verdict.name in ("accept", "drop"):
            return "accept" if verdict.name == "accept" else "drop"
        if verdict.name == "return":
            return None
        outcome = _walk(table, table.chains[verdict.target], sight)
        if outcome is not None or verdict.name == "goto":
            return outcome
    return None


Final = Verdict | Translate | Reject


def _verdict(parts: tuple[Part, ...], table: Table, sight: Sight) -> Final | None:
    """Give what a rule decides; none where it does not match, or decides nothing."""
    for part in parts:
        if isinstance(part, (Verdict, Translate, Reject)):
            return part
        if isinstance(part, VerdictMap):
            number = _number(part.selector, sight)
            return next((verdict for value, verdict in part.pairs if _holds((value,), number)), None)
        if isinstance(part, Counter):
            part.packets += 1
            part.octets += FIRST_PACKET_OCTETS
        elif part == NO_TRACKING:
            sight.state = "untracked"
        elif not _goes_on(part, table, sight):
            return None
        elif isinstance(part, Extension) and part.final is not None:
            return part.final
    return None


def _goes_on(part: Part, table: Table, sight: Sight) -> bool:
    """Tell whether what a rule asks of a packet holds."""
    if isinstance(part, Match):
        return _matches(part, table, sight)
    if isinstance(part, Extension):
        return part.holds and (part.match is None or _matches(part.match, table, sight))
    return not (isinstance(part, Limit) and part.over)  # a first packet is within every limit


def _matches(match: Match, table: Table, sight: Sight) -> bool:
    selector, packet = match.selector, sight.packet
    if (selector.protocol and selector.protocol != packet.protocol) or selector.network == "ip6":
        return False
    if selector.kind == "ifname":
        found = any(_named(str(value.json), _interface(selector, sight)) for value in match.values)
        return found != match.negated
    number = _number(selector, sight)
    if number is None:
        return False
    if match.values[0].text.startswith("@"):
        named = table.things.get(match.values[0].text[1:])
        found = isinstance(named, NamedSet) and named.holds(number)
    elif selector.kind in FLAG_KINDS and not match.as_set:
        found = any(number & value.first for value in match.values)
    else:
        found = _holds(match.values, number & selector.mask if selector.mask else number)
    return found != match.negated


def _holds(values: tuple[Value, ...], number: int | None) -> bool:
    return number is not None and any(value.first <= number <= value.last for value in values)


def _interface(selector: Selector, sight: Sight) -> str:
    return sight.in_name if selector.text in ("iifname", "iif") else sight.out_name


def _named(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == name


def _number(selector: Selector, sight: Sight) -> int | None:
    """Give what a selector finds in a packet; none where the packet has no such thing."""
    packet = sight.packet
    if selector.fields:
        numbers = [_number(field, sight) for field in selector.fields]
        if None in numbers:
            return None
        return sum(number << (128 * place) for place, number in enumerate(numbers) if number is not None)
    transport = selector.text.partition(" ")
    if transport[0] in ("tcp", "udp", "th") and transport[2] != "flags":
        return packet.port if transport[2] == "dport" else SOURCE_PORT
    found = {
        "ip saddr": int(packet.source),
        "ip daddr": int(packet.destination),
        "@nh,96,32": int(packet.source),
        "@nh,128,32": int(packet.destination),
        "ip protocol": PROTOCOLS[packet.protocol],
        "@nh,72,8": PROTOCOLS[packet.protocol],
        "meta l4proto": PROTOCOLS[packet.protocol],
        "meta nfproto": NFPROTOCOLS["ipv4"],
        "ether saddr": int(GATEWAY_MAC.replace(":", ""), 16),
        "fib daddr type": ADDRESS_TYPES[_type(packet.destination, sight.own)],
        "ct state": STATES[sight.state],
        "tcp flags": TCP_FLAGS["syn"],
    }
    if sight.state == "new":
        found["ct status"] = STATUSES["dnat"] if packet.translated else 0
    return found.get(selector.text)


def _type(address: IPv4Address, own: frozenset[IPv4Address]) -> str:
    if address in own:
        return "local"
    return "multicast" if address.is_multicast else "unicast"
