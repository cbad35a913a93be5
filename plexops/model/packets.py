"""Packet filters of any vendor in one form: what a box does with the packets that arrive.

A box has chains, a chain has rules, a rule has matches (all must hold) and effects (in order). Nothing here is of one
family: front ends in `drivers/rulesets/` make these of what a device answered, and `plexops.packets` walks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from plexops.model.intervals import Numbers

Family = Literal[4, 6]
BOTH_FAMILIES: frozenset[Family] = frozenset({4, 6})


class Side(StrEnum):
    """Which end of a packet a match looks at."""

    SOURCE = "source"
    DESTINATION = "destination"


class State(StrEnum):
    """What connection tracking calls a packet."""

    NEW = "new"
    ESTABLISHED = "established"
    RELATED = "related"
    INVALID = "invalid"
    UNTRACKED = "untracked"


class AddressKind(StrEnum):
    """What an address is to the box itself (iptables' addrtype, nft's fib)."""

    LOCAL = "local"
    UNICAST = "unicast"
    BROADCAST = "broadcast"
    MULTICAST = "multicast"


# --- Matches. All fields of one match must hold. -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FamilyIs:
    """IPv4 or IPv6."""

    families: frozenset[Family]


@dataclass(frozen=True, slots=True)
class ProtocolIs:
    """The transport protocol, in names: tcp, udp, icmp … ; a number without a name is its digits."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class InterfaceIs:
    """Where the packet arrives (`side` SOURCE) or leaves (DESTINATION).

    Each name is one of: the kernel's name, `prefix*`, `@NAME` of an interface list, `%CLASS` of interfaces.
    """

    side: Side
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressIn:
    """An address is in a set of one family; a packet of the other family does not match, negated or not.

    `original`: that of the connection's first packet before any translation; without a connection no match.
    """

    side: Side
    family: Family
    numbers: Numbers
    original: bool = False


@dataclass(frozen=True, slots=True)
class AddressIs:
    """What an address is to the box. A kind in `unknown` cannot be decided (`unreachable`, `blackhole`)."""

    side: Side
    kinds: frozenset[AddressKind]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class PortIn:
    """A port is in a set. It does not look at the protocol: front ends put `ProtocolIs` before it."""

    side: Side
    numbers: Numbers
    original: bool = False


@dataclass(frozen=True, slots=True)
class SetHas:
    """An address is in one of the box's named sets."""

    side: Side
    name: str


@dataclass(frozen=True, slots=True)
class StateIs:
    """Connection tracking's state. Before tracking a packet is `invalid`."""

    states: frozenset[State]


@dataclass(frozen=True, slots=True)
class TranslatedIs:
    """The connection's destination (or source) was translated; without a connection no match, negated or not."""

    side: Side


@dataclass(frozen=True, slots=True)
class DirectionIs:
    """The packet goes the connection's first way (`original`) or answers; without a connection no match."""

    original: bool


@dataclass(frozen=True, slots=True)
class MarkIs:
    """The packet's mark (or its connection's) under a mask; a connection's without one: no match."""

    value: int
    mask: int = 0xFFFFFFFF
    connection: bool = False


@dataclass(frozen=True, slots=True)
class MarkNamed:
    """A mark that is a word (RouterOS: `no-mark`, `packet-mark=plex`). Empty: no mark was set."""

    name: str
    kind: Literal["packet", "connection"]


@dataclass(frozen=True, slots=True)
class FlagsAre:
    """TCP flags under a mask: bits FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32."""

    mask: int
    bits: int


@dataclass(frozen=True, slots=True)
class TagIs:
    """pf's tag."""

    word: str


@dataclass(frozen=True, slots=True)
class LinkIs:
    """How the packet was addressed on the link; a viewer's packet is `host`."""

    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReversePathHolds:
    """The way back to the source leaves by the interface where the packet arrived."""


@dataclass(frozen=True, slots=True)
class MacIn:
    """The sender's hardware address on the link: from outside it is the gateway's. Lower case with colons."""

    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class RateWithin:
    """At most so many packets a minute (`over`: more than that)."""

    per_minute: float
    burst: int
    over: bool
    words: str


@dataclass(frozen=True, slots=True)
class ConnectionsWithin:
    """At most `most` connections at a time (`over`: more than that)."""

    most: int
    over: bool
    words: str


@dataclass(frozen=True, slots=True)
class TimeIs:
    """Only at some hours or days, in the device's words."""

    words: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of several branches holds; a branch holds where all its matches do. No branch: never."""

    branches: tuple[tuple[Match, ...], ...]


@dataclass(frozen=True, slots=True)
class Other:
    """What is not modelled, in the device's words: it may hold or not."""

    words: str


Test = (
    FamilyIs
    | ProtocolIs
    | InterfaceIs
    | AddressIn
    | AddressIs
    | PortIn
    | SetHas
    | StateIs
    | TranslatedIs
    | DirectionIs
    | MarkIs
    | MarkNamed
    | FlagsAre
    | TagIs
    | LinkIs
    | ReversePathHolds
    | MacIn
    | RateWithin
    | ConnectionsWithin
    | TimeIs
    | AnyOf
    | Other
)


@dataclass(frozen=True, slots=True)
class Match:
    """One test, perhaps negated, with the device's words for it (`src-address-list=friends`)."""

    test: Test
    negated: bool = False
    words: str = ""


# --- Effects ------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What ends or directs the walk through a chain."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Jump:
    """Walk another chain; `goto`: its end returns to where the last jump came from."""

    chain: str
    goto: bool = False


@dataclass(frozen=True, slots=True)
class TranslateDestination:
    """DNAT. None keeps what the packet has. Of a port range a packet keeps a port inside, else takes the first.

    `shifts`: the port keeps its distance from `shift_from`, the first external port (pf, list boxes). `to_itself`:
    to the box's own address (redirect). `family`: only packets of this family (0: both). An address set: any of them.
    """

    addresses: Numbers | None = None
    ports: Numbers | None = None
    to_itself: bool = False
    shift_from: int | None = None
    family: Family | Literal[0] = 0


@dataclass(frozen=True, slots=True)
class TranslateSource:
    """SNAT; None for the address of the interface by which the packet leaves (masquerade)."""

    addresses: Numbers | None = None


@dataclass(frozen=True, slots=True)
class NoTracking:
    """Connection tracking leaves the packet alone."""


@dataclass(frozen=True, slots=True)
class SetMark:
    """new = (old & keep) ^ value. `unknown`: set from what is not modelled."""

    value: int = 0
    keep: int = 0
    connection: bool = False
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class CopyMark:
    """From the packet to its connection, or back."""

    to_connection: bool


@dataclass(frozen=True, slots=True)
class NameMark:
    """Set a mark that is a word."""

    name: str
    kind: Literal["packet", "connection"]


@dataclass(frozen=True, slots=True)
class SetTag:
    """pf's tag."""

    word: str


@dataclass(frozen=True, slots=True)
class AddToSet:
    """The address joins a named set."""

    side: Side
    name: str


@dataclass(frozen=True, slots=True)
class SkipFilter:
    """The filter is not asked (pf's `rdr pass`)."""


@dataclass(frozen=True, slots=True)
class UnknownEffect:
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


@dataclass(frozen=True, slots=True)
class Rule:
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
    def called(self) -> str:
        """What texts for people call it."""
        return f"“{self.name or self.words}”"


@dataclass(frozen=True, slots=True)
class Hook:
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


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules in order. `unread`: why its rules are not known; that is a state of its own, never an empty chain."""

    id: str
    rules: tuple[Rule, ...] = ()
    hook: Hook | None = None
    unread: str = ""


# --- What the box itself must tell --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalAddress:
    """An address of the box itself."""

    family: Family
    number: int
    interface: str


@dataclass(frozen=True, slots=True)
class Route:
    """A destination network and the interface by which it is reached. `gateway` is the next hop, if it has one."""

    family: Family
    numbers: Numbers
    length: int
    interface: str
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A named set of addresses, by family. `unread`: why its elements are not known."""

    v4: Numbers = ()
    v6: Numbers = ()
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """All that decides what becomes of a packet on one device. None for what was not read: a question, no default.

    `lists` and `classes` map the name of an interface list or class to the kernel's names in it. `internet_side` are
    the interfaces on which viewers arrive, `gateway_mac` the hardware address that their packets bear there.
    `outside_model` names what was seen and is not modelled (bridge tables with rules, several routing tables).
    """

    plumbing: str
    chains: Mapping[str, Chain] = field(default_factory=lambda: MappingProxyType({}))
    addresses: tuple[LocalAddress, ...] | None = None
    routes: tuple[Route, ...] | None = None
    internet_side: str = ""
    lists: Mapping[str, frozenset[str]] | None = None
    classes: Mapping[str, frozenset[str]] | None = None
    sets: Mapping[str, NamedSet] = field(default_factory=lambda: MappingProxyType({}))
    gateway_mac: str | None = None
    outside_model: tuple[str, ...] = ()
    #: Where rules of plexops's own stand, by what they are (`port_forward`, `firewall_rule`, `passes`): chain ids.
    inserts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
