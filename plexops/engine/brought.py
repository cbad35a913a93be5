"""What a person brings along to a diagnosis: attempts from other networks, and Plex's log from a file or folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from plexops.config.probe_file import read_probe_file
from plexops.model.entries import LogEvent, Probe, ProbeAnswer
from plexops.model.errors import PlexopsError, Problem
from plexops.model.snapshot import SOMEBODY, Entry, Kind, KindState, Role
from plexops.runbook.view import SiteView

#: What was tried longer ago says nothing about now: addresses, forwards and firewalls change.
PROBE_LIMIT = timedelta(hours=1)
#: Plex keeps at most six files of 10 MB each.
_LOG_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a person brings along: attempts from other networks, and Plex's log from a file."""

    probes: tuple[Probe, ...] = ()
    log: tuple[LogEvent, ...] | None = None


def with_evidence(view: SiteView, evidence: Evidence, now: datetime) -> SiteView:
    """Put what a person brought beside what was asked. A log that was given stands for the server's own."""
    if evidence.probes:
        outside = view.of(Role.OUTSIDE)
        found = tuple(
            Entry(Kind.PROBE, _young(probe, now), {}, SOMEBODY, probe.vantage, f"given.probe.{probe.vantage}")
            for probe in evidence.probes
        )
        kinds = MappingProxyType({**outside.kinds, Kind.PROBE: KindState.PRESENT})
        view = view.with_snapshot(replace(outside, entries=(*outside.entries, *found), kinds=kinds))
    if evidence.log is not None:
        server = view.of(Role.SERVER)
        kept = tuple(entry for entry in server.entries if entry.kind is not Kind.LOG_EVENT)
        told = tuple(
            Entry(Kind.LOG_EVENT, event, {}, SOMEBODY, str(place), "given.log", place)
            for place, event in enumerate(evidence.log)
        )
        kinds = MappingProxyType({**server.kinds, Kind.LOG_EVENT: KindState.PRESENT})
        view = view.with_snapshot(replace(server, entries=(*kept, *told), kinds=kinds))
    return view


def bring(probe_files: Sequence[Path], logs: Path | None) -> Evidence:
    """Read what was brought. Raises PlexopsError for files that are not what they should be."""
    log = None
    if logs is not None:
        from plexops.parsers.plex_log import merge_logs

        log = merge_logs(_log_texts(logs))
    return Evidence(tuple(read_probe_file(path) for path in probe_files), log)


def _log_texts(path: Path) -> list[str]:
    """Read Plex's log, oldest file first."""
    from plexops.parsers.plex_log import PLEX_LOG_FILES

    files = [path] if path.is_file() else [path / name for name in PLEX_LOG_FILES if (path / name).is_file()]
    if not files:
        cure = "Name the folder “Logs” of Plex, or a “Plex Media Server.log”."
        raise PlexopsError(Problem("PLX-C704", f"{path} holds no log of Plex", cure))
    texts = []
    for file in files:
        try:
            with file.open("rb") as opened:
                texts.append(opened.read(_LOG_BYTES).decode("utf-8", "replace"))
        except OSError as error:
            problem = Problem("PLX-C704", f"{file} cannot be read: {error.strerror}", "Look who may read it.")
            raise PlexopsError(problem) from None
    return texts


def _young(probe: Probe, now: datetime) -> Probe:
    """Take the answer out of an attempt that is too old, or from the future: it was made, and says nothing now."""
    try:
        made = datetime.fromisoformat(probe.made)
    except ValueError:
        return replace(probe, answer=ProbeAnswer.UNKNOWN)
    made = made if made.tzinfo is not None else made.replace(tzinfo=UTC)
    current = -timedelta(minutes=5) <= now - made <= PROBE_LIMIT
    return probe if current else replace(probe, answer=ProbeAnswer.UNKNOWN)
