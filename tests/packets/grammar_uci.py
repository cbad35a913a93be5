"""Random /etc/config/firewall for the judge's router: what people write, and what firewall4 refuses."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from plexops.model.exchange import Json
from plexops.parsers.base import Row, Value

#: The judge's router as `ubus call network.interface dump` would tell it.
DUMP: Mapping[str, Json] = {
    "interface": [
        {"interface": "loopback", "l3_device": "lo", "ipv4-address": [{"address": "127.0.0.1", "mask": 8}]},
        {
            "interface": "lan", "l3_device": "lan0", "device": "lan0",
            "ipv4-address": [{"address": "192.168.1.1", "mask": 24}],
            "ipv6-prefix-assignment": [{"local-address": {"address": "2001:db8:1::1", "mask": 64}}],
        },
        {"interface": "wan", "l3_device": "wan0", "ipv4-address": [{"address": "203.0.113.20", "mask": 24}]},
        {"interface": "wan6", "l3_device": "wan0", "ipv6-address": [{"address": "2001:db8:a::20", "mask": 64}]},
        {"interface": "guest", "device": "guest0", "ipv4-address": [{"address": "192.168.50.1", "mask": 24}]},
        {"interface": "down", "up": False, "proto": "dhcp"},
    ]
}  # fmt: skip
#: What a plain port forward is; half of the redirects begin so.
_PLAIN = {"src": "wan", "dest": "lan", "proto": "tcp", "src_dport": "32500", "dest_ip": "192.168.1.50"}
_SETS = ("friends", "six", "ports", "pairs", "macs")


@cache
def _grammar() -> Mapping[str, tuple[tuple[str, float, tuple[Value, ...]], ...]]:
    text = (Path(__file__).parent / "data/uci/grammar.txt").read_text("utf-8")
    found: dict[str, tuple[tuple[str, float, tuple[Value, ...]], ...]] = {}
    for kind, option, often, values in re.findall(r"^(\w+) (\w+) (\d+): (.*)$", text, re.MULTILINE):
        choices = tuple(_value(value) for value in values.split(" | "))
        found[kind] = (*found.get(kind, ()), (option, int(often) / 100, choices))
    return found


def _value(text: str) -> Value:
    return text[1:-1].split(", ") if text.startswith("[") else text


def config(rng: random.Random) -> list[Row]:
    """Give one configuration as `parse_uci` gives it."""
    wanted = [("defaults", "defaults"), *(("ipset", name) for name in _SETS if rng.random() < 0.8)]
    wanted += [("zone", name) for name in ("lan", "wan", "guest") if name != "guest" or rng.random() < 0.7]
    for kind, often in (("rule", 1.5), ("forwarding", 0.3), ("redirect", 2), ("nat", 0.1)):
        wanted += [(kind, kind)] * int(rng.uniform(0, often) + 0.5)
    return _numbered([_row(rng, *one) for one in [*wanted, ("redirect", "redirect")]])


def _row(rng: random.Random, kind: str, name: str) -> Row:
    plain = _PLAIN if kind == "redirect" and rng.random() < 0.5 else {}
    row: Row = {".config": "firewall", ".type": kind, **plain}
    shared = _grammar()["shared"] if kind in ("rule", "redirect") else ()
    for option, often, choices in (*_grammar()[name], *shared):
        if option not in plain and rng.random() < often:
            row[option] = rng.choice(choices)
    return row


def _numbered(rows: list[Row]) -> list[Row]:
    counts: dict[str, int] = {}
    for row in rows:
        kind = str(row[".type"])
        row |= {".name": f"@{kind}[{counts.get(kind, 0)}]", ".anonymous": "1"}
        counts[kind] = counts.get(kind, 0) + 1
    return rows
