"""The real firewall4 loads random configurations, and real connections are tried: the walk says the same of its ruleset,
and what is said to be skipped is.

Runs where a checkout of firewall4 and its interpreter are named: see `firewall4.py`.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from plexops.drivers.rulesets.uci import NOT_LOADED, configured, not_in_force
from plexops.parsers.base import Row
from tests.lab.node import NODE_PATH
from tests.packets import firewall4, grammar_uci
from tests.packets.judge import WAIT, WAIT_AGAIN, compare, probes
from tests.packets.judge_box import box_of
from tests.packets.judge_world import World, world
from tests.packets.uci_home import shown

EXAMPLES = 1500


def _missing() -> str:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("nft", path=NODE_PATH) is None:
        return "the judge needs root on Linux, and nft"
    return firewall4.missing()


pytestmark = [
    pytest.mark.nightly,
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
]


def connections(here: World, rng: random.Random, text: str, counts: Counter[str]) -> list[str]:
    """Try connections with a ruleset; give what is said wrongly about them."""
    router = box_of(here.read(), "wan0")
    wrong: list[str] = []
    for probe in probes(rng):
        for seconds in (WAIT, WAIT_AGAIN):
            here.load([(("nft", "-f", "-"), text)])
            packet = here.probe([probe], seconds)[0]
            verdict, said = compare([router], probe, packet)
            if verdict != "wrong":
                break
        counts[verdict] += 1
        counts["reached"] += packet.startswith("reached")
        wrong += [f"{probe}: {packet}; {said}"] if verdict == "wrong" else []
    return wrong


def sections(rows: list[Row], text: str, counts: Counter[str]) -> list[str]:
    """Give the forwards of which it is wrongly said, or not said, that they are not in force."""
    chains = re.findall(r"\tchain dstnat_\S+ \{\n(.*?)\n\t\}", text, re.DOTALL)
    names = set(re.findall(r'comment "!fw4: ([^"]*)"', "\n".join(chains)))
    alone, beside = (not_in_force(shown(rows), loaded, grammar_uci.DUMP) for loaded in ((), names))
    wrong: list[str] = []
    for row in [row for row in rows if row[".type"] == "redirect"]:
        handle = str(row[".name"])
        in_force = str(row["name"]).replace('"', "'") in names
        said = alone.get(handle, "")
        if row.get("enabled") not in ("0", "off", "false", "no") and not in_force:
            counts["skipped"] += 1
            counts["named"] += said != NOT_LOADED
        if (handle in beside and in_force) or (said not in ("", NOT_LOADED) and in_force):
            wrong.append(f"{row}: in force; {said}")
    return wrong


def judged(here: World, seed: int, counts: Counter[str]) -> list[str]:
    """Try one configuration; give what is said wrongly about it."""
    rng = random.Random(f"uci {seed}")  # noqa: S311 - it must be the same again
    rows = grammar_uci.config(rng)
    for number, row in enumerate(rows):
        if row[".type"] == "redirect":
            row["name"] = f"{row.get('name', '')} {number}"
    text, _ = firewall4.rendered(rows, grammar_uci.DUMP)
    problem = here.load([(("nft", "-f", "-"), text)])[1] if text else "firewall4 stops"
    counts["refused" if problem else "loaded"] += 1
    wrong = sections(rows, text, counts) if text else []
    if not problem:
        chains = box_of(here.read(), "wan0").chains
        off = configured(shown(rows), grammar_uci.DUMP, chains, "")
        counts["rules that are off"] += 0 if off is None else len(off.rules)
        wrong += connections(here, rng, text, counts)
    return [f"{seed}: {one}" for one in wrong]


@pytest.mark.timeout(3600)
def test_configurations_of_today() -> None:
    first = datetime.now(UTC).toordinal() * 10_000
    counts: Counter[str] = Counter()
    with world() as here:
        wrong = [one for seed in range(first, first + EXAMPLES) for one in judged(here, seed, counts)]
    assert not wrong, "\n".join([*wrong[:10], str(counts)])
    probed = counts["right"] + counts["not known"]
    assert counts["not known"] <= 0.05 * probed, str(counts)
    assert 0.15 < counts["reached"] / probed < 0.85, str(counts)
    assert counts["named"] >= 0.95 * counts["skipped"] > 0, str(counts)
