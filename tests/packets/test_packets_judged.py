"""Small rule sets on which the walk was wrong once, as the tools list them, and where a real connection ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packets.judge import compare
from tests.packets.judge_box import box_of

JUDGED = json.loads((Path(__file__).with_name("data") / "judged" / "cases.json").read_text(encoding="utf-8"))
NAMES = ("nft", "iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "ipset")


@pytest.mark.parametrize("case", JUDGED["cases"], ids=lambda case: case["name"])
def test_what_a_packet_decided_once(case: dict[str, Any]) -> None:
    reads = dict.fromkeys(NAMES, "") | JUDGED["world"] | case["reads"]
    source, destination, port = case["probe"]
    verdict, walk = compare([box_of(reads, "wan0")], (source, destination, port), case["packet"])
    assert verdict == ("right" if case["known"] else "not known"), walk


@pytest.mark.parametrize("case", [c for c in JUDGED["cases"] if c["known"]], ids=lambda case: case["name"])
def test_a_walk_that_says_the_opposite_is_called_wrong(case: dict[str, Any]) -> None:
    reads = dict.fromkeys(NAMES, "") | JUDGED["world"] | case["reads"]
    source, destination, port = case["probe"]
    reached = case["packet"].startswith("reached")
    opposite = "silent" if reached else f"reached router {destination} {port}"
    assert compare([box_of(reads, "wan0")], (source, destination, port), opposite)[0] == "wrong"
