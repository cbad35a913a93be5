"""Random /etc/config/firewall for the judge's router: what people write, and what firewall4 refuses."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from plexops.parsers.base import Row

#: The judge's router as `ubus call network.interface dump` would tell it.
DUMP: Mapping[str, Sequence[Mapping[str, object]]] = {
    "interface": [
        {"interface": "loopback", "up": True, "l3_device": "lo", "ipv4-address": [{"address": "127.0.0.1", "mask": 8}]},
        {
            "interface": "lan", "up": True, "l3_device": "lan0", "device": "lan0",
            "ipv4-address": [{"address": "192.168.1.1", "mask": 24}],
            "ipv6-prefix-assignment": [{"local-address": {"address": "2001:db8:1::1", "mask": 64}}],
        },
        {"interface": "wan", "l3_device": "wan0", "ipv4-address": [{"address": "203.0.113.20", "mask": 24}]},
        {"interface": "wan6", "l3_device": "wan0", "ipv6-address": [{"address": "2001:db8:a::20", "mask": 64}]},
        {"interface": "guest", "device": "guest0", "ipv4-address": [{"address": "192.168.50.1", "mask": 24}]},
        {"interface": "down", "up": False, "proto": "dhcp"},
    ]
}  # fmt: skip

_YES = ("1", "yes", "on", "true", "0", "no", "off", "false", "enabled", "TRUE")
_PROTO: tuple[str | list[str], ...] = (
    "tcp", "tcp", "tcp", "TCP", "udp", "tcpudp", "tcp udp", "all", "any", "*", "6", "icmp", "!tcp", "!all", "gre", "47",
    "foo", ["tcp", "udp"], ["udp", "icmp"], "tcp icmp", "icmpv6",
)  # fmt: skip
_PORT = ("32500", "32500", "32400", "32500-32510", "32400-32410", "32300:32500", "!32500", "!32400", "80", "0", "x", "32500 32400")  # fmt: skip
_PORTS: tuple[str | list[str], ...] = (
    *_PORT,
    "32400 32500",
    ["32400", "32500"],
    "!80 !22",
    "32400-32500 !32400",
)
_OUT = (
    "198.51.100.77", "198.51.100.0/24", "!198.51.100.0/24", "198.51.100.70-198.51.100.80", "0.0.0.0/0", "!192.0.2.9",
    "192.0.2.9/255.255.255.0", "198.0.100.0/255.0.255.0", "wan", "2001:db8:99::77", "2001:db8:99::/48", "!2001:db8:99::/64",
    "198.51.100.77/33", "nosuch",
)  # fmt: skip
_DIP = (
    "203.0.113.20",
    "203.0.113.21",
    "!203.0.113.21",
    "203.0.113.0/24",
    "wan",
    "wan6",
    "2001:db8:a::20",
    "203.0.113.99",
)
_IN = (
    *["192.168.1.50"] * 6, "192.168.1.99", "192.168.1.50/32", "192.168.1.0/24", "192.168.1.51-192.168.1.52",
    "2001:db8:1::50", "lan", "!192.168.1.50", "203.0.113.20", "down", "::50/-64", ["192.168.1.50"],
)  # fmt: skip
_ZONE = ("wan", "wan", "wan", "wan", "wan", "lan", "*", "nosuch", "guest")
_TARGET = ("DNAT", "dnat", "ACCEPT", "d", "SNAT", "x")
_VERDICT = ("ACCEPT", "accept", "DROP", "REJECT", "rej", "DROP", "NOTRACK", "MARK", "x", "HELPER")
_SHARED: Mapping[str, Sequence[str | list[str]]] = {
    "enabled": _YES, "family": ("ipv4", "ipv4", "ipv6", "any", "x"), "src_mac": ("02:00:00:00:01:01", "!02:00:00:00:01:01", "2:0:0:0:1:2", "x"),
    "limit": ("1000/second", "60/min", "!50/s", "x"), "mark": ("0x10", "!0x10", "0/0xff", "16/0x10", "ff"),
    "weekdays": ("Mon tue WED thu fri sat sun", "!Mon Tue Wed Thu Fri Sat Sun", "x", ["Mon", "Tue"]),
    "monthdays": ("1 2", "40"), "utc_time": ("1", "x"), "extra": ("-m foo",), "log": ("1", "note"), "counter": ("0",),
    "ipset": ("friends", "friends src", "!friends", "friends dst", "six", "ports", "nosuch", "pairs", "!pairs", "macs"),
}  # fmt: skip
_OPTIONS: Mapping[str, Mapping[str, Sequence[str | list[str]]]] = {
    "redirect": {
        "src_ip": _OUT, "src_dip": _DIP, "src_port": ("1024-65535", "!53", "53", "40000-50000"), "helper": ("ftp",),
        "reflection": ("0", "1", "x"), "reflection_zone": ("lan", "wan", "guest lan", "x"), "reflection_src": ("external", "x"),
    },
    "rule": {
        "src_ip": (*_OUT, "198.51.100.77 192.0.2.9", "198.51.100.0/24 !198.51.100.77", "198.51.100.77 2001:db8:99::77"),
        "dest_ip": _IN, "src_port": ("1024-65535", "!53", "53"), "device": ("wan0", "lan0", "!wan0", "wan+"),
        "direction": ("in", "out", "x"), "icmp_type": ("echo-request", "8/0", "300"), "dscp": ("CS1", "99"),
        "set_mark": ("0x10", "0x1/0xf", "!1"), "set_xmark": ("0x10/0xff",), "helper": ("!ftp",), "name": ("y" * 130,),
    },
}  # fmt: skip


def config(rng: random.Random) -> list[Row]:
    """Give one configuration as `parse_uci` gives it."""
    rows = [_defaults(rng), *_zones(rng), *_sets(rng)]
    rows.append(
        _row(
            "rule",
            {"name": "Ping", "src": "wan", "proto": "icmp", "icmp_type": "echo-request", "target": "ACCEPT"},
        )
    )
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        rows.append(_rule(rng))
    rows.append(_row("forwarding", {"src": "lan", "dest": "wan"}))
    if rng.random() < 0.25:
        forwarding = {
            "src": rng.choice(_ZONE),
            "dest": rng.choice(("lan", "*", "wan", "x")),
            "family": rng.choice(("any", "ipv6")),
        }
        rows.append(_row("forwarding", forwarding))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rows.append(_redirect(rng))
    if rng.random() < 0.1:
        rows.append(
            _row(
                "nat",
                {
                    "src": rng.choice(("lan", "wan")),
                    "target": rng.choice(("MASQUERADE", "ACCEPT")),
                    "proto": "all",
                },
            )
        )
    return _numbered(rows)


def _defaults(rng: random.Random) -> Row:
    policies = ("REJECT", "ACCEPT", "DROP", "acc")
    found = {"input": rng.choice(policies), "output": "ACCEPT", "forward": rng.choice(policies)}
    for option, values in (
        ("syn_flood", ("1", "0")),
        ("drop_invalid", ("1",)),
        ("flow_offloading", ("0",)),
        ("input", ("x",)),
    ):
        if rng.random() < (0.02 if values == ("x",) else 0.3):
            found[option] = rng.choice(values)
    return _row("defaults", found)


def _zones(rng: random.Random) -> list[Row]:
    lan = {"name": "lan", "network": "lan", "input": "ACCEPT", "output": "ACCEPT", "forward": "ACCEPT"}
    wan: dict[str, str | list[str]] = {
        "name": "wan",
        "network": ["wan", "wan6"],
        "input": "REJECT",
        "output": "ACCEPT",
        "forward": "REJECT",
        "masq": "1",
    }
    for option, values in {
        "input": ("ACCEPT", "DROP"), "forward": ("ACCEPT", "DROP"), "masq": ("0", "1"), "masq6": ("1",), "family": ("ipv4", "any", "ipv6"),
        "device": ("wan0", "wan+", "!lan0"), "subnet": ("0.0.0.0/0", "198.51.100.0/24", "!192.0.2.0/24"), "log": ("1",),
        "mtu_fix": ("1",), "enabled": ("1", "x"), "masq_allow_invalid": ("1",),
    }.items():  # fmt: skip
        if rng.random() < 0.07:
            wan[option] = rng.choice(values)
    guest = {
        "name": "guest",
        "network": "guest",
        "device": rng.choice(("guest0", "docker0")),
        "input": "DROP",
        "forward": "DROP",
    }
    if rng.random() < 0.1:
        lan["masq"] = "1"
    return [_row("zone", lan), _row("zone", wan), *([_row("zone", guest)] if rng.random() < 0.7 else [])]


def _sets(rng: random.Random) -> list[Row]:
    found = [
        {"name": "friends", "match": rng.choice(("src_ip", "src_net", "dest_ip")), "entry": ["198.51.100.77", "203.0.113.21/32", "x"]},
        {"name": "six", "family": "ipv6", "match": "src_net", "entry": "2001:db8:99::/48"},
        {"name": "ports", "match": "dest_port", "entry": ["32500", "80"]},
        {"name": "pairs", "match": ["src_ip", "dest_port"], "entry": ["198.51.100.77 32500", "192.0.2.9 32400"]},
        {"name": "macs", "match": "mac", "entry": "02:00:00:00:01:01"},
    ]  # fmt: skip
    return [_row("ipset", one) for one in found if rng.random() < 0.8]


def _redirect(rng: random.Random) -> Row:
    found: dict[str, str | list[str]] = {
        "name": "T", "src": rng.choice(_ZONE[:6] if rng.random() < 0.9 else _ZONE), "src_dport": rng.choice(_PORT),
        "proto": rng.choice(_PROTO), "dest_ip": rng.choice(_IN), "dest_port": rng.choice(_PORT), "dest": "lan",
    }  # fmt: skip
    if rng.random() < 0.5:
        found |= {
            "src": "wan",
            "src_dport": rng.choice(("32500", "32400")),
            "proto": "tcp",
            "dest_ip": "192.168.1.50",
        }
    for option in ("dest", "dest_port", "src_dport", "dest_ip", "proto", "name"):
        if rng.random() < 0.06:
            del found[option]
    if rng.random() < 0.1:
        found["target"] = rng.choice(_TARGET)
    return _row("redirect", found | _more(rng, "redirect"))


def _rule(rng: random.Random) -> Row:
    found: dict[str, str | list[str]] = {
        "name": "R", "src": rng.choice(_ZONE), "dest": rng.choice(("lan", "lan", "*", "wan", "x")), "proto": rng.choice(_PROTO),
        "dest_port": rng.choice(_PORTS), "target": rng.choice(_VERDICT),
    }  # fmt: skip
    for option in ("dest", "dest_port", "src", "proto", "target"):
        if rng.random() < 0.25:
            del found[option]
    return _row("rule", found | _more(rng, "rule"))


def _more(rng: random.Random, kind: str) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for options, often in ((_OPTIONS[kind], 0.08), (_SHARED, 0.05)):
        for option, values in options.items():
            if rng.random() < often:
                found[option] = rng.choice(values)
    return found


def _row(kind: str, options: Mapping[str, str | list[str]]) -> Row:
    return {".config": "firewall", ".type": kind, **options}


def _numbered(rows: Sequence[Row]) -> list[Row]:
    counts: dict[str, int] = {}
    for row in rows:
        kind = str(row[".type"])
        row[".name"], row[".anonymous"] = f"@{kind}[{counts.get(kind, 0)}]", "1"
        counts[kind] = counts.get(kind, 0) + 1
    return list(rows)
