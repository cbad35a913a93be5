"""The registry: one module per resource kind, and this explicit list."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.model.resources.base import Claim, ResourceKind
from plexops.model.resources.conditions import DMZ, HOST_FIREWALL, REACHABILITY, WAN
from plexops.model.resources.dhcp_reservation import DHCP_RESERVATION, Reservation
from plexops.model.resources.firewall_rule import FIREWALL_RULE, FirewallRule
from plexops.model.resources.passage import PASSAGE, Passage
from plexops.model.resources.plex_remote_access import PLEX_REMOTE_ACCESS, RemoteAccess
from plexops.model.resources.port_forward import PORT_FORWARD, PortForward
from plexops.model.resources.upnp import UPNP, Upnp
from plexops.model.snapshot import Kind

#: What a task may name, in the order in which changes are applied (the passage comes with its forward).
RESOURCES: Mapping[Kind, ResourceKind] = {
    resource.kind: resource
    for resource in (
        DHCP_RESERVATION,
        FIREWALL_RULE,
        PORT_FORWARD,
        PLEX_REMOTE_ACCESS,
        UPNP,
        WAN,
        DMZ,
        HOST_FIREWALL,
        REACHABILITY,
    )
}

#: All that a profile may map.
KINDS: Mapping[Kind, ResourceKind] = {**RESOURCES, Kind.PASSAGE: PASSAGE}

__all__ = [
    "KINDS", "RESOURCES", "Claim", "FirewallRule", "Passage", "PortForward", "RemoteAccess", "Reservation", "ResourceKind",
    "Upnp",
]  # fmt: skip
