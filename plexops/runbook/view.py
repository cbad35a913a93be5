"""One site as the runbook looks at it: what the inventory says, and what every stop said."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from plexops.model.answers import Answer
from plexops.model.entries import Echo, Lease
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.model.values import Ports
from plexops.pattern import Pattern
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.packets import reach

#: How tunnels are called on Linux, macOS and by the VPN programs that name their own.
_TUNNEL = Pattern(r"(?:tun|tap|wg|utun|ppp|nordlynx|proton|mullvad|tailscale|gpd|ipsec)[\w.-]*")
Access = Literal["forward", "relay", "vpn", "proxy"]


class SiteView(Struct, frozen=True, dict=True):
    """What conditions and guards know. A role that is missing in `snapshots` was not asked or did not answer."""

    name: str
    access: Access = "forward"
    server_mac: str = ""
    server_address: IPv4Address | None = None
    server_is_static: bool = False
    #: Where the router must send packets for Plex.
    plex_address: IPv4Address | None = None
    plex_port: int = 32400
    #: The external ports that the playbook names for Plex.
    named_ports: frozenset[int] = frozenset()
    #: The ports that arrive at the home, where it has only a share of an address. None: all.
    port_share: Ports | None = None
    #: What is before the router hands viewers' port on to it, as the inventory says.
    upstream_passes_on: bool = False
    snapshots: Mapping[Role, Snapshot] = {}
    #: How old each snapshot is, in seconds.
    ages: Mapping[Role, float] = {}
    #: The stops that the inventory gives access to.
    asked: frozenset[Role] = frozenset()
    #: Where plexops itself logs in, by role: the path that no change may touch.
    management: Mapping[Role, tuple[str, int]] = {}
    #: Where this very Plex was met: where the router shall send packets, if it answered there with its own
    #: machineIdentifier, else where the URL leads. 127.0.0.1 is the server's own loopback.
    plex_answered_at: tuple[str, int] | None = None
    #: plex.tv was asked in this run to try again, and Plex's verdict is the one that came of it.
    refreshed: bool = False
    #: A run that was interrupted here and not settled yet.
    unfinished_run: str = ""
    #: What a person answered about this home, the newest of each topic.
    user_answers: tuple[Answer, ...] = ()

    @cached_property
    def walks(self) -> dict[tuple[str, reach.Asked, reach.Target], reach.Answer]:
        """What was asked of the boxes as they are: comparison, guards and verdict ask the same, and one walk is enough."""
        return {}

    def of(self, role: Role) -> Snapshot:
        """Give a stop's snapshot; an empty one, in which everything is unknown, where there is none."""
        return self.snapshots.get(role, Snapshot(role))

    @cached_property
    def plex_host(self) -> frozenset[IPv4Address]:
        """Every address that the Plex host has or shall have: a host is not one address.

        From the inventory, from the host itself, and from the router's leases for its MAC address.
        """
        found = {address for address in (self.plex_address, self.server_address) if address is not None}
        found |= held_by_server(self)
        found |= {*leased_to_server(self)}
        return frozenset(address for address in found if not address.is_loopback)

    def with_snapshot(self, snapshot: Snapshot) -> SiteView:
        """Give the view with one stop's snapshot replaced."""
        return replace(self, snapshots={**self.snapshots, snapshot.role: snapshot})


def told_by_server(view: SiteView) -> tuple[str, ...] | None:
    """Give the addresses that the server itself says it holds, as it writes them; None where it says nothing."""
    return view.of(Role.SERVER).texts("host.addresses")


def held_by_server(view: SiteView) -> frozenset[IPv4Address]:
    """Give the addresses that the server itself says it holds; where it says nothing, what the inventory does."""
    told = told_by_server(view)
    if told is None:
        return frozenset() if view.server_address is None else frozenset({view.server_address})
    return frozenset(address for text in told if (address := ipv4(text)) is not None)


def leased_to_server(view: SiteView) -> tuple[IPv4Address, ...]:
    """Give the addresses that the router's leases have for the server's MAC address."""
    leases = (entry.values for entry in view.of(Role.ROUTER).held(Lease))
    return tuple(lease.address for lease in leases if view.server_mac and lease.mac == view.server_mac)


def public_addresses(view: SiteView) -> list[tuple[IPv4Address, str, str]]:
    """Give what others see as our address, asked from the home: address, source, exhibit."""
    seen = [(e.values.address, e.values.source, e.exhibit) for e in view.of(Role.OUTSIDE).held(Echo)]
    plex = view.of(Role.PLEX)
    address = ipv4(plex.text("plex.public_address"))
    if address is not None:
        seen.append((address, "Plex", plex.shows("plex.public_address")))
    return seen


def operator_of(source: str) -> str:
    """Give who stands behind a source of our public address: two of one operator's are one witness.

    Plex's own word is plex.tv's, which v4.plex.tv gives as well. Of a name it is the part that somebody registered: its
    last two labels, or three where the second last is a registry's (`co.uk`).
    """
    if source == "Plex":
        return "plex.tv"
    host = source.partition(":")[0].lower().rstrip(".")
    labels = host.split(".")
    if ipv4(host) is not None or len(labels) < 3:
        return host
    shared = len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3 if shared else -2 :])


def second_hop(view: SiteView) -> str:
    """Give the box after the router on the server's own way to the internet; empty where it is not known."""
    hops = view.of(Role.SERVER).texts("host.hops")
    return hops[0] if hops and hops[0] != "-" else ""


def tunnel(view: SiteView) -> str | None:
    """Give the tunnel by which the server's traffic leaves; None where it does not, or that is not known."""
    interface = view.of(Role.SERVER).text("host.egress")
    return interface if interface and _TUNNEL.fullmatch(interface) else None


def looked_into(snapshot: Snapshot) -> bool:
    """Tell whether a stop was looked into: something was read there. What its family has no way to tell is no reading.

    UPnP's table alone is what a router tells anybody, without a login.
    """
    return any(
        state in (KindState.PRESENT, KindState.ABSENT)
        for kind, state in snapshot.kinds.items()
        if kind is not Kind.UPNP_MAPPING
    )


@lru_cache(maxsize=1024)
def ipv4(text: str | None) -> IPv4Address | None:
    """Read an address that a device told; None for what is none."""
    try:
        return None if text is None else IPv4Address(text)
    except ValueError:
        return None


def never_arrives(port: int, share: Ports | None) -> str | None:
    """Say that a port is none of the home's share of its address; None where it is, or the home has them all."""
    if share is None or port in share:
        return None
    return f"port {port} never arrives here: of the address that this home shares it has {share}"
