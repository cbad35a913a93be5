"""Which ports the vantages try in a diagnosis, and which of them stand in the home itself."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network

from plexops.model.site import Vantage
from plexops.model.snapshot import Kind, Role
from plexops.model.values import Protocol
from plexops.runbook.situation import Situation
from plexops.runbook.view import SiteView

#: A port that drops costs each vantage seconds.
_MOST = 2


def ports_to_try(view: SiteView, wanted: int | None) -> tuple[int, ...]:
    """Give the port at which outsiders knock, the one that is wanted, and those that the router forwards to Plex."""
    found: list[int | None] = [Situation(view, wanted).door, wanted]
    for entry in view.of(Role.ROUTER).of(Kind.PORT_FORWARD):
        forward = entry.values
        if forward is None or not forward.enabled or forward.address not in view.plex_host:
            continue
        if forward.protocol is not Protocol.UDP and forward.port.single == view.plex_port:
            found.append(forward.external_port.single)
    return tuple(dict.fromkeys(port for port in found if port))[:_MOST]


def is_inside(vantage: Vantage, view: SiteView) -> bool:
    """Tell whether a vantage stands in the LAN, as far as its address shows it: success there proves nothing."""
    lan = view.of(Role.ROUTER).text("lan.network")
    try:
        address = IPv4Address(vantage.ssh.address)
    except AddressValueError:
        return False
    return address in view.plex_host or (lan is not None and address in IPv4Network(lan))
