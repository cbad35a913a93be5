"""Probe files: what `plexops probe` saw from a computer outside, carried home. Another computer's claim: judged strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from plexops.config.files import read_regular
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.values import Endpoint
from plexops.pattern import Pattern

_Value = TypeVar("_Value")

SCHEMA = "plexops/probe/1"
#: A file has some 400 bytes.
_LARGEST = 16 * 1024
_VANTAGE = Pattern(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,39}")
_HOST = Pattern(r"(?=.{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?", re.ASCII)
_IDENTIFIER = Pattern(r"[A-Za-z0-9-]{0,64}")
_AGAIN = "Make it again: plexops probe HOST:PORT --out FILE"


def is_vantage(name: str) -> bool:
    """Tell whether a place outside may be called so: letters, digits, dots, dashes and spaces, 40 at most."""
    return _VANTAGE.fullmatch(name) is not None


def probe_document(probe: Probe, host: str, milliseconds: int, detail: str) -> str:
    """Give a probe file's text. `host` is what was typed, a name or the address; the detail is for people."""
    document = {
        "schema": SCHEMA,
        "vantage": probe.vantage,
        "host": host,
        "address": str(probe.address),
        "port": probe.port,
        "answer": str(probe.answer),
        "identifier": probe.identifier,
        "status": probe.status,
        "inside": probe.inside,
        "made": probe.made,
        "milliseconds": milliseconds,
        "detail": detail,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def read_probe_file(path: Path) -> Probe:
    """Read a probe file. Raises PlexopsError PLX-C001, PLX-C801 (no probe file), PLX-C802 (every value that is wrong)."""
    document = _document(path, _text(path))
    if document.get("schema") != SCHEMA:
        raise _no_probe(path, f"its schema is not {SCHEMA}")
    reading = _Reading(document, path)
    probe = Probe(
        vantage=reading.matching("vantage", _VANTAGE, "a name of letters, digits, dots, dashes and spaces"),
        address=reading.address(),
        port=reading.port(),
        answer=reading.answer(),
        identifier=reading.matching("identifier", _IDENTIFIER, "a machineIdentifier, or empty"),
        inside=reading.flag("inside"),
        made=reading.moment(),
        name=reading.name(),
        status=reading.status(),
    )
    if reading.problems:
        raise PlexopsError(reading.problems)
    return probe


def _text(path: Path) -> str:
    try:
        data = read_regular(path, _LARGEST + 1)
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        raise PlexopsError(Problem("PLX-C001", reason, _AGAIN)) from None
    if len(data) > _LARGEST:
        raise _no_probe(path, "it is too large")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _no_probe(path, "it is no UTF-8 text") from None


def _document(path: Path, text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _no_probe(path, "it is no JSON object") from None
    if not isinstance(document, dict):
        raise _no_probe(path, "it is no JSON object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_probe(path: Path, reason: str) -> PlexopsError:
    return PlexopsError(
        Problem("PLX-C801", f"{path} is no probe file: {reason}", _AGAIN, Place(str(path), 1, 1))
    )


class _Reading(Struct):
    """Takes values out of a document and keeps what is wrong with them."""

    document: Mapping[str, Any]
    path: Path
    problems: list[Problem] = []

    def matching(self, name: str, pattern: Pattern, wanted: str) -> str:
        value = self.document.get(name)
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        return self._wrong(name, wanted, "")

    def address(self) -> IPv4Address | IPv6Address:
        value = self.document.get("address")
        try:
            return ip_address(value if isinstance(value, str) else "")
        except ValueError:
            return self._wrong("address", "an address", IPv4Address(0))

    def name(self) -> str:
        """Give the name that was asked for; empty for an address, and where the file is of a version without."""
        value = self.document.get("host", "")
        host = value if isinstance(value, str) else ""
        if Endpoint(host, 1).address is not None or not host:
            return ""
        return host.lower() if _HOST.fullmatch(host) else self._wrong("host", "a name or an address", "")

    def status(self) -> int:
        value = self.document.get("status", 0)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 999:
            return value
        return self._wrong("status", "an HTTP status, or 0", 0)

    def port(self) -> int:
        value = self.document.get("port")
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
            return value
        return self._wrong("port", "a port from 1 to 65535", 1)

    def answer(self) -> ProbeAnswer:
        value = self.document.get("answer")
        if isinstance(value, str) and value in {str(answer) for answer in ProbeAnswer}:
            return ProbeAnswer(value)
        known = ", ".join(str(answer) for answer in ProbeAnswer)
        return self._wrong("answer", f"one of {known}", ProbeAnswer.UNKNOWN)

    def flag(self, name: str) -> bool:
        value = self.document.get(name)
        return value if isinstance(value, bool) else self._wrong(name, "true or false", False)

    def moment(self) -> str:
        value = self.document.get("made")
        try:
            text = value if isinstance(value, str) and value.endswith("Z") else ""
            made = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
        except ValueError:
            return self._wrong("made", "a time in UTC, as 2026-01-31T18:30:00Z", "")
        return made.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _wrong(self, name: str, wanted: str, instead: _Value) -> _Value:
        reason = f"“{name}” of {self.path} is not {wanted}"
        self.problems.append(Problem("PLX-C802", reason, _AGAIN, Place(str(self.path), 1, 1), name))
        return instead
