"""Which DHCP server the Plex host has its address of: a reservation anywhere else keeps nothing."""

from __future__ import annotations

from ipaddress import IPv4Address

from plexops.model.snapshot import Role
from plexops.runbook.view import SiteView


def served_elsewhere(view: SiteView) -> str:
    """Say that another device than the router gave the host its address; empty where it did not, or that is not known."""
    router, told = view.of(Role.ROUTER), view.of(Role.SERVER).text("host.dhcp_server")
    own = router.text("lan.address")
    if told is None or own is None or view.server_is_static:
        return ""
    held = () if router.box is None or router.box.addresses is None else router.box.addresses
    if told == own or any(one.family == 4 and one.number == int(IPv4Address(told)) for one in held):
        return ""
    return f"{told} gave the host its address, and the router did not: make the reservation there"
