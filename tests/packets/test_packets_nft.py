"""What `nft -j list ruleset` says, rule by rule: genuine listings, odd ones, and what other versions write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexops.drivers.rulesets.iptables import read_iptables
from plexops.drivers.rulesets.nft import read_nft
from plexops.model.exchange import Json
from plexops.model.matches import (
    AddressIn,
    AnyOf,
    FamilyIs,
    FlagsAre,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    SetHas,
    Side,
    Test,
)
from plexops.model.packets import (
    AddToSet,
    Effect,
    Hook,
    Jump,
    Rule,
    SetMark,
    TranslateDestination,
    UnknownEffect,
    Verdict,
)
from plexops.packets.reach import AnswerKind
from plexops.parsers.base import ParseError
from plexops.structs import replace
from tests.packets.handmade import n
from tests.packets.iptables_home import DATA as IPTABLES
from tests.packets.iptables_home import HOST, ask, box, unknown_in
from tests.packets.nft_home import capture, chain, field, match, part

ACCEPT: Json = {"accept": None}
TCP = ProtocolIs(frozenset({"tcp"}))
V4, V6 = FamilyIs(frozenset({4})), FamilyIs(frozenset({6}))
DST = Side.DESTINATION


def only(*statements: Json, before: list[Any] | None = None) -> Rule:
    """Read one rule."""
    (found,) = (one for one in part(statements, before=before or ()).chains if one.hook is not None)
    (rule,) = found.rules
    return rule


def asked(rule: Rule) -> list[Test]:
    return [one.test for one in rule.matches]


# --- Genuine listings -------------------------------------------------------------------------------------------------


def test_openwrt_is_read_whole() -> None:
    read = read_nft(capture("openwrt/live_nft_j_list_ruleset.txt"), {}, "nft")
    assert list(unknown_in(read)) == []
    assert read.outside_model == ()
    chains = {one.id: one for one in read.chains}
    (rule,) = chains["inet fw4 dstnat_wan"].rules
    assert rule.words == "meta nfproto ipv4 tcp dport 32500 dnat ip to 192.168.1.100:32400"
    assert (rule.name, rule.handle, rule.exhibit) == ("plexops: plex", "453", "nft")
    assert rule.effects == (TranslateDestination(n("192.168.1.100"), ((32400, 32400),), family=4),)
    dstnat, mangle = (chains[f"inet fw4 {name}"].hook for name in ("dstnat", "mangle_output"))
    assert dstnat is not None
    assert mangle is not None
    assert replace(dstnat, order=0) == Hook("prerouting", -100, nat=True)
    assert replace(mangle, order=0) == Hook("output", -150)
    assert dstnat.order < mangle.order
    assert any(Jump("inet fw4 input_wan") in one.effects for one in chains["inet fw4 input"].rules)
    # It forwards one port.
    here = box(read, ("62.155.240.55", "eth1", 24), ("192.168.1.1", "br-lan", 24), wan="eth1")
    assert ask(here, "62.155.240.55", 32500, "192.168.1.100", 32400).kind is AnswerKind.EVERYBODY
    assert ask(here, "62.155.240.55", 32400, "192.168.1.100", 32400).kind is AnswerKind.NOBODY
    assert ask(here, "62.155.240.55", 32400).kind is AnswerKind.NOBODY


def test_firewalld_lets_in_all_but_one_network() -> None:
    read = read_nft(capture("firewall/firewalld-nft.json.txt"), {}, "nft")
    assert list(unknown_in(read)) == []
    here = box(read, *HOST, wan="eth0")

    def kind(port: int, sender: str = "", to: str = HOST[0][0]) -> AnswerKind:
        return ask(here, to, port, sender=sender).kind

    assert kind(32400) is AnswerKind.SOME
    assert kind(32400, "203.0.113.7") is AnswerKind.NOBODY
    assert kind(32400, "198.51.100.7") is AnswerKind.EVERYBODY
    assert kind(22) is AnswerKind.EVERYBODY
    assert kind(8096) is AnswerKind.NOBODY
    # The port was opened for IPv4 alone.
    assert kind(32400, to="2001:db8:1::50") is AnswerKind.NOBODY


def test_what_iptables_wrote_is_not_known_from_nft_alone() -> None:
    read = read_nft(capture("firewall/nft-of-ufw-host.json.txt"), {}, "nft")
    words = list(unknown_in(read))
    assert words
    assert all(one.startswith("xt match ") for one in words)
    accepts = next(r for c in read.chains if c.id == "ip filter ufw-user-input" for r in c.rules)
    assert (accepts.words, accepts.effects) == (
        "ip saddr 192.168.1.0/24 tcp dport 32400 accept",
        (Verdict.ACCEPT,),
    )
    assert ask(box(read, *HOST, wan="eth0"), HOST[0][0], 32400).kind is AnswerKind.UNKNOWN


@pytest.mark.parametrize(
    ("name", "v4", "v6"),
    [
        ("ufw-input-accept-before-ufw", AnswerKind.EVERYBODY, AnswerKind.NOBODY),
        ("ufw-input-flushed-v4-only", AnswerKind.EVERYBODY, AnswerKind.NOBODY),
        ("ufw-before-rules-accept", AnswerKind.EVERYBODY, AnswerKind.NOBODY),
        ("ufw-before-rules-drop", AnswerKind.NOBODY, AnswerKind.EVERYBODY),
        ("ufw-interface-wildcard-plus", AnswerKind.EVERYBODY, AnswerKind.EVERYBODY),
    ],
)
def test_what_iptables_wrote_is_taken_from_iptables_save(name: str, v4: AnswerKind, v6: AnswerKind) -> None:
    saved: dict[str, tuple[Rule, ...]] = {}
    for family in (4, 6):
        text = (IPTABLES / f"{name}.v{family}.txt").read_text()
        read = read_iptables(text, 4 if family == 4 else 6, False, {}, "iptables-save")
        saved |= {one.id: one.rules for one in read.chains}
    listing = json.loads((IPTABLES / f"{name}.nft.json").read_text())
    whole = read_nft(listing, saved, "nft")
    here = box(whole, *HOST, wan="eth0")
    assert ask(here, HOST[0][0], 32400).kind is v4
    assert ask(here, HOST[1][0], 32400).kind is v6
    taken = [r for c in whole.chains for r in c.rules if r.exhibit == "iptables-save"]
    assert taken
    assert all(rule.words.startswith("-A ") and rule.handle.isdigit() for rule in taken)
    # One rule less, and nobody knows which is which.
    short = read_nft(listing, {name: rules[1:] for name, rules in saved.items()}, "nft")
    assert any("xt match" in words for words in unknown_in(short))


def test_iptables_targets_of_which_only_the_name_is_known() -> None:
    def effects(kind: str, name: str) -> tuple[Effect, ...]:
        return only({"xt": {"type": kind, "name": name}}).effects

    assert effects("target", "LOG") == ()
    assert effects("target", "REJECT") == (Verdict.REJECT,)
    assert effects("target", "DNAT") == (UnknownEffect("xt target DNAT # handle 1"),)
    assert effects("match", "comment") == ()
    assert asked(only({"xt": {"type": "match", "name": "comment"}})) == []
    nameless = only({"xt": None})
    assert (asked(nameless), nameless.effects) == (
        [Other("xt # handle 1")],
        (UnknownEffect("xt # handle 1"),),
    )


# --- What is not modelled ---------------------------------------------------------------------------------------------


def test_one_odd_rule_leaves_the_others_as_they_are() -> None:
    plain = (match(field("tcp", "dport"), 32400), ACCEPT)
    odd: list[list[Json]] = [
        [{"weather": {"is": "fine"}}, ACCEPT],
        [match({"meta": {"key": "weather"}}, 5), ACCEPT],
        [match(field("tcp", "dport"), {"weird": 1}), ACCEPT],
        [match(field("ip", "saddr"), "no address"), ACCEPT],
        [match(field("ip", "saddr"), "@nowhere"), ACCEPT],
        [{"match": None}, ACCEPT],
        [{"match": {"op": "~", "left": field("tcp", "dport"), "right": 5}}, ACCEPT],
        [match(field("tcp", "dport"), None), ACCEPT],
        ["add @gone { ip saddr : 80 }", ACCEPT],
        [None, ACCEPT],
    ]
    read = part(plain, *odd, plain)
    rules = read.chains[0].rules
    assert rules[0].matches == rules[-1].matches
    assert rules[0].matches[1].test == PortIn(DST, ((32400, 32400),))
    assert len(rules) == len(odd) + 2
    for rule, statements in zip(rules[1:-1], odd, strict=True):
        assert any(isinstance(one, Other) for one in asked(rule)), statements
        assert rule.effects == (Verdict.ACCEPT,)


@pytest.mark.parametrize(
    "statement",
    [
        {"queue": {"num": 1}},
        {"tproxy": {"port": 5}},
        {"synproxy": {"mss": 1460}},
        {"fwd": {"dev": "eth0"}},
        {"dup": {"addr": "192.0.2.1"}},
        {"mangle": {"key": field("ip", "daddr"), "value": "192.0.2.1"}},
        {"mangle": {"key": field("ip", "ttl"), "value": 1}},
        {"mangle": {"key": {"ct": {"key": "zone"}}, "value": 1}},
        {"dnat": {"addr": {"numgen": {"mode": "inc"}}}},
        {"dnat": {"family": "ip", "addr": "192.0.2.1", "port": {"range": [1, 9]}, "flags": "random"}},
        {"snat": {"port": 5}},
        {"vmap": {"key": field("tcp", "dport"), "data": "@nowhere"}},
        "jump {\n drop\n}",
    ],
)
def test_effects_that_are_not_modelled(statement: Json) -> None:
    assert [type(one) for one in only(statement).effects] == [UnknownEffect]


def test_a_document_that_is_none() -> None:
    documents: tuple[Json, ...] = (None, [], "nft: command not found", {"error": 1}, {"nftables": "x"})
    for document in documents:
        with pytest.raises(ParseError):
            read_nft(document, {}, "nft")


def test_what_stands_below_ip_and_beside_the_filter_is_said() -> None:
    bridge: list[Json] = [
        {"table": {"family": "bridge", "name": "b"}},
        {
            "chain": {
                "family": "bridge",
                "table": "b",
                "name": "c",
                "hook": "forward",
                "type": "filter",
                "prio": 0,
            }
        },
        {"rule": {"family": "bridge", "table": "b", "chain": "c", "expr": [{"drop": None}]}},
        {"table": {"family": "arp", "name": "empty"}},
        {
            "flowtable": {
                "family": "inet",
                "table": "t",
                "name": "fast",
                "hook": "ingress",
                "prio": 0,
                "dev": "lan0",
            }
        },
    ]
    read = read_nft({"nftables": [*bridge, *chain()]}, {}, "nft")
    assert [one.id for one in read.chains] == ["inet t c"]
    assert len(read.outside_model) == 2
    assert "bridge b" in read.outside_model[0]
    assert "inet t fast" in read.outside_model[1]


# --- What other versions write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "is_asked"),
    [(["dormant"], False), (["dormant", "owner"], False), (["owner"], True), (None, True)],
)
def test_a_dormant_table_is_not_asked(flags: Json, is_asked: bool) -> None:
    table: Json = {"table": {"family": "inet", "name": "t", **({} if flags is None else {"flags": flags})}}
    read = read_nft({"nftables": [table, *chain([{"drop": None}])[1:]]}, {}, "nft")
    assert (read.chains[0].hook is not None) is is_asked


@pytest.mark.parametrize(("device", "devices"), [("eth0", ("eth0",)), (["eth0", "eth1"], ("eth0", "eth1"))])
def test_a_chain_of_interfaces(device: Json, devices: tuple[str, ...]) -> None:
    nft = chain([{"drop": None}], hook="ingress")
    nft[1]["chain"]["dev"] = device
    read = read_nft({"nftables": nft}, {}, "nft")
    assert read.chains[0].hook is not None
    assert read.chains[0].hook.devices == devices
    assert read.chains[0].rules[0].matches == ()


def test_a_chain_of_interfaces_that_are_not_named_may_see_the_packet() -> None:
    read = read_nft({"nftables": chain(hook="ingress", policy="drop")}, {}, "nft")
    (policy,) = read.chains[0].rules
    assert isinstance(policy.matches[0].test, Other)
    assert policy.effects == (Verdict.DROP,)
    assert read.chains[0].hook is not None
    assert read.chains[0].hook.policy is Verdict.ACCEPT


@pytest.mark.parametrize("kind", ["ipv4_addr", {"typeof": field("ip", "saddr")}])
def test_a_set_says_its_type_in_two_ways(kind: Json) -> None:
    named: Json = {
        "set": {"family": "inet", "table": "t", "name": "s", "type": kind, "elem": ["192.0.2.1", "*"]}
    }
    read = part((match(field("ip", "saddr"), "@s"), ACCEPT), before=[named])
    assert asked(read.chains[0].rules[0]) == [V4, SetHas(Side.SOURCE, "inet t s")]
    assert read.sets["inet t s"].v4 == ((0, 2**32 - 1),)


@pytest.mark.parametrize("bits", [["fin", "syn"], {"|": ["fin", "syn"]}, {"|": [{"|": ["fin"]}, "syn"]}])
def test_flags_are_put_together_in_several_ways(bits: Json) -> None:
    rule = only(match({"&": [field("tcp", "flags"), bits]}, "syn"), ACCEPT)
    assert asked(rule) == [TCP, FlagsAre(3, 2)]


def test_raw_bytes_of_a_header() -> None:
    def raw(base: str, offset: int, length: int) -> dict[str, Any]:
        return {"payload": {"base": base, "offset": offset, "len": length}}

    miniupnpd: Json = {"dnat": {"family": "ip", "addr": "192.168.1.50", "port": 32400}}
    protocol, port = match(raw("nh", 72, 8), 6), match(raw("th", 16, 16), 32500)
    rule = only(protocol, port, match(raw("nh", 128, 32), 0xCB007114), miniupnpd)
    assert asked(rule)[1:] == [PortIn(DST, ((32500, 32500),)), V4, AddressIn(DST, 4, n("203.0.113.20"))]
    # Before what makes it IPv4 is known, the byte may be one of an IPv6 address.
    first = asked(rule)[0]
    assert isinstance(first, AnyOf)
    assert first.branches[0] == (Match(V4), Match(TCP))
    assert isinstance(first.branches[1][1].test, Other)
    both = only(match(raw("th", 0, 32), 53 << 16 | 32500, "!="), ACCEPT)
    pair = (Match(PortIn(Side.SOURCE, ((53, 53),))), Match(PortIn(DST, ((32500, 32500),))))
    assert (asked(both), both.matches[0].negated) == ([AnyOf((pair,))], True)
    assert isinstance(asked(only(match(raw("ll", 0, 48), 1), ACCEPT))[0], Other)


# --- Sets and maps ------------------------------------------------------------------------------------------------


def _set(name: str, kind: Json, elements: list[Json], **more: Json) -> Json:
    return {"set": {"family": "inet", "table": "t", "name": name, "type": kind, "elem": elements, **more}}


def test_a_set_that_rules_change_otherwise_is_not_known() -> None:
    source, pair = field("ip", "saddr"), {"concat": [field("ip", "saddr"), field("tcp", "dport")]}
    elements: list[Json] = ["192.0.2.1"]
    add: Json = {"set": {"op": "add", "elem": source, "set": "@s"}}
    delete: Json = {"set": {"op": "delete", "elem": source, "set": "@s"}}
    added = part((add, ACCEPT), before=[_set("s", "ipv4_addr", elements)])
    assert added.chains[0].rules[0].effects == (AddToSet(Side.SOURCE, "inet t s"), Verdict.ACCEPT)
    assert not added.sets["inet t s"].unread
    assert part((delete,), before=[_set("s", "ipv4_addr", elements)]).sets["inet t s"].unread
    limited = _set("s", "ipv4_addr", elements, stmt=[{"limit": {"rate": 1, "per": "second"}}])
    assert part((add,), before=[limited]).sets["inet t s"].unread
    doors = _set("d", ["ipv4_addr", "inet_service"], [{"concat": ["192.0.2.1", 22]}])
    knock: Json = {"set": {"op": "update", "elem": pair, "set": "@d"}}
    rules = part((knock,), (match(pair, "@d"), ACCEPT), before=[doors]).chains[0].rules
    assert isinstance(asked(rules[1])[-1], Other)


def test_what_a_rule_does_before_a_match_fails_it_does_all_the_same() -> None:
    mark: Json = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}
    zero = match({"meta": {"key": "mark"}}, 0)
    first, second = part((zero, mark, match(field("tcp", "dport"), 22), ACCEPT)).chains[0].rules
    assert first.effects == (SetMark(1),)
    assert second.effects == (Verdict.ACCEPT,)
    # The first match looked at what has changed since.
    assert [type(one) for one in asked(second)] == [Other, ProtocolIs, PortIn]


def test_marks_are_made_of_marks() -> None:
    def made(value: Json, key: str = "meta") -> Effect:
        return only({"mangle": {"key": {key: {"key": "mark"}}, "value": value}}).effects[0]

    old: Json = {"meta": {"key": "mark"}}
    assert made({"|": [{"&": [old, 0xFF]}, 0x1]}) == SetMark(0x1, 0xFE)
    assert made({"^": [old, 0x3]}) == SetMark(0x3, 0xFFFFFFFF)
    assert made({"&": [old, 0xF]}, "ct") == SetMark(connection=True, unknown=True)
    assert made({"numgen": {"mode": "inc", "mod": 2}}) == SetMark(unknown=True)


def test_a_verdict_map_is_a_rule_an_element_and_a_long_one_a_rule_a_verdict() -> None:
    def read(count: int) -> list[Rule]:
        ports: list[Json] = [
            [n, {"drop": None} if n % 2 else {"jump": {"target": "x"}}] for n in range(count)
        ]
        data: Json = {"set": [*ports, ["*", {"return": None}]]}
        return list(part(({"vmap": {"key": field("tcp", "dport"), "data": data}},)).chains[0].rules)

    few, many = read(4), read(1000)
    assert [one.words for one in few[:2]] == ["tcp dport vmap { 0 : jump x }", "tcp dport vmap { 1 : drop }"]
    assert [one.effects for one in few[3:]] == [(Verdict.DROP,), (Verdict.RETURN,)]
    assert [one.effects for one in many] == [(Jump("inet t x"),), (Verdict.DROP,), (Verdict.RETURN,)]
    assert asked(few[-1]) == asked(many[-1]) == [TCP]
    assert "…" in many[0].words


def test_a_map_without_elements_keeps_its_rule() -> None:
    rule = only(
        {"dnat": {"family": "ip", "addr": {"map": {"key": field("tcp", "dport"), "data": {"set": []}}}}}
    )
    assert (asked(rule), rule.effects) == ([AnyOf(())], ())


def test_a_list_of_countries_is_read_in_no_time() -> None:
    nets: list[Json] = [
        {"prefix": {"addr": f"{n >> 16}.{n >> 8 & 255}.{n & 255}.0", "len": 24}}
        for n in range(1 << 16, (1 << 16) + 100_000, 2)
    ]
    named = _set("s", "ipv4_addr", nets, flags=["interval"])
    source = match(field("ip", "saddr"), "@s", "!=")
    read = part((source, {"drop": None}), before=[named])
    assert len(read.sets["inet t s"].v4) == 50_000
    assert read.chains[0].rules[0].matches[1].negated
