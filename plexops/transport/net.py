"""Sockets: names to addresses, connecting within a time limit, ending what has none."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar

from plexops.model.values import PRIVATE_NETWORKS
from plexops.transport.problems import failure

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Probe = Literal["refused", "timed out", "unreachable"]

_Result = TypeVar("_Result")
_SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

#: Code, reason and cure, that first which says most about the device: of several addresses' failures it is the one told.
_NOT_OPEN: Mapping[Probe, tuple[str, str, str]] = MappingProxyType(
    {
        "refused": (
            "PLX-D102",
            "{} refused the connection",
            "look whether the service runs there and listens on this port",
        ),
        "timed out": (
            "PLX-D103",
            "{} did not answer within {:g} s",
            "look whether the device is on and still has this address",
        ),
        "unreachable": (
            "PLX-D104",
            "there is no route to {}",
            "look whether this computer is in the device's network, and whether anything has this address",
        ),
    }
)
_PRIVATE_V6 = (ipaddress.IPv6Network("fc00::/7"), ipaddress.IPv6Network("fe80::/10"))


class QuickAckSocket(socket.socket):
    """A TCP socket that acknowledges at once.

    Linux delays acknowledgements by 40 ms when it guesses that data will follow, and SSH's small packets meet that
    three times per connection. TCP_QUICKACK is not sticky, so it is set again after every receive. Elsewhere this is
    an ordinary socket.
    """

    #: So many more bytes are taken; None: as many as come.
    allowance: int | None = None
    #: So many bytes are taken from the system at once, and held: SSH asks for the head of each small packet by itself.
    ahead = 0
    #: When receiving into a buffer, as HTTP does, ends: by the clock that never jumps. None: never.
    until: float | None = None
    _held = b""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive as a socket does, then ask for the next acknowledgement without delay.

        Raises ConnectionAbortedError when more came than the allowance.
        """
        if not self._held:
            self._held = self._received(max(size, self.ahead), flags)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _received(self, size: int, flags: int) -> bytes:
        data = super().recv(size, flags)
        self.acknowledge_at_once()
        if self.allowance is not None:
            self.allowance -= len(data)
            if self.allowance < 0:
                raise ConnectionAbortedError("it sent far more than belongs there")
        return data

    def recv_into(self, buffer: WriteableBuffer, size: int = 0, flags: int = 0, /) -> int:
        """Receive as a socket does. Raises TimeoutError once the time is over, however much still trickles in."""
        if self.until is not None:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.settimeout(left)
        return super().recv_into(buffer, size, flags)

    def acknowledge_at_once(self) -> None:
        """Arm TCP_QUICKACK, where there is such a thing."""
        option = getattr(socket, "TCP_QUICKACK", None)
        if option is not None:
            with contextlib.suppress(OSError):  # the peer may be gone: the next receive says so
                self.setsockopt(socket.IPPROTO_TCP, option, 1)


def within(seconds: float, function: Callable[[], _Result]) -> _Result:
    """Run a call that has no time limit of its own (the resolver, an agent) and give up waiting after `seconds`.

    Raises TimeoutError; the thread is left behind as a daemon, because nothing can stop it.
    """
    results: queue.SimpleQueue[_Result | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(function())
        except BaseException as error:  # noqa: BLE001  it is raised again in the thread that waits
            results.put(error)

    threading.Thread(target=work, daemon=True, name="plexops-within").start()
    try:
        result = results.get(timeout=max(seconds, 0.0))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, BaseException):
        raise result
    return result


def cut(stream: socket.socket) -> None:
    """End a connection that another thread waits on: that thread sees the end of the stream at once."""
    with contextlib.suppress(OSError):
        # Not SSLSocket's own shutdown: it takes TLS away from under the other thread.
        socket.socket.shutdown(stream, socket.SHUT_RDWR)


def is_private(address: str) -> bool:
    """Tell whether an IP address is inside a home: RFC 1918, loopback, IPv6 unique local or link-local.

    A text that is no IP address is not private: what a name leads to is somebody else's decision.
    """
    try:
        ip = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_private(str(ip.ipv4_mapped))
        return ip.is_loopback or any(ip in network for network in _PRIVATE_V6)
    return ip.is_loopback or any(ip in network for network in PRIVATE_NETWORKS)


def dial(host: str, port: int, seconds: float, where: str) -> QuickAckSocket:
    """Open a TCP connection in at most `seconds`; all addresses of a name are tried.

    Raises PlexopsError PLX-D101 (name), PLX-D102 (refused), PLX-D103 (timed out), PLX-D104 (no route).
    """
    try:
        return _open(host, port, seconds)
    except socket.gaierror as error:
        raise failure(
            "PLX-D101",
            f"the name {host!r} does not resolve",
            "write its address, or run plexops where the home's DNS is used",
            where,
            str(error.strerror or error),
        ) from None
    except NotOpenError as error:
        code, reason, cure = _NOT_OPEN[error.outcome]
        reason = reason.format(f"{host} port {port}", seconds)
        raise failure(code, reason, cure, where, error.reason) from None


class NotOpenError(Exception):
    """An address could not be connected to. `reason` says why, in the system's words or ours."""

    def __init__(self, outcome: Probe, reason: str) -> None:
        self.outcome: Probe = outcome
        self.reason = reason
        super().__init__(reason)


def _resolve(host: str, port: int, seconds: float) -> list[tuple[int, _SocketAddress]]:
    """Give the address families and socket addresses of a host, in the resolver's order."""
    name = host.removeprefix("[").removesuffix("]")

    def ask(named: str | bytes, flags: int) -> list[tuple[int, _SocketAddress]]:
        found = socket.getaddrinfo(named, port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, address) for family, _, _, _, address in found]

    try:
        # As bytes: of a text Python makes a name of the DNS first, and loads tables of all letters for that.
        return ask(name.encode("utf-8", "replace"), socket.AI_NUMERICHOST)
    except socket.gaierror:
        try:
            return within(seconds, lambda: ask(name, 0))
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "the resolver did not answer in time") from None
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None


def _open(host: str, port: int, seconds: float) -> QuickAckSocket:
    end = time.monotonic() + seconds
    addresses = _resolve(host, port, seconds)
    failures: dict[Probe, str] = {}
    for index, (family, address) in enumerate(addresses):
        # An equal share of what is left: an IPv6 address that drops packets must not eat the whole limit.
        share = (end - time.monotonic()) / (len(addresses) - index)
        try:
            return connect_to(family, address, max(share, 0.05))
        except NotOpenError as error:
            failures.setdefault(error.outcome, f"{address[0]!s}: {error.reason}")
    outcome = next(outcome for outcome in _NOT_OPEN if outcome in failures)
    raise NotOpenError(outcome, failures[outcome])


def connect_to(family: int, address: _SocketAddress, seconds: float) -> QuickAckSocket:
    """Open a TCP connection to one address in at most `seconds`. Raises NotOpenError."""
    sock = QuickAckSocket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
        sock.acknowledge_at_once()
    except OSError as error:
        sock.close()
        outcome: Probe = "unreachable"
        said = str(error.strerror)
        if isinstance(error, TimeoutError):
            outcome, said = "timed out", "no answer"
        elif isinstance(error, ConnectionRefusedError):
            outcome = said = "refused"
        elif isinstance(error, ConnectionResetError):
            outcome = "refused"
        raise NotOpenError(outcome, said) from None
    return sock


class Deadline:
    """Ends something when its time is over, from a thread of its own: for what has no limit on the whole of it.

    `fired` says whether it came to that. Used in a `with`.
    """

    def __init__(self, seconds: float, end: Callable[[], object]) -> None:
        self.fired = False
        self._end = end
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        self._end()

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
