"""What a row says and its profile does not account for makes that entry a maybe: nothing is harmless unless it is named."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.rows import entry_of
from plexops.model.profile import ResourceSpec
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind

#: A port forward as each family keeps it, and as it is understood.
ROWS = {
    "openwrt": {
        ".name": "cfg01", ".type": "redirect", "target": "DNAT", "src": "wan", "dest": "lan", "src_dport": "32500",
        "dest_ip": "192.168.1.50", "dest_port": "32400", "proto": "tcp", "reflection": "0",
    },
    "opnsense": {
        "uuid": "1", "interface": "wan", "ipprotocol": "inet", "protocol": "tcp", "destination.network": "wanip",
        "destination.port": "32500", "target": "192.168.1.50", "local-port": "32400", "disabled": "0", "nordr": "0",
        "source.not": "0", "destination.not": "0", "log": "1", "%interface": "WAN", "created.time": "1", "pass": "pass",
    },
    "routeros": {
        ".id": "*1", ".verb": "add", "chain": "dstnat", "action": "dst-nat", "protocol": "tcp", "dst-port": "32500",
        "to-addresses": "192.168.1.50", "to-ports": "32400", "log": "yes",
    },
    "linux": {
        "chain": "ip nat prerouting", "handle": "3", "exhibit": "router.nft", "table": "nat", "interface": "wan0",
        "protocol": "tcp", "port": "32500", "to_address": "192.168.1.50", "to_port": "32400",
    },
    "asuswrt-merlin": {
        "name": "plex", "external": "32500", "address": "192.168.1.50", "port": "32400", "protocol": "TCP",
        "source": "", ".on": "1",
    },
}  # fmt: skip


@cache
def spec(family: str, kind: Kind = Kind.PORT_FORWARD) -> ResourceSpec:
    return compile_profile(load_profile(family, Path())).resources[kind][0].spec


@pytest.mark.parametrize("family", ROWS)
def test_a_row_of_which_all_is_accounted_for_is_understood(family: str) -> None:
    values = entry_of(spec(family), ROWS[family], 0, "x").values
    assert isinstance(values, PortForward)
    assert (values.external_port.single, values.port.single, values.source) == (32500, 32400, "any")


@pytest.mark.parametrize("family", ROWS)
def test_a_field_of_which_nothing_is_known_leaves_it_a_maybe(family: str) -> None:
    assert entry_of(spec(family), {**ROWS[family], "unheard-of": "1"}, 0, "x").values is None
    assert entry_of(spec(family), {**ROWS[family], "unheard-of": ""}, 0, "x").values is not None


@pytest.mark.parametrize(
    ("family", "field", "word"),
    [
        ("opnsense", "nordr", "1"),
        ("opnsense", "source.not", "1"),
        ("opnsense", "destination.not", "1"),
        ("opnsense", "tagged", "from_mum"),
        ("openwrt", "helper", "ftp"),
        ("routeros", "routing-mark", "vpn"),
        ("routeros", "packet-mark", "x"),
        ("routeros", "dst-address-type", "!local"),
    ],
)
def test_a_field_that_turns_a_rule_round_is_not_passed_over(family: str, field: str, word: str) -> None:
    assert entry_of(spec(family), {**ROWS[family], field: word}, 0, "x").values is None


@pytest.mark.parametrize(
    ("word", "own", "source"), [("lan", "", "any of"), ("203.0.113.9", "203.0.113.9", "any")]
)
def test_a_destination_other_than_the_wan_address_narrows(word: str, own: str, source: str) -> None:
    values = entry_of(spec("opnsense"), {**ROWS["opnsense"], "destination.network": word}, 0, "x", own).values
    assert isinstance(values, PortForward)
    assert (values.source == "any") is (source == "any")


def test_a_reservation_for_those_with_a_tag_alone_is_a_maybe_and_one_that_sets_a_tag_is_none() -> None:
    row = {"option": "dhcp-host", "value": "x", "mac": "02:00:00:00:00:50", "address": "192.168.1.50"}
    of = spec("linux", Kind.DHCP_RESERVATION)
    assert entry_of(of, {**row, "tags": "home"}, 0, "x").values is not None
    assert entry_of(of, {**row, "only": "home"}, 0, "x").values is None
