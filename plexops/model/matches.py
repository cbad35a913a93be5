"""What a rule of a packet filter looks at: one vocabulary for every vendor's words. All fields of one match must hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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


def other(words: str) -> Match:
    """Give a match that may hold or not, for what is not modelled."""
    return Match(Other(words), words=words)
