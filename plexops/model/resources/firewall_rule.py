"""`firewall_rule`: the server's own firewall lets Plex in."""

from __future__ import annotations

from msgspec import Struct

from plexops.model.fields import Field, FieldType, FromSite
from plexops.model.resources.base import ResourceKind, by
from plexops.model.snapshot import Kind, Role


class FirewallRule(Struct, frozen=True):
    """An allow rule for TCP to one port from anywhere: forwarded packets keep their public source address.

    A forward is of IPv4. That the rule is for IPv6 too (`over_ipv6`) is wanted by no task: earlier versions made it so,
    and others do; behind it, an accept of the router's for IPv6 would be a way in of which no plan speaks.
    """

    port: int
    over_ipv6: bool = False


def _says(values: FirewallRule) -> str:
    return f"allow tcp {values.port} from anywhere over IPv4{' and IPv6' if values.over_ipv6 else ''}"


FIREWALL_RULE = ResourceKind(
    kind=Kind.FIREWALL_RULE,
    role=Role.SERVER,
    title="Host firewall rule",
    description="The host firewall admits TCP over IPv4 to the port where Plex listens. It is never switched on or off.",
    fields=(
        Field("port", FieldType.PORT, "The port where Plex listens on the host.",
              (32400,), default=FromSite("plex.port")),
    ),
    build=lambda fields: FirewallRule(port=int(str(fields["port"]))),
    says=_says,
    differs=by("port", "over_ipv6"),
)  # fmt: skip
