"""The journal: append-only JSON lines, each bound to the one before by its hash, and on the disk before a device is sent
anything.

The chain shows later edits by anybody who can't recompute it. It is no proof against the administrator of this
machine, who can.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from plexops.files import open_file, read_file, sync_folder, unwritable, write_all
from plexops.model.errors import PlexopsError, Problem

JOURNAL_FORMAT = "plexops.journal/1"
#: The kinds that this module gives a meaning; all others are the engine's words.
START = "start"
FINISH = "finish"


class Record(Struct, frozen=True):
    """One line: its number, UTC time, kind and data; `head` is its own hash, which the next line repeats."""

    number: int = field(name="n")
    time: str = field(name="t")
    kind: str
    data: Mapping[str, Any]
    previous: str = field(name="prev")
    head: str = field(name="h")


class JournalText(Struct, frozen=True):
    """A journal as read: its records, and how many bytes of a torn last line a crash left."""

    records: tuple[Record, ...]
    torn: int = 0

    @property
    def head(self) -> str:
        """The hash of the last record; empty for none."""
        return self.records[-1].head if self.records else ""

    @property
    def finished(self) -> bool:
        """Whether the run said that it was done."""
        return bool(self.records) and self.records[-1].kind == FINISH


def _canonical(value: object) -> bytes:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=dict
    ).encode()


def _root(subject: str) -> str:
    """What the first record points to: a journal moved into another run's folder does not verify there."""
    return hashlib.sha256(f"plexops.journal:{subject}".encode()).hexdigest()


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({key: value for key, value in body.items() if key != "h"})).hexdigest()


def _broken(path: Path, number: int, reason: str) -> PlexopsError:
    return PlexopsError(
        Problem(
            "PLX-R110",
            f"record {number} of {path.name} {reason}",
            where=str(path),
            cure="don't rely on this run's evidence; plexops reads nothing after that record",
        )
    )


def read_journal(path: Path, subject: str) -> JournalText:
    """Read and verify a journal.

    Only an unfinished last line (without its newline) is tolerated: that is what a crash leaves. Raises PlexopsError
    PLX-R110 for every other difference, PLX-R106 for a journal of another version, FileNotFoundError if there is none.
    """
    whole, newline, tail = read_file(path).rpartition(b"\n")
    records: list[Record] = []
    previous = _root(subject)
    for number, line in enumerate(whole.split(b"\n") if newline else []):
        record = _read_record(path, number, line, previous)
        if number == 0:
            _check_format(path, record)
        records.append(record)
        previous = record.head
    return JournalText(tuple(records), len(tail))


def _read_record(path: Path, number: int, line: bytes, previous: str) -> Record:
    try:
        record = msgspec.json.decode(line, type=Record)
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, "is not what plexops wrote there") from error
    # Of the very bytes, not of what they mean: JSON has many spellings of one value, and only ours was ever written.
    hashed = line.replace(f'"h":"{record.head}",'.encode("utf-8", "replace"), b"", 1)
    if hashlib.sha256(hashed).hexdigest() != record.head:
        raise _broken(path, number, "was edited: its hash does not fit its content")
    if record.previous != previous or record.number != number:
        raise _broken(
            path, number, "does not follow the one before: something was removed, inserted or reordered"
        )
    return record


def _check_format(path: Path, first: Record) -> None:
    """Every version hashes the first record alike, so an edited format name is an edit, not another version."""
    found = first.data.get("format") if isinstance(first.data, Mapping) else None
    if found != JOURNAL_FORMAT:
        raise PlexopsError(
            Problem(
                "PLX-R106",
                f"{path} has the format {str(found)[:40]!r}, written by plexops {first.data.get('version')}; "
                f"this version reads {JOURNAL_FORMAT!r} and has left it alone",
                cure="use the plexops version that wrote it, or a newer one",
            )
        )


class Journal:
    """A journal that is being written. After a failed write it takes nothing more: the caller must not go on."""

    def __init__(self, path: Path, descriptor: int, *, records: int, head: str, placed: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._records = records
        self._head = head
        #: Whether its own name and that of its folder are on the disk.
        self._placed = placed
        self._failed = False

    @classmethod
    def create(cls, path: Path, subject: str, version: str) -> Journal:
        """Begin a new journal. `subject` is the run id.

        The next record takes its beginning to the disk: nothing is sent before that. Raises PlexopsError PLX-R102 if it
        can't be written or is there already.
        """
        try:
            descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        except OSError as error:
            raise unwritable(path, error) from error
        head = _root(subject)
        journal = cls(path, descriptor, records=0, head=head, placed=False)
        journal._begin(subject, version)
        return journal

    @classmethod
    def resume(cls, path: Path, subject: str, *, own: bool = False) -> tuple[Journal, JournalText]:
        """Go on with a verified journal; a torn last line is cut off first and counted in what is given back.

        `own`: this very process began it, and the next record takes it to the disk.
        """
        text = read_journal(path, subject)
        try:
            descriptor = open_file(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise unwritable(path, error) from error
        head = text.head or _root(subject)
        journal = cls(path, descriptor, records=len(text.records), head=head, placed=not own)
        try:
            if text.torn:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - text.torn)
            # What was read is on the disk before anything follows it: whoever wrote it may have died before that.
            if not own:
                os.fsync(descriptor)
        except OSError as error:
            journal.close()
            raise unwritable(path, error) from error
        if not text.records:
            # A crash came between making the file and its first record: begin as `create` would have.
            journal._begin(subject, "")
        return journal, text

    def _begin(self, subject: str, version: str) -> None:
        try:
            start = {"format": JOURNAL_FORMAT, "subject": subject, "version": version}
            self.append(START, start, wait=False)
        except PlexopsError:
            self.close()
            raise

    @property
    def head(self) -> str:
        """The hash of the last record."""
        return self._head

    @property
    def records(self) -> int:
        """How many records there are."""
        return self._records

    def append(self, kind: str, data: Mapping[str, Any], *, wait: bool = True) -> str:
        """Add one record and give its hash; it is on the disk when this returns, unless there is nothing to `wait` for.

        Raises PlexopsError PLX-R102 on the first failed write or fsync, and ever after: a failed fsync can't be
        repeated (the kernel may have dropped the page), so nothing more may be sent to a device.
        """
        if self._failed:
            raise unwritable(self._path, OSError("an earlier record was lost"))
        body: dict[str, Any] = {
            "n": self._records,
            "t": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": kind,
            "data": data,
            "prev": self._head,
        }
        head = _hash(body)
        try:
            write_all(self._descriptor, _canonical({**body, "h": head}) + b"\n")
            if wait:
                self._to_disk()
        except OSError as error:
            self._failed = True
            raise unwritable(self._path, error) from error
        self._records += 1
        self._head = head
        return head

    def _to_disk(self) -> None:
        os.fsync(self._descriptor)
        for folder in () if self._placed else (self._path.parent, self._path.parent.parent):
            sync_folder(folder)
        self._placed = True

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
