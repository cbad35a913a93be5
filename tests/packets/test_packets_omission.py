"""Random small boxes: what is hidden makes no answer more certain, and a set is walked as each of its elements is."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plexops.model.intervals import Numbers, intersect, subtract
from plexops.model.matches import (
    AddressIs,
    AddressKind,
    AnyOf,
    DirectionIs,
    MarkIs,
    Match,
    SetHas,
    State,
    TimeIs,
)
from plexops.model.packets import (
    AddToSet,
    Box,
    Chain,
    CopyMark,
    Effect,
    NamedSet,
    NoTracking,
    Rule,
    SetMark,
    TranslateDestination,
    TranslateSource,
    UnknownEffect,
    Verdict,
)
from plexops.packets.packet import TOO_MANY
from plexops.packets.reach import PUBLIC_V4, Answer, AnswerKind, Target, who_reaches
from plexops.structs import replace
from tests.packets.handmade import (
    ACCEPT,
    DESTINATION,
    DROP,
    ESTABLISHED,
    PLEX,
    REJECT,
    RETURN,
    SOURCE,
    TCP,
    TRANSLATED,
    WAN,
    arrives,
    asked,
    base,
    destination,
    dnat,
    dport,
    goto,
    jump,
    leaves,
    m,
    n,
    no,
    other,
    plex,
    ports,
    router,
    rule,
    source,
    sport,
    state,
    sub,
)

NETWORKS = ("198.51.100.0/24", "198.51.100.0/25", "192.0.2.0/24", "0.0.0.0/1")
#: Senders at the edges of what the rules name.
SENDERS = ("198.51.100.1", "198.51.100.200", "192.0.2.1", "8.8.8.8", "151.0.0.1")

MATCHES: list[Match] = [
    # Often: else almost nothing would be for some senders only.
    *(source(text) for text in NETWORKS * 4),
    destination(WAN),
    destination(PLEX),
    source("192.168.0.0/16"),
    dport(32500),
    dport(32400),
    sport(32400),
    sport(1024, 30000),
    arrives("wan0"),
    arrives("lan0"),
    leaves("lan0"),
    arrives("@LAN"),
    state(State.NEW),
    state(State.ESTABLISHED),
    state(State.INVALID),
    state(State.UNTRACKED),
    TRANSLATED,
    m(DirectionIs(False), "reply"),
    m(MarkIs(1), "mark 1"),
    m(MarkIs(1, connection=True), "ct mark 1"),
    m(SetHas(SOURCE, "some"), "src in some"),
    m(SetHas(DESTINATION, "some"), "dst in some"),
    m(AddressIs(DESTINATION, frozenset({AddressKind.LOCAL})), "to the router"),
    m(AnyOf(((dport(32400),), (source(NETWORKS[0]),))), "either"),
    m(TimeIs("8-17"), "8-17"),
]
PASSING: list[Effect] = [ACCEPT, DROP, DROP, REJECT, RETURN, jump("a"), goto("a"), SetMark(1)]
PASSING += [SetMark(1, connection=True), CopyMark(True), CopyMark(False), AddToSet(SOURCE, "some")]
TRANSLATING: list[Effect] = [
    dnat(),
    dnat(),
    dnat(),
    dnat(),
    dnat(PLEX, 80),
    dnat("192.168.1.60"),
    ACCEPT,
    RETURN,
    DROP,
]
TRANSLATING += [TranslateDestination(None, ports(32400), to_itself=True), SetMark(1)]

matches = st.lists(
    st.builds(
        lambda match, negated: no(match) if negated else match, st.sampled_from(MATCHES), st.booleans()
    ),
    max_size=2,
)


def rules(effects: list[Effect], most: int = 3) -> st.SearchStrategy[list[Rule]]:
    one = st.builds(lambda found, effect: rule(*found, effect), matches, st.sampled_from(effects))
    return st.lists(one, max_size=most)


def chains(stage: str, effects: list[Effect], **hook: Any) -> st.SearchStrategy[Chain]:
    policy = st.just(ACCEPT) if hook.get("nat") else st.sampled_from([ACCEPT, ACCEPT, ACCEPT, DROP])
    return st.builds(
        lambda found, verdict: base(stage, *found, policy=verdict, **hook), rules(effects), policy
    )


USUAL = rule(TCP, dport(32500), dnat())


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Make a router that often forwards, with a few rules at each place, of any of the vocabulary."""
    raw = draw(chains("prerouting", [*PASSING, NoTracking()], priority=-300))
    mangle = draw(chains("prerouting", PASSING, priority=-150))
    first = draw(chains("prerouting", TRANSLATING, nat=True))
    forward, into, out = (draw(chains(stage, PASSING)) for stage in ("forward", "input", "output"))
    masquerade = base("postrouting", rule(*draw(matches), TranslateSource()), nat=True)
    inner = sub("a", *draw(rules([*PASSING[:5], SetMark(1)])))
    usual = [(), (USUAL,), (USUAL,)]
    found = [
        inner,
        replace(first, rules=(*draw(st.sampled_from(usual)), *first.rules, *draw(st.sampled_from(usual)))),
    ]
    found += [one for one in (raw, mangle, into, out, masquerade) if draw(st.booleans())]
    begins = draw(st.sampled_from([(), (ESTABLISHED,), (ESTABLISHED,)]))
    found.append(replace(forward, rules=(*begins, *forward.rules)))
    sets = {"some": NamedSet(n(NETWORKS[1]))}
    return router(*found, sets=MappingProxyType(sets), lists={"LAN": frozenset({"lan0"})})


places = st.sampled_from(
    [(32500, plex()), (32400, plex(WAN)), (32500, Target.at(((0, 2**32 - 1),), ports(32400)))]
)


def ask(box: Box, place: tuple[int, Target], senders: str = "") -> Answer:
    return who_reaches([box], asked(place[0], by=senders), place[1])


def never(answer: Answer) -> Numbers:
    """Give the senders who surely do not get there."""
    return subtract(subtract(subtract(PUBLIC_V4, answer.senders), answer.doubtful), n(WAN))


def no_more_certain(told: Answer, hidden: Answer) -> None:
    """Hold that what is certain with something hidden was certain, and the same, without."""
    assert not subtract(subtract(hidden.senders, told.senders), n(WAN)), "more get there"
    assert not subtract(never(hidden), never(told)), "fewer get there"


Hiding = Callable[[Rule, int], Rule]


def _hidden_match(one: Rule, place: int) -> Rule:
    """Not modelled, what one of its matches says."""
    if not one.matches:
        return replace(one, matches=(other("odd"),))
    place %= len(one.matches)
    return replace(one, matches=(*one.matches[:place], other("odd"), *one.matches[place + 1 :]))


HIDING: dict[str, Hiding] = {
    "a match that is not modelled": lambda one, _: replace(one, matches=(*one.matches, other("odd"))),
    "a match that is not read": _hidden_match,
    "one that is negated": lambda one, place: replace(
        one, matches=tuple(no(x) if x.words == "odd" else x for x in _hidden_match(one, place).matches)
    ),
    "an effect that is not read": lambda one, _: replace(one, effects=(UnknownEffect("odd"),)),
    "an effect that is not modelled": lambda one, _: replace(
        one, effects=(UnknownEffect("odd"), *one.effects)
    ),
}


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING.keys())
@settings(max_examples=40, deadline=None)
@given(box=boxes(), place=places, data=st.data())
def test_what_is_hidden_in_a_rule_makes_nothing_more_certain(
    hide: Hiding, box: Box, place: tuple[int, Target], data: st.DataObject
) -> None:
    where = [(chain, i) for chain in box.chains.values() for i in range(len(chain.rules))]
    assume(where)
    chain, i = data.draw(st.sampled_from(where))
    odd = hide(chain.rules[i], data.draw(st.integers(0, 3)))
    changed = replace(chain, rules=(*chain.rules[:i], odd, *chain.rules[i + 1 :]))
    blind = replace(box, chains=MappingProxyType({**box.chains, chain.id: changed}))
    no_more_certain(ask(box, place), ask(blind, place))


def _unread_chain(box: Box, chain: Chain) -> Box:
    unread = replace(chain, rules=(), unread="not asked")
    return replace(box, chains=MappingProxyType({**box.chains, chain.id: unread}))


BLIND: dict[str, Callable[[Box, Chain], Box]] = {
    "a chain": _unread_chain,
    "a chain that is missing": lambda box, chain: replace(
        box, chains=MappingProxyType({name: c for name, c in box.chains.items() if c != chain or c.hook})
    ),
    "the addresses": lambda box, _: replace(box, addresses=None),
    "the routes": lambda box, _: replace(box, routes=None),
    "the lists": lambda box, _: replace(box, lists=None),
    "the way in": lambda box, _: replace(box, internet_side=""),
    "a set": lambda box, _: replace(box, sets=MappingProxyType({"some": NamedSet(unread="not asked")})),
}


@pytest.mark.parametrize("blind", BLIND.values(), ids=BLIND.keys())
@settings(max_examples=30, deadline=None)
@given(box=boxes(), place=places, data=st.data())
def test_what_was_not_read_makes_nothing_more_certain(
    blind: Callable[[Box, Chain], Box], box: Box, place: tuple[int, Target], data: st.DataObject
) -> None:
    chain = data.draw(st.sampled_from(list(box.chains.values())))
    no_more_certain(ask(box, place), ask(blind(box, chain), place))


@settings(max_examples=40, deadline=None)
@given(box=boxes(), place=places)
def test_a_set_of_senders_is_walked_as_each_of_them(box: Box, place: tuple[int, Target]) -> None:
    everybody = ask(box, place)
    assume(TOO_MANY not in everybody.questions)
    for sender in SENDERS:
        one, alone = n(sender), ask(box, place, sender)
        assert alone.senders == intersect(everybody.senders, one), sender
        assert alone.doubtful == intersect(everybody.doubtful, one), sender


def test_random_boxes_are_of_every_kind() -> None:
    """Or the tests above would hold for boxes that let nobody in."""
    found: set[AnswerKind] = set()

    @settings(max_examples=150, deadline=None, database=None, derandomize=True)
    @given(box=boxes())
    def look(box: Box) -> None:
        found.add(ask(box, (32500, plex())).kind)

    look()
    assert found >= {AnswerKind.EVERYBODY, AnswerKind.NOBODY, AnswerKind.SOME}
    assert Verdict.CONTINUE not in PASSING
