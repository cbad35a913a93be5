"""A home's start state, in RouterOS's terms: the factory configuration plus what its owner did."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from plexops.lab.base import GATEWAY_MAC, ROUTER_MAC, ForwardSeed, MappingSeed, Seed
from plexops.lab.routers.routeros_syntax import Path, as_console_text

Values = dict[str, str]
WAN = "ether1"
LAN = "bridge"
NAT: Path = ("ip", "firewall", "nat")
FILTER: Path = ("ip", "firewall", "filter")
LEASE: Path = ("ip", "dhcp-server", "lease")
SCHEDULER: Path = ("system", "scheduler")
UPNP: Path = ("ip", "upnp")
RAW: Path = ("ip", "firewall", "raw")
ADDRESS_LIST: Path = ("ip", "firewall", "address-list")
ROUTE: Path = ("ip", "route")
FILTER_6: Path = ("ipv6", "firewall", "filter")
#: What only version 7 has.
SINCE_7: frozenset[Path] = frozenset({("ipv6", "firewall", "nat")})
VERSIONS = {6: "6.49.18 (long-term)", 7: "7.23.7 (long-term)"}

_INPUT: tuple[Values, ...] = (
    {"chain": "input", "action": "accept", "connection-state": "established,related,untracked",
     "comment": "defconf: accept established,related,untracked"},
    {"chain": "input", "action": "drop", "connection-state": "invalid", "comment": "defconf: drop invalid"},
    {"chain": "input", "action": "accept", "protocol": "icmp", "comment": "defconf: accept ICMP"},
    {"chain": "input", "action": "accept", "dst-address": "127.0.0.1",
     "comment": "defconf: accept to local loopback (for CAPsMAN)"},
    {"chain": "input", "action": "drop", "in-interface-list": "!LAN",
     "comment": "defconf: drop all not coming from LAN"},
)  # fmt: skip
_FORWARD: tuple[Values, ...] = (
    {"chain": "forward", "action": "accept", "ipsec-policy": "in,ipsec",
     "comment": "defconf: accept in ipsec policy"},
    {"chain": "forward", "action": "accept", "ipsec-policy": "out,ipsec",
     "comment": "defconf: accept out ipsec policy"},
    {"chain": "forward", "action": "fasttrack-connection", "connection-state": "established,related",
     "hw-offload": "yes", "comment": "defconf: fasttrack"},
    {"chain": "forward", "action": "accept", "connection-state": "established,related,untracked",
     "comment": "defconf: accept established,related, untracked"},
    {"chain": "forward", "action": "drop", "connection-state": "invalid", "comment": "defconf: drop invalid"},
    {"chain": "forward", "action": "drop", "connection-state": "new", "connection-nat-state": "!dstnat",
     "in-interface-list": "WAN", "comment": "defconf: drop all from WAN not DSTNATed"},
)  # fmt: skip


_FORWARD_6: tuple[Values, ...] = (
    {"chain": "forward", "action": "accept", "connection-state": "established,related,untracked",
     "comment": "defconf: accept established,related,untracked"},
    {"chain": "forward", "action": "drop", "connection-state": "invalid", "comment": "defconf: drop invalid"},
    {"chain": "forward", "action": "drop", "src-address-list": "bad_ipv6",
     "comment": "defconf: drop packets with bad src ipv6"},
    {"chain": "forward", "action": "accept", "protocol": "icmpv6", "comment": "defconf: accept ICMPv6"},
    {"chain": "forward", "action": "drop", "in-interface-list": "!LAN",
     "comment": "defconf: drop everything else not coming from LAN"},
)  # fmt: skip


def _filter_6(seed: Seed) -> Iterator[Values]:
    """Give the factory's filter of IPv6, with an accept for each pinhole before its drop."""
    yield from _FORWARD_6[:-1]
    for hole in seed.pinholes:
        values = {"chain": "forward", "action": "accept", "protocol": "tcp", "dst-port": str(hole.port)}
        to = {"dst-address": f"{hole.address}/128"} if hole.address else {}
        yield values | to | {"comment": as_console_text(hole.name)}
    yield _FORWARD_6[-1]


def _strict_forward(seed: Seed) -> Iterator[Values]:
    """Give a hand-made chain: every forward has its own accept, and everything else from outside is dropped."""
    yield {"chain": "forward", "action": "accept", "connection-state": "established,related"}
    yield {"chain": "forward", "action": "drop", "connection-state": "invalid"}
    yield {"chain": "forward", "action": "accept", "in-interface-list": "LAN", "comment": "LAN darf alles"}
    for forward in seed.forwards:
        for protocol in _protocols(forward) if forward.passage else ():
            values = {"chain": "forward", "action": "accept", "in-interface-list": "WAN",
                      "dst-address": str(forward.address),
                      "comment": _tag(forward.name, ours=forward.ours)}  # fmt: skip
            yield values | _ports(protocol, "dst-port", forward.port or forward.external)
    yield {"chain": "forward", "action": "drop", "connection-state": "new", "in-interface-list": "WAN",
           "comment": "drop everything else"}  # fmt: skip


def _tag(name: str, *, ours: bool) -> str:
    return as_console_text(f"plexops:{name}" if ours else name)


def _protocols(forward: ForwardSeed) -> tuple[str, ...]:
    return ("tcp", "udp") if forward.protocol == "both" else (forward.protocol,)


def _ports(protocol: str, name: str, ports: str) -> Values:
    return ({} if protocol == "any" else {"protocol": protocol}) | ({name: ports} if ports else {})


def _forwards(seed: Seed) -> Iterator[Values]:
    for forward in seed.forwards:
        for protocol in _protocols(forward):
            values = {
                "chain": "dstnat", "action": "dst-nat", "in-interface-list": "WAN",
                "to-addresses": str(forward.address), "comment": _tag(forward.name, ours=forward.ours),
                **_ports(protocol, "dst-port", forward.external),
            }  # fmt: skip
            if forward.port:
                values["to-ports"] = forward.port
            if forward.source:
                values["src-address"] = forward.source
            if not forward.enabled:
                values["disabled"] = "yes"
            yield values


def mapping_rule(seed: Seed, mapping: MappingSeed) -> Values:
    """Give the dynamic rule that UPnP makes."""
    return {
        "chain": "dstnat", "action": "dst-nat", "to-addresses": str(mapping.address),
        "to-ports": str(mapping.port), "protocol": mapping.protocol, "dst-address": str(seed.wan_address),
        "in-interface": WAN, "dst-port": str(mapping.external),
        "comment": as_console_text(f"upnp {mapping.address}: {mapping.description}"),
    }  # fmt: skip


def configuration(seed: Seed, *, strict_forward: bool) -> Iterator[tuple[Path, Values]]:
    """Give every static item of the start state, menu by menu."""
    lan = IPv4Network((int(seed.lan_address), seed.lan_prefix), strict=False)
    for number, name in enumerate((WAN, "ether2", "ether3", "ether4", "ether5", LAN)):
        port = {"default-name": name} if name != LAN else {}
        mac = f"{ROUTER_MAC[:-2]}{max(number, 1) % 5:02x}".upper()
        yield (
            ("interface",),
            {"name": name, **port, "type": "ether" if port else "bridge", "mtu": "1500", "mac-address": mac,
             ".flags": "R" if name in {WAN, LAN} else "RS"},
        )  # fmt: skip
    for name in ("WAN", "LAN"):
        yield ("interface", "list"), {"name": name, "comment": "defconf"}
    yield ("interface", "list", "member"), {"list": "LAN", "interface": LAN, "comment": "defconf"}
    yield ("interface", "list", "member"), {"list": "WAN", "interface": WAN, "comment": "defconf"}
    yield ("ip", "pool"), {"name": "default-dhcp", "ranges": f"{seed.pool_first}-{seed.pool_last}"}
    yield ("ip", "dhcp-server"), {
        "name": "defconf", "interface": LAN, "address-pool": "default-dhcp",
        "disabled": "no" if seed.serves_dhcp else "yes",
    }  # fmt: skip
    yield (
        ("ip", "address"),
        {"address": f"{seed.lan_address}/{seed.lan_prefix}", "network": str(lan.network_address),
         "interface": LAN, "actual-interface": LAN, "comment": "defconf"},
    )  # fmt: skip
    bound = {"gateway": str(seed.wan_gateway), "address": f"{seed.wan_address}/{seed.wan_prefix}"}
    yield (
        ("ip", "dhcp-client"),
        {"interface": WAN, "comment": "defconf", "status": "bound" if seed.wan_up else "searching...",
         **(bound if seed.wan_up else {})},
    )  # fmt: skip
    for reservation in seed.reservations:
        values = {
            "address": str(reservation.address), "mac-address": reservation.macs[0].upper().replace("-", ":"),
            "server": "defconf", "comment": _tag(reservation.name, ours=reservation.ours), "status": "waiting",
        }  # fmt: skip
        yield LEASE, values
    yield (
        ("ip", "dhcp-server", "network"),
        {"address": str(lan), "gateway": str(seed.lan_address), "dns-server": str(seed.lan_address),
         "comment": "defconf"},
    )  # fmt: skip
    strict = strict_forward or seed.strict_filter
    for rule in (*_INPUT, *(_strict_forward(seed) if strict else _FORWARD)):
        yield FILTER, dict(rule)
    for rule in _filter_6(seed):
        yield FILTER_6, dict(rule)
    for address in ("::1/128", "fec0::/10", "::ffff:0:0/96", "100::/64", "2001:db8::/32"):
        yield (
            ("ipv6", "firewall", "address-list"),
            {"list": "bad_ipv6", "address": address, "comment": "defconf: RFC4291, RFC6890"},
        )  # fmt: skip
    yield (
        NAT,
        {"chain": "srcnat", "action": "masquerade", "out-interface-list": "WAN", "ipsec-policy": "out,none",
         "comment": "defconf: masquerade"},
    )  # fmt: skip
    for values in _forwards(seed):
        yield NAT, values
    yield ("ip", "upnp", "interfaces"), {"interface": WAN, "type": "external"}
    yield ("ip", "upnp", "interfaces"), {"interface": LAN, "type": "internal"}
    yield SCHEDULER, {"name": "log-weekly", "interval": "1w", "start-date": "2026-01-05",
                      "start-time": "03:30:00",
                      "on-event": ':log info "weekly: $[/system identity get name]"'}  # fmt: skip


def dynamic_items(seed: Seed, major: int) -> Iterator[tuple[Path, Values]]:
    """Give what the device made itself: built-in lists, addresses, routes, neighbours and mappings."""
    for name in ("all", "none", "dynamic", "static"):
        yield ("interface", "list"), {"name": name, ".flags": "*", "comment": f"contains {name} interfaces"}
    wan = IPv4Network((int(seed.wan_address), seed.wan_prefix), strict=False)
    lan = IPv4Network((int(seed.lan_address), seed.lan_prefix), strict=False)
    if seed.wan_up:
        yield (
            ("ip", "address"),
            {"address": f"{seed.wan_address}/{seed.wan_prefix}", "network": str(wan.network_address),
             "interface": WAN, "actual-interface": WAN},
        )  # fmt: skip
        yield ROUTE, _route(major, "0.0.0.0/0", WAN, str(seed.wan_gateway))
        yield ROUTE, _route(major, str(wan), WAN)
        yield ("ip", "arp"), neighbour(seed.wan_gateway, GATEWAY_MAC, WAN, major)
    yield ROUTE, _route(major, str(lan), LAN)
    if seed.has_upnp:
        for mapping in seed.mappings:
            yield NAT, mapping_rule(seed, mapping)


def neighbour(address: IPv4Address, mac: str, interface: str, major: int) -> Values:
    """Give who answered at an address; version 6 tells no state."""
    values = {"address": str(address), "mac-address": mac.upper(), "interface": interface, ".flags": "DC"}
    return values if major == 6 else values | {"status": "reachable"}


def _route(major: int, destination: str, interface: str, gateway: str = "") -> Values:
    """Give a route as its version shows it: 6 tells by what it is reached, 7 names the interface."""
    values = {"dst-address": destination, "gateway": gateway or interface, "distance": "1" if gateway else "0",
              ".flags": "d" if gateway else "c"}  # fmt: skip
    if major == 6:
        way = f" reachable via  {interface}" if gateway else " reachable"
        return values | {"gateway-status": (gateway or interface) + way, ".flags": "S" if gateway else "C"}
    way = f"{gateway}%{interface}" if gateway else interface
    return values | {"routing-table": "main", "immediate-gw": way}


def singles(seed: Seed, major: int) -> Iterator[tuple[Path, Values]]:
    """Give the menus that hold one set of values."""
    yield ("ip", "cloud"), {}
    yield UPNP, {"enabled": "yes"} if seed.has_upnp else {}
    yield ("system", "identity"), {"name": as_console_text(seed.hostname)}
    yield (
        ("system", "resource"),
        {"uptime": "6w5d11h55m45s", "version": VERSIONS[major], "build-time": "2026-09-30 08:11:42",
         "free-memory": "172.4MiB", "total-memory": "256.0MiB", "cpu": "MIPS 1004Kc V2.15", "cpu-count": "4",
         "cpu-load": "1%", "architecture-name": "mmips", "board-name": "hEX", "platform": "MikroTik"},
    )  # fmt: skip
