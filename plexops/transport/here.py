"""This computer's own place in the network: its address on a way, its cards' MAC addresses. No packet is sent."""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from msgspec import Struct

from plexops.transport.ssh_settings import Become

#: Linux: the hardware address of an interface. /sys is no help: it may be another network namespace's.
_SIOCGIFHWADDR = 0x8927
_ETHERNET = 1
#: Only looked up in this computer's own routes; no packet goes there.
SOMEWHERE = IPv4Address("1.1.1.1")


class HereSettings(Struct, frozen=True):
    """This computer as one that is asked; `device` is the name by which it is recorded."""

    device: str


class LocalSettings(Struct, frozen=True):
    """A device that is this computer itself: its own shell is asked. `device` is the name that messages use."""

    device: str
    become: Become | None = None
    console: Literal["posix"] = "posix"

    @property
    def where(self) -> str:
        """Device and way, for the problems of this connection."""
        return f"{self.device}, this computer"


def holds_address(address: IPv4Address) -> bool:
    """Tell whether this computer has an address: the way to its own leads from it."""
    return address_towards(address) == address


def address_towards(target: IPv4Address) -> IPv4Address | None:
    """Give this computer's address on the way to another; None where no way leads there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        try:
            stream.connect((str(target), 9))  # a UDP socket only looks its route up
            return IPv4Address(stream.getsockname()[0])
        except OSError:
            return None


def routes() -> str:
    """Give Linux's table of this computer's own routes. Raises OSError, also on other systems."""
    return Path("/proc/net/route").read_text(encoding="ascii", errors="replace")


def mac_of_interface(name: str) -> str:
    """Give the MAC address of one of this computer's network cards; empty where it has none, and not on Linux."""
    if sys.platform != "linux" or len(name.encode()) > 15:
        return ""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        try:
            answer = fcntl.ioctl(stream.fileno(), _SIOCGIFHWADDR, struct.pack("256s", name.encode()))
        except OSError:
            return ""
    (kind,) = struct.unpack_from("=H", answer, 16)
    return ":".join(f"{byte:02x}" for byte in answer[18:24]) if kind == _ETHERNET else ""
