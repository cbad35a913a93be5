"""Plex's answer to a search of the LAN, as a program of its own. Run with the machineIdentifier to tell."""

from __future__ import annotations

import socket
import sys

GROUP = "239.0.0.250"
PORT = 32414


def main() -> None:
    """Answer every search from the network."""
    answer = (
        "HTTP/1.0 200 OK\r\nContent-Type: plex/media-server\r\nName: mediabox\r\nPort: 32400\r\n"
        f"Resource-Identifier: {sys.argv[1]}\r\nVersion: 1.43.0\r\n\r\n"
    ).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.bind(("", PORT))
        member = socket.inet_aton(GROUP) + socket.inet_aton("0.0.0.0")
        stream.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        print("ready", flush=True)  # noqa: T201 (this is a program of its own)
        while True:
            data, sender = stream.recvfrom(2048)
            if data.startswith(b"M-SEARCH "):
                stream.sendto(answer, sender)


if __name__ == "__main__":
    main()
