"""Plex's log around an apply: kept as exhibits where it can be read, and never a reason for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.drivers.plex.log import LogFound
from plexops.engine.change import log_kept
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.evidence.folder import Store
from plexops.lab.scenarios import SCENARIOS
from plexops.lab.server import PLEX_LOGS
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import Exhibit, SiteReport
from plexops.model.status import ExitStatus
from tests.unit.engine.seen_home import Looked, looked_at

#: Only the forward lacks: what plex.tv says changes with it.
HOME = SCENARIOS["no-forward"]


def applied(looked: Looked, directory: Path) -> SiteReport:
    order = Order("apply", approve=lambda _report, _plan: True, effect_seconds=4.0)
    report, masked = run([looked.home], order, Store.open(directory / "runs"))
    site = report.sites[0]
    assert site.exit_status is ExitStatus.IN_ORDER, site.outcome
    public = str(looked.running.network.public_address)
    hidden = (kept(masked.sites[0], when).text for when in ("before", "after"))
    assert not [text for text in hidden if public in text], "masked, as every exhibit is"
    return site


def kept(site: SiteReport, when: str) -> Exhibit:
    start = f"Plex's log {when} the change"
    (found,) = (exhibit for exhibit in site.exhibits if exhibit.source.startswith(start))
    return found


def lines(exhibit: Exhibit) -> list[str]:
    return [line for line in exhibit.text.split("\n") if line]


@pytest.mark.parametrize(
    ("readable", "source"),
    [(True, "grep"), (False, "/diagnostics/logs")],
    ids=["over SSH", "over Plex's HTTP"],
)
def test_what_plex_logged_before_and_after_a_change_is_kept(
    readable: bool, source: str, tmp_path: Path
) -> None:
    with looked_at("openwrt", HOME, tmp_path / "home") as looked:
        if not readable:
            looked.running.server.files.remove(f"{PLEX_LOGS}/Plex Media Server.log")
        site = applied(looked, tmp_path)
    before, after = kept(site, "before"), kept(site, "after")
    assert source in before.source
    assert source in after.source
    assert any("mapping state set to" in line for line in lines(before)), before.text
    assert any("Sending Server Info to myPlex" in line for line in lines(after)), after.text
    stamps = [[line.partition(" [")[0] for line in lines(one)] for one in (before, after)]
    assert max(stamps[0]) <= min(stamps[1])
    assert not set(lines(before)) & set(lines(after))
    (file,) = (tmp_path / "runs").rglob("exhibits/*.txt")
    texts = file.read_text(encoding="utf-8").split("=== ")
    assert len([text for text in texts if "Sending Server Info to myPlex" in text]) == 2
    assert "kept Plex's log of before and after" in [moment.text for moment in site.timeline]


def test_where_no_log_can_be_read_that_is_said_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_more: object, token: bool = True) -> LogFound:
        raise PlexopsError(Problem("PLX-D101", f"it does not answer ({token})"))

    monkeypatch.setattr(log_kept, "understand_logs", refused)
    with looked_at("openwrt", HOME, tmp_path / "home") as looked:
        looked.running.server.files.remove(f"{PLEX_LOGS}/Plex Media Server.log")
        site = applied(looked, tmp_path)
    for when in ("before", "after"):
        assert kept(site, when).text.startswith("not read: no log of Plex lies in any of the usual folders")
        assert "Plex did not tell: " in kept(site, when).text
    assert any(moment.text.startswith("Plex's log was not kept: ") for moment in site.timeline)
