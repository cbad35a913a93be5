"""The facts that devices tell: one table, so that a name is never spelled in two ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from plexops.model.snapshot import Role

FactType = Literal["text", "address", "network", "number", "flag", "texts"]


class FactName(Struct, frozen=True):
    """One fact. A `live` one changes by itself: guards judge it afresh, and no digest holds it."""

    name: str
    role: Role
    type: FactType
    meaning: str
    live: bool = False


_FACTS = (
    FactName(
        "wan.address", Role.ROUTER, "address", "the IPv4 address on the router's internet side", live=True
    ),
    FactName("wan.interface", Role.ROUTER, "text", "the interface on the internet side"),
    FactName("wan.up", Role.ROUTER, "flag", "whether the internet side has a connection at all", live=True),
    FactName(
        "wan.ways",
        Role.ROUTER,
        "texts",
        "its ways to the internet, as `METRIC INTERFACE …`; - for an interface that it does not name",
        live=True,
    ),
    FactName("lan.address", Role.ROUTER, "address", "the router's own address in the LAN"),
    FactName("lan.network", Role.ROUTER, "network", "the LAN, as 192.168.1.0/24"),
    FactName("pool.first", Role.ROUTER, "address", "the first address that DHCP gives by itself"),
    FactName("pool.last", Role.ROUTER, "address", "the last address that DHCP gives by itself"),
    FactName("firmware", Role.ROUTER, "text", "what the router runs", live=True),
    FactName("pending", Role.ROUTER, "text", "edits that are staged and not applied", live=True),
    FactName("persists", Role.ROUTER, "flag", "whether what is written is there again after a restart"),
    FactName("host.addresses", Role.SERVER, "texts", "the server's own IPv4 addresses", live=True),
    FactName(
        "host.macs", Role.SERVER, "texts", "its MAC addresses, each with the IPv4 addresses there", live=True
    ),
    FactName("host.interface", Role.SERVER, "text", "the interface of its default route", live=True),
    FactName("host.gateway", Role.SERVER, "address", "its default gateway", live=True),
    FactName(
        "host.renew",
        Role.SERVER,
        "text",
        "the DHCP client that can be asked for the address again",
        live=True,
    ),
    FactName(
        "host.address_source", Role.SERVER, "text", "how it came by its address: dhcp or static", live=True
    ),
    FactName(
        "host.dhcp_server", Role.SERVER, "address", "the DHCP server that gave it its address", live=True
    ),
    FactName(
        "host.time",
        Role.SERVER,
        "text",
        "its own local time, ISO without zone, as its logs have it",
        live=True,
    ),
    FactName("host.egress", Role.SERVER, "text", "the interface by which it reaches the internet", live=True),
    FactName(
        "host.hops",
        Role.SERVER,
        "texts",
        "the second and third hop to the internet; - where none answered",
        live=True,
    ),
    FactName("host.resolvers", Role.SERVER, "texts", "whom it asks for names (/etc/resolv.conf)", live=True),
    FactName(
        "host.plex_tv",
        Role.SERVER,
        "texts",
        "the addresses that plex.tv has for it; empty where the name is not found",
        live=True,
    ),
    FactName(
        "container.engine", Role.SERVER, "text", "docker or podman; empty where Plex runs in none", live=True
    ),
    FactName(
        "container.network",
        Role.SERVER,
        "text",
        "the container's network: host, bridge, macvlan …",
        live=True,
    ),
    FactName(
        "container.published",
        Role.SERVER,
        "texts",
        "what it publishes, as 0.0.0.0:32400->32400/tcp",
        live=True,
    ),
    FactName("firewall.kind", Role.SERVER, "text", "which firewall the server has"),
    FactName("firewall.active", Role.SERVER, "flag", "whether it filters"),
    FactName("plex.identifier", Role.PLEX, "text", "the server's machineIdentifier", live=True),
    FactName("plex.version", Role.PLEX, "text", "its version", live=True),
    FactName("plex.time", Role.PLEX, "text", "its time in UTC, as its answers are dated", live=True),
    FactName("plex.claimed", Role.PLEX, "flag", "whether it belongs to an account", live=True),
    FactName("plex.sign_in", Role.PLEX, "text", "whether it is signed in at plex.tv", live=True),
    FactName("plex.mapping_state", Role.PLEX, "text", "unknown, waiting, mapped or failed", live=True),
    FactName("plex.mapping_error", Role.PLEX, "text", "why it is not mapped; empty when fine", live=True),
    FactName("plex.public_address", Role.PLEX, "text", "the public address as plex.tv sees it", live=True),
    FactName("plex.public_port", Role.PLEX, "number", "the port that plex.tv reached", live=True),
    FactName("plex.private_address", Role.PLEX, "text", "the address that Plex thinks it has", live=True),
    FactName("plex.relay", Role.PLEX, "flag", "whether the relay may be used", live=True),
    FactName(
        "plex.relayed_sessions", Role.PLEX, "number", "how many are served through the relay now", live=True
    ),
    FactName("plex.subscription", Role.PLEX, "flag", "whether the owner has Plex Pass", live=True),
    FactName(
        "plex.secure", Role.PLEX, "text", "secure connections: required, preferred or disabled", live=True
    ),
    FactName(
        "plex.custom_connections", Role.PLEX, "text", "further addresses that Plex announces", live=True
    ),
    FactName("plex.allowed_networks", Role.PLEX, "text", "networks that need no login", live=True),
    FactName(
        "plex.interface", Role.PLEX, "text", "the interface that Plex prefers; empty for any", live=True
    ),
    FactName(
        "plex.interface_address",
        Role.PLEX,
        "text",
        "that interface's address in Plex's own list of interfaces; empty where the list does not have it",
        live=True,
    ),
    FactName(
        "outside.failure",
        Role.OUTSIDE,
        "text",
        "what kept the server from asking services on the internet: dns, no route; empty where one answered",
        live=True,
    ),
    FactName(
        "account.listed",
        Role.OUTSIDE,
        "flag",
        "whether plex.tv's list of the account's servers holds this one",
        live=True,
    ),
    FactName("account.online", Role.OUTSIDE, "flag", "whether plex.tv sees it online", live=True),
    FactName(
        "account.direct",
        Role.OUTSIDE,
        "texts",
        "where plex.tv tells apps to find it from outside, as 203.0.113.20:32500",
        live=True,
    ),
    FactName(
        "account.ipv6",
        Role.OUTSIDE,
        "texts",
        "where plex.tv tells apps to find it over IPv6, as [2001:db8::50]:32400",
        live=True,
    ),
    FactName("account.relay", Role.OUTSIDE, "flag", "whether plex.tv offers apps the relay", live=True),
    FactName(
        "account.rebinding",
        Role.OUTSIDE,
        "flag",
        "whether plex.tv found that the home's resolver keeps back addresses at home",
        live=True,
    ),
    FactName(
        "upstream.title", Role.UPSTREAM, "text", "what the box before the router calls itself", live=True
    ),
    FactName("upstream.address", Role.UPSTREAM, "address", "its address, as the router's gateway", live=True),
)

FACTS: Mapping[str, FactName] = {fact.name: fact for fact in _FACTS}

#: What plans rest on besides entries.
CONFIGURATION_FACTS: frozenset[str] = frozenset(name for name, fact in FACTS.items() if not fact.live)
