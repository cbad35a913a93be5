"""What this computer can see by itself: its gateway, UPnP, Plex, hosts' MAC addresses. Reads only, all of it bounded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from plexops.model.entries import UpnpMapping
from plexops.model.quick import OwnNetwork, SeenGateway, SeenPlex
from plexops.model.values import PLEX_PORT, parse_mac
from plexops.parsers.base import ParseError
from plexops.parsers.igd import (
    Described,
    is_end_of_table,
    parse_description,
    parse_external_address,
    parse_mapping,
)
from plexops.parsers.plex_identity import parse_identity
from plexops.parsers.proc_net import Route, parse_proc_arp, parse_proc_route
from plexops.transport.fetch import FetchError
from plexops.transport.gdm import GROUP as GDM_GROUP
from plexops.transport.gdm import Announced, find_servers
from plexops.transport.here import address_towards, mac_of_interface
from plexops.transport.identity import visit
from plexops.transport.igd import MOST_MAPPINGS, Control, Service, ask_address, ask_mapping, read_description
from plexops.transport.ssdp import GROUP as SSDP_GROUP
from plexops.transport.ssdp import Gateway, find_gateways

LOOPBACK = IPv4Address("127.0.0.1")
_SERVICES = frozenset(str(service) for service in Service)
#: Some boxes describe several connections of which one is in use.
_MOST_SERVICES = 4
_MOST_SERVERS = 8
#: How long a table of mappings is read: a box that answers each question slowly must not hold us for minutes.
_TABLE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a look goes. Times are in seconds; the groups are where a search is sent."""

    proc: Path = Path("/proc/net")
    ssdp_group: tuple[str, int] = SSDP_GROUP
    gdm_group: tuple[str, int] = GDM_GROUP
    search_seconds: float = 2.0
    answer_seconds: float = 2.0
    #: Where Plex may run on this computer itself.
    plex_port: int = PLEX_PORT


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that answered around this computer."""

    network: OwnNetwork | None
    gateways: tuple[SeenGateway, ...]
    plex: tuple[SeenPlex, ...]


def look_around(reach: Reach) -> Surroundings:
    """Look for the gateway, for boxes that speak UPnP and for Plex, all at once."""
    network = own_network(reach)
    interface = None if network is None else network.address
    with ThreadPoolExecutor(2, "plexops-look") as pool:
        gateways = pool.submit(_gateways, network, reach)
        plex = pool.submit(find_plex, interface, reach)
        return Surroundings(network, gateways.result(), plex.result())


def own_network(reach: Reach) -> OwnNetwork | None:
    """Give where this computer is, by Linux's own tables; None where there is no gateway, and on other systems."""
    try:
        routes = parse_proc_route((reach.proc / "route").read_text(encoding="ascii", errors="replace"))
    except (OSError, ParseError):
        return None
    default = _default_route(routes)
    if default is None or default.gateway is None:
        return None
    address = address_towards(default.gateway)
    lan = next(
        (
            route.network
            for route in routes
            if route.interface == default.interface
            and route.gateway is None
            and route.network.prefixlen
            and default.gateway in route.network
        ),
        None,
    )
    if address is None or lan is None:
        return None
    return OwnNetwork(default.interface, address, default.gateway, lan)


def _default_route(routes: Sequence[Route]) -> Route | None:
    found = [route for route in routes if not route.network.prefixlen and route.gateway is not None]
    return min(found, key=lambda route: route.metric, default=None)


def _gateways(network: OwnNetwork | None, reach: Reach) -> tuple[SeenGateway, ...]:
    found = find_gateways(
        None if network is None else network.address,
        seconds=reach.search_seconds,
        group=reach.ssdp_group,
        also=None if network is None else network.gateway,
    )
    if not found:
        return ()
    with ThreadPoolExecutor(len(found), "plexops-igd") as pool:
        return tuple(pool.map(lambda gateway: read_gateway(gateway, reach.answer_seconds), found))


def read_gateway(gateway: Gateway, seconds: float) -> SeenGateway:
    """Ask a box that says it is a gateway for its address on the internet side and its mappings."""
    try:
        described = parse_description(read_description(gateway.location, seconds=seconds), gateway.location)
    except (FetchError, ParseError, ValueError) as error:
        why = f"its description cannot be read ({_words(error)})"
        return SeenGateway(gateway.address, software=gateway.server, why=why)
    controls = _controls(described)
    if not controls:
        return _seen(gateway, described, _Said(None, why="it describes no connection to the internet"))
    asked = [(control, _wan(control, seconds)) for control in controls]
    # A box may describe several connections: the one that has an address is in use.
    control, said = min(asked, key=lambda pair: (pair[1].wan is None, not pair[1].wanless))
    mappings, whole, unread = _mappings(control, seconds) if said.wan or said.wanless else (None, True, "")
    return _seen(gateway, described, said, mappings, whole=whole, unread=unread)


@dataclass(frozen=True, slots=True)
class _Said:
    """What one connection said of its address on the internet side."""

    wan: IPv4Address | None
    wanless: bool = False
    why: str = ""


def _seen(
    gateway: Gateway,
    described: Described,
    said: _Said,
    mappings: tuple[UpnpMapping, ...] | None = None,
    *,
    whole: bool = True,
    unread: str = "",
) -> SeenGateway:
    return SeenGateway(
        gateway.address,
        described.title,
        described.maker,
        described.model,
        gateway.server,
        said.wan,
        said.wanless,
        mappings,
        whole,
        said.why or unread,
    )


def _controls(described: Described) -> list[Control]:
    known = [(kind, url) for kind, url in described.services if kind in _SERVICES]
    return [Control(url, Service(kind)) for kind, url in known[:_MOST_SERVICES]]


def _wan(control: Control, seconds: float) -> _Said:
    try:
        status, text = ask_address(control, seconds=seconds)
        if status != 200:
            return _Said(None, why=f"it did not tell its address on the internet side (status {status})")
        address = parse_external_address(text)
    except (FetchError, ParseError) as error:
        return _Said(None, why=f"it did not tell its address on the internet side ({_words(error)})")
    if address is None or address.is_unspecified:
        return _Said(None, wanless=True, why="it says that it has no address on the internet side")
    return _Said(address)


def _mappings(control: Control, seconds: float) -> tuple[tuple[UpnpMapping, ...] | None, bool, str]:
    found: list[UpnpMapping] = []
    end = time.monotonic() + _TABLE_SECONDS
    for index in range(MOST_MAPPINGS):
        if time.monotonic() > end:
            return (
                (tuple(found) or None),
                False,
                f"it took more than {_TABLE_SECONDS:g} s to list its mappings",
            )
        try:
            status, text = ask_mapping(control, index, seconds=seconds)
            if status == 200:
                entry = parse_mapping(text)
                if entry.enabled:
                    found.append(entry.mapping)
            elif is_end_of_table(text):
                return tuple(found), True, ""
            else:
                return (tuple(found) or None), False, f"it did not list its mappings (status {status})"
        except (FetchError, ParseError) as error:
            return (tuple(found) or None), False, f"its mappings cannot be read ({_words(error)})"
    return tuple(found), False, f"it has {MOST_MAPPINGS} mappings or more"


def _words(error: Exception) -> str:
    return f"{error.outcome}: {error.detail}" if isinstance(error, FetchError) else str(error)


def find_plex(interface: IPv4Address | None, reach: Reach) -> tuple[SeenPlex, ...]:
    """Find Plex servers: on this computer, and those that answer a search of the LAN. Each has answered `/identity`."""
    with ThreadPoolExecutor(2, "plexops-gdm") as pool:
        local = pool.submit(ask_plex, Announced(LOOPBACK, reach.plex_port), reach.answer_seconds)
        search = min(reach.search_seconds, 1.5)
        announced = find_servers(interface, seconds=search, group=reach.gdm_group)[:_MOST_SERVERS]
        others = tuple(pool.map(lambda server: ask_plex(server, reach.answer_seconds), announced))
        here = local.result()
    found: dict[str, SeenPlex] = {}
    for server in others:
        if server is not None:
            found.setdefault(server.identifier, server)
    if here is not None:
        # The address in the LAN is what a router forwards to.
        known = found.get(here.identifier)
        address = known.address if known is not None else interface or LOOPBACK
        found[here.identifier] = _on_this_computer(here, address, known.name if known else "")
    return tuple(sorted(found.values(), key=lambda server: (not server.local, server.address, server.port)))


def _on_this_computer(here: SeenPlex, address: IPv4Address, name: str) -> SeenPlex:
    return SeenPlex(
        address, here.port, here.identifier, name, here.version, here.claimed, local=True, secure=here.secure
    )


def ask_plex(server: Announced, seconds: float) -> SeenPlex | None:
    """Ask one address for `/identity`; None where no Plex server answers there."""
    answer = visit(str(server.address), server.port, seconds=seconds)
    who = parse_identity(answer.text) if answer.outcome is None else None
    if who is None:
        return None
    return SeenPlex(
        server.address,
        server.port,
        who.identifier,
        server.name,
        who.version,
        who.claimed,
        secure=answer.secure,
    )


def mac_of(plex: SeenPlex, network: OwnNetwork | None, reach: Reach) -> str:
    """Give the MAC address of a Plex host in the LAN, from this computer's own tables; empty where they do not say."""
    if network is None:
        return ""
    try:
        if plex.local:
            return parse_mac(mac_of_interface(network.interface))
        text = (reach.proc / "arp").read_text(encoding="ascii", errors="replace")
    except (OSError, ValueError):
        return ""
    return parse_proc_arp(text).get(plex.address, "")


def named_plex(around: Surroundings, address: IPv4Address, port: int, reach: Reach) -> SeenPlex:
    """Give the server that a person named: as it was found, else as it answers now, else just its address."""
    known = next((server for server in around.plex if (server.address, server.port) == (address, port)), None)
    return (
        known
        or ask_plex(Announced(address, port), reach.answer_seconds)
        or SeenPlex(address, port, identifier="")
    )
