"""Killed, or failed by the disk, at every single call: never called tampering, and the next run works."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plexops.evidence.folder import SiteFolder, Store, new_run_id
from plexops.evidence.lock import site_lock
from plexops.evidence.masking import load_key
from plexops.evidence.run_folder import RunFolder
from plexops.model.errors import PlexopsError
from plexops.model.status import ExitStatus
from tests.unit.evidence.failing_disk import Disk, Fault, Killed

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
#: What the journal of the run says, in this order; a crash leaves a beginning of it and nothing else.
STORY = ("start", "intent", "sent", "undone", "finish")


def work(root: Path, minutes: int) -> None:
    """What a run does to the disk, from the first folder to the last record, and a pruning of older runs."""
    site = Store.open(root).site("home")
    load_key(root)
    with site_lock(site.lock_path, site.name, "apply"):
        site.complete()
        run = site.new_run(new_run_id(NOON + timedelta(minutes=minutes)))
        with run.start_journal("0.1.0") as journal:
            run.write("private/router.json", "{}")
            run.write("plan.json", "{}")
            for kind in STORY[1:-1]:
                journal.append(kind, {"step": 0})
            run.write("private/result.json", "{}")
            run.write("result.json", "{}")
        again, _ = run.resume_journal()
        with again:
            site.finish(run, again, 0)
    site.prune(keep=1)


def one_run_before(root: Path) -> None:
    with Disk().fitted():
        work(root, 0)


def sound(site: SiteFolder, when: str) -> None:
    assert site.verify_all() == (), when
    for run in site.runs():
        kinds = tuple(record.kind for record in run.journal().records)
        assert kinds == STORY[: len(kinds)], when
        site.broke_off(run)


def the_next_run_works(root: Path, when: str) -> None:
    site = Store.open(root).site("home")
    sound(site, when)
    with Disk().fitted():
        work(root, 10)
    sound(site, when)
    newest = site.runs()[-1]
    assert newest.journal().finished, when
    assert not any(site.broke_off(run) for run in site.runs()), when
    left = [path.name for path in (site.path / "runs").iterdir() if path.name.startswith(".")]
    assert left == [], when


@pytest.mark.parametrize("fault", Fault)
def test_at_every_call_to_the_system(tmp_path: Path, fault: Fault) -> None:
    """F05, F07: disk full, read-only, broken, short write, killed, at each open, write, fsync, rename and mkdir."""
    model = tmp_path / "model" / "plexops"
    model.parent.mkdir()
    one_run_before(model)
    seen: Counter[str] = Counter()
    stopped: Counter[ExitStatus] = Counter()
    at, hit = 0, "first"
    while hit:
        # After a kill, what is left differs at each call; what one failed write leaves, the next one's leaves too.
        at += 1 if fault.startswith("killed") else 2
        root = tmp_path / str(at) / "plexops"
        shutil.copytree(model, root)
        disk = Disk(at, fault)
        try:
            with disk.fitted():
                work(root, 5)
        except Killed:
            assert fault.startswith("killed")
        except PlexopsError as error:
            stopped[error.status] += 1
        hit = disk.hit
        seen[hit] += 1
        the_next_run_works(root, f"{fault} at call {at} ({hit})")
        shutil.rmtree(root.parent)
    assert at > 60
    assert set(stopped) <= {ExitStatus.INCOMPLETE}, stopped
    assert {"open", "write", "fsync", "mkdir"} <= set(seen)


@pytest.mark.parametrize("fault", [Fault.KILLED_AFTER, Fault.KILLED_WITHIN])
def test_at_every_call_of_the_very_first_run(tmp_path: Path, fault: Fault) -> None:
    """Folders, the key of the pseudonyms and the chain are made here."""
    at, hit = 0, "first"
    while hit:
        at += 1
        root = tmp_path / str(at) / "plexops"
        disk = Disk(at, fault)
        try:
            with disk.fitted():
                work(root, 5)
        except Killed:
            pass
        hit = disk.hit
        the_next_run_works(root, f"{fault} at call {at} ({hit})")
    assert at > 60


def ended_runs(root: Path) -> tuple[SiteFolder, RunFolder]:
    site = Store.open(root).site("home")
    for minute in (0, 1):
        run = site.new_run(new_run_id(NOON + timedelta(minutes=minute)))
        run.write("plan.json", "{}")
        with run.start_journal("0.1.0") as journal:
            journal.append("intent", {"step": 0})
            site.finish(run, journal, 0)
    return site, run


def tails(path: Path, records: int) -> list[bytes]:
    """Give what a crash can leave of the last records: every length of each."""
    whole = path.read_bytes()
    start = len(b"".join(whole.splitlines(keepends=True)[:-records]))
    return [whole[:end] for end in range(start, len(whole))]


def test_torn_at_every_byte_of_the_end_it_is_completed(tmp_path: Path) -> None:
    """F07: what the disk holds of the last records of chain and journal is completed, never called tampering."""
    with Disk().fitted():
        site, run = ended_runs(tmp_path / "plexops")
        chain, journal = site.path / "chain.jsonl", run.path / "journal.jsonl"
        journals = tails(journal, 1)
        cases = [(chain, tail) for tail in tails(chain, 1)]
        noted = chain.read_bytes().splitlines(keepends=True)
        whole = chain.read_bytes(), journal.read_bytes()
        for path, tail in (*cases, *((journal, tail) for tail in journals)):
            chain.write_bytes(b"".join(noted[:-1]) if path is journal else tail)
            journal.write_bytes(tail if path is journal else whole[1])
            assert site.verify_all() == ()
            assert site.broke_off(run)
            assert site.complete() == (run.id,)
            assert site.verify_all() == ()
            assert run.journal().finished
            assert not site.broke_off(run)
            assert site.complete() == ()
    assert len(cases) + len(journals) > 300


def test_torn_at_every_byte_of_the_ending_the_run_is_unfinished(tmp_path: Path) -> None:
    """The run never ended as far as any record says: nothing is claimed of it, and another can end."""
    with Disk().fitted():
        site, run = ended_runs(tmp_path / "plexops")
        chain, journal = site.path / "chain.jsonl", run.path / "journal.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
        for tail in tails(chain, 2)[: len(chain.read_bytes().splitlines()[-2])]:
            chain.write_bytes(tail)
            assert site.verify_all() == ()
            assert not site.broke_off(run)
            assert site.complete() == ()
            assert site.unfinished() == (run,)


@pytest.mark.parametrize("edit", ["finish edited", "records cut", "file", "folder", "unknown"])
def test_an_edit_beside_a_crash_is_still_found(tmp_path: Path, edit: str) -> None:
    site, run = ended_runs(tmp_path / "plexops")
    chain, journal = site.path / "chain.jsonl", run.path / "journal.jsonl"
    chain.write_bytes(
        b"".join(chain.read_bytes().splitlines(keepends=True)[: -2 if edit == "unknown" else -1])
    )
    lines = journal.read_bytes().splitlines(keepends=True)
    if edit == "finish edited":
        journal.write_bytes(b"".join(lines[:-1]))
        with run.resume_journal()[0] as other:
            other.append("finish", {"exit_status": 0, "files": {}})
    elif edit == "records cut":
        journal.write_bytes(lines[0])
    elif edit == "file":
        (run.path / "plan.json").write_text("[]")
    elif edit == "folder":
        shutil.rmtree(run.path)
    for _ in range(2):
        assert [problem.code for problem in site.verify_all()] == ["PLX-R111"], edit
        site.complete()


def test_a_run_that_is_recovered_after_it_began_to_end(tmp_path: Path) -> None:
    """Killed between the two, and recovered by records of its own: its second end counts."""
    site, run = ended_runs(tmp_path / "plexops")
    chain, journal = site.path / "chain.jsonl", run.path / "journal.jsonl"
    chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:-1]))
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    with run.resume_journal()[0] as again:
        again.append("undo", {"step": 0})
        assert site.complete() == (), "it went on after that: only its own end can close it"
        assert site.verify_all() == ()
        site.finish(run, again, 5)
    assert site.verify_all() == ()
    assert run.journal().records[-1].data["exit_status"] == 5


def test_two_runs_that_end_at_once_take_turns(tmp_path: Path) -> None:
    """Looks hold no lock of the site: their ends must not be written over each other."""
    from concurrent.futures import ThreadPoolExecutor

    site = Store.open(tmp_path / "plexops").site("home")

    def look(minute: int) -> None:
        run = site.new_run(new_run_id(NOON + timedelta(minutes=minute)))
        with run.start_journal("0.1.0") as journal:
            site.complete()
            site.finish(run, journal, 0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(24)))
    assert len(site.runs()) == 24
    assert site.verify_all() == ()
    assert site.unfinished() == ()
