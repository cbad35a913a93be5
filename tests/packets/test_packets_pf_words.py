"""OPNsense's words for interfaces, addresses and ports, and its aliases."""

from __future__ import annotations

import pytest

from plexops.drivers.rulesets.pf_words import literal_ports
from plexops.model.intervals import subtract
from plexops.packets.reach import AnswerKind
from tests.packets.handmade import EVERYBODY, NOBODY, SOME, UNKNOWN, n
from tests.packets.pf_home import (
    AUTOMATIC,
    INTERFACES,
    NAS,
    PLEX,
    Row,
    ask,
    box,
    filtered,
    forward,
    interface,
    nat,
    rule,
)


@pytest.mark.parametrize(
    ("word", "right"),
    [("wanip", EVERYBODY), ("wan", EVERYBODY), ("(self)", EVERYBODY), ("", EVERYBODY), ("any", EVERYBODY),
     ("203.0.113.20", EVERYBODY), ("203.0.113.0/24", EVERYBODY), ("lan", NOBODY), ("lanip", NOBODY)],
)  # fmt: skip
def test_words_for_addresses(word: str, right: AnswerKind) -> None:
    """`loadAliasMap`: `lan` is `(device:network)`, `lanip` is `(device)`."""
    row = forward()
    row["destination.network"] = word
    assert nat(row) is right
    row["destination.not"] = "1"
    # What is any stays any.
    assert nat(row) is (EVERYBODY if word in ("", "any") or right is NOBODY else NOBODY)


def test_a_kernels_name_is_the_address_there_and_a_key_the_network() -> None:
    """`list_non_mvc_rules.php` takes the brackets from `(vtnet1)`."""
    for word, right in (
        ("vtnet1", NOBODY),
        ("wanip", NOBODY),
        ("vtnet1:network", EVERYBODY),
        ("wan", EVERYBODY),
    ):
        of = box(forward(destination__network=word))
        assert ask(of).kind is EVERYBODY
        assert ask(of, address="203.0.113.99").kind is right


@pytest.mark.parametrize(
    ("names", "right"),
    [("wan", EVERYBODY), ("", EVERYBODY), ("lan,wan", EVERYBODY), ("lan", NOBODY), ("wireguard", NOBODY)],
)
def test_words_for_interfaces(names: str, right: AnswerKind) -> None:
    """pf.conf(5): "if no interface is specified, translation is applied to packets on all interfaces"."""
    assert nat(forward(interface=names)) is right
    turned = filtered(rule(interface=names, interfacenot="1"))
    # One rule for each: `on ! vtnet0` is enough to let in what comes by vtnet1.
    assert turned is (NOBODY if names == "wan" else EVERYBODY)


def test_older_rules_are_shown_with_what_interfaces_are_called() -> None:
    """`FilterController.php`, `getLegacyFieldMap`: `interface` is the description, and may hold a comma."""
    named = [*INTERFACES, interface("opt1", "vtnet2", "10.0.0.1/24", description="Guests, Büro")]
    named[1] = named[1] | {"description": "Glasfaser 1"}
    old = {"legacy": True, "sort_order": "400000.1000010", "updated": {"time": "1"}}
    for where, right in (("Glasfaser 1", EVERYBODY), ("Guests, Büro", NOBODY), ("Attic", UNKNOWN)):
        filters = [*AUTOMATIC, rule(interface=where, **old)]
        answer = ask(box(forward(**{"pass": ""}), interfaces=named, filters=filters))
        assert answer.kind is right, where


def test_a_group_holds_the_devices_that_the_overview_names() -> None:
    grouped = [INTERFACES[0], INTERFACES[1] | {"groups": ["WANS"]}, INTERFACES[2]]
    of = box(forward(interface="WANS"), interfaces=grouped)
    assert ask(of).kind is EVERYBODY
    assert ask(box(forward(interface="WANS"))).kind is UNKNOWN


def alias(name: str, kind: str, content: str, **more: str) -> Row:
    return {"uuid": name, "enabled": "1", "name": name, "type": kind, "content": content, **more}


ALIASES = [
    alias("plexport", "port", "32500"),
    alias("many", "port", "32400\n32500\n8000:8010"),
    alias("nested", "port", "plexport"),
    alias("circle", "port", "circle\n32500"),
    alias("plexhost", "host", PLEX),
    alias("pair", "host", f"{PLEX}\n{NAS}"),
    alias("byname", "host", "plex.example"),
    alias("friends", "network", "198.51.100.0/24\n!198.51.100.9\n198.51.100.9/32"),
    alias("most", "network", "198.51.100.0/24,!198.51.100.128/25"),
    alias("all", "networkgroup", "friends\nmost"),
    alias("span", "host", "198.51.100.1-198.51.100.20"),
    alias("land", "geoip", "DE"),
    alias("feed", "urltable", "https://example.invalid/list"),
    alias("nothing", "host", "192.0.2.1", enabled="0"),
    alias("never", "port", "32500", enabled="0"),
    alias("__lan_network", "internal", ""),
]


@pytest.mark.parametrize(
    ("name", "senders"),
    [("friends", "198.51.100.0/24"), ("most", "198.51.100.0/25"), ("span", "198.51.100.1-198.51.100.20")],
)
def test_aliases_for_addresses(name: str, senders: str) -> None:
    """`update_tables.py` fills a table; in it the longest match decides, also of what `!` takes out."""
    answer = ask(box(forward(source__network=name), aliases=ALIASES))
    right = n(senders)
    assert answer.kind is SOME
    assert answer.senders == (subtract(right, n("198.51.100.9")) if name == "friends" else right)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("all", SOME),
        ("land", UNKNOWN),
        ("feed", UNKNOWN),
        ("byname", UNKNOWN),
        ("nothing", NOBODY),
        ("__lan_network", NOBODY),
    ],
)
def test_aliases_that_nest_or_come_from_elsewhere(name: str, right: AnswerKind) -> None:
    answer = ask(box(forward(source__network=name), aliases=ALIASES))
    assert answer.kind is right
    # One odd row does not blind the others.
    first = forward(source__network=name, target=NAS, sequence="300")
    assert nat(first, forward(), aliases=ALIASES) is EVERYBODY


@pytest.mark.parametrize(
    ("outer", "inner", "right"),
    [("plexport", "32400", EVERYBODY), ("nested", "32400", EVERYBODY), ("circle", "32400", EVERYBODY),
     ("many", "32400", EVERYBODY), ("never", "32400", NOBODY), ("gone", "32400", UNKNOWN),
     ("32500", "many", EVERYBODY), ("many", "many", NOBODY), ("32500", "gone", UNKNOWN)],
)  # fmt: skip
def test_aliases_for_ports(outer: str, inner: str, right: AnswerKind) -> None:
    """`ForwardRule.php`: "pick the first port"; the same alias on both sides keeps the port."""
    row = forward(local_port=inner)
    row["destination.port"] = outer
    assert nat(row, aliases=ALIASES) is right
    if (outer, inner) == ("many", "many"):
        assert nat(row, aliases=ALIASES, to=f"{PLEX} 32500") is EVERYBODY


@pytest.mark.parametrize(
    ("target", "pool", "right"),
    [("plexhost", "", EVERYBODY), ("plexhost", "random", EVERYBODY), ("pair", "", UNKNOWN), ("pair", "random", UNKNOWN),
     ("byname", "", UNKNOWN), ("192.168.1.48/30", "", UNKNOWN), (PLEX, "round-robin", EVERYBODY), ("", "", NOBODY)],
)  # fmt: skip
def test_targets(target: str, pool: str, right: AnswerKind) -> None:
    """pf.conf(5): "When more than one redirection address is specified, round-robin is the only permitted pool type."."""
    assert nat(forward(target=target, poolopts=pool), aliases=ALIASES) is right
    if target == "pair" and not pool:
        # Which of the two is taken is not known; that it is one of them is.
        both = box(forward(target=target), aliases=ALIASES)
        assert ask(both, to="192.168.1.32/27 32400").kind is EVERYBODY


def test_the_firewall_itself_as_target() -> None:
    assert nat(forward(target="lanip"), to="192.168.1.1 32400") is EVERYBODY
    assert nat(forward(target="127.0.0.1"), to="127.0.0.1 32400") is EVERYBODY


def test_bogons_and_overload_tables_hold_no_viewer() -> None:
    """Nobody has an address that was given to nobody; `virusprot` is filled only by rules that count connections."""
    assert filtered(rule()) is EVERYBODY
    for limits, right in (
        ({"max__src__conn": "100"}, EVERYBODY),
        ({"max__src__conn": "2"}, UNKNOWN),
        ({"max__src__conn__rate": "1", "max__src__conn__rates": "60"}, UNKNOWN),
    ):
        assert filtered(rule(), rule(sort_order="400000.0000900", **limits)) is right


@pytest.mark.parametrize(
    ("word", "right"),
    [("443", (443, 443)), ("https", (443, 443)), ("8000-8010", (8000, 8010)), ("8000:any", (8000, 65535)),
     ("any:80", (1, 80)), ("0", (0, 0)), ("ipsec-nat-t", (4500, 4500)), ("70000", None), ("9-1", None), ("x", None)],
)  # fmt: skip
def test_words_for_ports(word: str, right: tuple[int, int] | None) -> None:
    assert literal_ports(word) == (None if right is None else (right,))
