"""Questions over UDP, for a bounded time: to every host in the LAN by multicast, or to a single host."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import TypeVar

from plexops.transport.net import is_private

#: What is longer is no answer to a search: it is passed over.
_LARGEST = 2048
#: How many packets are looked at: a home has a dozen devices, a flood has more.
_MOST = 64
#: A home is one network; one hop more is for those with a second access point that routes.
_HOPS = 2
#: Of a single host's packets those that are no answer are passed over, this many at most.
_STRANGERS = 16

_Answer = TypeVar("_Answer")


def ask_host(
    at: tuple[str, int],
    request: bytes,
    waits: Iterable[float],
    largest: int,
    read: Callable[[bytes], _Answer | None],
) -> _Answer | None:
    """Send a request to a single host, once for each of the `waits` (seconds) while nothing has come.

    Gives the first packet that `read` takes for an answer; what is longer than `largest` gets to it cut. Raises OSError.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.connect(at)  # a connected socket takes packets from this host alone
        for wait in waits:
            end = time.monotonic() + wait
            stream.send(request)
            for _ in range(_STRANGERS):
                left = end - time.monotonic()
                if left <= 0:
                    break
                stream.settimeout(left)
                try:
                    found = read(stream.recv(largest + 1))
                except TimeoutError:
                    break
                if found is not None:
                    return found
    return None


def ask_everybody(
    requests: Sequence[tuple[bytes, tuple[str, int]]], interface: IPv4Address | None, seconds: float
) -> Iterator[tuple[str, str]]:
    """Send requests to their groups, twice, out of the interface that has this address; give (sender, text) for `seconds`.

    Only senders inside a home count. Nothing is given where this computer cannot send.
    """
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        try:
            stream.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
            if interface is not None:
                stream.bind((str(interface), 0))
                stream.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface.packed)
            _send(stream, requests)
        except OSError:
            return
        again = time.monotonic() + seconds / 3
        for _ in range(_MOST):
            now = time.monotonic()
            if now >= end:
                return
            if again and now >= again:
                again = 0.0
                _send(stream, requests)
            packet = _receive(stream, (min(end, again) if again else end) - now)
            if packet is not None and len(packet[0]) <= _LARGEST and is_private(packet[1]):
                yield packet[1], packet[0].decode("utf-8", "replace")


def _send(stream: socket.socket, requests: Sequence[tuple[bytes, tuple[str, int]]]) -> None:
    for request, target in requests:
        with contextlib.suppress(OSError):  # a target that cannot be sent to is one that does not answer
            stream.sendto(request, target)


def _receive(stream: socket.socket, seconds: float) -> tuple[bytes, str] | None:
    stream.settimeout(max(seconds, 0.001))
    try:
        data, sender = stream.recvfrom(_LARGEST + 1)
    except OSError:  # nothing came, or an ICMP message did
        return None
    return data, str(sender[0])


def headers(text: str) -> Mapping[str, str] | None:
    """Read an answer that looks like HTTP's: header names in lower case. None where it is no 200."""
    first, *lines = text.replace("\r\n", "\n").split("\n")
    if not first.startswith(("HTTP/1.0 200", "HTTP/1.1 200")):
        return None
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), "".join(c for c in value.strip() if c.isprintable())[:300])
    return found
