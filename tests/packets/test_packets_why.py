"""Why not: what stops it, what sends it elsewhere, or for each rule that would lead to Plex the first reason."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.model.matches import (
    AnyOf,
    FamilyIs,
    MacIn,
    MarkIs,
    MarkNamed,
    Match,
    ProtocolIs,
    SetHas,
    State,
    TagIs,
    TimeIs,
)
from plexops.model.packets import (
    Box,
    Chain,
    LocalAddress,
    NamedSet,
    NoTracking,
    Rule,
    TranslateDestination,
    TranslateSource,
)
from plexops.packets.packet import Leg
from plexops.packets.reach import Asked, Target, who_reaches
from plexops.packets.why import Reason, Why, why_not
from tests.packets.handmade import (
    ACCEPT,
    ANSWER,
    DNAT,
    DROP,
    FORWARD,
    FRIENDS,
    PLEX,
    RETURN,
    SOURCE,
    SYN,
    TCP,
    WAN,
    arrives,
    asked,
    base,
    destination,
    dnat,
    dport,
    jump,
    m,
    n,
    no,
    number,
    other,
    plex,
    ports,
    router,
    rule,
    server,
    source,
    sport,
    state,
    sub,
)


def why(
    *chains: Chain,
    path: tuple[Box, ...] | None = None,
    ask: Asked | None = None,
    to: Target | None = None,
    **box: Any,
) -> tuple[Reason, ...]:
    """Ask why a router, or several boxes, keep viewers from Plex."""
    boxes, question, target = (
        (router(*chains, **box),) if path is None else path,
        ask or asked(),
        to or plex(),
    )
    return why_not(boxes, question, target, who_reaches(boxes, question, target))


def said(reason: Reason) -> tuple[Why, str]:
    """Give a reason in short: the words of what stops, sends elsewhere, says no, narrows or takes."""
    return reason.why, reason.words


def nat(*rules: Rule, **more: Any) -> Chain:
    return base("prerouting", *rules, nat=True, **more)


def test_nothing_keeps_everybody() -> None:
    assert why(DNAT) == ()
    # What holds for a few of a viewer's own ports is no reason.
    assert why(DNAT, base("forward", rule(SYN, sport(2000), DROP))) == ()


# --- 1. dropped on the way ------------------------------------------------------------------------------------------


def test_what_stops_it_on_the_way_in() -> None:
    (reason,) = why(DNAT, base("forward", rule(dport(32400), DROP, words="no Plex")))
    assert (said(reason), reason.leg, reason.box) == ((Why.STOPPED, "no Plex"), Leg.SYN, 0)
    assert reason.rule is not None
    assert reason.chain is not None
    assert (reason.rule.words, reason.chain.id) == ("no Plex", "forward 0")
    (policy,) = why(DNAT, base("forward", policy=DROP))
    assert (said(policy), policy.rule) == ((Why.STOPPED, "policy drop"), None)


def test_where_an_accept_would_have_to_stand() -> None:
    inner = sub("zone", rule(dport(32400), DROP))
    (reason,) = why(DNAT, base("forward", rule(jump("zone"), words="to the zone")), inner)
    assert reason.chain == inner
    assert reason.base is not None
    assert reason.at is not None
    assert (reason.base.id, reason.at.words) == ("forward 0", "to the zone")


def test_on_which_leg_it_is_stopped() -> None:
    answer = base("forward", rule(ANSWER, DROP, words="no answers"))
    assert [(said(r), r.leg) for r in why(DNAT, answer)] == [((Why.STOPPED, "no answers"), Leg.ANSWER)]
    once = base("forward", rule(state(State.NEW), ACCEPT), rule(arrives("lan0"), ACCEPT), policy=DROP)
    assert [(said(r), r.leg) for r in why(DNAT, once)] == [((Why.STOPPED, "policy drop"), Leg.ACK)]


def test_what_stops_it_before_it_is_translated_and_behind_the_router() -> None:
    raw = base("prerouting", rule(source(FRIENDS), DROP, words="blocked"), priority=-300)
    assert [said(r) for r in why(raw, DNAT)] == [(Why.STOPPED, "blocked")]
    host = server(base("input", rule(dport(32400), DROP, words="host")))
    assert [(said(r), r.box) for r in why(path=(router(DNAT), host))] == [((Why.STOPPED, "host"), 1)]


def test_what_stops_it_at_the_host_that_is_asked_itself() -> None:
    host = server(base("input", rule(dport(32400), DROP, words="ufw")))
    reasons = why(path=(host,), ask=asked(32400, at=PLEX))
    assert [said(r) for r in reasons] == [(Why.STOPPED, "ufw")]
    six = why(base("forward", policy=DROP), ask=asked(32400, at="2001:db8:a::50"), to=plex("2001:db8:a::50"))
    assert [said(r) for r in six] == [(Why.STOPPED, "policy drop")]


def test_what_stops_packets_to_the_router_itself_is_not_the_reason() -> None:
    """Without a forward nothing is on its way to Plex, whatever the router's input chain does."""
    for chain in (base("input", policy=DROP), base("output", rule(ANSWER, DROP))):
        assert [said(r) for r in why(chain)] == [(Why.NO_RULE, "")]


# --- 2. sent elsewhere ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effect",
    [dnat("192.168.1.60"), dnat(PLEX, 80), TranslateDestination(None, ports(80), to_itself=True)],
    ids=["another host", "another port", "the router itself"],
)
@pytest.mark.parametrize("stopped", [False, True])
def test_what_sends_it_elsewhere(effect: TranslateDestination, stopped: bool) -> None:
    """Even where it is stopped there."""
    filters = [base(stage, rule(no(dport(32400)), DROP), policy=DROP) for stage in ("forward", "input")]
    reasons = why(nat(rule(dport(32500), effect, words="elsewhere")), *(filters if stopped else ()))
    assert said(reasons[0]) == (Why.ELSEWHERE, "elsewhere")
    assert all(reason.why is Why.ELSEWHERE for reason in reasons)


# --- 3. not translated ----------------------------------------------------------------------------------------------

SETS: dict[str, Any] = {"sets": {"friends": NamedSet(n(FRIENDS)), "none": NamedSet()}}
NOT_ME = "02:00:00:00:00:99"
#: In the order in which they are named: each one says no to a viewer's packet before its translation.
NOES: list[Match] = [
    m(FamilyIs(frozenset({6})), "IPv6"),
    m(ProtocolIs(frozenset({"udp"})), "udp"),
    arrives("lan0"),
    destination("203.0.113.99"),
    dport(80),
    source("10.0.0.0/8"),
    m(SetHas(SOURCE, "none"), "in none"),
    sport(80),
    m(MacIn(frozenset({NOT_ME})), "mac"),
    m(MarkIs(7), "mark"),
    m(MarkNamed("x", "packet"), "mark x"),
    state(State.INVALID),
    m(TagIs("x"), "tag"),
]


@pytest.mark.parametrize("place", range(len(NOES)))
def test_the_first_match_that_says_no_in_the_order_of_fields(place: int) -> None:
    matches = list(reversed(NOES[place:]))
    (reason,) = why(nat(rule(*matches, dnat(), words="Plex")), **SETS)
    assert said(reason) == (Why.NO_MATCH, NOES[place].words)
    assert reason.match == NOES[place]
    assert reason.rule is not None
    assert reason.rule.words == "Plex"


def test_a_match_of_several_ways_stands_where_the_first_of_them_would() -> None:
    either = m(AnyOf(((dport(80),), (dport(81),))), "ports 80,81")
    (reason,) = why(nat(rule(source("10.0.0.0/8"), either, dnat())))
    assert said(reason) == (Why.NO_MATCH, "ports 80,81")


def test_a_rule_that_is_not_in_force_and_why() -> None:
    (reason,) = why(nat(rule(dport(80), dnat(), off="disabled")))
    assert said(reason) == (Why.OFF, "disabled")


def test_a_connection_that_is_not_tracked_is_not_translated() -> None:
    raw = base("prerouting", rule(dport(32500), NoTracking()), priority=-300)
    assert [r.why for r in why(raw, nat(rule(dport(80), dnat())))] == [Why.UNTRACKED]


def test_a_chain_that_is_not_entered() -> None:
    forwards = sub("forwards", rule(dport(32500), dnat()))
    entered = nat(rule(arrives("lan0"), jump("forwards")))
    assert [said(r) for r in why(entered, forwards)] == [(Why.NOT_ENTERED, "in lan0")]
    twice = (
        nat(rule(jump("zone"))),
        sub("zone", rule(destination("203.0.113.99"), jump("forwards"))),
        forwards,
    )
    assert [said(r) for r in why(*twice)] == [(Why.NOT_ENTERED, "to 203.0.113.99")]
    for nowhere in (
        nat(),
        nat(rule(jump("forwards"), off="disabled")),
        base("output", *forwards.rules, nat=True),
    ):
        assert [r.why for r in why(nowhere, *([forwards] if nowhere.id != "output 100" else []))] == [
            Why.NOT_ENTERED
        ]
    # Its own no comes first.
    assert [said(r) for r in why(entered, sub("forwards", rule(dport(80), dnat())))] == [
        (Why.NO_MATCH, "dport 80")
    ]


@pytest.mark.parametrize(
    "match",
    [source(FRIENDS), m(SetHas(SOURCE, "friends"), "friends"), m(TimeIs("8-17"), "8-17"), other("odd")],
    ids=lambda match: match.words,
)
def test_a_rule_for_some_only(match: Match) -> None:
    (reason,) = why(nat(rule(dport(32500), match, dnat())), **SETS)
    assert said(reason) == (Why.NARROWED, match.words)


def test_a_rule_before_it_takes_the_packet() -> None:
    accepts, returns = rule(dport(32500), ACCEPT, words="first"), rule(dport(32500), RETURN, words="first")
    same = rule(dport(32500), TranslateDestination(None, ports(32500)), words="first")
    noise = (
        base("prerouting", rule(ACCEPT, words="mangle"), priority=-150),
        base("input", rule(ACCEPT, words="input")),
    )
    for taker in (accepts, returns, same):
        (reason,) = why(nat(taker, FORWARD), *noise)
        assert (said(reason), reason.by) == ((Why.TAKEN, "first"), taker)
    early = nat(rule(ACCEPT, words="early"), priority=-110, name="early")
    (reason,) = why(early, nat(returns, FORWARD))
    assert (said(reason), reason.by) == ((Why.TAKEN, "first"), returns)
    inner = nat(rule(jump("a")), rule(jump("b"))), sub("a", accepts), sub("b", FORWARD)
    assert [said(r) for r in why(*inner)] == [(Why.TAKEN, "first")]


def test_each_rule_that_would_lead_there_has_its_reason() -> None:
    reasons = why(
        nat(
            rule(dport(80), dnat()),
            rule(dport(32500), dnat(), off="disabled"),
            rule(dport(1), dnat("192.168.1.60")),
        )
    )
    assert [said(r) for r in reasons] == [(Why.NO_MATCH, "dport 80"), (Why.OFF, "disabled")]


def test_which_translations_would_lead_there() -> None:
    def named(effect: TranslateDestination, *, to: Target | None = None) -> bool:
        chain = nat(rule(source("10.0.0.0/8"), effect))
        return why(chain, to=to)[0].why is Why.NO_MATCH

    assert named(dnat(PLEX, 32400, 32410))
    assert named(TranslateDestination(n("192.168.1.48/29"), ports(32400)))
    assert named(TranslateDestination(n(PLEX), ports(32390, 32410), shift_from=32490))
    assert not named(TranslateDestination(n(PLEX), ports(32401, 32410), shift_from=32500))
    assert not named(dnat(PLEX, None))
    assert named(dnat(PLEX, None), to=plex(PLEX, 32500))
    assert not named(TranslateDestination(n("2001:db8::1"), ports(32400), family=6))
    assert named(TranslateDestination(None, ports(32400), to_itself=True), to=plex(WAN))
    assert named(TranslateDestination(None, ports(32400)), to=plex(WAN))


# --- 4. no such rule ------------------------------------------------------------------------------------------------


def test_without_one_the_rules_that_name_the_port_count() -> None:
    away = rule(dport(32500), source("10.0.0.0/8"), dnat("192.168.1.60"))
    unlike = rule(dport(80), dnat("192.168.1.60"))
    assert [said(r) for r in why(nat(unlike, away))] == [(Why.NO_MATCH, "from 10.0.0.0/8")]
    assert [said(r) for r in why(nat(unlike))] == [(Why.NO_RULE, "")]
    assert [said(r) for r in why()] == [(Why.NO_RULE, "")]
    but = rule(no(dport(32500)), dnat("192.168.1.60"))
    assert [said(r) for r in why(nat(but))] == [(Why.NO_RULE, "")]


def test_a_masquerade_is_no_forward() -> None:
    chain = base("postrouting", rule(dport(32500), TranslateSource()), nat=True)
    assert [r.why for r in why(chain)] == [Why.NO_RULE]


def test_on_a_list_of_forwards_and_on_routeros() -> None:
    for plumbing, stage in (("list", "forwards"), ("routeros", "nat/dstnat"), ("pf", "rdr")):
        here = router(base(stage, rule(TCP, dport(80), dnat()), nat=True), plumbing=plumbing)
        assert [said(r) for r in why(path=(here,))] == [(Why.NO_MATCH, "dport 80")]
    bare = Box("list", {}, (LocalAddress(4, number(WAN), "internet"),), internet_side="internet")
    assert [r.why for r in why(path=(bare,))] == [Why.NO_RULE]
    assert [r.why for r in why(path=(), ask=asked(), to=plex())] == [Why.NO_RULE]
