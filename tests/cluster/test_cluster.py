"""Homes that the workers of a real Dask scheduler look at: one dies, one is interrupted, and no secret is sent."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from plexops.lab.home import HomeOptions
from tests.cli.process import PLEXOPS, House, describe_as_well, environment, house, python
from tests.cluster.machines import Cluster, Gate, cluster

PASSWORD = "canary-9f31-password"
TOKEN = "canary7Plex7Token77x"


@dataclass
class Stage:
    """Two homes of one inventory, the gate before all of their devices, and the cluster."""

    home: House
    gate: Gate
    cluster: Cluster

    def start(self, *words: str, program: tuple[str, ...] = PLEXOPS) -> subprocess.Popen[str]:
        """Start plexops where a password would also be at hand."""
        state = str(self.home.directory / "state")
        return subprocess.Popen(
            [*program, *words, "--cluster", self.cluster.address, "--format", "json"],
            cwd=self.home.directory,
            env=environment(XDG_STATE_HOME=state, PLEXOPS_ROUTER_PASSWORD=PASSWORD, PLEXOPS_SSH_CONFIG="none"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, Any, str]:
        """Run plexops to its end: its status, its document, and what it told a person."""
        process = self.start(*words)
        out, err = process.communicate(timeout=90)
        return process.returncode, json.loads(out) if out else None, err

    def add_worker(self) -> None:
        """Start a worker that has the keys of both homes, and the router's password."""
        keys = {name: self.home.directory / name for name in ("keys", "cabin-keys")}
        self.cluster.start_worker(keys, PLEXOPS_ROUTER_PASSWORD=PASSWORD, PLEXOPS_SSH_CONFIG="none")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start all of it once."""
    from plexops.lab.plex_seed import PlexSeed

    folder = tmp_path_factory.mktemp("cluster")
    options = HomeOptions(router_password=PASSWORD, plex=PlexSeed(token=TOKEN))
    with cluster(folder) as machines, house(folder / "home", options=options) as home:
        gate = Gate(*home.home.address)
        path = home.directory / "inventory.yaml"
        text = path.read_text(encoding="utf-8").replace(f"port: {home.home.address[1]}", f"port: {gate.port}")
        text = re.sub(r"(router: .*)key_file: [^}]*}", r"\1password: {env: PLEXOPS_ROUTER_PASSWORD}}", text)
        path.write_text(text, encoding="utf-8")
        describe_as_well(home, home, "cabin")
        made = Stage(home, gate, machines)
        made.add_worker()
        made.add_worker()
        yield made
        gate.close()


def by_name(document: Any) -> dict[str, Any]:
    return {site["name"]: site for site in document["sites"]}


def judged(site: Any) -> list[tuple[str, ...]]:
    return [(found["status"], found["kind"], found["title"]) for found in site["findings"]]


def test_workers_find_what_this_machine_finds_and_no_secret_is_sent(stage: Stage) -> None:
    status, document, err = stage.run("audit")
    assert (status, err) == (1, "")
    sites = by_name(document)
    here = stage.home(
        "audit", "--format", "json", PLEXOPS_ROUTER_PASSWORD=PASSWORD, PLEXOPS_SSH_CONFIG="none"
    )
    local = by_name(json.loads(here.out))
    assert set(sites) == {"home", "cabin"}
    for name, site in sites.items():
        assert judged(site) == judged(local[name])
        assert site["outcome"] == local[name]["outcome"]
    wire = b"".join(stage.cluster.gate.passed)
    assert b"PLEXOPS_ROUTER_PASSWORD" in wire, "the reference is sent"
    assert sites["home"]["outcome"].encode() in wire, "the result is sent"
    key = (stage.home.directory / "keys" / "user").read_text(encoding="utf-8").splitlines()[1]
    for secret in (PASSWORD, TOKEN, key):
        assert secret.encode() not in wire
        assert secret not in json.dumps(document)


def test_the_evidence_is_here_masked_and_with_the_worker_whole(stage: Stage) -> None:
    status, document, _ = stage.run("audit", "--limit", "home")
    assert status == 1
    kept = stage.home.state / "home" / "runs" / document["run_id"]
    assert json.loads((kept / "result.json").read_text(encoding="utf-8"))["sites"] == document["sites"]
    records = [json.loads(line) for line in (kept / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    told = next(record["data"] for record in records if record["kind"] == "looked-at")
    there = [stage.cluster.state_of(number) / "home" / "runs" / told["run"] for number in range(2)]
    assert sum((run / "private" / "snapshots.json").is_file() for run in there) == 1
    assert not (kept / "private" / "snapshots.json").exists()
    assert stage.home("evidence", "verify").status == 0


def test_diagnose_takes_a_cluster_as_well(stage: Stage) -> None:
    status, document, _ = stage.run("diagnose", "--offline", "--limit", "home")
    assert status == 1
    assert document["sites"][0]["verdict"]["cause"]


def test_ctrl_c_ends_with_what_is_known(stage: Stage) -> None:
    stage.gate.hold()
    process = stage.start("audit", "--limit", "home")
    assert stage.gate.arrived.wait(60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    stage.gate.release()
    assert process.returncode == 130
    assert "PLX-R109" in out
    assert "interrupted: nothing was changed" in err
    assert "Traceback" not in out + err


def test_a_home_whose_worker_dies_is_looked_at_again(stage: Stage) -> None:
    stage.gate.hold()
    process = stage.start("audit")
    assert stage.gate.arrived.wait(60), "a worker is in the midst of a home"
    stage.cluster.kill_whoever_called_from(stage.gate.caller)
    stage.gate.release()
    out, err = process.communicate(timeout=90)
    assert (process.returncode, err) == (1, "")
    sites = by_name(json.loads(out))
    assert {name: site["exit_status"] for name, site in sites.items()} == {"home": 1, "cabin": 1}
    assert judged(sites["home"]) == judged(sites["cabin"]) != []


#: As `plexops` does it, but for how long it waits.
SOON = """
import sys
import plexops.cluster.controller as controller
controller._PATIENCE, controller._WITHOUT_WORKERS, controller._EVERY = 0.5, 1.0, 0.3
from plexops.cli.main import main
main(sys.argv[1:])
"""


def codes(document: Any) -> set[str]:
    return {problem["code"] for site in document["sites"] for problem in site["errors"]}


def test_when_all_workers_are_gone_it_does_not_wait_for_ever(stage: Stage) -> None:
    stage.gate.hold()
    process = stage.start("audit", program=(sys.executable, "-c", SOON))
    assert stage.gate.arrived.wait(60)
    for worker in stage.cluster.workers:
        worker.kill()
    out, err = process.communicate(timeout=60)
    stage.gate.release()
    assert (process.returncode, err) == (4, "")
    assert codes(json.loads(out)) == {"PLX-K103"}


def test_when_the_scheduler_is_gone_it_ends_and_says_so(stage: Stage) -> None:
    stage.add_worker()
    stage.gate.hold()
    process = stage.start("audit", program=(sys.executable, "-c", SOON))
    assert stage.gate.arrived.wait(60)
    stage.cluster.scheduler.kill()
    out, err = process.communicate(timeout=60)
    stage.gate.release()
    assert (process.returncode, err) == (4, "")
    assert codes(json.loads(out)) == {"PLX-K107"}


def test_without_a_worker_it_ends_soon_and_says_so(stage: Stage, tmp_path: Path) -> None:
    with cluster(tmp_path) as machines:
        done = python(SOON, "audit", "--cluster", machines.address, directory=stage.home.directory)
    assert done.returncode == 4
    assert "PLX-K103" in done.stderr


@pytest.mark.parametrize(("scheme", "cure"), [("tcp", "firewall"), ("tls", "distributed.comm.tls")])
def test_without_a_scheduler_it_ends_soon_and_says_so(stage: Stage, scheme: str, cure: str) -> None:
    done = python(SOON, "audit", "--cluster", f"{scheme}://127.0.0.1:1", directory=stage.home.directory)
    assert done.returncode == 4
    assert "PLX-K102" in done.stderr
    assert cure in done.stderr
    assert "Traceback" not in done.stderr
