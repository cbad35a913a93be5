"""Probe files: what `plexops probe` saw from a computer outside, carried home. Another computer's claim: judged strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert

from plexops.config.files import read_regular
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.model.values import Endpoint
from plexops.pattern import Pattern

SCHEMA = "plexops/probe/1"
#: A file has some 400 bytes.
_LARGEST = 16 * 1024
_VANTAGE = r"\A[A-Za-z0-9][A-Za-z0-9._ -]{0,39}\Z"
_HOST = Pattern(r"(?=.{1,253}\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?", re.ASCII)
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_DEFAULTS: Mapping[str, Json] = {"host": "", "status": 0}
_AGAIN = "Make it again: plexops probe HOST:PORT --out FILE"


def is_vantage(name: str) -> bool:
    """Tell whether a place outside may be called so: letters, digits, dots, dashes and spaces, 40 at most."""
    return re.search(_VANTAGE, name) is not None


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


class _Address(str):
    """An address of either family."""

    __slots__ = ()


class _Moment(str):
    """A time in UTC."""

    __slots__ = ()


class _Name(str):
    """A name in small letters; empty for an address."""

    __slots__ = ()


class _ProbeFile(Struct, frozen=True):
    """What the file says, and in words what each value has to be. Files of 0.1 have neither host nor status."""

    vantage: Annotated[
        str, Meta(pattern=_VANTAGE, description="a name of letters, digits, dots, dashes and spaces")
    ]
    address: Annotated[_Address, Meta(description="an address")]
    port: Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]
    answer: Annotated[ProbeAnswer, Meta(description=f"one of {', '.join(ProbeAnswer)}")]
    identifier: Annotated[
        str, Meta(pattern=r"\A[A-Za-z0-9-]{0,64}\Z", description="a machineIdentifier, or empty")
    ]
    inside: Annotated[bool, Meta(description="true or false")]
    made: Annotated[_Moment, Meta(description="a time in UTC, as 2026-01-31T18:30:00Z")]
    host: Annotated[_Name, Meta(description="a name or an address")] = _Name()
    status: Annotated[int, Meta(ge=0, le=999, description="an HTTP status, or 0")] = 0


def read_probe_file(path: Path) -> Probe:
    """Read a probe file. Raises PlexopsError PLX-C001, PLX-C801 (no probe file), PLX-C802 (every value that is wrong)."""
    document = _document(path, _text(path))
    if document.get("schema") != SCHEMA:
        raise _no_probe(path, f"its schema is not {SCHEMA}")
    try:
        said = convert(document, _ProbeFile, dec_hook=_judged)
    except ValidationError:
        raise PlexopsError(list(_wrong(document, path))) from None
    return Probe(
        said.vantage, ip_address(said.address), said.port, said.answer, said.identifier, said.inside, said.made,
        said.host, said.status,
    )  # fmt: skip


def _judged(kind: type, value: object) -> object:
    text = value if isinstance(value, str) else ""
    if kind is _Moment:
        return _Moment(datetime.strptime(text, _TIME).replace(tzinfo=UTC).strftime(_TIME))
    if kind is _Address:
        return _Address(ip_address(text))
    if not text or Endpoint(text, 1).address is not None:
        return _Name()
    if not _HOST.fullmatch(text):
        raise ValueError(text)
    return _Name(text.lower())


def _wrong(document: Mapping[str, Json], path: Path) -> Iterator[Problem]:
    """Give a problem for every value that is wrong: msgspec itself tells of the first."""
    for name, kind in get_type_hints(_ProbeFile, include_extras=True).items():
        try:
            convert(document.get(name, _DEFAULTS.get(name)), kind, dec_hook=_judged)
        except ValidationError:
            reason = f"“{name}” of {path} is not {kind.__metadata__[0].description}"
            yield Problem("PLX-C802", reason, _AGAIN, Place(str(path), 1, 1), name)


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


def _document(path: Path, text: str) -> Mapping[str, Json]:
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _no_probe(path, "it is no JSON object") from None
    if not isinstance(document, dict):
        raise _no_probe(path, "it is no JSON object")
    return document


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_probe(path: Path, reason: str) -> PlexopsError:
    return PlexopsError(
        Problem("PLX-C801", f"{path} is no probe file: {reason}", _AGAIN, Place(str(path), 1, 1))
    )
