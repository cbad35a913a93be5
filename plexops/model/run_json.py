"""A run report to JSON and back. What is read is written out field by field: a stored report may be anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast, get_args

from plexops.model import run
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.finding import FindingStatus

T = TypeVar("T")
Object = dict[str, Any]
_Report = run.Hop | run.GuardReport | run.Proof | run.Moment | run.DeviceDiff | run.Exhibit | run.FieldChange
_Plain = _Report | run.AlsoSeen | run.CandidateReport | run.WayStop

#: Fields that hold a word of a closed list, which reading checks. Where one name is a word in one object and a
#: sentence in another, it is given with its list.
CLOSED_FIELDS = frozenset(
    {"schema", "command", "stop", "mark", "status", "symbol", "guards.verdict", "changes.outcome"}
)
#: Fields that hold hashes, ids and times of our own making: masking has nothing to do there.
OWN_FIELDS = frozenset({"run_id", "started", "version", "journal_head", "plan_digest", "sha256_raw", "time"})


def report_to_json(report: run.RunReport) -> Object:
    """Give the JSON object of a report, schema first."""
    return {
        "schema": report.schema,
        "command": report.command,
        "run_id": report.run_id,
        "started": report.started,
        "seconds": report.seconds,
        "version": report.version,
        "exit_status": report.exit_status,
        "journal_head": report.journal_head,
        "sites": [_site(site) for site in report.sites],
    }


def _site(site: run.SiteReport) -> Object:
    return {
        "name": site.name,
        "access": site.access,
        "outcome": site.outcome,
        "exit_status": site.exit_status,
        "safe_stop": site.safe_stop,
        "verdict": None if site.verdict is None else _verdict(site.verdict),
        "hops": [_plain(hop) for hop in site.hops],
        "ways": [_plain(stop) for stop in site.ways],
        "plex_web": site.plex_web,
        "log": list(site.log),
        "findings": [_finding(finding) for finding in site.findings],
        "changes": [_change(change) for change in site.changes],
        "guards": [_plain(guard) for guard in site.guards],
        "proofs": [_plain(proof) for proof in site.proofs],
        "exhibits": [_plain(exhibit) for exhibit in site.exhibits],
        "timeline": [_plain(moment) for moment in site.timeline],
        "not_asked": list(site.not_asked),
        "asked": list(site.asked),
        "next_steps": list(site.next_steps),
        "plan_digest": site.plan_digest,
        "taught": site.taught,
        "errors": [_problem(one) for one in site.errors],
        "before_after": [_plain(diff) for diff in site.before_after],
    }


def _plain(part: _Plain) -> Object:
    """Give a part whose fields are texts, numbers, and lists of texts."""
    values = ((field.name, getattr(part, field.name)) for field in fields(part))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def _verdict(verdict: run.VerdictReport) -> Object:
    return {
        "layer": verdict.layer,
        "cause": verdict.cause,
        "because": list(verdict.because),
        "exhibits": list(verdict.exhibits),
        "overturned_by": list(verdict.overturned_by),
        "id": verdict.id,
        "rows": list(verdict.rows),
        "confidence": verdict.confidence,
        "also": [_plain(also) for also in verdict.also],
        "missing": list(verdict.missing),
        "mark": verdict.mark,
        "candidates": [_plain(candidate) for candidate in verdict.candidates],
        "before": list(verdict.before),
        "ignored": list(verdict.ignored),
    }


def _finding(finding: run.FindingReport) -> Object:
    return {
        "status": finding.status,
        "role": finding.role,
        "kind": finding.kind,
        "key": finding.key,
        "title": finding.title,
        "want": finding.want,
        "have": finding.have,
        "why": finding.why,
        "place": _place(finding.place),
        "exhibits": list(finding.exhibits),
        "adoptable": finding.adoptable,
        "steps": list(finding.steps),
    }


def _change(change: run.ChangeReport) -> Object:
    return {
        "id": change.id,
        "role": change.role,
        "kind": change.kind,
        "key": change.key,
        "action": change.action,
        "symbol": change.symbol,
        "title": change.title,
        "fields": [_plain(field) for field in change.fields],
        "commands": list(change.commands),
        "undo": list(change.undo),
        "window": change.window,
        "window_commands": list(change.window_commands),
        "exposure": change.exposure,
        "outcome": change.outcome,
        "place": _place(change.place),
        "detail": change.detail,
    }


def _problem(problem: Problem) -> Object:
    return {
        "code": problem.code,
        "reason": problem.reason,
        "cure": problem.cure,
        "place": _place(problem.place),
        "path": problem.path,
        "where": problem.where,
        "detail": list(problem.detail),
    }


def _place(place: Place | None) -> Object | None:
    return None if place is None else {"file": place.file, "line": place.line, "column": place.column}


class _MalformedError(Exception):
    """A stored document that is not what `report_to_json` wrote."""


class _Reader:
    """Takes typed fields out of one JSON object. What is absent takes its default; what is wrong is refused."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise _MalformedError(f"{path or 'the document'} is not an object")
        self._object = value
        self._path = path

    def text(self, name: str) -> str:
        value = self._object.get(name, "")
        if not isinstance(value, str):
            raise _MalformedError(f"{self._path}{name} is not a text")
        return value

    def optional(self, name: str) -> str | None:
        return None if self._object.get(name) is None else self.text(name)

    def word(self, name: str, kind: object) -> Any:
        """Take a text from the closed list of a Literal type."""
        value = self.text(name)
        if value not in get_args(kind):
            raise _MalformedError(f"{self._path}{name} is {value!r}, which is not a word of this version")
        return value

    def status(self, name: str) -> FindingStatus:
        try:
            return FindingStatus(self.text(name))
        except ValueError as error:
            raise _MalformedError(f"{self._path}{name} is not a status of this version") from error

    def number(self, name: str) -> float:
        value = self._object.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _MalformedError(f"{self._path}{name} is not a number")
        return value

    def whole(self, name: str) -> int:
        value = self.number(name)
        if not isinstance(value, int):
            raise _MalformedError(f"{self._path}{name} is not a whole number")
        return value

    def flag(self, name: str) -> bool:
        value = self._object.get(name, False)
        if not isinstance(value, bool):
            raise _MalformedError(f"{self._path}{name} is neither true nor false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        items = self._list(name)
        if not all(isinstance(item, str) for item in items):
            raise _MalformedError(f"{self._path}{name} holds something that is not a text")
        return tuple(cast("list[str]", items))

    def many(self, name: str, build: Callable[[_Reader], T]) -> tuple[T, ...]:
        items = self._list(name)
        return tuple(build(_Reader(item, f"{self._path}{name}[{i}].")) for i, item in enumerate(items))

    def one(self, name: str, build: Callable[[_Reader], T]) -> T | None:
        value = self._object.get(name)
        return None if value is None else build(_Reader(value, f"{self._path}{name}."))

    def _list(self, name: str) -> list[object]:
        value = self._object.get(name, [])
        if not isinstance(value, list):
            raise _MalformedError(f"{self._path}{name} is not a list")
        return value


def report_from_json(document: object) -> run.RunReport:
    """Read a report back.

    Fields that this version does not know are left out: within one schema number they only add. Raises PlexopsError
    PLX-R106 for another schema (a newer plexops wrote it) and PLX-R105 for a document that is not a report.
    """
    try:
        reader = _Reader(document, "")
        schema = reader.text("schema")
        if schema == run.RUN_SCHEMA:
            return _read_report(reader)
    except _MalformedError as error:
        raise PlexopsError(Problem("PLX-R105", f"the stored report can't be read: {error}")) from error
    raise PlexopsError(
        Problem(
            "PLX-R106",
            f"the stored report has the schema {schema[:40]!r}; this plexops reads {run.RUN_SCHEMA!r}",
            cure="use the plexops version that wrote it, or a newer one",
        )
    )


def _read_report(reader: _Reader) -> run.RunReport:
    return run.RunReport(
        command=reader.word("command", run.RunCommand),
        run_id=reader.text("run_id"),
        started=reader.text("started"),
        seconds=reader.number("seconds"),
        version=reader.text("version"),
        exit_status=reader.whole("exit_status"),
        journal_head=reader.text("journal_head"),
        sites=reader.many("sites", _read_site),
    )


def _read_site(reader: _Reader) -> run.SiteReport:
    return run.SiteReport(
        name=reader.text("name"),
        access=reader.text("access"),
        outcome=reader.text("outcome"),
        exit_status=reader.whole("exit_status"),
        safe_stop=reader.optional("safe_stop"),
        verdict=reader.one("verdict", _read_verdict),
        hops=reader.many("hops", _read_hop),
        ways=reader.many("ways", _read_way_stop),
        log=reader.texts("log"),
        findings=reader.many("findings", _read_finding),
        changes=reader.many("changes", _read_change),
        guards=reader.many("guards", _read_guard),
        proofs=reader.many("proofs", _read_proof),
        exhibits=reader.many("exhibits", _read_exhibit),
        timeline=reader.many("timeline", lambda r: run.Moment(r.number("offset"), r.text("text"))),
        not_asked=reader.texts("not_asked"),
        plex_web=reader.text("plex_web"),
        asked=reader.texts("asked"),
        next_steps=reader.texts("next_steps"),
        plan_digest=reader.text("plan_digest"),
        taught=reader.text("taught"),
        errors=reader.many("errors", _read_problem),
        before_after=reader.many("before_after", _read_diff),
    )


def _read_verdict(r: _Reader) -> run.VerdictReport:
    return run.VerdictReport(
        layer=r.text("layer"),
        cause=r.text("cause"),
        because=r.texts("because"),
        exhibits=r.texts("exhibits"),
        overturned_by=r.texts("overturned_by"),
        id=r.text("id"),
        rows=r.texts("rows"),
        confidence=r.text("confidence"),
        also=r.many("also", lambda r: run.AlsoSeen(r.text("id"), r.text("layer"), r.text("says"))),
        missing=r.texts("missing"),
        mark=r.word("mark", run.Mark),
        candidates=r.many("candidates", _read_candidate),
        before=r.texts("before"),
        ignored=r.texts("ignored"),
    )


def _read_candidate(r: _Reader) -> run.CandidateReport:
    return run.CandidateReport(
        r.text("stop"), r.text("label"), r.text("state"), r.text("says"), r.texts("causes")
    )


def _read_way_stop(r: _Reader) -> run.WayStop:
    texts = (r.text("way"), r.text("stop"), r.text("label"), r.text("state"), r.text("says"))
    return run.WayStop(*texts, r.texts("exhibits"))


def _read_hop(r: _Reader) -> run.Hop:
    return run.Hop(
        r.word("stop", run.Stop), r.text("label"), r.word("mark", run.Mark), r.text("word"), r.text("detail")
    )


def _read_finding(r: _Reader) -> run.FindingReport:
    return run.FindingReport(
        status=r.status("status"),
        role=r.text("role"),
        kind=r.text("kind"),
        key=r.text("key"),
        title=r.text("title"),
        want=r.text("want"),
        have=r.text("have"),
        why=r.text("why"),
        place=r.one("place", _read_place),
        exhibits=r.texts("exhibits"),
        adoptable=r.optional("adoptable"),
        steps=r.texts("steps"),
    )


def _read_change(r: _Reader) -> run.ChangeReport:
    return run.ChangeReport(
        id=r.text("id"),
        role=r.text("role"),
        kind=r.text("kind"),
        key=r.text("key"),
        action=r.text("action"),
        symbol=r.word("symbol", run.Symbol),
        title=r.text("title"),
        fields=r.many("fields", lambda f: run.FieldChange(f.text("name"), f.text("before"), f.text("after"))),
        commands=r.texts("commands"),
        undo=r.texts("undo"),
        window=r.text("window"),
        window_commands=r.texts("window_commands"),
        exposure=r.optional("exposure"),
        outcome=r.word("outcome", run.ChangeOutcome),
        place=r.one("place", _read_place),
        detail=r.text("detail"),
    )


def _read_guard(r: _Reader) -> run.GuardReport:
    return run.GuardReport(
        r.text("id"), r.text("title"), r.word("verdict", run.GuardVerdict), r.text("reason")
    )


def _read_proof(r: _Reader) -> run.Proof:
    return run.Proof(r.word("mark", run.ProofMark), r.text("source"), r.text("text"))


def _read_exhibit(r: _Reader) -> run.Exhibit:
    return run.Exhibit(
        id=r.text("id"),
        device=r.text("device"),
        source=r.text("source"),
        time=r.text("time"),
        text=r.text("text"),
        sha256_raw=r.text("sha256_raw"),
        cut=r.flag("cut"),
    )


def _read_problem(r: _Reader) -> Problem:
    return Problem(
        code=r.text("code"),
        reason=r.text("reason"),
        cure=r.text("cure"),
        place=r.one("place", _read_place),
        path=r.text("path"),
        where=r.text("where"),
        detail=r.texts("detail"),
    )


def _read_diff(r: _Reader) -> run.DeviceDiff:
    return run.DeviceDiff(r.text("device"), r.text("before"), r.text("after"))


def _read_place(r: _Reader) -> Place:
    return Place(r.text("file"), r.whole("line"), r.whole("column"))
