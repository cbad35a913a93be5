"""What one run found and did: the one document that every report format renders and that a run folder keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, Literal, TypeVar

from msgspec import Struct, structs

from plexops.model.errors import Place, Problem
from plexops.model.finding import FindingStatus

#: The name of this document's shape. Fields are only added within one number.
RUN_SCHEMA: Final = "plexops.run/1"

P = TypeVar("P", bound=Struct)

RunCommand = Literal["audit", "diagnose", "apply", "dry-run", "rollback", "rollback-dry-run", "recover"]
#: The commands that only show what they would send, as a person writes them.
DRY_RUNS: Mapping[RunCommand, str] = {"dry-run": "apply --dry-run", "rollback-dry-run": "rollback --dry-run"}
PathLayer = Literal["internet", "isp", "upstream", "router", "server", "plex", "outside"]
Mark = Literal["ok", "drift", "stop", "unknown", "changed", "not-asked"]
Symbol = Literal["+", "~", "-"]
ChangeOutcome = Literal["planned", "done", "undone", "failed", "kept", "not-sent", "undo-failed", "stays"]
GuardVerdict = Literal["holds", "refuses", "not-applicable"]
ProofMark = Literal["proven", "refuted", "unknown"]


class LayerMark(Struct, frozen=True):
    """One stop on the path, from the Internet to Plex. `word` says in one or two words what `mark` shows."""

    stop: PathLayer
    label: str
    mark: Mark
    word: str
    detail: str = ""


class FindingReport(Struct, frozen=True):
    """One resource or condition: what shall be, what is, and why that matters.

    `adoptable` is the id for `--adopt` where another's entry could be taken over; `steps` are what a person
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


class FieldChange(Struct, frozen=True):
    """One field of a change; an empty text is a field that is not there."""

    name: str
    before: str
    after: str


class ChangeReport(Struct, frozen=True):
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


class GuardReport(Struct, frozen=True):
    """What one safety rule said."""

    id: str
    title: str
    verdict: GuardVerdict
    reason: str = ""


class Proof(Struct, frozen=True):
    """One thing that proves or refutes the effect: `source` is who said it (plex, a vantage, a device read back)."""

    mark: ProofMark
    source: str
    text: str


class Exhibit(Struct, frozen=True):
    """One answer of a device. `time` is UTC ISO; `sha256_raw` is of the unmasked bytes that stay on this machine."""

    id: str
    device: str
    source: str
    time: str
    text: str
    sha256_raw: str
    cut: bool = False


class Moment(Struct, frozen=True):
    """One step of the run; `offset` is seconds since its start."""

    offset: float
    text: str


class DeviceDiff(Struct, frozen=True):
    """The configuration of one device before and after, as text of the device's own lines."""

    device: str
    before: str
    after: str


class OtherFinding(Struct, frozen=True):
    """A cause that was seen besides the verdict. `id` is the rule's, as in docs/verdicts.md."""

    id: str
    layer: str
    says: str


class WayStop(Struct, frozen=True):
    """One stop of one of the three ways, by its id and its name. `state` says what is known of it, `says` why."""

    way: str
    stop: str
    label: str
    state: str
    says: str
    exhibits: tuple[str, ...] = ()


class CandidateReport(Struct, frozen=True):
    """A stop at which the cause may be, with the ids of those causes. `state` and `says` as of the stop."""

    stop: str
    label: str
    state: str
    says: str
    causes: tuple[str, ...]


class VerdictReport(Struct, frozen=True):
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
    also: tuple[OtherFinding, ...] = ()
    missing: tuple[str, ...] = ()
    mark: Mark = "unknown"
    candidates: tuple[CandidateReport, ...] = ()
    before: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class SiteReport(Struct, frozen=True):
    """All that one site's part of a run has to say. `outcome` is one sentence."""

    name: str
    access: str
    outcome: str
    exit_status: int = 0
    safe_stop: str | None = None
    verdict: VerdictReport | None = None
    hops: tuple[LayerMark, ...] = ()
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
    #: Which profile that does not come with plexops taught it the router, with the digest of its text; or that no router of
    #: the family has taken a write yet.
    taught: str = ""
    #: On which logins of it legacy SSH is agreed to, because the inventory says so.
    weak_ssh: tuple[str, ...] = ()
    errors: tuple[Problem, ...] = ()
    before_after: tuple[DeviceDiff, ...] = ()


class RunReport(Struct, frozen=True, kw_only=True):
    """One run over one or more sites. `started` is UTC ISO, `seconds` how long it took.

    `journal_head` is the hash of the run's last journal record when this was written.
    """

    schema: Literal["plexops.run/1"] = RUN_SCHEMA
    command: RunCommand
    run_id: str
    started: str
    seconds: float
    version: str
    exit_status: int
    journal_head: str = ""
    sites: tuple[SiteReport, ...]


class MaskedReport(RunReport, frozen=True):
    """A report that may leave this machine. Only `evidence.masking` makes one; renderers of files accept nothing else."""


#: How a field is written that holds a free text: all others hold words of closed lists, numbers, or parts.
_FREE = frozenset({"str", "str | None", "tuple[str, ...]"})


def map_texts(part: P, change: Callable[[str, str], str]) -> P:
    """Give the same part of a report with every free text in it sent through `change(field name, text)`.

    It goes by how the fields are declared, so that one that is added later can't be forgotten.
    """
    changed: dict[str, object] = {}
    for name, free in _fields(type(part)):
        value = getattr(part, name)
        if isinstance(value, str):
            if free:
                changed[name] = change(name, value)
        elif isinstance(value, tuple):
            if value:
                changed[name] = tuple(
                    change(name, item) if free else map_texts(item, change) for item in value
                )
        elif isinstance(value, Struct):
            changed[name] = map_texts(value, change)
    return structs.replace(part, **changed) if changed else part


@cache
def _fields(kind: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """Give a part's fields, and of each whether its texts are free."""
    told = (
        (name, next(base.__annotations__[name] for base in kind.__mro__ if name in base.__annotations__))
        for name in kind.__struct_fields__
    )
    return tuple((name, str(words) in _FREE) for name, words in told)
