"""Packets decide whether the walk is right: random rule sets, read as the product reads them, and real connections."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.lab.node import NODE_PATH
from tests.packets.judge import KINDS, Figures, run

PROGRAMS = ("nft", "iptables-nft", "iptables-legacy", "ipset", "ip", "conntrack", "ufw", "nsenter")


def why_not() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "the judge needs root on Linux, for network namespaces"
    missing = [name for name in PROGRAMS if shutil.which(name, path=NODE_PATH) is None]
    return f"the judge needs {', '.join(missing)}" if missing else ""


pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not())]

#: How many rule sets of each kind; ufw takes a second for each.
SHARES = {"nft": 115, "iptables": 55, "legacy": 36, "both": 15, "docker": 50, "pair": 28, "ufw": 6}
NIGHTLY = 18


def examples(first: int, times: int) -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        for seed in range(first, first + SHARES[kind] * times):
            yield kind, seed


def held(figures: Figures) -> None:
    """Never wrong; and seldom not known, or it would be right by saying nothing."""
    assert not figures.wrong, "\n\n".join(map(str, figures.wrong[:5])) + f"\n\n{figures}"
    assert figures.total("not known") <= 0.05 * figures.total("probes"), str(figures)
    # A world in which nothing gets through, or everything, would judge nothing.
    assert 0.15 < figures.total("reached") / figures.total("probes") < 0.85, str(figures)


@pytest.mark.timeout(300)
def test_the_walk_says_what_packets_do() -> None:
    figures = run(examples(0, 1))
    assert figures.total("rule sets") >= 300, str(figures)
    held(figures)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_walk_says_what_packets_do_with_seeds_of_today() -> None:
    today = datetime.now(UTC).toordinal() * 10_000
    figures = run(examples(today, NIGHTLY))
    assert figures.total("rule sets") >= 5000, str(figures)
    held(figures)
