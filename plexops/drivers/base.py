"""What a driver is. It never holds a connection: it yields reads, and writes are plain functions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from plexops.model.change import Change
from plexops.model.exchange import Read, Reply, Script
from plexops.model.snapshot import Kind, Snapshot

#: A driver's reads: it yields questions, gets the answers, and returns what they came to.
Observation = Generator[Sequence[Read], Sequence[Reply], Snapshot]


class Unrenderable(Exception):
    """A change that this device cannot be made to do, or whose way back cannot be derived. The text says why."""


class Driver(Protocol):
    """Between resources and one device's language."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that this driver can change."""

    def observe(self) -> Observation:
        """Ask for everything: guards need the neighbours too."""

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render a change on a snapshot that is seconds old when it counts. Raises Unrenderable."""

    def look_by_hand(self, kind: Kind) -> str:
        """Give what a person asks the device to see the entries of a kind."""
