"""Effects: where a translation leads, and what a packet bears for the rules behind."""

from __future__ import annotations

from typing import Any

from plexops.model.intervals import Numbers
from plexops.model.matches import MarkIs, MarkNamed, Match, SetHas, Test
from plexops.model.packets import (
    AddToSet,
    Chain,
    CopyMark,
    Effect,
    LocalAddress,
    NamedSet,
    NameMark,
    NoTracking,
    SetMark,
    TranslateDestination,
    TranslateSource,
)
from plexops.packets.chains import EndKind
from plexops.packets.reach import AnswerKind, Target, who_reaches
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
    SOURCE,
    SYN,
    TRANSLATED,
    UNKNOWN,
    WAN,
    all_but,
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
    marked,
    n,
    no,
    number,
    plex,
    ports,
    questions,
    router,
    rule,
    source,
)

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
    translated = base("input", rule(no(TRANSLATED), ACCEPT), policy=DROP)
    assert delivered(same, translated).kind is EVERYBODY


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
