"""Verdicts, chains and their order, what is not modelled, and the plumbing of pf, RouterOS and lists of forwards."""

from __future__ import annotations

import pytest

from plexops.model.matches import AnyOf, SetHas, State, TagIs
from plexops.model.packets import (
    Box,
    Chain,
    Hook,
    Jump,
    LocalAddress,
    NamedSet,
    Rule,
    SetMark,
    SetTag,
    SkipFilter,
    UnknownEffect,
    Verdict,
)
from plexops.packets.chains import EndKind
from plexops.packets.reach import Answer, AnswerKind, who_reaches
from tests.packets.handmade import (
    ACCEPT,
    DNAT,
    DROP,
    EVERYBODY,
    FORWARD,
    FRIENDS,
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
    m,
    marked,
    n,
    number,
    other,
    plex,
    questions,
    router,
    rule,
    source,
    state,
    stopped_by,
    sub,
)

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
