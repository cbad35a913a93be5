"""A home behind OpenWrt: WAN 62.155.240.55 on eth1, LAN 192.168.1.1 on br-lan, Plex on 192.168.1.50:32400.

`data/openwrt/rulesets.json.gz` holds what nft 1.0.6 listed of what the real firewall4 (b6e5157) made of a configuration,
`packets.txt` where real connections ended there.
"""

from __future__ import annotations

import gzip
import json
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import yaml

from plexops.drivers.answers import Answer
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.boxes import build_box
from plexops.model.exchange import Json
from plexops.model.intervals import ALL_V4, ALL_V6, network
from plexops.model.packets import Box, LocalAddress, Route
from plexops.packets.reach import Answer as Reached
from plexops.packets.reach import Asked, Target, who_reaches
from plexops.parsers.base import Row
from plexops.parsers.uci import parse_uci
from plexops.structs import replace
from tests.packets.handmade import asked, plex

DATA = Path(__file__).parent / "data/uci"
STORE = Path(__file__).parent / "data/openwrt"
WAN, PLEX, PLEX_6 = "62.155.240.55", "192.168.1.50", "2001:db8:1::50"
DUMP: Json = json.loads((DATA / "network.interface.dump.json").read_text("utf-8"))
DEFAULT = parse_uci((DATA / "default.txt").read_text("utf-8"))
ADDRESSES = (
    LocalAddress(4, int(ip_address(WAN)), "eth1"),
    LocalAddress(4, int(ip_address("192.168.1.1")), "br-lan"),
    LocalAddress(6, int(ip_address("2001:db8:1::1")), "br-lan"),
)
ROUTES = (
    Route(4, network("62.155.240.0/24")[1], 24, "eth1"),
    Route(4, network("192.168.1.0/24")[1], 24, "br-lan"),
    Route(6, network("2001:db8:1::/64")[1], 64, "br-lan"),
    Route(4, ALL_V4, 0, "eth1", "62.155.240.1"),
    Route(6, ALL_V6, 0, "eth1", "fe80::1"),
)
_ARP = "IP address HW type Flags HW address Mask Device\n62.155.240.1 0x1 0x2 02:00:00:00:00:01 * eth1\n"
_ABSENT = ("iptables", "ip6tables", "iptables_legacy", "ip6tables_legacy", "ipset")
Options = Mapping[str, str | list[str]]


# --- Configurations -------------------------------------------------------------------------------------------------


def etc_config(text: str) -> list[Row]:
    """Read /etc/config/firewall's own language: unlike `uci show` it tells a list of one from a single value."""
    rows: list[Row] = []
    for words in (shlex.split(line, comments=True) for line in text.splitlines()):
        match words:
            case ["config", kind, *names]:
                rows.append({".type": kind, **({".name": names[0]} if names else {})})
            case ["option", option, value]:
                rows[-1][option] = value
            case ["list", option, value]:
                before = rows[-1].get(option, [])
                assert isinstance(before, list)
                rows[-1][option] = [*before, value]
    return rows


def redirect(**options: str | list[str]) -> Row:
    """Give a redirect that leads to Plex; an option that is empty is left out."""
    row: Row = {".type": "redirect", ".name": "plexops_plex"}
    plain = {"src": "wan", "dest": "lan", "proto": "tcp"}
    plain |= {"src_dport": "32500", "dest_ip": PLEX, "dest_port": "32400"}
    return row | {option: value for option, value in {**plain, **options}.items() if value}


def section(kind: str, **options: str | list[str]) -> Row:
    """Give a section without a name."""
    row: Row = {".type": kind}
    return row | options


def configuration(rows: Sequence[Row], default: Sequence[Row] = tuple(DEFAULT)) -> list[Row]:
    """Put sections behind OpenWrt's own, named as `uci show` names them; empty values are none."""
    found: list[Row] = []
    for row in [*default, *rows]:
        kind = row[".type"]
        at = sum(one[".type"] == kind for one in found)
        named = {".name": row.get(".name", f"@{kind}[{at}]"), ".anonymous": "0" if ".name" in row else "1"}
        if str(named[".name"]).startswith("@"):
            named[".anonymous"] = "1"
        found.append({option: value for option, value in (row | named).items() if value})
    return found


def shown(rows: Sequence[Row]) -> list[Row]:
    """Give rows as `parse_uci` does: `uci show` prints a list of one as a single value."""
    return [{o: v[0] if isinstance(v, list) and len(v) == 1 else v for o, v in row.items()} for row in rows]


def table(name: str) -> list[tuple[str, Options, str]]:
    """Read one part of the table of options: text, options, what follows."""
    _, _, part = (DATA / "options.txt").read_text("utf-8").partition(f"\n[{name}]")
    found: list[tuple[str, Options, str]] = []
    for line in part.split("\n\n", 1)[0].splitlines()[1:]:
        left, _, follows = line.partition(" ->")
        pairs = (pair.split("=", 1) for pair in left.strip().split("; ") if pair)
        found.append((left.strip(), {option: _value(value) for option, value in pairs}, follows.strip()))
    return found


def _value(text: str) -> str | list[str]:
    return [one for one in text[1:-1].split(" | ") if one] if text.startswith("[") else text


BLOCK: Options = {
    "name": "b",
    "src": "wan",
    "dest": "lan",
    "proto": "tcp",
    "dest_port": "32400",
    "target": "DROP",
}
FRIENDS: Options = {"name": "friends", "match": "src_ip", "entry": ["198.51.100.7"]}


@cache
def cases() -> dict[str, list[Row]]:
    """Give every configuration that packets decided about, by name."""
    found = {"default": configuration([])}
    for kind in ("redirects", "found"):
        for case in yaml.safe_load((DATA / f"{kind}.yaml").read_text("utf-8")):
            text = case["firewall"].replace("OTHER-PUBLIC", "203.0.113.99").replace("'WAN'", f"'{WAN}'")
            found[f"{kind}: {case['id']}"] = configuration(etc_config(text))
    for text, options, _ in table("skipped"):
        found[f"skipped: {text}".strip()] = configuration([redirect(name="Plex", **options)])
    for text, options, _ in table("redirect"):
        found[f"redirect: {text}".strip()] = configuration([redirect(**options)])
    for text, options, _ in table("rule"):
        found[f"rule: {text}".strip()] = configuration([redirect(), section("rule", **{**BLOCK, **options})])
    for text, options, _ in table("zone"):
        wan = [row | (dict(options) if row.get("name") == "wan" else {}) for row in DEFAULT]
        found[f"zone: {text}".strip()] = configuration([redirect()], wan)
    for text, options, _ in table("ipset"):
        friends = section("ipset", **{**FRIENDS, **options})
        found[f"ipset: {text}".strip()] = configuration([friends, redirect(ipset="friends")])
    return found


# --- Rulesets -------------------------------------------------------------------------------------------------------


@cache
def rulesets() -> Mapping[str, Json]:
    """Give what nft listed, by the names of `cases`."""
    found: Mapping[str, Json] = json.loads(gzip.decompress((STORE / "rulesets.json.gz").read_bytes()))
    return found


def box(name: str, loaded: str = "") -> Box:
    """Give the router with the configuration of a case; `loaded`: what it holds is still that of another."""
    answers = dict.fromkeys(_ABSENT, Answer(absent=True)) | {
        "nft": Answer({"nftables": rulesets()[loaded or name]}),
        "network": Answer(DUMP),
        "arp": Answer(_ARP),
        "firewall": Answer(shown(cases()[name])),
    }
    made = build_box("netfilter", BoxInput(answers, "router", "eth1"), "firewall")
    return replace(made, addresses=ADDRESSES, routes=ROUTES)


def ask(
    router: Box, port: int, viewer: str = "", at: str = WAN, to: tuple[str, int] = (PLEX, 32400)
) -> Reached:
    """Ask whether a viewer (empty: who) that knocks at an address and port gets to a place."""
    return who_reaches([router], *asking(port, viewer, at, to))


def asking(
    port: int, viewer: str = "", at: str = WAN, to: tuple[str, int] = (PLEX, 32400)
) -> tuple[Asked, Target]:
    """Give the same as a question."""
    return asked(port, at=at, by=viewer), plex(*to)
