"""What this computer can see by itself: its gateway, UPnP, Plex, hosts' MAC addresses. Reads only, all of it bounded."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from msgspec import Struct

from plexops.drivers.around.gateway import ask_pmp
from plexops.drivers.around.igd import Box, IgdDriver, found_boxes, search
from plexops.drivers.around.outside import found_address
from plexops.model.igd import SSDP_GROUP
from plexops.model.quick import OwnNetwork, SeenGateway, SeenPlex
from plexops.model.values import PLEX_PORT, Endpoint, parse_mac
from plexops.parsers.base import ParseError
from plexops.parsers.plex_identity import parse_identity
from plexops.parsers.proc_net import default_route, parse_proc_arp, parse_proc_route
from plexops.structs import replace
from plexops.transport.around.gdm import GROUP as GDM_GROUP
from plexops.transport.around.gdm import Announced, find_servers
from plexops.transport.around.identity import visit
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import HereSettings, address_towards, mac_of_interface
from plexops.transport.link import carry
from plexops.transport.machine import plex_runs
from plexops.transport.workers import workers

LOOPBACK = IPv4Address("127.0.0.1")
_MOST_SERVERS = 8


class Reach(Struct, frozen=True):
    """How far a look goes. Times are in seconds; the groups are where a search is sent."""

    proc: Path = Path("/proc/net")
    #: Where this computer's processes are listed.
    processes: Path = Path("/proc")
    ssdp_group: tuple[str, int] = SSDP_GROUP
    gdm_group: tuple[str, int] = GDM_GROUP
    search_seconds: float = 2.0
    answer_seconds: float = 2.0
    #: Where Plex may run on this computer itself.
    plex_port: int = PLEX_PORT


class Surroundings(Struct, frozen=True):
    """All that answered around this computer."""

    network: OwnNetwork | None
    gateways: tuple[SeenGateway, ...]
    plex: tuple[SeenPlex, ...]


def look_around(reach: Reach) -> Surroundings:
    """Look for the gateway, for boxes that speak UPnP and for Plex, all at once."""
    network = own_network(reach)
    interface = None if network is None else network.address
    with workers(2, "plexops-look") as pool:
        gateways = pool.submit(_gateways, network, reach)
        plex = pool.submit(find_plex, interface, reach)
        return Surroundings(network, gateways.result(), plex.result())


def own_network(reach: Reach) -> OwnNetwork | None:
    """Give where this computer is, by Linux's own tables; None where there is no gateway, and on other systems."""
    try:
        routes = parse_proc_route((reach.proc / "route").read_text(encoding="ascii", errors="replace"))
    except (OSError, ParseError):
        return None
    default = default_route(routes)
    if default is None or default.gateway is None:
        return None
    address = address_towards(default.gateway)
    direct = (r.network for r in routes if r.interface == default.interface and r.gateway is None)
    lan = next((network for network in direct if network.prefixlen and default.gateway in network), None)
    if address is None or lan is None:
        return None
    return OwnNetwork(default.interface, address, default.gateway, lan)


def _gateways(network: OwnNetwork | None, reach: Reach) -> tuple[SeenGateway, ...]:
    gateway = None if network is None else network.gateway
    (reply,) = _here().ask((search(gateway, reach.ssdp_group, reach.search_seconds),))
    found = found_boxes(reply)
    seen: list[SeenGateway] = []
    if found:
        with workers(len(found), "plexops-igd") as pool:
            seen += pool.map(lambda box: read_gateway(box, reach.answer_seconds), found)
    return tuple(seen) if gateway is None else _with_pmp(gateway, seen)


def read_gateway(box: Box, seconds: float) -> SeenGateway:
    """Ask a box that says it is a gateway for its address on the internet side and its mappings."""
    return carry(IgdDriver(box, seconds).ask(), _here()).seen(box)


def _with_pmp(gateway: IPv4Address, seen: Sequence[SeenGateway]) -> tuple[SeenGateway, ...]:
    """Where our own gateway did not tell its address by UPnP, ask it by NAT-PMP: two bytes, to it alone."""
    ours = next((box for box in seen if box.address == gateway), None)
    if ours is not None and ours.wan is not None:
        return tuple(seen)
    (reply,) = _here().ask((ask_pmp(gateway),))
    wan, why = found_address(reply)
    if ours is None:
        silent = SeenGateway(gateway, wan=wan, wan_by="NAT-PMP", why="it does not answer by UPnP")
        return tuple(seen) if wan is None else (silent, *seen)
    if wan is None:
        told = replace(ours, why=f"{ours.why}; by NAT-PMP: {why}")
    else:
        told = replace(ours, wan=wan, wanless=False, wan_by="NAT-PMP")
    return tuple(told if box is ours else box for box in seen)


def _here() -> HereLink:
    return HereLink(HereSettings("here"))


def find_plex(interface: IPv4Address | None, reach: Reach) -> tuple[SeenPlex, ...]:
    """Find Plex servers: on this computer, and those that answer a search of the LAN. Each has answered `/identity`."""
    with workers(2, "plexops-gdm") as pool:
        local = pool.submit(ask_plex, Announced(LOOPBACK, reach.plex_port), reach.answer_seconds)
        search = min(reach.search_seconds, 1.5)
        announced = find_servers(interface, seconds=search, group=reach.gdm_group)[:_MOST_SERVERS]
        others = tuple(pool.map(lambda server: ask_plex(server, reach.answer_seconds), announced))
        here = local.result()
    # Of two that are the same, the first that answered.
    found = {server.identifier: server for server in reversed(others) if server is not None}
    if here is not None:
        # The address in the LAN is what a router forwards to.
        known = found.get(here.identifier)
        address = known.address if known is not None else interface or LOOPBACK
        name = known.name if known else ""
        found[here.identifier] = replace(here, address=address, name=name, local=True)
    return tuple(sorted(found.values(), key=lambda server: (not server.local, server.address, server.port)))


def answers_here(reach: Reach) -> SeenPlex | None:
    """Give the Plex server that answers at this computer's loopback, with the address that it has in the LAN; or None."""
    answer = ask_plex(Announced(LOOPBACK, reach.plex_port), reach.answer_seconds)
    network = own_network(reach)
    if answer is None:
        return None
    return replace(answer, address=LOOPBACK if network is None else network.address, name="", local=True)


def runs_here(plex: SeenPlex, reach: Reach) -> bool:
    """Tell whether a server runs on this computer: a tunnel to another host answers at loopback as well."""
    return plex.local and plex_runs(reach.processes)


def ask_plex(server: Announced, seconds: float) -> SeenPlex | None:
    """Ask one address for `/identity`; None where no Plex server answers there."""
    answer = visit(Endpoint(str(server.address), server.port), seconds=seconds)
    who = parse_identity(answer.text) if answer.outcome is None else None
    if who is None:
        return None
    seen = SeenPlex(server.address, server.port, who.identifier, server.name, who.version, who.claimed)
    return replace(seen, secure=answer.secure)


def mac_of(plex: SeenPlex, network: OwnNetwork | None, reach: Reach) -> str:
    """Give the MAC address of a Plex host in the LAN, from this computer's own tables; empty where they do not say."""
    if not plex.local:
        return "" if network is None else neighbour(plex.address, reach)
    try:
        return "" if network is None else parse_mac(mac_of_interface(network.interface))
    except ValueError:
        return ""


def neighbour(address: IPv4Address, reach: Reach) -> str:
    """Give the MAC address of a host in this computer's own table of those that it has met; empty where it is not."""
    try:
        text = (reach.proc / "arp").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return parse_proc_arp(text).get(address, "")


def named_plex(around: Surroundings, address: IPv4Address, port: int, reach: Reach) -> SeenPlex:
    """Give the server that a person named: as it was found, else as it answers now, else just its address."""
    known = next((server for server in around.plex if (server.address, server.port) == (address, port)), None)
    answer = known or ask_plex(Announced(address, port), reach.answer_seconds)
    return answer or SeenPlex(address, port, identifier="")
