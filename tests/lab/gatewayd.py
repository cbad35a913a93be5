"""A gateway that says what a test gives it. Run as `gatewayd.py FILE`: JSON of texts by their place, `80` or `1900/udp`.

At 22 it speaks first, elsewhere it is asked. A list is sent piece by piece, with a pause behind each.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path


def tcp(port: int, pieces: list[str]) -> None:
    """Answer one caller after the other."""
    listening = socket.create_server(("", port))

    def serve() -> None:
        while True:
            stream, _ = listening.accept()
            with stream, suppress(OSError):
                if port != 22:
                    stream.recv(65536)
                for piece in pieces:
                    stream.sendall(piece.encode())
                    time.sleep(0.2 if len(pieces) > 1 else 0)

    threading.Thread(target=serve, daemon=True).start()


def udp(port: int, text: str) -> None:
    """Answer every packet."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("", port))

    def serve() -> None:
        while True:
            _, sender = listening.recvfrom(65536)
            listening.sendto(text.encode(), sender)

    threading.Thread(target=serve, daemon=True).start()


def main() -> None:
    """Serve until the input ends."""
    for place, said in json.loads(Path(sys.argv[1]).read_text()).items():
        port, _, kind = place.partition("/")
        if kind:
            udp(int(port), said)
        else:
            tcp(int(port), said if isinstance(said, list) else [said])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
