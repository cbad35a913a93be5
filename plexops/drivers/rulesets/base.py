"""What a front end gives, and what nft and iptables read alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import Answer
from plexops.model.intervals import Numbers, network, normalise
from plexops.model.matches import AnyOf, Family, FlagsAre, Match, Other, State, StateIs, Test
from plexops.model.packets import Chain, NamedSet

NEVER = AnyOf(())
ALL_ONES = 0xFFFFFFFF
#: The states in which the kernel has no connection for a packet.
NO_CONNECTION = StateIs(frozenset({State.INVALID, State.UNTRACKED}))
#: The first packet's connection is confirmed when it has left; it is assured with the packet after the answer, which
#: is the first that has ACK without SYN (nf_conntrack_proto_tcp.c).
ANSWERED = StateIs(frozenset({State.ESTABLISHED}))
ASSURED = (Match(ANSWERED), Match(FlagsAre(18, 16)))
#: Priorities at which the kernel translates, by hook.
NAT_PRIORITIES = {"prerouting": -100, "input": 100, "output": -100, "postrouting": 100}


class Part(Struct, frozen=True):
    """Chains and named sets out of one answer, and what was seen there that is not modelled."""

    chains: tuple[Chain, ...] = ()
    sets: Mapping[str, NamedSet] = {}
    outside_model: tuple[str, ...] = ()


class BoxInput(Struct, frozen=True):
    """What a device answered: reads by id, the role that exhibits are named by, and its interface on the internet side."""

    answers: Mapping[str, Answer]
    role: str
    internet_side: str

    def value(self, name: str) -> Any:
        """Give what a read came to; None where the device has no such thing, or it was not read."""
        answer = self.answers.get(name)
        return None if answer is None or answer.problem or answer.absent else answer.value

    def why(self, name: str) -> str:
        """Say why a read is not known; empty where it is, or where the device has no such thing."""
        answer = self.answers.get(name)
        return f"{name} was not asked" if answer is None else answer.problem


def merged(*parts: Part) -> Part:
    """Put several answers together. Chains that bear one id stay as they come: the assembly gives each its own."""
    return Part(
        tuple(chain for part in parts for chain in part.chains),
        {name: found for part in parts for name, found in part.sets.items()},
        tuple(dict.fromkeys(text for part in parts for text in part.outside_model)),
    )


def addresses_of(text: str, family: Family) -> Numbers:
    """Read addresses, networks and ranges of one family, with commas between. Raises ValueError."""
    found = [network(part.strip()) for part in text.split(",")]
    if any(version != family for version, _ in found):
        raise ValueError(f"{text} is not of IPv{family}")
    return normalise(pair for _, numbers in found for pair in numbers)


def any_of(tests: Iterable[Test]) -> Test:
    """Give what holds where one of these tests does."""
    found = tuple(tests)
    return found[0] if len(found) == 1 else AnyOf(tuple((Match(test),) for test in found))


def unknown(words: str) -> Match:
    """Give a match that is not modelled, in the device's words."""
    return Match(Other(words), words=words)
