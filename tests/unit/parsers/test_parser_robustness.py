"""Whatever comes in: a value or a ParseError, soon, and never a default."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexops.parsers import PARSERS, ParseError

ROWS_FOR_NOTHING = [
    "dnsmasq", "dnsmasq_leases", "kea_leases", "lines", "miniupnpd_leases", "routeros_ids",
    "routeros_terse", "ss", "ufw_rules",
]  # fmt: skip


@pytest.mark.parametrize("name", ROWS_FOR_NOTHING)
@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n"])
def test_nothing_is_no_rows(name: str, text: str) -> None:
    assert PARSERS[name](text) == []


@pytest.mark.parametrize("name", ["routeros_export", "uci"])
@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n"])
def test_nothing_is_no_answer_where_something_always_comes(name: str, text: str) -> None:
    """`uci show` of a configuration has its defaults, and an export its head."""
    with pytest.raises(ParseError):
        PARSERS[name](text)


FRAGMENTS = st.sampled_from(
    [
        *(
            "dhcp.",
            "@host[0]",
            "=",
            "'",
            '"',
            "\\",
            "\n",
            "\r\n",
            " ",
            "\t",
            "#",
            "set ",
            "[",
            "]",
            "{",
            "}",
            "-",
            "+=",
            ",",
        ),
        *(
            "/ip firewall nat add ",
            "a=b",
            " 0 X ",
            ";;;",
            "comment=",
            "*1;",
            "Flags:",
            "x: y",
            "\\C3",
            "duid ",
        ),
        *(
            "192.168.1.1",
            "aa:bb:cc:dd:ee:ff",
            "dhcp-host=",
            "dhcp-range=",
            "TCP:1:1.2.3.4:5:0:",
            "LISTEN 0 1 ",
            "*:1",
        ),
        *('{"nftables": [', '{"rule": {"expr": [', "]}", "null", "1", "\ufffd", "\x00", "\u2028"),
        *("### tuple ###", "allow tcp 1 0.0.0.0/0 any 0.0.0.0/0 in"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FRAGMENTS, max_size=25).map("".join) | st.text(max_size=80), st.sampled_from(sorted(PARSERS)))
def test_anything_gives_a_value_or_a_parse_error(text: str, name: str) -> None:
    try:
        value = PARSERS[name](text)
    except ParseError:
        return
    if name == "json":
        return
    assert_texts(value)


def assert_texts(value: object) -> None:
    """Rows hold text and lists of text only."""
    if isinstance(value, dict):
        for key, item in value.items():
            assert isinstance(key, str)
            assert_texts(item)
    elif isinstance(value, list):
        for item in value:
            assert_texts(item)
    else:
        assert isinstance(value, str)


SIZE = 2_000_000
#: What is awkward for each parser, repeated up to the size of the largest reply that is kept.
AWKWARD = [
    "a", " ", "\n", "'", '"', "\\", "\\\n ", "=", "a=", "[", "(", "-", "a b ", " a=b", '" ', "0 ", "1:", "a,", "''", "'\\''",
    "dhcp.a=b\n", "/ip a add b=c\n", " 0 a=b c=d\n", "### tuple ### ", "a:", "1.", "x='y'\n", "*1;", "#", " #", "&",
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_two_megabytes_of_anything_take_linear_time(name: str) -> None:
    """Quadratic time would be hours here, and the limit of a test ends it."""
    for piece in AWKWARD:
        with contextlib.suppress(ParseError):
            PARSERS[name](piece * (SIZE // 4 // len(piece)))
