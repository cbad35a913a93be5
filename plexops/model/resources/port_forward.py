"""`port_forward`: the router sends one external TCP port to Plex."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import cast

from msgspec import Struct

from plexops.model.fields import Field, FieldType, FieldValue, FromSite
from plexops.model.resources.base import Claim, ResourceKind, Values, by
from plexops.model.snapshot import Kind, Role
from plexops.model.values import ALL_PORTS, Ports, Protocol

#: The source of a forward that anybody may use.
ANYBODY = "any"
#: What stands before the limits of a forward that any sender may use, such as `where weekdays Sat Sun`.
LIMITED = "where "


class PortForward(Struct, frozen=True):
    """A destination NAT from the WAN side. No address: the router itself is the target."""

    external_port: Ports
    address: IPv4Address | None
    port: Ports
    protocol: Protocol = Protocol.TCP
    enabled: bool = True
    source: str = ANYBODY
    name: str = ""

    @property
    def is_dmz(self) -> bool:
        """Whether it hands over every port: what routers call DMZ, exposed host or default server."""
        return self.external_port.everything and self.address is not None


def narrowed(source: str) -> str:
    """Say for whom alone, or when, a forward is there. Limits besides the sender stand behind `where`."""
    return f"only {source}" if source.startswith(LIMITED) else f"only from {source}"


def as_ports(value: FieldValue | tuple[str, ...] | None) -> Ports:
    """Read a field that names ports; nothing means all of them."""
    if isinstance(value, Ports):
        return value
    if isinstance(value, int):
        return Ports.of(value)
    return ALL_PORTS if not value else Ports.parse(str(value))


def _build(fields: Values) -> PortForward:
    external = as_ports(fields.get("external_port"))
    inner = fields.get("port")
    return PortForward(
        external_port=external,
        address=cast("IPv4Address | None", fields.get("address")),
        port=external if inner in (None, "") else as_ports(inner),
        protocol=cast("Protocol", fields.get("protocol") or Protocol.TCP),
        enabled=fields.get("enabled") is not False,
        source=str(fields.get("source") or ANYBODY),
        name=str(fields.get("name") or ""),
    )


def _says(values: PortForward) -> str:
    inner = "" if values.port.everything else f":{values.port}"
    outer = "all ports" if values.external_port.everything else str(values.external_port)
    notes = [
        "" if values.protocol is Protocol.TCP else str(values.protocol),
        "" if values.source == ANYBODY else narrowed(values.source),
        "" if values.enabled else "switched off",
    ]
    extra = ", ".join(note for note in notes if note)
    return f"{outer} → {values.address or 'the router itself'}{inner}" + (f" ({extra})" if extra else "")


def _claims(want: PortForward, have: PortForward) -> Claim:
    """Judge another's forward: the same port to Plex's port or host is ours to correct, all else blocks."""
    if not have.external_port.overlaps(want.external_port) or not have.protocol.meets(want.protocol):
        return Claim.NONE
    same_port = have.external_port == want.external_port
    same_purpose = have.address == want.address or have.port == want.port
    if same_port and same_purpose:
        return Claim.SAME
    return Claim.BLOCKS if have.enabled else Claim.NONE


PORT_FORWARD = ResourceKind(
    kind=Kind.PORT_FORWARD,
    role=Role.ROUTER,
    title="Port forward",
    description="The router forwards one external TCP port, chosen by you, to the port where Plex listens.",
    fields=(
        Field("external_port", FieldType.PORT, "The port on the internet side: 1024 to 65535, never 32400.",
              (32500,), required=True),
        Field("address", FieldType.ADDRESS, "Where the router sends the packets: the Plex host's LAN address.",
              ("192.168.1.50",), default=FromSite("plex.address")),
        Field("port", FieldType.PORT, "The port where Plex answers on that address.",
              (32400,), default=FromSite("plex.port")),
        Field("protocol", FieldType.PROTOCOL, "What is forwarded. Plex needs TCP; UDP is refused.",
              ("tcp",), default=Protocol.TCP),
        Field("enabled", FieldType.FLAG, "Whether the forward is switched on.",
              (True,), default=True, in_task=False),
        Field("source", FieldType.TEXT, "Who may use it: `any`, or an address or network.",
              (ANYBODY,), default=ANYBODY, in_task=False),
        Field("name", FieldType.TEXT, "The name that the forward bears on the router.",
              ("plexops: Plex remote access",), default="plexops: Plex remote access"),
    ),
    build=_build,
    says=_says,
    differs=by("external_port", "address", "port", "protocol", "enabled", "source"),
    claims=_claims,
)  # fmt: skip
