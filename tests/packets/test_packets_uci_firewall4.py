"""The real firewall4 loads random configurations, and real connections are tried: what is made of uci says the same.

Runs where a checkout of firewall4 and its interpreter are named: see `firewall4.py`.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from plexops.drivers.rulesets.uci import uci_box_part
from plexops.model.intervals import ALL_V4, ALL_V6, network
from plexops.model.packets import Box, LocalAddress, Route
from plexops.parsers.base import Row
from tests.lab.node import NODE_PATH
from tests.packets import firewall4, grammar_uci
from tests.packets.judge import WAIT, WAIT_AGAIN, compare, probes
from tests.packets.judge_world import ADDRESSES, World, world

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


def box(rows: list[Row]) -> Box:
    """Give the judge's router with what is made of a configuration."""
    part = uci_box_part(rows, grammar_uci.DUMP)
    held = [(text, device) for node, device, texts in ADDRESSES if node == "router" for text in texts]
    addresses = tuple(
        LocalAddress(6 if ":" in text else 4, network(text.partition("/")[0])[1][0][0], device)
        for text, device in held
    )
    routes = tuple(
        Route(6 if ":" in text else 4, network(text)[1], int(text.partition("/")[2]), device)
        for text, device in held
    )
    default = (Route(4, ALL_V4, 0, "wan0", "203.0.113.1"), Route(6, ALL_V6, 0, "wan0", "2001:db8:a::1"))
    chains = {chain.id: chain for chain in part.chains}
    return Box(
        "netfilter", chains, addresses, (*routes, *default), "wan0", {}, {}, part.sets, "02:00:00:00:01:01"
    )


def judged(here: World, seed: int, counts: Counter[str]) -> list[str]:
    """Try one configuration; give what is said wrongly about it."""
    rng = random.Random(f"uci {seed}")  # noqa: S311 - it must be the same again
    rows = grammar_uci.config(rng)
    router, text = box(rows), firewall4.ruleset(rows, grammar_uci.DUMP)
    unread = any(chain.unread for chain in router.chains.values())
    problem = here.load([(("nft", "-f", "-"), text)]) if text else "firewall4 stops"
    counts["refused" if problem else "unread" if unread else "loaded"] += 1
    if problem or unread:
        return [] if unread else [f"{seed}: refused, and not told: {problem}"]
    wrong: list[str] = []
    for probe in probes(rng):
        for seconds in (WAIT, WAIT_AGAIN):
            here.load([(("nft", "-f", "-"), text)])
            packet = here.probe([probe], seconds)[0]
            verdict, said = compare(router, probe, packet)
            if verdict != "wrong":
                break
        counts[verdict] += 1
        counts["reached"] += packet.startswith("reached")
        wrong += [f"{seed}: {probe}: {packet}; {said}"] if verdict == "wrong" else []
    return wrong


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
    assert counts["unread"] <= 0.02 * EXAMPLES, str(counts)
