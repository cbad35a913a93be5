"""`firewall_rule`: the server's own firewall lets Plex in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plexops.model.fields import Field, FieldType, FieldValue, FromSite
from plexops.model.resources.base import ResourceKind
from plexops.model.snapshot import Kind, Role


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """An allow rule for TCP to one port from anywhere: forwarded packets keep their public source address."""

    port: int


def _build(fields: Mapping[str, FieldValue | tuple[str, ...] | None]) -> FirewallRule:
    return FirewallRule(port=int(str(fields["port"])))


FIREWALL_RULE = ResourceKind(
    kind=Kind.FIREWALL_RULE,
    role=Role.SERVER,
    title="Host firewall rule",
    description="The host firewall admits TCP to the port where Plex listens. It is never switched on or off.",
    fields=(
        Field(
            "port",
            FieldType.PORT,
            "The port where Plex listens on the host.",
            (32400,),
            default=FromSite("plex.port"),
        ),
    ),
    build=_build,
    says=lambda values: f"allow tcp {values.port} from anywhere",
)
