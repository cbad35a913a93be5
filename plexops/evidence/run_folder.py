"""One run's folder: its files, its result and its journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from plexops.evidence.files import make_folder, read_file, write_files
from plexops.evidence.journal import Journal, JournalText, read_journal, unchanged, utc_now
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import MaskedReport, RunReport
from plexops.pattern import Pattern

if TYPE_CHECKING:
    from plexops.model.run_json import R

JOURNAL = "journal.jsonl"
RESULT = "result.json"
PLAN = "plan.json"
PRIVATE = "private"
EXHIBITS = "exhibits"

_NAME = Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunFolder(Struct, frozen=True):
    """One run of one site. Names are relative to it: `plan.json`, `private/router.txt`."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def write(self, name: str, content: str | bytes) -> None:
        """Write one file atomically. ValueError for a name that is not ours to use."""
        self.write_all({name: content})

    def write_all(self, contents: Mapping[str, str | bytes]) -> None:
        """Write several files, each atomically. ValueError for a name that is not ours to use."""
        targets = {
            self._target(name): text.encode() if isinstance(text, str) else text
            for name, text in contents.items()
        }
        for folder in {target.parent for target in targets}:
            make_folder(folder)
        write_files(targets)

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
        """Keep the run's document in clear under `private/`, the exhibits, and at last the masked document: it is whole."""
        # One file for a person to read and search: fifty of them cost more than all that is in them.
        exhibits = "\n".join(
            f"=== {one.id} {one.device}: {one.source}\n{one.text}\n"
            for site in masked.sites
            for one in site.exhibits
        )
        self.write_all({f"{PRIVATE}/{RESULT}": _document(report), f"{EXHIBITS}/all.txt": exhibits})
        self.write(RESULT, _document(masked))

    def result(self) -> MaskedReport:
        """Read the masked document. Raises PlexopsError PLX-R105 or PLX-R106."""
        return self._report(RESULT, MaskedReport)

    def private_result(self) -> RunReport:
        """Read the document in clear: for a terminal only."""
        return self._report(f"{PRIVATE}/{RESULT}", RunReport)

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
        """Go on with the run's journal, as `recover` does. Raises PlexopsError PLX-R105 if there is none."""
        try:
            return Journal.resume(self.path / JOURNAL, self.id, scrub=scrub, now=now)
        except FileNotFoundError as error:
            raise _damaged(self.path / JOURNAL, "is missing") from error

    def journal(self) -> JournalText:
        """Read and verify the journal; an empty one if the run died before it began."""
        try:
            return read_journal(self.path / JOURNAL, self.id)
        except FileNotFoundError:
            return JournalText(())

    def _report(self, name: str, kind: type[R]) -> R:
        from plexops.model.run_json import read_report

        return read_report(self.read(name), kind, str(self.path / name))

    def _target(self, name: str) -> Path:
        parts = name.split("/")
        if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
            raise ValueError(f"{name!r} is no name for a file of a run")
        return self.path.joinpath(*parts)


def _document(report: RunReport) -> str:
    # On one line, as --format jsonl has it: to indent a document takes five times as long as to write it.
    return json.dumps(msgspec.to_builtins(report), ensure_ascii=True) + "\n"


def _damaged(path: Path, reason: str) -> PlexopsError:
    return PlexopsError(Problem("PLX-R105", f"{path} {reason}", where=str(path)))
