"""Who gave the server its address: what its own DHCP client wrote down.

Sources: systemd's sd-dhcp-lease.c (one file an interface, by its number), dhclient.leases(5) (the last lease of a file
counts), nmcli(1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address

from plexops.model.exchange import Command, Read, Reply
from plexops.pattern import Pattern

_NETWORKD = "/run/systemd/netif/leases/"
LEASE_READS = (
    Read(
        "leases",
        Command(
            "grep -EHrs '^SERVER_ADDRESS=|^ *interface |dhcp-server-identifier' "
            f"{_NETWORKD} /var/lib/dhcp/ /var/lib/dhclient/"
        ),
        absent=frozenset({1, 2}),
    ),
    Read("nmcli", Command("nmcli -t -f GENERAL.DEVICE,DHCP4 device show"), absent=frozenset({127, 8, 10})),
)
_DHCLIENT = Pattern(r"/var/lib/[^:]+: *(interface|option dhcp-server-identifier) \"?([^\";]+)\"?;")
_NMCLI = Pattern(r"(GENERAL\.DEVICE):(\S+)|DHCP4\.OPTION\[\d+\]:(dhcp_server_identifier) = (\S+)")


def lease_server(replies: Mapping[str, Reply], client: str, interface: str, number: str) -> str | None:
    """Give the address of the DHCP server that a client of the host has its lease of; None where it is not told.

    `number` is the interface's in the kernel. An old file of another client that does not run counts for nothing.
    """
    found: str | None = None
    here = False
    if not {"leases", "nmcli"} <= replies.keys():
        return None
    match client:
        case "systemd-networkd":
            said = re.search(
                rf"^{_NETWORKD}{re.escape(number)}:SERVER_ADDRESS=(\S+)$",
                _text(replies["leases"]),
                re.MULTILINE,
            )
            found = said[1] if said else None
        case "dhclient":
            for word, value in _DHCLIENT.findall(_text(replies["leases"])):
                here, found = (
                    (value == interface, found) if word == "interface" else (here, value if here else found)
                )
        case "NetworkManager":
            for device, name, option, value in _NMCLI.findall(_text(replies["nmcli"])):
                here, found = (
                    (name == interface, found) if device else (here, value if here and option else found)
                )
    try:
        return None if found is None else str(IPv4Address(found))
    except AddressValueError:
        return None


def _text(reply: Reply) -> str:
    return reply.body if reply.whole else ""
