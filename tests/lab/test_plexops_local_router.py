"""plexops on the router itself: it reads, changes and is allowed there what it is over SSH, and the packet arrives."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from .owner import (
    PLAYBOOK,
    PORT,
    State,
    armed_windows,
    mark,
    on_the_machine,
    plexops,
    run_id,
    snapshot_of,
    state_of,
    without_vantage,
)
from .realhome import PortState, RealHome, real_home, why_not

pytestmark = [pytest.mark.namespaces, pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here")]

Done = subprocess.CompletedProcess[str]
RUNS = "/root/.local/state/plexops/home/runs"


class Told(Struct, frozen=True):
    """What one run was told by the router, and what it asked it."""

    done: Done
    router: Any
    asked: list[str]


class Applied(Struct, frozen=True):
    """What one apply came to. `requests` are all that its plan was allowed to send, by the run's own journal."""

    done: Done
    requests: list[str]
    state: State
    outside: PortState
    identity: str
    windows: list[str]
    back: State


class Story(Struct, frozen=True):
    """One home, looked at and changed over SSH and from the router itself, each from the same beginning."""

    machine_identifier: str
    before: State
    over_ssh: tuple[Told, Applied]
    here: tuple[Told, Applied]
    audits: tuple[Done, Done]
    #: What came to the router over SSH while plexops ran on it.
    by_ssh: list[str]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with real_home() as home:
        without_vantage(home)
        before = state_of(home)
        _describe(home)
        audited, told, logins = plexops(home, "audit"), _told_over_ssh(home), mark(home)["router"]
        audits = audited, on_the_machine(home, "router", "audit")
        told_here, more = _told_here(home), mark(home)["router"]
        over_ssh, marked = (told, _applied_over_ssh(home)), mark(home)["router"]
        here = told_here, _applied_here(home)
        by_ssh = [*home.commands("router")[logins:more], *home.commands("router")[marked:]]
        yield Story(home.machine_identifier, before, over_ssh, here, audits, by_ssh)


def _describe(home: RealHome) -> None:
    """Give the router the owner's inventory, in which the router is the computer itself."""
    text = home.inventory.read_text()
    (key,) = set(re.findall(r"key_file: (\S+)", text))
    head, _, rest = text.partition("      username: root\n")
    _, _, rest = rest.partition("      params:")
    text = f"{head}      connection: local\n      params:{rest}".replace(key, "/srv/key")
    assert "username: root" not in text
    # `plexops trust` was said here as it was on the owner's computer.
    (store,) = (path for path in (home.directory / "owner/state/plexops").iterdir() if path.is_file())
    home.nodes["router"].write({f"/root/.local/state/plexops/{store.name}": store.read_text()})
    home.nodes["router"].write({"/srv/key": (home.directory / "owner_key").read_text()}, mode=0o600)
    home.nodes["router"].write(
        {"/srv/inventory.yaml": text, "/srv/playbooks/plex-remote-access.yaml": PLAYBOOK.read_text()}
    )


def _asked(recorded: str) -> list[str]:
    lines = [json.loads(line) for line in recorded.splitlines()]
    return sorted({read["command"] for line in lines for read in line["reads"]})


def _requests(journal: str) -> list[str]:
    lines = (json.loads(line) for line in journal.splitlines())
    return [request for line in lines if line["kind"] == "intent" for request in line["data"]["requests"]]


def _told_over_ssh(home: RealHome) -> Told:
    done = plexops(home, "diagnose --record ssh")
    kept = max((home.directory / "owner/state/plexops/home/runs").iterdir())
    router = snapshot_of((kept / "private/snapshots.json").read_text(), "router")
    return Told(done, router, _asked((home.directory / "ssh/home%2Frouter.jsonl").read_text()))


def _told_here(home: RealHome) -> Told:
    done = on_the_machine(home, "router", "diagnose", "--record", "local")
    newest = home.nodes["router"].sh(f"ls {RUNS}").split()[-1]
    router = snapshot_of(home.read("router", f"{RUNS}/{newest}/private/snapshots.json"), "router")
    return Told(done, router, _asked(home.read("router", "/srv/local/home%2Frouter.jsonl")))


def _applied_over_ssh(home: RealHome) -> Applied:
    done = plexops(home, "apply --yes")
    run = home.directory / "owner/state/plexops/home/runs" / run_id(done)
    seen = state_of(home), home.connect_from_outside(PORT), home.identity_from_outside(PORT) or ""
    windows = armed_windows(home)
    plexops(home, f"rollback {run_id(done)} --yes")
    return Applied(done, _requests((run / "journal.jsonl").read_text()), *seen, windows, state_of(home))


def _applied_here(home: RealHome) -> Applied:
    done = on_the_machine(home, "router", "apply", "--yes")
    journal = home.read("router", f"{RUNS}/{run_id(done)}/journal.jsonl")
    seen = state_of(home), home.connect_from_outside(PORT), home.identity_from_outside(PORT) or ""
    windows = armed_windows(home)
    on_the_machine(home, "router", "rollback", run_id(done), "--yes")
    return Applied(done, _requests(journal), *seen, windows, state_of(home))


def test_the_router_tells_itself_what_it_tells_over_ssh(story: Story) -> None:
    (over_ssh, _), (here, _) = story.over_ssh, story.here
    assert here.router["facts"].keys() >= {"wan.address", "wan.ways", "persists"}
    entries, others = here.router["entries"], over_ssh.router["entries"]
    assert [entry for entry in entries if entry not in others] == []
    assert here.router == over_ssh.router
    assert (here.done.returncode, over_ssh.done.returncode) == (1, 1)
    assert "No forward leads to Plex" in here.done.stdout


def test_it_is_asked_nothing_that_it_is_not_asked_over_ssh(story: Story) -> None:
    (over_ssh, _), (here, _) = story.over_ssh, story.here
    assert here.asked == over_ssh.asked
    assert "nft -j list ruleset" in here.asked
    assert story.by_ssh == []


def test_an_audit_there_says_what_an_audit_says_over_ssh(story: Story) -> None:
    over_ssh, here = story.audits
    assert here.returncode == over_ssh.returncode == 4, here.stdout + here.stderr
    # Each keeps its own number for what it masks, and its run in a folder of its own.
    first, second = (
        re.sub(r"#\w+|^evidence.*|· [\d.]+ s$", "", done.stdout, flags=re.MULTILINE)
        for done in (over_ssh, here)
    )
    assert "drift    router" in first
    assert first == second


def test_a_forward_that_is_applied_there_lets_the_packet_in(story: Story) -> None:
    _, applied = story.here
    assert applied.done.returncode == 0, applied.done.stdout + applied.done.stderr
    assert applied.outside == "open"
    assert f'machineIdentifier="{story.machine_identifier}"' in applied.identity
    assert applied.windows == [], "it was armed, and ended after it was read back"


def test_what_is_sent_and_what_becomes_of_it_are_the_same_as_over_ssh(story: Story) -> None:
    (_, over_ssh), (_, here) = story.over_ssh, story.here
    assert here.requests == over_ssh.requests
    assert any("/etc/nftables.d" in request for request in here.requests)
    assert here.state.differs(over_ssh.state) == []
    assert here.state.differs(story.before) != []


def test_a_rollback_there_leaves_nothing(story: Story) -> None:
    (_, over_ssh), (_, here) = story.over_ssh, story.here
    assert here.back.differs(over_ssh.back) == []


def test_a_container_on_the_router_changes_nothing() -> None:
    """What is not there may be on the host all the same, and an undo that is armed there would end with it."""
    with real_home() as home:
        without_vantage(home)
        _describe(home)
        home.nodes["router"].write({"/.dockerenv": ""})
        before = state_of(home)
        done = on_the_machine(home, "router", "apply", "--yes")
        assert done.returncode == 3, done.stdout + done.stderr
        assert "nothing was sent" in done.stdout.lower(), done.stdout
        assert state_of(home).differs(before) == []
