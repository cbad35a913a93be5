"""What OpenWrt's firewall4 makes of its configuration for a packet that arrives on the WAN side."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network

from plexops.lab.base import Fate, MappingSeed, Packet
from plexops.lab.routers.uci import Package, Section

_OFF = frozenset({"0", "no", "off", "false", "disabled"})
_ANY = frozenset({"all", "any", "*", "-1"})


def enabled(section: Section, option: str = "enabled") -> bool:
    """Read firewall4's switch, which is on where nothing is said."""
    return section.text(option, "1").lower() not in _OFF


def ports(text: str) -> tuple[int, int] | None:
    """Read `5000`, `5000-5010` or `5000:5010`; None for no port at all.

    Raises ValueError.
    """
    if not text:
        return None
    first, _, last = text.replace(":", "-").partition("-")
    return int(first), int(last or first)


def inbound(
    firewall: Package, mappings: list[MappingSeed], packet: Packet, router: IPv4Address, zone: str = "wan"
) -> Packet | Fate:
    """Carry a packet through dstnat_wan, then forward_wan or input_wan; the first match wins.

    From another zone only its own redirects count: what they do not take ends at the router.
    """
    for section in firewall.of("redirect"):
        if _redirects(section, packet, zone):
            return _filtered(firewall, _translated(section, packet, router), router)
    for mapping in mappings:
        if (mapping.external, mapping.protocol) == (packet.port, packet.protocol):
            return _filtered(firewall, packet.to(mapping.address, mapping.port), router)
    return _input(firewall, packet, router) if zone == "wan" else "dropped"


def _redirects(section: Section, packet: Packet, zone: str) -> bool:
    if not enabled(section) or section.text("target", "DNAT").upper() != "DNAT":
        return False
    if section.text("src") != zone or section.text("family", "ipv4") not in ("ipv4", "any", "4"):
        return False
    destination = section.text("src_dip")
    if destination and not _inside(packet.destination, destination):
        return False
    return (
        _speaks(section, packet, "tcp udp")
        and _from(section, packet)
        and _to(section, "src_dport", packet.port)
    )


def _speaks(section: Section, packet: Packet, default: str) -> bool:
    names = set(section.text("proto", default).lower().split())
    if "tcpudp" in names:
        names |= {"tcp", "udp"}
    return packet.protocol in names or bool(names & _ANY)


def _from(section: Section, packet: Packet) -> bool:
    sources = section.text("src_ip").split()
    return not sources or any(_inside(packet.source, source) for source in sources)


def _to(section: Section, option: str, port: int) -> bool:
    """Tell whether a port is among those of a (list) option; firewall4 skips a section it cannot read."""
    texts = section.text(option).split()
    try:
        ranges = [ports(text) for text in texts]
    except ValueError:
        return False
    return not texts or any(r is not None and r[0] <= port <= r[1] for r in ranges)


def _inside(address: IPv4Address, text: str) -> bool:
    negated = text.startswith("!")
    try:
        return (address in ip_network(text.lstrip("! "), strict=False)) != negated
    except ValueError:
        return False


def _translated(section: Section, packet: Packet, router: IPv4Address) -> Packet:
    target = section.text("dest_ip")
    # Without dest_ip it is a redirection to the router itself.
    address = IPv4Address(target.partition("/")[0]) if target else router
    wanted = ports(section.text("dest_port"))
    if wanted is None or wanted[0] <= packet.port <= wanted[1]:
        return packet.to(address, packet.port)
    return packet.to(address, wanted[0])


def _filtered(firewall: Package, packet: Packet, router: IPv4Address) -> Packet | Fate:
    """Pass forward_wan: the owner's rules first, then `ct status dnat accept`."""
    if packet.destination == router:
        return packet
    for rule in firewall.of("rule"):
        if rule.text("dest") in ("lan", "*") and _rule_matches(rule, packet):
            fate = _fate(rule.text("target"))
            return packet if fate is None else fate
    return packet


def _input(firewall: Package, packet: Packet, router: IPv4Address) -> Packet | Fate:
    for rule in firewall.of("rule"):
        if not rule.text("dest") and _rule_matches(rule, packet):
            fate = _fate(rule.text("target"))
            return packet.to(router, packet.port) if fate is None else fate
    zone = next((z for z in firewall.of("zone") if z.text("name") == "wan"), None)
    defaults = next(iter(firewall.of("defaults")), None)
    policy = zone.text("input") if zone else ""
    fate = _fate(policy or (defaults.text("input") if defaults else "") or "DROP")
    return packet.to(router, packet.port) if fate is None else fate


def _rule_matches(rule: Section, packet: Packet) -> bool:
    if not enabled(rule) or rule.text("src") not in ("wan", "*") or rule.text("family") == "ipv6":
        return False
    address = rule.text("dest_ip")
    if address and not _inside(packet.destination, address):
        return False
    return _speaks(rule, packet, "tcp udp") and _from(rule, packet) and _to(rule, "dest_port", packet.port)


def _fate(target: str) -> Fate | None:
    """Give what a target does to a packet; None lets it pass."""
    if target.upper() == "ACCEPT":
        return None
    return "refused" if target.upper() == "REJECT" else "dropped"


def printed(firewall: Package) -> str:
    """Give the chain dstnat_wan as `fw4 print` writes it."""
    lines = []
    for section in firewall.of("redirect"):
        if not enabled(section) or section.text("src") != "wan" or not section.text("dest_ip"):
            continue
        name = section.text("name") or section.name
        for protocol in section.text("proto", "tcp udp").replace("tcpudp", "tcp udp").split():
            port = section.text("src_dport")
            match = f"{protocol} dport {port}" if port else f"meta l4proto {protocol}"
            target = section.text("dest_ip") + (f":{section.text('dest_port') or port}" if port else "")
            lines.append(f'\t\tmeta nfproto ipv4 {match} counter dnat {target} comment "!fw4: {name}"\n')
    return "table inet fw4 {\n\tchain dstnat_wan {\n" + "".join(lines) + "\t}\n}\n"
