"""How RouterOS carries a packet that arrives on the WAN side: raw, dstnat, then forward or input, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct

from plexops.lab.base import Fate, Packet
from plexops.lab.routers.routeros_menus import port_ranges

Rule = Mapping[str, str]


class Wiring(Struct, frozen=True):
    """Where the packet came in, and whose lists the interfaces are in."""

    wan: str
    wan_lists: frozenset[str]
    lan: str
    lan_lists: frozenset[str]
    local: frozenset[IPv4Address]
    #: What each address list holds.
    listed: Mapping[str, Sequence[str]]


def carry(
    packet: Packet, raw: Sequence[Rule], nat: Sequence[Rule], filters: Sequence[Rule], wiring: Wiring
) -> Packet | Fate:
    """Translate and filter the first packet of a connection from outside; rules that are off are left out."""
    early = _filter("prerouting", packet, raw, wiring) or "accept"
    if early != "accept":
        return early
    translated = _translate(packet, nat, wiring)
    if translated.destination not in wiring.local:
        verdict = _filter("forward", translated, filters, wiring) or "accept"
        return translated if verdict == "accept" else verdict
    verdict = _filter("input", translated, filters, wiring) or "accept"
    # Nothing on the router listens for what the home's outsiders try.
    return "refused" if verdict == "accept" else verdict


def _translate(packet: Packet, rules: Sequence[Rule], wiring: Wiring) -> Packet:
    for rule in rules:
        if rule.get("chain") != "dstnat" or not _matches(rule, packet, wiring, leaves=False):
            continue
        action = rule.get("action", "accept")
        if action == "accept":
            return packet
        if action in {"dst-nat", "netmap"}:
            target = rule.get("to-addresses")
            address = IPv4Address(target.split("-")[0].split("/")[0]) if target else packet.destination
            return packet.to(address, _port(rule, packet))
        if action == "redirect":
            return packet.to(packet.destination, _port(rule, packet))
    return packet


def _port(rule: Rule, packet: Packet) -> int:
    return port_ranges(rule["to-ports"])[0][0] if rule.get("to-ports") else packet.port


def _filter(
    chain: str, packet: Packet, rules: Sequence[Rule], wiring: Wiring, depth: int = 0
) -> Fate | Literal["accept"] | None:
    if depth > 16:
        return None
    for rule in rules:
        if rule.get("chain") != chain or not _matches(
            rule, packet, wiring, leaves=chain not in {"input", "prerouting"}
        ):
            continue
        action = rule.get("action", "accept")
        if action == "accept":
            return "accept"
        if action in {"drop", "tarpit"}:
            return "dropped"
        if action == "reject":
            return "refused"
        if action == "return":
            return None
        if action == "jump":
            verdict = _filter(rule.get("jump-target", ""), packet, rules, wiring, depth + 1)
            if verdict is not None:
                return verdict
    return None


def _matches(rule: Rule, packet: Packet, wiring: Wiring, *, leaves: bool) -> bool:
    nat_states = {"dstnat"} if packet.translated else set()
    out, out_lists = (wiring.lan, wiring.lan_lists) if leaves else ("", frozenset[str]())
    tests: dict[str, Callable[[str], bool]] = {
        "protocol": lambda value: value == packet.protocol,
        "src-address": lambda value: _within(packet.source, value),
        "dst-address": lambda value: _within(packet.destination, value),
        "dst-address-type": lambda value: "local" in value.split(",") and packet.destination in wiring.local,
        "in-interface": lambda value: value in {wiring.wan, "all-ethernet"},
        "in-interface-list": lambda value: value == "all" or value in wiring.wan_lists,
        "out-interface": lambda value: value == out,
        "out-interface-list": lambda value: value in out_lists,
        "dst-port": lambda value: any(low <= packet.port <= high for low, high in port_ranges(value)),
        "connection-state": lambda value: "new" in value.split(","),
        "connection-nat-state": lambda value: bool(nat_states & set(value.split(","))),
        "src-address-list": lambda value: _listed(packet.source, value, wiring),
        "dst-address-list": lambda value: _listed(packet.destination, value, wiring),
        # Source ports and MACs of outsiders are nobody's, nothing comes by IPsec.
        "src-mac-address": _never,
        "src-port": _never,
        "ipsec-policy": lambda value: value.endswith(",none"),
    }
    for name, test in tests.items():
        value = rule.get(name)
        if value and test(value.removeprefix("!")) is value.startswith("!"):
            return False
    return True


def _listed(address: IPv4Address, name: str, wiring: Wiring) -> bool:
    return any(_within(address, text) for text in wiring.listed.get(name, ()))


def _never(_: str) -> bool:
    return False


def _within(address: IPv4Address, text: str) -> bool:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if dash and IPv4Address(first) <= address <= IPv4Address(last):
            return True
        if not dash and address in IPv4Network(first, strict=False):
            return True
    return False
