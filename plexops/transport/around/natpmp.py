"""NAT-PMP (RFC 6886): ask the gateway for its address on the internet side. Two bytes, which cannot change anything.

PCP (RFC 6887), which came after it, is not asked: it has no question that only reads. Its one way to an address is to
ask for a mapping.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from msgspec import Struct

from plexops.transport.around.datagrams import first_answer
from plexops.transport.net import is_private

PMP_PORT = 5351
#: Version 0, operation 0: what is the address on the internet side?
_QUESTION = b"\0\0"
_ANSWER = struct.Struct("!BBHI4s")
_ANSWERED = 128
#: RFC 6886, 3.1: after a quarter of a second, then after twice as long.
_FIRST_WAIT = 0.25
_TRIES = 3
_REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        1: "it speaks another version",
        2: "it is not allowed there",
        3: "it has no address on the internet side, or keeps it to itself",
        4: "it is out of resources",
        5: "it does not know the question",
    }
)


class NatPmpAnswer(Struct, frozen=True):
    """What the gateway said. `failure` is why there is no address."""

    address: IPv4Address | None
    failure: str = ""


def ask_address(gateway: IPv4Address, port: int = PMP_PORT, *, seconds: float = 1.0) -> NatPmpAnswer:
    """Ask a gateway in a home, three times at most, in `seconds` altogether.

    Raises ValueError for an address that is not in a home.
    """
    if not is_private(str(gateway)):
        raise ValueError(f"{gateway} is not in a home")
    end = time.monotonic() + seconds
    wait = _FIRST_WAIT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        try:
            # A connected socket takes packets from this gateway alone.
            stream.connect((str(gateway), port))
            for _ in range(_TRIES):
                stream.send(_QUESTION)
                told = first_answer(stream, min(time.monotonic() + wait, end), _ANSWER.size, read_answer)
                if told is not None:
                    return told
                wait *= 2
        except ConnectionRefusedError:
            return NatPmpAnswer(None, "refused")
        except OSError as error:
            return NatPmpAnswer(None, error.strerror or "unreachable")
    return NatPmpAnswer(None, "no answer")


def read_answer(data: bytes) -> NatPmpAnswer | None:
    """Read an answer to our question; None for anything else. A refusal may be cut after its result."""
    if len(data) < 4:
        return None
    version, operation, result = struct.unpack_from("!BBH", data)
    if operation != _ANSWERED:
        return None
    if result:
        return NatPmpAnswer(None, f"{_REFUSALS.get(result, 'no known reason')} (result {result})")
    if version or len(data) != _ANSWER.size:
        return None
    address = IPv4Address(_ANSWER.unpack(data)[4])
    return NatPmpAnswer(None, _REFUSALS[3]) if address.is_unspecified else NatPmpAnswer(address)
