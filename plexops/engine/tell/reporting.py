"""From what the engine found and did to the one document that every format renders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change
from plexops.model.exchange import WindowKind
from plexops.model.finding import Finding, FindingStatus
from plexops.model.plan import GuardVerdict, Step, shown, window_requests
from plexops.model.resources import KINDS, PortForward
from plexops.model.run import (
    ChangeOutcome,
    ChangeReport,
    DeviceDiff,
    FieldChange,
    FindingReport,
    GuardReport,
    LayerMark,
    Mark,
    PathLayer,
    SiteReport,
    Symbol,
)
from plexops.model.snapshot import Entry, Kind, Role, Snapshot, canonical
from plexops.runbook import conditions
from plexops.runbook.condition import Holds
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.engine.change.apply import Applied, Carried

_SYMBOLS: Mapping[Action, Symbol] = {Action.CREATE: "+", Action.DELETE: "-"}

#: The path's stops from the outside in: what a person calls them, and who answers there.
STOPS: Mapping[PathLayer, tuple[str, Role | None]] = MappingProxyType(
    {
        "internet": ("Internet", None),
        "isp": ("ISP", None),
        "router": ("router", Role.ROUTER),
        "server": ("server", Role.SERVER),
        "plex": ("Plex", Role.PLEX),
    }
)

#: The worst of a stop's findings decides its mark, in this order.
_MARKS: tuple[tuple[FindingStatus, Mark, str], ...] = (
    (FindingStatus.STOPPED, "stop", "STOP"),
    (FindingStatus.CONFLICT, "drift", "CONFLICT"),
    (FindingStatus.DRIFT, "drift", "DRIFT"),
    (FindingStatus.UNKNOWN, "unknown", "unknown"),
    (FindingStatus.UNSUPPORTED, "unknown", "by hand"),
    (FindingStatus.OK, "ok", "ok"),
)


def finding_report(finding: Finding) -> FindingReport:
    """Give one finding for the report."""
    return FindingReport(
        status=finding.status,
        role=str(finding.role),
        kind=str(finding.kind),
        key=finding.key,
        title=finding.title,
        want=finding.want,
        have=finding.have,
        why=finding.why,
        place=finding.place,
        exhibits=finding.exhibits,
        adoptable=finding.adopt_id or None,
        steps=finding.steps,
    )


def hops(findings: Sequence[Finding], state: SiteState) -> tuple[LayerMark, ...]:
    """Draw the path: Internet → ISP → router → server → Plex, a mark and a word at each."""
    wan = conditions.wan(state.view)
    isp: tuple[Mark, str] = {
        Holds.YES: ("ok", "ok"),
        Holds.NO: ("stop", "STOP"),
        Holds.UNKNOWN: ("unknown", "unproven"),
    }[wan.holds]  # type: ignore[assignment]
    if state.view.access != "forward" and isp[0] == "stop":
        # Nobody means to come in by a forward: what forbids one stops nothing here.
        isp = ("ok", str(wan.cause) or "ok")
    path = []
    for stop, (label, role) in STOPS.items():
        if role is not None:
            theirs = [f for f in findings if f.role is role and f.kind is not Kind.WAN]
            mark, word = _mark(theirs, role in state.view.snapshots)
            path.append(LayerMark(stop, label, mark, word, about(state.view.of(role), role)))
        elif stop == "isp":
            path.append(LayerMark(stop, label, *isp, wan.says))
        else:
            path.append(LayerMark(stop, label, "not-asked", ""))
    return tuple(path)


def about(snapshot: Snapshot, role: Role) -> str:
    """Say what a stop is, in its own words."""
    if role is Role.ROUTER:
        firmware, address = snapshot.text("firmware"), snapshot.text("lan.address")
        return " at ".join(part for part in (firmware, address) if part)
    if role is Role.SERVER:
        held = snapshot.facts.get("host.addresses")
        addresses = ", ".join(held.value) if held is not None and isinstance(held.value, tuple) else ""
        active = snapshot.flag("firewall.active")
        kind = snapshot.text("firewall.kind") or ""
        firewall = "" if active is None or kind == "none" else f"{kind} {'on' if active else 'off'}"
        return ", ".join(part for part in (addresses, firewall) if part)
    version = snapshot.text("plex.version")
    return "" if version is None else f"Plex Media Server {version}"


def _mark(findings: Sequence[Finding], answered: bool) -> tuple[Mark, str]:
    unjudged = [f for f in findings if f.status is FindingStatus.STOPPED and not f.changes]
    if unjudged:
        # What stands in the way lies further out: this stop was not judged.
        findings = [finding for finding in findings if finding not in unjudged]
        if not any(finding.status is not FindingStatus.OK for finding in findings):
            return "not-asked", "not judged"
    for status, mark, word in _MARKS:
        if any(finding.status is status for finding in findings):
            return mark, word
    return ("ok", "ok") if answered else ("not-asked", "not asked")


def guard_report(verdict: GuardVerdict) -> GuardReport:
    """Give one guard's word for the report."""
    word = "not-applicable" if not verdict.applies else "holds" if verdict.holds else "refuses"
    return GuardReport(verdict.guard, verdict.title, word, verdict.reason)  # type: ignore[arg-type]


def change_report(step: Step, carried: Carried | None = None) -> ChangeReport:
    """Give one change with every request, and what became of it."""
    change = step.change
    opens = isinstance(change.want, PortForward) and change.want.enabled
    outcome: ChangeOutcome = "planned" if carried is None else str(carried.outcome)  # type: ignore[assignment]
    return ChangeReport(
        id=change.id,
        role=str(change.role),
        kind=str(change.kind),
        key=change.key,
        action=str(change.action),
        symbol=_SYMBOLS.get(change.action, "~"),
        title=_title(change),
        fields=_fields(change),
        commands=tuple(shown(write) for write in step.script.writes),
        undo=step.script.undo,
        window=_window_text(step),
        window_commands=window_requests(step),
        exposure="opens a port to the internet" if opens else None,
        outcome=outcome,
        place=change.place,
        detail="" if carried is None else carried.detail,
    )


def _window_text(step: Step) -> str:
    change, window = step.change, step.script.window
    if step.no_way_back:
        return f"none. No way back: {step.no_way_back}"
    if change.action is Action.RENEW:
        return "none: it cannot be undone for sure, the DHCP server decides which address the host gets"
    if window.kind is WindowKind.NONE:
        return "none: this device does not undo by itself, only plexops does"
    length = f", {window.seconds} s" if window.seconds else ""
    return f"{window.kind}{length}; {window.kind.survives}"


def _title(change: Change) -> str:
    if change.action is Action.RENEW:
        return f"the host asks for {change.want}"
    kind = KINDS[change.kind]
    name = "" if change.before is None or change.before.owner.ours else f" “{change.before.label}”"
    what = "" if change.want is None else f" {kind.says(change.want)}"
    return f"{kind.title.lower()}{name}{what}"


def _fields(change: Change) -> tuple[FieldChange, ...]:
    if change.action is Action.RENEW:
        return ()
    before = None if change.before is None else change.before.values
    want = change.want
    values = want if want is not None else before
    names = change.fields or (values.__struct_fields__ if isinstance(values, Struct) else ())
    found = (FieldChange(name, _word(before, name), _word(want, name)) for name in names)
    return tuple(field for field in found if field.before != field.after)


def _word(values: object, name: str) -> str:
    if not isinstance(values, Struct):
        return ""
    value = getattr(values, name, None)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(str(item) for item in value)
    return "" if value is None else str(value)


def finished(report: SiteReport) -> SiteReport:
    """Give a site's report as people get it: the outcome as a sentence, exhibits numbered as they are cited."""
    kept = {exhibit.id: exhibit for exhibit in report.exhibits}
    verdict = report.verdict
    cited = [
        *(() if verdict is None else verdict.exhibits),
        *(n for f in report.findings for n in f.exhibits),
    ]
    order = dict.fromkeys([*(name for name in cited if name in kept), *kept])
    numbers = {name: f"E{number}" for number, name in enumerate(order, start=1)}

    def numbered(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(numbers[name] for name in names if name in kept)

    return replace(
        report,
        outcome=sentence(report.outcome),
        safe_stop=None if report.safe_stop is None else sentence(report.safe_stop),
        verdict=None if verdict is None else replace(verdict, exhibits=numbered(verdict.exhibits)),
        findings=tuple(replace(f, exhibits=numbered(f.exhibits)) for f in report.findings),
        exhibits=tuple(replace(kept[name], id=numbers[name]) for name in order),
    )


def sentence(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]


def device_diffs(before: SiteState, applied: Applied) -> tuple[DeviceDiff, ...]:
    """Give each changed stop's entries before and after, a line each."""
    views = before.view, applied.state.view
    roles = sorted({carried.step.change.role for carried in applied.carried})
    diffs = (DeviceDiff(str(role), *(_lines(view.of(role)) for view in views)) for role in roles)
    return tuple(diff for diff in diffs if diff.before != diff.after)


def _lines(snapshot: Snapshot) -> str:
    shown_kinds = [k for k in KINDS if not KINDS[k].is_condition]
    return "\n".join(_line(entry) for kind in shown_kinds for entry in snapshot.of(kind))


def _line(entry: Entry) -> str:
    what = "unreadable" if entry.values is None else KINDS[entry.kind].says(entry.values)
    name = f"  “{entry.label}”" if entry.label else ""
    return f"{entry.kind}  {what}{name}"


def snapshots_json(snapshots: Mapping[Role, Snapshot], profile: str) -> str:
    """Give what all devices said verbatim, by role, and the profile's digest: for the private part of a run folder.

    Their packet filters are what exhibits show.
    """
    documents = {str(role): canonical(replace(snapshot, box=None)) for role, snapshot in snapshots.items()}
    return json.dumps({"profile": profile, "snapshots": documents}, sort_keys=True) + "\n"
