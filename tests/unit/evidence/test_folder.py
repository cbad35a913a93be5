"""Run folders: private to their owner, never through a link, and what a finished run left can't be edited unseen."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plexops.evidence.folder import SiteFolder, Store, new_run_id, state_root
from plexops.evidence.journal import Journal
from plexops.evidence.run_folder import RunFolder
from plexops.model.errors import PlexopsError
from plexops.model.run import MaskedReport, RunReport, SiteReport

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> SiteFolder:
    return Store.open(tmp_path / "state" / "plexops").site("home")


def begin(site: SiteFolder, minutes: int = 0) -> tuple[RunFolder, Journal]:
    run = site.new_run(new_run_id(NOON + timedelta(minutes=minutes)))
    run.write("plan.json", '{"schema": "plexops.plan/1"}\n')
    run.write("private/router.txt", "config redirect 'plexops_plex'\n")
    run.write("exhibits/E1.txt", "62.155.··.··#9a1c\n")
    return run, run.start_journal("0.1.0")


def complete(site: SiteFolder, minutes: int = 0) -> RunFolder:
    run, journal = begin(site, minutes)
    site.finish(run, journal, 0)
    return run


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(PlexopsError) as caught:
        action()
    return caught.value.problems[0].code


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"HOME": "/home/a"}, "linux", "/home/a/.local/state/plexops"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/srv/state"}, "linux", "/srv/state/plexops"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "relative"}, "linux", "/home/a/.local/state/plexops"),
        ({"HOME": "/Users/a"}, "darwin", "/Users/a/Library/Application Support/plexops"),
        (
            {"USERPROFILE": "/u/a", "LOCALAPPDATA": "/u/a/AppData/Local"},
            "win32",
            "/u/a/AppData/Local/plexops",
        ),
        ({"USERPROFILE": "/u/a"}, "win32", "/u/a/AppData/Local/plexops"),
    ],
)
def test_state_folder(environ: dict[str, str], platform: str, expected: str) -> None:
    assert state_root(environ, platform).as_posix() == expected


def test_run_ids_sort_by_time_and_never_repeat() -> None:
    ids = [new_run_id(NOON + timedelta(milliseconds=n)) for n in range(200)]
    assert ids == sorted(ids)
    assert len({new_run_id(NOON) for _ in range(1000)}) == 1000
    assert all(re.fullmatch(r"[0-9a-z]{26}", run_id) for run_id in ids)


def test_everything_is_readable_by_its_owner_alone(site: SiteFolder) -> None:
    before = os.umask(0)
    try:
        complete(site)
    finally:
        os.umask(before)
    root = site.path.parent
    modes = {
        path.is_dir(): {
            stat.S_IMODE(p.stat().st_mode) for p in [root, *root.rglob("*")] if p.is_dir() == path.is_dir()
        }
        for path in (root, site.path / "chain.jsonl")
    }
    assert modes == {True: {0o700}, False: {0o600}}


def test_site_names_of_any_characters_stay_below_the_root(site: SiteFolder) -> None:
    store = Store(site.path.parent)
    for name in ("../../etc", "..", ".", ".hidden", "a/b", "Müllers Haus", "", "C:\\x", "nul\0"):
        folder = store.site(name).path
        assert folder.parent == store.root
        assert folder.name not in {"", ".", ".."}


@pytest.mark.parametrize(
    "name", ["../x", "a/b/c", "/etc/passwd", ".hidden", "", "private/../x", "x\n", "a//b"]
)
def test_file_names_that_lead_elsewhere_are_a_bug_of_the_caller(site: SiteFolder, name: str) -> None:
    run = site.new_run(new_run_id(NOON))
    with pytest.raises(ValueError, match="no name for a file"):
        run.write(name, "x")


@pytest.mark.parametrize("part", ["", "home", "home/runs"])
@pytest.mark.parametrize("attack", ["link", "writable", "file"])
def test_unsafe_folders_are_refused(tmp_path: Path, part: str, attack: str) -> None:
    root = tmp_path / "plexops"
    Store.open(root).site("home")
    target = root / part
    if attack == "writable":
        target.chmod(0o770)
    else:
        away = tmp_path / "away"
        target.rename(away)
        target.symlink_to(away) if attack == "link" else target.write_text("")
    assert refusal(lambda: Store.open(root).site("home")) == "PLX-R101"


def test_parent_in_which_others_could_replace_ours_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert refusal(lambda: Store.open(shared / "plexops")) == "PLX-R101"
    shared.chmod(0o1777)
    Store.open(shared / "plexops")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "plexops"
    Store.open(root)
    os.chown(root, 12345, 12345)
    assert refusal(lambda: Store.open(root)) == "PLX-R101"


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe"])
def test_files_planted_in_a_run_are_not_followed(site: SiteFolder, tmp_path: Path, kind: str) -> None:
    run = site.new_run(new_run_id(NOON))
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = run.path / "plan.json"
    if kind == "link":
        planted.symlink_to(victim)
    elif kind == "dangling link":
        planted.symlink_to(tmp_path / "not there")
    elif kind == "hard link":
        planted.hardlink_to(victim)
    else:
        os.mkfifo(planted, 0o600)
    assert refusal(lambda: run.read("plan.json")) == "PLX-R101"
    if kind in {"link", "dangling link"}:
        assert refusal(lambda: run.write("plan.json", "mine")) == "PLX-R101"
        planted.rename(run.path / "journal.jsonl")
        assert refusal(lambda: run.start_journal("0.1.0")) in {"PLX-R101", "PLX-R102"}
    assert victim.read_text() == "precious"
    assert not (tmp_path / "not there").exists()


def test_failed_write_leaves_the_old_content_and_no_temporary_file(site: SiteFolder) -> None:
    import resource

    run = site.new_run(new_run_id(NOON))
    run.write("plan.json", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        assert refusal(lambda: run.write("plan.json", "n" * 1000)) == "PLX-R102"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run.read("plan.json") == b"old"
    assert sorted(p.name for p in run.path.iterdir()) == ["exhibits", "plan.json", "private"]


def test_finding_runs_by_id_beginning_and_last(site: SiteFolder) -> None:
    runs = [complete(site, minute) for minute in range(3)]
    assert site.runs() == tuple(runs)
    assert site.find("last") == runs[2]
    assert site.find(runs[0].id) == runs[0]
    assert site.find(runs[1].id.upper()) == runs[1]
    assert refusal(lambda: site.find(runs[0].id[:4])) == "PLX-R104"
    assert refusal(lambda: site.find("zzzz")) == "PLX-R103"
    assert refusal(lambda: site.find("")) == "PLX-R103"
    assert refusal(lambda: site.find("../home")) == "PLX-R103"


def test_untouched_run_verifies(site: SiteFolder) -> None:
    run = complete(site)
    assert site.verify(run) == ()
    assert site.verify_all() == ()
    assert site.unfinished() == ()


@pytest.mark.parametrize("edit", ["edited", "deleted", "added", "tail", "last byte", "folder", "chain tail"])
def test_every_later_edit_of_a_finished_run_is_found(site: SiteFolder, edit: str) -> None:
    complete(site, 1)
    run = complete(site, 2)
    journal = run.path / "journal.jsonl"
    if edit == "edited":
        (run.path / "exhibits" / "E1.txt").write_text("all is well\n")
    elif edit == "deleted":
        (run.path / "plan.json").unlink()
    elif edit == "added":
        run.write("exhibits/E2.txt", "x")
    elif edit == "tail":
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    elif edit == "last byte":
        journal.write_bytes(journal.read_bytes()[:-1])
    elif edit == "folder":
        run.path.rename(site.path / "away")
    else:
        # Both records of its end: the last one alone can be missing by a crash.
        chain = site.path / "chain.jsonl"
        chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-2]))
    problems = site.verify_all()
    assert [problem.code for problem in problems] == ["PLX-R111"]
    assert run.id in problems[0].reason


def test_edited_chain_is_found(site: SiteFolder) -> None:
    complete(site)
    chain = site.path / "chain.jsonl"
    chain.write_bytes(chain.read_bytes().replace(b'"records":2', b'"records":3'))
    assert [problem.code for problem in site.verify_all()] == ["PLX-R110"]


def test_pruning_keeps_the_newest_and_every_unfinished_run(site: SiteFolder) -> None:
    unfinished, journal = begin(site, 0)
    journal.close()
    damaged = complete(site, 1)
    (damaged.path / "journal.jsonl").write_bytes(b"{}\n")
    old, new = complete(site, 2), complete(site, 3)
    assert site.prune(keep=1) == (old.id,)
    assert [run.id for run in site.runs()] == [unfinished.id, damaged.id, new.id]
    assert [run.id for run in site.unfinished()] == [unfinished.id], (
        "the chain knows that the other one ended"
    )
    assert site.verify(damaged)
    assert not [p for p in site.verify_all() if old.id in p.reason], "a pruned run is not a missing one"
    assert site.prune(keep=0) == (new.id,)


def test_result_is_kept_masked_and_in_clear(site: SiteFolder) -> None:
    run = site.new_run(new_run_id(NOON))
    clear = RunReport(
        command="audit",
        run_id=run.id,
        started="2026-11-22T12:00:00+00:00",
        seconds=0.4,
        version="0.1.0",
        exit_status=0,
        sites=(SiteReport("home", "forward", "at 62.155.13.7"),),
    )
    masked = MaskedReport(
        command="audit",
        run_id=run.id,
        started=clear.started,
        seconds=0.4,
        version="0.1.0",
        exit_status=0,
        sites=(SiteReport("home", "forward", "at 62.155.··"),),
    )
    run.write_result(clear, masked)
    assert run.result() == masked
    assert run.private_result() == clear
    assert b"62.155.13.7" not in run.read("result.json")
    run.write("result.json", "{")
    assert refusal(run.result) == "PLX-R105"
    run.write("result.json", '{"schema": "plexops.run/2"}')
    assert refusal(run.result) == "PLX-R106"
