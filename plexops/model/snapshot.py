"""What one device said at one time: facts, and entries as the device holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from msgspec import Struct, to_builtins

from plexops.model.exchange import Json
from plexops.model.packets import Box
from plexops.structs import to_plain

if TYPE_CHECKING:
    from typing_extensions import TypeVar as _Defaulting

    #: An entry of which nothing more is said holds anything.
    V_co = _Defaulting("V_co", covariant=True, default=object)
else:
    V_co = TypeVar("V_co", covariant=True)
T = TypeVar("T")


class Role(StrEnum):
    """The stops of a site that can be asked or changed."""

    ROUTER = "router"
    UPSTREAM = "upstream"
    SERVER = "server"
    PLEX = "plex"
    OUTSIDE = "outside"


class Kind(StrEnum):
    """What an entry or finding is about: five resources and four conditions that a task names, and what is read."""

    DHCP_RESERVATION = "dhcp_reservation"
    PORT_FORWARD = "port_forward"
    FIREWALL_RULE = "firewall_rule"
    PLEX_REMOTE_ACCESS = "plex_remote_access"
    UPNP = "upnp"
    WAN = "wan"
    DMZ = "dmz"
    HOST_FIREWALL = "host_firewall"
    REACHABILITY = "reachability"
    PASSAGE = "passage"
    LEASE = "lease"
    #: What the router's neighbour table holds: which MAC address answered at which address of the LAN.
    NEIGHBOUR = "neighbour"
    UPNP_MAPPING = "upnp_mapping"
    #: A line of the host firewall's own file.
    HOST_RULE = "host_rule"
    LISTENER = "listener"
    ECHO = "echo"
    PROBE = "probe"
    LOG_EVENT = "log_event"


class KindState(StrEnum):
    """What a snapshot knows about one kind. `ABSENT`: the device was asked and has no such thing installed."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    UNSUPPORTED = "unsupported"


FactValue = str | int | bool | tuple[str, ...]


class Fact(Struct, frozen=True):
    """One thing that a device said about itself, and the exhibit that shows it."""

    name: str
    value: FactValue
    exhibit: str


class Owner(Struct, frozen=True):
    """Whose entry it is. `key` is set on ours: it came from our tag."""

    key: str = ""

    @property
    def ours(self) -> bool:
        """Whether plexops made it."""
        return bool(self.key)


FOREIGN = Owner()


class Entry(Struct, Generic[V_co], frozen=True):
    """One forward, reservation, rule … as the device holds it.

    `values` is the model's type for the kind, or None where the entry could not be understood: it then counts as
    holding anything. `raw` is the device's own words by field, for undo and evidence. `handle` is how the device
    names it *now*: only a snapshot taken right before a write may be trusted for that.
    """

    kind: Kind
    values: V_co
    raw: Mapping[str, str | tuple[str, ...] | None]
    owner: Owner
    handle: str
    exhibit: str = ""
    #: The order in which the device evaluates entries of this kind.
    position: int = 0
    #: What a person would call it: its name, comment or section.
    label: str = ""
    #: Whether its position is part of what it does.
    placed: bool = False

    @property
    def called(self) -> str:
        """How texts for people name it: as its owner does."""
        return f"“{self.label or self.handle}”"


class Snapshot(Struct, frozen=True):
    """All that one device said at one time. A fact that is not in `facts` is unknown."""

    role: Role
    facts: Mapping[str, Fact] = MappingProxyType({})
    entries: tuple[Entry, ...] = ()
    kinds: Mapping[Kind, KindState] = MappingProxyType({})
    #: Why a kind or fact is unknown or unsupported, in words for a person, by kind or fact name.
    reasons: Mapping[str, str] = MappingProxyType({})
    #: What decides about packets there; None where it was not read.
    box: Box | None = None
    #: Kinds of which something is saved and not applied, or applied and not saved: they are unknown, and not done.
    unapplied: frozenset[Kind] = frozenset()
    #: Kinds of which the device tells what is saved, and not whether it acts by it.
    saved_only: frozenset[Kind] = frozenset()

    def of(self, kind: Kind) -> tuple[Entry, ...]:
        """Give the entries of one kind in the device's order."""
        return tuple(sorted((e for e in self.entries if e.kind is kind), key=lambda e: e.position))

    def held(self, values: type[T]) -> tuple[Entry[T], ...]:
        """Give the entries that were understood as one type of the model, in the device's order."""
        found = (e for e in self.entries if isinstance(e.values, values))
        return tuple(sorted(cast("Iterator[Entry[T]]", found), key=lambda e: e.position))

    def state(self, kind: Kind) -> KindState:
        """Tell what is known about a kind; a kind that was never asked is UNSUPPORTED."""
        return self.kinds.get(kind, KindState.UNSUPPORTED)

    def text(self, fact: str) -> str | None:
        """Give a fact as text, or None where it is unknown."""
        found = self.facts.get(fact)
        return None if found is None else str(found.value)

    def flag(self, fact: str) -> bool | None:
        """Give a fact that is true or false, or None where it is unknown."""
        found = self.facts.get(fact)
        return found.value if found is not None and isinstance(found.value, bool) else None

    def texts(self, fact: str) -> tuple[str, ...] | None:
        """Give a fact that is a list of texts, or None where it is unknown."""
        found = self.facts.get(fact)
        return found.value if found is not None and isinstance(found.value, tuple) else None

    def shows(self, fact: str) -> str:
        """Give the exhibit that shows a fact; empty where it is unknown."""
        found = self.facts.get(fact)
        return "" if found is None else found.exhibit

    def digest(self, kinds: frozenset[Kind], facts: frozenset[str]) -> str:
        """Give the SHA-256 of the entries and facts that a plan rests on; handles and exhibits do not count."""
        content = {
            "entries": [
                [e.kind, e.values, e.raw, e.owner.key] for kind in sorted(kinds) for e in self.of(kind)
            ],
            "facts": {name: self.facts[name].value for name in facts if name in self.facts},
            "kinds": {kind: self.state(kind) for kind in sorted(kinds)},
        }
        return hashlib.sha256(
            json.dumps(canonical(content), sort_keys=True, ensure_ascii=True).encode()
        ).hexdigest()


def canonical(value: object) -> Json:
    """Turn a value of the model into JSON that is equal exactly when the values are."""
    return cast("Json", to_builtins(value, str_keys=True, order="deterministic", enc_hook=to_plain))
