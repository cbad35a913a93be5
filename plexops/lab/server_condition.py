"""What can be wrong or worth knowing about the simulated server."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct

from plexops.lab.base import LAN_ADDRESS

LAN = IPv4Network("192.168.1.0/24")
LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104
NOWHERE = IPv4Address(EVERYWHERE)
CONTAINER_ADDRESS = IPv4Address("172.17.0.2")
TUNNEL_PUBLIC = IPv4Address("185.65.134.70")
TUNNEL_ADDRESS = IPv4Address("10.8.0.2")
TUNNEL_GATEWAY = IPv4Address("10.8.0.1")


#: Where Plex's log lies below a container's /config.
CONFIG_LOGS = "/Library/Application Support/Plex Media Server/Logs"


class Vpn(Struct, frozen=True):
    """A tunnel to a VPN provider that all of the server's traffic to the Internet takes."""

    public: IPv4Address = TUNNEL_PUBLIC
    address: IPv4Address = TUNNEL_ADDRESS
    gateway: IPv4Address = TUNNEL_GATEWAY
    interface: str = "tun0"
    #: Ports that the provider forwards to the same port's service on the server: outside → the server's.
    forwards: tuple[tuple[int, int], ...] = ()


class Container(Struct, frozen=True):
    """A container that Plex runs in. `published`: the host's address and port, and the container's port."""

    network: Literal["host", "bridge", "container"] = "bridge"
    #: With `container`: the tunnel of that other one, by which Plex leaves then. What is published, that one publishes.
    through: Vpn | None = None
    published: tuple[tuple[str, int, int], ...] = ()
    name: str = "plex"
    image: str = "plexinc/pms-docker:latest"
    #: The host's folder that is mounted as /config; empty: a volume of Docker's own that nobody looks into.
    config: str = ""


class ServerCondition(Struct, frozen=True):
    """How the server stands in its network. Everything in order by default."""

    address_source: Literal["dhcp", "static"] = "dhcp"
    #: Whether the home has IPv6 of its provider's, and the server an address of it.
    ipv6: bool = False
    #: A gateway where nobody is leaves the server without Internet.
    gateway: IPv4Address = LAN_ADDRESS
    dns: bool = True
    #: Whom it asks for names; the router itself, where nothing else is said.
    resolver: IPv4Address = LAN_ADDRESS
    #: Names that this resolver filters, with all below them, and what it answers; None: that they do not exist.
    filtered_names: tuple[str, ...] = ()
    filtered_answer: IPv4Address | None = NOWHERE
    vpn: Vpn | None = None
    #: The proxy by which the home's gateway sends what goes to plex.tv, as plex.tv sees it.
    plex_tv_proxy: IPv4Address | None = None
    #: The program that has Plex's port, where that is not Plex.
    port_taken_by: str = ""
    #: Where Plex's port is bound, when Plex runs on the host itself or in its network.
    listens: Literal["everywhere", "loopback", "nowhere"] = "everywhere"
    container: Container | None = None
    firewall_enabled: bool = True
    #: Whether ufw's rules are in the kernel, where that is not what its switch says.
    firewall_loaded: bool | None = None
    #: Rules of somebody's own table beside ufw, in nft's words, for packets that come in.
    other_filter: tuple[str, ...] = ()
    #: A filter beside ufw, such as an intrusion blocker's, resets whoever comes from outside.
    resets_outsiders: bool = False
    #: Something on the way in answers outsiders that the host is not to be reached (ICMP).
    prohibits_outsiders: bool = False

    @property
    def online(self) -> bool:
        """Whether its way to the Internet leads anywhere."""
        return self.gateway == LAN_ADDRESS

    def filters(self, name: str) -> bool:
        """Tell whether the resolver keeps a name's real addresses back."""
        return any(name == kept or name.endswith(f".{kept}") for kept in self.filtered_names)

    @property
    def isolated(self) -> Container | None:
        """The container, where it has a network of its own."""
        return self.container if self.container and self.container.network != "host" else None

    @property
    def tunnel(self) -> Vpn | None:
        """The tunnel by which Plex's own traffic leaves."""
        return self.vpn or (self.container.through if self.container else None)

    def bindings(self, port: int) -> tuple[str, ...]:
        """Give the host's addresses on which a port leads to Plex, which listens on that port itself."""
        if self.isolated is not None:
            return tuple(address for address, outer, _ in self.isolated.published if outer == port)
        return {"everywhere": (EVERYWHERE,), "loopback": (LOOPBACK,), "nowhere": ()}[self.listens]

    def answers(self, source: IPv4Address) -> bool:
        """Tell whether an answer to that address goes back by the way that the question came."""
        return source in LAN or (self.online and self.tunnel is None)
