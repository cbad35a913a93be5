"""A server without a firewall of its own: nothing is read and nothing stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.drivers.server.firewall.base import FirewallState
from plexops.model.change import Change
from plexops.model.exchange import Read, Reply, Write
from plexops.model.snapshot import FactValue, KindState, Snapshot


class NoFirewall(Struct, frozen=True):
    """What `firewall: none` says: the inventory's word, not something that was seen."""

    name: str = "none"
    chains: tuple[str, ...] = ()

    def reads(self) -> tuple[Read, ...]:
        """Ask nothing."""
        return ()

    def understand(self, replies: Mapping[str, Reply]) -> FirewallState:
        """Say that there is none."""
        del replies
        facts: dict[str, tuple[FactValue, str]] = {
            "firewall.kind": ("none", "inventory"),
            "firewall.active": (False, "inventory"),
        }
        return FirewallState(
            KindState.ABSENT, MappingProxyType(facts), reason="the inventory says `firewall: none`"
        )

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Refuse: there is nothing to change."""
        raise Unrenderable("the inventory says that the server has no firewall")
