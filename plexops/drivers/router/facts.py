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
from plexops.model.soap import SERVICE, service_fact


def take_facts(
    facts: Sequence[CompiledFact], answers: Mapping[str, Answer], role: Role
) -> tuple[Mapping[str, Fact], dict[str, str]]:
    """Give the facts that the answers hold, and for the others why they are unknown."""
    found: dict[str, Fact] = {}
    reasons: dict[str, str] = {}
    for fact in facts:
        name, reads = fact.spec.name, fact.take.reads
        if not all(read in answers for read in reads):
            continue
        told = _told(fact, answers, found)
        if told.problem:
            reasons[name] = told.problem
            continue
        taken = told.value if told.value is not None else fact.spec.default
        if taken is None and told.absent:
            reasons[name] = f"the device has no {reads[0]}"
            continue
        kind = FACTS[name].type if name in FACTS else "text"
        lan = str(found["lan.network"].value) if "lan.network" in found else None
        value = None if taken is None else read_fact(_word(fact, taken), kind, lan)
        if value is None:
            reasons[name] = f"the answer to {' and '.join(reads)} does not say it"
        else:
            found[name] = Fact(name, value, f"{role}.{reads[0]}")
    return MappingProxyType(found), reasons


def with_services(facts: Mapping[str, Fact], answers: Mapping[str, Answer], role: Role) -> Mapping[str, Fact]:
    """Add where the services are that the device has."""
    found = {service_fact(name.removeprefix(SERVICE)): answer.value
             for name, answer in answers.items() if name.startswith(SERVICE)}  # fmt: skip
    told = {name: Fact(name, value, f"{role}.services") for name, value in found.items()}
    return MappingProxyType({**facts, **told}) if told else facts


def _told(fact: CompiledFact, answers: Mapping[str, Answer], found: Mapping[str, Fact]) -> Answer:
    before = {name: str(found[name].value) for name in fact.take.facts if name in found}
    try:
        return fact.take.of(answers, before)
    except ValueError:
        return Answer()


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
