"""What a rule of a packet filter looks at: one vocabulary for every vendor's words. All fields of one match must hold."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct

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


class FamilyIs(Struct, frozen=True):
    """IPv4 or IPv6."""

    families: frozenset[Family]


class ProtocolIs(Struct, frozen=True):
    """The transport protocol, in names: tcp, udp, icmp … ; a number without a name is its digits."""

    names: frozenset[str]


class InterfaceIs(Struct, frozen=True):
    """Where the packet arrives (`side` SOURCE) or leaves (DESTINATION).

    Each name is one of: the kernel's name, `prefix*`, `@NAME` of an interface list, `%CLASS` of interfaces.
    """

    side: Side
    names: tuple[str, ...]


class AddressIn(Struct, frozen=True):
    """An address is in a set of one family; a packet of the other family does not match, negated or not.

    `original`: that of the connection's first packet before any translation; without a connection no match.
    """

    side: Side
    family: Family
    numbers: Numbers
    original: bool = False


class AddressIs(Struct, frozen=True):
    """What an address is to the box. A kind in `unknown` cannot be decided (`unreachable`, `blackhole`)."""

    side: Side
    kinds: frozenset[AddressKind]
    unknown: str = ""


class PortIn(Struct, frozen=True):
    """A port is in a set. It does not look at the protocol: front ends put `ProtocolIs` before it."""

    side: Side
    numbers: Numbers
    original: bool = False


class SetHas(Struct, frozen=True):
    """An address is in one of the box's named sets."""

    side: Side
    name: str


class StateIs(Struct, frozen=True):
    """Connection tracking's state. Before tracking a packet is `invalid`."""

    states: frozenset[State]


class TranslatedIs(Struct, frozen=True):
    """The connection's destination (or source) was translated; without a connection no match, negated or not."""

    side: Side


class DirectionIs(Struct, frozen=True):
    """The packet goes the connection's first way (`original`) or answers; without a connection no match."""

    original: bool


class MarkIs(Struct, frozen=True):
    """The packet's mark (or its connection's) under a mask; a connection's without one: no match."""

    value: int
    mask: int = 0xFFFFFFFF
    connection: bool = False


class MarkNamed(Struct, frozen=True):
    """A mark that is a word (RouterOS: `no-mark`, `packet-mark=plex`). Empty: no mark was set."""

    name: str
    kind: Literal["packet", "connection"]


class FlagsAre(Struct, frozen=True):
    """TCP flags under a mask: bits FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32."""

    mask: int
    bits: int


class TagIs(Struct, frozen=True):
    """pf's tag."""

    word: str


class LinkIs(Struct, frozen=True):
    """How the packet was addressed on the link; a viewer's packet is `host`."""

    kinds: frozenset[str]


class ReversePathHolds(Struct, frozen=True):
    """The way back to the source leaves by the interface where the packet arrived."""


class MacIn(Struct, frozen=True):
    """The sender's hardware address on the link: from outside it is the gateway's. Lower case with colons."""

    addresses: frozenset[str]


class RateWithin(Struct, frozen=True):
    """At most so many packets a minute (`over`: more than that)."""

    per_minute: float
    burst: int
    over: bool
    words: str


class ConnectionsWithin(Struct, frozen=True):
    """At most `most` connections at a time (`over`: more than that)."""

    most: int
    over: bool
    words: str


class TimeIs(Struct, frozen=True):
    """Only at some hours or days, in the device's words."""

    words: str


class AnyOf(Struct, frozen=True):
    """One of several branches holds; a branch holds where all its matches do. No branch: never."""

    branches: tuple[tuple[Match, ...], ...]


class Other(Struct, frozen=True):
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


class Match(Struct, frozen=True):
    """One test, perhaps negated, with the device's words for it (`src-address-list=friends`)."""

    test: Test
    negated: bool = False
    words: str = ""


def other(words: str) -> Match:
    """Give a match that may hold or not, for what is not modelled."""
    return Match(Other(words), words=words)
