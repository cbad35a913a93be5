"""Behind an ISP's box that passes on: apply makes the own router's forward, and believes only what gets in."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.evidence.folder import Store
from plexops.lab.scenarios import SCENARIOS, Scenario
from plexops.model.run import SiteReport
from plexops.model.status import ExitStatus
from plexops.structs import replace
from tests.unit.engine.seen_home import looked_at

PASSED_ON = SCENARIOS["passed-on-no-forward"]
#: Nobody outside tries the port, and Plex asks plex.tv too often to be answered.
UNSEEN = replace(PASSED_ON, outside=False, vantages=())
#: What the inventory says is not so.
CLOSED = replace(PASSED_ON, isp="double_nat")
CARRIER = replace(PASSED_ON, isp="cgnat")
UNTOLD = replace(PASSED_ON, upstream_told=False)


def applied(scenario: Scenario, directory: Path) -> tuple[SiteReport, bool]:
    """Apply; and whether the router has the forward afterwards."""
    with looked_at("openwrt", scenario, directory / "home") as looked:
        store = Store.open(directory / "runs")
        order = Order("apply", approve=lambda _report, _plan: True, effect_seconds=2.0)
        report, _masked = run([looked.home], order, store)
        return report.sites[0], "plexops_plex" in looked.running.export("router")


@pytest.mark.parametrize(
    ("scenario", "status", "there"),
    [
        pytest.param(PASSED_ON, ExitStatus.IN_ORDER, True, id="told"),
        pytest.param(UNSEEN, ExitStatus.INCOMPLETE, True, id="told, and nobody sees it"),
        pytest.param(CLOSED, ExitStatus.UNDONE, False, id="told, and it is not so"),
        pytest.param(CARRIER, ExitStatus.SAFE_STOP, False, id="no word lifts carrier NAT"),
        pytest.param(UNTOLD, ExitStatus.SAFE_STOP, False, id="not told"),
    ],
)
def test_what_apply_makes_of_it(scenario: Scenario, status: ExitStatus, there: bool, tmp_path: Path) -> None:
    site, made = applied(scenario, tmp_path)
    assert (site.exit_status, made) == (status, there), site.outcome
    proofs = {proof.source: proof.mark for proof in site.proofs}
    if status is ExitStatus.IN_ORDER:
        assert proofs["outside"] == "proven"
    if status is ExitStatus.INCOMPLETE:
        assert "not proven" in site.outcome
        assert "proven" not in proofs.values()
    if status is ExitStatus.SAFE_STOP:
        steps = " ".join(step for finding in site.findings for step in finding.steps)
        assert ("passes_on: true" in steps) is (scenario is UNTOLD)
