"""What becomes of a viewer's connection in chains as devices have them, and a second evaluator that tries out everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from plexops.model.matches import FamilyIs, Match, PortIn, ProtocolIs, State
from plexops.model.packets import (
    Box,
    Chain,
    Jump,
    Rule,
    Verdict,
)
from plexops.packets.projection import with_accept
from plexops.packets.reach import AnswerKind, who_reaches
from plexops.packets.why import Why, why_not
from tests.packets.handmade import (
    ACCEPT,
    DESTINATION,
    DNAT,
    DROP,
    ESTABLISHED,
    EVERYBODY,
    NOBODY,
    PLEX,
    REJECT,
    RETURN,
    SOME,
    TCP,
    TRANSLATED,
    UNKNOWN,
    arrives,
    asked,
    base,
    destination,
    dnat,
    dport,
    forwarded,
    jump,
    leaves,
    m,
    no,
    number,
    other,
    plex,
    ports,
    router,
    rule,
    source,
    state,
    sub,
)

#: What answers, and what follows them, passes in every chain of this page: it is about first packets.
KNOWN = ESTABLISHED
NEW = state(State.NEW)
UDP = m(ProtocolIs(frozenset({"udp"})), "udp")
BOTH = m(ProtocolIs(frozenset({"tcp", "udp"})), "tcp, udp")
V6 = m(FamilyIs(frozenset({6})), "IPv6")
LAN = destination("192.168.1.0/24")
OTHER_PORTS = m(PortIn(DESTINATION, ((1, 32399), (32401, 65535))), "any port but Plex's")
FRIEND = source("198.51.100.0/24")


def chain(*rules: Rule, policy: Verdict = DROP, name: str = "forward", priority: int = 0) -> Chain:
    return base("forward", KNOWN, *rules, policy=policy, name=name, priority=priority)


def opened(*rules: Rule) -> Chain:
    return chain(*rules, policy=ACCEPT)


def later(*rules: Rule, policy: Verdict = DROP) -> Chain:
    return chain(*rules, policy=policy, name="later", priority=10)


def d(*matches: Match) -> Rule:
    """A drop that is asked for by its words."""
    return rule(*matches, DROP, words="it")


PASS = rule(TRANSLATED, ACCEPT)
#: Name, chains, what becomes of it, and before which rule one of ours would have to stand ("": before the policy).
TABLE: tuple[tuple[str, Sequence[Chain], AnswerKind, str], ...] = (
    ("no rules at all", [], EVERYBODY, ""),
    ("an open policy", [opened()], EVERYBODY, ""),
    ("a closed policy", [chain()], NOBODY, ""),
    ("what was translated passes", [chain(PASS)], EVERYBODY, ""),
    ("only the LAN passes", [chain(rule(arrives("lan0"), leaves("wan0"), ACCEPT))], NOBODY, ""),
    ("reject is no pass", [opened(rule(REJECT, words="it"))], NOBODY, "it"),
    ("a drop before the accept", [chain(d(dport(32400)), PASS)], NOBODY, "it"),
    ("a drop after the accept", [chain(PASS, d(dport(32400)))], EVERYBODY, ""),
    ("a drop for another port", [opened(d(OTHER_PORTS))], EVERYBODY, ""),
    ("a drop for UDP", [opened(d(UDP))], EVERYBODY, ""),
    ("a drop for TCP and UDP", [opened(d(BOTH))], NOBODY, "it"),
    ("a drop for another host", [opened(d(destination("192.168.1.51")))], EVERYBODY, ""),
    ("a drop for the LAN", [opened(d(LAN))], NOBODY, "it"),
    ("an accept for friends only", [chain(rule(FRIEND, ACCEPT))], SOME, ""),
    ("an accept for everybody", [chain(rule(source("0.0.0.0/0"), ACCEPT))], EVERYBODY, ""),
    ("a drop for IPv6", [opened(d(V6))], EVERYBODY, ""),
    (
        "an IPv6 table of its own",
        [chain(PASS), base("forward", policy=DROP, name="six", families=frozenset({6}))],
        EVERYBODY,
        "",
    ),
    ("a drop of what was not translated", [opened(d(no(TRANSLATED)))], EVERYBODY, ""),
    ("a drop of new connections", [opened(d(NEW))], NOBODY, "it"),
    # interfaces
    ("a drop on another interface", [opened(d(arrives("guest")))], EVERYBODY, ""),
    ("a drop of all that is not the LAN's", [opened(d(no(arrives("lan0"))))], NOBODY, "it"),
    ("a drop of all that is not the WAN's", [opened(d(no(arrives("wan0"))))], EVERYBODY, ""),
    ("one of several interfaces", [opened(d(arrives("guest", "wan0")))], NOBODY, "it"),
    ("a wildcard", [opened(d(arrives("wa*")))], NOBODY, "it"),
    ("a wildcard for others", [opened(d(arrives("ppp*")))], EVERYBODY, ""),
    ("what leaves through the WAN", [chain(rule(leaves("wan0"), ACCEPT))], NOBODY, ""),
    ("what leaves to the LAN", [chain(rule(leaves("lan0"), ACCEPT))], EVERYBODY, ""),
    ("what leaves to anywhere but the WAN", [chain(rule(no(leaves("wan0")), ACCEPT))], EVERYBODY, ""),
    ("what leaves to anywhere but the LAN", [chain(rule(no(leaves("lan0")), ACCEPT))], NOBODY, ""),
    # several base chains: each of them has to accept it
    ("two that accept", [chain(PASS), later(policy=ACCEPT)], EVERYBODY, ""),
    ("an accept here does not undo a drop there", [chain(PASS), later()], NOBODY, ""),
    ("the first that drops is named", [opened(d()), later()], NOBODY, "it"),
    # jumps and returns
    ("a jump that accepts", [chain(rule(jump("s"))), sub("s", rule(ACCEPT))], EVERYBODY, ""),
    ("a jump that drops is named", [opened(rule(jump("s"), words="to s")), sub("s", d())], NOBODY, "to s"),
    ("a jump that comes back", [chain(rule(jump("s"))), sub("s", d(dport(22)))], NOBODY, ""),
    ("a return from a jump", [chain(rule(jump("s")), PASS), sub("s", rule(RETURN), d())], EVERYBODY, ""),
    ("a return from a base chain meets its policy", [chain(rule(RETURN), PASS)], NOBODY, ""),
    ("a return to an open policy", [opened(rule(RETURN), d())], EVERYBODY, ""),
    ("a return that does not match", [chain(rule(dport(22), RETURN), PASS)], EVERYBODY, ""),
    ("a rule that only counts", [chain(rule(Verdict.CONTINUE), PASS)], EVERYBODY, ""),
    (
        "jumps in a circle",
        [opened(rule(jump("a"))), sub("a", rule(jump("b"))), sub("b", rule(jump("a")))],
        UNKNOWN,
        "",
    ),
    # rules that may match
    ("maybe dropped, surely dropped", [chain(d(other()))], NOBODY, "it"),
    ("maybe dropped, else accepted", [opened(d(other()))], UNKNOWN, "it"),
    ("maybe accepted, else dropped", [chain(rule(other(), ACCEPT))], UNKNOWN, ""),
    ("maybe accepted, surely accepted", [opened(rule(other(), ACCEPT))], EVERYBODY, ""),
    ("maybe accepted, maybe dropped", [opened(rule(other("a"), ACCEPT), d(other("b")))], UNKNOWN, "it"),
    ("what is accepted is not dropped", [opened(rule(other(), ACCEPT), d(other()))], EVERYBODY, ""),
    ("surely accepted before it", [chain(PASS, d(other()))], EVERYBODY, ""),
    ("maybe returned before the accept", [chain(rule(other(), RETURN), PASS)], UNKNOWN, ""),
    ("not understood and surely not hit", [opened(d(other(), dport(22)))], EVERYBODY, ""),
    (
        "a jump that may drop, before an accept",
        [chain(rule(jump("s"), words="to s"), PASS), sub("s", d(other()))],
        UNKNOWN,
        "to s",
    ),
    (
        "a jump that may accept, before an accept",
        [chain(rule(jump("s")), PASS), sub("s", rule(other(), ACCEPT))],
        EVERYBODY,
        "",
    ),
    ("unknown in one chain, surely dropped in the next", [opened(d(other())), later()], NOBODY, ""),
)


@pytest.mark.parametrize(("chains", "kind", "stopper"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_a_filter_behind_the_translation(chains: Sequence[Chain], kind: AnswerKind, stopper: str) -> None:
    box = router(DNAT, *chains)
    answer = who_reaches([box], asked(), plex())
    assert answer.kind is kind
    reasons = [r for r in why_not([box], asked(), plex(), answer) if r.why is Why.STOPPED]
    before = {"" if reason.at is None else reason.at.words for reason in reasons}
    assert (stopper in before) if before else (kind is EVERYBODY or not stopper)


def test_the_chain_that_drops_is_named() -> None:
    box = router(DNAT, chain(d(dport(80)), PASS), later(d(), policy=ACCEPT))
    (reason,) = why_not([box], asked(), plex(), who_reaches([box], asked(), plex()))
    assert reason.base is not None
    assert (reason.base.id, reason.rule and reason.rule.words) == ("later", "it")


def test_a_list_of_interfaces_that_was_not_read_leaves_rules_about_it_open() -> None:
    for wanted in (arrives("@WAN"), no(arrives("@LAN")), leaves("@LAN")):
        assert forwarded(DNAT, opened(d(wanted)), lists=None).kind is UNKNOWN
    assert (
        forwarded(DNAT, opened(d(leaves("@guest"))), lists={"guest": frozenset({"guest0"})}).kind is EVERYBODY
    )
    assert forwarded(DNAT, chain(rule(leaves("wan0"), ACCEPT)), lists=None).kind is NOBODY


def test_addresses_of_the_packet_count() -> None:
    elsewhere = base("prerouting", rule(dport(32500), dnat("10.0.0.5")), nat=True)
    assert forwarded(elsewhere, opened(d(LAN)), to=plex("10.0.0.5")).kind is EVERYBODY


#: RouterOS: no policies, lists of interfaces, and its default configuration lets through what was translated.
DEFCONF = (
    KNOWN,
    rule(state(State.INVALID), DROP),
    rule(NEW, no(TRANSLATED), arrives("@WAN"), DROP, words="drop all from WAN not DSTNATed"),
)
STRICT = (KNOWN, rule(arrives("@LAN"), ACCEPT), rule(DROP, words="drop all else"))


def routeros(*rules: Rule, translated: bool = True) -> Box:
    there = base("nat/dstnat", *([rule(TCP, dport(32500), dnat())] if translated else []), nat=True)
    lists = {"WAN": frozenset({"wan0"}), "LAN": frozenset({"lan0"})}
    return router(there, base("filter/forward", *rules, name="forward"), plumbing="routeros", lists=lists)


def test_routeros_by_default_lets_through_what_was_translated() -> None:
    assert who_reaches([routeros(*DEFCONF)], asked(), plex()).kind is EVERYBODY
    direct = asked(32400, at=PLEX)
    assert who_reaches([routeros(*DEFCONF, translated=False)], direct, plex()).kind is NOBODY
    assert who_reaches([routeros(translated=False)], direct, plex()).kind is EVERYBODY


def test_routeros_made_strict_names_the_rule_before_which_ours_belongs() -> None:
    box = routeros(*STRICT)
    answer = who_reaches([box], asked(), plex())
    reason = why_not([box], asked(), plex(), answer)[0]
    assert answer.kind is NOBODY
    assert reason.at is not None
    assert reason.base is not None
    assert (reason.base.id, reason.at.words) == ("forward", "drop all else")
    opening = with_accept(box, "forward", reason.at.handle, number(PLEX), 32400, "plex")
    assert who_reaches([opening], asked(), plex()).kind is EVERYBODY


# --- a second evaluator ---------------------------------------------------------------------------------------------

BASES = ("forward", "later")
#: Chains only jump to later ones, as nft demands.
SUBS = ("s1", "s2", "s3")
#: What a rule looks for, and whether a viewer's packet (TCP to 32400, new, translated, from wan0 to lan0) has it.
LOOKS: Mapping[str, tuple[tuple[Match, ...], bool]] = {
    "all": ((), True),
    "port": ((dport(32400),), True),
    "other port": ((m(PortIn(DESTINATION, ports(1, 32399)), "low"),), False),
    "udp": ((UDP,), False),
    "tcp": ((TCP,), True),
    "translated": ((TRANSLATED,), True),
    "not translated": ((no(TRANSLATED),), False),
    "known": ((state(State.RELATED),), False),
    "not from the LAN": ((no(arrives("lan0")),), True),
    "from the LAN": ((arrives("lan0"),), False),
    "to the LAN or guests": ((leaves("lan0", "guest"),), True),
    "to the WAN": ((leaves("wan0"),), False),
    "IPv6": ((V6,), False),
}
VERDICTS: Mapping[str, Verdict] = {
    "accept": ACCEPT,
    "drop": DROP,
    "reject": REJECT,
    "return": RETURN,
    "continue": Verdict.CONTINUE,
}


class Drawn(Struct, frozen=True):
    """One rule: what it looks for, a question that decides as well (or none), and what it does."""

    looks: str
    question: str
    does: str

    def rule(self, number: int) -> Rule:
        asks = (other(self.question),) if self.question else ()
        does = jump(self.does) if self.does in SUBS else VERDICTS[self.does]
        return rule(*LOOKS[self.looks][0], *asks, does, handle=str(number))


@st.composite
def rulesets(draw: st.DrawFn) -> dict[str, tuple[list[Drawn], str]]:
    """Give rules by chain, and its policy."""
    found = {}
    for name in (*BASES[: draw(st.integers(1, 2))], *SUBS):
        further = [one for one in SUBS if one > name or name in BASES]
        rules = [
            Drawn(
                draw(st.sampled_from(sorted(LOOKS))),
                draw(st.sampled_from(["", "", "", "moon", "tide", "wind"])),
                draw(st.sampled_from([*VERDICTS, *further])),
            )
            for _ in range(draw(st.integers(0, 4)))
        ]
        found[name] = (rules, draw(st.sampled_from(["accept", "drop"])) if name in BASES else "")
    return found


def box_of(drawn: Mapping[str, tuple[list[Drawn], str]]) -> Box:
    chains = []
    for name, (rules, policy) in drawn.items():
        made = [one.rule(place) for place, one in enumerate(rules)]
        if name in BASES:
            chains.append(chain(*made, policy=VERDICTS[policy], name=name, priority=10 * BASES.index(name)))
        else:
            chains.append(sub(name, *made))
    return router(DNAT, *chains)


def fate(drawn: Mapping[str, tuple[list[Drawn], str]], name: str, turns: Mapping[str, bool]) -> str:
    """What one chain does, once each question is answered: `accept`, `drop`, or nothing at its end."""
    rules, policy = drawn[name]
    for one in rules:
        if not LOOKS[one.looks][1] or not turns.get(one.question, True):
            continue
        if one.does == "return":
            break
        if one.does in SUBS:
            inner = fate(drawn, one.does, turns)
            if inner:
                return inner
        elif one.does != "continue":
            return "accept" if one.does == "accept" else "drop"
    return policy


def possibilities() -> Iterator[dict[str, bool]]:
    for turns in product((True, False), repeat=3):
        yield dict(zip(("moon", "tide", "wind"), turns, strict=True))


@given(rulesets())
def test_the_walk_agrees_with_trying_out_everything(drawn: dict[str, tuple[list[Drawn], str]]) -> None:
    answers = {
        all(fate(drawn, name, turns) == "accept" for name in BASES if name in drawn)
        for turns in possibilities()
    }
    box = box_of(drawn)
    answer = who_reaches([box], asked(), plex())
    expected = UNKNOWN if len(answers) == 2 else EVERYBODY if True in answers else NOBODY
    assert answer.kind is expected
    if expected is NOBODY:
        reasons = why_not([box], asked(), plex(), answer)
        assert {reason.why for reason in reasons} == {Why.STOPPED}
        assert all(reason.base is not None and reason.base.id in BASES for reason in reasons)


@given(rulesets())
def test_an_accept_before_what_stops_lets_the_packet_through_that_chain(
    drawn: dict[str, tuple[list[Drawn], str]],
) -> None:
    """What a passage does: it stands right before the rule that the walk names."""
    box = box_of(drawn)
    for _ in range(12):
        answer = who_reaches([box], asked(), plex())
        reasons = [r for r in why_not([box], asked(), plex(), answer) if r.why is Why.STOPPED]
        if answer.kind is not NOBODY or not reasons:
            break
        stopped = reasons[0]
        assert stopped.base is not None
        handle = "" if stopped.at is None else stopped.at.handle
        box = with_accept(box, stopped.base.id, handle, number(PLEX), 32400, "plex")
    assert answer.kind is not NOBODY


def test_the_second_evaluator_is_no_echo_of_the_walk() -> None:
    drawn = {"forward": ([Drawn("port", "moon", "drop"), Drawn("all", "", "accept")], "drop")}
    assert [fate(drawn, "forward", turns) for turns in possibilities()] == ["drop"] * 4 + ["accept"] * 4
    assert isinstance(Drawn("all", "", "s1").rule(0).effects[0], Jump)
