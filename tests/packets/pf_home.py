"""A home behind OPNsense: WAN 203.0.113.20 on vtnet1, LAN 192.168.1.1 on vtnet0, Plex on 192.168.1.50."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexops.drivers.answers import Answer as Reading
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.pf import pf_box
from plexops.model.intervals import Numbers
from plexops.model.matches import Family
from plexops.model.packets import Box
from plexops.packets.reach import Answer, AnswerKind, Asked, who_reaches
from tests.packets.handmade import n, plex

WAN = "203.0.113.20"
PLEX = "192.168.1.50"
NAS = "192.168.1.60"
Row = dict[str, Any]


def interface(key: str, device: str, *addresses: str, **more: Any) -> Row:
    return {
        "identifier": key, "description": key.upper(), "device": device, "gateways": [], "routes": [], "groups": [],
        "ipv4": [{"ipaddr": a} for a in addresses if "." in a], "ipv6": [{"ipaddr": a} for a in addresses if ":" in a],
        **more,
    }  # fmt: skip


INTERFACES = [
    interface("lan", "vtnet0", "192.168.1.1/24", "2001:db8:1::1/64", "fe80::1%vtnet0/64"),
    interface("wan", "vtnet1", "203.0.113.20/24", "2001:db8::20/64", gateways=["203.0.113.1", "2001:db8::1"]),
    interface("", "wg0", "10.9.0.1/24", groups=["wireguard"]),
]


def forward(**changes: str) -> Row:
    """Give a row of destination NAT as OPNsense 26.7 answers it: `destination__port` is its `destination.port`."""
    row = {
        "uuid": "u-1", "sequence": "200", "disabled": "0", "nordr": "0", "interface": "wan", "%interface": "WAN",
        "ipprotocol": "inet", "%ipprotocol": "IPv4", "protocol": "tcp", "%protocol": "TCP",
        "source.network": "", "source.address": "", "source.port": "", "source.not": "0",
        "destination.network": "wanip", "destination.address": "", "destination.port": "32500",
        "destination.not": "0", "target": PLEX, "local-port": "32400", "poolopts": "", "log": "0", "category": "",
        "categories": "", "descr": "Plex", "tag": "", "tagged": "", "nosync": "0", "natreflection": "",
        "pass": "pass", "associated-rule-id": "", "sort_order": "400000.0000200", "prio_group": "400000",
        "category_colors": [],
    }  # fmt: skip
    return row | {name.replace("__", ".").replace("_port", "-port"): value for name, value in changes.items()}


def rule(**changes: Any) -> Row:
    """Give a row of the filter as the model's rules are answered."""
    row = {
        "uuid": "f-1", "enabled": "1", "statetype": "keep", "state-policy": "", "sequence": "100", "action": "pass",
        "quick": "1", "interfacenot": "0", "interface": "wan", "direction": "in", "ipprotocol": "inet",
        "protocol": "TCP", "source_net": "any", "source_not": "0", "source_port": "", "destination_net": PLEX,
        "destination_not": "0", "destination_port": "32400", "gateway": "", "replyto": "", "log": "0", "tag": "",
        "tagged": "", "sched": "", "sort_order": "400000.0000100", "prio_group": "400000", "description": "",
        "categories": "", "category_colors": [],
    }  # fmt: skip
    return row | {name.replace("__", "-"): value for name, value in changes.items()}


#: The automatic rules that decide, as `list_non_mvc_rules.php` writes them.
AUTOMATIC: list[Row] = [
    {
        "ipprotocol": "inet46", "quick": False, "log": True, "disablereplyto": 1, "#priority": 1, "enabled": "1",
        "action": "block", "description": "Default deny / state violation rule", "direction": "in", "legacy": True,
        "source_net": "", "destination_net": "", "source_port": "", "destination_port": "", "protocol": "",
        "uuid": "02f4bab031b57d1e30553ce08e0ec131", "sort_order": "000001.1000001", "is_automatic": True,
    },
    {
        "ipprotocol": "inet46", "protocol": "tcp/udp", "destination_port": "0", "source_net": "", "enabled": "1",
        "destination_net": "", "action": "block", "description": "block all targeting port 0", "direction": "in",
        "sort_order": "000001.1000002", "legacy": True, "is_automatic": True,
    },
    {
        "source_net": "virusprot", "destination_net": "", "action": "block", "enabled": "1", "direction": "in",
        "sort_order": "000001.1000003", "legacy": True, "is_automatic": True, "ipprotocol": "", "protocol": "",
    },
    {
        "source_net": "bogons", "destination_net": "", "action": "block", "enabled": "1", "direction": "in",
        "sort_order": "000005.1000004", "legacy": True, "is_automatic": True, "ipprotocol": "inet", "protocol": "",
        "interface": "WAN",
    },
    {
        "source_net": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,100.64.0.0/10,169.254.0.0/16",
        "destination_net": "", "action": "block", "enabled": "1", "direction": "in", "interface": "WAN",
        "sort_order": "000005.1000005", "legacy": True, "is_automatic": True, "ipprotocol": "inet", "protocol": "",
    },
    {
        "direction": "out", "statetype": "keep", "allowopts": True, "quick": False, "action": "pass", "enabled": "1",
        "description": "let out anything from firewall host itself", "sort_order": "000005.1000006", "legacy": True,
        "is_automatic": True, "source_net": "", "destination_net": "", "ipprotocol": "", "protocol": "",
    },
    {
        "direction": "in", "interface": "LAN", "statetype": "keep", "protocol": "tcp", "destination_net": "(self)",
        "destination_port": "443", "action": "pass", "enabled": "1", "description": "anti-lockout rule",
        "sort_order": "000005.1000007", "legacy": True, "is_automatic": True, "ipprotocol": "", "source_net": "",
    },
]  # fmt: skip


#: pf's own list as it is without anchors and one-to-one NAT.
LOADED: dict[str, Any] = {
    "rules": {"nat rules": {"@0 no rdr proto carp all": {}}, "filter rules": {"@0 scrub in all": {}}}
}


def box(
    *forwards: Row, filters: list[Row] | None = None, aliases: list[Row] | None = None, **read: Any
) -> Box:
    """Give the box; its filter is what OPNsense makes by itself, and `filters`. `read` replaces whole answers."""
    rows = [*AUTOMATIC, *(filters or [])]
    given = {"filters": rows, "aliases": aliases, "interfaces": INTERFACES, "loaded": LOADED}
    return answered({"forwards": list(forwards)} | given | read)


def answered(read: Mapping[str, Any]) -> Box:
    """Give the box of a device of which this was read: rows, or an answer as a whole; None: it was not read."""
    names = {"filters": "filter_rules", "loaded": "pf"}
    whole = {name: {"rows": told} if isinstance(told, list) else told for name, told in read.items()}
    answers = {names.get(name, name): Reading(told) for name, told in whole.items()}
    return pf_box(BoxInput(answers, "router", "wan"))


def ask(
    of: Box,
    port: int | tuple[int, int] = 32500,
    to: str = f"{PLEX} 32400",
    address: str = WAN,
    senders: Numbers | None = None,
    family: Family = 4,
) -> Answer:
    """Ask who gets from a port at an address to an address and port."""
    ports = (port, port) if isinstance(port, int) else port
    where, _, inner = to.partition(" ")
    first, _, last = inner.partition("-")
    target = plex(where, int(first), int(last or first))
    return who_reaches([of], Asked(family, n(address), (ports,), senders), target)


def nat(
    *rows: Row, aliases: list[Row] | None = None, to: str = f"{PLEX} 32400", port: int = 32500
) -> AnswerKind:
    """Ask where only the forwards decide."""
    return ask(box(*rows, aliases=aliases), port, to).kind


def filtered(*rules: Row, aliases: list[Row] | None = None) -> AnswerKind:
    """Ask behind a forward that does not pass by itself."""
    return ask(box(forward(**{"pass": ""}), filters=list(rules), aliases=aliases)).kind
