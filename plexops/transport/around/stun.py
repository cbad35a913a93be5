"""STUN (RFC 8489): ask a server on the internet from which address our packets reach it. One packet there and back."""

from __future__ import annotations

import secrets
import struct
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.transport.around.datagrams import ask_host
from plexops.transport.around.fetch import FetchError, resolve

STUN_PORT = 3478
_COOKIE = 0x2112A442
_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_IPV4 = 1
_HEADER = struct.Struct("!HHI12s")
#: RFC 8489: a request over UDP has to fit a packet; no server needs more for its answer to ours.
_LARGEST = 1500
_TRIES = 2


class Mapped(Struct, frozen=True):
    """The address and port from which our packet came, as the server saw it."""

    address: IPv4Address
    port: int


def ask_stun(host: str, port: int = STUN_PORT, *, seconds: float = 1.0) -> Mapped | None:
    """Ask one server over IPv4, twice at most, waiting `seconds` each time; None where no valid answer came."""
    transaction = secrets.token_bytes(12)
    try:
        address = resolve(host, seconds)
    except FetchError:
        return None
    request = _HEADER.pack(_BINDING_REQUEST, 0, _COOKIE, transaction)
    waits = [seconds] * _TRIES
    try:
        return ask_host(
            (address, port), request, waits, _LARGEST, lambda data: mapped_address(data, transaction)
        )
    except OSError:
        return None


def mapped_address(data: bytes, transaction: bytes) -> Mapped | None:
    """Read a binding success response to our transaction; None for anything else.

    Only XOR-MAPPED-ADDRESS counts: there are routers that rewrite addresses which they find in clear inside packets.
    """
    if not _HEADER.size <= len(data) <= _LARGEST:
        return None
    kind, length, cookie, answered = _HEADER.unpack_from(data)
    if (kind, cookie, answered) != (_BINDING_SUCCESS, _COOKIE, transaction):
        return None
    if length % 4 or length != len(data) - _HEADER.size:
        return None
    at = _HEADER.size
    while at + 4 <= len(data):
        name, size = struct.unpack_from("!HH", data, at)
        at += 4
        if at + size > len(data):
            return None
        if name == _XOR_MAPPED_ADDRESS:
            return _xored(data[at : at + size])
        at += size + (-size % 4)
    return None


def _xored(value: bytes) -> Mapped | None:
    if len(value) != 8 or value[1] != _IPV4:
        return None
    port, address = struct.unpack_from("!HI", value, 2)
    return Mapped(IPv4Address(address ^ _COOKIE), port ^ (_COOKIE >> 16))
