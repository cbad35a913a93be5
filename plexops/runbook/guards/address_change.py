"""A host that gets another address: what leads to the one that it holds would lead there no more."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from plexops.model.change import Change
from plexops.model.entries import Lease
from plexops.model.packets import Box, TranslateDestination
from plexops.model.resources import PortForward, Reservation
from plexops.model.snapshot import Role
from plexops.runbook.view import SiteView, ipv4, leased_to_server, told_by_server


def brings_to(view: SiteView, change: Change) -> IPv4Address | None:
    """Give the address that the Plex host will have and does not hold yet; None where a change moves it nowhere."""
    want = change.want
    if isinstance(want, IPv4Address):
        return want
    if not isinstance(want, Reservation):
        return None
    held = told_by_server(view)
    if held is not None and view.server_mac in want.macs:
        return None if str(want.address) in held else want.address
    leases = (entry.values for entry in view.of(Role.ROUTER).held(Lease))
    holds = any(lease.mac in want.macs and lease.address == want.address for lease in leases)
    return None if holds else want.address


def left_behind(now: SiteView, then: SiteView, to: IPv4Address) -> tuple[str, str]:
    """Give the address that the host holds and that something of `then` still leads to, and what; empty for nothing."""
    for address in _held(now):
        if address != to:
            for name in _leading_to(then, address):
                return str(address), name
    return "", ""


def ways_out(address: str, name: str) -> str:
    """Say what leads where the host is now, and what a person can do about it."""
    return (
        f"{name} leads to {address}, where the host is now, and would lead there no more. Keep that address "
        f"(`server.address: {address}` in the inventory), or let the forward be changed with it (`--adopt ID`)"
    )


def _held(view: SiteView) -> Sequence[IPv4Address]:
    texts = told_by_server(view)
    told = [address for text in texts or () if (address := ipv4(text)) is not None]
    found = told if texts else leased_to_server(view)
    return [address for address in found if not address.is_loopback]


def _leading_to(view: SiteView, address: IPv4Address) -> Sequence[str]:
    router = view.of(Role.ROUTER)
    forwards = router.held(PortForward)
    entries = [e for e in forwards if e.values.enabled and e.values.address == address]
    return [f"the forward {e.called}" for e in entries] or _rules_to(router.box, int(address))


def _rules_to(box: Box | None, address: int) -> Sequence[str]:
    """Give what the router's filter itself translates to an address, in whatever form."""
    chains = () if box is None else tuple(box.chains.values())
    return [
        rule.called
        for chain in chains
        if chain.hook is None or chain.hook.nat
        for rule in chain.rules
        if not rule.off and "upnp" not in chain.id
        for effect in rule.effects
        if isinstance(effect, TranslateDestination)
        and any(first <= address <= last for first, last in effect.addresses or ())
    ]
