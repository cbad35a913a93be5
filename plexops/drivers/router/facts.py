"""Facts out of parsed answers: taken by expression, typed by the table of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Any

from plexops.drivers.answers import Answer
from plexops.drivers.router.compile import CompiledFact
from plexops.model.facts import FACTS, FactType
from plexops.model.snapshot import Fact, FactValue, Role


def take_facts(
    facts: Sequence[CompiledFact], answers: Mapping[str, Answer], role: Role
) -> tuple[Mapping[str, Fact], dict[str, str]]:
    """Give the facts that the answers hold, and for the others why they are unknown."""
    found: dict[str, Fact] = {}
    reasons: dict[str, str] = {}
    for fact in facts:
        name, reads = fact.spec.name, fact.spec.reads
        answer = _answer(reads, answers)
        if answer is None:
            continue
        if answer.problem or answer.absent:
            if fact.spec.default is None or answer.problem:
                reasons[name] = answer.problem or f"the device has no {reads[0]}"
                continue
            taken: Any = fact.spec.default
        else:
            taken = _take(fact, answer.value)
        kind = FACTS[name].type if name in FACTS else "text"
        lan = str(found["lan.network"].value) if "lan.network" in found else None
        value = None if taken is None else read_fact(_word(fact, taken), kind, lan)
        if value is None:
            reasons[name] = f"the answer to {' and '.join(reads)} does not say it"
        else:
            found[name] = Fact(name, value, f"{role}.{reads[0]}")
    return MappingProxyType(found), reasons


def _answer(reads: Sequence[str], answers: Mapping[str, Answer]) -> Answer | None:
    """Give the answer that a fact is taken of; of several one object, in which what the device has not is null."""
    told = [answers.get(read) for read in reads]
    known = [answer for answer in told if answer is not None]
    if len(known) < len(reads) or len(reads) == 1:
        return told[0] if len(reads) == 1 else None
    failed = next((answer for answer in known if answer.problem), None)
    together = {
        read: None if answer.absent else answer.value for read, answer in zip(reads, known, strict=True)
    }
    return failed or Answer(together)


def _take(fact: CompiledFact, value: Any) -> Any:
    from jmespath.exceptions import JMESPathError

    try:
        taken = fact.take.search(value)
    except JMESPathError:
        taken = None
    if isinstance(taken, str) and fact.spec.part:
        first, _, last = taken.partition("-")
        return first if fact.spec.part == "first" else last or first
    return fact.spec.default if taken is None else taken


def _word(fact: CompiledFact, taken: Any) -> Any:
    for ours, theirs in fact.spec.values.items():
        if str(taken) in theirs:
            return ours
    return taken


_FLAGS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no"), False)


def read_fact(taken: Any, kind: FactType, lan: str | None) -> FactValue | None:
    """Type one fact; None where it does not fit.

    An address that is a plain number counts from the start of the LAN, as OpenWrt's pools do.
    """
    try:
        match kind:
            case "address":
                return str(_address(taken, lan))
            case "network":
                return str(IPv4Network(str(taken), strict=False))
            case "number":
                return int(taken)
            case "flag":
                return _FLAGS[str(taken).lower()]
            case "texts":
                return tuple(str(item) for item in taken)
            case "text":
                return str(taken)
    except (ValueError, TypeError, KeyError):
        return None


def _address(taken: Any, lan: str | None) -> IPv4Address:
    if not isinstance(taken, int | float) and not str(taken).isdigit():
        return IPv4Address(str(taken).split("/")[0])
    if lan is None:
        raise ValueError("a count needs the LAN that it counts in")
    return IPv4Network(lan).network_address + int(taken)
