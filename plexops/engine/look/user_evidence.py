"""What you supply to a diagnosis: attempts from other networks, Plex's log from a file or folder, and answers."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from plexops.config.files import read_regular
from plexops.engine.look.exhibits import exhibit
from plexops.engine.look.site_state import SiteState
from plexops.model.answers import Answer
from plexops.model.entries import LogEvent, Probe, ProbeAnswer
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import Exhibit
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.runbook.answers import DAY, Heard, Unclear, hear, questions, read
from plexops.runbook.endpoints import proxy
from plexops.runbook.view import SiteView, ipv4, public_addresses
from plexops.structs import replace

#: What was tried longer ago says nothing about now: addresses, forwards and firewalls change.
PROBE_LIMIT = timedelta(hours=1)
#: A computer's clock may be so much ahead of another's.
_CLOCKS_DIFFER = timedelta(minutes=5)
#: How far local time lies behind UTC at most.
_ZONES = timedelta(hours=12)
#: Plex keeps at most six files of 10 MB each.
_EXCERPT_LINES = 120
_LOG_BYTES = 64 * 1024 * 1024
#: What is said of a file without one line that counts.
_TELLS_NOTHING = (
    "no line of the log from the file tells of the way in: is it Plex's, and was “Enable Plex Media Server debug "
    "logging” on (Settings, General)?"
)
_ZIP = b"PK\x03\x04"


class Evidence(Struct, frozen=True):
    """What a person brings along: attempts from other networks, and Plex's log from a file."""

    probes: tuple[Probe, ...] = ()
    log: tuple[LogEvent, ...] | None = None
    #: The deciding lines of the log, word for word.
    excerpt: str = ""
    #: What a person says, and the site that it is about.
    user_answers: tuple[Answer, ...] = ()
    answers_site: str = ""

    def exhibits(self) -> tuple[Exhibit, ...]:
        """Give what was brought as exhibits."""
        shown = [
            (
                f"given.probe.{p.vantage}",
                f"plexops probe by {p.vantage}",
                f"{p.made} {p.tried} {p.answer}",
            )
            for p in self.probes
        ]
        if self.log is not None:
            shown.append(("given.log", "Plex's log, from a file", self.excerpt))
        given = [exhibit(name, Role.OUTSIDE, source, text) for name, source, text in shown]
        return (*given, *self.answers(datetime.now(UTC)))

    def about(self, site: str) -> Evidence:
        """Give the evidence for one site: what a person says is about one."""
        return self if self.answers_site in ("", site) else replace(self, user_answers=())

    def answers(self, now: datetime) -> tuple[Exhibit, ...]:
        """Give what a person says as exhibits: when, about what, and word for word."""
        found = []
        for answer in self.user_answers:
            when = (
                f"{answer.at:%H:%M} UTC"
                if answer.at.date() == now.date()
                else f"{answer.at:%Y-%m-%d %H:%M} UTC"
            )
            text = f"{questions()[answer.topic].about}: {answer.text}"
            shown = exhibit(answer.exhibit, Role.OUTSIDE, f"answered by you, {when}", text)
            found.append(replace(shown, device="you"))
        return tuple(found)

    def current(self, now: datetime) -> tuple[Evidence, tuple[str, ...]]:
        """Give the evidence without answers that are more than a day old, as an audit takes it; and say so of each."""
        old = [answer for answer in self.user_answers if (now - answer.at).total_seconds() > DAY]
        said = (
            f"your answer on {questions()[one.topic].about} of {one.at:%Y-%m-%d %H:%M} UTC: more than a day old, not counted"
            for one in old
        )
        return replace(self, user_answers=tuple(one for one in self.user_answers if one not in old)), tuple(
            said
        )


def current(view: SiteView, evidence: Evidence, now: datetime) -> tuple[Evidence, tuple[str, ...]]:
    """Leave out what is too old and say so: it is then as if it had not been brought."""
    from plexops.runbook.log.story import PUBLISHED_LIMIT

    old = {probe: reason for probe in evidence.probes if (reason := _not_of_now(probe, now))}
    told = [f"what {probe.vantage} tried does not count: {reason}" for probe, reason in old.items()]
    log = (evidence.log or None) if view.asked else None  # a log alone is read as of its own end
    if evidence.log == ():
        told.append(_TELLS_NOTHING)
    last = max((moment for event in log or () if (moment := _moment(event.time))), default=None)
    if last is not None and last < _their_time(view, log or (), now) - PUBLISHED_LIMIT:
        told.append(f"Plex's log from the file does not count: its last line is of {last:%Y-%m-%d %H:%M}")
        log = None
    probes = tuple(probe for probe in evidence.probes if probe not in old)
    return replace(evidence, probes=probes, log=log if view.asked else evidence.log), tuple(told)


def _their_time(view: SiteView, log: Sequence[LogEvent], now: datetime) -> datetime:
    """Give the time there, in the zone of its log; where nobody there says it, the earliest that it can be."""
    from plexops.runbook.log.story import local_time

    said = view.of(Role.SERVER).text("host.time") or local_time(view.of(Role.PLEX).text("plex.time"), log)
    return _moment(said or "") or now.replace(tzinfo=None) - _ZONES


def _moment(text: str) -> datetime | None:
    """Read a local time; None where there is none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def with_evidence(view: SiteView, evidence: Evidence, now: datetime) -> SiteView:
    """Put what a person brought beside what was asked. A log that was given stands for the server's own."""
    if evidence.user_answers:
        aged = (replace(one, age=max(0.0, (now - one.at).total_seconds())) for one in evidence.user_answers)
        view = replace(view, user_answers=tuple(aged))
    if evidence.probes:
        outside = view.of(Role.OUTSIDE)
        counted = (
            probe if _is_ours(view, probe) else replace(probe, answer=ProbeAnswer.UNKNOWN)
            for probe in evidence.probes
        )
        found = tuple(
            Entry(Kind.PROBE, probe, {}, FOREIGN, probe.vantage, f"given.probe.{probe.vantage}")
            for probe in counted
        )
        kinds = MappingProxyType({**outside.kinds, Kind.PROBE: KindState.PRESENT})
        view = view.with_snapshot(replace(outside, entries=(*outside.entries, *found), kinds=kinds))
    if evidence.log is not None:
        for role in (Role.SERVER, Role.PLEX):
            if role in view.snapshots:
                view = view.with_snapshot(_without_log(view.of(role)))
        server = view.of(Role.SERVER)
        told = tuple(
            Entry(Kind.LOG_EVENT, event, {}, FOREIGN, str(place), "given.log", place)
            for place, event in enumerate(evidence.log)
        )
        kinds = MappingProxyType({**server.kinds, Kind.LOG_EVENT: KindState.PRESENT})
        server = replace(server, entries=(*server.entries, *told), kinds=kinds)
        view = view.with_snapshot(server if view.asked else _as_of_its_end(server, evidence.log))
    return view


def _as_of_its_end(server: Snapshot, log: Sequence[LogEvent]) -> Snapshot:
    """Where nobody else says what time it is there, a log is read as of its last line."""
    last = max((event.time for event in log if _moment(event.time)), default="")
    fact = Fact("host.time", last, "given.log")
    return replace(server, facts=MappingProxyType({**server.facts, fact.name: fact})) if last else server


def with_user_answers(
    state: SiteState, evidence: Evidence, port: int | None
) -> tuple[SiteState, tuple[str, ...]]:
    """Give what an audit saw with what a person says of it; and which answers do not count, and why."""
    if not evidence.user_answers:
        return state, ()
    now = datetime.now(UTC)
    current, too_old = evidence.current(now)
    view = with_evidence(state.view, current, now)
    heard = hear(view, port)
    state = replace(state, view=view, exhibits=(*state.exhibits, *current.answers(now)))
    return state, (*too_old, *(not_counting(one) for one in heard if one.why_not))


def not_counting(heard: Heard) -> str:
    """Say why an answer does not count."""
    return f"your answer on {questions()[heard.answer.topic].about}: {heard.why_not}"


def bring(probe_files: Sequence[Path], logs: Path | None) -> Evidence:
    """Read what was brought. Raises PlexopsError for files that are not what they should be."""
    from plexops.config.probe_file import read_probe_file

    probes = tuple(read_probe_file(path) for path in probe_files)
    if logs is None:
        return Evidence(probes)
    from plexops.drivers.plex.log import without_owner
    from plexops.parsers.plex_log import excerpt, merge_logs

    texts = _log_texts(logs)
    shown = without_owner(excerpt("".join(texts), _EXCERPT_LINES))
    return Evidence(probes, merge_logs(texts), shown)


def bring_answers(path: Path, sites: Sequence[str], now: datetime) -> Evidence:
    """Read a file of answers for a run over some sites. Raises PlexopsError, also for an answer that is none."""
    from plexops.config.answers_file import read_answers_file

    file = read_answers_file(path, now)
    problems = []
    if file.site not in sites:
        reason = f"{path} is about site {file.site}, and this run is about {', '.join(sites)}"
        problems.append(Problem("PLX-C804", reason, "Name that site with -l, or correct “site:”."))
    for answer, place in zip(file.answers, file.places, strict=True):
        try:
            read(answer.topic, answer.text)
        except Unclear as unclear:
            reason = f"this says nothing about {questions()[answer.topic].about}: {unclear}"
            problems.append(
                Problem("PLX-C803", reason, "Correct it, or leave it out.", place, str(answer.topic))
            )
    if problems:
        raise PlexopsError(problems)
    return Evidence(user_answers=file.answers, answers_site=file.site)


def _log_texts(path: Path) -> list[str]:
    """Read Plex's log, oldest file first, from a file, a folder, or the archive that Plex Web gives."""
    from plexops.parsers.plex_log import PLEX_LOG_FILES

    files = [path] if path.is_file() else [path / name for name in PLEX_LOG_FILES if (path / name).is_file()]
    if not files:
        raise _no_log(f"{path} holds no log of Plex")
    texts: list[str] = []
    for file in files:
        try:
            data = read_regular(file, _LOG_BYTES)
        except OSError as error:
            problem = Problem("PLX-C704", f"{file} cannot be read: {error.strerror}", "Look who may read it.")
            raise PlexopsError(problem) from None
        texts += _unpacked(data, file) if data.startswith(_ZIP) else [_decoded(data)]
    return texts


def _unpacked(data: bytes, file: Path) -> list[str]:
    from plexops.parsers.plex_log import GREP_PATTERN, PLEX_LOG_FILES
    from plexops.transport.http.archive import ArchiveError, selected

    try:
        found = selected(data, PLEX_LOG_FILES, GREP_PATTERN)
    except ArchiveError as reason:
        raise _no_log(f"{file} gives no log of Plex: {reason}") from None
    if not found:
        raise _no_log(f"{file} holds no log of Plex")
    return [text for _, text in found]


def _decoded(data: bytes) -> str:
    """Read a text as UTF-8, or as the UTF-16 that Windows' own tools write; what is neither becomes U+FFFD."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def _no_log(reason: str) -> PlexopsError:
    cure = (
        "Name Plex's folder “Logs”, a “Plex Media Server.log”, or the zip archive that Plex Web gives under "
        "Settings, Troubleshooting, Download logs. Where the folder lies: plexops explain PLX-C704."
    )
    return PlexopsError(Problem("PLX-C704", reason, cure))


def _without_log(snapshot: Snapshot) -> Snapshot:
    kept = tuple(entry for entry in snapshot.entries if entry.kind is not Kind.LOG_EVENT)
    kinds = dict(snapshot.kinds)
    kinds.pop(Kind.LOG_EVENT, None)
    return replace(snapshot, entries=kept, kinds=MappingProxyType(kinds))


def _is_ours(view: SiteView, probe: Probe) -> bool:
    """Tell whether an attempt was where viewers may come in: an address of ours as others see it, or the proxy's name."""
    wan = ipv4(view.of(Role.ROUTER).text("wan.address"))
    ours = {address for address, _, _ in public_addresses(view)} | ({wan} if wan is not None else set())
    url = proxy(view)
    if url is not None and probe.name:
        return probe.asked == url.at
    return probe.over_ipv6 or probe.address in ours


def _not_of_now(probe: Probe, now: datetime) -> str:
    """Say why an attempt says nothing about now; empty where it does."""
    made = datetime.fromisoformat(probe.made)
    if now - made > PROBE_LIMIT:
        return f"it was made at {probe.made}, and only the last hour counts"
    if made - now > _CLOCKS_DIFFER:
        return f"it is dated {probe.made}, which is still to come: one of the clocks is wrong"
    return ""
