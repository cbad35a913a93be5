"""OpenWrt's configuration as chains: what firewall4 skips, what nft refuses, what each option does."""

from __future__ import annotations

import json

import pytest

from plexops.drivers.rulesets.base import merged
from plexops.drivers.rulesets.nft import read_nft
from plexops.drivers.rulesets.uci import skipped_sections, uci_box_part
from plexops.model.intervals import subtract
from plexops.model.packets import Box, Rule, Verdict
from plexops.packets.reach import PUBLIC_V4, PUBLIC_V6, AnswerKind
from plexops.parsers.base import Row
from plexops.parsers.uci import parse_uci
from tests.packets.uci_home import (
    ADDRESSES,
    DATA,
    DEFAULT,
    DUMP,
    PLEX,
    PLEX_6,
    ROUTES,
    WAN,
    ask,
    box,
    numbers,
    redirect,
    section,
)  # fmt: skip

EVERYBODY, NOBODY, SOME, UNKNOWN = (
    AnswerKind.EVERYBODY,
    AnswerKind.NOBODY,
    AnswerKind.SOME,
    AnswerKind.UNKNOWN,
)
Options = dict[str, str | list[str]]


def table(name: str) -> list[tuple[Options, str]]:
    """Read one part of the table of options."""
    _, _, part = (DATA / "options.txt").read_text("utf-8").partition(f"[{name}]")
    lines = [line for line in part.split("\n\n", 1)[0].splitlines()[1:] if line]
    found: list[tuple[Options, str]] = []
    for line in lines:
        left, _, follows = line.partition(" -> ")
        pairs = (pair.split("=", 1) for pair in left.strip().split("; ") if pair)
        found.append(({option: _value(value) for option, value in pairs}, follows))
    return found


def _value(text: str) -> str | list[str]:
    return [one for one in text[1:-1].split(" | ") if one] if text.startswith("[") else text


def kinds(*rows: Row) -> tuple[AnswerKind, AnswerKind]:
    """Who gets to Plex at 32500, and at 32400."""
    router = box(rows)
    return ask(router, 32500).kind, ask(router, 32400).kind


@pytest.mark.parametrize(("options", "follows"), table("skipped"), ids=str)
def test_one_invalid_value_skips_the_whole_section(options: Options, follows: str) -> None:
    row = redirect(name="Plex", **options)
    (found,) = skipped_sections([*DEFAULT, row], DUMP)[1:]
    assert (found.handle, found.name) == ("plexops_plex", "Plex")
    assert follows in found.reason
    assert found.words.startswith("config redirect:")
    assert kinds(row) == (NOBODY, NOBODY)
    assert kinds(row, redirect()) == (EVERYBODY, NOBODY)


def test_a_section_that_was_switched_off_long_ago_is_told_with_its_reason() -> None:
    (nas,) = skipped_sections(DEFAULT)
    assert (nas.handle, nas.name, nas.reason) == (
        "@redirect[0]",
        "John's NAS (https)",
        "switched off: enabled='0'",
    )


@pytest.mark.parametrize(("options", "follows"), table("redirect"), ids=str)
def test_what_an_option_does(options: Options, follows: str) -> None:
    assert ", ".join(kinds(redirect(**options))) == follows


@pytest.mark.parametrize(
    ("value", "sent_to"),
    [("!32500", (PLEX, 32500)), ("32400-32510", (PLEX, 32450)), ("!32500 ", (PLEX, 32500))],
)
def test_without_a_target_port_the_knocked_port_is_the_target(value: str, sent_to: tuple[str, int]) -> None:
    router = box([redirect(src_dport=value, dest_port="")])
    assert ask(router, 32450, to=sent_to).kind is EVERYBODY


def test_negated_senders_and_sets() -> None:
    friends = section("ipset", name="friends", match="src_net", entry=["198.51.100.0/24", "not one"])
    for row in (redirect(src_ip="!198.51.100.0/24"), redirect(ipset="!friends")):
        answer = ask(box([friends, row]), 32500)
        assert answer.senders == subtract(PUBLIC_V4, numbers("198.51.100.0/24"))
    # A set of addresses takes the network's first address; one that a section turns round looks at the destination.
    first = friends | {"match": "src_ip"}
    assert ask(box([first, redirect(ipset="friends")]), 32500).senders == numbers("198.51.100.0")
    assert kinds(friends | {"entry": [WAN]}, redirect(ipset="friends dst")) == (EVERYBODY, NOBODY)
    ports = section(
        "ipset", name="ports", match=["src_ip", "dest_port"], entry=["198.51.100.7 32500", "192.0.2.1 1"]
    )
    assert ask(box([ports, redirect(ipset="ports")]), 32500).senders == numbers("198.51.100.7")


@pytest.mark.parametrize(("options", "follows"), table("ipset"), ids=str)
def test_a_set_that_is_filled_elsewhere_is_a_question_and_one_not_in_force_skips(
    options: Options, follows: str
) -> None:
    friends: Options = {"name": "friends", "match": "src_ip", "entry": ["198.51.100.7"]}
    router = box([section("ipset", **(friends | options)), redirect(ipset="friends")])
    assert ask(router, 32500, "192.0.2.1").kind.value == follows


#: Sections that nft refuses, or at which firewall4 stops: nothing of the configuration is surely loaded.
REFUSED = [
    *(redirect(**options) for options, _ in table("refused")),
    *(redirect(**{option: "x" * length}) for option, length in (("name", 123), ("name", 110), ("log", 128))),
    section("rule", name="r", src="wan", target="DNAT"),
    section("rule", device="x" * 16, target="DROP"),
    section("zone", name="wan", device="eth9"),
    section("zone", name="vpn", device="tun0", masq="1", subnet="2001:db8::/32"),
    section("include", type="nftables"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{row['.type']} {list(row.items())[-1]}")
def test_what_nft_refuses_leaves_everything_unread(row: Row) -> None:
    router = box([row, redirect()])
    assert all(chain.unread for chain in router.chains.values() if chain.hook)
    assert ask(router, 32500).kind is UNKNOWN
    assert str(row[".name"]) in ask(router, 32500).questions[0].words
    if row[".type"] == "redirect":
        assert "nft refuses" in skipped_sections([*DEFAULT, row], DUMP)[-1].reason


def test_invalid_defaults_stop_firewall4() -> None:
    rows = [row | ({"input": "x"} if row[".type"] == "defaults" else {}) for row in DEFAULT]
    part = uci_box_part(rows, DUMP)
    assert {chain.id for chain in part.chains if chain.unread} >= {"inet fw4 forward", "inet fw4 dstnat"}


def test_without_the_networks_no_zone_is_known() -> None:
    assert kinds() == (NOBODY, NOBODY)
    assert ask(box([redirect()], None), 32500).kind is UNKNOWN
    assert [one.handle for one in skipped_sections([*DEFAULT, redirect(src_ip="lan")])] == ["@redirect[0]"]


BLOCK: Options = {
    "name": "b",
    "src": "wan",
    "dest": "lan",
    "proto": "tcp",
    "dest_port": "32400",
    "target": "DROP",
}


@pytest.mark.parametrize(("options", "follows"), table("rule"), ids=str)
def test_a_rule_that_drops_what_the_redirect_translates(options: Options, follows: str) -> None:
    assert kinds(redirect(), section("rule", **(BLOCK | options)))[0].value == follows


def test_a_rule_that_marks_is_a_question_only_where_a_mark_is_asked_for() -> None:
    marks = section("rule", **(BLOCK | {"target": "MARK", "set_mark": "0x10"}))
    assert kinds(redirect(), marks)[0] is EVERYBODY
    assert kinds(redirect(mark="0x10"), marks)[0] is UNKNOWN
    drops = section("rule", **(BLOCK | {"mark": "0x10", "dest_port": ""}))
    assert kinds(redirect(), drops) == (EVERYBODY, NOBODY)
    assert kinds(redirect(), marks, drops | {".name": "@rule[61]"})[0] is UNKNOWN


ALLOW_6: Options = {
    "name": "6",
    "src": "wan",
    "dest": "lan",
    "proto": "tcp",
    "dest_port": "32400",
    "target": "ACCEPT",
}


def test_ipv6_needs_a_rule_and_no_redirect() -> None:
    def at(*rows: Row) -> AnswerKind:
        return ask(box(rows), 32400, at=PLEX_6, to=(PLEX_6, 32400)).kind

    assert at(redirect()) is NOBODY
    assert at(section("rule", **ALLOW_6)) is EVERYBODY
    assert at(section("rule", **(ALLOW_6 | {"family": "ipv4"}))) is NOBODY
    assert at(section("rule", **(ALLOW_6 | {"dest_ip": "2001:db8:1::50"}))) is EVERYBODY
    assert at(section("rule", **(ALLOW_6 | {"dest_ip": "2001:db8:1::51"}))) is NOBODY
    assert at(section("rule", **(ALLOW_6 | {"dest_ip": "::50/-64"}))) is UNKNOWN
    assert at(section("forwarding", src="wan", dest="lan", family="ipv6")) is EVERYBODY
    assert at(section("forwarding", src="wan", dest="lan", family="ipv4")) is NOBODY
    assert at(section("forwarding", src="wan", dest="lan", enabled="0")) is NOBODY


def test_a_redirect_without_an_address_leads_to_the_router() -> None:
    router = box([redirect(dest_ip="", dest_port="8443")])
    assert ask(router, 32500, to=(WAN, 8443)).kind is EVERYBODY
    assert ask(router, 8443, to=(WAN, 8443)).kind is NOBODY
    opened = section("rule", name="web", src="wan", proto="tcp", dest_port="8443", target="ACCEPT")
    assert ask(box([opened]), 8443, to=(WAN, 8443)).kind is EVERYBODY
    assert ask(box([opened]), 8444, to=(WAN, 8444)).kind is NOBODY


@pytest.mark.parametrize(("options", "follows"), table("include"), ids=str)
def test_an_include_is_not_known_where_it_stands(options: Options, follows: str) -> None:
    assert kinds(redirect(), section("include", **options))[0].value == follows


@pytest.mark.parametrize(("options", "follows"), table("zone"), ids=str)
def test_a_zone_decides_whom_a_redirect_is_for(options: Options, follows: str) -> None:
    rows = [row | (options if row.get("name") == "wan" else {}) for row in DEFAULT]
    part = uci_box_part([*rows, redirect()], DUMP)
    chains = {chain.id: chain for chain in part.chains}
    router = Box("netfilter", chains, ADDRESSES, ROUTES, "eth1", {}, {}, part.sets)
    assert ask(router, 32500).kind.value == follows


def test_chains_bear_firewall4s_names_and_rules_their_sections() -> None:
    router = box(
        [redirect(name="Plex"), redirect(name="") | {".name": "@redirect[61]"}, section("rule", **BLOCK)]
    )
    hooks = {chain.id: chain.hook for chain in router.chains.values() if chain.hook}
    assert set(hooks) == {f"inet fw4 {name}" for name in ("dstnat", "srcnat", "input", "forward", "output")}
    assert [hooks[f"inet fw4 {name}"].policy for name in ("input", "forward", "output")] == [
        Verdict.DROP, Verdict.DROP, Verdict.ACCEPT,
    ]  # fmt: skip
    assert {"inet fw4 accept_to_lan", "inet fw4 drop_to_lan", "inet fw4 reject_from_wan"} <= set(
        router.chains
    )
    named: list[Rule] = [rule for rule in router.chains["inet fw4 dstnat_wan"].rules if not rule.off]
    assert [(rule.name, rule.handle) for rule in named] == [
        ("Plex", "plexops_plex"),
        ("@redirect[61]", "@redirect[61]"),
    ]
    assert named[0].words.startswith("config redirect: src='wan' dest='lan' proto='tcp'")


def test_what_protocols_ask_for_stands_before_the_configuration() -> None:
    dump = json.loads(json.dumps(DUMP))
    wan = next(one for one in dump["interface"] if one["interface"] == "wan")
    wan["data"]["firewall"] = [
        {"type": "rule", "src": "wan", "dest": "lan", "proto": "tcp", "family": "inet", "target": "DROP"}
    ]
    assert ask(box([redirect()], dump), 32500).kind is NOBODY
    wan["data"]["zone"] = "guests"
    guests = section("zone", name="guests", input="DROP", forward="DROP")
    assert ask(box([guests, redirect(src="guests", dest="")], dump), 32500).kind is NOBODY
    del wan["data"]["firewall"]
    no_wan = [row | ({"network": "wan6"} if row.get("name") == "wan" else {}) for row in DEFAULT]
    part = uci_box_part([*no_wan, guests, redirect(src="guests", dest="")], dump)
    assert any(chain.id == "inet fw4 dstnat_guests" for chain in merged(part).chains)


def test_a_router_with_both_answers_says_the_same_in_both() -> None:
    """A running OpenWrt: its configuration beside what firewall4 had loaded."""
    rows = parse_uci((DATA / "pair.uci.txt").read_text("utf-8"))
    loaded = read_nft(json.loads((DATA / "pair.nft.json").read_text("utf-8")), {}, "")
    parts = (uci_box_part(rows, DUMP), loaded)
    one, other = (
        Box("netfilter", {c.id: c for c in part.chains}, ADDRESSES, ROUTES, "eth1", {}, {}, part.sets)
        for part in parts
    )
    host = "192.168.1.100"
    assert ask(one, 32500, to=(host, 32400)).kind is EVERYBODY
    for at in (WAN, "192.168.1.1", host, "203.0.113.99", "2001:db8:1::1", PLEX_6):
        viewers = ("", "2001:db8:7::1") if ":" in at else ("", "198.51.100.77", "62.155.240.9", host)
        for port in (22, 68, 443, 546, 32400, 32499, 32500, 65535):
            for viewer in viewers:
                for to in {(at, port), (at if ":" in at else host, 32400), (at if ":" in at else host, port)}:
                    answers = [ask(router, port, viewer, at, to) for router in (one, other)]
                    assert answers[0].kind is answers[1].kind
                    assert answers[0].senders == answers[1].senders


def test_public_senders_are_what_is_asked_for() -> None:
    assert ask(box([redirect()]), 32500).senders == PUBLIC_V4
    opened = ask(box([section("rule", **ALLOW_6)]), 32400, at=PLEX_6, to=(PLEX_6, 32400))
    assert opened.senders == PUBLIC_V6
