"""The bench of faults: the devices' own state judges every claim, at every point, for every family.

Cases are made out of what a run passes where nothing goes wrong, so that a new family, or a new request of an old one,
is under it at once. In an ordinary run one case in sixteen is run, and one in eight of a second operation; nightly all
of them, with several machines at once on one home.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.lab.routers import ROUTERS, RouterName
from tests.faults.bench_child import SORTS
from tests.faults.bench_run import Bench, bench_process, wrong
from tests.faults.generate import hashed, spread
from tests.faults.operations import OPERATIONS
from tests.faults.together import two_writers
from tests.faults.wire import Exchange

#: One case in so many is run each time.
SHARE = 16
#: What the day's random kills and rounds are drawn from; a failed case is named so that it can be run again.
DAY = int(time.time()) // 86400


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """One process for all: it has plexops loaded."""
    with bench_process() as process:
        yield process


def another(router: RouterName) -> str:
    """Give the operation that a family is under each time, besides the first."""
    others = [name for name in OPERATIONS if name != "create"]
    return min(others, key=lambda name: hashed(router + name))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("router", ROUTERS)
def test_some_of_all_cases(bench: Bench, tmp_path: Path, router: RouterName) -> None:
    # OPNsense has nothing that keeps another machine's run out (docs/safety.md).
    sorts = [sort for sort in SORTS if sort != "machines" or router != "opnsense"]
    found, _ = bench(tmp_path, router=router, operation="create", share=SHARE, sorts=sorts)
    more, _ = bench(tmp_path, router=router, operation=another(router), share=SHARE // 2)
    assert len(found) > 5
    assert not all(outcome.missed for outcome in found)
    failed = wrong([*found, *more])
    assert not failed, "\n".join(failed)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("router", ROUTERS)
def test_all_cases(bench: Bench, tmp_path: Path, router: RouterName, operation: str) -> None:
    found, _ = bench(tmp_path, router=router, operation=operation, seed=DAY)
    failed = wrong(found)
    assert not failed, "\n".join([f"seed {DAY}", *failed])


def test_points_are_spread_over_all_kinds() -> None:
    """Whatever there is most of, every kind of point has its turn, and the same points are chosen each time."""
    points = [f"router read {n} sent" for n in range(500)] + ["journal 1 done", "router write 1 sent"]
    chosen = spread(points, 5, "salt")
    assert {"journal 1 done", "router write 1 sent"} < set(chosen)
    assert len(chosen) == len(set(chosen)) == 5
    assert chosen == spread(points, 5, "salt")


def test_two_writers_are_seen() -> None:
    """The judge of several at once can say no."""

    def log(*runs: int) -> list[Exchange]:
        return [Exchange(run, "router", True, "uci commit") for run in runs]

    assert two_writers(log(1, 1, 2, 2)) == ""
    assert two_writers(log(1, 2, 1)) != ""
    tried = Exchange(2, "router", True, "w=/tmp/plexops.run; mkdir -m 700 $w")
    assert two_writers([*log(1), tried, *log(1)]) == ""
