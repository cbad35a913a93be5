"""What OPNsense has saved against the lines of pf's own list, as pfctl of FreeBSD prints them."""

from __future__ import annotations

import pytest

from plexops.drivers.rulesets.pf_loaded import not_in_force

INTERFACES = [{"identifier": "wan", "device": "igb1"}, {"identifier": "lan", "device": "igb0"}]
RULE = {
    "uuid": "a", "disabled": "0", "nordr": "0", "interface": "wan", "ipprotocol": "inet", "protocol": "tcp",
    "source.network": "", "destination.network": "wanip", "destination.port": "32500", "target": "192.168.1.50",
    "local-port": "32400", "pass": "pass", "descr": "Plex", "sequence": "100",
}  # fmt: skip
LINE = "rdr pass on igb1 inet proto tcp from any to (igb1:1) port = 32500 -> 192.168.1.50 port 32400"
ALIAS = RULE | {"destination.port": "plexport", "target": "plexhost", "local-port": "plexlan"}
RANGE = RULE | {"destination.port": "25565-25575", "local-port": "25565", "protocol": "tcp/udp"}
RANGE_LINE = (
    "rdr pass on igb1 inet proto {} from any to (igb1:1) port 25565:25575 -> 192.168.1.50 port 25565:25575"
)


def _said(rows: list[dict[str, str]], *lines: str) -> tuple[str, ...]:
    head = ["no nat proto carp all", "no rdr proto carp all", 'rdr-anchor "miniupnpd" all']
    listed = {f"@{number} {line}": {"evaluations": 1} for number, line in enumerate([*head, *lines])}
    return not_in_force(rows, INTERFACES, {"rules": {"filter rules": {}, "nat rules": listed}}, "wan")


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        (RULE, [LINE]),
        (RULE | {"natreflection": "purenat"}, [LINE, LINE.replace("on igb1", "on igb0")]),
        (RULE | {"disabled": "1"}, []),
        (RULE | {"pass": "rule"}, [LINE.replace("rdr pass", "rdr")]),
        (RULE | {"log": "1"}, [LINE.replace("rdr pass", "rdr pass log")]),
        (RULE | {"source.network": "203.0.113.0/24"}, [LINE.replace("from any", "from 203.0.113.0/24")]),
        (RULE | {"source.network": "203.0.113.9", "source.not": "1"}, [LINE.replace("any", "! 203.0.113.9", 1)]),
        (RULE | {"destination.port": "443", "local-port": "443"},
         [LINE.replace("= 32500", "= https").replace("32400", "443")]),
        (ALIAS, [LINE.replace("192.168.1.50", "<plexhost:1>") + " round-robin"]),
        (RANGE, [RANGE_LINE.format("tcp"), RANGE_LINE.format("udp")]),
        (RULE | {"protocol": "", "destination.port": "", "local-port": ""},
         ["rdr pass on igb1 inet from any to (igb1:1) -> 192.168.1.50"]),
        (RULE | {"interface": ""}, [LINE.replace(" on igb1", "")]),
    ],
)  # fmt: skip
def test_what_pf_holds_as_it_is_saved(row: dict[str, str], lines: list[str]) -> None:
    assert _said([row], *lines) == ()


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ([RULE], []),
        ([], [LINE]),
        ([RULE | {"disabled": "1"}], [LINE]),
        ([RULE | {"target": "192.168.1.51"}], [LINE]),
        ([RULE | {"destination.port": "32501"}], [LINE]),
        ([RULE | {"local-port": "32401"}], [LINE]),
        ([RULE | {"pass": ""}], [LINE]),
        ([RULE | {"protocol": "udp"}], [LINE]),
        ([RULE | {"interface": "lan"}], [LINE]),
        ([RULE | {"source.network": "203.0.113.9"}], [LINE]),
        ([RANGE], [RANGE_LINE.format("tcp")]),
        ([RULE, RULE | {"target": "192.168.1.51", "sequence": "50"}], [LINE, LINE.replace(".50", ".51")]),
    ],
)
def test_what_differs_is_said(rows: list[dict[str, str]], lines: list[str]) -> None:
    assert _said(rows, *lines)
