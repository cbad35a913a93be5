"""Writes down what a machine asks: every packet that opens a question, over UDP or TCP, SSH's aside.

Run in its network with the interface and the file to write to. A line is `udp ADDRESS:PORT first line`, or, for what
is no text, its bytes in hexadecimal; a SOAP action stands behind its request.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
from pathlib import Path

#: What leaves is only shown to a tap that asks for every protocol.
_EVERY, _IPV4 = 3, 0x0800
_OUTGOING = 4
_TCP, _UDP = 6, 17
_QUESTION = re.compile(rb"(?:GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS) ")
_ACTION = re.compile(rb'(?i)\r\nsoapaction: "[^"#]*#([^"]*)"')


def asked(packet: bytes) -> str:
    """Give what a packet asks; empty for one that opens no question."""
    head = (packet[0] & 15) * 4
    to, kind = socket.inet_ntoa(packet[16:20]), packet[9]
    if kind not in (_TCP, _UDP):
        return f"protocol {kind} {to}"
    port = struct.unpack_from("!H", packet, head + 2)[0]
    if kind == _UDP:
        data = packet[head + 8 :]
        return f"udp {to}:{port} {_line(data)}"
    data = packet[head + (packet[head + 12] >> 4) * 4 : struct.unpack_from("!H", packet, 2)[0]]
    if not _QUESTION.match(data):
        return ""
    action = _ACTION.search(data)
    return f"tcp {to}:{port} {_line(data)}" + (f" {action[1].decode('ascii', 'replace')}" if action else "")


def _line(data: bytes) -> str:
    first = data.partition(b"\r\n")[0]
    return first.decode("ascii") if first.isascii() and first.decode("ascii").isprintable() else data.hex()


def main() -> None:
    """Write until ended."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY)) as tap:
        tap.bind((sys.argv[1], _EVERY))
        with Path(sys.argv[2]).open("a", buffering=1) as file:
            print("ready", flush=True)  # noqa: T201 (this is a program of its own)
            while True:
                packet, sender = tap.recvfrom(65536)
                text = asked(packet) if sender[1:3] == (_IPV4, _OUTGOING) else ""
                if text:
                    file.write(f"{text}\n")


if __name__ == "__main__":
    main()
