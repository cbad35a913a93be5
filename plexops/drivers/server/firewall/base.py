"""What a host firewall is for the server's driver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct

from plexops.model.change import Change
from plexops.model.exchange import Read, Reply, Write
from plexops.model.snapshot import Entry, FactValue, KindState, Snapshot


class FirewallState(Struct, frozen=True):
    """What a firewall's reads came to: facts, entries, and whether the rules are known."""

    state: KindState
    facts: Mapping[str, tuple[FactValue, str]] = MappingProxyType({})
    entries: tuple[Entry, ...] = ()
    reason: str = ""


class HostFirewallDriver(Protocol):
    """One kind of host firewall: what to read, what it means, how one rule is made and taken away."""

    @property
    def name(self) -> str:
        """The word of the inventory's `firewall:`."""
        ...

    def reads(self) -> tuple[Read, ...]:
        """What to ask; every id starts with the firewall's name and a dot."""
        ...

    @property
    def chains(self) -> tuple[str, ...]:
        """The kernel's chains in which a rule of ours comes first."""
        ...

    def understand(self, replies: Mapping[str, Reply]) -> FirewallState:
        """Make facts and entries of the answers."""
        ...

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Render one change of a FIREWALL_RULE. Raises Unrenderable."""
        ...
