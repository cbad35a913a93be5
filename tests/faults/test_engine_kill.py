"""Point by point: a run that dies by SIGKILL is settled by `recover`, and the devices are as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from plexops.lab.routers import RouterName
from tests.faults.engine_bench import KILLED, Bench, Ended, Homes

#: More than any run's journal and chain have records.
FAR = 60
PARTS = 4


def settle(bench: Bench, before: dict[str, str], said: str = "") -> str:
    """Recover, and hold what it says against the devices. Gives `old` or `new`."""
    document = bench.directory / "recover.json"
    ended = bench("recover", "--format", "text", "--format", f"json:{document}")
    assert ended.status == 0, ended
    site: dict[str, Any] = json.loads(document.read_text("utf-8"))["sites"][0]
    assert site["outcome"].lower() in ended.out.lower(), ended
    after = bench.exports()
    is_old, is_new = "old state" in site["outcome"], "new state" in site["outcome"]
    assert is_old != is_new or site["outcome"].lower() == "nothing to do", site["outcome"]
    if is_new:
        assert all("32500" in after[role] for role in ("router", "plex")), site["outcome"]
        assert bench("audit").status == 0
    else:
        assert after == before, site["outcome"]
    again = bench("recover", "--format", "json")
    assert again.status == 0
    assert again.document["outcome"].lower() == "nothing to do"
    assert bench.exports() == after
    assert said in site["outcome"]
    return "new" if is_new else "old"


def is_unsettled(bench: Bench) -> bool:
    """Tell whether the killed run had begun a change, by its journal, and did not finish."""
    kinds = [record["kind"] for record in bench.journal()]
    return "intent" in kinds and "finish" not in kinds


def refuses_until_settled(bench: Bench) -> None:
    """A look is allowed and says so; nothing is changed before the old run is settled."""
    run = bench.runs()[-1].name
    audit = bench("audit")
    assert audit.status == 7, audit
    assert run in audit.out
    state = bench.exports()
    refused = bench("apply", "--yes")
    assert refused.status == 7, refused
    assert run in refused.out + refused.err
    assert bench.exports() == state


def works_to_the_end(bench: Bench) -> None:
    """Apply as if nothing had been."""
    ended = bench("apply", "--yes")
    assert ended.status == 0, ended
    assert bench("audit").status == 0


def killed_at_every(
    homes: Homes, router: RouterName, points: Iterator[int], *, before: bool
) -> Iterator[tuple[int, Bench, dict[str, str], Ended]]:
    """Run apply on a new home for each point, until it gets through."""
    for point in points:
        with homes(router) as bench:
            exports = bench.exports()
            ended = bench("apply", "--yes", die_at=point, die_before=before)
            if ended.status != KILLED:
                assert ended.status == 0, ended
                return
            yield point, bench, exports, ended
    pytest.fail("the run never got through")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_after_any_record_the_home_is_old_or_new(homes: Homes, part: int) -> None:
    ends = []
    for point, bench, exports, _ in killed_at_every(homes, "openwrt", count(part + 1, PARTS), before=False):
        unsettled = is_unsettled(bench)
        if unsettled and point % 3 == 0:
            refuses_until_settled(bench)
        if unsettled:
            ends.append(settle(bench, exports))
        works_to_the_end(bench)
    assert "old" in ends


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_before_any_record_the_home_is_old_or_new(homes: Homes, part: int) -> None:
    for _, bench, exports, _ in killed_at_every(homes, "openwrt", count(part + 1, PARTS), before=True):
        if is_unsettled(bench):
            settle(bench, exports)
            if bench("audit").status == 1:
                works_to_the_end(bench)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("router", ["routeros", "opnsense", "linux"])
def test_other_routers_killed_now_and_then(homes: Homes, router: RouterName, before: bool) -> None:
    ends = []
    first = 3 if before else 4
    for _, bench, exports, _ in killed_at_every(homes, router, count(first, 4), before=before):
        if is_unsettled(bench):
            ends.append(settle(bench, exports))
        works_to_the_end(bench)
    assert len(ends) > 3
