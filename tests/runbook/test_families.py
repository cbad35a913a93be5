"""Every scenario on every router family that can show it: the same verdict, and an audit that agrees with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plexops.lab.routers import RouterName
from plexops.lab.scenarios import SCENARIOS
from tests.cli.process import house
from tests.runbook.recorded import Expected, table

HOMES = [(row, router) for row in table() for router in SCENARIOS[row.scenario].routers]
#: What an audit cannot see because it asks less than a diagnosis: plex.tv's list, the way out, containers, relayed
#: sessions, Plex's log.
ONLY_DIAGNOSED = frozenset()


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("row", "router"), HOMES, ids=[f"{row.scenario}-{router}" for row, router in HOMES]
)
def test_a_home_gets_the_same_verdict_on_every_family(
    row: Expected, router: RouterName, tmp_path: Path
) -> None:
    with house(tmp_path, row.scenario, router) as home:
        diagnosed = home("diagnose", "--format", "json")
        audited = home("audit", "--format", "json")
    verdict = json.loads(diagnosed.out)["sites"][0]["verdict"]
    assert (verdict["id"], diagnosed.status) == (row.verdict, row.exit), verdict
    assert audited.status != 0 or diagnosed.status == 0 or row.scenario in ONLY_DIAGNOSED, audited.said
