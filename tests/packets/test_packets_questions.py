"""Questions: asked once, dropped where they do not matter, never taken for another; and what the answer says."""

from __future__ import annotations

import pytest

from plexops.model.intervals import Numbers, intersect, normalise
from plexops.model.matches import AddressIs, AddressKind, AnyOf, MarkIs, Match, SetHas, State, TimeIs
from plexops.model.packets import Rule, SetMark, TranslateDestination
from plexops.packets.packet import Leg, Packet, Question, assume, cut, merge
from plexops.packets.reach import (
    PUBLIC_V4,
    PUBLIC_V6,
    VIEWER_PORTS,
    AnswerKind,
    Target,
    first_packet,
    who_reaches,
)
from plexops.structs import replace
from tests.packets.handmade import (
    ACCEPT,
    ACK,
    DESTINATION,
    DNAT,
    DROP,
    EVERYBODY,
    FRIENDS,
    NOBODY,
    PLEX,
    SOME,
    SOURCE,
    SYN,
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
    jump,
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
    sport,
    state,
    stopped_by,
    sub,
)

PACKET = first_packet(router(), asked())


# --- one question ---------------------------------------------------------------------------------------------------


def test_the_same_question_gets_the_same_answer() -> None:
    """Drop if it is night, drop if it is not: nobody. Accept if, drop if the same: never both."""
    night = m(TimeIs("22-6"), "night")
    assert delivered(base("input", rule(night, DROP), rule(no(night), DROP))).kind is NOBODY
    assert (
        delivered(base("input", rule(night, ACCEPT), rule(no(night), ACCEPT), policy=DROP)).kind is EVERYBODY
    )
    twice = base("input", rule(other(), jump("a"))), sub("a", rule(no(other()), DROP))
    assert delivered(*twice).kind is EVERYBODY


def test_a_question_that_made_no_difference_is_dropped() -> None:
    marks = base("prerouting", rule(other(), SetMark(1)), rule(SetMark(2)), priority=-150)
    assert (delivered(marks).kind, delivered(marks).questions) == (EVERYBODY, ())
    split = base("input", rule(other(), ACCEPT), rule(other("b"), DROP), rule(dport(32400), DROP))
    answer = delivered(split)
    assert (answer.kind, questions(answer)) == (UNKNOWN, ["whether this holds: “moon is full”"])


def test_a_packet_keeps_what_was_answered() -> None:
    question = Question("what time it is", "night")
    (yes,), (rest,) = assume(PACKET, question)
    assert assume(yes, question) == ([yes], [])
    assert assume(rest, question) == ([], [rest])
    assert merge([yes, rest]) == [PACKET]
    assert set(merge([yes, replace(rest, mark=1)])) == {yes, replace(rest, mark=1)}


def test_equal_packets_are_merged_and_their_senders_united() -> None:
    (inside,), (outside,) = cut(PACKET, "source", n(FRIENDS))
    assert (inside.viewers, outside.viewers) == (n(FRIENDS), all_but(FRIENDS))
    assert merge([inside, outside]) == [PACKET]
    assert set(merge([inside, replace(outside, mark=1)])) == {inside, replace(outside, mark=1)}


# --- one question is not another ------------------------------------------------------------------------------------


def test_a_list_of_interfaces_is_asked_about_each_interface() -> None:
    """That the WAN is in a list says nothing about the LAN."""
    chain = base(
        "forward",
        rule(SYN, arrives("@X"), leaves("@X"), DROP),
        rule(SYN, no(arrives("@X")), leaves("@X"), ACCEPT),
        rule(SYN, DROP),
    )
    assert forwarded(DNAT, chain).kind is UNKNOWN


def test_one_of_several_lists_is_not_the_last_of_them() -> None:
    chain = base("input", rule(arrives("@A", "@B"), no(arrives("@B")), ACCEPT), rule(DROP))
    assert delivered(chain).kind is UNKNOWN


@pytest.mark.parametrize("packet_mark", [True, False])
def test_a_mark_that_was_set_anew_is_another(packet_mark: bool) -> None:
    odd = SetMark(unknown=True, connection=not packet_mark)
    one = m(MarkIs(1, connection=not packet_mark), "one")
    chain = (
        base("input", rule(odd), rule(one, jump("again")), rule(DROP)),
        sub("again", rule(odd), rule(no(one), ACCEPT)),
    )
    answer = delivered(*chain)
    assert answer.kind is UNKNOWN
    assert answer.questions


def test_a_set_is_asked_about_each_address() -> None:
    def has(where: object) -> Match:
        return m(SetHas(DESTINATION if where else SOURCE, "x"), "in x")

    before = base("prerouting", rule(SYN, no(has(True)), DROP), priority=-150)
    after = base("forward", rule(SYN, has(True), DROP))
    assert forwarded(DNAT, before, after).kind is UNKNOWN
    sides = base("input", rule(SYN, has(False), no(has(True)), ACCEPT), rule(SYN, DROP))
    assert delivered(sides).kind is UNKNOWN
    # An answer's destination is the first packet's source: the same question.
    back = base("input", rule(SYN, has(False), DROP)), base("output", rule(no(has(True)), DROP))
    assert delivered(*back).kind is NOBODY


def test_what_an_address_is_is_asked_about_each_kind_and_side() -> None:
    local, unicast = (m(AddressIs(SOURCE, frozenset({k}))) for k in (AddressKind.LOCAL, AddressKind.UNICAST))
    to_local = m(AddressIs(DESTINATION, frozenset({AddressKind.LOCAL})))
    for yes, not_so in ((local, unicast), (to_local, local)):
        raw = base("prerouting", rule(SYN, yes, no(not_so), ACCEPT), rule(SYN, DROP), priority=-300)
        everywhere = Target.at(((0, 2**32 - 1),), ports(0, 65535))
        answer = who_reaches([router(raw, addresses=None)], asked(), everywhere)
        assert answer.kind is UNKNOWN, yes


def test_what_holds_for_one_packet_need_not_hold_for_the_next() -> None:
    """`[length 60] jump a; ct state established accept`, with a: new accept, drop. A SYN may be so long, an ACK not."""
    chains = (
        base(
            "input", rule(other("length 60"), jump("a")), rule(state(State.ESTABLISHED), ACCEPT), policy=DROP
        ),
        sub("a", rule(state(State.NEW), ACCEPT), rule(DROP)),
    )
    assert delivered(*chains).kind is UNKNOWN


def test_several_addresses_are_told_apart_by_all_of_them() -> None:
    """Two sets that begin alike are two questions."""
    several: Numbers = normalise((number(f"192.168.1.{host}"),) * 2 for host in (10, 12, 14, 16))
    packet = replace(PACKET, destination=several)
    three, two = (*several[:3], (number("10.0.0.1"),) * 2), (*several[:2], (number("10.0.0.1"),) * 2)
    (yes,), _ = cut(packet, "destination", normalise(three))
    (again,), (rest,) = cut(yes, "destination", normalise(two))
    assert again.destination == several[:2]
    assert rest.destination == several[2:3]


# --- the answer -----------------------------------------------------------------------------------------------------


def test_everybody_nobody_only_and_all_but() -> None:
    assert (delivered().kind, delivered().senders) == (EVERYBODY, PUBLIC_V4)
    closed = delivered(base("input", policy=DROP))
    assert (closed.kind, closed.senders, closed.doubtful) == (NOBODY, (), ())
    only = delivered(base("input", rule(source(FRIENDS), ACCEPT), policy=DROP))
    assert (only.kind, only.senders, only.questions) == (SOME, n(FRIENDS), ())
    but = delivered(base("input", rule(source(FRIENDS), DROP)))
    assert (but.kind, but.senders) == (SOME, all_but(FRIENDS))


def test_not_known_for_some_is_known_for_the_others() -> None:
    answer = delivered(base("input", rule(source(FRIENDS), other(), DROP)))
    assert (answer.kind, answer.senders, answer.doubtful) == (UNKNOWN, all_but(FRIENDS), n(FRIENDS))
    assert questions(answer) == ["whether this holds: “moon is full”"]


def test_ends_bear_what_was_assumed_on_their_way() -> None:
    odd = base("input", rule(SYN, source(FRIENDS), other(), ACCEPT), rule(source(FRIENDS), SYN, DROP))
    ends = delivered(odd).ends
    assert {bool(end.packet.answers) for end in ends if intersect(end.packet.viewers, n(FRIENDS))} == {True}
    assert not any(end.packet.answers for end in ends if not intersect(end.packet.viewers, n(FRIENDS)))
    sure, rest = PACKET, replace(PACKET, viewers=n(FRIENDS), noted=frozenset({(Question("x"), True)}))
    (both,) = merge([replace(sure, viewers=all_but(FRIENDS)), rest])
    assert both.noted == rest.noted


def test_only_questions_of_the_doubtful_are_named() -> None:
    chain = base(
        "input",
        rule(source(FRIENDS), other("a"), DROP, words="a"),
        rule(source("198.18.0.0/15"), other("b"), ACCEPT),
        rule(source("198.18.0.0/15"), ACCEPT),
    )
    assert questions(delivered(chain)) == ["whether this holds: “a”"]


def test_the_routers_own_address_is_no_viewers() -> None:
    spoofed = m(AddressIs(SOURCE, frozenset({AddressKind.LOCAL})))
    assert delivered(base("input", rule(spoofed, DROP))).kind is EVERYBODY
    assert delivered(base("input", rule(spoofed, ACCEPT), policy=DROP)).kind is NOBODY
    assert delivered(base("input", rule(spoofed, other(), DROP))).kind is EVERYBODY


def test_a_part_under_a_hundredth_of_a_viewers_ports_is_reported_and_does_not_decide() -> None:
    few, more = sport(1024, 1024 + 644), sport(1024, 1024 + 645)
    answer = delivered(base("input", rule(SYN, few, DROP, words="few")))
    assert answer.kind is EVERYBODY
    assert [(end.step.words, end.packet.viewer_ports) for end in answer.missed] == [
        ("few", ports(1024, 1668))
    ]
    assert delivered(base("input", rule(SYN, few, ACCEPT), rule(SYN, DROP))).kind is NOBODY
    partly = delivered(base("input", rule(SYN, more, DROP)))
    assert partly.kind is UNKNOWN
    assert questions(partly) == ["from which of its own ports a viewer's device connects “1024-1669”"]


def test_many_small_parts_are_not_small_together() -> None:
    parts = [
        rule(SYN, sport(first, first + 599), DROP, words=str(first)) for first in range(1024, 60000, 600)
    ]
    assert delivered(base("input", *parts)).kind is UNKNOWN
    accepted = [rule(SYN, sport(first, first + 599), ACCEPT) for first in range(1024, 65535, 600)]
    assert delivered(base("input", *accepted, rule(SYN, DROP))).kind is not NOBODY


def test_over_several_ports_it_is_enough_to_get_there_by_one() -> None:
    def kind(*rules: Rule, first: int = 32000, last: int = 33000) -> AnswerKind:
        chain = base("input", *rules)
        return who_reaches([router(chain)], asked(first, last), plex(WAN, first, last)).kind

    assert kind(rule(dport(32400), DROP)) is EVERYBODY
    assert kind(rule(dport(32000, 33000), DROP)) is NOBODY
    assert kind(rule(dport(32400), source(FRIENDS), ACCEPT), rule(DROP)) is SOME
    assert kind(rule(dport(32400), other(), ACCEPT), rule(DROP)) is UNKNOWN
    assert kind(rule(dport(32400), other(), ACCEPT), rule(dport(32401), ACCEPT), rule(SYN, DROP)) is EVERYBODY
    halves = [
        rule(SYN, dport(32400), source("0.0.0.0/1"), DROP),
        rule(SYN, dport(32401), source("128.0.0.0/1"), DROP),
    ]
    assert kind(*halves, first=32400, last=32401) is EVERYBODY
    every = who_reaches([router(DNAT)], asked(1, 65535), plex())
    assert (every.kind, [end.packet.asked_ports for end in every.reached]) == (EVERYBODY, [ports(32500)])


def test_over_several_addresses_it_is_enough_to_get_there_by_one() -> None:
    chain = base("prerouting", rule(destination(WAN), dnat()), nat=True)
    both = asked(32500, at="203.0.113.16/28")
    assert who_reaches([router(chain)], both, plex()).kind is EVERYBODY


def test_a_target_may_be_one_of_several_places() -> None:
    places = Target(((n("192.168.1.60"), ports(80)), (n(PLEX), ports(32400, 32410))))
    assert forwarded(DNAT, to=places).kind is EVERYBODY
    assert forwarded(base("prerouting", rule(dnat("192.168.1.60")), nat=True), to=places).kind is NOBODY
    spread = TranslateDestination(((number(PLEX) - 1, number(PLEX)),), ports(32400))
    either = Target(((n(PLEX), ports(32400)), (n("192.168.1.49"), ports(32400))))
    assert forwarded(base("prerouting", rule(spread), nat=True), to=either).kind is EVERYBODY


def test_ends_say_what_decided_and_where() -> None:
    answer = delivered(base("input", rule(jump("a"), words="to a")), sub("a", rule(ACK, DROP, words="here")))
    (end,) = answer.missed
    assert (end.step.words, end.step.leg, end.step.box) == ("here", Leg.ACK, 0)
    assert end.step.chain is not None
    assert end.step.chain.id == "a"
    assert end.step.base is not None
    assert end.step.base.id == "input 0"
    assert end.step.at is not None
    assert end.step.at.words == "to a"
    assert stopped_by(answer) == {"here"}
    assert end.first is not None
    assert end.first.leg is Leg.SYN


def test_viewers_are_public_and_their_ports_high() -> None:
    assert ports(1024, 65535) == VIEWER_PORTS
    assert not any(
        first <= number(a) <= last for a in ("10.0.0.1", "100.64.0.1") for first, last in PUBLIC_V4
    )
    assert n("2000::/3") == PUBLIC_V6
    packet = first_packet(router(), asked(at="2001:db8:a::50"))
    assert isinstance(packet, Packet)
    assert packet.viewers == PUBLIC_V6
    assert packet.entered == "wan0"
    branch = m(AnyOf(((other(),), (m(TimeIs("8-17")),))))
    both = delivered(base("input", rule(SYN, branch, DROP)))
    assert questions(both) == ["what time it is “8-17”", "whether this holds: “moon is full”"]
