"""The walk through a packet filter against a second evaluator that tries out every possibility one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plexops.model.entries import FilterRule
from plexops.model.snapshot import Entry
from plexops.model.values import Protocol
from plexops.runbook.filtering import Passes, walk
from tests.unit.runbook.filter_rules import VIEWER, rule, ruleset

BASES = ("forward", "other")
#: Chains only jump to later ones, as nft demands.
SUBS = ("A", "B", "C")
#: What a rule looks for, and whether a viewer's packet (TCP to 32400, new, translated, from wan to lan) has it.
MATCHES: tuple[tuple[dict[str, Any], bool], ...] = (
    ({}, True),
    ({"ports": 32400}, True),
    ({"ports": "1-32399"}, False),
    ({"protocol": Protocol.UDP}, False),
    ({"protocol": Protocol.TCP}, True),
    ({"translated": True}, True),
    ({"translated": False}, False),
    ({"new": False}, False),
    ({"in_interfaces": ("!lan",)}, True),
    ({"in_interfaces": ("lan",)}, False),
    ({"out_interfaces": ("lan", "guest")}, True),
    ({"out_interfaces": ("wan",)}, False),
    ({"family": 6}, False),
)


def hits(one: FilterRule) -> bool:
    """Look the answer up in the table above, by what the rule looks for alone."""
    for matches, hit in MATCHES:
        plain = rule("accept", **matches)
        names = ("protocol", "ports", "translated", "new", "in_interfaces", "out_interfaces", "family")
        if all(getattr(plain, name) == getattr(one, name) for name in names):
            return hit
    raise AssertionError(one)


@st.composite
def rules_of(draw: st.DrawFn) -> list[FilterRule]:
    found: list[FilterRule] = []
    chains = (*BASES[: draw(st.integers(1, 2))], *SUBS)
    for chain in chains:
        later = [name for name in SUBS if name > chain or chain in BASES]
        verdicts = ["accept", "drop", "reject", "return", "continue", *(f"jump:{name}" for name in later)]
        for _ in range(draw(st.integers(0, 4))):
            matches, _hit = draw(st.sampled_from(MATCHES))
            understood = draw(st.integers(0, 3)) > 0
            found.append(rule(draw(st.sampled_from(verdicts)), chain, understood=understood, **matches))
        if chain in BASES:
            found.append(rule(draw(st.sampled_from(["accept", "drop"])), chain))
    return found


def fate(entries: Sequence[Entry], chain: str, matching: dict[int, bool]) -> str | None:
    """What one chain does, once it is settled which rules match: `accept`, `drop`, or None at its end."""
    for number, entry in enumerate(entries):
        if entry.values.chain != chain or not matching[number]:
            continue
        word = str(entry.values.verdict)
        if word == "return":
            return None
        if word == "jump":
            inner = fate(entries, entry.values.target, matching)
            if inner is not None:
                return inner
        elif word != "continue":
            return "accept" if word == "accept" else "drop"
    return None


def passes_in(entries: Sequence[Entry], matching: dict[int, bool]) -> bool:
    for base in BASES:
        ends = fate(entries, base, matching)
        policies = [e for e in entries if e.values.chain == base and e.handle == "policy"]
        if ends is None and policies:
            ends = "accept" if str(policies[0].values.verdict) == "accept" else "drop"
        if ends == "drop":
            return False
    return True


def possibilities(entries: Sequence[Entry]) -> Iterator[dict[int, bool]]:
    """Every way in which the rules that nobody understood may turn out."""
    sure = {n: hits(e.values) for n, e in enumerate(entries)}
    open_ones = [n for n, e in enumerate(entries) if sure[n] and not e.values.understood]
    for turns in product((True, False), repeat=len(open_ones)):
        yield {**sure, **dict(zip(open_ones, turns, strict=True))}


@given(rules_of())
def test_the_walk_agrees_with_trying_out_everything(rules: list[FilterRule]) -> None:
    entries = ruleset(*rules)
    answers = {passes_in(entries, matching) for matching in possibilities(entries)}
    walked = walk(entries, VIEWER)
    if walked.passes is Passes.YES:
        assert answers == {True}
    elif walked.passes is Passes.NO:
        assert answers == {False}
        assert walked.stopped_by is not None
        assert walked.stopped_by.values.chain == walked.chain
    elif len(answers) == 1:
        # Two chains may each be in doubt and yet never accept together; and what is in doubt in one chain is settled
        # by no other. The walk judges chain by chain, and then says unknown: never the wrong answer.
        (answer,) = answers
        assert not answer
        assert len({rule.chain for rule in rules if rule.base}) > 1


@given(rules_of())
def test_an_accept_before_the_stopper_lets_the_packet_through_that_chain(rules: list[FilterRule]) -> None:
    """What a passage does: it stands right before the entry that the walk names."""
    entries = list(ruleset(*rules))
    for _ in BASES:
        walked = walk(entries, VIEWER)
        if walked.passes is not Passes.NO:
            break
        assert walked.stopped_by is not None
        place = entries.index(walked.stopped_by)
        passage = ruleset(rule("accept", walked.chain, translated=True), policies=False)
        entries[place:place] = passage
    assert walk(entries, VIEWER).passes is not Passes.NO
