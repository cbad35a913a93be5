"""Where runs are kept: `<state>/<site>/runs/<run id>/`, readable and writable by their owner alone.

In a run folder, `private/` holds the truth (snapshots verbatim, the resolved site, the unmasked result): it never
leaves this machine. `exhibits/`, `result.json` and `report.html` are masked. `plan.json` and `journal.jsonl` hold
references to secrets, never secrets, and addresses in clear: recovering needs them.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from plexops.evidence.chain import ENDED, ENDING, PRUNED, Chain, Noted, noted
from plexops.evidence.journal import FINISH, Journal, JournalText
from plexops.evidence.run_folder import EXHIBITS, JOURNAL, PRIVATE, RunFolder
from plexops.files import (
    check_folder,
    check_parent,
    make_folder,
    read_file,
    sync_folder,
    unreadable,
    unwritable,
    write_file,
)
from plexops.model.errors import PlexopsError, Problem
from plexops.pattern import Pattern

CHAIN = "chain.jsonl"
#: Which sites did not end in order in the last run over several.
_FAILED = "failed.json"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RUN_ID = Pattern(r"[0-9a-hjkmnp-tv-z]{26}")
#: What the name of a pruned run's folder ends with until all of it is deleted.
_PRUNED = ".pruned"
#: So often chain and journal are read until they stand still.
_LOOKS = 5


def state_root(environ: Mapping[str, str], platform: str) -> Path:
    """Give the folder that holds all sites: `$XDG_STATE_HOME/plexops`, else what the system has for it.

    `platform` is `sys.platform`. A relative XDG_STATE_HOME is ignored, as the XDG specification asks.
    """
    given = environ.get("XDG_STATE_HOME", "")
    if given and Path(given).is_absolute():
        return Path(given) / "plexops"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if platform == "win32":
        local = environ.get("LOCALAPPDATA", "")
        return (Path(local) if local else home / "AppData" / "Local") / "plexops"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "plexops"
    return home / ".local" / "state" / "plexops"


def new_run_id(now: datetime) -> str:
    """Give a new id: 48 bits of time in milliseconds and 80 random bits, so that ids sort by time (as ULIDs do)."""
    number = (int(now.timestamp() * 1000) << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def began_at(run_id: str) -> datetime:
    """Give when a run began, in UTC: its id says it."""
    number = 0
    for letter in run_id:
        number = number << 5 | _ALPHABET.index(letter)
    return datetime.fromtimestamp((number >> 80) / 1000, UTC)


class SiteFolder(Struct, frozen=True):
    """All runs of one site, its lock and its chain of finished runs."""

    path: Path
    name: str

    @property
    def lock_path(self) -> Path:
        """The file that a working run holds."""
        return self.path / "lock"

    def new_run(self, run_id: str) -> RunFolder:
        """Make the folder of a new run."""
        if not _RUN_ID.fullmatch(run_id):
            raise ValueError(f"{run_id!r} is no run id")
        folder = self._runs / run_id
        try:
            # The journal's first record of anything takes these to the disk, and what is written into them.
            for part in (folder, folder / PRIVATE, folder / EXHIBITS):
                part.mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(folder, error) from error
        return RunFolder(folder)

    def runs(self, known: frozenset[str] = frozenset()) -> tuple[RunFolder, ...]:
        """Give all runs but those of which the ids are known, the oldest first: after a year there are many."""
        try:
            ids = sorted(name for name in os.listdir(self._runs) if name not in known)  # noqa: PTH208 - names alone
        except OSError as error:
            raise unreadable(self._runs, error) from error
        return tuple(RunFolder(self._runs / run_id) for run_id in ids if _RUN_ID.fullmatch(run_id))

    def find(self, name: str) -> RunFolder:
        """Give the run with this id, beginning of an id, or `last`. Raises PlexopsError PLX-R103 or PLX-R104."""
        wanted = name.lower()
        whole = _RUN_ID.fullmatch(wanted) and (self._runs / wanted).is_dir()
        runs = (RunFolder(self._runs / wanted),) if whole else self.runs()
        fitting = (
            runs[-1:] if wanted == "last" else [run for run in runs if wanted and run.id.startswith(wanted)]
        )
        if len(fitting) > 1:
            ids = ", ".join(run.id for run in fitting[:5])
            raise PlexopsError(
                Problem("PLX-R104", f"{len(fitting)} runs of {self.name} begin with {name!r}: {ids}")
            )
        if not fitting:
            raise PlexopsError(
                Problem(
                    "PLX-R103",
                    f"site {self.name} has no run {name!r}",
                    cure="give `last` or the id that a run printed",
                )
            )
        check_folder(fitting[0].path)
        return fitting[0]

    def unfinished(self) -> tuple[RunFolder, ...]:
        """Give the runs that never came to their end, and those that broke off with a journal that can't be trusted.

        What the site's chain has taken in was finished: after a year of audits nobody wants to read every journal.
        `verify` does.
        """
        known = self._taken_in()
        return tuple(run for run in self.runs(known) if not _finished(run))

    def finish(self, run: RunFolder, journal: Journal, exit_status: int) -> None:
        """Close a run: its journal gets the hashes of its files, and the site's chain the journal's last hash.

        Killed at any point of it, the run is as it was or `complete` ends it.
        """
        files = {name: _sha256(run.read(name)) for name in run.names() if name != JOURNAL}
        end = {"exit_status": exit_status, "files": files}
        with self._chain.held() as chain:
            stands = {"run": run.id, "head": journal.head, "records": journal.records}
            chain.append(ENDING, {**stands, FINISH: end})
            _end(run, journal, end, chain)

    def complete(self) -> tuple[str, ...]:
        """Complete what a crash broke off, and give the runs' ids: their last records, and what pruning left.

        A chain or journal that cannot be trusted is left as it is: `verify` says so. Raises PlexopsError PLX-R102.
        """
        for left in self._runs.glob(f".*{_PRUNED}"):
            _remove(left)
        try:
            if not self._broken_off():
                return ()
        except PlexopsError:
            return ()
        with self._chain.held() as chain:
            half = self._broken_off()  # once more: who held it may have been at work
            for run, known in half:
                if known.pruned:
                    self._put_away(run)
                else:
                    _complete(run, known, chain)
        return tuple(run.id for run, _ in half)

    def broke_off(self, run: RunFolder) -> bool:
        """Tell whether a run was killed while it ended: what it did and found is whole, its last record is missing."""
        chain, text = self._steady(run)
        return noted(chain).get(run.id, Noted()).broke_off(text)

    def verify(self, run: RunFolder) -> tuple[Problem, ...]:
        """Check one run against its journal, the journal against the chain. Empty means: it is what it was.

        A run that was killed, also in the midst of its end, is what it was.
        """
        try:
            chain, text = self._steady(run)
        except PlexopsError as error:
            return error.problems
        known = noted(chain).get(run.id, Noted())
        if not known.fits(text):
            ended = known.ended or known.endings[-1]
            records = f"{len(text.records)} records, {ended.data.get('records')} when it ended"
            return (_changed(run, f"its journal's end was cut off or replaced ({records})"),)
        if not text.finished:
            return ()
        if known.ended is None and not known.broke_off(text):
            return (_changed(run, "the site's chain does not know it"),)
        return _changed_files(run, text.records[-1].data["files"])

    def verify_all(self) -> tuple[Problem, ...]:
        """Check every run, and that none is missing that was not pruned."""
        runs = self.runs()
        try:
            chain = self._chain.read()
        except PlexopsError as error:
            return error.problems
        present = {run.id for run in runs}
        missing = [run for run, known in noted(chain).items() if run not in present and not known.pruned]
        gone = [
            Problem("PLX-R111", f"run {run}: its folder was deleted", where=str(self.path)) for run in missing
        ]
        return (*gone, *(problem for run in runs for problem in self.verify(run)))

    def prune(self, keep: int) -> tuple[str, ...]:
        """Delete finished runs but the newest `keep`, and give their ids. Unfinished runs stay: undoing needs them."""
        if keep < 0:
            raise ValueError("keep is a count")
        self.complete()
        finished = [run for run in self.runs() if _finished(run)]
        old = finished[: max(0, len(finished) - keep)]
        for run in old:
            with self._chain.held() as chain:
                chain.append(PRUNED, {"run": run.id})
                self._put_away(run)
            _remove(self._away(run))
        return tuple(run.id for run in old)

    @property
    def _runs(self) -> Path:
        return self.path / "runs"

    @property
    def _chain(self) -> Chain:
        return Chain(self.path / CHAIN, f"chain of {self.name}")

    def _taken_in(self) -> frozenset[str]:
        try:
            return frozenset(run for run, known in noted(self._chain.read()).items() if known.ended)
        except PlexopsError:
            return frozenset()

    def _steady(self, run: RunFolder) -> tuple[JournalText, JournalText]:
        """Read chain and journal as they were at one moment: the run may be ending right now."""
        before, text, chain = None, run.journal(), self._chain.read()
        for _ in range(_LOOKS):
            if before == (chain.head, text.head):
                break
            before, text, chain = (chain.head, text.head), run.journal(), self._chain.read()
        return chain, text

    def _broken_off(self) -> list[tuple[RunFolder, Noted]]:
        """Find the runs whose end or pruning was begun and not completed."""
        half = []
        for run_id, known in noted(self._chain.read()).items():
            if (known.ended is not None and not known.pruned) or not _RUN_ID.fullmatch(run_id):
                continue
            run = RunFolder(self._runs / run_id)
            if run.path.is_dir() and (known.pruned or _broke_off(run, known)):
                half.append((run, known))
        return half

    def _away(self, run: RunFolder) -> Path:
        return self._runs / f".{run.id}{_PRUNED}"

    def _put_away(self, run: RunFolder) -> None:
        """Take a pruned run out of sight at once: deleting its files takes many steps."""
        try:
            run.path.rename(self._away(run))
            sync_folder(self._runs)
        except OSError as error:
            raise unwritable(run.path, error) from error


class Store(Struct, frozen=True):
    """The state folder with all sites."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Store:
        """Make or check the state folder. Raises PlexopsError PLX-R101 or PLX-R102."""
        try:
            root.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise unwritable(root.parent, error) from error
        check_parent(root.parent)
        make_folder(root)
        return cls(root)

    def note_failed(self, sites: Sequence[str]) -> None:
        """Note which sites did not end in order in the last run over several. Raises PlexopsError PLX-R102."""
        write_file(self.root / _FAILED, json.dumps(sites).encode())

    def failed(self) -> tuple[str, ...]:
        """Give the sites that did not end in order in the last run over several.

        Raises PlexopsError PLX-R112 where there is none, or no such run, and PLX-R105 where the note is damaged.
        """
        path = self.root / _FAILED
        cure = "Look at all of them first: plexops audit"
        try:
            found = msgspec.json.decode(read_file(path), type=tuple[str, ...])
        except FileNotFoundError:
            raise PlexopsError(Problem("PLX-R112", "there was no run over several sites yet", cure)) from None
        except msgspec.DecodeError:
            reason = f"{path} is no list of sites"
            raise PlexopsError(Problem("PLX-R105", reason, cure, where=str(path))) from None
        if not found:
            raise PlexopsError(
                Problem("PLX-R112", "the last run over several sites ended in order at each", cure)
            )
        return found

    def site(self, name: str) -> SiteFolder:
        """Make or check one site's folder. A name of any characters is fine: they are written as %XX."""
        safe = quote(name, safe="")
        folder = self.root / ("%2E" + safe[1:] if safe.startswith(".") else safe or "%00")
        make_folder(folder)
        make_folder(folder / "runs")
        return SiteFolder(folder, name)

    def sites(self) -> tuple[SiteFolder, ...]:
        """Give every site that has a folder here, by name. Raises PlexopsError PLX-R101 for one that is unsafe."""
        found = sorted(item.name for item in self.root.iterdir() if (item / "runs").is_dir())
        return tuple(self.site("" if name == "%00" else unquote(name)) for name in found)


def _finished(run: RunFolder) -> bool:
    try:
        return run.journal().finished
    except PlexopsError:
        return False


def _broke_off(run: RunFolder, known: Noted) -> bool:
    try:
        return known.broke_off(run.journal())
    except PlexopsError:
        return False


def _complete(run: RunFolder, known: Noted, chain: Journal) -> None:
    journal, text = run.resume_journal()
    with journal:
        if text.finished:
            _note_end(run, journal, chain)
        else:
            _end(run, journal, known.endings[-1].data[FINISH], chain)


def _end(run: RunFolder, journal: Journal, end: Mapping[str, Any], chain: Journal) -> None:
    journal.append(FINISH, end)
    _note_end(run, journal, chain)
    journal.close()


def _note_end(run: RunFolder, journal: Journal, chain: Journal) -> None:
    # The disk holds the ending and the journal's end: where this is lost, `complete` writes it again.
    chain.append(ENDED, {"run": run.id, "head": journal.head, "records": journal.records}, wait=False)


def _remove(folder: Path) -> None:
    import shutil

    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _changed_files(run: RunFolder, files: Mapping[str, str]) -> tuple[Problem, ...]:
    present = set(run.names()) - {JOURNAL}
    problems = [_changed(run, f"{name} was deleted") for name in sorted(set(files) - present)]
    problems += [_changed(run, f"{name} was added") for name in sorted(present - set(files))]
    for name in sorted(present & set(files)):
        try:
            same = _sha256(run.read(name)) == files[name]
        except PlexopsError as error:
            problems += error.problems
            continue
        if not same:
            problems.append(_changed(run, f"{name} was edited"))
    return tuple(problems)


def _changed(run: RunFolder, reason: str) -> Problem:
    return Problem("PLX-R111", f"run {run.id}: {reason}", where=str(run.path))
