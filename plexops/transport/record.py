"""Recordings: what was asked and answered, as JSON lines, so that a run can be repeated without a network.

A folder holds `manifest.json` and one `DEVICE.jsonl` per device. Each line is one `ask`: the reads, and either the
replies or the problems. Answers that hold a secret are left out. All files are for the user alone (0600): they are
a map of your home.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Call, Json, Look, Read, Reply
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
            self._write(
                reads, {"status": int(error.status), "problems": [problem_json(p) for p in error.problems]}
            )
            raise
        kept = [_reply_json(read, reply) for read, reply in zip(reads, replies, strict=True)]
        self._write(reads, {"replies": kept})
        return replies

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    def _write(self, reads: Sequence[Read], outcome: Mapping[str, Any]) -> None:
        line = {"identity": self.identity, "reads": [read_key(read) for read in reads], **outcome}
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


def read_key(read: Read) -> dict[str, Any]:
    """Give what makes two reads the same question: their request. Its id, limits and use are the driver's."""
    if isinstance(read.ask, Call):
        return {
            "method": read.ask.method,
            "path": read.ask.path,
            "query": [list(pair) for pair in read.ask.query],
            "body": plain(read.ask.body),
            "accept": read.ask.accept,
        }
    if isinstance(read.ask, Look):
        detail = {"detail": read.ask.detail} if read.ask.detail else {}
        return {"look": str(read.ask.kind), "target": read.ask.target, **detail}
    return {"command": read.ask.text}


def _reply_json(read: Read, reply: Reply) -> dict[str, Any]:
    if read.secret:
        return {"status": reply.status, "withheld": True}
    date = {"date": reply.date} if reply.date else {}
    return {
        "status": reply.status,
        "body": reply.body,
        "stderr": reply.stderr,
        "whole": reply.whole,
        **date,
    }


def problem_json(problem: Problem) -> dict[str, Any]:
    """Give a problem of a device as JSON; places in files do not occur here."""
    return {
        "code": problem.code,
        "reason": problem.reason,
        "cure": problem.cure,
        "where": problem.where,
        "detail": list(problem.detail),
    }


def plain(value: Json) -> Any:
    """Give JSON of dicts and lists alone."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
