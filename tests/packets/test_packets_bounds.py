"""The walk is bounded: beyond a bound the answer is wider, or not known, never narrower; and it takes milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from plexops.model.intervals import intersect
from plexops.model.matches import MarkIs, Match, SetHas, TagIs
from plexops.model.packets import (
    AddToSet,
    NamedSet,
    Rule,
    SetMark,
    SetTag,
)
from plexops.packets.chains import JUMP_DEPTH, RULE_STEPS, EndKind
from plexops.packets.packet import MOST, TOO_MANY, Packet, Question, merge
from plexops.packets.reach import Answer, AnswerKind, first_packet, who_reaches
from plexops.structs import replace
from tests.packets.bounds import country, thousand_rules, unknown_marks
from tests.packets.handmade import (
    DNAT,
    DROP,
    EVERYBODY,
    FRIENDS,
    NOBODY,
    SOME,
    SOURCE,
    SYN,
    UNKNOWN,
    all_but,
    arrives,
    asked,
    base,
    delivered,
    dnat,
    dport,
    forwarded,
    goto,
    jump,
    kinds,
    m,
    n,
    other,
    plex,
    questions,
    router,
    rule,
    source,
    sub,
)

# --- jumps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("into", [jump, goto])
def test_jumps_that_go_round_in_circles_end_not_known(into: type) -> None:
    chains = base("input", rule(into("a"))), sub("a", rule(into("b"))), sub("b", rule(into("a")))
    answer = delivered(*chains)
    assert (answer.kind, kinds(answer)) == (UNKNOWN, {EndKind.NOT_KNOWN})
    assert questions(answer) == ["what this does: “jumps go round in circles”"]
    some = base("input", rule(source(FRIENDS), into("a"))), *chains[1:]
    assert (delivered(*some).senders, delivered(*some).doubtful) == (all_but(FRIENDS), n(FRIENDS))


@pytest.mark.parametrize(("depth", "kind"), [(JUMP_DEPTH, NOBODY), (JUMP_DEPTH + 1, UNKNOWN)])
def test_jumps_are_followed_so_deep(depth: int, kind: AnswerKind) -> None:
    inner = [sub(str(i), rule(jump(str(i + 1)))) for i in range(1, depth)]
    chains = base("input", rule(jump("1"))), *inner, sub(str(depth), rule(DROP))
    assert delivered(*chains).kind is kind


def counted(ask: Callable[[], Answer]) -> tuple[Answer, int]:
    """Ask, and count the calls and returns that it took: the same number however busy the machine is."""
    calls = 0

    def one(_frame: FrameType, _event: str, _arg: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(one)
    try:
        return ask(), calls
    finally:
        sys.setprofile(None)


def test_chains_that_double_at_every_jump_end_soon() -> None:
    inner = [sub(str(i), *(rule(jump(str(i + 1))) for _ in range(2))) for i in range(1, 30)]
    answer, taken = counted(
        lambda: delivered(base("input", rule(jump("1"))), *inner, sub("30", rule(dport(80), DROP)))
    )
    assert answer.kind is UNKNOWN
    assert EndKind.NOT_KNOWN in kinds(answer)
    assert taken < 10_000_000


# --- steps ----------------------------------------------------------------------------------------------------------


def test_after_so_many_rules_it_is_not_known() -> None:
    many = base("input", *(rule(dport(80), DROP) for _ in range(RULE_STEPS + 1)))
    answer = delivered(many)
    assert (answer.kind, kinds(answer)) == (UNKNOWN, {EndKind.NOT_KNOWN})
    assert questions(answer) == ["what this does: “the rules go on for too long”"]
    # What was decided before that stays so.
    first = base("input", rule(source(FRIENDS), DROP), *many.rules)
    assert not intersect(delivered(first).doubtful, n(FRIENDS))


# --- live packets ---------------------------------------------------------------------------------------------------


def marking(bits: int) -> list[Rule]:
    """Each rule may set one bit of the mark: 2 ** bits possibilities."""
    assert MOST == 2**6
    return [rule(other(str(bit)), SetMark(1 << bit, keep=0xFFFFFFFF)) for bit in range(bits)]


def test_up_to_the_bound_packets_are_told_apart_and_beyond_it_what_tells_them_apart_is_unknown() -> None:
    wants = base("input", rule(m(MarkIs(1 << 20)), DROP))
    few = base("prerouting", *marking(6), priority=-150)
    assert delivered(few, wants).kind is EVERYBODY
    many = base("prerouting", *marking(7), priority=-150)
    answer = delivered(many, wants)
    assert (answer.kind, questions(answer)) == (UNKNOWN, [str(TOO_MANY)])


def test_what_does_not_hang_on_what_was_blurred_stays_certain() -> None:
    many = base("prerouting", *marking(7), priority=-150)
    assert delivered(many).kind is EVERYBODY
    assert delivered(many, base("input", policy=DROP)).kind is NOBODY
    some = delivered(many, base("input", rule(source(FRIENDS), DROP)))
    assert (some.kind, some.senders) == (SOME, all_but(FRIENDS))
    # A mark that is set anew is known again.
    assert (
        delivered(
            many, base("prerouting", rule(SetMark(1)), priority=-149), base("input", rule(m(MarkIs(2)), DROP))
        ).kind
        is EVERYBODY
    )


BLURRED: list[tuple[Match, list[Rule]]] = [
    (m(MarkIs(1)), []),
    (m(MarkIs(1, connection=True)), []),
    (m(TagIs("a")), [rule(other("t"), SetTag("a"))]),
    (m(SetHas(SOURCE, "seen")), [rule(other("s"), AddToSet(SOURCE, "seen"))]),
    (other("0"), []),
]


@pytest.mark.parametrize(("match", "more"), BLURRED, ids=[str(match.test) for match, _ in BLURRED])
@pytest.mark.parametrize("negated", [False, True])
def test_a_blurred_packet_is_wider_never_narrower(match: Match, more: list[Rule], negated: bool) -> None:
    asks = Match(match.test, negated, match.words)
    many = base("prerouting", *more, *marking(7), priority=-150)
    answer = delivered(many, base("input", rule(SYN, asks, DROP)), sets={"seen": NamedSet()})
    assert answer.kind is UNKNOWN


def test_a_blurred_packet_answers_both_ways_each_time() -> None:
    packets = [packet for i in range(MOST + 1) for packet in merge([_marked(i)])]
    (one,) = merge(packets)
    assert one.mark is None
    assert one.answers == frozenset({(TOO_MANY, True)})
    assert one.viewers == first_packet(router(), asked()).viewers
    assert len(merge(packets[:MOST])) == MOST


def _marked(value: int) -> Packet:
    packet = first_packet(router(), asked())
    return replace(packet, mark=value, answers=frozenset({(Question("which", str(value)), True)}))


# --- work -----------------------------------------------------------------------------------------------------------

# A bound is three times what was counted, or less. 300,000 calls took 30 ms where they were measured.


def test_a_thousand_rules_take_milliseconds() -> None:
    answer, taken = counted(lambda: who_reaches([thousand_rules()], asked(), plex()))
    assert answer.kind is EVERYBODY
    assert taken < 1_000_000


def test_a_list_of_fifty_thousand_networks_takes_a_tenth_of_a_second() -> None:
    here = country()
    answer, taken = counted(lambda: who_reaches([here], asked(), plex()))
    assert answer.kind is SOME
    assert taken < 5_000_000


def test_two_hundred_unknown_marks_take_seconds() -> None:
    answer, taken = counted(lambda: who_reaches([unknown_marks()], asked(), plex()))
    assert answer.kind is UNKNOWN
    assert taken < 10_000_000


def test_many_questions_in_many_ports_are_summed_up() -> None:
    rules = [rule(SYN, dport(32000 + i), other(str(i)), DROP) for i in range(150)]
    here = router(
        base("prerouting", rule(arrives("wan0"), dnat(first=None)), nat=True), base("forward", *rules)
    )
    answer, taken = counted(lambda: who_reaches([here], asked(1, 65535), plex(first=0, last=65535)))
    assert answer.kind is EVERYBODY
    assert forwarded(DNAT, base("forward", *rules)).kind is EVERYBODY
    assert taken < 10_000_000
