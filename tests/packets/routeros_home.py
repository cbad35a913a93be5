"""A RouterOS home for tests: exports as rows, with the interfaces, routes and lists of MikroTik's default configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from plexops.drivers.answers import Answer as Reading
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.boxes import announced_address
from plexops.drivers.rulesets.routeros import Rows, routeros_box
from plexops.packets.reach import Answer, who_reaches
from plexops.parsers import PARSERS
from tests.packets.handmade import asked, plex

WAN = IPv4Address("62.155.240.55")
PLEX = IPv4Address("192.168.88.10")

#: Menu of an export → the read that answers it.
MENUS = {
    "/ip firewall nat": "nat_rules", "/ip firewall filter": "filter_rules", "/ip firewall raw": "raw_rules",
    "/ip firewall mangle": "mangle_rules", "/ipv6 firewall nat": "nat_rules_v6",
    "/ipv6 firewall filter": "filter_rules_v6", "/ipv6 firewall raw": "raw_rules_v6",
    "/ipv6 firewall mangle": "mangle_rules_v6", "/ip firewall address-list": "address_lists",
    "/ipv6 firewall address-list": "address_lists_v6", "/interface list": "interface_lists",
    "/interface list member": "list_members", "/ip address": "addresses", "/ipv6 address": "addresses_v6",
}  # fmt: skip
ADDRESSES = f"""\
 0   comment=defconf address=192.168.88.1/24 network=192.168.88.0 interface=bridge actual-interface=bridge
 1 D address={WAN}/24 network=62.155.240.0 interface=ether1 actual-interface=ether1
"""
ROUTES = """\
   DAd dst-address=0.0.0.0/0 routing-table=main gateway=62.155.240.1 immediate-gw=62.155.240.1%ether1 distance=1
   DAc dst-address=62.155.240.0/24 routing-table=main gateway=ether1 immediate-gw=ether1 distance=0
   DAc dst-address=192.168.88.0/24 routing-table=main gateway=bridge immediate-gw=bridge distance=0
"""
ROUTES_V6 = """\
   DAd dst-address=::/0 routing-table=main gateway=fe80::1%ether1 immediate-gw=fe80::1%ether1 distance=1
   DAc dst-address=2001:470:1f09:131::/64 routing-table=main gateway=bridge immediate-gw=bridge distance=0
"""
INTERFACES = """\
 0  R  name=ether1 default-name=ether1 type=ether mtu=1500 mac-address=48:A9:8A:5D:24:00
 1  RS name=ether2 default-name=ether2 type=ether mtu=1500 mac-address=48:A9:8A:5D:24:01
 2  R  comment=defconf name=bridge type=bridge mtu=auto mac-address=48:A9:8A:5D:24:01
 3  R  name=vlan-guest type=vlan mtu=1500 mac-address=48:A9:8A:5D:24:01
 4  R  name=lo type=loopback mtu=65536 mac-address=00:00:00:00:00:00
"""
LISTS = " 0 * name=all\n 1 * name=none\n 2 * name=dynamic\n 3 * name=static\n 4   name=WAN\n 5   name=LAN\n"
MEMBERS = " 0   list=LAN interface=bridge\n 1   list=WAN interface=ether1\n"
NAT = "/ip firewall nat add chain=dstnat protocol=tcp dst-port=32500"
PLEX_NAT = (
    f"{NAT} action=dst-nat in-interface-list=WAN to-addresses=192.168.88.10 to-ports=32400 comment=Plex\n"
)
FILTER = "/ip firewall filter add chain=forward"
STRICT = f"{FILTER} action=accept connection-state=established,related\n{{0}}{FILTER} action=drop\n"
E, N, S, U = "everybody", "nobody", "some", "not known"
ARP = " 0 DC address=62.155.240.1 mac-address=00:0C:42:28:79:45 interface=ether1 published=no\n"


def rows(text: str, parser: str = "routeros_rows") -> Rows:
    """Read what a device printed."""
    head = "# by RouterOS 7.16\n" if parser == "routeros_export" else ""
    found = PARSERS[parser](head + text)
    assert isinstance(found, list)
    return Rows(
        tuple({key: str(value) for key, value in row.items()} for row in found if isinstance(row, dict))
    )


def exported(text: str) -> dict[str, Rows]:
    """Give an export as rows of its menus. The device's remark above a row says why it is invalid."""
    remarks: dict[int, str] = {}
    read: list[str] = []
    for line in text.splitlines():
        remark = re.fullmatch(r"# (.* not possible .*|no interface)", line.strip())
        if remark:
            remarks[len(rows("\n".join(read), "routeros_export").rows or ())] = remark[1]
        read.append(line)
    found: dict[str, list[Mapping[str, str]]] = {name: [] for name in MENUS.values()}
    for at, row in enumerate(rows(text, "routeros_export").rows or ()):
        found[MENUS[row[".path"]]].append({**row, ".invalid": remarks.get(at, "")})
    return {name: Rows(tuple(menu)) for name, menu in found.items()}


def home(export: str, **given: Rows | str | tuple[str, ...]) -> BoxInput:
    """Give the answers of a home with the default configuration, the export's menus, and what else is given."""
    said = exported(export)
    for name, text in (("addresses", ADDRESSES), ("interface_lists", LISTS), ("list_members", MEMBERS)):
        if not said[name].rows or name == "interface_lists":
            said[name] = Rows((*(rows(text).rows or ()), *(said[name].rows or ())))
    places = {
        "interfaces": rows(INTERFACES), "routes": rows(ROUTES), "routes_v6": rows(ROUTES_V6), "arp": rows(ARP),
    }  # fmt: skip
    return device(said | places | given)


def _reading(of: Rows | str | tuple[str, ...]) -> Reading:
    if not isinstance(of, Rows):
        return Reading(of)
    return Reading(problem=of.why or "was not read") if of.rows is None else Reading(of.rows)


def device(told: Mapping[str, Rows | str | tuple[str, ...]]) -> BoxInput:
    """Give a device that told this; what is a text or ids stands for itself."""
    answers = {name: _reading(of) for name, of in told.items() if name != "internet_side"}
    return BoxInput(answers, "router", str(told.get("internet_side", "")))


def ask(
    answers: BoxInput,
    *,
    at: IPv4Address | IPv6Address = WAN,
    port: int = 32500,
    to: IPv4Address | IPv6Address = PLEX,
    to_port: int = 32400,
) -> Answer:
    """Ask who gets from outside to `to` when it knocks at `at`."""
    return who_reaches([routeros_box(answers)], asked(port, at=str(at)), plex(str(to), to_port))


def announced(answers: BoxInput) -> IPv4Address | None:
    """Give the address under which a home stands on the internet."""
    box = routeros_box(answers)
    side = [a.number for a in box.addresses or () if (a.family, a.interface) == (4, box.internet_side)]
    return announced_address(box) or (IPv4Address(side[0]) if len(side) == 1 else None)


def kind(export: str, **given: Rows | str | tuple[str, ...]) -> str:
    """Give the kind of answer that a viewer gets at port 32500 of a home with this export."""
    return str(ask(home(export, **given)).kind)
