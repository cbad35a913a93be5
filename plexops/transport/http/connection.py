"""HTTP by Python's own client over our own sockets.

It builds and reads HTTP; who is connected to, whether it is trusted, and that nothing follows a redirect or looks into
the environment is decided here.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from plexops.model.exchange import Call, SoapCall
from plexops.structs import replace, to_plain
from plexops.transport.http_settings import HttpSettings
from plexops.transport.net import QuickAckSocket

_ACCEPT = {"json": "application/json", "xml": "application/xml", "any": "*/*"}
#: What a path may hold as it is: the rest is written in percent.
_IN_A_PATH = "!#$%&'()*+,/:;=?@[]~"


class Request(Struct, frozen=True):
    """One request without its login. `target` is path and query, as they go over the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None


def request_to(settings: HttpSettings, call: Call | SoapCall) -> Request:
    """Give a request to a path of a device. Raises ValueError for what is no path, and for an action that is none."""
    if isinstance(call, SoapCall):
        from plexops.languages.soap import action_of, envelope

        plain = request_to(settings, Call("POST", call.path, accept="any"))
        spoken = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{action_of(call)}"'}
        return replace(plain, headers={**plain.headers, **spoken}, body=envelope(call))
    if not call.path.startswith("/") or "?" in call.path or "#" in call.path:
        raise ValueError(f"{call.path!r} is no path")
    path = urlsplit(settings.base_url).path.rstrip("/") + call.path
    asked = f"?{urlencode(call.query)}" if call.query else ""
    headers = {"Accept": _ACCEPT[call.accept], "Accept-Encoding": "identity", "User-Agent": "plexops"}
    headers |= dict(settings.headers) | dict(call.headers)
    body = None
    if call.body is not None:
        body = json.dumps(call.body, default=to_plain).encode()
        headers["Content-Type"] = "application/json"
    return Request(call.method, quote(path, safe=_IN_A_PATH) + asked, headers, body)


class WholeHead(http.client.HTTPResponse):
    """An answer whose head must be complete.

    http.client takes the end of the connection for the end of the head, so that one which broke off there would
    look like a whole answer with nothing in it.
    """

    def begin(self) -> None:
        """Read the head. Raises IncompleteRead where it breaks off."""
        lines = _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment]  # only for the head
        super().begin()
        if self.fp is not None:
            self.fp = lines.stream
        if lines.last not in (b"\r\n", b"\n"):
            raise http.client.IncompleteRead(lines.last)


class Connection(http.client.HTTPConnection):
    """One device's connection. The login is bound as a request leaves, and to nothing that stays."""

    response_class = WholeHead

    def __init__(self, settings: HttpSettings, open_socket: Callable[[], socket.socket]) -> None:
        super().__init__(settings.host, settings.port)
        self.default_port = 443 if settings.secure else 80
        self._open = open_socket

    def connect(self) -> None:
        """Take a socket that was opened, and its peer verified, elsewhere."""
        self.sock = self._open()

    def exchange(self, request: Request, seconds: float) -> http.client.HTTPResponse:
        """Send a request with its login in it and read the head of its answer; no receive takes longer than `seconds`.

        Where nothing lies between the device and us, all of them together do not.
        """
        if self.sock is None:
            self.connect()
        self.sock.settimeout(seconds)
        if isinstance(self.sock, QuickAckSocket):
            self.sock.until = time.monotonic() + seconds
        self.request(request.method, request.target, request.body, request.headers)
        return self.getresponse()


class _Lines:
    """A stream that remembers the last line that was read from it."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self.stream = stream
        self.last = b""

    def readline(self, size: int = -1) -> bytes:
        self.last = self.stream.readline(size)
        return self.last

    def close(self) -> None:
        self.stream.close()

    def flush(self) -> None:
        self.stream.flush()
