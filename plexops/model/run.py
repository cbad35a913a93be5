"""What one run found and did: the one document that every report format renders and that a run folder keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NewType

from plexops.model.errors import Place, Problem
from plexops.model.finding import FindingStatus

#: The name of this document's shape. Fields are only added within one number.
RUN_SCHEMA = "plexops.run/1"

RunCommand = Literal["audit", "diagnose", "apply", "dry-run", "rollback", "rollback-dry-run", "recover"]
#: The commands that only show what they would send, as a person writes them.
DRY_RUNS: Mapping[RunCommand, str] = MappingProxyType(
    {"dry-run": "apply --dry-run", "rollback-dry-run": "rollback --dry-run"}
)
Stop = Literal["internet", "isp", "upstream", "router", "server", "plex", "outside"]
Mark = Literal["ok", "drift", "stop", "unknown", "changed", "not-asked"]
Symbol = Literal["+", "~", "-"]
ChangeOutcome = Literal["planned", "done", "undone", "failed", "kept", "not-sent", "undo-failed", "stays"]
GuardVerdict = Literal["holds", "refuses", "not-applicable"]
ProofMark = Literal["proven", "refuted", "unknown"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One stop on the path, from the Internet to Plex. `word` says in one or two words what `mark` shows."""

    stop: Stop
    label: str
    mark: Mark
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FindingReport:
    """One resource or condition: what shall be, what is, and why that matters.

    `adoptable` is the id for `--adopt` where somebody's entry could be taken over; `steps` are what a person
    does by hand where plexops can't.
    """

    status: FindingStatus
    role: str
    kind: str
    key: str
    title: str
    want: str = ""
    have: str = ""
    why: str = ""
    place: Place | None = None
    exhibits: tuple[str, ...] = ()
    adoptable: str | None = None
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a change; an empty text is a field that is not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One change: the exact requests, what would undo it, and what became of it."""

    id: str
    role: str
    kind: str
    key: str
    action: str
    symbol: Symbol
    title: str
    fields: tuple[FieldChange, ...] = ()
    commands: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    window: str = ""
    #: What is sent to arm the window, to ask whether it stands and to end it.
    window_commands: tuple[str, ...] = ()
    exposure: str | None = None
    outcome: ChangeOutcome = "planned"
    place: Place | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What one safety rule said."""

    id: str
    title: str
    verdict: GuardVerdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that proves or refutes the effect: `source` is who said it (plex, a vantage, a device read back)."""

    mark: ProofMark
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One answer of a device. `time` is UTC ISO; `sha256_raw` is of the unmasked bytes that stay on this machine."""

    id: str
    device: str
    source: str
    time: str
    text: str
    sha256_raw: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """One step of the run; `offset` is seconds since its start."""

    offset: float
    text: str


@dataclass(frozen=True, slots=True)
class DeviceDiff:
    """The configuration of one device before and after, as text of the device's own lines."""

    device: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AlsoSeen:
    """A cause that was seen besides the verdict. `id` is the rule's, as in docs/verdicts.md."""

    id: str
    layer: str
    says: str


@dataclass(frozen=True, slots=True)
class WayStop:
    """One stop of one of the three ways, by its id and its name. `state` says what is known of it, `says` why."""

    way: str
    stop: str
    label: str
    state: str
    says: str
    exhibits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateReport:
    """A stop at which the cause may be, with the ids of those causes. `state` and `says` as of the stop."""

    stop: str
    label: str
    state: str
    says: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerdictReport:
    """Diagnose's answer: the layer where it fails, the cause, what decided it, and what would overturn it.

    `id` is the row's in docs/verdicts.md. `rows` are the runbook's ids. `confidence` is certain, likely, or none where
    it is not decided: `cause` is then what was observed, and `candidates` are the causes that the evidence leaves, the
    likeliest first. `before` are stops further out of which nothing is known, `missing` what was asked and not answered,
    `ignored` attempts that say nothing about this door, and why.
    """

    layer: str
    cause: str
    because: tuple[str, ...] = ()
    exhibits: tuple[str, ...] = ()
    overturned_by: tuple[str, ...] = ()
    id: str = ""
    rows: tuple[str, ...] = ()
    confidence: str = ""
    also: tuple[AlsoSeen, ...] = ()
    missing: tuple[str, ...] = ()
    mark: Mark = "unknown"
    candidates: tuple[CandidateReport, ...] = ()
    before: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteReport:
    """All that one site's part of a run has to say. `outcome` is one sentence."""

    name: str
    access: str
    outcome: str
    exit_status: int = 0
    safe_stop: str | None = None
    verdict: VerdictReport | None = None
    hops: tuple[Hop, ...] = ()
    ways: tuple[WayStop, ...] = ()
    #: What Plex Web shows under Remote Access, word for word, and whether that is told or inferred.
    plex_web: str = ""
    #: What Plex's log tells, line by line.
    log: tuple[str, ...] = ()
    findings: tuple[FindingReport, ...] = ()
    changes: tuple[ChangeReport, ...] = ()
    guards: tuple[GuardReport, ...] = ()
    proofs: tuple[Proof, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    timeline: tuple[Moment, ...] = ()
    not_asked: tuple[str, ...] = ()
    #: Services outside that the user named: what each was asked, and what it told.
    asked: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    plan_digest: str = ""
    #: Which profile that does not come with plexops taught it the router, with the digest of its text.
    taught: str = ""
    errors: tuple[Problem, ...] = ()
    before_after: tuple[DeviceDiff, ...] = ()


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run over one or more sites. `started` is UTC ISO, `seconds` how long it took.

    `journal_head` is the hash of the run's last journal record when this was written.
    """

    command: RunCommand
    run_id: str
    started: str
    seconds: float
    version: str
    exit_status: int
    sites: tuple[SiteReport, ...]
    journal_head: str = ""
    schema: str = RUN_SCHEMA


#: A report that may leave this machine. Only `evidence.masking` makes one; renderers of files accept nothing else.
MaskedReport = NewType("MaskedReport", RunReport)


def map_texts(report: RunReport, change: Callable[[str, str], str]) -> RunReport:
    """Give the same report with every text sent through `change(field name, text)`.

    It walks the JSON form, so a field that is added later can't be forgotten. Words from closed lists (marks,
    statuses …) are left as they are.
    """
    from plexops.model.run_json import CLOSED_FIELDS, report_from_json, report_to_json

    def walk(parent: str, name: str, value: object) -> object:
        if isinstance(value, str):
            closed = name in CLOSED_FIELDS or f"{parent}.{name}" in CLOSED_FIELDS
            return value if closed else change(name, value)
        if isinstance(value, dict):
            return {key: walk(name, key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(parent, name, item) for item in value]
        return value

    return report_from_json(walk("", "", report_to_json(report)))
