"""RouterOS's `export` and `print`."""

from __future__ import annotations

import pytest

from plexops.parsers import PARSERS, ParseError

export = PARSERS["routeros_export"]
terse = PARSERS["routeros_terse"]

EXPORT = r"""# nov/22/2026 10:00:00 by RouterOS 6.49.10
# software id = ABCD-EFGH
#
/interface bridge
add admin-mac=00:0C:42:AA:BB:CC auto-mac=no comment=defconf name=bridge
/interface ethernet
set [ find default-name=ether1 ] comment="ISP \"fiber\"" name=ether1-wan
/interface list member
add comment=defconf interface=ether1-wan list=WAN
/ip firewall filter
add action=drop chain=forward comment="defconf: drop all from WAN not DSTNATed" \
    connection-nat-state=!dstnat connection-state=new in-interface-list=WAN
add action=accept chain=forward comment=\
    "a long comment, broken by the\
    \_console" dst-port=1-2,5
/ip firewall nat
# no interface
add action=dst-nat chain=dstnat comment="J\C3\BCrgen's \$5 \\ NAS\?" disabled=yes dst-port=32500 protocol=tcp \
    to-addresses=192.168.1.50 to-ports=32400
/ip service
set telnet disabled=yes
/ip upnp
set enabled=yes
/system script
add name=x source=":put \"hello\"\r\
    \n:put \"world\"\r\
    \n"
"""


def test_an_export_with_menus() -> None:
    assert export(EXPORT) == [
        {
            ".path": "/interface bridge",
            ".verb": "add",
            "admin-mac": "00:0C:42:AA:BB:CC",
            "auto-mac": "no",
            "comment": "defconf",
            "name": "bridge",
        },
        {
            ".path": "/interface ethernet",
            ".verb": "set",
            ".target": "[ find default-name=ether1 ]",
            "comment": 'ISP "fiber"',
            "name": "ether1-wan",
        },
        {
            ".path": "/interface list member",
            ".verb": "add",
            "comment": "defconf",
            "interface": "ether1-wan",
            "list": "WAN",
        },
        {
            ".path": "/ip firewall filter",
            ".verb": "add",
            "action": "drop",
            "chain": "forward",
            "comment": "defconf: drop all from WAN not DSTNATed",
            "connection-nat-state": "!dstnat",
            "connection-state": "new",
            "in-interface-list": "WAN",
        },
        {
            ".path": "/ip firewall filter",
            ".verb": "add",
            "action": "accept",
            "chain": "forward",
            "comment": "a long comment, broken by the console",
            "dst-port": "1-2,5",
        },
        {
            ".path": "/ip firewall nat",
            ".verb": "add",
            "action": "dst-nat",
            "chain": "dstnat",
            "comment": "Jürgen's $5 \\ NAS?",
            "disabled": "yes",
            "dst-port": "32500",
            "protocol": "tcp",
            "to-addresses": "192.168.1.50",
            "to-ports": "32400",
        },
        {".path": "/ip service", ".verb": "set", ".target": "telnet", "disabled": "yes"},
        {".path": "/ip upnp", ".verb": "set", "enabled": "yes"},
        {
            ".path": "/system script",
            ".verb": "add",
            "name": "x",
            "source": ':put "hello"\r\n:put "world"\r\n',
        },
    ]


def test_a_terse_export_names_its_menu_on_every_line() -> None:
    text = (
        "# 2026-11-22 10:00:00 by RouterOS 7.16.1\r\n"
        '/ip firewall nat add action=masquerade chain=srcnat comment="defconf: masquerade" out-interface-list=WAN\r\n'
        "/ip dhcp-server lease add address=192.168.88.50 mac-address=3C:EC:EF:12:34:56 server=defconf !comment\r\n"
        "/ip/upnp set enabled=no\r\n"
        "/interface ethernet set [ find default-name=ether1 ] name=wan\r\n"
    )
    assert export(text) == [
        {
            ".path": "/ip firewall nat",
            ".verb": "add",
            "action": "masquerade",
            "chain": "srcnat",
            "comment": "defconf: masquerade",
            "out-interface-list": "WAN",
        },
        {
            ".path": "/ip dhcp-server lease",
            ".verb": "add",
            "address": "192.168.88.50",
            "mac-address": "3C:EC:EF:12:34:56",
            "server": "defconf",
            "!comment": "",
        },
        {".path": "/ip upnp", ".verb": "set", "enabled": "no"},
        {
            ".path": "/interface ethernet",
            ".verb": "set",
            ".target": "[ find default-name=ether1 ]",
            "name": "wan",
        },
    ]


def test_bytes_that_are_no_utf8_are_marked() -> None:
    assert export('/ip firewall nat add comment="caf\\E9"\n')[0]["comment"] == "caf\ufffd"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "text",
    [
        "bad command name foo (line 1 column 5)\n",
        "expected end of command (line 1 column 9)\n",
        "add chain=dstnat\n",
        '/ip firewall nat add comment="open\n',
        '/ip firewall nat add comment="a\\qb"\n',
        "/ip firewall nat add comment=a comment=b\n",
        "/ip firewall nat remove 3\n",
        "/ip firewall nat add stray\n",
        '#error exporting "/ip/firewall" (timeout)\n/ip upnp set enabled=no\n',
        "/ip firewall nat set [ find default=yes enabled=no\n",
        "interrupted\n",
    ],
)
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        export(text)


def test_terse_of_version_7_does_not_quote() -> None:
    text = (
        "Flags: X - DISABLED, I - INVALID; D - DYNAMIC\n"
        " 0 X  comment=My NAS https chain=dstnat action=dst-nat to-addresses=192.168.1.20 log-prefix=\n"
        "17:20:06 echo: system,error,critical login failure for user admin from 65.160.140.13 via ssh\n"
        " 3 D address=10.0.1.56 address-lists= class-id=udhcp 1.37.0\n"
        "12 DI ;;; upnp 192.168.88.10: ApplicationX chain=dstnat dst-port=55000\n"
        "2026-11-22 17:20:06 echo: system,info log\n"
    )
    assert terse(text) == [
        {
            ".index": "0",
            ".flags": "X",
            ".comment": "My NAS https",
            "comment": "My NAS https",
            "chain": "dstnat",
            "action": "dst-nat",
            "to-addresses": "192.168.1.20",
            "log-prefix": "",
        },
        {
            ".index": "3",
            ".flags": "D",
            ".comment": "",
            "address": "10.0.1.56",
            "address-lists": "",
            "class-id": "udhcp 1.37.0",
        },
        {
            ".index": "12",
            ".flags": "DI",
            ".comment": "upnp 192.168.88.10: ApplicationX",
            "chain": "dstnat",
            "dst-port": "55000",
        },
    ]


@pytest.mark.parametrize(
    "text",
    [
        "bad command name foo (line 1 column 5)\n",
        "no such item\n",
        "     chain=dstnat\n",
        ' 0 X  chain=dstnat log-prefix="open\n',
        " 0 chain=a chain=b\n",
        " 0 words without a key\n",
    ],
)
def test_what_is_no_print_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        terse(text)


def test_ids() -> None:
    assert PARSERS["routeros_ids"]("*1;*2;*A\r\n") == ["*1", "*2", "*A"]
    assert PARSERS["routeros_ids"]("\r\n") == []
    with pytest.raises(ParseError):
        PARSERS["routeros_ids"]("no such item\r\n")
