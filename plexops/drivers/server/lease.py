"""Who gave the server its address: what its own DHCP client wrote down.

Sources: systemd's sd-dhcp-lease.c (one file an interface, by its number), dhclient.leases(5) (the last lease of a file
counts), nmcli(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
#: An interface, or the server of the lease on the one that was named before.
_DHCLIENT = Pattern(
    r"/var/lib/[^:]+: *(?:interface \"?([^\";]+)|option dhcp-server-identifier \"?([^\";]+))\"?;"
)
_NMCLI = Pattern(r"GENERAL\.DEVICE:(\S+)|DHCP4\.OPTION\[\d+\]:dhcp_server_identifier = (\S+)")


def lease_server(replies: Mapping[str, Reply], client: str, interface: str, number: str) -> str | None:
    """Give the address of the DHCP server that a client of the host has its lease of; None where it is not told.

    `number` is the interface's in the kernel. An old file of another client that does not run counts for nothing.
    """
    if not {"leases", "nmcli"} <= replies.keys():
        return None
    leases, nmcli = (replies[name].body if replies[name].whole else "" for name in ("leases", "nmcli"))
    found: str | None = None
    match client:
        case "systemd-networkd":
            file = f"{_NETWORKD}{re.escape(number)}"
            said = re.search(rf"^{file}:SERVER_ADDRESS=(\S+)$", leases, re.MULTILINE)
            found = said[1] if said else None
        case "dhclient":
            found = _last_of(interface, _DHCLIENT.findall(leases))
        case "NetworkManager":
            found = _last_of(interface, _NMCLI.findall(nmcli))
    try:
        return None if found is None else str(IPv4Address(found))
    except AddressValueError:
        return None


def _last_of(interface: str, told: Iterable[tuple[str, str]]) -> str | None:
    found, here = None, False
    for name, server in told:
        if name:
            here = name == interface
        elif here:
            found = server
    return found
