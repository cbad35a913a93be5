"""Effects, chains and their order: what a rule that holds does to a packet, and which chain is asked when."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.model.intervals import Numbers
from plexops.model.packets import (
    AddToSet,
    AnyOf,
    Box,
    Chain,
    CopyMark,
    Effect,
    Hook,
    Jump,
    LocalAddress,
    MarkIs,
    MarkNamed,
    Match,
    NamedSet,
    NameMark,
    NoTracking,
    Rule,
    SetHas,
    SetMark,
    SetTag,
    SkipFilter,
    State,
    TagIs,
    Test,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)
from plexops.packets.chains import EndKind
from plexops.packets.reach import Answer, AnswerKind, Target, who_reaches
from tests.packets.handmade import (
    ACCEPT,
    ACK,
    ANSWER,
    DESTINATION,
    DNAT,
    DROP,
    EVERYBODY,
    FORWARD,
    FRIENDS,
    LAN,
    NOBODY,
    PLEX,
    REJECT,
    RETURN,
    SOME,
    SOURCE,
    SYN,
    TCP,
    UNKNOWN,
    WAN,
    all_but,
    arrives,
    asked,
    base,
    delivered,
    destination,
    dnat,
    dport,
    forwarded,
    goto,
    jump,
    kinds,
    leaves,
    m,
    n,
    no,
    number,
    other,
    plex,
    ports,
    questions,
    router,
    rule,
    source,
    state,
    stopped_by,
    sub,
)

STRICT = {"policy": DROP}


def marked(value: int, connection: bool = False) -> Match:
    return m(MarkIs(value, connection=connection), f"mark {value}")


# --- verdicts, jumps, policies --------------------------------------------------------------------------------------


def test_an_empty_box_lets_everybody_in_to_itself() -> None:
    assert delivered().kind is EVERYBODY
    assert forwarded().kind is NOBODY
    assert kinds(forwarded()) == {EndKind.DELIVERED}


def test_drop_and_reject_end_all() -> None:
    for verdict, kind in ((DROP, EndKind.DROPPED), (REJECT, EndKind.REJECTED)):
        first = base("input", rule(verdict, words="it"), priority=-10)
        answer = delivered(first, base("input", rule(ACCEPT)))
        assert (answer.kind, kinds(answer), stopped_by(answer)) == (NOBODY, {kind}, {"it"})


def test_accept_ends_that_base_chain_only() -> None:
    first = base("input", rule(ACCEPT), rule(DROP), priority=-10)
    assert delivered(first, base("input")).kind is EVERYBODY
    assert delivered(first, base("input", rule(DROP))).kind is NOBODY


@pytest.mark.parametrize("policy", [DROP, REJECT])
def test_who_comes_to_the_end_of_a_base_chain_meets_its_policy(policy: Verdict) -> None:
    closed = delivered(base("input", rule(source(FRIENDS), ACCEPT), policy=policy))
    assert (closed.kind, closed.senders) == (SOME, n(FRIENDS))
    assert stopped_by(closed) == {f"policy {policy}"}


INNER: list[tuple[str, list[Rule], list[Rule], AnswerKind]] = [
    ("an inner accept ends the base chain", [rule(jump("a")), rule(DROP)], [rule(ACCEPT)], EVERYBODY),
    ("return goes on behind the jump", [rule(jump("a")), rule(DROP)], [rule(RETURN), rule(ACCEPT)], NOBODY),
    ("so does the end", [rule(jump("a")), rule(ACCEPT)], [rule(dport(80), DROP)], EVERYBODY),
    ("return in a base chain: the policy", [rule(RETURN), rule(ACCEPT)], [], NOBODY),
    ("goto does not come back", [rule(goto("a")), rule(ACCEPT)], [rule(dport(80), DROP)], NOBODY),
    ("return behind goto neither", [rule(goto("a")), rule(ACCEPT)], [rule(RETURN)], NOBODY),
    ("goto accepts", [rule(goto("a")), rule(DROP)], [rule(ACCEPT)], EVERYBODY),
    ("continue goes on", [rule(Verdict.CONTINUE), rule(ACCEPT)], [], EVERYBODY),
]


@pytest.mark.parametrize(
    ("outer", "inner", "kind"), [row[1:] for row in INNER], ids=[row[0] for row in INNER]
)
def test_jumps(outer: list[Rule], inner: list[Rule], kind: AnswerKind) -> None:
    assert delivered(base("input", *outer, policy=DROP), sub("a", *inner)).kind is kind


def test_the_end_of_a_goto_returns_to_where_the_last_jump_came_from() -> None:
    chains = (
        base("input", rule(jump("a")), rule(ACCEPT), policy=DROP),
        sub("a", rule(goto("b")), rule(DROP)),
        sub("b", rule(dport(80), DROP)),
    )
    assert delivered(*chains).kind is EVERYBODY


def test_a_jump_cuts_senders_and_its_return_unites_them() -> None:
    chains = (
        base("input", rule(source(FRIENDS), jump("a")), rule(DROP)),
        sub("a", rule(source("198.51.100.0/25"), ACCEPT), rule(source("198.51.100.192/26"), ACCEPT)),
    )
    answer = delivered(*chains)
    assert answer.senders == (*n("198.51.100.0/25"), *n("198.51.100.192/26"))


def test_a_rule_that_is_not_in_force_does_nothing() -> None:
    assert delivered(base("input", rule(DROP, off="disabled"))).kind is EVERYBODY


# --- the order of chains --------------------------------------------------------------------------------------------


def decides(*chains: Chain) -> str:
    return next(iter(stopped_by(delivered(*chains))))


def test_lower_priorities_are_asked_first_and_of_equal_ones_the_chain_made_last() -> None:
    high, low = base("input", rule(DROP, words="10"), priority=10), base("input", rule(DROP, words="-10"))
    assert decides(high, low) == "-10"
    old = base("input", rule(DROP, words="old"), name="old", order=1)
    young = base("input", rule(DROP, words="young"), name="young", order=2)
    assert decides(old, young) == decides(young, old) == "young"


def test_stages_come_in_netfilters_order() -> None:
    order = [("ingress", 0), ("prerouting", -300), ("prerouting", -150), ("prerouting", 0), ("forward", 0)]
    order += [("postrouting", 0), ("postrouting", 110), ("egress", 0)]
    chains = [base(stage, rule(DROP, words=f"{stage} {p}"), priority=p) for stage, p in order]
    for place in range(len(order)):
        left = list(reversed(chains[place:]))
        assert stopped_by(forwarded(DNAT, *left)) == {"{} {}".format(*order[place])}


def test_a_chain_of_another_family_is_not_asked() -> None:
    assert delivered(base("input", policy=DROP, families=frozenset({6}))).kind is EVERYBODY
    assert delivered(base("input", policy=DROP, families=frozenset({4}))).kind is NOBODY


def test_a_chain_of_some_devices_sees_what_arrives_there() -> None:
    def ingress(*devices: str) -> Chain:
        return base("ingress", policy=DROP, devices=devices)

    assert delivered(ingress("wan0", "wan1")).kind is NOBODY
    # The answer of the server arrives by the LAN.
    assert stopped_by(forwarded(DNAT, ingress("lan0"))) == {"policy drop"}
    assert kinds(forwarded(DNAT, ingress("lan0"))) == {EndKind.ANSWER_DROPPED}
    assert delivered(ingress("lan0")).kind is EVERYBODY
    assert delivered(ingress("wan0"), internet_side="").kind is UNKNOWN
    assert kinds(forwarded(DNAT, base("egress", policy=DROP, devices=("lan0",)))) == {EndKind.DROPPED}


# --- translation ----------------------------------------------------------------------------------------------------


def ends_at(*chains: Chain, port: int = 32500, **box: Any) -> set[tuple[Numbers, Numbers]]:
    """Give where the connections end."""
    answer = forwarded(*chains, port=port, **box)
    packets = [end.packet for end in answer.ends]
    return {(p.numbers(p.destination), p.numbers(p.port)) for p in packets}


def by(effect: Effect, *matches: Match) -> Chain:
    return base("prerouting", rule(*matches, effect), nat=True)


def test_a_translation_keeps_what_it_does_not_name() -> None:
    assert ends_at(by(dnat(PLEX, None))) == {(n(PLEX), ports(32500))}
    assert ends_at(by(TranslateDestination(None, ports(80)))) == {(n(WAN), ports(80))}
    assert ends_at(by(TranslateDestination(None, ports(80), to_itself=True))) == {(n(WAN), ports(80))}
    assert ends_at(by(TranslateDestination(to_itself=True))) == {(n(WAN), ports(32500))}


def test_of_a_port_range_a_port_inside_is_kept_else_the_first_is_taken() -> None:
    assert ends_at(by(dnat(PLEX, 32000, 33000))) == {(n(PLEX), ports(32500))}
    assert ends_at(by(dnat(PLEX, 32400, 32410))) == {(n(PLEX), ports(32400))}
    wide = who_reaches([router(by(dnat(PLEX, 32400, 32410)))], asked(32408, 32420), plex(PLEX, 32400, 32410))
    assert {(end.packet.asked_ports, end.packet.numbers(end.packet.port)) for end in wide.reached} == {
        (ports(32408, 32410), ports(32408, 32410)),
        (ports(32411, 32420), ports(32400)),
    }


def test_a_range_that_shifts_keeps_the_distance_from_the_first_outer_port() -> None:
    shifting = TranslateDestination(n(PLEX), ports(32400, 32410), shift_from=32500)
    assert ends_at(by(shifting, dport(32500, 32510)), port=32507) == {(n(PLEX), ports(32407))}
    everywhere = who_reaches([router(by(shifting, dport(32500, 32510)))], asked(1, 65535), plex())
    assert {end.packet.asked_ports for end in everywhere.reached} == {ports(32500)}


def test_a_redirect_leads_to_the_box_by_the_address_where_it_arrived() -> None:
    redirect = by(TranslateDestination(None, ports(32400), to_itself=True))
    away = who_reaches([router(redirect)], asked(32500, at="203.0.113.99"), plex(WAN))
    assert away.kind is EVERYBODY
    # By which address is not known where that interface's was not read: but to the box itself.
    elsewhere = router(redirect, addresses=(LocalAddress(4, number(LAN), "lan0"),))
    assert who_reaches([elsewhere], asked(32500, at="203.0.113.99"), plex(LAN)).kind is EVERYBODY
    blind = router(redirect, addresses=None)
    assert who_reaches([blind], asked(32500), plex(WAN)).kind is UNKNOWN


def test_of_several_addresses_any_is_taken() -> None:
    several = by(TranslateDestination((*n("192.168.1.49"), *n(PLEX)), ports(32400)))
    answer = forwarded(several)
    assert answer.kind is UNKNOWN
    assert "which destination of several is taken" in questions(answer)[0]
    both: Numbers = ((number("192.168.1.49"), number(PLEX)),)
    assert forwarded(several, to=Target.at(both, ports(32400))).kind is EVERYBODY
    assert forwarded(several, to=plex("192.168.1.60")).kind is NOBODY


def test_a_translation_of_one_family_is_passed_by_the_other() -> None:
    six = TranslateDestination(n("2001:db8:a::50"), ports(32400), family=6)
    assert forwarded(base("prerouting", rule(six), FORWARD, nat=True)).kind is EVERYBODY


def test_accept_lets_the_next_nat_chain_translate_and_the_first_translation_ends_the_stage() -> None:
    accepts = base("prerouting", rule(dport(32500), ACCEPT), nat=True, priority=-110, name="first")
    assert forwarded(accepts, DNAT).kind is EVERYBODY
    elsewhere = base(
        "prerouting", rule(dport(32500), dnat("192.168.1.60")), nat=True, priority=-110, name="1"
    )
    assert forwarded(elsewhere, DNAT).kind is NOBODY
    # Their priorities only order them among themselves: a filter at -105 stands before all of them.
    early = base("prerouting", rule(destination(PLEX), DROP), priority=-105)
    assert forwarded(base("prerouting", FORWARD, nat=True, priority=-110, name="1"), early).kind is EVERYBODY


def test_a_translation_that_changes_nothing_ends_the_stage_and_is_none() -> None:
    same = base("prerouting", rule(dnat(WAN, 32400)), nat=True, priority=-110, name="first")
    away = base("prerouting", rule(dnat()), nat=True)
    assert delivered(same, away).kind is EVERYBODY
    translated = base("input", rule(no(m_translated()), ACCEPT), policy=DROP)
    assert delivered(same, translated).kind is EVERYBODY


def m_translated() -> Match:
    from tests.packets.handmade import TRANSLATED

    return TRANSLATED


def test_what_a_nat_chain_drops_is_dropped() -> None:
    assert forwarded(base("prerouting", rule(dport(32500), DROP), FORWARD, nat=True)).kind is NOBODY


def test_what_is_not_tracked_is_not_translated() -> None:
    untracked = base("prerouting", rule(dport(32500), NoTracking()), priority=-300)
    answer = forwarded(untracked, DNAT)
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.DELIVERED})
    too_late = base("prerouting", rule(dport(32500), NoTracking()), priority=-150)
    assert forwarded(too_late, DNAT).kind is EVERYBODY


def test_a_source_is_translated_for_the_chains_behind() -> None:
    masquerade = base("postrouting", rule(leaves("lan0"), TranslateSource()), nat=True)
    behind = base("postrouting", rule(source(LAN), DROP), priority=110)
    before = base("postrouting", rule(source(LAN), DROP), priority=90)
    assert forwarded(DNAT, masquerade, behind).kind is NOBODY
    assert forwarded(DNAT, masquerade, before).kind is EVERYBODY
    to_another = base("postrouting", rule(TranslateSource(n("192.168.1.2"))), nat=True)
    assert forwarded(DNAT, to_another, behind).kind is EVERYBODY
    # Masquerading takes the address of the interface; where that was not read it may be any.
    strange = base("postrouting", rule(TranslateSource()), nat=True)
    assert forwarded(DNAT, strange, behind, addresses=None).kind is UNKNOWN


# --- what a packet bears --------------------------------------------------------------------------------------------


def kept(effects: list[Effect], value: int, connection: bool = False) -> bool:
    """Tell whether a packet bears a mark at input, after these effects behind tracking."""
    marking = base("prerouting", *(rule(effect) for effect in effects), priority=-150)
    return delivered(marking, base("input", rule(marked(value, connection), DROP))).kind is NOBODY


def test_a_mark_is_the_old_one_under_keep_and_the_value_upon_it() -> None:
    assert kept([SetMark(0x12)], 0x12)
    assert kept([SetMark(0x12), SetMark(0x01, keep=0xF0)], 0x11)
    assert kept([SetMark(0x12), SetMark(0x03, keep=0xFF)], 0x11)
    assert kept([SetMark(5, connection=True)], 5, connection=True)
    assert not kept([SetMark(5, connection=True)], 5)
    assert kept([SetMark(5), CopyMark(to_connection=True)], 5, connection=True)
    assert kept([SetMark(5, connection=True), CopyMark(to_connection=False)], 5)


def test_an_unknown_mark_is_a_question_until_it_is_set_anew() -> None:
    def kind(*effects: Effect) -> AnswerKind:
        marking = base("prerouting", *(rule(effect) for effect in effects), priority=-150)
        return delivered(marking, base("input", rule(marked(1), DROP))).kind

    assert kind(SetMark(unknown=True)) is UNKNOWN
    assert kind(SetMark(unknown=True), SetMark(2)) is EVERYBODY
    assert kind(SetMark(unknown=True), SetMark(2, keep=0xF0)) is UNKNOWN


def test_a_connection_has_no_mark_before_it_is_tracked() -> None:
    setting: list[tuple[Effect, Test]] = [
        (SetMark(5, connection=True), MarkIs(5, connection=True)),
        (NameMark("plex", "connection"), MarkNamed("plex", "connection")),
    ]
    for effect, test in setting:
        early = base("prerouting", rule(effect), priority=-300)
        late = base("prerouting", rule(effect), priority=-150)
        assert delivered(early, base("input", rule(m(test), DROP))).kind is EVERYBODY
        assert delivered(late, base("input", rule(m(test), DROP))).kind is NOBODY
    # Restoring from no connection leaves the packet's mark as it was.
    restoring = base("prerouting", rule(SetMark(7)), rule(CopyMark(to_connection=False)), priority=-300)
    assert delivered(restoring, base("input", rule(marked(7), DROP))).kind is NOBODY


def test_the_connections_mark_lasts_and_the_packets_does_not() -> None:
    for connection, kind in ((True, NOBODY), (False, EVERYBODY)):
        marking = base("prerouting", rule(SYN, SetMark(5, connection=connection)), priority=-150)
        assert delivered(marking, base("input", rule(ACK, marked(5, connection), DROP))).kind is kind
        assert delivered(marking, base("output", rule(ANSWER, marked(5, connection), DROP))).kind is kind


def test_marks_that_are_words() -> None:
    marking = base("prerouting", rule(NameMark("plex", "packet")), priority=-150)
    assert delivered(marking, base("input", rule(m(MarkNamed("plex", "packet")), DROP))).kind is NOBODY
    assert delivered(marking, base("input", rule(m(MarkNamed("", "packet")), DROP))).kind is EVERYBODY


def test_who_joined_a_set_on_the_way_is_in_it() -> None:
    joins = base("prerouting", rule(AddToSet(SOURCE, "seen")), priority=-150)
    drops = base("input", rule(m(SetHas(SOURCE, "seen")), DROP))
    empty: dict[str, Any] = {"sets": {"seen": NamedSet()}}
    assert delivered(drops, **empty).kind is EVERYBODY
    assert delivered(joins, drops, **empty).kind is NOBODY
    # In an answer the viewer is the destination.
    answers = base("output", rule(m(SetHas(DESTINATION, "seen")), DROP))
    assert kinds(delivered(joins, answers, **empty)) == {EndKind.ANSWER_DROPPED}
    some = base("prerouting", rule(source(FRIENDS), AddToSet(SOURCE, "seen")), priority=-150)
    assert delivered(some, drops, **empty).senders == all_but(FRIENDS)


# --- what is not modelled -------------------------------------------------------------------------------------------

ODD = UnknownEffect("queue num 3")


def test_an_unknown_effect_in_a_filter_stops_or_lets_through_and_never_sends_elsewhere() -> None:
    answer = delivered(base("input", rule(ODD)))
    assert (answer.kind, questions(answer)) == (UNKNOWN, ["what this does: “queue num 3”"])
    assert kinds(answer) == {EndKind.DROPPED}
    # What it lets go on is stopped behind it in any case.
    assert delivered(base("input", rule(ODD)), base("input", rule(DROP), priority=10)).kind is NOBODY
    # A filter on the router's own address hides nothing about where packets are forwarded.
    assert forwarded(base("input", rule(ODD)), DNAT).kind is EVERYBODY
    assert forwarded(base("forward", rule(dport(80), ODD)), DNAT).kind is EVERYBODY


@pytest.mark.parametrize("behind", [DROP, ACCEPT])
def test_behind_an_unknown_effect_the_same_chain_is_asked_or_not(behind: Verdict) -> None:
    """It may have accepted, stopped, or let the next rule decide."""
    assert delivered(base("input", rule(ODD), rule(behind), policy=DROP)).kind is UNKNOWN


def test_an_unknown_effect_may_have_marked_what_goes_on() -> None:
    marks = base("prerouting", rule(ODD), rule(SetMark(1)), priority=-150)
    wants = base("input", rule(marked(1), ACCEPT), policy=DROP)
    assert delivered(marks, wants).kind is UNKNOWN
    assert delivered(base("prerouting", rule(ODD), priority=-150), wants).kind is UNKNOWN


def test_an_unknown_effect_in_nat_goes_on_or_sends_anywhere() -> None:
    answer = forwarded(base("prerouting", rule(dport(32500), ODD), FORWARD, nat=True))
    assert answer.kind is UNKNOWN
    assert kinds(answer) == {EndKind.NOT_KNOWN}
    alone = forwarded(base("prerouting", rule(dport(32500), ODD), nat=True))
    assert (alone.kind, questions(alone)) == (UNKNOWN, ["what this does: “queue num 3”"])
    assert forwarded(base("prerouting", FORWARD, rule(ODD), nat=True)).kind is EVERYBODY


@pytest.mark.parametrize("into", [jump, goto])
def test_a_chain_that_was_not_read_or_is_missing_is_a_question(into: type[Jump]) -> None:
    unread = Chain("a", unread="not enough permissions")
    for chains in ((unread,), ()):
        answer = delivered(base("input", rule(into("a")), rule(ACCEPT)), *chains)
        assert answer.kind is UNKNOWN
        assert "a" in questions(answer)[0]
        nat = base("prerouting", rule(into("a")), FORWARD, nat=True)
        assert forwarded(nat, *chains).kind is UNKNOWN
        assert (
            delivered(base("input", rule(into("a"))), base("input", policy=DROP, priority=1), *chains).kind
            is NOBODY
        )


@pytest.mark.parametrize("stage", ["input", "prerouting"])
def test_a_base_chain_that_was_not_read_is_never_an_empty_one(stage: str) -> None:
    unread = Chain("x", (), Hook(stage, -300 if stage == "prerouting" else 0), "permission denied")
    answer = delivered(unread)
    assert (answer.kind, questions(answer)) == (UNKNOWN, ["what this does: “x: permission denied”"])
    nat = Chain("x", (), Hook("prerouting", -100, nat=True), "permission denied")
    assert forwarded(nat).kind is UNKNOWN
    assert kinds(forwarded(nat)) == {EndKind.NOT_KNOWN, EndKind.DELIVERED}


def test_an_unread_chain_may_have_marked_filled_sets_and_switched_tracking_off() -> None:
    unread = Chain("x", (), Hook("prerouting", -300), "permission denied")
    only = [marked(1), m(SetHas(SOURCE, "seen")), state(State.UNTRACKED)]
    for match in only:
        strict = base("input", rule(match, ACCEPT), policy=DROP)
        assert delivered(strict, sets={"seen": NamedSet()}).kind is NOBODY
        assert delivered(unread, strict, sets={"seen": NamedSet()}).kind is UNKNOWN


# --- pf, a list of forwards, RouterOS -------------------------------------------------------------------------------


def pf(*chains: Chain, port: int = 32500) -> Answer:
    return who_reaches([router(*chains, plumbing="pf")], asked(port), plex())


RDR = base("rdr", rule(TCP, dport(32500), dnat()), nat=True)


def last(*rules: Rule, policy: Verdict = ACCEPT) -> Chain:
    return base("filter", *rules, last_match=True, policy=policy, name="filter")


def test_in_pf_the_last_match_decides_and_quick_stops() -> None:
    assert pf(RDR).kind is EVERYBODY
    assert pf(RDR, last(rule(ACCEPT), rule(DROP))).kind is NOBODY
    assert pf(RDR, last(rule(DROP), rule(ACCEPT))).kind is EVERYBODY
    assert pf(RDR, last(rule(ACCEPT, quick=True), rule(DROP))).kind is EVERYBODY
    assert pf(RDR, last(rule(dport(80), ACCEPT, quick=True), rule(DROP))).kind is NOBODY
    assert pf(RDR, last(rule(DROP), rule(ACCEPT, quick=True), rule(DROP, quick=True))).kind is EVERYBODY
    assert pf(RDR, last(rule(dport(80), ACCEPT), policy=DROP)).kind is NOBODY


def test_in_pf_the_filter_sees_the_translated_destination_and_answers_pass() -> None:
    assert pf(RDR, last(rule(DROP), rule(SYN, destination(PLEX), dport(32400), ACCEPT))).kind is EVERYBODY
    assert pf(RDR, last(rule(DROP), rule(destination(WAN), ACCEPT))).kind is NOBODY


def test_in_pf_the_first_redirection_counts_and_its_pass_skips_the_filter() -> None:
    first = base("rdr", rule(dport(32500), ACCEPT), *RDR.rules, nat=True)
    assert pf(first).kind is NOBODY
    passes = base("rdr", rule(dport(32500), SkipFilter(), dnat()), nat=True)
    assert pf(passes, last(rule(DROP, quick=True))).kind is EVERYBODY
    tagging = base("rdr", rule(dport(32500), SetTag("plex"), dnat()), nat=True)
    tagged = last(rule(DROP), rule(m(TagIs("plex")), ACCEPT, quick=True))
    assert pf(tagging, tagged).kind is EVERYBODY
    assert pf(RDR, tagged).kind is NOBODY


def test_a_list_of_forwards_accepts_what_it_forwards() -> None:
    forwards = base("forwards", rule(TCP, dport(32500), dnat()), nat=True)
    box = Box("list", {"f": forwards}, (LocalAddress(4, number(WAN), "internet"),), internet_side="internet")
    assert who_reaches([box], asked(), plex()).kind is EVERYBODY
    assert who_reaches([box], asked(32400), plex()).kind is NOBODY


ROUTEROS = ["raw/prerouting", "mangle/prerouting", "mangle/forward", "filter/forward", "mangle/postrouting"]


def test_routeros_chains_come_in_its_packet_flow() -> None:
    there = base("nat/dstnat", rule(dport(32500), dnat()), nat=True)
    for place in range(len(ROUTEROS)):
        chains = [base(stage, rule(DROP, words=stage), name=stage) for stage in reversed(ROUTEROS[place:])]
        box = router(there, *chains, plumbing="routeros")
        assert stopped_by(who_reaches([box], asked(), plex())) == {ROUTEROS[place]}
    own = [base(f"{table}/input", rule(DROP, words=table), name=table) for table in ("filter", "mangle")]
    box = router(there, *own, plumbing="routeros")
    assert who_reaches([box], asked(), plex()).kind is EVERYBODY
    assert stopped_by(who_reaches([box], asked(80), plex(WAN, 80))) == {"mangle"}


def test_routeros_raw_stands_before_tracking_and_answers_meet_the_same_chains() -> None:
    there = base("nat/dstnat", rule(dport(32500), dnat()), nat=True)
    invalid = base("raw/prerouting", rule(state(State.INVALID), DROP))
    assert who_reaches([router(there, invalid, plumbing="routeros")], asked(), plex()).kind is NOBODY
    strict = base("filter/forward", rule(arrives("wan0"), ACCEPT), policy=DROP)
    answer = who_reaches([router(there, strict, plumbing="routeros")], asked(), plex())
    assert kinds(answer) == {EndKind.ANSWER_DROPPED}


def test_any_of_no_branch_is_never_and_a_branch_without_matches_always() -> None:
    assert delivered(base("input", rule(m(AnyOf(())), DROP))).kind is EVERYBODY
    both = m(AnyOf(((source("198.51.100.0/25"),), (source(FRIENDS), other()))))
    answer = delivered(base("input", rule(SYN, both, DROP)))
    assert answer.senders == all_but(FRIENDS)
    assert answer.doubtful == n("198.51.100.128/25")
