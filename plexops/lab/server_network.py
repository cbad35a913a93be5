"""`ip`, `ss` and `ping` on the simulated server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.server_condition import EVERYWHERE, LOOPBACK, ServerCondition
from plexops.lab.shell import Context, fail, say

FOREVER = 4294967295
PLEX_PORT = 32400
DOCKER_BRIDGE = "172.17.0.1"
#: Stands for the far end of the way: whoever is asked there answers.
INTERNET = IPv4Address("1.1.1.1")
USAGE = "ping: usage error: Destination address required"
_TIGHT = (",", ":")
_FLAGS = ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]
_SS_HEAD = "State  Recv-Q Send-Q      Local Address:Port       Peer Address:Port Process\n"


@dataclass(frozen=True, slots=True)
class ServerNetwork:
    """The server's view of its network. `hops` are what answers on the way to the Internet, in order."""

    mac: str
    condition: ServerCondition
    listening: Mapping[int, str]
    address: Callable[[], IPv4Address | None]
    hops: Callable[[], Sequence[IPv4Address | None]]

    def ss(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer `ss -Htln` and its kin."""
        wanted = "".join(argv[2:]).replace(" ", "")
        flags = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
        lines = "" if "H" in flags else _SS_HEAD
        for local, port, program in self._sockets():
            if "sport=" in wanted and f"sport=:{port}" not in wanted:
                continue
            peer = {"*": "*:*", "[::]": "[::]:*"}.get(local, "0.0.0.0:*")
            users = f' users:(("{program}",pid=812,fd=55))' if "p" in flags and context.user == "root" else ""
            lines += f"LISTEN 0      128    {f'{local}:{port}':>18} {peer:>18}{users}\n"
        return say(lines)

    def _sockets(self) -> list[tuple[str, int, str]]:
        others = [
            (EVERYWHERE, port, program) for port, program in self.listening.items() if port != PLEX_PORT
        ]
        program = self.listening.get(PLEX_PORT)
        isolated = self.condition.isolated
        if isolated is not None:
            for address, outer, _ in isolated.published:
                twins = (EVERYWHERE, "[::]") if address == EVERYWHERE else (address,)
                others += [(twin, outer, "docker-proxy") for twin in twins]
        elif program is not None:
            # Plex itself listens on one socket for both families.
            for address in self.condition.bindings(PLEX_PORT):
                others.append(("*" if address == EVERYWHERE else LOOPBACK, PLEX_PORT, program))
        return sorted(others, key=lambda socket: socket[1])

    def ip(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer `ip addr`, `ip route` and `ip route get`, as JSON or for people."""
        words = [word for word in argv[1:] if not word.startswith("-")]
        what = next((word for word in words if word[0] in "arl"), "")
        if "-6" in argv or "-j" not in argv:
            return say("[]\n") if "-j" in argv else self._plain_ip(what)
        if what.startswith("r") and "get" in words:
            value = self._route_to(words[-1], context)
        elif what.startswith("r"):
            value = self._routes(words)
        else:
            value = self._links(words, only_ipv4="-4" in argv)
        return say(json.dumps(value, separators=_TIGHT) + "\n")

    def ping(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        """Answer one packet: `ping -n -c 1 -W 1 -t TTL ADDRESS`."""
        words = list(argv[1:])
        life, target = 64, ""
        while words:
            word = words.pop(0)
            if word in ("-c", "-W", "-w", "-i", "-s") and words:
                words.pop(0)
            elif word == "-t" and words:
                life = int(words.pop(0))
            elif not word.startswith("-"):
                target = word
        if not target:
            return fail(USAGE, 2)
        return self._pinged(target, life)

    def _pinged(self, target: str, life: int) -> ExecResult:
        head = f"PING {target} ({target}) 56(84) bytes of data.\n"
        tail = f"\n--- {target} ping statistics ---\n1 packets transmitted, "
        lost = ExecResult(f"{head}{tail}0 received, 100% packet loss, time 0ms\n\n".encode(), b"", 1)
        if not self.condition.online:
            said = f"From {self.address()} icmp_seq=1 Destination Host Unreachable\n"
            return say(f"{head}{said}{tail}0 received, +1 errors, 100% packet loss, time 0ms\n\n", 1)
        hops = self.hops()
        if hops[-1:] == (INTERNET,) and life >= len(hops):
            said = f"64 bytes from {target}: icmp_seq=1 ttl=57 time=9.31 ms\n"
            times = "rtt min/avg/max/mdev = 9.314/9.314/9.314/0.000 ms\n"
            return say(f"{head}{said}{tail}1 received, 0% packet loss, time 0ms\n{times}")
        hop = hops[min(life, len(hops)) - 1] if hops else None
        what = "Destination Net Unreachable" if life > len(hops) else "Time to live exceeded"
        said = f"From {hop} icmp_seq=1 {what}\n" if hop else ""
        if not said:
            return lost
        return say(f"{head}{said}{tail}0 received, +1 errors, 100% packet loss, time 0ms\n\n", 1)

    def _route_to(self, target: str, context: Context) -> list[dict[str, Any]]:
        vpn = self.condition.vpn
        user: dict[str, Any] = {"flags": [], "uid": 0 if context.user == "root" else 1000, "cache": []}
        if vpn is not None:
            way = {"gateway": str(vpn.gateway), "dev": vpn.interface, "prefsrc": str(vpn.address)}
        else:
            way = {"gateway": str(self.condition.gateway), "dev": "eth0", "prefsrc": str(self.address())}
        return [{"dst": target, **way, **user}]

    def _plain_ip(self, what: str) -> ExecResult:
        address = self.address()
        dynamic = self.condition.address_source == "dhcp"
        if what.startswith("r"):
            proto = "dhcp" if dynamic else "static"
            return say(
                f"default via {self.condition.gateway} dev eth0 proto {proto} src {address} metric 1024 \n"
                f"192.168.1.0/24 dev eth0 proto kernel scope link src {address} metric 1024 \n"
            )
        return say(
            "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n"
            f"    link/ether {self.mac} brd ff:ff:ff:ff:ff:ff\n"
            f"    inet {address}/24 metric 1024 brd 192.168.1.255 scope global {'dynamic ' if dynamic else ''}eth0\n"
        )

    def _routes(self, words: list[str]) -> list[dict[str, Any]]:
        source = str(self.address())
        condition = self.condition
        common: dict[str, Any] = {"prefsrc": source, "metric": 1024, "flags": []}
        proto = "dhcp" if condition.address_source == "dhcp" else "static"
        default: dict[str, Any] = {
            "dst": "default", "gateway": str(condition.gateway), "dev": "eth0", "protocol": proto, **common,
        }  # fmt: skip
        if "default" in words:
            return [default]
        lan = {"dst": "192.168.1.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", **common}
        rows = [default, lan]
        if condition.vpn is not None:
            # OpenVPN leaves the default route alone and puts two halves in front of it.
            halves = ("0.0.0.0/1", "128.0.0.0/1")
            way = {"gateway": str(condition.vpn.gateway), "dev": condition.vpn.interface, "flags": []}
            rows = [*({"dst": half, **way} for half in halves), *rows]
        return rows

    def _links(self, words: list[str], *, only_ipv4: bool) -> list[dict[str, Any]]:
        address, condition = self.address(), self.condition
        info: dict[str, Any] = {
            "family": "inet", "local": str(address), "prefixlen": 24, "metric": 1024,
            "broadcast": "192.168.1.255", "scope": "global",
        }  # fmt: skip
        if condition.address_source == "dhcp":
            info |= {"dynamic": True, "label": "eth0", "valid_life_time": 40211, "preferred_life_time": 40211}
        else:
            info |= {"label": "eth0", "valid_life_time": FOREVER, "preferred_life_time": FOREVER}
        hardware = {"link_type": "ether", "address": self.mac, "broadcast": "ff:ff:ff:ff:ff:ff"}
        eth0 = _link(2, "eth0", "fq_codel", {} if only_ipv4 else hardware, [info] if address else [])
        links = [_LOOPBACK, eth0, *self._more_links()]
        name = words[-1] if "dev" in words or words[-1] in ("eth0", "lo") else ""
        return [link for link in links if link["ifname"] == name] if name else links

    def _more_links(self) -> list[dict[str, Any]]:
        found = []
        if self.condition.container is not None:
            found.append(_link(3, "docker0", "noqueue", {}, [_fixed("docker0", DOCKER_BRIDGE, 16)]))
        vpn = self.condition.vpn
        if vpn is not None:
            found.append(
                _link(4, vpn.interface, "fq_codel", {}, [_fixed(vpn.interface, str(vpn.address), 24)])
            )
        return found


def _fixed(name: str, address: str, prefix: int) -> dict[str, Any]:
    return {
        "family": "inet", "local": address, "prefixlen": prefix, "scope": "global", "label": name,
        "valid_life_time": FOREVER, "preferred_life_time": FOREVER,
    }  # fmt: skip


def _link(
    index: int, name: str, discipline: str, hardware: Mapping[str, str], info: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "ifindex": index, "ifname": name, "flags": _FLAGS, "mtu": 1500, "qdisc": discipline, "operstate": "UP",
        "group": "default", "txqlen": 1000, **hardware, "addr_info": info,
    }  # fmt: skip


_LOOPBACK: dict[str, Any] = {
    "ifindex": 1,
    "ifname": "lo",
    "flags": ["LOOPBACK", "UP", "LOWER_UP"],
    "mtu": 65536,
    "qdisc": "noqueue",
    "operstate": "UNKNOWN",
    "group": "default",
    "txqlen": 1000,
    "addr_info": [
        {
            "family": "inet",
            "local": "127.0.0.1",
            "prefixlen": 8,
            "scope": "host",
            "label": "lo",
            "valid_life_time": FOREVER,
            "preferred_life_time": FOREVER,
        }
    ],
}
