"""One run's folder: its files, its result and its journal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from plexops.evidence.journal import Journal, JournalText, read_journal
from plexops.files import make_folder, read_file, write_files
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
#: The texts of profiles by digest, beside the sites' folders, none of which begins with a dot.
_PROFILES = ".profiles"

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
        walk = ((Path(folder).relative_to(self.path), names) for folder, _, names in os.walk(self.path))
        found = ((folder / name).as_posix() for folder, names in walk for name in names if name[0] != ".")
        return tuple(sorted(found))

    def write_result(self, report: RunReport, masked: MaskedReport) -> None:
        """Keep the run's document in clear under `private/`, the exhibits, and at last the masked document: it is whole."""
        # One file for a person to read and search: fifty of them cost more than all that is in them.
        exhibits = "\n".join(
            f"=== {one.id} {one.device}: {one.source}\n{one.text}\n"
            for site in masked.sites
            for one in site.exhibits
        )
        clear = _document(report)
        self.write_all(
            {f"{PRIVATE}/{RESULT}": clear, f"{EXHIBITS}/all.txt": exhibits, RESULT: _document(masked)}
        )

    def keep_profile(self, digest: str, text: str) -> None:
        """Keep a profile's text, once for all runs of all sites. Raises PlexopsError PLX-R101 or PLX-R102."""
        path = self.path.parents[2] / _PROFILES / f"{digest}.yaml"
        if not path.exists():
            make_folder(path.parent)
            write_files({path: text.encode()})

    def result(self) -> MaskedReport:
        """Read the masked document. Raises PlexopsError PLX-R105 or PLX-R106."""
        return self._report(RESULT, MaskedReport)

    def private_result(self) -> RunReport:
        """Read the document in clear: for a terminal only."""
        return self._report(f"{PRIVATE}/{RESULT}", RunReport)

    def start_journal(self, version: str) -> Journal:
        """Begin the run's journal."""
        return Journal.create(self.path / JOURNAL, self.id, version)

    def resume_journal(self, *, own: bool = False) -> tuple[Journal, JournalText]:
        """Go on with the run's journal, as `recover` does, or with one's `own`. Raises PlexopsError PLX-R105."""
        try:
            return Journal.resume(self.path / JOURNAL, self.id, own=own)
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


def _document(report: RunReport) -> bytes:
    # On one line, as --format jsonl has it: to indent a document takes five times as long as to write it.
    try:
        return msgspec.json.encode(report) + b"\n"
    except UnicodeEncodeError:  # the name of a file that is no text
        return (json.dumps(msgspec.to_builtins(report)) + "\n").encode()


def _damaged(path: Path, reason: str) -> PlexopsError:
    return PlexopsError(Problem("PLX-R105", f"{path} {reason}", where=str(path)))
