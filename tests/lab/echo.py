"""An address echo, as public ones are: it answers at /ip from which address it was asked.

Run with the addresses to listen on.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    """Says who asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = self.path == "/ip"
        body = f"{self.client_address[0]}\n".encode() if found else b"not found\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    """Listens without asking a nameserver for its own name, which would cost seconds here."""

    def server_bind(self) -> None:
        """Bind, and nothing else."""
        socketserver.TCPServer.server_bind(self)


def main() -> None:
    """Serve on port 80 of every address given."""
    servers = [Server((address, 80), Echo) for address in sys.argv[1:]]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    print("ready", flush=True)  # noqa: T201 (this is a program of its own)


if __name__ == "__main__":
    main()
