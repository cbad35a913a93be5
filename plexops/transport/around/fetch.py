"""One HTTP request without a login, to a host that no authority vouches for: bounded in time and size, never redirected."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from plexops.transport.net import NotOpenError, connect_to, within

Outcome = Literal["refused", "timed out", "unreachable", "not understood", "too long"]
Trust = Literal["authorities", "nobody"]

#: No answer that is asked for here is longer: a device description has 4 KB, an address 15 bytes.
LIMIT = 64 * 1024
_CHUNK = 8192
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class FetchError(Exception):
    """No whole answer came. `outcome` says how; `connected` whether anybody accepted the connection."""

    def __init__(self, outcome: Outcome, detail: str, *, connected: bool = False) -> None:
        self.outcome: Outcome = outcome
        self.detail = detail
        self.connected = connected
        super().__init__(f"{outcome}: {detail}")


class Fetched(Struct, frozen=True):
    """A whole answer. `address` is the IPv4 address that gave it; header names are in lower case."""

    status: int
    body: bytes
    address: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)

    @property
    def text(self) -> str:
        """The body; bytes that are no UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def page(self) -> str:
        """Give the body of the page that was asked for. Raises FetchError for any other: a redirect, an error."""
        if self.status != 200:
            raise FetchError("not understood", f"status {self.status}", connected=True)
        return self.text


class Ask(Struct, frozen=True):
    """A request. Without a body it is a GET, with one a POST."""

    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    body: bytes | None = None


def fetch(
    ask: Ask, seconds: float, *, limit: int = LIMIT, trust: Trust = "authorities", at: str = ""
) -> Fetched:
    """Ask over IPv4, in at most `seconds` altogether, for at most `limit` bytes. Redirects are given back as they are.

    `trust` "nobody" takes any certificate: for questions whose answer is compared and that hold no secret. `at` is the
    address to which the URL's name leads, of either family, where that was looked up already.
    Raises FetchError, and ValueError for a URL that is no web address.
    """
    end = time.monotonic() + seconds
    parts = urlsplit(ask.url)
    # urlsplit takes line ends out of what it is given.
    printable = all("!" <= char <= "~" for char in ask.url)
    if not printable or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("a web address is http:// or https:// and a host")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = at or resolve(parts.hostname, seconds)
    stream = connect(address, port, end - time.monotonic())
    try:
        if parts.scheme == "https":
            stream = _secured(stream, parts.hostname, trust, end)
        stream.settimeout(_left(end))
        stream.sendall(
            _request(ask, parts.netloc, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        )
        return _answer(stream, end, limit, address)
    except TimeoutError:
        raise FetchError("timed out", "no whole answer in time", connected=True) from None
    except OSError as error:
        raise FetchError("not understood", error.strerror or str(error), connected=True) from None
    finally:
        stream.close()


def fetch_here(socket_path: str, target: str, seconds: float, *, limit: int = LIMIT) -> Fetched:
    """Ask a service of this computer that listens at a Unix socket (Docker). Raises FetchError."""
    end = time.monotonic() + seconds
    if not hasattr(socket, "AF_UNIX"):
        raise FetchError("unreachable", "this system has no such sockets")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        try:
            stream.settimeout(seconds)
            stream.connect(socket_path)
            stream.sendall(_request(Ask(""), "localhost", target))
            return _answer(stream, end, limit, "")
        except TimeoutError:
            raise FetchError("timed out", f"{socket_path} did not answer") from None
        except OSError as error:
            raise FetchError("unreachable", f"{socket_path}: {error.strerror}") from None


def resolve(host: str, seconds: float, *, ipv6: bool = False) -> str:
    """Give the first IPv4 address of a host in at most `seconds`; with `ipv6` one of IPv6 where there is no other.

    Raises FetchError.
    """
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host) if ipv6 else ipaddress.IPv4Address(host))
    family = socket.AF_UNSPEC if ipv6 else socket.AF_INET
    try:
        found = within(seconds, lambda: socket.getaddrinfo(host, None, family, socket.SOCK_STREAM))
    except TimeoutError:
        raise FetchError("unreachable", f"the resolver did not answer for {host}") from None
    except (OSError, UnicodeError):
        kind = "address" if ipv6 else "IPv4 address"
        raise FetchError("unreachable", f"the name {host} has no {kind}") from None
    first = min(found, key=lambda one: one[0] is not socket.AF_INET)
    return str(first[4][0])


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """Open a TCP connection to an address in at most `seconds`. Raises FetchError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return connect_to(family, (address, port), max(seconds, 0.05))
    except NotOpenError as error:
        said = {"timed out": " did not answer", "refused": " refused the connection"}
        why = said.get(error.outcome, f": {error.reason}")
        raise FetchError(error.outcome, f"{address} port {port}{why}") from None


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _secured(stream: socket.socket, host: str, trust: Trust, end: float) -> socket.socket:
    import ssl

    from plexops.transport.trust.certificates import tls_context

    context = tls_context(verify=trust == "authorities")
    try:
        stream.settimeout(_left(end))
        return context.wrap_socket(stream, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise FetchError("not understood", f"certificate: {error.verify_message}", connected=True) from None
    except ssl.SSLError as error:
        raise FetchError("not understood", f"no TLS: {error.reason}", connected=True) from None


def _request(ask: Ask, host: str, target: str) -> bytes:
    lines = [
        f"{'GET' if ask.body is None else 'POST'} {target} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: plexops",
        "Connection: close",
        *(f"{name}: {value}" for name, value in ask.headers.items()),
        *(() if ask.body is None else (f"Content-Length: {len(ask.body)}",)),
    ]
    if any(not line.isascii() or not line.isprintable() for line in lines):
        raise ValueError("a request holds printable ASCII only")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (ask.body or b"")


class _Drip(io.RawIOBase):
    """Reads a socket up to a time and a size: a device that sends a byte each second must not hold us."""

    def __init__(self, stream: socket.socket, end: float, limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._end = end
        self._rest = limit

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what has come. Raises TimeoutError, FetchError."""
        self._stream.settimeout(_left(self._end))
        count = self._stream.recv_into(buffer)
        self._rest -= count
        if self._rest < 0:
            raise FetchError("too long", "the answer is longer than it may be", connected=True)
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Give what HTTPResponse reads from, as it asks a socket for it."""
        del mode
        return io.BufferedReader(self, _CHUNK)


def _answer(stream: socket.socket, end: float, limit: int, address: str) -> Fetched:
    from http.client import HTTPException, HTTPResponse

    # Head and body share the limit, with some room for the head.
    response = HTTPResponse(_Drip(stream, end, limit + _CHUNK))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(limit + 1)
        while len(body) <= limit and (more := response.read(limit + 1 - len(body))):
            body += more
    except (HTTPException, ValueError) as error:
        raise FetchError("not understood", f"no HTTP ({type(error).__name__})", connected=True) from None
    if len(body) > limit:
        raise FetchError("too long", "the answer is longer than it may be", connected=True)
    if response.length:
        raise FetchError("not understood", "the answer was cut off", connected=True)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Fetched(response.status, body, address, MappingProxyType(headers))
