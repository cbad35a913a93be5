"""What OPNsense's destination NAT rules do to a packet that arrives on the WAN side."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from plexops.lab.base import Fate, MappingSeed, Packet
from plexops.lab.routers.opnsense_model import Row, address_in, port_range

_SERVICES = {"ssh": "22", "http": "80", "https": "443", "ftp": "21", "smtp": "25", "domain": "53", "imap": "143",
             "rdp": "3389"}  # fmt: skip


class Interfaces(Struct, frozen=True):
    """The firewall's own addresses and networks."""

    wan: IPv4Address
    wan_network: IPv4Network
    lan: IPv4Address
    lan_network: IPv4Network

    def holds(self, name: str, address: IPv4Address) -> bool:
        """Tell whether an address is in what a rule calls `wanip`, `lan`, `192.168.1.0/24` …; empty is any."""
        if name == "":
            return True
        own = {
            "wanip": address == self.wan, "lanip": address == self.lan, "wan": address in self.wan_network,
            "lan": address in self.lan_network, "(self)": address in {self.wan, self.lan},
        }  # fmt: skip
        return own[name] if name in own else address_in(address, name)


def carry(
    packet: Packet, rules: Sequence[Row], mappings: Sequence[MappingSeed], interfaces: Interfaces
) -> Packet | Fate:
    """Translate by the first rule that matches, then by UPnP; everything else from outside is blocked.

    A rule passes what it translates only where its `pass` says so: `pass` by itself, `rule` with a filter rule that
    belongs to it. With an empty `pass` somebody must have made a filter rule, and in this home nobody did.
    """
    for rule in sorted(rules, key=lambda rule: int(rule["sequence"])):
        if not _matches(rule, packet, interfaces):
            continue
        if rule["nordr"] == "1" or not rule["target"]:
            return "dropped"
        return _translated(rule, packet) if rule["pass"] else "dropped"
    for mapping in mappings:
        if (mapping.external, mapping.protocol) == (packet.port, packet.protocol):
            return packet.to(mapping.address, mapping.port)
    return "dropped"


def _matches(rule: Row, packet: Packet, interfaces: Interfaces) -> bool:
    return (
        rule["disabled"] == "0"
        # Without an interface a rule is for all of them.
        and "wan" in (rule["interface"] or "wan").split(",")
        and rule["ipprotocol"] in {"", "inet", "inet46"}
        and (rule["protocol"] == "" or packet.protocol in rule["protocol"].split("/"))
        and not rule["source.port"]
        and interfaces.holds(rule["source.network"], packet.source) is (rule["source.not"] == "0")
        and interfaces.holds(rule["destination.network"], packet.destination)
        is (rule["destination.not"] == "0")
        and (not rule["destination.port"] or _within(packet.port, rule["destination.port"]))
    )


def _within(port: int, text: str) -> bool:
    low, high = port_range(_SERVICES.get(text, text))
    return low <= port <= high


def _translated(rule: Row, packet: Packet) -> Packet:
    port = packet.port
    if rule["local-port"]:
        start = rule["destination.port"]
        first = port_range(_SERVICES.get(start, start))[0] if start else port
        # A range moves as a whole: its first port goes to the local port, the others follow.
        port = port_range(_SERVICES.get(rule["local-port"], rule["local-port"]))[0] + packet.port - first
    return packet.to(IPv4Address(rule["target"]), port)
