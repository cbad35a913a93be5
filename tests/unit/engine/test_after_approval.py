"""Between the plan that somebody reads and the first write lies time: what is carried out rests on a new look."""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from plexops.engine.change.sending import Sender
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.evidence.folder import Store
from plexops.model.plan import Plan
from plexops.model.run import SiteReport
from plexops.model.snapshot import Role
from plexops.model.status import ExitStatus
from plexops.runbook.guards.judge import Case, judge
from plexops.structs import replace
from tests.unit.engine.seen_home import Looked, looked_at

STAGE = "uci set firewall.theirs=rule; uci set firewall.theirs.name=theirs"
MEANWHILE = (
    "uci set firewall.theirs=redirect; uci set firewall.theirs.name=theirs; uci set firewall.theirs.src=wan; "
    "uci set firewall.theirs.src_dport=9999; uci set firewall.theirs.dest_ip=192.168.1.20; "
    "uci set firewall.theirs.target=DNAT; uci set firewall.theirs.proto=tcp; uci commit firewall"
)


def applied(looked: Looked, directory: Path, while_reading: str) -> SiteReport:
    """Apply, and let somebody work on the router while the plan is read."""

    def approve(report: SiteReport, plan: Plan) -> bool:
        assert plan.steps
        assert report.plan_digest == plan.digest
        done = looked.running.router.execute(while_reading, b"", "root")
        assert done.status == 0
        return True

    store = Store.open(directory / "runs")
    report, _masked = run([looked.home], Order("apply", approve=approve, effect_seconds=2.0), store)
    return report.sites[0]


def test_a_staged_edit_while_the_plan_is_read_stops_the_run(tmp_path: Path) -> None:
    with looked_at("openwrt", "drifted", tmp_path / "home") as looked:
        site = applied(looked, tmp_path, STAGE)
        assert site.exit_status == ExitStatus.SAFE_STOP
        assert "G12" in site.outcome
        assert [guard.id for guard in site.guards if guard.verdict == "refuses"] == ["G12"]
        assert "plexops" not in looked.running.export("router")


def test_an_edit_while_the_plan_is_read_makes_it_stale(tmp_path: Path) -> None:
    with looked_at("openwrt", "drifted", tmp_path / "home") as looked:
        site = applied(looked, tmp_path, MEANWHILE)
        assert site.exit_status == ExitStatus.SAFE_STOP
        assert "router configuration" in site.outcome
        assert "plexops" not in looked.running.export("router")


def swap_plex(looked: Looked) -> None:
    """Another server, set up alike, answers in Plex's place from now on."""
    plex = looked.running.plex
    plex._seed = replace(plex._seed, machine_identifier="another-server")


def test_another_plex_that_answers_since_makes_the_plan_stale(tmp_path: Path) -> None:
    with looked_at("openwrt", "drifted", tmp_path / "home") as looked:

        def approve(_report: SiteReport, _plan: Plan) -> bool:
            swap_plex(looked)
            return True

        order = Order("apply", approve=approve, effect_seconds=2.0)
        site = run([looked.home], order, Store.open(tmp_path / "runs"))[0].sites[0]
        assert site.exit_status == ExitStatus.SAFE_STOP
        assert "which Plex server answers" in site.outcome
        assert "plexops" not in looked.running.export("router")


def test_another_plex_that_answers_under_way_stops_the_run_before_anything_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looked_at("openwrt", "drifted", tmp_path / "home") as looked:
        before = looked.running.export("router")
        send = Sender.send

        def send_and_swap(*given: Any) -> None:
            send(*given)
            swap_plex(looked)

        monkeypatch.setattr(Sender, "send", send_and_swap)
        order = Order("apply", approve=lambda _report, _plan: True, effect_seconds=2.0)
        site = run([looked.home], order, Store.open(tmp_path / "runs"))[0].sites[0]
        # All was put back, but for the host's own address: it had asked for the reserved one.
        assert site.exit_status == ExitStatus.UNDO_UNPROVEN
        assert "the Plex server that this was planned for does not answer any more" in site.outcome
        assert looked.running.export("router") == before


def test_evidence_ages_while_nobody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as looked:
        now = time.monotonic
        fresh = looked.seen.aged()
        assert set(fresh.ages) >= fresh.asked
        assert max(fresh.ages.values()) < 60
        monkeypatch.setattr("plexops.engine.look.observe.time.monotonic", lambda: now() + 601)
        old = looked.seen.aged()
        assert [v.guard for v in judge(Case(old, old, ())) if not v.holds] == ["G9"]
        again = looked.home.observer().again(looked.seen, Role.ROUTER).aged()
        assert again.ages[Role.ROUTER] < 60
        assert again.ages[Role.SERVER] > 600
        still = replace(again, ages=MappingProxyType({**again.ages, Role.SERVER: 0.0, Role.PLEX: 0.0}))
        assert all(v.holds for v in judge(Case(still, still, ())))
