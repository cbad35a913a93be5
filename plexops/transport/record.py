"""Recordings: what was asked and answered, as JSON lines, so that a run can be repeated without a network.

A folder holds `manifest.json` and one `DEVICE.jsonl` per device. Each line is one `ask`: the reads, and either the
replies or the problems. Answers that hold a secret are left out. All files are for the user alone (0600): they are
a map of your home.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct, to_builtins

from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Call, Command, Look, Read, Reply, SoapCall
from plexops.structs import to_plain
from plexops.transport.link import ReadLink
from plexops.transport.problems import failure

SCHEMA = "plexops.recording/1"
MANIFEST = "manifest.json"


def new_recording(folder: Path) -> None:
    """Make a folder ready for recording. Raises PlexopsError PLX-D303 unless it is new or empty."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise failure("PLX-D303", f"{folder} is not empty", "give a new folder to --record", str(folder))
        descriptor = os.open(folder / MANIFEST, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"schema": SCHEMA}) + "\n")
    except OSError as error:
        raise failure(
            "PLX-D303",
            f"{folder} cannot be written: {error.strerror}",
            "give a folder to --record that you may write to",
            str(folder),
        ) from None


def file_of(folder: Path, device: str) -> Path:
    """Give the file of one device. Its name is the device's, with everything but letters and digits escaped."""
    return folder / f"{quote(device, safe='')}.jsonl"


class RecordedReply(Struct, frozen=True, omit_defaults=True):
    """What came back of one read. Of an answer that holds a secret only its status is kept: `withheld`."""

    status: int | None
    body: str = ""
    stderr: str = ""
    whole: bool = True
    date: str = ""
    withheld: bool = False
    problems: tuple[Problem, ...] = ()


class Exchange(Struct, frozen=True, omit_defaults=True):
    """One line of a recording: the questions of one `ask`, and either the replies or `problems` and their `status`."""

    identity: str
    reads: tuple[dict[str, object], ...]
    replies: tuple[RecordedReply, ...] = ()
    problems: tuple[Problem, ...] = ()
    status: int | None = None


class RecordingLink:
    """A link that also writes down what passes through it."""

    def __init__(self, link: ReadLink, folder: Path, device: str) -> None:
        self._link = link
        self._file = file_of(folder, device)

    @property
    def identity(self) -> str:
        """Who answered."""
        return self._link.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        """Ask, and record the answers or the failure. Raises what the link raises."""
        try:
            replies = self._link.ask(reads)
        except PlexopsError as error:
            self._write(Exchange(self.identity, _keys(reads), (), error.problems, int(error.status)))
            raise
        kept = tuple(_told(read, reply) for read, reply in zip(reads, replies, strict=True))
        self._write(Exchange(self.identity, _keys(reads), kept))
        return replies

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _write(self, exchange: Exchange) -> None:
        line = to_builtins(exchange)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(self._file, flags, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=True, sort_keys=True) + "\n")
        except OSError as error:
            raise failure(
                "PLX-D303",
                f"{self._file} cannot be written: {error.strerror}",
                "make room, or record elsewhere",
                str(self._file),
            ) from None


def read_key(read: Read) -> dict[str, object]:
    """Give what makes two reads the same question: their request. Its id, limits and use are the driver's."""
    match read.ask:
        case Call(method=method, path=path, query=query, body=body, accept=accept, headers=headers):
            sent = to_builtins(body, enc_hook=to_plain)
            asked = {"method": method, "path": path, "query": query, "body": sent, "accept": accept}
            return asked | ({"headers": headers} if headers else {})
        case SoapCall(service=service, path=path, action=action, arguments=arguments):
            return {"soap": f"{service}#{action}", "path": path, "arguments": arguments}
        case Look(kind=kind, target=target, detail=detail):
            return {"look": kind, "target": target, **({"detail": detail} if detail else {})}
        case Command(text=text):
            return {"command": text}


def _keys(reads: Sequence[Read]) -> tuple[dict[str, object], ...]:
    return tuple(read_key(read) for read in reads)


def _told(read: Read, reply: Reply) -> RecordedReply:
    if read.secret:
        return RecordedReply(reply.status, withheld=True)
    return RecordedReply(reply.status, reply.body, reply.stderr, reply.whole, reply.date)
