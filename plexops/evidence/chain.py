"""A site's chain: which runs ended, with which journal and files, and which were pruned.

A run ends in three records: the chain takes in that it is about to end and with what (`ending`), the journal gets its
last record, the chain takes in that it ended (`run`). All three are written while the chain is held, so an `ending`
that stands alone is what a crash left, and it holds all that is needed to complete it. A journal that ended without
the chain ever having heard of it is no crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from plexops.evidence.journal import FINISH, Journal, JournalText, Record, read_journal
from plexops.evidence.lock import short_lock

ENDING = "ending"
ENDED = "run"
PRUNED = "pruned"


class Noted(Struct, frozen=True):
    """What the chain says of one run: where its journal stood each time that it began to end, and its end."""

    endings: tuple[Record, ...] = ()
    ended: Record | None = None
    pruned: bool = False

    def fits(self, journal: JournalText) -> bool:
        """Tell whether a journal still has all that the chain knows of it."""
        known = all(_reaches(journal, ending.data) for ending in self.endings)
        return known and (self.ended is None or self.ended.data.get("head") == journal.head)

    def broke_off(self, journal: JournalText) -> bool:
        """Tell whether a crash came between the `ending` and the `run` of this journal."""
        if self.ended is not None or not self.endings or not self.fits(journal):
            return False
        ending, records = self.endings[-1].data, journal.records
        behind = records[ending["records"] :]
        return not behind or (
            len(behind) == 1 and behind[0].kind == FINISH and behind[0].data == ending.get(FINISH)
        )


def _reaches(journal: JournalText, ending: Mapping[str, Any]) -> bool:
    at = ending.get("records")
    if not isinstance(at, int) or not 0 < at <= len(journal.records):
        return False
    return journal.records[at - 1].head == ending.get("head")


class Chain(Struct, frozen=True):
    """The file of one site."""

    path: Path
    subject: str

    def read(self) -> JournalText:
        """Read and verify it; an empty one if no run has ended yet. Raises PlexopsError as `read_journal`."""
        try:
            return read_journal(self.path, self.subject)
        except FileNotFoundError:
            return JournalText(())

    @contextmanager
    def held(self) -> Iterator[Journal]:
        """Write to it, one process at a time; the torn line that a crash left is cut off first.

        Raises PlexopsError PLX-R120 where another process holds it for long, and as `Journal`.
        """
        with short_lock(self.path.with_suffix(".lock"), self.subject):
            there = self.path.exists()
            chain = (
                Journal.resume(self.path, self.subject)[0]
                if there
                else Journal.create(self.path, self.subject, "")
            )
            with chain:
                yield chain


def noted(chain: JournalText) -> dict[str, Noted]:
    """Give what a chain says, by run."""
    found: dict[str, Noted] = {}
    for record in chain.records:
        run = str(record.data.get("run"))
        was = found.get(run, Noted())
        if record.kind == ENDING:
            found[run] = Noted((*was.endings, record), was.ended, was.pruned)
        elif record.kind == ENDED:
            found[run] = Noted(was.endings, record, was.pruned)
        elif record.kind == PRUNED:
            found[run] = Noted(was.endings, was.ended, pruned=True)
    return found
