"""Ask a service on the internet for our public address, from this computer."""

from __future__ import annotations

from ipaddress import IPv4Address
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.model.values import is_public
from plexops.transport.around.fetch import Ask, FetchError, fetch

#: An address, a line end, and room for a service that adds a space.
_LIMIT = 64


class EchoAnswer(Struct, frozen=True):
    """What one service said. `failure` says why there is no address."""

    source: str
    address: IPv4Address | None
    failure: str = ""


def ask_echo(url: str, *, seconds: float = 4.0) -> EchoAnswer:
    """Ask over IPv4. Only a plain address counts: a page, a redirect (a hotspot's login) or a private address do not."""
    source = urlsplit(url).netloc
    try:
        answer = fetch(Ask(url), seconds, limit=_LIMIT)
    except FetchError as error:
        return EchoAnswer(source, None, error.outcome)
    if answer.status != 200:
        return EchoAnswer(source, None, f"status {answer.status}")
    try:
        address = IPv4Address(answer.body.decode("ascii").strip())
    except ValueError:
        return EchoAnswer(source, None, "no address in the answer")
    if not is_public(address):
        return EchoAnswer(source, None, f"{address} is no public address")
    return EchoAnswer(source, address)
