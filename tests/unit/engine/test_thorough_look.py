"""The thorough look of a diagnosis at simulated homes: what each of them has to show, and what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexops.model.entries import LogEvent, Probe, ProbeAnswer
from plexops.model.facts import FACTS
from plexops.model.snapshot import FactValue, Kind, KindState, Role
from plexops.runbook.exposures import exposures
from tests.unit.engine.seen_home import looked_at

#: Programs that only a diagnosis runs.
ONLY_THEN = ("ping", "date", "docker", "podman", "grep")
PORT = 32500


def execs(log: list[str]) -> int:
    return sum(line.startswith("# exec ") for line in log)


def test_it_costs_no_exec_more_and_an_audit_asks_none_of_it(tmp_path: Path) -> None:
    with looked_at("openwrt", "in-order", tmp_path) as at:
        audit = at.running.log("server")
        more = [
            line for line in audit if line.split()[0] in ONLY_THEN and "dhcp-server-identifier" not in line
        ]
        assert more == []
        assert at.snapshot(Role.SERVER).state(Kind.LOG_EVENT) is KindState.UNSUPPORTED
        mark, plex = len(audit), len(at.running.log("plex"))
        seen = at.home.observer().look(PORT, thorough=True)
        more = at.running.log("server")[mark:]
        assert execs(more) == execs(audit)
        assert any("/status/sessions" in line for line in at.running.log("plex")[plex:])
    assert seen.problems == ()
    known = {name for snapshot in seen.view.snapshots.values() for name in snapshot.facts}
    asked = {n for n, fact in FACTS.items() if fact.role in (Role.SERVER, Role.PLEX, Role.OUTSIDE)}
    # No container runs that had a network, no interface is preferred that had an address; ufw has no zones, and no folder.
    zones = {"firewall.zone", "firewall.version", "firewall.folder"}
    assert asked - known == {"container.network", "container.published", "plex.interface_address", *zones}
    server = seen.view.of(Role.SERVER)
    assert server.state(Kind.LOG_EVENT) is KindState.PRESENT
    times = [entry.values.time for entry in server.held(LogEvent)]
    assert len(times) > 5
    assert times == sorted(times)
    shown = {exhibit.id for exhibit in seen.exhibits}
    facts = [fact for snapshot in seen.view.snapshots.values() for fact in snapshot.facts.values()]
    entries = [entry for snapshot in seen.view.snapshots.values() for entry in snapshot.entries]
    assert {fact.exhibit for fact in facts} | {entry.exhibit for entry in entries} <= shown


@pytest.mark.parametrize(
    ("scenario", "role", "fact", "value"),
    [
        ("docker-unpublished", Role.SERVER, "container.network", "bridge"),
        ("docker-unpublished", Role.SERVER, "container.published", ()),
        ("docker-loopback", Role.SERVER, "container.published", ("127.0.0.1:32400->32400/tcp",)),
        ("vpn-egress", Role.SERVER, "host.egress", "tun0"),
        ("server-dns", Role.OUTSIDE, "outside.failure", "dns"),
        ("server-offline", Role.OUTSIDE, "outside.failure", "no route"),
        ("relay-only", Role.PLEX, "plex.relayed_sessions", 1),
        ("entitlement", Role.PLEX, "plex.subscription", False),
    ],
)
def test_what_a_home_has_to_show(
    scenario: str, role: Role, fact: str, value: FactValue, tmp_path: Path
) -> None:
    with looked_at("openwrt", scenario, tmp_path) as at:
        seen = at.home.observer().look(PORT, thorough=True)
    found = seen.view.of(role).facts.get(fact)
    assert found is not None, seen.view.of(role).reasons.get(fact)
    assert found.value == value


def test_a_pinhole_over_ipv6(tmp_path: Path) -> None:
    with looked_at("openwrt", "ipv6-pinhole", tmp_path) as at:
        (hole,) = exposures(at.seen.view) or ()
    assert (hole.family, hole.external, hole.certain) == (6, ((32400, 32400),), True)
    assert "over IPv6" in hole.says()
    assert hole.exhibit in {exhibit.id for exhibit in at.seen.exhibits}


def test_a_vantage_in_the_home_is_told_from_one_outside(tmp_path: Path) -> None:
    with looked_at("openwrt", "hairpin-only", tmp_path) as at:
        seen = at.home.observer().look(PORT, thorough=True)
    probes = [entry.values for entry in seen.view.of(Role.OUTSIDE).held(Probe)]
    assert [probe.inside for probe in probes if probe.answer is ProbeAnswer.OPEN] == [True]
