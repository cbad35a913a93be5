"""The facts that devices tell: one table, so that a name is never spelled in two ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from plexops.model.snapshot import Role

FactType = Literal["text", "address", "network", "number", "flag", "texts"]


class FactName(Struct, frozen=True):
    """One fact."""

    name: str
    role: Role
    type: FactType
    meaning: str


#: By who tells it: its name, its type and its meaning.
_FACTS: Mapping[Role, tuple[tuple[str, FactType, str], ...]] = {
    Role.ROUTER: (
        ("wan.address", "address", "the IPv4 address on the router's internet side"),
        ("wan.interface", "text", "the interface on the internet side"),
        ("wan.up", "flag", "whether the internet side has a connection at all"),
        ("wan.ways", "texts",
         "its ways to the internet, as `METRIC INTERFACE …`; - for an interface that it does not name"),
        ("lan.address", "address", "the router's own address in the LAN"),
        ("lan.network", "network", "the LAN, as 192.168.1.0/24"),
        ("pool.first", "address", "the first address that DHCP gives by itself"),
        ("pool.last", "address", "the last address that DHCP gives by itself"),
        ("firmware", "text", "what the router runs"),
        ("pending", "text", "edits that are staged and not applied"),
        ("persists", "flag", "whether what is written is there again after a restart"),
    ),
    Role.SERVER: (
        ("host.addresses", "texts", "the server's own IPv4 addresses"),
        ("host.macs", "texts", "its MAC addresses, each with the IPv4 addresses there"),
        ("host.interface", "text", "the interface of its default route"),
        ("host.gateway", "address", "its default gateway"),
        ("host.renew", "text", "the DHCP client that can be asked for the address again"),
        ("host.address_source", "text", "how it came by its address: dhcp or static"),
        ("host.dhcp_server", "address", "the DHCP server that gave it its address"),
        ("host.time", "text", "its own local time, ISO without zone, as its logs have it"),
        ("host.egress", "text", "the interface by which it reaches the internet"),
        ("host.hops", "texts", "the second and third hop to the internet; - where none answered"),
        ("host.resolvers", "texts", "whom it asks for names (/etc/resolv.conf)"),
        ("host.plex_tv", "texts", "the addresses that plex.tv has for it; empty where the name is not found"),
        ("container.engine", "text", "docker or podman; empty where Plex runs in none"),
        ("container.network", "text", "the container's network: host, bridge, macvlan …"),
        ("container.published", "texts", "what it publishes, as 0.0.0.0:32400->32400/tcp"),
        ("firewall.kind", "text", "which firewall the server has"),
        ("firewall.active", "flag", "whether it filters"),
        ("firewall.zone", "text", "the zone of firewalld in which the host's interface is"),
        ("firewall.version", "text", "firewalld's version"),
        ("firewall.folder", "text", "the folder from which nftables loads further rules at a start"),
    ),
    Role.PLEX: (
        ("plex.identifier", "text", "the server's machineIdentifier"),
        ("plex.version", "text", "its version"),
        ("plex.time", "text", "its time in UTC, as its answers are dated"),
        ("plex.claimed", "flag", "whether it belongs to an account"),
        ("plex.sign_in", "text", "whether it is signed in at plex.tv"),
        ("plex.mapping_state", "text", "unknown, waiting, mapped or failed"),
        ("plex.mapping_error", "text", "why it is not mapped; empty when fine"),
        ("plex.public_address", "text", "the public address as plex.tv sees it"),
        ("plex.public_port", "number", "the port that plex.tv reached"),
        ("plex.private_address", "text", "the address that Plex thinks it has"),
        ("plex.relay", "flag", "whether the relay may be used"),
        ("plex.relayed_sessions", "number", "how many are served through the relay now"),
        ("plex.subscription", "flag", "whether the owner has Plex Pass"),
        ("plex.secure", "text", "secure connections: required, preferred or disabled"),
        ("plex.custom_connections", "text", "further addresses that Plex announces"),
        ("plex.allowed_networks", "text", "networks that need no login"),
        ("plex.interface", "text", "the interface that Plex prefers; empty for any"),
        ("plex.interface_address", "text",
         "that interface's address in Plex's own list of interfaces; empty where the list does not have it"),
    ),
    Role.OUTSIDE: (
        ("outside.failure", "text",
         "what kept the server from asking services on the internet: dns, no route; empty where one answered"),
        ("account.listed", "flag", "whether plex.tv's list of the account's servers holds this one"),
        ("account.online", "flag", "whether plex.tv sees it online"),
        ("account.direct", "texts",
         "where plex.tv tells apps to find it from outside, as 203.0.113.20:32500"),
        ("account.ipv6", "texts", "where plex.tv tells apps to find it over IPv6, as [2001:db8::50]:32400"),
        ("account.relay", "flag", "whether plex.tv offers apps the relay"),
        ("account.rebinding", "flag",
         "whether plex.tv found that the home's resolver keeps back addresses at home"),
    ),
    Role.UPSTREAM: (
        ("upstream.title", "text", "what the box before the router calls itself"),
        ("upstream.address", "address", "its address, as the router's gateway"),
    ),
}  # fmt: skip

FACTS: Mapping[str, FactName] = {
    name: FactName(name, role, kind, meaning)
    for role, facts in _FACTS.items()
    for name, kind, meaning in facts
}

#: What plans rest on besides entries. All other facts change by themselves: guards judge them afresh, and no digest
#: holds them.
CONFIGURATION_FACTS: frozenset[str] = frozenset({
    "wan.interface", "lan.address", "lan.network", "pool.first", "pool.last", "persists", "firewall.kind",
    "firewall.active", "firewall.zone", "firewall.folder",
})  # fmt: skip
