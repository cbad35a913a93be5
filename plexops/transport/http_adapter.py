"""requests over our own sockets. Imports requests: load this module only when a request is made.

requests builds and reads HTTP; who is connected to, whether it is trusted, and that nothing follows a redirect or
looks into the environment is decided here.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from plexops.transport.http_settings import BasicLogin, HttpSettings

Open = Callable[[], socket.socket]


class Adapter(HTTPAdapter):
    """One device's connections. The login is bound as a request leaves, and to this device's origin alone."""

    def __init__(self, settings: HttpSettings, open_socket: Open) -> None:
        self._settings = settings
        self._open = open_socket
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        """Make pools whose connections come from our own sockets."""
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._open)

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Name the pool by its origin alone: trust is the socket's."""
        del verify, cert
        parts = urlsplit(request.url or "")
        return {"scheme": parts.scheme, "host": parts.hostname, "port": parts.port}, {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the socket was verified when it was opened."""

    def add_headers(self, request: PreparedRequest, **kwargs: Any) -> None:
        """Bind the login. Raises ValueError for a request to another origin."""
        del kwargs
        settings = self._settings
        asked, ours = urlsplit(request.url or ""), urlsplit(settings.base_url)
        if (asked.scheme, asked.hostname, asked.port) != (ours.scheme, ours.hostname, ours.port):
            raise ValueError("a request to another origin")
        request.headers.update(_login(settings))


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


def _login(settings: HttpSettings) -> Mapping[str, str]:
    login = settings.login
    if login is None:
        return {}
    if isinstance(login, BasicLogin):
        pair = f"{login.key.reveal()}:{login.secret.reveal()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {login.name: login.secret.reveal()}


def _pools(open_socket: Open) -> dict[str, Any]:
    """Give urllib3's pools with connections that take their sockets from `open_socket`."""

    class Plain(HTTPConnection):
        response_class = WholeHead

        def connect(self) -> None:
            self.sock = open_socket()

    class Secure(HTTPSConnection):
        response_class = WholeHead

        def connect(self) -> None:
            self.sock = open_socket()
            self.is_verified = True

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
