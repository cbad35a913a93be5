"""The conditions: what must hold and what plexops can't make so. `runbook/` decides them."""

from __future__ import annotations

from plexops.model.resources.base import ResourceKind
from plexops.model.snapshot import Kind, Role

WAN = ResourceKind(
    kind=Kind.WAN,
    role=Role.ROUTER,
    title="Public WAN address",
    description="The router's WAN address is the public one: no carrier NAT and no second NAT stand before it.",
    is_condition=True,
    default_key="wan",
)

DMZ = ResourceKind(
    kind=Kind.DMZ,
    role=Role.ROUTER,
    title="No DMZ",
    description="The Plex host is no DMZ or exposed host, and 32400 is not forwarded as such.",
    is_condition=True,
    default_key="dmz",
)

HOST_FIREWALL = ResourceKind(
    kind=Kind.HOST_FIREWALL,
    role=Role.SERVER,
    title="Host firewall on",
    description="The server's own firewall is switched on.",
    is_condition=True,
    default_key="host_firewall",
)

REACHABILITY = ResourceKind(
    kind=Kind.REACHABILITY,
    role=Role.OUTSIDE,
    title="Reachable from outside",
    description="Plex is reachable from the internet in the way that `access` names.",
    is_condition=True,
    default_key="reachability",
)
