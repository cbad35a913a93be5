"""What OpenWrt's `ubus` says about interfaces and the board, in libubox's own JSON layout."""

from __future__ import annotations

from typing import Any

from plexops.lab.base import GATEWAY_MAC, PREFIX6, WAN_ADDRESS6, Seed, WayOut
from plexops.lab.network_words import link_local

UPTIME_SECONDS = 864213


def dump(value: Any, depth: int = 0) -> str:
    """Write JSON as `ubus call` does: tabs, and an empty line inside what is empty."""
    if isinstance(value, dict):
        inner = [f'"{key}": {dump(item, depth + 1)}' for key, item in value.items()]
        return _block("{", inner, "}", depth)
    if isinstance(value, list):
        return _block("[", [dump(item, depth + 1) for item in value], "]", depth)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f'"{value}"'


def _block(opening: str, inner: list[str], closing: str, depth: int) -> str:
    pad = "\t" * (depth + 1)
    lines = f",\n{pad}".join(inner)
    return f"{opening}\n{pad}{lines}\n{pad[:-1]}{closing}"


def interfaces(seed: Seed) -> list[dict[str, Any]]:
    """Give `network.interface dump`'s list."""
    lan = _interface(
        "lan", "static", "br-lan", address=str(seed.lan_address), mask=seed.lan_prefix, updated=["addresses"]
    )
    lan["ipv6-prefix-assignment"] = [
        {
            "address": "fd3c:d721:b50f::",
            "mask": 60,
            "local-address": {"address": "fd3c:d721:b50f::1", "mask": 60},
        }
    ]
    loopback = _interface("loopback", "static", "lo", address="127.0.0.1", mask=8, updated=["addresses"])
    wan = _interface(
        "wan",
        "dhcp",
        "eth1",
        address=str(seed.wan_address),
        mask=seed.wan_prefix,
        updated=["addresses", "routes", "data"],
    )
    wan["route"] = [
        {
            "target": "0.0.0.0",  # noqa: S104
            "mask": 0,
            "nexthop": str(seed.wan_gateway),
            "source": f"{seed.wan_address}/32",
        }
    ]
    wan["dns-server"] = [str(seed.wan_gateway)]
    wan["data"] = {"dhcpserver": str(seed.wan_gateway), "hostname": seed.hostname, "leasetime": 3600}
    if not seed.wan_up:
        wan = _waiting("wan", "dhcp")
    wan6 = _waiting("wan6", "dhcpv6")
    if seed.ipv6:
        wan6 = _wan6()
        assigned = {"address": str(PREFIX6[0]), "mask": 60}
        local = {**assigned, "local-address": {"address": str(PREFIX6[1]), "mask": 60}}
        lan["ipv6-prefix-assignment"].insert(0, local)
        wan6["ipv6-prefix"] = [
            {
                "address": str(PREFIX6[0]),
                "mask": PREFIX6.prefixlen,
                "class": "wan6",
                "assigned": {"lan": assigned},
            }
        ]
    second = () if seed.second_way is None else (_second_way(seed.second_way),)
    return [lan, loopback, wan, wan6, *second]


def _wan6() -> dict[str, Any]:
    wan6 = _interface(
        "wan6", "dhcpv6", "eth1", address="", mask=0, updated=["addresses", "routes", "prefixes"]
    )
    wan6["ipv6-address"] = [{"address": str(WAN_ADDRESS6), "mask": 64}]
    nexthop = str(link_local(GATEWAY_MAC))
    wan6["route"] = [
        {"target": "::", "mask": 0, "nexthop": nexthop, "metric": 512, "source": source}
        for source in (str(PREFIX6), f"{WAN_ADDRESS6}/64")
    ]
    return wan6


def _second_way(way: WayOut) -> dict[str, Any]:
    wanb = _interface(
        "wanb", "dhcp", "eth2", address=str(way.address), mask=way.prefix, updated=["addresses", "routes"]
    )
    wanb["metric"] = way.metric
    wanb["route"] = [
        {"target": "0.0.0.0", "mask": 0, "nexthop": str(way.gateway), "source": f"{way.address}/32"}  # noqa: S104
    ]
    return wanb


def _waiting(name: str, proto: str) -> dict[str, Any]:
    """Give an interface that has asked for an address and got none."""
    return {
        "interface": name,
        "up": False,
        "pending": True,
        "available": True,
        "autostart": True,
        "dynamic": False,
        "proto": proto,
        "device": "eth1",
        "data": {},
    }


def _interface(
    name: str, proto: str, device: str, *, address: str, mask: int, updated: list[str]
) -> dict[str, Any]:
    lists = ("ipv4-address", "ipv6-address", "route", "dns-server", "dns-search", "neighbors")
    empty: dict[str, list[str]] = {key: [] for key in lists}
    return {
        "interface": name,
        "up": True,
        "pending": False,
        "available": True,
        "autostart": True,
        "dynamic": False,
        "uptime": UPTIME_SECONDS,
        "l3_device": device,
        "proto": proto,
        "device": device,
        "updated": updated,
        "metric": 0,
        "dns_metric": 0,
        "delegation": True,
        "ipv4-address": [{"address": address, "mask": mask}] if address else [],
        "ipv6-address": [],
        "ipv6-prefix": [],
        "ipv6-prefix-assignment": [],
        "route": [],
        "dns-server": [],
        "dns-search": [],
        "neighbors": [],
        "inactive": empty,
        "data": {},
    }


def board(hostname: str) -> dict[str, Any]:
    """Give `system board`."""
    return {
        "kernel": "6.6.93",
        "hostname": hostname,
        "system": "Intel(R) N100",
        "model": "Default string Default string",
        "board_name": "default-string-default-string",
        "rootfs_type": "squashfs",
        "release": {
            "distribution": "OpenWrt",
            "version": "24.10.2",
            "firmware_url": "https://downloads.openwrt.org/",
            "revision": "r28739-d9340319c6",
            "target": "x86/64",
            "description": "OpenWrt 24.10.2 r28739-d9340319c6",
            "builddate": "1750711236",
        },
    }
