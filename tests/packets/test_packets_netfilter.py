"""A Linux box put together: which answers count, which only add, and what stays open where one is missing."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.drivers.answers import Answer as Reading
from plexops.model.matches import Family, MacIn, Match, State, StateIs
from plexops.model.packets import Box
from plexops.packets.reach import AnswerKind
from tests.packets.iptables_home import DATA as IPTABLES
from tests.packets.iptables_home import ask
from tests.packets.nft_home import answered, chain, field, match

HERE, HERE_6 = "203.0.113.20", "2001:db8:a::20"
BASE: dict[str, Any] = {
    "addresses": [
        {"ifname": "wan0", "addr_info": [{"local": HERE}, {"local": HERE_6}]},
        {"ifname": "lan0", "addr_info": [{"local": "192.168.1.1"}]},
    ],
    "routes": [
        {"dst": "192.168.1.0/24", "dev": "lan0"},
        {"dst": "default", "gateway": "203.0.113.1", "dev": "wan0"},
    ],
    "routes6": [{"dst": "default", "dev": "wan0"}],
}


def host(side: str = "wan0", /, **read: Any) -> Box:
    """The box of a host that answered this as well."""
    return answered(side, **BASE | read)


def listing(*items: Any) -> dict[str, Any]:
    return {"nftables": [{"metainfo": {"json_schema_version": 1}}, *items]}


def at(here: Box, port: int = 32400, to: str = HERE) -> AnswerKind:
    return ask(here, to, port).kind


def forwarded(here: Box) -> AnswerKind:
    return ask(here, HERE, 32500, "192.168.1.50", 32400).kind


def test_nothing_installed_is_nothing_in_the_way() -> None:
    here = host()
    assert (here.plumbing, here.internet_side, dict(here.chains)) == ("netfilter", "wan0", {})
    assert at(here) is AnswerKind.EVERYBODY
    assert at(here, to=HERE_6) is AnswerKind.EVERYBODY


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_iptables_of_either_kernel_part_translates(kind: str) -> None:
    text = (IPTABLES / f"dnat-{kind}.v4.txt").read_text()
    name = "iptables" if kind == "nft" else "iptables_legacy"
    here = host(**{name: text})
    assert forwarded(here) is AnswerKind.EVERYBODY
    prefix = "" if kind == "nft" else "legacy "
    assert f"{prefix}ip nat PREROUTING" in here.chains


DROPS: dict[Family, str] = {
    4: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 32400 -m comment --comment mine -j DROP\nCOMMIT\n",
    6: "*filter\n:INPUT DROP [0:0]\nCOMMIT\n",
}


def test_where_nft_was_read_iptables_only_says_what_nft_cannot() -> None:
    place = {"family": "ip", "table": "filter"}
    shown = listing(
        {
            "chain": {
                **place,
                "name": "INPUT",
                "type": "filter",
                "hook": "input",
                "prio": 0,
                "policy": "accept",
            }
        },
        {"rule": {**place, "chain": "INPUT", "handle": 7, "expr": [{"xt": {"type": "target", "name": "X"}}]}},
    )
    here = host(nft=shown, iptables=DROPS[4])
    assert set(here.chains) == {"ip filter INPUT"}
    (rule,) = here.chains["ip filter INPUT"].rules
    assert (rule.name, rule.handle) == ("mine", "7")
    assert at(here) is AnswerKind.NOBODY
    # What nft does not list is not there, whatever an older iptables-save said.
    empty = host(nft=listing(), iptables=DROPS[4])
    assert at(empty) is AnswerKind.EVERYBODY


def test_the_old_kernel_part_filters_besides() -> None:
    open_ = listing(*chain([match(field("tcp", "dport"), 32400), {"accept": None}]))
    assert at(host(nft=open_)) is AnswerKind.EVERYBODY
    legacy = {"iptables_legacy": DROPS[4], "ip6tables_legacy": DROPS[6]}
    here = host(nft=open_, **legacy)
    assert (at(here), at(here, 32401)) == (AnswerKind.NOBODY, AnswerKind.EVERYBODY)
    assert at(here, 32401, HERE_6) is AnswerKind.NOBODY


FAMILIES = {
    "nft": "46",
    "iptables": "4",
    "ip6tables": "6",
    "iptables_legacy": "4",
    "ip6tables_legacy": "6",
}


@pytest.mark.parametrize(("name", "families"), FAMILIES.items())
@pytest.mark.parametrize("why", ["you must be root", None])
def test_what_was_not_read_leaves_the_answer_open(name: str, families: str, why: str | None) -> None:
    here = host(**{name: Reading(problem=why or f"{name} was not asked")})
    for family, to in (("4", HERE), ("6", HERE_6)):
        wanted = AnswerKind.UNKNOWN if family in families else AnswerKind.EVERYBODY
        assert at(here, to=to) is wanted, family
    reasons = {one.unread for one in here.chains.values()}
    assert reasons == {why or f"{name} was not asked"}


def test_what_is_no_listing_of_nft_was_not_read() -> None:
    here = host(nft="nft: command failed")
    assert at(here) is AnswerKind.UNKNOWN


def test_a_certain_no_stays_one_though_something_was_not_read() -> None:
    early = chain(hook="prerouting", policy="drop")
    early[1]["chain"]["prio"] = -400
    shut = listing(*early)
    here = host(nft=shut, iptables_legacy=Reading(problem="timed out"))
    assert at(here) is AnswerKind.NOBODY


def test_sets_of_ipset_and_of_nft() -> None:
    rule = "-A INPUT -m set ! --match-set friends src -j DROP"
    text = f"*filter\n:INPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    friends = "create friends hash:net family inet\nadd friends 198.51.100.0/24\n"
    here = host(iptables_legacy=text, ipset=friends)
    assert ask(here, HERE, 32400, sender="198.51.100.7").kind is AnswerKind.EVERYBODY
    assert ask(here, HERE, 32400, sender="192.0.2.7").kind is AnswerKind.NOBODY
    unread = host(iptables_legacy=text)
    assert ask(unread, HERE, 32400, sender="192.0.2.7").kind is AnswerKind.UNKNOWN


def test_the_gateways_hardware_address() -> None:
    rows = ("203.0.113.1 0x1 0x2 02:00:00:00:01:01 * wan0", "192.168.1.50 0x1 0x2 02:00:00:00:00:50 * lan0")
    arp = "\n".join(("IP address HW type Flags HW address Mask Device", *rows))
    assert host(arp=arp).gateway_mac == "02:00:00:00:01:01"
    assert host().gateway_mac is None
    assert host("lan0", arp=arp).gateway_mac is None
    assert host(arp=arp, routes=None).gateway_mac is None
    seen = match(field("ether", "saddr"), "02:00:00:00:01:01")
    here = host(arp=arp, nft=listing(*chain([seen, {"drop": None}])))
    assert here.chains["inet t c"].rules[0].matches[0].test == MacIn(frozenset({"02:00:00:00:01:01"}))
    assert at(here) is AnswerKind.NOBODY


def test_what_translates_is_not_asked_of_a_family_that_nothing_tracks() -> None:
    drop = [match(field("tcp", "dport"), 32400), {"drop": None}]
    translating = chain(drop, hook="prerouting", kind="nat")

    def read(*more: Any) -> Box:
        return host(nft=listing(*translating, *more))

    assert (at(read()), at(read(), to=HERE_6)) == (AnswerKind.EVERYBODY, AnswerKind.EVERYBODY)
    place = {"family": "ip", "table": "x"}
    tracks = match({"ct": {"key": "state"}}, "invalid", "in")
    only_v4 = read({"chain": {**place, "name": "y"}}, {"rule": {**place, "chain": "y", "expr": [tracks]}})
    assert only_v4.chains["ip x y"].rules[0].matches == (
        Match(StateIs(frozenset({State.INVALID})), words="ct state invalid"),
    )
    assert (at(only_v4), at(only_v4, to=HERE_6)) == (AnswerKind.NOBODY, AnswerKind.EVERYBODY)
