"""A Linux box put together: which answers count, which only add, and what stays open where one is missing."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.drivers.rulesets.netfilter import NOT_INSTALLED, NetfilterAnswers, netfilter_box
from plexops.model.intervals import ALL_V4, ALL_V6
from plexops.model.matches import Family, MacIn, Match, State, StateIs
from plexops.model.packets import Box, LocalAddress, Route
from plexops.packets.reach import AnswerKind
from plexops.structs import replace
from tests.packets.handmade import n
from tests.packets.iptables_home import DATA as IPTABLES
from tests.packets.iptables_home import ask
from tests.packets.nft_home import ONLY_NFT, chain, field, match

HERE, HERE_6 = "203.0.113.20", "2001:db8:a::20"
NOTHING = dict.fromkeys(("nft", *ONLY_NFT), NOT_INSTALLED)
BASE = NetfilterAnswers(
    "wan0",
    addresses=(
        LocalAddress(4, n(HERE)[0][0], "wan0"),
        LocalAddress(6, n(HERE_6)[0][0], "wan0"),
        LocalAddress(4, n("192.168.1.1")[0][0], "lan0"),
    ),
    routes=(
        Route(4, n("192.168.1.0/24"), 24, "lan0"),
        Route(4, ALL_V4, 0, "wan0", "203.0.113.1"),
        Route(6, ALL_V6, 0, "wan0"),
    ),
    unread=NOTHING,
)


def without(*names: str) -> dict[str, str]:
    """Give why all else is missing."""
    return {name: why for name, why in NOTHING.items() if name not in names}


def listing(*items: Any) -> dict[str, Any]:
    return {"nftables": [{"metainfo": {"json_schema_version": 1}}, *items]}


def at(here: Box, port: int = 32400, to: str = HERE) -> AnswerKind:
    return ask(here, to, port).kind


def forwarded(here: Box) -> AnswerKind:
    return ask(here, HERE, 32500, "192.168.1.50", 32400).kind


def test_nothing_installed_is_nothing_in_the_way() -> None:
    here = netfilter_box(BASE)
    assert (here.plumbing, here.internet_side, dict(here.chains)) == ("netfilter", "wan0", {})
    assert at(here) is AnswerKind.EVERYBODY
    assert at(here, to=HERE_6) is AnswerKind.EVERYBODY


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_iptables_of_either_kernel_part_translates(kind: str) -> None:
    text = (IPTABLES / f"dnat-{kind}.v4.txt").read_text()
    name = "iptables" if kind == "nft" else "iptables_legacy"
    here = netfilter_box(replace(BASE, unread=without(name), **{name: text}))  # type: ignore[arg-type]
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
    answers = replace(BASE, nft=shown, iptables=DROPS[4], unread=without("nft", "iptables"))
    here = netfilter_box(answers)
    assert set(here.chains) == {"ip filter INPUT"}
    (rule,) = here.chains["ip filter INPUT"].rules
    assert (rule.name, rule.handle) == ("mine", "7")
    assert at(here) is AnswerKind.NOBODY
    # What nft does not list is not there, whatever an older iptables-save said.
    empty = netfilter_box(replace(answers, nft=listing()))
    assert at(empty) is AnswerKind.EVERYBODY


def test_the_old_kernel_part_filters_besides() -> None:
    open_ = listing(*chain([match(field("tcp", "dport"), 32400), {"accept": None}]))
    answers = replace(BASE, nft=open_, unread=without("nft"))
    assert at(netfilter_box(answers)) is AnswerKind.EVERYBODY
    legacy = {"iptables_legacy": DROPS[4], "ip6tables_legacy": DROPS[6]}
    here = netfilter_box(replace(answers, **legacy))  # type: ignore[arg-type]
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
    unread = without(name) | ({} if why is None else {name: why})
    here = netfilter_box(replace(BASE, unread=unread))
    for family, to in (("4", HERE), ("6", HERE_6)):
        wanted = AnswerKind.UNKNOWN if family in families else AnswerKind.EVERYBODY
        assert at(here, to=to) is wanted, family
    reasons = {one.unread for one in here.chains.values()}
    assert reasons == {why or "it was not asked for"}


def test_what_is_no_listing_of_nft_was_not_read() -> None:
    here = netfilter_box(replace(BASE, nft="nft: command failed", unread=without("nft")))
    assert at(here) is AnswerKind.UNKNOWN


def test_a_certain_no_stays_one_though_something_was_not_read() -> None:
    early = chain(hook="prerouting", policy="drop")
    early[1]["chain"]["prio"] = -400
    shut = listing(*early)
    here = netfilter_box(replace(BASE, nft=shut, unread=without("nft") | {"iptables_legacy": "timed out"}))
    assert at(here) is AnswerKind.NOBODY


def test_sets_of_ipset_and_of_nft() -> None:
    rule = "-A INPUT -m set ! --match-set friends src -j DROP"
    text = f"*filter\n:INPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    friends = "create friends hash:net family inet\nadd friends 198.51.100.0/24\n"
    answers = replace(BASE, iptables_legacy=text, ipset=friends, unread=without("iptables_legacy", "ipset"))
    here = netfilter_box(answers)
    assert ask(here, HERE, 32400, sender="198.51.100.7").kind is AnswerKind.EVERYBODY
    assert ask(here, HERE, 32400, sender="192.0.2.7").kind is AnswerKind.NOBODY
    unread = netfilter_box(replace(answers, ipset=None))
    assert ask(unread, HERE, 32400, sender="192.0.2.7").kind is AnswerKind.UNKNOWN


def test_the_gateways_hardware_address() -> None:
    arp = {"203.0.113.1": "02:00:00:00:01:01", "192.168.1.50": "02:00:00:00:00:50"}
    assert netfilter_box(replace(BASE, arp=arp)).gateway_mac == "02:00:00:00:01:01"
    assert netfilter_box(BASE).gateway_mac is None
    assert netfilter_box(replace(BASE, arp=arp, internet_side="lan0")).gateway_mac is None
    assert netfilter_box(replace(BASE, arp=arp, routes=None)).gateway_mac is None
    seen = match(field("ether", "saddr"), "02:00:00:00:01:01")
    here = netfilter_box(
        replace(BASE, arp=arp, nft=listing(*chain([seen, {"drop": None}])), unread=without("nft"))
    )
    assert here.chains["inet t c"].rules[0].matches[0].test == MacIn(frozenset({"02:00:00:00:01:01"}))
    assert at(here) is AnswerKind.NOBODY


def test_what_translates_is_not_asked_of_a_family_that_nothing_tracks() -> None:
    drop = [match(field("tcp", "dport"), 32400), {"drop": None}]
    translating = chain(drop, hook="prerouting", kind="nat")

    def read(*more: Any) -> Box:
        return netfilter_box(replace(BASE, nft=listing(*translating, *more), unread=without("nft")))

    assert (at(read()), at(read(), to=HERE_6)) == (AnswerKind.EVERYBODY, AnswerKind.EVERYBODY)
    place = {"family": "ip", "table": "x"}
    tracks = match({"ct": {"key": "state"}}, "invalid", "in")
    only_v4 = read({"chain": {**place, "name": "y"}}, {"rule": {**place, "chain": "y", "expr": [tracks]}})
    assert only_v4.chains["ip x y"].rules[0].matches == (
        Match(StateIs(frozenset({State.INVALID})), words="ct state invalid"),
    )
    assert (at(only_v4), at(only_v4, to=HERE_6)) == (AnswerKind.NOBODY, AnswerKind.EVERYBODY)
