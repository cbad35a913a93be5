"""SSDP: ask the LAN which box says that it is the way to the internet (UPnP InternetGatewayDevice)."""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from plexops.model.igd import SSDP_GROUP
from plexops.pattern import Pattern
from plexops.transport.around.datagrams import ask_everybody, headers
from plexops.transport.net import is_private

SSDP_PORT = 1900
_KINDS = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
)
_LOCATION = Pattern(r"http://([0-9.]{7,15})(?::([0-9]{1,5}))?(/[!-~]{0,200})?")
#: A home has one or two of them.
_MOST = 8


class Gateway(Struct, frozen=True):
    """A box that says it is a gateway: its address, where its description is, and what it says it runs."""

    address: IPv4Address
    location: str
    server: str = ""


def find_gateways(
    interface: IPv4Address | None = None,
    *,
    seconds: float = 2.0,
    group: tuple[str, int] = SSDP_GROUP,
    also: IPv4Address | None = None,
) -> tuple[Gateway, ...]:
    """Search from the interface that has this address, for `seconds` at most (never longer than 2).

    `also`: a host that is asked by itself as well. A firewall of this computer lets its answer in, which it may not
    do for answers to a multicast. A description that does not lie on the very host that answered is passed over:
    anybody in the LAN may answer.
    """
    targets = [group, *([(str(also), group[1])] if also is not None and str(also) != group[0] else [])]
    requests = [(_request(kind, target), target) for target in targets for kind in _KINDS]
    found: dict[str, Gateway] = {}
    for sender, text in ask_everybody(requests, interface, min(seconds, 2.0)):
        gateway = read_answer(text, sender)
        if gateway is not None and len(found) < _MOST:
            found.setdefault(sender, gateway)
    return tuple(found.values())


def _request(kind: str, target: tuple[str, int]) -> bytes:
    host = f"{target[0]}:{target[1]}"
    return (
        f'M-SEARCH * HTTP/1.1\r\nHOST: {host}\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: {kind}\r\n\r\n'.encode()
    )


def read_answer(text: str, sender: str) -> Gateway | None:
    """Read one answer; None for what is no gateway's, or leads to another host."""
    fields = headers(text)
    if fields is None or fields.get("st", "") not in _KINDS:
        return None
    match = _LOCATION.fullmatch(fields.get("location", ""))
    if match is None or match[1] != sender or not is_private(sender):
        return None
    if match[2] is not None and not 1 <= int(match[2]) <= 65535:
        return None
    return Gateway(IPv4Address(sender), match[0], fields.get("server", ""))
