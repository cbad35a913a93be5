"""Ask whoever listens at a port for `/identity`, as Plex's own clients begin: over http, else over https."""

from __future__ import annotations

import time

from msgspec import Struct

from plexops.model.values import Endpoint
from plexops.structs import replace
from plexops.transport.around.fetch import Ask, FetchError, Outcome, Trust, fetch, resolve

_LIMIT = 16 * 1024
#: How a certificate that does not hold begins in a `FetchError`.
_CERTIFICATE = "certificate:"


class Visit(Struct, frozen=True):
    """What came of it. `outcome` is empty where the connection was accepted: `text` then is what was said.

    `address` is what was tried, empty where the name leads to none; `milliseconds` is how long the deciding attempt
    took. `untrusted`: asked by name, it shows a certificate that does not hold for that name.
    """

    address: str
    outcome: Outcome | None
    detail: str
    text: str = ""
    secure: bool = False
    milliseconds: int = 0
    status: int = 0
    untrusted: bool = False


def visit(at: Endpoint, *, seconds: float = 6.0) -> Visit:
    """Try http, and https where something listens but is no Plex there. Only a name is held against a certificate."""
    try:
        address = resolve(at.host, seconds, ipv6=True)
    except FetchError as error:
        return Visit("", "unreachable", error.detail)
    plain = _try(at, address, seconds, secure=False, trust="nobody")
    if plain.outcome is not None or "machineIdentifier" in plain.text:
        return plain
    secure = _try(at, address, seconds, secure=True, trust="nobody" if at.address else "authorities")
    if secure.detail.startswith(_CERTIFICATE):
        secure = replace(_try(at, address, seconds, secure=True, trust="nobody"), untrusted=True)
    return secure if secure.outcome is None and secure.text else plain


def _try(at: Endpoint, address: str, seconds: float, *, secure: bool, trust: Trust) -> Visit:
    begin = time.monotonic()
    ask = Ask(f"{'https' if secure else 'http'}://{at}/identity")
    try:
        answer = fetch(ask, seconds, limit=_LIMIT, trust=trust, at=address)
    except FetchError as error:
        outcome = None if error.connected else error.outcome
        return Visit(address, outcome, error.detail, "", secure, _since(begin))
    took = _since(begin)
    return Visit(address, None, f"status {answer.status}", answer.text, secure, took, answer.status)


def _since(begin: float) -> int:
    return round((time.monotonic() - begin) * 1000)
