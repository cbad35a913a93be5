"""Every scenario on every router family that can show it: the same verdict, and an audit that agrees with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS
from tests.cli.process import house
from tests.runbook.recorded import Expected, table
from tests.runbook.shares import TOLD_LESS

HOMES = [(row, router) for row in table() for router in SCENARIOS[row.scenario].routers]
#: A port that nothing forwards is refused by OpenWrt, and dropped by the others: silence has more causes.
TOLD_LESS |= {("proxy-not-forwarded", router): "unexplained" for router in ("linux", "routeros", "opnsense")}
#: Where the server answers at none of its addresses on this family, nothing is decided.
SILENT = {("four-addresses", "routeros")}
#: What an audit does not ask: where Plex says that it is at home needs to know whether it runs in a container.
ONLY_DIAGNOSED = frozenset({"announces-other-address"})


@pytest.mark.nightly
@pytest.mark.parametrize(("row", "router"), HOMES, ids=[f"{row.scenario}-{router}" for row, router in HOMES])
def test_a_home_gets_the_same_verdict_on_every_family(
    row: Expected, router: RouterName, tmp_path: Path
) -> None:
    with house(tmp_path, row.scenario, router) as home:
        diagnosed = home("diagnose", "--format", "json")
        audited = home("audit", "--format", "json")
        planned = home("apply", "--dry-run", "--format", "json")
    site = json.loads(diagnosed.out)["sites"][0]
    verdict, steps = site["verdict"], " ".join(site["next_steps"])
    if (row.scenario, router) not in SILENT:
        wanted = TOLD_LESS.get((row.scenario, router), row.verdict)
        assert (verdict["id"], diagnosed.status) == (wanted, row.exit), verdict
    assert audited.status != 0 or diagnosed.status == 0 or row.scenario in ONLY_DIAGNOSED, audited.said
    if "plexops apply makes it" in steps or "plexops apply does both" in steps:
        plan = json.loads(planned.out)["sites"][0]
        assert plan["changes"], "a diagnosis advises what a plan holds"
        assert not [guard for guard in plan["guards"] if guard["verdict"] == "refuses"], plan["guards"]
