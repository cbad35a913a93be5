"""Each match type against a viewer's packet: it holds, it does not, it cuts the senders, or it is a question."""

from __future__ import annotations

from typing import Any

import pytest

from plexops.model.intervals import ALL_V4, Numbers
from plexops.model.matches import (
    AddressIn,
    AddressIs,
    AddressKind,
    AnyOf,
    ConnectionsWithin,
    DirectionIs,
    FamilyIs,
    FlagsAre,
    LinkIs,
    MacIn,
    MarkIs,
    MarkNamed,
    Match,
    PortIn,
    ProtocolIs,
    RateWithin,
    ReversePathHolds,
    SetHas,
    State,
    TagIs,
    Test,
    TimeIs,
    TranslatedIs,
)
from plexops.model.packets import NamedSet, NoTracking, Route, SetMark
from plexops.packets.reach import PUBLIC_V4, AnswerKind
from tests.packets.handmade import (
    ACK,
    ANSWER,
    DESTINATION,
    DNAT,
    DROP,
    EVERYBODY,
    FRIENDS,
    LAN,
    MAC,
    NOBODY,
    PLEX,
    SOME,
    SOURCE,
    SYN,
    TRANSLATED,
    UNKNOWN,
    WAN,
    all_but,
    arrives,
    base,
    delivered,
    destination,
    dnat,
    dport,
    forwarded,
    leaves,
    m,
    n,
    no,
    other,
    ports,
    questions,
    rule,
    source,
    sport,
    state,
)

YES, NO, NEVER, QUESTION = "yes", "no", "never", "question"
CUT: Numbers = n(FRIENDS)
#: A match, what it is for a viewer's first packet to the router itself (at the input hook), fields of the box.
Row = tuple[Match, str | Numbers, dict[str, Any]]


def of(test: Test, holds: str | Numbers, **box: Any) -> Row:
    return m(test), holds, box


def the(match: Match, holds: str | Numbers, **box: Any) -> Row:
    return match, holds, box


def kind(side: Any, *kinds: AddressKind, unknown: str = "") -> Test:
    return AddressIs(side, frozenset(kinds), unknown)


def rate(per_minute: float, burst: int, over: bool = False) -> Test:
    return RateWithin(per_minute, burst, over, f"{per_minute}/minute burst {burst}")


LISTS = {"lists": {"WAN": frozenset({"wan0", "wan1"}), "LAN": frozenset({"lan0"}), "none": frozenset()}}
SETS = {"sets": {"friends": NamedSet(n(FRIENDS)), "empty": NamedSet(), "odd": NamedSet(unread="not asked")}}
OTHER_WAY = {"routes": (Route(4, n("192.168.1.0/24"), 24, "lan0"), Route(4, ALL_V4, 0, "wan1"))}

ROWS: list[Row] = [
    of(FamilyIs(frozenset({4})), YES),
    of(FamilyIs(frozenset({6})), NO),
    of(FamilyIs(frozenset({4, 6})), YES),
    of(ProtocolIs(frozenset({"tcp", "udp"})), YES),
    of(ProtocolIs(frozenset({"udp"})), NO),
    the(arrives("wan0"), YES),
    the(arrives("lan0"), NO),
    the(arrives("lan0", "wan0"), YES),
    the(arrives("wan*"), YES),
    the(arrives("eth*"), NO),
    the(arrives("*"), YES),
    the(arrives("@WAN"), YES, **LISTS),
    the(arrives("@LAN"), NO, **LISTS),
    the(arrives("@none"), NO, **LISTS),
    the(arrives("@WAN"), QUESTION),
    the(arrives("@other"), QUESTION, **LISTS),
    the(arrives("@other", "wan0"), YES, **LISTS),
    the(arrives("%ppp"), QUESTION),
    the(arrives("%ppp"), YES, classes={"ppp": frozenset({"wan0"})}),
    the(arrives("%ppp"), NO, classes={"ppp": frozenset({"lan0"})}),
    the(arrives("wan0"), QUESTION, internet_side=""),
    # What is for the box itself leaves by no interface.
    the(leaves("lan0"), NO),
    the(leaves("*"), NO),
    the(source(FRIENDS), CUT),
    the(source("10.0.0.0/8"), NO),
    the(source("0.0.0.0/0"), YES),
    the(source("2000::/3"), NEVER),
    the(destination(WAN), YES),
    the(destination(PLEX), NO),
    the(destination("::/0"), NEVER),
    of(AddressIn(SOURCE, 4, n(FRIENDS), original=True), CUT),
    of(AddressIn(DESTINATION, 4, n(WAN), original=True), YES),
    of(kind(DESTINATION, AddressKind.LOCAL), YES),
    of(kind(DESTINATION, AddressKind.UNICAST), NO),
    of(kind(DESTINATION, AddressKind.LOCAL, AddressKind.UNICAST), YES),
    of(kind(SOURCE, AddressKind.LOCAL), NO),
    of(kind(SOURCE, AddressKind.UNICAST), YES),
    of(kind(SOURCE, AddressKind.MULTICAST, AddressKind.BROADCAST), NO),
    of(kind(SOURCE, unknown="blackhole"), QUESTION),
    the(dport(32400), YES),
    the(dport(32000, 33000), YES),
    the(dport(80), NO),
    of(PortIn(DESTINATION, ports(32400), original=True), YES),
    the(sport(80), NO),
    the(sport(1024, 65535), YES),
    of(SetHas(SOURCE, "friends"), CUT, **SETS),
    of(SetHas(SOURCE, "empty"), NO, **SETS),
    of(SetHas(DESTINATION, "friends"), NO, **SETS),
    of(SetHas(SOURCE, "odd"), QUESTION, **SETS),
    of(SetHas(SOURCE, "never seen"), QUESTION, **SETS),
    the(state(State.NEW), YES),
    the(state(State.ESTABLISHED, State.RELATED), NO),
    the(state(State.INVALID), NO),
    the(state(State.UNTRACKED), NO),
    of(TranslatedIs(DESTINATION), NO),
    of(TranslatedIs(SOURCE), NO),
    of(DirectionIs(True), YES),
    of(DirectionIs(False), NO),
    of(MarkIs(0), YES),
    of(MarkIs(1), NO),
    of(MarkIs(0, 0xFF, connection=True), YES),
    of(MarkIs(1, 0xFF, connection=True), NO),
    of(MarkNamed("", "packet"), YES),
    of(MarkNamed("plex", "packet"), NO),
    of(MarkNamed("", "connection"), YES),
    of(MarkNamed("plex", "connection"), NO),
    of(FlagsAre(0x17, 2), YES),
    of(FlagsAre(0x17, 16), NO),
    of(TagIs("plex"), NO),
    of(LinkIs(frozenset({"host"})), YES),
    of(LinkIs(frozenset({"broadcast", "multicast"})), NO),
    of(ReversePathHolds(), YES),
    of(ReversePathHolds(), QUESTION, **OTHER_WAY),
    of(ReversePathHolds(), QUESTION, routes=None),
    of(MacIn(frozenset({MAC, "02:00:00:00:00:09"})), YES),
    of(MacIn(frozenset({"02:00:00:00:00:09"})), NO),
    of(MacIn(frozenset({MAC})), QUESTION, gateway_mac=None),
    of(rate(60, 5), YES),
    of(rate(60, 5, over=True), NO),
    of(rate(59, 5), QUESTION),
    of(rate(59, 5, over=True), QUESTION),
    of(rate(6000, 4), QUESTION),
    of(ConnectionsWithin(5, False, "5"), YES),
    of(ConnectionsWithin(5, True, "5"), NO),
    of(ConnectionsWithin(4, False, "4"), QUESTION),
    of(ConnectionsWithin(4, True, "4"), QUESTION),
    of(TimeIs("8-17"), QUESTION),
    of(AnyOf(()), NO),
    of(AnyOf(((),)), YES),
    of(AnyOf(((dport(80),), (source(FRIENDS),))), CUT),
    of(AnyOf(((source("10.0.0.0/8"),), (dport(32400), arrives("wan0")))), YES),
    of(AnyOf(((dport(32400), arrives("lan0")), (dport(80),))), NO),
    of(AnyOf(((dport(80),), (other(),))), QUESTION),
    of(AnyOf(((other(),), (no(other()),))), YES),
    the(other(), QUESTION),
]


def _opposite(holds: str | Numbers) -> str | Numbers:
    return {YES: NO, NO: YES}.get(holds, holds) if isinstance(holds, str) else holds


CASES = [(match, holds, box) for match, holds, box in ROWS]
CASES += [(no(match), _opposite(holds), box) for match, holds, box in ROWS]


def _name(number: int, match: Match) -> str:
    """Name a case; not by its words, in which sets stand in no order."""
    return f"{number} {'not ' if match.negated else ''}{type(match.test).__name__}"


@pytest.mark.parametrize(
    ("match", "holds", "box"), CASES, ids=[_name(number, case[0]) for number, case in enumerate(CASES)]
)
def test_a_drop_by_this_match(match: Match, holds: str | Numbers, box: dict[str, Any]) -> None:
    """The rule drops the first packet to a service of the router itself, if the match holds."""
    answer = delivered(base("input", rule(SYN, match, DROP)), **box)
    if isinstance(holds, str):
        want = {YES: NOBODY, NO: EVERYBODY, NEVER: EVERYBODY, QUESTION: UNKNOWN}[holds]
        assert answer.kind is want
        assert bool(answer.questions) == (holds == QUESTION)
        return
    assert answer.kind is SOME
    assert answer.senders == (n(FRIENDS) if match.negated else all_but(FRIENDS))


WITHOUT_A_CONNECTION: list[Test] = [
    TranslatedIs(DESTINATION),
    TranslatedIs(SOURCE),
    DirectionIs(True),
    DirectionIs(False),
    AddressIn(SOURCE, 4, ALL_V4, original=True),
    PortIn(DESTINATION, ports(32400), original=True),
    MarkIs(0, connection=True),
    MarkNamed("", "connection"),
]


@pytest.mark.parametrize("test", WITHOUT_A_CONNECTION, ids=str)
@pytest.mark.parametrize("negated", [False, True])
def test_without_a_connection_there_is_no_match_negated_or_not(test: Test, negated: bool) -> None:
    match = Match(test, negated)
    raw = base("prerouting", rule(match, DROP), priority=-300)
    assert delivered(raw).kind is EVERYBODY
    untracked = base("prerouting", rule(NoTracking()), priority=-300), base("input", rule(match, DROP))
    assert delivered(*untracked).kind is EVERYBODY


def test_before_tracking_a_packet_is_invalid() -> None:
    assert delivered(base("prerouting", rule(state(State.INVALID), DROP), priority=-300)).kind is NOBODY
    assert delivered(base("prerouting", rule(state(State.INVALID), DROP), priority=-199)).kind is EVERYBODY
    assert delivered(base("prerouting", rule(state(State.NEW), DROP), priority=-300)).kind is EVERYBODY
    assert delivered(base("prerouting", rule(no(state(State.NEW)), DROP), priority=-300)).kind is NOBODY


def test_before_routing_a_packet_leaves_by_no_interface() -> None:
    early = [base("prerouting", rule(match, DROP), priority=-50) for match in (leaves("*"), leaves("lan0"))]
    assert [forwarded(DNAT, chain).kind for chain in early] == [EVERYBODY, EVERYBODY]
    assert forwarded(DNAT, base("prerouting", rule(no(leaves("lan0")), DROP), priority=-50)).kind is NOBODY


def test_the_way_out_is_that_of_the_translated_destination() -> None:
    assert forwarded(DNAT, base("forward", rule(SYN, leaves("lan0"), DROP))).kind is NOBODY
    assert forwarded(DNAT, base("forward", rule(SYN, leaves("wan0"), DROP))).kind is EVERYBODY
    answer = forwarded(DNAT, base("forward", rule(SYN, leaves("lan0"), DROP)), routes=None)
    assert answer.kind is UNKNOWN
    assert questions(answer) == ["whether packets leave by the interface “lan0”"]


def test_after_the_translation_destination_and_port_are_the_new_ones() -> None:
    filters = [
        base("forward", rule(SYN, destination(PLEX), dport(32400), DROP)),
        base("forward", rule(SYN, destination(WAN), DROP)),
        base("forward", rule(SYN, dport(32500), DROP)),
        base("forward", rule(SYN, m(AddressIn(DESTINATION, 4, n(WAN), original=True)), DROP)),
        base("forward", rule(SYN, m(PortIn(DESTINATION, ports(32500), original=True)), DROP)),
        base("forward", rule(SYN, TRANSLATED, DROP)),
        base("forward", rule(SYN, no(TRANSLATED), DROP)),
        base("prerouting", rule(SYN, destination(PLEX), DROP), priority=-101),
        base("prerouting", rule(SYN, destination(PLEX), DROP), priority=-100),
    ]
    reached = [forwarded(DNAT, chain).kind is EVERYBODY for chain in filters]
    assert reached == [False, True, True, False, False, False, True, True, False]


@pytest.mark.parametrize(
    ("flags", "burst", "kind"),
    [(SYN, 5, NOBODY), (ACK, 5, UNKNOWN), (ACK, 20, NOBODY), (ANSWER, 19, UNKNOWN), (ANSWER, 20, NOBODY)],
)
def test_a_rate_that_later_packets_share_needs_a_larger_burst(
    flags: Match, burst: int, kind: AnswerKind
) -> None:
    chains = [base(stage, rule(flags, m(rate(6000, burst)), DROP)) for stage in ("input", "output")]
    assert delivered(*chains).kind is kind


def test_tcp_flags_and_directions_of_the_three_packets() -> None:
    by_leg = {"input": (SYN, ACK), "output": (ANSWER,)}
    for stage, mine in by_leg.items():
        for flags in (SYN, ANSWER, ACK):
            dropped = delivered(base(stage, rule(flags, DROP))).kind is NOBODY
            # What a server sends later bears no SYN either.
            assert dropped is (flags in mine or (stage, flags) == ("output", ACK))
    assert delivered(base("output", rule(m(DirectionIs(False)), DROP))).kind is NOBODY
    assert delivered(base("output", rule(m(DirectionIs(True)), DROP))).kind is EVERYBODY


def test_a_mark_is_compared_under_its_mask() -> None:
    def dropped(match: Match) -> bool:
        marking = base("prerouting", rule(SetMark(0x1F)), priority=-150)
        return delivered(marking, base("input", rule(match, DROP))).kind is NOBODY

    assert dropped(m(MarkIs(0x0F, 0x0F)))
    assert dropped(m(MarkIs(0x1F)))
    assert not dropped(m(MarkIs(0x0F)))
    # `meta mark & 0x0f == 0x1f` holds never.
    assert not dropped(m(MarkIs(0x1F, 0x0F)))


def test_a_hardware_address_inside_is_a_question() -> None:
    answers = [base("forward", rule(ANSWER, m(MacIn(frozenset({MAC}))), DROP))]
    assert forwarded(DNAT, *answers).kind is UNKNOWN


def test_no_test_is_asked_beyond_the_first_that_surely_says_no() -> None:
    """A question that does not matter is never asked."""
    answer = delivered(base("input", rule(other(), m(TimeIs("8-17")), dport(80), DROP)))
    assert (answer.kind, answer.questions) == (EVERYBODY, ())


def test_senders_given_are_the_senders() -> None:
    private = delivered(base("input", rule(source("192.168.0.0/16"), DROP)), by="192.168.1.0/24")
    assert (private.kind, private.senders) == (NOBODY, ())
    assert delivered(by=FRIENDS).senders == n(FRIENDS)
    assert delivered().senders == PUBLIC_V4
    assert dnat(LAN).addresses == n(LAN)
