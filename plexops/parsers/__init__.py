"""Parsers: what a device answered, as rows. Pure; each raises ParseError on what it does not understand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError
from plexops.parsers.dhcpd import parse_dhcpd
from plexops.parsers.dnsmasq import parse_dnsmasq, parse_dnsmasq_leases
from plexops.parsers.ip_lines import parse_ip_address_lines, parse_ip_route_lines
from plexops.parsers.kea import parse_kea, parse_kea_leases
from plexops.parsers.plain import (
    parse_ip_neigh,
    parse_json,
    parse_keyvalue,
    parse_lines,
    parse_miniupnpd_leases,
    parse_ss,
    parse_text,
)
from plexops.parsers.routeros_export import parse_routeros_export
from plexops.parsers.routeros_print import parse_routeros_ids, parse_routeros_rows, parse_routeros_terse
from plexops.parsers.tree import parse_tree
from plexops.parsers.uci import parse_uci
from plexops.parsers.ufw import parse_ufw_rules

#: Every parser by the name that a profile's `parse:` uses.
PARSERS: Mapping[str, Callable[[str], Json]] = {
    "dhcpd": parse_dhcpd,
    "dnsmasq": parse_dnsmasq,
    "dnsmasq_leases": parse_dnsmasq_leases,
    "ip_address_lines": parse_ip_address_lines,
    "ip_neigh": parse_ip_neigh,
    "ip_route_lines": parse_ip_route_lines,
    "json": parse_json,
    "kea": parse_kea,
    "kea_leases": parse_kea_leases,
    "keyvalue": parse_keyvalue,
    "lines": parse_lines,
    "miniupnpd_leases": parse_miniupnpd_leases,
    "routeros_export": parse_routeros_export,
    "routeros_ids": parse_routeros_ids,
    "routeros_rows": parse_routeros_rows,
    "routeros_terse": parse_routeros_terse,
    "ss": parse_ss,
    "text": parse_text,
    "tree": parse_tree,
    "uci": parse_uci,
    "ufw_rules": parse_ufw_rules,
}

__all__ = ["PARSERS", "ParseError"]
