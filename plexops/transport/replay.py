"""Answers from a recording instead of a network."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from msgspec import convert

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Read, Reply, shown
from plexops.model.status import ExitStatus
from plexops.transport.problems import failure
from plexops.transport.record import MANIFEST, SCHEMA, Exchange, RecordedReply, file_of, read_key


class ReplayLink:
    """Answers each read as it was answered when it was recorded; the network is never touched.

    A question that was asked several times gets its answers in that order, and the last one from then on. A secret
    answer was not recorded: it comes back empty with `whole=False`, and so does a question that is asked only sometimes
    and was not asked then.
    """

    def __init__(self, folder: Path, device: str) -> None:
        """Load one device's recording. Raises PlexopsError PLX-D302."""
        self._device = device
        self._where = f"{device}, recording {folder}"
        self._recorded_identity, self._outcomes = _load(folder, device)
        self._identity = ""

    @property
    def identity(self) -> str:
        """Who answered when it was recorded."""
        return self._identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Give the recorded answers.

        Raises PlexopsError PLX-D301 for a question that was not recorded, and what was recorded as a failure.
        """
        unknown = [
            read for read in reads if not read.sometimes and _key(read_key(read)) not in self._outcomes
        ]
        if unknown:
            raise failure(
                "PLX-D301",
                f"the recording of {self._device} does not hold {len(unknown)} of {len(reads)} requests",
                "record anew with these files, or replay with those that were recorded",
                self._where,
                *(f"{read.id}: {shown(read.ask)}" for read in unknown[:5]),
            )
        outcomes = [_next(self._outcomes.get(_key(read_key(read)))) for read in reads]
        for told in outcomes:
            if told.problems:
                raise PlexopsError(told.problems, ExitStatus(told.status or 0))
        self._identity = self._recorded_identity
        return tuple(_reply(read, told) for read, told in zip(reads, outcomes, strict=True))

    def close(self) -> None:
        """Nothing is open."""


def _load(folder: Path, device: str) -> tuple[str, dict[str, deque[RecordedReply]]]:
    identity = ""
    outcomes: dict[str, deque[RecordedReply]] = {}
    try:
        if json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["schema"] != SCHEMA:
            raise failure(
                "PLX-D302",
                f"{folder} was recorded in another format than {SCHEMA}",
                "replay it with the version of plexops that recorded it",
                str(folder),
            )
        path = file_of(folder, device)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for line in lines:
            exchange = convert(json.loads(line), Exchange)
            identity = exchange.identity or identity
            failed = RecordedReply(exchange.status, problems=exchange.problems)
            results = (failed,) * len(exchange.reads) if exchange.problems else exchange.replies
            for key, told in zip(exchange.reads, results, strict=True):
                outcomes.setdefault(_key(key), deque()).append(told)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise failure(
            "PLX-D302",
            f"{folder} is no recording that can be read ({type(error).__name__})",
            "give the folder that --record wrote",
            str(folder),
        ) from None
    return identity, outcomes


def _key(read: dict[str, object]) -> str:
    return json.dumps(read, sort_keys=True)


def _next(outcomes: deque[RecordedReply] | None) -> RecordedReply:
    if outcomes is None:
        return RecordedReply(None, stderr="it is not in the recording", whole=False)
    return outcomes.popleft() if len(outcomes) > 1 else outcomes[0]


def _reply(read: Read, told: RecordedReply) -> Reply:
    whole = told.whole and not told.withheld
    return Reply(read.id, told.status, told.body, told.stderr, whole, told.date)
