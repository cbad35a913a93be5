"""NAT-PMP (RFC 6886): ask the gateway for its address on the internet side. Two bytes, which cannot change anything.

PCP (RFC 6887), which came after it, is not asked: it has no question that only reads. Its one way to an address is to
ask for a mapping.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from plexops.transport.around.datagrams import ask_host
from plexops.transport.net import is_private

PMP_PORT = 5351
#: Version 0, operation 0: what is the address on the internet side?
_QUESTION = b"\0\0"
_ANSWER = struct.Struct("!BBHI4s")
_ANSWERED = 128
#: RFC 6886, 3.1: after a quarter of a second, then after twice as long.
_WAITS = (0.25, 0.5, 1.0)
_REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        1: "it speaks another version",
        2: "it is not allowed there",
        3: "it has no address on the internet side, or keeps it to itself",
        4: "it is out of resources",
        5: "it does not know the question",
    }
)


def ask_address(gateway: IPv4Address, port: int = PMP_PORT, *, seconds: float = 1.0) -> IPv4Address:
    """Ask a gateway in a home, three times at most, in `seconds` altogether.

    Raises ValueError, which says why, where it gives no address, and for one that is not in a home.
    """
    if not is_private(str(gateway)):
        raise ValueError(f"{gateway} is not in a home")
    end = time.monotonic() + seconds
    waits = (min(wait, end - time.monotonic()) for wait in _WAITS)
    try:
        told = ask_host((str(gateway), port), _QUESTION, waits, _ANSWER.size, read_answer)
    except ConnectionRefusedError:
        raise ValueError("refused") from None
    except OSError as error:
        raise ValueError(error.strerror or "unreachable") from None
    if told is None:
        raise ValueError("no answer")
    return told


def read_answer(data: bytes) -> IPv4Address | None:
    """Read an answer to our question; None for anything else. Raises ValueError for a refusal, also one that is cut."""
    if len(data) < 4:
        return None
    version, operation, result = struct.unpack_from("!BBH", data)
    if operation != _ANSWERED:
        return None
    if result:
        raise ValueError(f"{_REFUSALS.get(result, 'no known reason')} (result {result})")
    if version or len(data) != _ANSWER.size:
        return None
    address = IPv4Address(_ANSWER.unpack(data)[4])
    if address.is_unspecified:
        raise ValueError(_REFUSALS[3])
    return address
