"""`dhcp_reservation`: the router gives a host the same address every time."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import cast

from msgspec import Struct

from plexops.model.fields import Field, FieldType, FromSite
from plexops.model.resources.base import Claim, ResourceKind, Values, by
from plexops.model.snapshot import Kind, Role


class Reservation(Struct, frozen=True):
    """A reservation. Some routers let one entry hold several MAC addresses. No address: it only names a host."""

    macs: tuple[str, ...]
    address: IPv4Address | None
    name: str = ""
    enabled: bool = True

    @property
    def mac(self) -> str:
        """The first, and nearly always only, MAC address."""
        return self.macs[0] if self.macs else ""


def _build(fields: Values) -> Reservation:
    mac = fields.get("mac")
    macs = mac if isinstance(mac, tuple) else (str(mac),) if mac else ()
    return Reservation(
        macs=macs,
        address=cast("IPv4Address | None", fields.get("address")),
        name=str(fields.get("name") or ""),
        enabled=fields.get("enabled") is not False,
    )


def _says(values: Reservation) -> str:
    off = "" if values.enabled else " (switched off)"
    return f"{' '.join(values.macs)} → {values.address}{off}"


def _differs(want: Reservation, have: Reservation) -> tuple[str, ...]:
    mac = () if want.mac in have.macs else ("mac",)
    return (*mac, *by("address", "enabled")(want, have))


def _claims(want: Reservation, have: Reservation) -> Claim:
    if want.mac in have.macs:
        return Claim.SAME
    if have.enabled and want.address == have.address:
        return Claim.BLOCKS
    return Claim.NONE


DHCP_RESERVATION = ResourceKind(
    kind=Kind.DHCP_RESERVATION,
    role=Role.ROUTER,
    title="DHCP reservation",
    description="The router's DHCP server always gives this host the same address, so that a forward stays right.",
    fields=(
        Field("mac", FieldType.MAC, "The MAC address of the Plex host.",
              ("52:54:00:12:34:56",), default=FromSite("server.mac")),
        Field("address", FieldType.ADDRESS,
              "The address that the host shall always get. It lies in the router's LAN.",
              ("192.168.1.50",), default=FromSite("server.address")),
        Field("name", FieldType.WORD, "The host name that the reservation bears on the router.",
              ("plex",), default="plex"),
        Field("enabled", FieldType.FLAG, "Whether the reservation is switched on.",
              (True,), default=True, in_task=False),
    ),
    build=_build,
    says=_says,
    differs=_differs,
    claims=_claims,
)  # fmt: skip
