"""What lies between a simulated home's router and the Internet: the ISP's addresses, its NATs, the hops on the way."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from plexops.lab.base import WAN_ADDRESS, WAN_GATEWAY, WayOut
from plexops.structs import replace

IspKind = Literal[
    "public", "cgnat", "double_nat", "passed_on", "isp_blocks", "ds_lite", "down", "differs", "documentation", "two_ways",
    "policy", "shared_ports",
]  # fmt: skip
#: What the Internet sees where the ISP's own NAT, or its box, shares one public address.
SHARED_PUBLIC_ADDRESS = IPv4Address("62.155.33.77")
_BACKBONE = (IPv4Address("62.154.6.94"), IPv4Address("80.157.200.33"))


class Isp(Struct, frozen=True):
    """One kind of connection. `shared` is the public address where it is not the router's own."""

    wan: IPv4Address
    gateway: IPv4Address
    prefix: int
    shared: IPv4Address | None = None
    up: bool = True
    #: By which the home's own traffic leaves, where that is not the WAN side.
    second: WayOut | None = None
    #: Whether only the Plex host's traffic does, by a rule of the router's; `shared` is then the far end's address.
    policy: bool = False
    #: Whether the ISP's box sends every connection to its public address on to the router.
    passes_on: bool = False
    #: The ports that come to the router's address; others are other homes'.
    share: range = range(65536)
    #: The hops after the router; None for one that answers nothing.
    beyond: tuple[IPv4Address | None, ...] = ()

    @property
    def public(self) -> IPv4Address:
        """The address that the Internet sees."""
        return self.shared or (self.wan if self.second is None else self.second.address)

    def leads_home(self, public: IPv4Address, port: int) -> bool:
        """Tell whether a connection to a public address comes to the router's WAN side. A second way forwards nothing."""
        if port not in self.share:
            return False
        if self.shared is not None and not self.policy:
            return self.passes_on and public == self.shared
        return public == self.wan


def _isp(
    wan: str,
    gateway: str,
    prefix: int,
    *,
    shared: bool = False,
    beyond: tuple[IPv4Address | None, ...] = _BACKBONE,
) -> Isp:
    first = IPv4Address(gateway)
    public = SHARED_PUBLIC_ADDRESS if shared else None
    return Isp(IPv4Address(wan), first, prefix, public, beyond=(first, *beyond))


_OWN = _isp(str(WAN_ADDRESS), str(WAN_GATEWAY), 24)
_SECOND = WayOut(IPv4Address("84.133.10.9"), IPv4Address("84.133.10.1"))
_TUNNEL = WayOut(IPv4Address("10.9.0.2"), IPv4Address("10.9.0.1"))
_DOUBLE = _isp("192.168.178.20", "192.168.178.1", 24, shared=True)
_SILENT = _isp(str(WAN_ADDRESS), str(WAN_GATEWAY), 24, beyond=(None, None))
ISPS: Mapping[IspKind, Isp] = {
    "public": _OWN,
    "isp_blocks": _SILENT,
    "cgnat": _isp("100.72.13.5", "100.72.0.1", 10, shared=True),
    "double_nat": _DOUBLE,
    "passed_on": replace(_DOUBLE, passes_on=True),
    # RFC 6333: the router's end of the tunnel; the carrier's end answers as 192.0.0.1.
    "ds_lite": _isp("192.0.0.2", "192.0.0.1", 29, shared=True),
    # An address that some carriers use inside, and that no list of private ranges holds.
    "differs": _isp("25.30.40.50", "25.30.40.1", 24, shared=True, beyond=(None, *_BACKBONE)),
    "documentation": _isp("203.0.113.20", "203.0.113.1", 24),
    "two_ways": Isp(WAN_ADDRESS, WAN_GATEWAY, 24, second=_SECOND, beyond=(_SECOND.gateway, *_BACKBONE)),
    "policy": replace(
        _OWN,
        shared=IPv4Address("185.65.134.80"),
        second=_TUNNEL,
        policy=True,
        beyond=(_TUNNEL.gateway, None),
    ),
    "shared_ports": replace(_OWN, share=range(49152, 65536)),
    "down": Isp(WAN_ADDRESS, WAN_GATEWAY, 24, up=False),
}
