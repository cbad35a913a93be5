"""The wires and addresses of a home: Internet ── ISP ── router ══ LAN.

    inet 11.22.44.5, .6 ──┐
                          isp ──wan── router ══br-lan 192.168.1.1══ server (by DHCP), ctl .2
    outside 198.51.100.77 ┘

The addresses of the Internet lie in ranges that tools take for public: miniupnpd and others refuse
documentation ranges as "not public". Nothing here has a name or an uplink on the machine itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from .node import Node

Wan = Literal["plain", "cgnat", "double"]

LAN_ROUTER = "192.168.1.1"
LAN_CTL = "192.168.1.2"
OUTSIDE = "198.51.100.77"
ECHOES = ("11.22.44.5", "11.22.44.6")
SERVER_MAC = "02:50:4c:45:58:01"


class Uplink(Struct, frozen=True):
    """How the router is connected: its WAN address, the ISP's side, and the address that the world sees."""

    router: str
    prefix: int
    gateway: str
    public: str

    @property
    def translated(self) -> bool:
        """Whether the ISP translates addresses on the way."""
        return self.router != self.public


UPLINKS: Mapping[Wan, Uplink] = {
    "plain": Uplink("11.22.33.10", 24, "11.22.33.1", "11.22.33.10"),
    "cgnat": Uplink("100.64.7.20", 10, "100.64.0.1", "11.22.33.77"),
    "double": Uplink("192.168.100.2", 24, "192.168.100.1", "11.22.33.77"),
}


#: The server's own address where the household has IPv6.
SERVER_6 = "2001:db8:1::50"
#: A household that has IPv6: prefixes of its own, and routers that find each other. By node, commands of a shell.
IPV6: Mapping[str, str] = {
    "isp": """
        sysctl -qw net.ipv6.conf.all.forwarding=1
        ip addr add 2001:db8:2::1/64 dev net0 nodad; ip addr add 2001:db8:3::1/64 dev home0 nodad
        ip addr add 2001:db8:4::1/64 dev net1 nodad
        ip -6 route add 2001:db8:1::/64 via 2001:db8:3::2""",
    "inet": "ip addr add 2001:db8:2::5/64 dev eth0 nodad; ip -6 route add default via 2001:db8:2::1",
    "outside": "ip addr add 2001:db8:4::77/64 dev eth0 nodad; ip -6 route add default via 2001:db8:4::1",
    "router": """
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        ip addr add 2001:db8:3::2/64 dev wan nodad; ip addr add 2001:db8:1::1/64 dev br-lan nodad
        ip -6 route add default via 2001:db8:3::1
        nft add rule inet filter input meta l4proto ipv6-icmp accept""",
    "server": f"ip addr add {SERVER_6}/64 dev eth0 nodad; ip -6 route add default via 2001:db8:1::1",
}


def wire(nodes: Mapping[str, Node], uplink: Uplink) -> None:
    """Lay the cables between the nodes and give them their addresses."""
    pid = {name: node.pid for name, node in nodes.items()}
    cables = [
        ("inet", "eth0", "isp", "net0", ""),
        ("outside", "eth0", "isp", "net1", ""),
        ("router", "wan", "isp", "home0", ""),
        ("server", "eth0", "router", "lan1", SERVER_MAC),
        ("ctl", "eth0", "router", "lan2", ""),
    ]
    _ip(
        [
            f"link add {end} {f'address {mac} ' if mac else ''}netns {pid[a]} "
            f"type veth peer name {other} netns {pid[b]}"
            for a, end, b, other, mac in cables
        ]
    )
    plans = {
        "inet": [*_on("eth0", *(f"{a}/24" for a in ECHOES)), "route add default via 11.22.44.1"],
        "outside": [*_on("eth0", f"{OUTSIDE}/24"), "route add default via 198.51.100.1"],
        "isp": [
            *_on("net0", "11.22.44.1/24"),
            *_on("net1", "198.51.100.1/24"),
            *_on("home0", f"{uplink.gateway}/{uplink.prefix}"),
            *([f"addr add {uplink.public}/32 dev lo"] if uplink.translated else []),
        ],
        "router": [
            "link add br-lan type bridge",
            "link set lan1 master br-lan up",
            "link set lan2 master br-lan up",
            *_on("br-lan", f"{LAN_ROUTER}/24"),
            *_on("wan", f"{uplink.router}/{uplink.prefix}"),
            f"route add default via {uplink.gateway}",
        ],
        "server": ["link set eth0 up"],
        "ctl": [*_on("eth0", f"{LAN_CTL}/24"), f"route add default via {LAN_ROUTER}"],
    }
    for name, plan in plans.items():
        _ip(["link set lo up", *plan], nodes[name])


def _on(device: str, *addresses: str) -> list[str]:
    # `brd +`: DHCP servers and captures of real hosts show a broadcast address.
    return [*(f"addr add {address} brd + dev {device}" for address in addresses), f"link set {device} up"]


def _ip(lines: list[str], node: Node | None = None) -> None:
    argv = ["ip", "-batch", "-"]
    done = subprocess.run(
        node.enter_network(argv) if node else argv,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ip in {node.name if node else 'no node'}: {done.stderr}")


def isp_rules(uplink: Uplink, *, drops_port: int = 0, outside_cut: bool = False) -> str:
    """Give the ISP's own packet filter: carrier NAT, a port that it swallows, a vantage that is cut off.

    What comes from the Internet for an address that the ISP translates reaches no customer: it is dropped, as
    carriers do, rather than refused.
    """
    forward = ["ct state established,related accept"]
    if drops_port:
        forward.append(f'oifname "home0" tcp dport {drops_port} drop')
    if outside_cut:
        forward.append(f"ip saddr {OUTSIDE} drop")
        forward.append(f"ip daddr {OUTSIDE} drop")
    if uplink.translated:
        forward.append('meta nfproto ipv4 iifname { "net0", "net1" } oifname "home0" drop')
    # Only what its customer sends: the vantage is on the Internet itself.
    snat = f"ip saddr {uplink.router} snat ip to {uplink.public}" if uplink.translated else ""
    block = "\n\t\t".join(forward)
    return f"""table inet isp {{
	chain input {{
		type filter hook input priority filter; policy accept;
		iifname {{ "net0", "net1" }} meta l4proto {{ tcp, udp }} drop
	}}
	chain forward {{
		type filter hook forward priority filter; policy accept;
		{block}
	}}
	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		{snat}
	}}
}}
"""
