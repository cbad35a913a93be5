"""What `ip` (iproute2 6.1) and `/proc/net/arp` say of a simulated host's links, addresses, routes and neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from msgspec import Struct

FOREVER = 4294967295
LEASE_SECONDS = 40211
#: Rules of the policy routing, as every system has them.
RULES = ((0, "local"), (32766, "main"), (32767, "default"))
_TIGHT = (",", ":")
_ARP_HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"


class Link(Struct, frozen=True):
    """One interface, with at most one IPv4 address. `mac` empty: a tunnel, or the loopback."""

    index: int
    name: str
    mac: str = ""
    address: IPv4Address | None = None
    prefix: int = 24
    discipline: str = "noqueue"
    dynamic: bool = False
    metric: int = 0
    #: An address that others outside the link know, too; `learned`: made of what a router announces.
    global6: IPv6Address | None = None
    learned: bool = False

    @property
    def loopback(self) -> bool:
        """Whether it is `lo`."""
        return self.name == "lo"

    @property
    def flags(self) -> list[str]:
        """Its flags."""
        kind = ["LOOPBACK"] if self.loopback else ["BROADCAST", "MULTICAST"]
        return [
            *(kind if self.mac or self.loopback else ["POINTOPOINT", "MULTICAST", "NOARP"]),
            "UP",
            "LOWER_UP",
        ]

    @property
    def local6(self) -> IPv6Address | None:
        """Its IPv6 address on the link, made of the hardware address."""
        if self.loopback:
            return IPv6Address("::1")
        return link_local(self.mac) if self.mac else None

    @property
    def state(self) -> str:
        """What the kernel says of its carrier."""
        return "UP" if self.mac else "UNKNOWN"

    def info(self, families: Iterable[int]) -> list[dict[str, Any]]:
        """Give the addresses of these families, as JSON has them."""
        found = []
        if 4 in families and self.address is not None:
            found.append(self._info4(self.address))
        local = self.local6
        if 6 in families and self.global6 is not None:
            made = {"dynamic": True, "mngtmpaddr": True, "noprefixroute": True} if self.learned else {}
            life = _lives(LEASE_SECONDS if self.learned else FOREVER)
            info = {"family": "inet6", "local": str(self.global6), "prefixlen": 64, "scope": "global"}
            found.append({**info, **made, **life})
        if 6 in families and local is not None:
            scope = (
                {"prefixlen": 128, "scope": "host"} if self.loopback else {"prefixlen": 64, "scope": "link"}
            )
            found.append({"family": "inet6", "local": str(local), **scope, **_lives(FOREVER)})
        return found

    def _info4(self, address: IPv4Address) -> dict[str, Any]:
        info: dict[str, Any] = {"family": "inet", "local": str(address), "prefixlen": self.prefix}
        if self.metric:
            info["metric"] = self.metric
        if self.mac:
            info["broadcast"] = str(IPv4Network((int(address), self.prefix), strict=False).broadcast_address)
        info["scope"] = "host" if self.loopback else "global"
        if self.dynamic:
            info["dynamic"] = True
        return {**info, "label": self.name, **_lives(LEASE_SECONDS if self.dynamic else FOREVER)}

    def json(self, families: Sequence[int]) -> dict[str, Any]:
        """Give it as `ip -j addr` does; a family that is asked for leaves the hardware out."""
        head: dict[str, Any] = {
            "ifindex": self.index, "ifname": self.name, "flags": self.flags,
            "mtu": 65536 if self.loopback else 1500,
        }  # fmt: skip
        if families != (6,):
            head["qdisc"] = self.discipline
        head["operstate"] = self.state
        head |= {"group": "default"} if families != (6,) else {}
        head["txqlen"] = 1000
        if len(families) > 1:
            head |= self._hardware()
        return {**head, "addr_info": self.info(families)}

    def _hardware(self) -> Mapping[str, str]:
        if self.loopback:
            return {"link_type": "loopback", "address": "00:00:00:00:00:00", "broadcast": "00:00:00:00:00:00"}
        if not self.mac:
            return {"link_type": "none"}
        return {"link_type": "ether", "address": self.mac, "broadcast": "ff:ff:ff:ff:ff:ff"}

    def text(self, families: Sequence[int]) -> str:
        """Give it as `ip addr` prints it."""
        head = f"{self.index}: {self.name}: <{','.join(self.flags)}> mtu {65536 if self.loopback else 1500} "
        lines = [f"{head}qdisc {self.discipline} state {self.state} group default qlen 1000"]
        hardware = self._hardware()
        if len(families) > 1 and "address" in hardware:
            lines.append(
                f"    link/{hardware['link_type']} {hardware['address']} brd {hardware['broadcast']}"
            )
        for info in self.info(families):
            metric = f" metric {info['metric']}" if "metric" in info else ""
            broadcast = f" brd {info['broadcast']}" if "broadcast" in info else ""
            made = [word for word in ("dynamic", "mngtmpaddr", "noprefixroute") if word in info]
            tail = " ".join([*made, info.get("label", "")])
            life = "forever" if info["valid_life_time"] == FOREVER else f"{LEASE_SECONDS}sec"
            lines.append(
                f"    {info['family']} {info['local']}/{info['prefixlen']}{metric}{broadcast} "
                f"scope {info['scope']} {tail}"
            )
            lines.append(f"       valid_lft {life} preferred_lft {life}")
        return "".join(f"{line}\n" for line in lines)


LOOPBACK = Link(1, "lo", "", IPv4Address("127.0.0.1"), 8)


def _lives(seconds: int) -> dict[str, int]:
    return {"valid_life_time": seconds, "preferred_life_time": seconds}


def families_of(argv: Sequence[str]) -> tuple[int, ...]:
    """Give the families that the options of `ip` ask for."""
    return (6,) if "-6" in argv else (4,) if "-4" in argv else (4, 6)


def addresses(links: Iterable[Link], argv: Sequence[str], name: str = "") -> str:
    """Answer `ip addr show`; a link without an address of the family that is asked for is left out."""
    families = families_of(argv)
    shown = [link for link in links if name in ("", link.name) and (len(families) > 1 or link.info(families))]
    if "-j" in argv or "-json" in argv:
        return dumped([link.json(families) for link in shown])
    return "".join(link.text(families) for link in shown)


def routes6(links: Sequence[Link]) -> list[dict[str, Any]]:
    """Give the IPv6 routes to a host's own links and networks."""
    proto = {True: {"protocol": "ra", "metric": 1024}, False: {"protocol": "kernel", "metric": 256}}
    networks = [
        {"dst": str(IPv6Network((int(link.global6), 64), strict=False)), "dev": link.name, **proto[link.learned],
         "flags": [], "pref": "medium"}
        for link in links
        if link.global6 is not None
    ]  # fmt: skip
    return networks + [
        {"dst": "fe80::/64", "dev": link.name, "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"}
        for link in links
        if link.mac
    ]  # fmt: skip


def default6(gateway: IPv6Address, device: str) -> dict[str, Any]:
    """Give the IPv6 route that a router's announcement made."""
    way = {"dst": "default", "gateway": str(gateway), "dev": device, "protocol": "ra", "metric": 1024}
    return {**way, "expires": 1790, "flags": [], "pref": "medium"}


def link_local(mac: str) -> IPv6Address:
    """Make the address on a link out of the hardware address."""
    return IPv6Address((0xFE80 << 112) | interface_identifier(mac))


def interface_identifier(mac: str) -> int:
    """Make the last 64 bits of an address out of the hardware address (EUI-64)."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets[0] ^= 2
    return int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]))


def rules(argv: Sequence[str], policy: Sequence[tuple[str, str]] = ()) -> str:
    """Answer `ip rule show`; `policy` are sources that have a table of their own."""
    own = [] if "-6" in argv else [(100 + at, source, table) for at, (source, table) in enumerate(policy)]
    usual = [(number, "all", table) for number, table in (RULES[:2] if "-6" in argv else RULES)]
    held = [*usual[:1], *own, *usual[1:]]
    if "-j" in argv or "-json" in argv:
        return dumped([{"priority": number, "src": source, "table": table} for number, source, table in held])
    return "".join(f"{number}:\tfrom {source} lookup {table}\n" for number, source, table in held)


def dumped(value: object) -> str:
    """Write JSON as iproute2 does."""
    return json.dumps(value, separators=_TIGHT) + "\n"


def arp(neighbours: Iterable[tuple[str, str, str]]) -> str:
    """Write `/proc/net/arp`: address, hardware address and device; without the second nobody answers there."""
    return _ARP_HEAD + "".join(
        f"{address:<16} 0x1         0x{2 if mac else 0}         {mac or '00:00:00:00:00:00'}     *        {device}\n"
        for address, mac, device in neighbours
    )


def neighbours(found: Iterable[tuple[str, str, str]], numbers: str = "") -> str:
    """Write `ip -4 neigh show`, in the order of `arp`; busybox tells `numbers` as well."""
    return "".join(
        f"{address} dev {device} {f'lladdr {mac} ' if mac else ' '}{numbers}{'REACHABLE' if mac else 'FAILED'} \n"
        for address, mac, device in found
    )
