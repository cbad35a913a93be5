"""Packet filters of any vendor in one form: what a box does with the packets that arrive.

A box has chains, a chain has rules, a rule has matches (all must hold) and effects (in order). Nothing here is of one
family: front ends in `drivers/rulesets/` make these of what a device answered, and `plexops.packets` walks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from plexops.model.intervals import Numbers, edges, normalise
from plexops.model.matches import (
    BOTH_FAMILIES,
    Family,
    Match,
    Side,
)

# --- Effects ------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What ends or directs the walk through a chain."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    CONTINUE = "continue"


class Jump(Struct, frozen=True):
    """Walk another chain; `goto`: its end returns to where the last jump came from."""

    chain: str
    goto: bool = False


class TranslateDestination(Struct, frozen=True):
    """DNAT. None keeps what the packet has. Of a port range a packet keeps a port inside, else takes the first.

    `shifts`: the port keeps its distance from `shift_from`, the first external port (pf, list boxes). `to_itself`:
    to the box's own address (redirect). `family`: only packets of this family (0: both). An address set: any of them.
    """

    addresses: Numbers | None = None
    ports: Numbers | None = None
    to_itself: bool = False
    shift_from: int | None = None
    family: Family | Literal[0] = 0


class TranslateSource(Struct, frozen=True):
    """SNAT; None for the address of the interface by which the packet leaves (masquerade)."""

    addresses: Numbers | None = None


class NoTracking(Struct, frozen=True):
    """Connection tracking leaves the packet alone."""


class SetMark(Struct, frozen=True):
    """new = (old & keep) ^ value. `unknown`: set from what is not modelled."""

    value: int = 0
    keep: int = 0
    connection: bool = False
    unknown: bool = False


class CopyMark(Struct, frozen=True):
    """From the packet to its connection, or back."""

    to_connection: bool


class NameMark(Struct, frozen=True):
    """Set a mark that is a word."""

    name: str
    kind: Literal["packet", "connection"]


class SetTag(Struct, frozen=True):
    """pf's tag."""

    word: str


class AddToSet(Struct, frozen=True):
    """The address joins a named set."""

    side: Side
    name: str


class SkipFilter(Struct, frozen=True):
    """The filter is not asked (pf's `rdr pass`)."""


class UnknownEffect(Struct, frozen=True):
    """Not modelled. In a filter chain: stopped, or goes on. In a nat chain: goes on, or anywhere."""

    words: str


Effect = (
    Verdict
    | Jump
    | TranslateDestination
    | TranslateSource
    | NoTracking
    | SetMark
    | CopyMark
    | NameMark
    | SetTag
    | AddToSet
    | SkipFilter
    | UnknownEffect
)


class Rule(Struct, frozen=True):
    """One rule. `off`: why it is not in force (disabled, invalid, skipped by the vendor); empty: it is.

    `words` is the rule as the device writes it, `name` what its owner calls it (comment, section), `handle` how the
    device names it now, `exhibit` the answer that shows it. `quick`: in a chain where the last match decides, this one
    decides at once.
    """

    matches: tuple[Match, ...]
    effects: tuple[Effect, ...]
    words: str
    name: str = ""
    handle: str = ""
    exhibit: str = ""
    off: str = ""
    quick: bool = False

    @property
    def translates(self) -> bool:
        """Whether it translates destinations."""
        return any(isinstance(effect, TranslateDestination) for effect in self.effects)

    @property
    def called(self) -> str:
        """What texts for people call it."""
        return f"“{self.name or self.words}”"


class Hook(Struct, frozen=True):
    """Where packets enter a base chain.

    `stage` is a word of the box's plumbing (`prerouting`, `filter/forward`). `order`: of two chains with one stage and
    priority the one with the higher order is asked first. `devices`: only what arrives there (empty: all).
    """

    stage: str
    priority: int = 0
    nat: bool = False
    policy: Verdict = Verdict.ACCEPT
    families: frozenset[Family] = BOTH_FAMILIES
    last_match: bool = False
    order: int = 0
    devices: tuple[str, ...] = ()


class Chain(Struct, frozen=True):
    """Rules in order. `unread`: why its rules are not known; that is a state of its own, never an empty chain."""

    id: str
    rules: tuple[Rule, ...] = ()
    hook: Hook | None = None
    unread: str = ""


# --- What the box itself must tell --------------------------------------------------------------------------------


class LocalAddress(Struct, frozen=True):
    """An address of the box itself."""

    family: Family
    number: int
    interface: str


class Route(Struct, frozen=True):
    """A destination network and the interface by which it is reached. `gateway` is the next hop, if it has one."""

    family: Family
    numbers: Numbers
    length: int
    interface: str
    gateway: str = ""

    @classmethod
    def to(cls, net: IPv4Network | IPv6Network, interface: str, gateway: str = "") -> Route:
        """Make the route to a network."""
        return cls(net.version, (edges(net),), net.prefixlen, interface, gateway)


class NamedSet(Struct, frozen=True):
    """A named set of addresses, by family. `unread`: why its elements are not known."""

    v4: Numbers = ()
    v6: Numbers = ()
    unread: str = ""


class Box(Struct, frozen=True):
    """All that decides what becomes of a packet on one device. None for what was not read: a question, no default.

    `lists` and `classes` map the name of an interface list or class to the kernel's names in it. `internet_side` are
    the interfaces on which viewers arrive, `gateway_mac` the hardware address that their packets bear there.
    `outside_model` names what was seen and is not modelled (bridge tables with rules, several routing tables).
    """

    plumbing: str
    chains: Mapping[str, Chain] = MappingProxyType({})
    addresses: tuple[LocalAddress, ...] | None = None
    routes: tuple[Route, ...] | None = None
    internet_side: str = ""
    lists: Mapping[str, frozenset[str]] | None = None
    classes: Mapping[str, frozenset[str]] | None = None
    sets: Mapping[str, NamedSet] = MappingProxyType({})
    gateway_mac: str | None = None
    outside_model: tuple[str, ...] = ()
    #: Where rules of plexops's own stand, by what they are (`port_forward`, `firewall_rule`, `passes`): chain ids.
    inserts: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def own(self, family: Family, interface: str | None = None) -> Numbers:
        """Give its own addresses, on one interface or on all of them; none where they were not read."""
        of = ((one.family, one.number) for one in self.addresses or () if interface in (None, one.interface))
        return normalise((number, number) for version, number in of if version == family)
