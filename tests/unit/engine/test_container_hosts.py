"""What the inventory says of a container takes nothing from what is seen of the host's own firewall."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.host_firewall import admitted
from plexops.engine.look.site import Home, Setting, open_home
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import Container
from plexops.model.snapshot import Kind, KindState, Role
from plexops.structs import replace
from tests.unit.engine.seen_home import Looked, looked_at


def with_container(home: Home, container: Container) -> Home:
    access = home.access
    assert access.site.server is not None
    site = replace(access.site, server=replace(access.site.server, container=container))
    setting = Setting(Path(), access.secrets, access.store, home.links)
    return open_home(replace(home.tasks, site=site), setting)


@pytest.mark.parametrize("container", list(Container))
def test_the_host_s_firewall_is_read_and_judged_whatever_plex_runs_in(
    tmp_path: Path, container: Container
) -> None:
    with looked_at("openwrt", "host-firewall", tmp_path) as looked:
        home = with_container(looked.home, container)
        seen = home.observer().look(None)
        assert seen.view.of(Role.SERVER).text("firewall.kind") == "ufw"
        found = compare(Comparison(home.tasks, seen.view, home.drivers, home.profile))
        (rule,) = [one for one in found if one.kind is Kind.FIREWALL_RULE]
        assert rule.status is FindingStatus.DRIFT
        assert "is stopped" in rule.have


def without_ufw(looked: Looked) -> Finding:
    """Judge a home in whose server no firewall was found that plexops changes; its kernel's rules were read."""
    server = looked.snapshot(Role.SERVER)
    facts = {name: fact for name, fact in server.facts.items() if not name.startswith("firewall.")}
    kinds = {**server.kinds, Kind.FIREWALL_RULE: KindState.UNKNOWN}
    snapshot = replace(server, facts=MappingProxyType(facts), kinds=MappingProxyType(kinds))
    home, view = looked.home, looked.altered(snapshot).view
    given = Comparison(home.tasks, view, home.drivers, home.profile)
    (task,) = [one for one in home.tasks.tasks if one.kind is Kind.FIREWALL_RULE]
    assert isinstance(task.want, FirewallRule)
    judged = admitted(given, task, task.want.port, snapshot)
    assert isinstance(judged, Finding)
    return judged


def test_what_the_kernel_holds_decides_where_no_firewall_is_known(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path / "open") as looked:
        assert without_ufw(looked).status is FindingStatus.OK
    with looked_at("openwrt", "host-firewall", tmp_path / "closed") as looked:
        assert without_ufw(looked).status is FindingStatus.UNKNOWN
