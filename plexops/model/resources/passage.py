"""The passage: what was forwarded also passes the router's filter. A change of its own on some families.

No task names it: it follows from `port_forward` where a chain of the router's own filter would drop the packets.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import cast

from msgspec import Struct

from plexops.model.fields import Field, FieldType
from plexops.model.resources.base import ResourceKind, Values, by
from plexops.model.snapshot import Kind, Role


class Passage(Struct, frozen=True):
    """An accept for translated TCP packets to one address and port, in the chain that would drop them."""

    address: IPv4Address
    port: int
    #: The chain, as the device's rules name it (`inet filter forward`, `forward`).
    chain: str
    #: The handle of the first rule there that drops: the accept stands before it. Empty: at the top.
    before: str = ""


def _build(fields: Values) -> Passage:
    return Passage(
        address=cast("IPv4Address", fields["address"]),
        port=int(str(fields["port"])),
        chain=str(fields.get("chain") or ""),
        before=str(fields.get("before") or ""),
    )


PASSAGE = ResourceKind(
    kind=Kind.PASSAGE,
    role=Role.ROUTER,
    title="Passage",
    description="The router's own filter accepts what was forwarded to Plex.",
    fields=(
        Field("address", FieldType.ADDRESS, "The forward's target.", ("192.168.1.50",), required=True),
        Field("port", FieldType.PORT, "The forward's target port.", (32400,), required=True),
        Field("chain", FieldType.HANDLE, "The chain that would drop.", ("inet filter forward",)),
        Field("before", FieldType.HANDLE, "The first rule there that drops.", ("*1A",)),
    ),
    build=_build,
    says=lambda values: f"accept translated tcp to {values.address}:{values.port} in {values.chain}",
    differs=by("address", "port", "chain"),
)  # fmt: skip
