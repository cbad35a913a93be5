"""A connection, not a packet: the answer, what follows it, and the next box on the way."""

from __future__ import annotations

import pytest

from plexops.model.matches import AddressIs, AddressKind, MarkIs, Match, SetHas, State
from plexops.model.packets import (
    AddToSet,
    Box,
    Chain,
    LocalAddress,
    NamedSet,
    NoTracking,
    Route,
    SetMark,
    TranslateSource,
)
from plexops.packets.chains import EndKind
from plexops.packets.reach import Answer, who_reaches
from tests.packets.handmade import (
    ACCEPT,
    ACK,
    ANSWER,
    DESTINATION,
    DNAT,
    DROP,
    EVERYBODY,
    FRIENDS,
    LAN,
    NOBODY,
    PLEX,
    SOME,
    SOURCE,
    SYN,
    TRANSLATED,
    UNKNOWN,
    WAN,
    arrives,
    asked,
    base,
    delivered,
    destination,
    dnat,
    dport,
    forwarded,
    kinds,
    leaves,
    m,
    n,
    no,
    number,
    plex,
    ports,
    questions,
    router,
    rule,
    server,
    source,
    sport,
    state,
    stopped_by,
)

ESTABLISHED = state(State.ESTABLISHED, State.RELATED)


def test_who_accepts_only_the_first_packet_lets_nobody_connect() -> None:
    answer = delivered(base("input", rule(state(State.NEW), dport(32400), ACCEPT), policy=DROP))
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.ACK_DROPPED})
    both = base("input", rule(ESTABLISHED, ACCEPT), rule(state(State.NEW), dport(32400), ACCEPT), policy=DROP)
    assert delivered(both).kind is EVERYBODY
    assert delivered(base("input", rule(ESTABLISHED, ACCEPT), policy=DROP)).kind is NOBODY


def test_the_first_packet_accepted_and_the_answer_dropped() -> None:
    answer = delivered(base("output", rule(sport(32400), DROP, words="no way back")))
    assert (answer.kind, kinds(answer), stopped_by(answer)) == (
        NOBODY,
        {EndKind.ANSWER_DROPPED},
        {"no way back"},
    )
    through = forwarded(DNAT, base("forward", rule(arrives("lan0"), DROP)))
    assert kinds(through) == {EndKind.ANSWER_DROPPED}
    assert (
        forwarded(DNAT, base("forward", rule(ESTABLISHED, ACCEPT), rule(arrives("lan0"), DROP))).kind
        is EVERYBODY
    )


def test_a_forwarded_connection_needs_both_ways() -> None:
    one_way = base("forward", rule(TRANSLATED, ACCEPT), policy=DROP)
    assert forwarded(DNAT, one_way).kind is EVERYBODY
    by_address = base("forward", rule(destination(PLEX), ACCEPT), policy=DROP)
    assert kinds(forwarded(DNAT, by_address)) == {EndKind.ANSWER_DROPPED}
    back_as_well = base("forward", rule(destination(PLEX), ACCEPT), rule(source(PLEX), ACCEPT), policy=DROP)
    assert forwarded(DNAT, back_as_well).kind is EVERYBODY


def test_the_port_to_which_an_answer_goes_is_the_viewers_own() -> None:
    """`-A OUTPUT -p tcp --dport 32400 -j DROP`: only for the few whose own port that is."""
    answer = delivered(base("output", rule(dport(32400), DROP)))
    assert answer.kind is EVERYBODY
    assert [end.packet.viewer_ports for end in answer.missed] == [ports(32400)]
    assert delivered(base("output", rule(dport(40000, 50000), DROP))).kind is UNKNOWN


@pytest.mark.parametrize(("priority", "kind"), [(90, NOBODY), (110, EVERYBODY)])
def test_behind_the_translation_an_answer_comes_from_the_announced_address(
    priority: int, kind: object
) -> None:
    chain = base("postrouting", rule(ANSWER, source("192.168.0.0/16"), DROP), priority=priority)
    assert forwarded(DNAT, chain).kind is kind
    announced = base("postrouting", rule(ANSWER, source(WAN), sport(32500), DROP), priority=priority)
    assert forwarded(DNAT, announced).kind is (NOBODY if kind is EVERYBODY else EVERYBODY)


@pytest.mark.parametrize(("priority", "to"), [(-150, LAN), (-50, None)])
def test_a_masqueraded_answer_comes_back_to_the_router_and_is_put_right(
    priority: int, to: str | None
) -> None:
    masquerade = base("postrouting", rule(leaves("lan0"), TranslateSource()), nat=True)
    back = base("prerouting", rule(ANSWER, arrives("lan0"), destination(LAN), DROP), priority=priority)
    assert forwarded(DNAT, masquerade).kind is EVERYBODY
    assert forwarded(DNAT, masquerade, back).kind is (NOBODY if to else EVERYBODY)


# --- tracked, or not ------------------------------------------------------------------------------------------------


def raw(*matches: Match, stage: str = "prerouting") -> Chain:
    return base(stage, rule(*matches, NoTracking()), priority=-300, name=f"raw {stage}")


INVALID = base("output", rule(state(State.INVALID), DROP, words="invalid"))


def test_an_answer_of_a_connection_that_was_not_tracked_is_invalid() -> None:
    """`tcp dport 32400 notrack` without its mirror."""
    answer = delivered(raw(dport(32400)), INVALID)
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.ANSWER_DROPPED})
    both = delivered(raw(dport(32400)), raw(sport(32400), stage="output"), INVALID)
    assert both.kind is EVERYBODY


def test_an_ack_that_is_not_tracked_is_not_translated_and_meets_the_router() -> None:
    """`-p tcp --syn ACCEPT` before a notrack."""
    only_the_first = base("prerouting", rule(SYN, ACCEPT), rule(dport(32500), NoTracking()), priority=-300)
    answer = forwarded(only_the_first, DNAT)
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.ACK_ELSEWHERE})


def test_an_answer_that_is_not_tracked_keeps_the_servers_address() -> None:
    answer = forwarded(raw(sport(32400)), DNAT)
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.ANSWER_DROPPED})


def test_behind_an_answer_that_was_not_tracked_the_ack_is_invalid() -> None:
    """Decided by a packet, on Linux 6.18: the connection is made, and then its first data dropped."""
    strict = base("input", rule(state(State.INVALID), DROP))
    answer = delivered(raw(sport(32400), stage="output"), strict)
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.ACK_DROPPED})
    assert delivered(raw(sport(32400), stage="output")).kind is EVERYBODY


PICKED_UP = raw(SYN)


def test_whether_a_connection_is_taken_up_in_its_middle_is_a_question() -> None:
    """That depends on nf_conntrack_tcp_loose. Packets on Linux 6.18, where it is 1: new, and translated."""
    for kind in (State.NEW, State.INVALID):
        chain = base("input", rule(state(State.UNTRACKED), ACCEPT), rule(state(kind), ACCEPT), policy=DROP)
        assert delivered(PICKED_UP, chain).kind is UNKNOWN
    assert delivered(PICKED_UP).kind is EVERYBODY
    to_another = base("prerouting", rule(dport(32400), dnat("192.168.1.60")), nat=True)
    assert delivered(PICKED_UP, to_another).kind is UNKNOWN
    stops_there = base("prerouting", rule(dport(32400), DROP), nat=True)
    assert delivered(PICKED_UP, stops_there).kind is UNKNOWN


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_what_the_server_sends_later_meets_what_was_set_meanwhile() -> None:
    sets = {"seen": NamedSet()}
    marks = base("input", rule(ACK, SetMark(9, connection=True)))
    late = base("output", rule(m(MarkIs(9, connection=True)), DROP))
    assert delivered(marks, late).kind is NOBODY
    joins = base("output", rule(m(SetHas(DESTINATION, "seen")), DROP), rule(AddToSet(DESTINATION, "seen")))
    assert delivered(joins, sets=sets).kind is NOBODY


def test_the_mark_of_an_answer_is_not_that_of_what_follows() -> None:
    marks = base("output", rule(SetMark(9)))
    assert delivered(marks, base("input", rule(m(MarkIs(9)), DROP))).kind is EVERYBODY


def test_whom_the_answer_leaves_out_is_left_out() -> None:
    answer = delivered(base("output", rule(no(destination(FRIENDS)), DROP)))
    assert (answer.kind, answer.senders) == (SOME, n(FRIENDS))
    both = delivered(
        base("output", rule(no(destination(FRIENDS)), DROP)),
        base("input", rule(ACK, source("198.51.100.0/25"), DROP)),
    )
    assert both.senders == n("198.51.100.128/25")


# --- several boxes --------------------------------------------------------------------------------------------------

MASQUERADE = base("postrouting", rule(leaves("lan0"), TranslateSource()), nat=True)
LOCAL_ONLY = base("input", rule(source("192.168.1.0/24"), dport(32400), ACCEPT), policy=DROP)


def through(home: Box, host: Box) -> Answer:
    return who_reaches([home, host], asked(), plex())


def test_what_the_router_sends_is_the_servers_first_packet() -> None:
    assert through(router(DNAT), server()).kind is EVERYBODY
    answer = through(router(DNAT), server(base("input", rule(dport(32400), DROP, words="host"))))
    assert (answer.kind, stopped_by(answer), {end.box for end in answer.missed}) == (NOBODY, {"host"}, {1})
    # It is new there, and translated by nobody there.
    assert through(router(DNAT), server(base("input", rule(TRANSLATED, DROP)))).kind is EVERYBODY
    assert (
        through(router(DNAT), server(base("input", rule(SYN, no(state(State.NEW)), DROP)))).kind is EVERYBODY
    )
    assert through(router(DNAT), server(base("input", rule(SYN, arrives("eth0"), DROP)))).kind is NOBODY


def test_a_masquerade_on_the_lan_side_lets_viewers_pass_for_the_lan() -> None:
    assert through(router(DNAT), server(LOCAL_ONLY)).kind is NOBODY
    assert through(router(DNAT, MASQUERADE), server(LOCAL_ONLY)).kind is EVERYBODY
    unknown = router(DNAT, MASQUERADE, addresses=None)
    assert through(unknown, server(LOCAL_ONLY)).kind is UNKNOWN


def test_a_masquerade_of_which_the_address_is_not_known_is_answered_all_the_same() -> None:
    behind = server(base("output", rule(destination("192.168.0.0/16"), ACCEPT), rule(ACCEPT)))
    home = router(DNAT, MASQUERADE, addresses=(LocalAddress(4, number(WAN), "wan0"),))
    assert through(home, behind).kind is EVERYBODY


def test_a_connection_that_the_server_does_not_track_is_followed_there() -> None:
    host = server(
        raw(dport(32400)),
        raw(sport(32400), stage="output"),
        base("input", rule(dport(32400), ACCEPT), policy=DROP),
    )
    assert through(router(DNAT), host).kind is EVERYBODY
    assert through(router(DNAT, MASQUERADE), host).kind is EVERYBODY


def test_where_the_servers_addresses_were_not_read_its_filter_is_a_question() -> None:
    closed = server(base("input", policy=DROP), addresses=None)
    answer = through(router(DNAT), closed)
    assert answer.kind is UNKNOWN
    assert answer.questions


def test_what_is_sent_to_another_host_does_not_meet_the_server() -> None:
    answer = through(router(base("prerouting", rule(dnat("192.168.1.60")), nat=True)), server())
    assert (answer.kind, kinds(answer)) == (NOBODY, {EndKind.SENT})
    assert who_reaches([], asked(), plex(WAN, 32500)).kind is EVERYBODY


def test_two_routers_in_a_row() -> None:
    outer = router(
        base("prerouting", rule(dport(32500), dnat("10.0.0.2", 32500)), nat=True),
        addresses=(LocalAddress(4, number(WAN), "wan0"), LocalAddress(4, number("10.0.0.1"), "lan0")),
        routes=(Route(4, n("10.0.0.0/24"), 24, "lan0"), Route(4, n("0.0.0.0/0"), 0, "wan0")),
    )
    inner = router(
        DNAT,
        base("forward", rule(TRANSLATED, ACCEPT), policy=DROP),
        addresses=(LocalAddress(4, number("10.0.0.2"), "wan0"), LocalAddress(4, number(LAN), "lan0")),
    )
    assert who_reaches([outer, inner, server()], asked(), plex()).kind is EVERYBODY
    closed = server(base("input", policy=DROP))
    assert {end.box for end in who_reaches([outer, inner, closed], asked(), plex()).missed} == {2}


def test_a_question_about_one_box_is_not_that_about_the_next() -> None:
    """Who is in the router's set `x`, and not in the server's, gets through."""
    listed = m(SetHas(SOURCE, "x"), "in x")
    home = router(DNAT, base("forward", rule(SYN, no(listed), DROP)))
    host = server(base("input", rule(SYN, listed, DROP)))
    assert through(home, host).kind is UNKNOWN


# --- IPv6 -----------------------------------------------------------------------------------------------------------


def six(*chains: Chain, at: str = "2001:db8:a::50") -> Answer:
    return who_reaches([router(*chains)], asked(32400, at=at), plex(at))


def test_ipv6_is_the_same_walk_without_a_translation() -> None:
    assert six().kind is EVERYBODY
    assert six(base("forward", policy=DROP)).kind is NOBODY
    assert six(base("forward", policy=DROP, families=frozenset({4}))).kind is EVERYBODY
    pinhole = base(
        "forward",
        rule(ESTABLISHED, ACCEPT),
        rule(destination("2001:db8:a::50"), dport(32400), ACCEPT),
        policy=DROP,
    )
    assert six(pinhole).kind is EVERYBODY
    assert six(pinhole, at="2001:db8:a::51").kind is NOBODY
    assert six(base("forward", rule(no(source("10.0.0.0/8")), DROP))).kind is EVERYBODY
    assert kinds(six(at="2001:db8:a::1")) == set()


# --- routes ---------------------------------------------------------------------------------------------------------


def test_the_longest_route_decides_in_whatever_order_they_are_given() -> None:
    routes = (Route(4, n("0.0.0.0/0"), 0, "wan0"), Route(4, n("192.168.1.0/24"), 24, "lan0"))
    assert forwarded(DNAT, base("forward", rule(SYN, leaves("wan0"), DROP)), routes=routes).kind is EVERYBODY
    nowhere = forwarded(DNAT, routes=routes[:0])
    assert (nowhere.kind, stopped_by(nowhere)) == (NOBODY, {"no route leads there"})


def test_addresses_that_were_not_read_are_a_question_about_each_address() -> None:
    # Who forwards to its own address, delivers there.
    assert forwarded(DNAT, addresses=None).kind is EVERYBODY
    answer = forwarded(DNAT, base("input", policy=DROP), addresses=None)
    assert (answer.kind, questions(answer)) == (UNKNOWN, ["which addresses are the box's own"])
    # Whether it has the one address says nothing about the other.
    both = base("forward", rule(SYN, m(AddressIs(SOURCE, frozenset({AddressKind.LOCAL}))), DROP))
    assert forwarded(DNAT, both, addresses=None).kind is UNKNOWN
