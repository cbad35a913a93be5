"""What goes wrong at one of several sites, even by a bug of ours, leaves the others their report."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.engine.look.site import Home
from plexops.engine.order import Order
from plexops.engine.runner import run
from plexops.evidence.folder import Store
from plexops.model.status import ExitStatus
from plexops.structs import replace
from tests.unit.engine.seen_home import looked_at


def broken(home: Home) -> Home:
    """A second site, of which nothing can be read: its view has no place for what Plex says."""
    plex = replace(home.drivers, plex=object())  # type: ignore[arg-type]
    return replace(home, drivers=plex, view=replace(home.view, name="cabin"))


def test_a_bug_at_one_site_leaves_the_other_its_report(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path / "home") as looked:
        store = Store.open(tmp_path / "runs")
        report, masked = run([broken(looked.home), looked.home], Order("audit"), store)
        cabin, home = report.sites
        assert report.exit_status == cabin.exit_status == ExitStatus.BUG
        (problem,) = cabin.errors
        assert problem.code == "PLX-X001"
        assert any(line.startswith("observe.py:") for line in problem.detail)
        assert home.exit_status == ExitStatus.IN_ORDER
        assert home.findings
        assert [site.name for site in masked.sites] == ["cabin", "home"]
        with pytest.raises(TypeError):
            run([broken(looked.home)], Order("audit"), store)
