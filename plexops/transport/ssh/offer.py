"""What an SSH server offers, read from its first packet (RFC 4253, 4.2 and 7.1). Nothing is negotiated.

Used only where negotiation failed, to say why, and to find the other host keys of a device.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from socket import socket

    import paramiko

_KEXINIT = 20
_COOKIE_BYTES = 16
#: A KEXINIT is at most one packet (RFC 4253, 6.1: 35000 bytes); the lines before the banner come on top.
_MAX_BYTES = 70_000


class Offer(Struct, frozen=True):
    """The algorithms that a server offers, by what they are for."""

    key_exchange: tuple[str, ...]
    host_keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Put the offer into words for a message."""
        return (
            f"key exchange: {', '.join(self.key_exchange)}",
            f"host keys:    {', '.join(self.host_keys)}",
            f"ciphers:      {', '.join(self.ciphers)}",
            f"MACs:         {', '.join(self.macs)}",
        )


def read_offer(stream: socket | paramiko.Channel, seconds: float) -> Offer | None:
    """Introduce ourselves and read the server's offer, or give None where it makes none within `seconds`."""
    end = time.monotonic() + seconds
    received = b""
    try:
        stream.settimeout(seconds)
        stream.sendall(b"SSH-2.0-plexops\r\n")
        while len(received) < _MAX_BYTES:
            offer = parse_offer(received)
            if offer is not None:
                return offer
            stream.settimeout(max(end - time.monotonic(), 0.01))
            data = stream.recv(8192)
            if not data:
                return None
            received += data
    except (OSError, ValueError):
        return None
    return None


def parse_offer(received: bytes) -> Offer | None:
    """Read the first packet after the banner line; None while it is not complete.

    Raises ValueError when it is no KEXINIT.
    """
    start = 0
    while True:
        newline = received.find(b"\n", start)
        if newline < 0:
            return None
        if received.startswith(b"SSH-", start):
            break
        start = newline + 1
    packet = received[newline + 1 :]
    if len(packet) < 5:  # the length and the length of the padding
        return None
    length, padding = struct.unpack(">IB", packet[:5])
    if length > _MAX_BYTES:
        raise ValueError("not an SSH packet")
    if len(packet) < 4 + length:
        return None
    payload = packet[5 : 4 + length - padding]
    if payload[:1] != bytes([_KEXINIT]):
        raise ValueError("the first packet is no KEXINIT")
    lists = _name_lists(payload[1 + _COOKIE_BYTES :], 6)
    # Index 2 and 4 are the client's direction; devices offer the same in both.
    return Offer(_algorithms(lists[0]), lists[1], lists[3], lists[5])


def _name_lists(data: bytes, count: int) -> list[tuple[str, ...]]:
    lists: list[tuple[str, ...]] = []
    for _ in range(count):
        if len(data) < 4:  # the length of a list
            raise ValueError("a list of names is cut off")
        (size,) = struct.unpack(">I", data[:4])
        lists.append(tuple(data[4 : 4 + size].decode("ascii", "replace").split(",")))
        data = data[4 + size :]
    return lists


def _algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the markers that travel in the list of key exchanges but are none."""
    return tuple(name for name in names if not name.startswith(("ext-info-", "kex-strict-")))
