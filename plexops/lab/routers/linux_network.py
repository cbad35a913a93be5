"""What a simulated Linux router says of its own links and routes."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, BinaryIO

from plexops.lab import network_words
from plexops.lab.base import GATEWAY_MAC, PREFIX6, ROUTER_MAC, WAN_ADDRESS6, ExecResult, Lease, Seed
from plexops.lab.network_words import LOOPBACK, Link
from plexops.lab.routers.linux_files import Interfaces
from plexops.lab.shell import Context, fail, say

#: What the router calls its second way to the Internet, where it has one.
SECOND_SIDE = "wan1"
#: The tunnel, and the table of routes through it, where a rule sends a host there.
_TUNNEL_SIDE, _TUNNEL_TABLE = "wg0", "100"
_WAN_MAC, _SECOND_MAC, _SECOND_GATEWAY = "94:83:c4:2b:77:00", "94:83:c4:2b:77:02", "00:1e:49:7a:20:01"


class LinuxNetwork:
    """The router's interfaces. `answering` are the hosts that it has met."""

    def __init__(self, seed: Seed, sides: Interfaces) -> None:
        self._seed = seed
        self._sides = sides
        self.answering: tuple[Lease, ...] = ()

    def links(self) -> list[Link]:
        """Give the interfaces."""
        seed, way = self._seed, self._seed.second_way
        address = seed.wan_address if seed.wan_up else None
        found = [
            LOOPBACK,
            Link(2, self._sides.wan, _WAN_MAC, address, seed.wan_prefix, global6=WAN_ADDRESS6 if seed.ipv6 else None),
            Link(5, self._sides.lan, ROUTER_MAC, seed.lan_address, seed.lan_prefix,
                 global6=PREFIX6[1] if seed.ipv6 else None),
        ]  # fmt: skip
        second = [] if way is None else [Link(6, SECOND_SIDE, _SECOND_MAC, way.address, way.prefix)]
        tunnel = () if seed.policy is None else (Link(7, _TUNNEL_SIDE, "", seed.policy[1].address, 32),)
        return [*found, *second, *tunnel]

    def arp(self) -> str:
        """Give `/proc/net/arp`."""
        return network_words.arp(self._neighbours())

    def _neighbours(self) -> list[tuple[str, str, str]]:
        seed = self._seed
        gateways = [(str(seed.wan_gateway), GATEWAY_MAC, self._sides.wan)] if seed.wan_up else []
        if seed.second_way is not None:
            gateways.append((str(seed.second_way.gateway), _SECOND_GATEWAY, SECOND_SIDE))
        hosts = [(str(host.address), host.mac, self._sides.lan) for host in self.answering]
        return [*gateways, *hosts]

    def ip(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        """Answer `ip addr`, `ip route` and `ip rule`."""
        words = [word for word in argv[1:] if not word.startswith("-")]
        what = words[0] if words else ""
        if what in ("rule", "ru"):
            sent = [] if self._seed.policy is None else [(str(self._seed.policy[0]), _TUNNEL_TABLE)]
            return say(network_words.rules(argv, sent))
        if what in ("neighbour", "neigh", "n"):
            return say(network_words.neighbours(self._neighbours()))
        if what in ("address", "addr", "a"):
            named = "dev" in words or (len(words) > 2 and words[1] in ("show", "list"))
            name = words[-1] if named else ""
            if name and all(link.name != name for link in self.links()):
                return fail(f'Device "{name}" does not exist.')
            return say(network_words.addresses(self.links(), argv, name))
        if what in ("route", "r", "ro"):
            rows = self._routes6() if "-6" in argv else self._routes()
            if "default" in words:
                rows = [row for row in rows if row["dst"] == "default"]
            if "-j" in argv or "-json" in argv:
                return say(network_words.dumped(rows))
            return say("".join(_text(row) for row in rows))
        return fail(f'Object "{what}" is unknown, try "ip help".', 1)

    def _routes6(self) -> list[dict[str, Any]]:
        default = network_words.default6(network_words.link_local(GATEWAY_MAC), self._sides.wan)
        return network_words.routes6(self.links()) + ([default] if self._seed.ipv6 else [])

    def _routes(self) -> list[dict[str, Any]]:
        seed, way = self._seed, self._seed.second_way
        rows: list[dict[str, Any]] = []
        networks: list[tuple[str, IPv4Address, int]] = []
        if seed.wan_up:
            rows.append(_default(seed.wan_gateway, self._sides.wan, 0))
            networks.append((self._sides.wan, seed.wan_address, seed.wan_prefix))
        if way is not None:
            rows.append(_default(way.gateway, SECOND_SIDE, way.metric))
            networks.append((SECOND_SIDE, way.address, way.prefix))
        networks.append((self._sides.lan, seed.lan_address, seed.lan_prefix))
        return [*rows, *_connected(networks)]


def _default(gateway: IPv4Address, device: str, metric: int) -> dict[str, Any]:
    more = {"metric": metric} if metric else {}
    return {"dst": "default", "gateway": str(gateway), "dev": device, **more, "flags": []}


def _connected(networks: Iterable[tuple[str, IPv4Address, int]]) -> Iterable[dict[str, Any]]:
    for name, address, prefix in networks:
        network = IPv4Network((int(address), prefix), strict=False)
        yield {
            "dst": str(network), "dev": name, "protocol": "kernel", "scope": "link", "prefsrc": str(address),
            "flags": [],
        }  # fmt: skip


def _text(row: dict[str, Any]) -> str:
    if "gateway" in row:
        metric = f" metric {row['metric']}" if "metric" in row else ""
        announced = (
            f" proto ra{metric} expires {row['expires']}sec pref medium" if "expires" in row else f"{metric} "
        )
        return f"{row['dst']} via {row['gateway']} dev {row['dev']}{announced}\n"
    if "pref" in row:
        return f"{row['dst']} dev {row['dev']} proto {row['protocol']} metric {row['metric']} pref {row['pref']}\n"
    return f"{row['dst']} dev {row['dev']} proto kernel scope link src {row['prefsrc']} \n"
