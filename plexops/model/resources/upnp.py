"""`upnp`: whether hosts may open ports on the router by themselves."""

from __future__ import annotations

from msgspec import Struct

from plexops.model.fields import Field, FieldType
from plexops.model.resources.base import ResourceKind, by
from plexops.model.snapshot import Kind, Role


class Upnp(Struct, frozen=True):
    """The router's switch for UPnP and NAT-PMP."""

    enabled: bool


UPNP = ResourceKind(
    kind=Kind.UPNP,
    role=Role.ROUTER,
    title="UPnP",
    description="Whether hosts in the LAN may open ports on the router by themselves (UPnP, NAT-PMP).",
    fields=(
        Field("enabled", FieldType.FLAG,
              "Switch UPnP on or off. Off is applied last, and only when no other host uses it.",
              (False,), required=True),
    ),
    singleton=True,
    build=lambda fields: Upnp(enabled=fields.get("enabled") is True),
    says=lambda values: f"UPnP {'on' if values.enabled else 'off'}",
    differs=by("enabled"),
)  # fmt: skip
