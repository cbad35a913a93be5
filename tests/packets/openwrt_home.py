"""A home behind the simulated OpenWrt, whose firewall4 is held against real listings: sections in, the profile's box out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from ipaddress import ip_address

from plexops.lab.base import Seed
from plexops.model.intervals import ALL_V6, network
from plexops.model.packets import Box, LocalAddress, Route
from plexops.model.snapshot import Snapshot
from plexops.structs import replace
from tests.conformance.conformance_bench import bench

Section = Mapping[str, str | list[str]]
PLEX, PLEX_6 = "192.168.1.50", "2001:db8:1::50"


def redirect(**options: str | list[str]) -> Section:
    """Give a redirect that leads to Plex; an option that is empty is left out."""
    plain = {
        "src": "wan",
        "dest": "lan",
        "proto": "tcp",
        "src_dport": "32500",
        "dest_ip": PLEX,
        "dest_port": "32400",
    }
    return {".type": "redirect", "name": "Plex by hand", "target": "DNAT", **plain, **options}


def rule(**options: str | list[str]) -> Section:
    """Give a rule that passes on Plex's port."""
    plain = {"src": "wan", "dest": "lan", "proto": "tcp", "dest_port": "32400", "target": "ACCEPT"}
    return {".type": "rule", "name": "Plex", **plain, **options}


def look(*sections: Section) -> Snapshot:
    """Put sections into the configuration, reload, and observe the router as its profile does."""
    with bench("openwrt", Seed()) as here:
        for number, section in enumerate(sections):
            for line in _commands(f"firewall.t{number}", section):
                here.run(line)
        here.run("uci commit firewall; /etc/init.d/firewall reload")
        return here.look()


def box(*sections: Section) -> Box:
    """Give the router's packet filter; its provider gave it a network of IPv6 as well."""
    found = look(*sections).box
    assert found is not None
    six = (
        Route(6, network("2001:db8:1::/64")[1], 64, "br-lan"),
        Route(6, ALL_V6, 0, found.internet_side, "fe80::1"),
    )
    own = LocalAddress(6, int(ip_address("2001:db8:1::1")), "br-lan")
    return replace(found, addresses=(*(found.addresses or ()), own), routes=(*(found.routes or ()), *six))


def _commands(place: str, section: Section) -> list[str]:
    lines = [f"uci set {place}={section['.type']}"]
    for name, value in section.items():
        if isinstance(value, list):
            lines += [f"uci add_list {place}.{name}={shlex.quote(one)}" for one in value]
        elif value and name != ".type":
            lines.append(f"uci set {place}.{name}={shlex.quote(value)}")
    return lines
