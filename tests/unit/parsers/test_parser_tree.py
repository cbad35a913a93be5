"""`show configuration commands`, in VyOS's spelling, which quotes every value, and in EdgeOS's."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.parsers.base import ParseError
from plexops.parsers.tree import parse_tree, tree_rows

VYOS = """\
set interfaces ethernet eth0 address '192.0.2.2/24'
set interfaces ethernet eth0 address '2001:db8::2/64'
set interfaces loopback lo
set nat destination rule 20 destination port '8443'
set nat destination rule 20 inbound-interface name 'eth0'
set nat destination rule 20 translation address '192.168.1.7'
set nat destination rule 10 description 'it is "mine"; $(reboot) vyos@vyos:~$'
set nat destination rule 10 disable
set service dhcp-server shared-network-name LAN subnet 192.168.1.0/24 static-mapping nas mac '52:54:00:12:34:56'
"""
EDGEOS = """\
set port-forward rule 1 description Plex\r
set port-forward rule 1 forward-to address 192.168.1.9\r
set port-forward rule 1 original-port 32400\r
set port-forward wan-interface eth0\r
"""


def test_rules_of_a_tree_are_rows_in_order() -> None:
    assert tree_rows(parse_tree(VYOS), "nat destination rule *number") == [
        {
            "number": "20",
            "destination port": "8443",
            "inbound-interface name": "eth0",
            "translation address": "192.168.1.7",
        },
        {"number": "10", "description": 'it is "mine"; $(reboot) vyos@vyos:~$', "disable": "set"},
    ]
    assert tree_rows(parse_tree(EDGEOS), "port-forward rule *number") == [
        {"number": "1", "description": "Plex", "forward-to address": "192.168.1.9", "original-port": "32400"}
    ]


def test_several_free_words_several_values_and_nodes_without_any() -> None:
    paths = parse_tree(VYOS)
    at = "service dhcp-server shared-network-name *net subnet *subnet static-mapping *id"
    assert tree_rows(paths, at) == [
        {"net": "LAN", "subnet": "192.168.1.0/24", "id": "nas", "mac": "52:54:00:12:34:56"}
    ]
    assert tree_rows(paths, "interfaces ethernet *name") == [
        {"name": "eth0", "address": ["192.0.2.2/24", "2001:db8::2/64"]}
    ]
    assert tree_rows(paths, "interfaces loopback *name") == [{"name": "lo"}]
    assert tree_rows(paths, "nat source rule *number") == []


@pytest.mark.parametrize(
    "text",
    ["", "\n", "set", "set a 'b", "set a b'", 'set a "b"', "delete a b", "  Invalid command: show [x]", "set a b\nvyos$ ",
     "interfaces {\n}", "set a \\b"],
)  # fmt: skip
def test_what_is_no_tree_is_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        parse_tree(text)


def test_a_field_with_the_name_of_a_free_word_is_not_understood() -> None:
    with pytest.raises(ParseError, match="free word"):
        tree_rows(parse_tree("set a x number 3"), "a *number")


@given(
    st.lists(
        st.sampled_from(
            ["set", " ", "'", "\\'", "\\", '"', "a", "1.2.3.4/5", "\n", "\r\n", "\t", "é", "\x00"]
        )
    )
)
def test_whatever_comes_is_a_tree_or_a_parse_error(parts: list[str]) -> None:
    with contextlib.suppress(ParseError):
        assert all(len(path) >= 1 for path in parse_tree("".join(parts)))


@given(st.lists(st.text("ab.:/' $\"", min_size=1), min_size=1))
def test_words_come_back_as_they_were_written(words: list[str]) -> None:
    written = ["'" + word.replace("'", r"'\''") + "'" for word in words]
    assert parse_tree(f"set {' '.join(written)}") == [words]


def test_a_long_line_that_is_none_is_refused_soon() -> None:
    for filling in ("a ", "'a' ", "\\'", "a"):
        with pytest.raises(ParseError):
            parse_tree("set " + filling * 100_000 + '"')
