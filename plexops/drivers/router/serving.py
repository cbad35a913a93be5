"""Whether what is configured is served at all: by a service that is up, and to the home network."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network

from plexops.model.profile import Serving
from plexops.model.snapshot import Snapshot
from plexops.pattern import Pattern

_ADDRESS = Pattern(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")


def not_serving(serving: Serving, snapshot: Snapshot) -> str:
    """Say why entries that stand there do not act, or why that is not known; empty where they do."""
    said = snapshot.text(serving.fact)
    if said is None:
        why = snapshot.reasons.get(serving.fact, "the router did not say it")
        return f"whether the router serves the home network is not known: {why}"
    if said != "yes":
        return said
    if not serving.ranges:
        return ""
    ranges, lan = snapshot.text(serving.ranges), snapshot.text("lan.network")
    if ranges is None or lan is None:
        missing = "lan.network" if lan is None else serving.ranges
        return f"for which network it serves is not known: {snapshot.reasons.get(missing, missing)}"
    if any(_within(word, IPv4Network(lan)) for word in _ADDRESS.findall(ranges)):
        return ""
    return f"it gives no address of the home network, {lan}"


def _within(word: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(word) in network
    except AddressValueError:
        return False
