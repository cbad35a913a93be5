"""Drivers answered by hand: what a device said, by the id of the question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from plexops.drivers.base import Observation
from plexops.model.exchange import Read, Reply
from plexops.model.snapshot import Snapshot

#: A status and what was printed; a third text went to standard error.
Said = str | tuple[int | None, str] | tuple[int | None, str, str] | Reply


def answer(read: Read, said: Said | None, missing: int) -> Reply:
    """Make one reply; what nobody answered ends with the status `missing`."""
    if isinstance(said, Reply):
        return said
    if said is None:
        return Reply(read.id, missing, "", "not found")
    if isinstance(said, str):
        return Reply(read.id, 200 if missing == 404 else 0, said)
    return Reply(read.id, *said)


def observe(observation: Observation, said: Mapping[str, Said], *, missing: int = 127) -> Snapshot:
    """Carry questions and answers until the driver has made its snapshot."""
    reads = next(observation)
    try:
        while True:
            reads = observation.send([answer(read, said.get(read.id), missing) for read in reads])
    except StopIteration as done:
        return cast("Snapshot", done.value)
