"""`uci show`, `uci changes`, and miniupnpd's leases."""

from __future__ import annotations

import pytest

from plexops.parsers import PARSERS, ParseError

uci = PARSERS["uci"]
leases = PARSERS["miniupnpd_leases"]


def test_quotes_lists_and_several_lines() -> None:
    text = (
        "dhcp.@host[0]=host\r\n"
        "dhcp.@host[0].name='it'\\''s '\\''mine'\\'''\n"
        "dhcp.@host[0].mac='aa:bb:cc:dd:ee:ff' '11:22:33:44:55:66'  \n"
        "dhcp.@host[0].note='one\ntwo = '\\''three'\\''\ndhcp.x=host'\n"
        "dhcp.@host[0].empty=''\n"
        "dhcp.plexops_plex=host\n"
        "dhcp.plexops_plex.ip=192.168.1.50\n"
    )
    assert uci(text) == [
        {
            ".config": "dhcp",
            ".type": "host",
            ".name": "@host[0]",
            ".anonymous": "1",
            "name": "it's 'mine'",
            "mac": ["aa:bb:cc:dd:ee:ff", "11:22:33:44:55:66"],
            "note": "one\ntwo = 'three'\ndhcp.x=host",
            "empty": "",
        },
        {
            ".config": "dhcp",
            ".type": "host",
            ".name": "plexops_plex",
            ".anonymous": "0",
            "ip": "192.168.1.50",
        },
    ]


def test_several_packages_may_use_one_name() -> None:
    rows = uci("dhcp.lan=dhcp\nnetwork.lan=interface\nnetwork.lan.proto='static'\n")
    assert rows == [
        {".config": "dhcp", ".type": "dhcp", ".name": "lan", ".anonymous": "0"},
        {".config": "network", ".type": "interface", ".name": "lan", ".anonymous": "0", "proto": "static"},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "uci: Entry not found\n",
        "dhcp.lan.ip='1.2.3.4'\n",
        "dhcp.lan=dhcp\ndhcp.lan=dhcp\n",
        "dhcp.lan=dhcp\ndhcp.lan.a='1'\ndhcp.lan.a='2'\n",
        "dhcp.lan=dhcp\ndhcp.lan.a='open\n",
        "dhcp.lan=dhcp\ndhcp.lan.a=\n",
        "dhcp.lan=dhcp\ndhcp.lan.a=x\\y\n",
        "dhcp.lan=dhcp\n-ash: syntax error\n",
        "dhcp.lan='a' 'b'\n",
        "<html>",
    ],
)
def test_what_uci_show_does_not_print_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        uci(text)


def test_a_mapping_may_have_colons_in_its_description() -> None:
    assert leases("TCP:32500:192.168.1.50:32400:0:a:b: c\nUDP:1:10.0.0.2:2:1795340783:\n") == [
        {
            "protocol": "TCP",
            "external_port": "32500",
            "address": "192.168.1.50",
            "port": "32400",
            "expiry": "0",
            "description": "a:b: c",
        },
        {
            "protocol": "UDP",
            "external_port": "1",
            "address": "10.0.0.2",
            "port": "2",
            "expiry": "1795340783",
            "description": "",
        },
    ]


@pytest.mark.parametrize("text", ["TCP:x:192.168.1.50:32400:0:a\n", "cat: can't open\n", "TCP:1:2\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        leases(text)
