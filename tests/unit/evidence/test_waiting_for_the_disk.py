"""How often a run waits for the disk: for a look as little as keeps it whole, for a change before it is sent."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plexops.evidence.folder import SiteFolder, Store, new_run_id
from plexops.model.run import MaskedReport, RunReport
from plexops.model.status import ExitStatus

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of what was taken to the disk, in order."""
    names: list[str] = []

    def fsync(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    return names


def site_with_a_run(root: Path) -> SiteFolder:
    site = Store.open(root).site("home")
    run = site.new_run(new_run_id(NOON))
    with run.start_journal("0.1.0") as journal:
        site.finish(run, journal, 0)
    return site


def report(kind: type[RunReport], run_id: str) -> RunReport:
    return kind(
        command="audit",
        run_id=run_id,
        started=NOON.isoformat(),
        seconds=0.0,
        version="0.1.0",
        exit_status=ExitStatus.IN_ORDER,
        sites=(),
    )


def test_a_look_waits_for_each_file_once_and_for_all_folders_at_its_end(
    tmp_path: Path, waited: list[str]
) -> None:
    site = site_with_a_run(tmp_path / "plexops")
    run_id = new_run_id(NOON)
    waited.clear()
    run = site.new_run(run_id)
    with run.start_journal("0.1.0"):
        assert waited == []
        run.write("private/snapshots.json", "{}")
    masked = report(MaskedReport, run_id)
    assert isinstance(masked, MaskedReport)
    run.write_result(report(RunReport, run_id), masked)
    journal, _ = run.resume_journal(own=True)
    with journal:
        site.finish(run, journal, 0)
    files = [name for name in waited if name.endswith(".tmp")]
    assert sorted(name.split(".")[1] for name in files) == ["all", "result", "result", "snapshots"]
    folders = ["private", "private", "exhibits", run_id]
    assert [name for name in waited if name in folders] == [*folders, run_id]
    # The chain as it was found, that the run is about to end, the journal with its folder: whole from here on.
    assert waited[-5:] == ["chain.jsonl", "chain.jsonl", "journal.jsonl", run_id, "runs"]
    assert len(waited) == 13
    assert site.verify_all() == ()


def test_an_intent_is_on_the_disk_with_the_folder_that_holds_it(tmp_path: Path, waited: list[str]) -> None:
    site = site_with_a_run(tmp_path / "plexops")
    run = site.new_run(new_run_id(NOON))
    waited.clear()
    with run.start_journal("0.1.0") as journal:
        journal.append("intent", {"step": 0})
        assert waited == ["journal.jsonl", run.id, "runs"]
        journal.append("sent", {"step": 0})
        assert waited == ["journal.jsonl", run.id, "runs", "journal.jsonl"]


def test_a_profile_is_kept_once_for_all_runs(tmp_path: Path, waited: list[str]) -> None:
    store = Store.open(tmp_path / "plexops")
    runs = [store.site(name).new_run(new_run_id(NOON)) for name in ("home", "cabin")]
    waited.clear()
    for run in runs:
        run.keep_profile("ab12", "title: a router\n")
    assert len([name for name in waited if name.endswith(".tmp")]) == 1
    assert (store.root / ".profiles/ab12.yaml").read_text() == "title: a router\n"
    assert [site.name for site in store.sites()] == ["cabin", "home"]
