"""A handler of HTTP requests behind a real port."""

from __future__ import annotations

from plexops.lab.https import Handler, TlsFiles, serve_http
from plexops.lab.network import Listener


def listening(handler: Handler, tls: TlsFiles | None = None) -> Listener:
    """Serve requests at a loopback port until `close`."""
    return Listener(lambda stream: serve_http(stream, handler, tls), "http")
