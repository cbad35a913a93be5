"""Point by point: a run that dies by SIGKILL is settled by `recover`, and the devices are as it says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from plexops.lab.routers import RouterName
from tests.faults.engine_bench import KILLED, Bench, Ended, Homes

#: More than any run's journal and chain have records.
FAR = 60
PARTS = 8
#: One point in so many where the bench of faults has them all.
SOME = 8


def settle(bench: Bench, old: dict[str, str], new: dict[str, str] | None = None) -> str:
    """Recover, and hold what it says against the devices. Gives `old` or `new`."""
    document = bench.directory / "recover.json"
    ended = bench("recover", "--format", "text", "--format", f"json:{document}")
    assert ended.status == (6 if "at its old address" in " ".join(ended.out.split()) else 0), ended
    site: dict[str, Any] = json.loads(document.read_text("utf-8"))["sites"][0]
    assert site["outcome"].lower() in ended.out.lower(), ended
    after = bench.state()
    is_old, is_new = "old state" in site["outcome"], "new state" in site["outcome"]
    assert is_old != is_new, site["outcome"]
    if is_old:
        assert after == old, site["outcome"]
    elif new is not None:
        assert after == new, site["outcome"]
    else:
        assert after["32500 from outside"] == "open"
        assert bench("audit").status == 0
    nothing_left_to_settle(bench, after)
    return "new" if is_new else "old"


def nothing_left_to_settle(bench: Bench, state: dict[str, str]) -> None:
    """A second recover finds nothing to do, and does nothing."""
    again = bench("recover", "--format", "json")
    assert again.status == 0, again
    assert again.document["outcome"].lower() == "nothing to do"
    assert bench.state() == state


def is_unsettled(bench: Bench) -> bool:
    """Tell whether the killed run had begun a change and did not come to its end, by its journal and the site's chain."""
    kinds = [record["kind"] for record in bench.journal()]
    chain = bench.folder / "home" / "chain.jsonl"
    last = chain.read_text("utf-8").splitlines()[-1:] if chain.exists() else []
    ended = any('"kind":"ending"' in line and bench.runs()[-1].name in line for line in last)
    begun = "intent" in kinds or ("marker" in kinds and "marker dropped" not in kinds)
    return begun and "finish" not in kinds and not ended


def refuses_until_settled(bench: Bench) -> None:
    """A look is allowed and says so; nothing is changed before the old run is settled."""
    run = bench.runs()[-1].name
    audit = bench("audit")
    assert audit.status == 7, audit
    assert run in audit.out
    state = bench.state()
    refused = bench("apply", "--yes")
    assert refused.status == 7, refused
    assert run in refused.out + refused.err
    assert bench.state() == state


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
            exports = bench.state()
            ended = bench("apply", "--yes", die_at=point, die_before=before)
            if ended.status != KILLED:
                assert ended.status == 0, ended
                return
            yield point, bench, exports, ended
    pytest.fail("the run never got through")


#: One part in the run, every point nightly.
EACH_PART = [0, *(pytest.param(part, marks=pytest.mark.nightly) for part in range(1, PARTS))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", EACH_PART)
def test_killed_after_any_record_the_home_is_old_or_new(homes: Homes, part: int) -> None:
    ends = []
    for point, bench, state, _ in killed_at_every(homes, "openwrt", count(part + 1, PARTS), before=False):
        if is_unsettled(bench):
            if point % 5 == 0:
                refuses_until_settled(bench)
            ends.append(settle(bench, state))
        if point % 3 == 0:
            works_to_the_end(bench)
    assert "old" in ends


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", EACH_PART)
def test_killed_before_any_record_the_home_is_old_or_new(homes: Homes, part: int) -> None:
    ends = []
    for point, bench, state, _ in killed_at_every(homes, "openwrt", count(part + 1, PARTS), before=True):
        if is_unsettled(bench):
            ends.append(settle(bench, state))
        if point % 3 == 1:
            works_to_the_end(bench)
    assert "old" in ends


def test_a_proven_effect_that_was_not_closed_stays(homes: Homes) -> None:
    proven = judged_at(homes, "openwrt")
    with homes() as bench:
        old = bench.state()
        ended = bench("apply", "--yes", die_at=proven)
        assert ended.status == KILLED
        assert bench.journal()[-1]["kind"] == "effect"
        assert settle(bench, old) == "new"
        # Its window has ended with it: later, nothing is taken back.
        state = bench.state()
        bench.home.clock.scale = 1000.0
        time.sleep(1.0)
        assert bench.state() == state


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "before", [pytest.param(True, marks=pytest.mark.nightly), False], ids=["before", "after"]
)
@pytest.mark.parametrize("router", ["routeros", "opnsense", "linux"])
def test_other_routers_killed_now_and_then(homes: Homes, router: RouterName, before: bool) -> None:
    ends = []
    for point, bench, state, _ in killed_at_every(
        homes, router, count(3 if before else 4, SOME), before=before
    ):
        if is_unsettled(bench):
            ends.append(settle(bench, state))
        if point % 2:
            works_to_the_end(bench)
    assert len(ends) > 1


def killed_recover(bench: Bench, point: int, old: dict[str, str]) -> bool:
    """Kill `recover` at a record three times over; then it gets through. False: it never came so far."""
    ended = bench("recover", die_at=point)
    reached = ended.status == KILLED
    for _ in range(2):
        if ended.status == KILLED:
            ended = bench("recover", die_at=point)
    if is_unsettled(bench):
        assert settle(bench, old) == "old"
    else:
        nothing_left_to_settle(bench, old)
    return reached


@pytest.mark.timeout(300)
@pytest.mark.parametrize("router", ["openwrt", pytest.param("linux", marks=pytest.mark.nightly)])
def test_killed_inside_recover(homes: Homes, router: RouterName) -> None:
    """Three times at the same record of its own work, counted anew each time; then it converges on the old state."""
    unproven = judged_at(homes, router) - 1
    for point in range(1, FAR, SOME):
        with homes(router) as bench:
            old = bench.state()
            assert bench("apply", "--yes", die_at=unproven).status == KILLED
            if not killed_recover(bench, point, old):
                break
    assert point > 2


@pytest.mark.timeout(300)
def test_killed_during_rollback(homes: Homes) -> None:
    """The state before the rollback is the old one now."""
    ends = []
    for point in range(3, FAR, SOME):
        with homes() as bench:
            bare = bench.state()
            assert bench("apply", "--yes").status == 0
            made = bench.state()
            ended = bench("rollback", "last", "--yes", die_at=point)
            if ended.status != KILLED:
                assert ended.status == 0, ended
                break
            if is_unsettled(bench):
                ends.append(settle(bench, old=made, new=bare))
            again = bench("rollback", bench.runs()[0].name, "--yes")
            assert again.status == 0, again
            assert bench.state() == bare
    assert "old" in ends


@pytest.mark.parametrize("router", ["openwrt", "linux", "routeros"])
@pytest.mark.parametrize("kind", ["armed", "sent"])
def test_the_devices_own_undo_fires_before_recover(homes: Homes, router: RouterName, kind: str) -> None:
    """Killed while the forward's window is open: the router takes it back, and recover says what it found."""
    with homes(router) as bench:
        old = bench.state()
        point = record_of(homes, router, kind)
        assert bench("apply", "--yes", die_at=point).status == KILLED
        forward = [r["data"] for r in bench.journal() if r["kind"] == "intent"][-1]["change"]["kind"]
        assert forward == "port_forward"
        if kind == "sent":
            assert "32500" in bench.home.export("router")
        bench.home.clock.scale = 500.0
        bench.home.clock.sleep(400.0)
        time.sleep(0.3)
        bench.home.clock.scale = 1.0
        assert "32500" not in bench.home.export("router")
        assert settle(bench, old) == "old"
        works_to_the_end(bench)


@pytest.mark.parametrize("router", ["openwrt", "linux", "routeros", "opnsense"])
def test_the_window_of_an_entry_that_is_gone_is_ended(homes: Homes, router: RouterName) -> None:
    """Nothing is there from which the deletion could be rendered anew: its window is known from the journal."""
    with homes(router) as bench:
        assert bench("apply", "--yes").status == 0
        assert bench("rollback", "last", "--yes").status == 0
        records = bench.journal()
        gone = [r["data"]["step"] for r in records if r["kind"] == "intent" and deletes_at_router(r["data"])]
        sent = [int(r["n"]) for r in records if r["kind"] == "sent" and r["data"]["step"] == gone[0]]
    with homes(router) as bench:
        assert bench("apply", "--yes").status == 0
        made = bench.state()
        assert bench("rollback", "last", "--yes", die_at=1 + sent[-1]).status == KILLED
        assert bench.journal()[-1]["kind"] == "sent"
        assert settle(bench, made) == "old"
        bench.home.clock.scale = 1000.0
        time.sleep(1.0)
        assert bench.state() == made


def deletes_at_router(intent: dict[str, Any]) -> bool:
    """Tell whether a step takes an entry of the router away."""
    change = intent["change"]
    return (change["role"], change["action"]) == ("router", "delete")


def judged_at(homes: Homes, router: RouterName) -> int:
    """Give the number of the record that tells the effect of a whole run, counted from 1."""
    with homes(router) as bench:
        assert bench("apply", "--yes").status == 0
        return 1 + next(int(r["n"]) for r in bench.journal() if r["kind"] == "effect")


def record_of(homes: Homes, router: RouterName, kind: str) -> int:
    """Give the number of the last record of that kind that the forward's step has in a whole run, counted from 1."""
    with homes(router) as bench:
        assert bench("apply", "--yes").status == 0
        records = bench.journal()
        step = next(
            r["data"]["step"]
            for r in records
            if r["kind"] == "intent" and r["data"]["change"]["kind"] == "port_forward"
        )
        return 1 + max(int(r["n"]) for r in records if r["kind"] == kind and r["data"].get("step") == step)
