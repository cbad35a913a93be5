"""`ip`, `ss` and `ping` on the simulated server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any, BinaryIO

from msgspec import Struct

from plexops.lab import network_words
from plexops.lab.base import PREFIX6, ROUTER_MAC, ExecResult
from plexops.lab.network_words import LOOPBACK, Link
from plexops.lab.server_condition import EVERYWHERE, ServerCondition
from plexops.lab.shell import Context, fail, say

PLEX_PORT = 32400
DOCKER_BRIDGE = "172.17.0.1"
DOCKER_MAC = "02:42:8b:1f:2e:01"
#: Stands for the far end of the way: whoever is asked there answers.
INTERNET = IPv4Address("1.1.1.1")
USAGE = "ping: usage error: Destination address required"
_SS_HEAD = "State  Recv-Q Send-Q      Local Address:Port       Peer Address:Port Process\n"


class ServerNetwork(Struct, frozen=True):
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
                others.append(("*" if address == EVERYWHERE else "127.0.0.1", PLEX_PORT, program))
        return sorted(others, key=lambda socket: socket[1])

    def ip(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        """Answer `ip addr`, `ip route`, `ip route get` and `ip rule`, as JSON or for people."""
        words = [word for word in argv[1:] if not word.startswith("-")]
        what = next((word for word in words if word[0] in "arl"), "")
        if what.startswith("ru"):
            return say(network_words.rules(argv))
        if not what.startswith("r"):
            name = words[-1] if "dev" in words or words[-1] in ("eth0", "lo") else ""
            return say(network_words.addresses(self._links(), argv, name))
        if "-j" not in argv and "-6" not in argv:
            return self._plain_routes()
        if "-6" in argv:
            value = [] if "get" in words else self._routes6()
            value = [row for row in value if "default" not in words or row["dst"] == "default"]
        elif "get" in words:
            value = self._route_to(words[-1], context)
        else:
            value = self._routes(words)
        return say(network_words.dumped(value))

    def _routes6(self) -> list[dict[str, Any]]:
        default = network_words.default6(network_words.link_local(ROUTER_MAC), "eth0")
        return network_words.routes6(self._links()) + ([default] if self.condition.ipv6 else [])

    def arp(self) -> str:
        """Give `/proc/net/arp`: the gateway, where anybody is there."""
        gateway = self.condition.gateway
        return network_words.arp([(str(gateway), ROUTER_MAC if self.condition.online else "", "eth0")])

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

    def _plain_routes(self) -> ExecResult:
        address = self.address()
        proto = "dhcp" if self.condition.address_source == "dhcp" else "static"
        return say(
            f"default via {self.condition.gateway} dev eth0 proto {proto} src {address} metric 1024 \n"
            f"192.168.1.0/24 dev eth0 proto kernel scope link src {address} metric 1024 \n"
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
        rows = [default, *self._connected(), lan]
        if condition.vpn is not None:
            # OpenVPN leaves the default route alone and puts two halves in front of it.
            halves = ("0.0.0.0/1", "128.0.0.0/1")
            way = {"gateway": str(condition.vpn.gateway), "dev": condition.vpn.interface, "flags": []}
            rows = [*({"dst": half, **way} for half in halves), *rows]
        return rows

    def _connected(self) -> list[dict[str, Any]]:
        """Give the routes to the networks of the tunnel and of the containers."""
        links = [link for link in self._links() if link.index > 2 and link.address is not None]
        return [
            {
                "dst": str(IPv4Network((int(link.address), link.prefix), strict=False)), "dev": link.name,
                "protocol": "kernel", "scope": "link", "prefsrc": str(link.address), "flags": [],
            }
            for link in links if link.address is not None
        ]  # fmt: skip

    def _links(self) -> list[Link]:
        condition = self.condition
        eth0 = Link(
            2, "eth0", self.mac, self.address(), 24, "fq_codel", condition.address_source == "dhcp", 1024,
            public_address6(condition, self.mac), learned=True,
        )  # fmt: skip
        found = [LOOPBACK, eth0]
        if condition.container is not None:
            found.append(Link(3, "docker0", DOCKER_MAC, IPv4Address(DOCKER_BRIDGE), 16))
        if condition.vpn is not None:
            found.append(Link(4, condition.vpn.interface, "", condition.vpn.address, 24, "fq_codel"))
        return found


def public_address6(condition: ServerCondition, mac: str) -> IPv6Address | None:
    """Give the server's public address of IPv6, made of its hardware address; None where the home has no IPv6."""
    own = IPv6Address(int(PREFIX6[0]) | network_words.interface_identifier(mac))
    return own if condition.ipv6 else None
