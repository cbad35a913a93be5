"""A home behind OpenWrt: WAN 62.155.240.55 on eth1, LAN 192.168.1.1 on br-lan, Plex on 192.168.1.50:32400."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from plexops.drivers.rulesets.uci import uci_box_part
from plexops.model.exchange import Json
from plexops.model.intervals import ALL_V4, ALL_V6, Numbers, network
from plexops.model.packets import Box, LocalAddress, Route
from plexops.packets.reach import Answer, Asked, Target, who_reaches
from plexops.parsers.base import Row
from plexops.parsers.uci import parse_uci

DATA = Path(__file__).parent / "data/uci"
WAN, PLEX, PLEX_6 = "62.155.240.55", "192.168.1.50", "2001:db8:1::50"
DUMP: Json = json.loads((DATA / "network.interface.dump.json").read_text("utf-8"))
DEFAULT = parse_uci((DATA / "default.txt").read_text("utf-8"))
ADDRESSES = (
    LocalAddress(4, int(ip_address(WAN)), "eth1"),
    LocalAddress(4, int(ip_address("192.168.1.1")), "br-lan"),
    LocalAddress(6, int(ip_address("2001:db8:1::1")), "br-lan"),
)
ROUTES = (
    Route(4, network("62.155.240.0/24")[1], 24, "eth1"),
    Route(4, network("192.168.1.0/24")[1], 24, "br-lan"),
    Route(6, network("2001:db8:1::/64")[1], 64, "br-lan"),
    Route(4, ALL_V4, 0, "eth1", "62.155.240.1"),
    Route(6, ALL_V6, 0, "eth1", "fe80::1"),
)


def etc_config(text: str) -> list[Row]:
    """Read /etc/config/firewall's own language: unlike `uci show` it tells a list of one from a single value."""
    rows: list[Row] = []
    counts: dict[str, int] = {}
    for words in (shlex.split(line, comments=True) for line in text.splitlines()):
        match words:
            case ["config", kind, *names]:
                number = counts.get(kind, 50)
                counts[kind] = number + 1
                anonymous = "0" if names else "1"
                name = names[0] if names else f"@{kind}[{number}]"
                rows.append({".config": "firewall", ".type": kind, ".name": name, ".anonymous": anonymous})
            case ["option", option, value]:
                rows[-1][option] = value
            case ["list", option, value]:
                before = rows[-1].get(option, [])
                assert isinstance(before, list)
                rows[-1][option] = [*before, value]
    return rows


def redirect(**options: str | list[str]) -> Row:
    """Give a redirect that leads to Plex; an option that is empty is left out."""
    row: Row = {".type": "redirect", ".name": "plexops_plex", ".anonymous": "0"}
    plain = {
        "src": "wan",
        "dest": "lan",
        "proto": "tcp",
        "src_dport": "32500",
        "dest_ip": PLEX,
        "dest_port": "32400",
    }
    return row | {option: value for option, value in {**plain, **options}.items() if value}


def section(kind: str, **options: str | list[str]) -> Row:
    """Give a section without a name."""
    row: Row = {".type": kind, ".name": f"@{kind}[60]", ".anonymous": "1"}
    return row | options


def box(rows: Sequence[Row], networks: Json = DUMP) -> Box:
    """Give the router with OpenWrt's own configuration and these sections."""
    part = uci_box_part([*DEFAULT, *rows], networks)
    chains = {chain.id: chain for chain in part.chains}
    return Box(
        "netfilter",
        chains,
        ADDRESSES,
        ROUTES,
        "eth1",
        {},
        {},
        part.sets,
        "02:00:00:00:00:01",
        part.outside_model,
    )


def ask(
    router: Box, port: int, viewer: str = "", at: str = WAN, to: tuple[str, int] = (PLEX, 32400)
) -> Answer:
    """Ask whether a viewer (empty: who) that knocks at an address and port gets to a place."""
    asked = Asked(6 if ":" in at else 4, numbers(at), ((port, port),), numbers(viewer) if viewer else None)
    return who_reaches([router], asked, Target.at(numbers(to[0]), ((to[1], to[1]),)))


def numbers(text: str) -> Numbers:
    """Give an address or a network."""
    return network(text)[1]
