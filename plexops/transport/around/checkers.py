"""Services that tell whoever asks their address, or try a port. They are strangers: each answer is bounded, none redirects.

check-host.net: https://check-host.net/about/api. portchecker.io: its `POST /api/query`. echoip: its `GET /port/NUMBER`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any

from plexops.model.values import is_public
from plexops.pattern import Pattern
from plexops.transport.around.fetch import Ask, FetchError, fetch

_ACCEPT: Mapping[str, str] = MappingProxyType({"Accept": "application/json"})
_SENDING: Mapping[str, str] = MappingProxyType({**_ACCEPT, "Content-Type": "application/json"})
#: An address, a line end, and room for a service that adds a space.
_ADDRESS_BYTES = 64
#: So many places try at once: enough to tell one network's own trouble from the port's.
_NODES = 3
_REQUEST = Pattern(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
#: How long one request may take, and how long check-host is let alone between two; the last goes on. In seconds.
_EACH = 8.0
_PAUSES = (0.5, 1.0, 2.0)
_SLOW_DOWN = frozenset({403, 429, 503})


def ask_echo(url: str, *, seconds: float = 4.0) -> IPv4Address:
    """Ask for our public address, over IPv4.

    Raises ValueError, which says why, for all but a plain public address: a page, a redirect (a hotspot's login), a
    private address do not count.
    """
    try:
        answer = fetch(Ask(url), seconds, limit=_ADDRESS_BYTES)
    except FetchError as error:
        raise ValueError(error.outcome) from None
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    try:
        address = IPv4Address(answer.body.decode("ascii").strip())
    except ValueError:
        raise ValueError("no address in the answer") from None
    if not is_public(address):
        raise ValueError(f"{address} is no public address")
    return address


def ask_echoip(url: str, port: int, *, seconds: float) -> str:
    """Let the service try a port of the address that asks, for its JSON. Raises FetchError, ValueError."""
    return _json(Ask(f"{url}/port/{port}", _ACCEPT), seconds)[1]


def ask_portchecker(url: str, host: str, port: int, *, seconds: float) -> str:
    """Let the service try a port. Gives its JSON. Raises FetchError, ValueError."""
    body = json.dumps({"host": host, "ports": [port]}).encode()
    return _json(Ask(f"{url}/api/query", _SENDING, body), seconds)[1]


def ask_check_host(url: str, host: str, port: int, *, seconds: float) -> str:
    """Let several places try a port, and wait until each has told what it met, or the time is over.

    Gives JSON: `check` is which places were chosen, `result` what each told; null is one that is still silent. Raises
    FetchError, ValueError.
    """
    end = time.monotonic() + seconds
    check, began = _json(Ask(f"{url}/check-tcp?host={host}:{port}&max_nodes={_NODES}", _ACCEPT), seconds)
    request, nodes = check.get("request_id"), check.get("nodes")
    if not isinstance(request, str) or not _REQUEST.fullmatch(request) or not isinstance(nodes, dict):
        raise ValueError("the answer names no check")
    result: dict[str, Any] = {}
    told = "{}"
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        left = end - time.monotonic() - pause
        if left <= 0 or all(result.get(node) is not None for node in nodes):
            break
        time.sleep(pause)
        try:
            result, told = _json(Ask(f"{url}/check-result/{request}", _ACCEPT), left)
        except FetchError:
            if not result:
                raise
            break  # what some places have told already is told
    return f'{{"check": {began}, "result": {told}}}'


def _json(ask: Ask, seconds: float) -> tuple[dict[str, Any], str]:
    """Ask once, for JSON and its text. Raises FetchError where no whole answer comes, ValueError for one of no use."""
    answer = fetch(ask, min(seconds, _EACH))
    if answer.status in _SLOW_DOWN:
        raise ValueError(f"it does not want to be asked now (status {answer.status})")
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise FetchError("not understood", "a page, and no JSON", connected=True) from None
    if not isinstance(found, dict):
        raise FetchError("not understood", "JSON, and not as the service documents it", connected=True)
    return found, answer.text
