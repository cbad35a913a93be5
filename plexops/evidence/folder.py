"""Where runs are kept: `<state>/<site>/runs/<run id>/`, readable and writable by their owner alone.

In a run folder, `private/` holds the truth (snapshots verbatim, the resolved site, the unmasked result): it never
leaves this machine. `exhibits/`, `result.json` and `report.html` are masked. `plan.json` and `journal.jsonl` hold
references to secrets, never secrets, and addresses in clear: recovering needs them.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote

from plexops.evidence.files import check_folder, check_parent, make_folder, read_file, unwritable, write_file
from plexops.evidence.journal import FINISH, Journal, JournalText, read_journal, unchanged, utc_now
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import MaskedReport, RunReport
from plexops.model.run_json import report_from_json, report_to_json

JOURNAL = "journal.jsonl"
RESULT = "result.json"
PLAN = "plan.json"
PRIVATE = "private"
EXHIBITS = "exhibits"
CHAIN = "chain.jsonl"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RUN_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run of one site. Names are relative to it: `plan.json`, `private/router.txt`."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def write(self, name: str, content: str | bytes) -> None:
        """Write one file atomically. ValueError for a name that is not ours to use."""
        target = self._target(name)
        make_folder(target.parent)
        write_file(target, content.encode() if isinstance(content, str) else content)

    def read(self, name: str) -> bytes:
        """Read one file. Raises PlexopsError PLX-R105 if it is not there."""
        try:
            return read_file(self._target(name))
        except FileNotFoundError as error:
            raise _damaged(self.path / name, "is missing") from error

    @property
    def has_result(self) -> bool:
        """Whether the run came so far that it has a report."""
        return (self.path / RESULT).exists()

    def names(self) -> tuple[str, ...]:
        """Give all files of the run, sorted; half-written temporary ones don't count."""
        found = (item.relative_to(self.path).as_posix() for item in self.path.rglob("*") if not item.is_dir())
        return tuple(sorted(name for name in found if not Path(name).name.startswith(".")))

    def write_result(self, report: RunReport, masked: MaskedReport) -> None:
        """Keep the run's document: masked as `result.json`, in clear under `private/`."""
        self.write(RESULT, _document(masked))
        self.write(f"{PRIVATE}/{RESULT}", _document(report))

    def result(self) -> MaskedReport:
        """Read the masked document. Raises PlexopsError PLX-R105 or PLX-R106."""
        return MaskedReport(self._report(RESULT))

    def private_result(self) -> RunReport:
        """Read the document in clear: for a terminal only."""
        return self._report(f"{PRIVATE}/{RESULT}")

    def start_journal(
        self,
        version: str,
        *,
        scrub: Callable[[str], str] = unchanged,
        now: Callable[[], datetime] = utc_now,
    ) -> Journal:
        """Begin the run's journal."""
        return Journal.create(self.path / JOURNAL, self.id, version, scrub=scrub, now=now)

    def resume_journal(
        self, *, scrub: Callable[[str], str] = unchanged, now: Callable[[], datetime] = utc_now
    ) -> tuple[Journal, JournalText]:
        """Go on with the run's journal, as `recover` does."""
        return Journal.resume(self.path / JOURNAL, self.id, scrub=scrub, now=now)

    def journal(self) -> JournalText:
        """Read and verify the journal; an empty one if the run died before it began."""
        try:
            return read_journal(self.path / JOURNAL, self.id)
        except FileNotFoundError:
            return JournalText(())

    def _report(self, name: str) -> RunReport:
        try:
            document = json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise _damaged(self.path / name, "is not JSON") from error
        return report_from_json(document)

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
            raise ValueError(f"{name!r} is no name for a file of a run")
        return self.path.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class SiteFolder:
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
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise unwritable(folder, error) from error
        for part in (folder, folder / PRIVATE, folder / EXHIBITS):
            make_folder(part)
        return RunFolder(folder)

    def runs(self) -> tuple[RunFolder, ...]:
        """Give all runs, the oldest first."""
        ids = sorted(item.name for item in self._runs.iterdir() if _RUN_ID.fullmatch(item.name))
        return tuple(RunFolder(self._runs / run_id) for run_id in ids)

    def find(self, name: str) -> RunFolder:
        """Give the run with this id, beginning of an id, or `last`. Raises PlexopsError PLX-R103 or PLX-R104."""
        runs = self.runs()
        wanted = name.lower()
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
        return tuple(run for run in self.runs() if run.id not in known and not _finished(run))

    def finish(self, run: RunFolder, journal: Journal, exit_status: int) -> None:
        """Close a run: its journal gets the hashes of its files, and the site's chain the journal's last hash."""
        files = {name: _sha256(run.read(name)) for name in run.names() if name != JOURNAL}
        head = journal.append(FINISH, {"exit_status": exit_status, "files": files})
        journal.close()
        self._append_chain("run", {"run": run.id, "head": head, "records": journal.records})

    def verify(self, run: RunFolder) -> tuple[Problem, ...]:
        """Check one run against its journal, the journal against the chain. Empty means: it is what it was."""
        try:
            text = run.journal()
            chain = self._chain()
        except PlexopsError as error:
            return error.problems
        noted = [
            record.data
            for record in chain.records
            if record.kind == "run" and record.data.get("run") == run.id
        ]
        if noted and noted[-1]["head"] != text.head:
            records = f"{len(text.records)} records, {noted[-1]['records']} when it ended"
            return (_changed(run, f"its journal's end was cut off or replaced ({records})"),)
        if not text.finished:
            return ()
        if not noted:
            return (_changed(run, "the site's chain does not know it"),)
        return _changed_files(run, text.records[-1].data["files"])

    def verify_all(self) -> tuple[Problem, ...]:
        """Check every run, and that none is missing that was not pruned."""
        runs = self.runs()
        try:
            chain = self._chain()
        except PlexopsError as error:
            return error.problems
        pruned = {record.data.get("run") for record in chain.records if record.kind == "pruned"}
        present = {run.id for run in runs} | pruned
        missing = [
            r.data.get("run") for r in chain.records if r.kind == "run" and r.data.get("run") not in present
        ]
        gone = [
            Problem("PLX-R111", f"run {run}: its folder was deleted", where=str(self.path)) for run in missing
        ]
        return (*gone, *(problem for run in runs for problem in self.verify(run)))

    def prune(self, keep: int) -> tuple[str, ...]:
        """Delete finished runs but the newest `keep`, and give their ids. Unfinished runs stay: undoing needs them."""
        if keep < 0:
            raise ValueError("keep is a count")
        finished = [run for run in self.runs() if _finished(run)]
        old = finished[: max(0, len(finished) - keep)]
        for run in old:
            self._append_chain("pruned", {"run": run.id})
            shutil.rmtree(run.path)
        return tuple(run.id for run in old)

    @property
    def _runs(self) -> Path:
        return self.path / "runs"

    def _chain(self) -> JournalText:
        try:
            return read_journal(self.path / CHAIN, f"chain of {self.name}")
        except FileNotFoundError:
            return JournalText(())

    def _taken_in(self) -> frozenset[object]:
        try:
            return frozenset(r.data.get("run") for r in self._chain().records if r.kind == "run")
        except PlexopsError:
            return frozenset()

    def _append_chain(self, kind: str, data: Mapping[str, object]) -> None:
        path, subject = self.path / CHAIN, f"chain of {self.name}"
        chain = Journal.resume(path, subject)[0] if path.exists() else Journal.create(path, subject, "")
        with chain:
            chain.append(kind, data)


@dataclass(frozen=True, slots=True)
class Store:
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


def _document(report: RunReport) -> str:
    return json.dumps(report_to_json(report), indent=1, ensure_ascii=True) + "\n"


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


def _damaged(path: Path, reason: str) -> PlexopsError:
    return PlexopsError(Problem("PLX-R105", f"{path} {reason}", where=str(path)))
