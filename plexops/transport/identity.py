"""Ask whoever listens at a port for `/identity`, as Plex's own clients begin: over http, else over https."""

from __future__ import annotations

import time
from dataclasses import dataclass

from plexops.transport.fetch import Ask, FetchError, Outcome, fetch

_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of it. `outcome` is empty where somebody accepted the connection: `text` then is what they said.

    `address` is the IPv4 address that was tried, empty where the name has none; `milliseconds` is how long the
    deciding attempt took.
    """

    address: str
    outcome: Outcome | None
    detail: str
    text: str = ""
    secure: bool = False
    milliseconds: int = 0


def visit(host: str, port: int, *, seconds: float = 6.0) -> Visit:
    """Try http, and https where somebody listens but does not answer that. No name in a certificate is checked."""
    from plexops.transport.fetch import resolve

    try:
        address = resolve(host, seconds)
    except FetchError as error:
        return Visit("", "unreachable", error.detail)
    plain = _try(address, port, seconds, secure=False)
    if plain.outcome is not None or "machineIdentifier" in plain.text:
        return plain
    secure = _try(address, port, seconds, secure=True)
    return secure if secure.outcome is None and secure.text else plain


def _try(address: str, port: int, seconds: float, *, secure: bool) -> Visit:
    begin = time.monotonic()
    url = f"{'https' if secure else 'http'}://{address}:{port}/identity"
    try:
        answer = fetch(Ask(url), seconds, limit=_LIMIT, trust="nobody")
    except FetchError as error:
        outcome = None if error.connected else error.outcome
        return Visit(address, outcome, error.detail, "", secure, _since(begin))
    return Visit(address, None, f"status {answer.status}", answer.text, secure, _since(begin))


def _since(begin: float) -> int:
    return round((time.monotonic() - begin) * 1000)
