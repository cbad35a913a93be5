"""The registry: one module per resource kind, the conditions, and this explicit list."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.model.resources.base import Claim, ResourceKind
from plexops.model.resources.dhcp_reservation import DHCP_RESERVATION, Reservation
from plexops.model.resources.firewall_rule import FIREWALL_RULE, FirewallRule
from plexops.model.resources.passage import PASSAGE, Passage
from plexops.model.resources.plex_remote_access import PLEX_REMOTE_ACCESS, RemoteAccess
from plexops.model.resources.port_forward import PORT_FORWARD, PortForward
from plexops.model.resources.upnp import UPNP, Upnp
from plexops.model.snapshot import Kind, Role

#: What must hold and what plexops can't make so: `runbook/` decides them.
_CONDITIONS = (
    (Kind.WAN, Role.ROUTER, "Public WAN address",
     "The router's WAN address is the public one: no carrier NAT and no second NAT stand before it."),
    (Kind.DMZ, Role.ROUTER, "No DMZ", "The Plex host is no DMZ or exposed host, and 32400 is not forwarded as such."),
    (Kind.HOST_FIREWALL, Role.SERVER, "Host firewall on", "The server's own firewall is switched on."),
    (Kind.REACHABILITY, Role.OUTSIDE, "Reachable from outside",
     "Plex is reachable from the internet in the way that `access` names."),
)  # fmt: skip
#: What a task may name, in the order in which changes are applied (the passage comes with its forward).
RESOURCES: Mapping[Kind, ResourceKind] = {
    resource.kind: resource
    for resource in (DHCP_RESERVATION, FIREWALL_RULE, PORT_FORWARD, PLEX_REMOTE_ACCESS, UPNP)
} | {
    kind: ResourceKind(kind, role, title, description, is_condition=True, default_key=str(kind))
    for kind, role, title, description in _CONDITIONS
}

#: All that a profile may map.
KINDS: Mapping[Kind, ResourceKind] = {**RESOURCES, Kind.PASSAGE: PASSAGE}

__all__ = [
    "KINDS", "RESOURCES", "Claim", "FirewallRule", "Passage", "PortForward", "RemoteAccess", "Reservation", "ResourceKind",
    "Upnp",
]  # fmt: skip
