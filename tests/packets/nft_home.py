"""Rule sets of nft that real connections decided, and the router in which they did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import Answer as Reading
from plexops.drivers.rulesets.base import BoxInput, Part
from plexops.drivers.rulesets.netfilter import netfilter_box
from plexops.drivers.rulesets.nft import read_nft
from plexops.model.exchange import Json
from plexops.model.intervals import ALL_PORTS, ALL_V4, ALL_V6
from plexops.model.matches import Family
from plexops.model.packets import Box
from plexops.packets.reach import AnswerKind, Asked, Target, who_reaches
from tests.packets.handmade import n

DATA = Path(__file__).parent / "data" / "nft"
CAPTURES = Path(__file__).parents[1] / "captures" / "data"
#: What was tried with each rule set, in this order.
PROBES = (
    ("198.51.100.77", "203.0.113.20", 32400),
    ("198.51.100.77", "203.0.113.20", 32500),
    ("2001:db8:99::77", "2001:db8:a::20", 32400),
    ("2001:db8:99::77", "2001:db8:1::50", 32400),
)
#: What may be asked of a host; a program that is not there is not in the way.
PROGRAMS = ("nft", "iptables", "ip6tables", "iptables_legacy", "ip6tables_legacy", "ipset")


class Decided(Struct, frozen=True):
    """A rule set as nft lists it, and where the connections ended."""

    nft: list[Any]
    ended: Sequence[str]


def decided() -> dict[str, Decided]:
    found = json.loads((DATA / "decided.json").read_text())
    return {name: Decided(one["nft"], one["ended"]) for name, one in found.items()}


def texts() -> dict[str, str]:
    """Give the same rule sets as nft reads them. A single rule stands in a chain that drops all else."""
    found = {}
    for block in ("\n" + (DATA / "decided.nft").read_text()).split("\n== ")[1:]:
        name, _, text = block.partition("\n")
        if not text.startswith("table"):
            rules = text.strip().replace("; ", "\n  ")
            head = "table inet t {\n chain c { type filter hook input priority 0; policy drop;\n"
            text = f"{head}  {rules}\n }}\n}}\n"
        found[name] = text
    return found


def answered(side: str, **read: Any) -> Box:
    """The box of a host that answered this; a reading stands for itself, and a program that is not named is not there."""
    told = dict.fromkeys(PROGRAMS, Reading(absent=True)) | {
        name: one if isinstance(one, Reading) else Reading(one) for name, one in read.items()
    }
    return netfilter_box(BoxInput(told, "server", side))


def router(nft: Json) -> Box:
    """The router in which the connections were tried, with these rules."""
    world = json.loads((DATA / "world.json").read_text())
    return answered(
        "wan0",
        nft={"nftables": nft},
        addresses=world["addresses"],
        routes=world["routes4"],
        routes6=world["routes6"],
        arp="\n".join(world["arp"]),
    )


def says(here: Box, probe: tuple[str, str, int], ended: str) -> tuple[str, str]:
    """Ask the walk about one connection: `right`, `wrong` or `not known`, and in which words.

    A connection that was silent or refused got nowhere; one that reached a node did so at an address and a port.
    """
    source, destination, port = probe
    family: Family = 6 if ":" in destination else 4
    everywhere = Target.at(ALL_V6 if family == 6 else ALL_V4, ALL_PORTS)
    if ended.startswith("reached"):
        _, _, address, at = ended.split(" ")
        everywhere = Target.at(n(address), ((int(at), int(at)),))
    answer = who_reaches([here], Asked(family, n(destination), ((port, port),), n(source)), everywhere)
    words = "; ".join([*(f"{e.kind} ({e.step.words})" for e in answer.ends), *map(str, answer.questions)])
    if answer.kind is AnswerKind.UNKNOWN:
        return "not known", words
    wanted = AnswerKind.EVERYBODY if ended.startswith("reached") else AnswerKind.NOBODY
    return ("right" if answer.kind is wanted else "wrong"), words


def capture(name: str) -> Any:
    """Give the last answer of nft in a recording."""
    lines = (CAPTURES / name).read_text().splitlines()
    return json.loads([line for line in lines if line.startswith('{"nftables"')][-1])


def chain(
    *rules: Sequence[Json], hook: str = "input", kind: str = "filter", policy: str = "accept"
) -> list[Any]:
    """Give a listing of one base chain whose rules are these statements."""
    place = {"family": "inet", "table": "t"}
    base = {"name": "c", "type": kind, "hook": hook, "prio": 0, "policy": policy}
    listed = [{"rule": {**place, "chain": "c", "handle": n, "expr": r}} for n, r in enumerate(rules, 1)]
    return [{"table": {"family": "inet", "name": "t"}}, {"chain": {**place, **base}}, *listed]


def part(*rules: Sequence[Json], before: Sequence[Json] = ()) -> Part:
    return read_nft({"nftables": [*before, *chain(*rules)]}, {}, "the answer")


def match(left: Json, right: Json, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def field(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}
