"""A recording is as good as the home itself: the same findings and the same end, without a network; and no secret."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from plexops.lab.routers import RouterName
from tests.faults.engine_bench import Bench, Ended, Homes, secrets_of, trust_ssh

ROUTERS: tuple[RouterName, ...] = ("openwrt", "routeros", "opnsense", "linux")
SCENARIOS = ("drifted", "in-order", "cgnat", "double-nat", "stale-forward", "exposed-32400", "host-firewall")
#: What is another in every run.
PASSING = frozenset({"run_id", "started", "seconds", "time", "timeline", "evidence"})


def lasting(value: Any) -> Any:
    """Give a document without what is another in every run."""
    if isinstance(value, dict):
        return {name: lasting(item) for name, item in value.items() if name not in PASSING}
    if isinstance(value, list):
        return [lasting(item) for item in value]
    return value


def replayed_alike(bench: Bench, status: int | None = None) -> tuple[Ended, Ended]:
    """Record an audit and replay it in a process that may open no socket."""
    recording = bench.directory / "recording"
    live = bench("audit", "--record", str(recording), "--format", "json")
    asked = {role: len(bench.home.log(role)) for role in ("jump", "router", "server", "plex", "outside")}
    bench.home.stop()
    again = bench("audit", "--replay", str(recording), "--format", "json", offline=True)
    assert again.status == live.status, (live, again)
    assert status is None or live.status == status, live
    assert lasting(json.loads(again.out)) == lasting(json.loads(live.out))
    assert asked == {role: len(bench.home.log(role)) for role in asked}  # type: ignore[arg-type]
    return live, again


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("router", ROUTERS)
def test_replayed_without_network(homes: Homes, router: RouterName, scenario: str) -> None:
    expected = {"in-order": 0, "cgnat": 3, "double-nat": 3}.get(scenario, 1)
    with homes(router, scenario) as bench:
        replayed_alike(bench, expected)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_server_that_cannot_be_reached_is_replayed_too(homes: Homes, router: RouterName) -> None:
    with homes(router, "in-order") as bench:
        bench.home.ssh["server"].options.refuse_connections = True
        live, _ = replayed_alike(bench, 4)
        assert any(e["code"].startswith("PLX-D") for e in live.document["errors"])


@pytest.mark.parametrize("device", ["router", "server", "outside"])
def test_a_refused_login_is_replayed_too(homes: Homes, device: str) -> None:
    with homes("openwrt", "in-order") as bench:
        bench.home.ssh[device].options.refuse_logins = 99  # type: ignore[index]
        replayed_alike(bench)


def test_a_recording_is_for_its_owner_alone_and_holds_no_secret(homes: Homes) -> None:
    for router in ROUTERS:
        with homes(router, "drifted", HomeOptions(sudo_password="correct horse")) as bench:
            bench.inventory_with(become="{method: sudo, password: {env: PLEXOPS_SUDO}}")
            bench.environment["PLEXOPS_SUDO"] = "correct horse"
            trust_ssh(bench, "server")
            recording = bench.directory / "recording"
            assert bench("audit", "--record", str(recording)).status == 1
            files = sorted(recording.iterdir())
            assert len(files) >= 4
            for file in files:
                assert stat.S_IMODE(file.stat().st_mode) == 0o600
                text = file.read_text("utf-8")
                assert [name for name, secret in secrets_of(bench).items() if secret in text] == []
            assert stat.S_IMODE(recording.stat().st_mode) == 0o700


def test_what_was_not_recorded_is_unknown_and_said(homes: Homes) -> None:
    """A device's file that is gone: no invention, exit 4."""
    with homes("openwrt", "in-order") as bench:
        recording = bench.directory / "recording"
        assert bench("audit", "--record", str(recording)).status == 0
        next(recording.glob("*router*")).unlink()
        again = bench("audit", "--replay", str(recording), offline=True)
        assert again.status == 4, again
        assert "PLX-D301" in again.out + again.err


def test_a_recording_cannot_be_written_over(homes: Homes) -> None:
    with homes("openwrt", "in-order") as bench:
        recording = bench.directory / "recording"
        assert bench("audit", "--record", str(recording)).status == 0
        before = {file: file.read_bytes() for file in recording.iterdir()}
        again = bench("audit", "--record", str(recording))
        assert again.status != 0
        assert "PLX-D303" in again.err
        assert {file: file.read_bytes() for file in recording.iterdir()} == before
