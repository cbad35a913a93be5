"""What no task asked for and you should not miss: a safe stop, an exposure, orphans of ours, UPnP's users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexops.engine.decide.advice_check import kept
from plexops.engine.decide.findings import FORWARDING, Comparison, says
from plexops.model.entries import HostRule, UpnpMapping
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import KINDS
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions
from plexops.runbook.causes.cause import Layer, Weight
from plexops.runbook.condition import Holds
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import Outcome, judge
from plexops.structs import replace


def unmanaged(given: Comparison, findings: Sequence[Finding]) -> list[Finding]:
    """Say what no task asked for: a safe stop, an exposure, what is ours and wanted by no task, UPnP's users."""
    asked = {finding.kind for finding in findings}
    found: list[Finding] = []
    forwarding = [task for task in given.tasks.tasks if task.kind in FORWARDING and not task.not_applicable]
    situation = Situation(given.view, given.tasks.external_port)
    wan = situation.wan
    doubtful = wan.holds is Holds.UNKNOWN and given.drivers.router is not None
    if forwarding and Kind.WAN not in asked and (wan.holds is Holds.NO or doubtful):
        status = FindingStatus.STOPPED if wan.holds is Holds.NO else FindingStatus.NOTE
        found.append(_bare(Kind.WAN, status, wan.says, wan.exhibits, wan.stop))
    exposed = conditions.dmz_by(given.view, situation.exposures)
    if Kind.DMZ not in asked and exposed.holds is Holds.NO:
        found.append(_bare(Kind.DMZ, FindingStatus.CONFLICT, exposed.says, exposed.exhibits, exposed.stop))
    if Kind.HOST_FIREWALL not in asked and given.view.of(Role.SERVER).flag("firewall.active") is False:
        found.append(_bare(Kind.HOST_FIREWALL, FindingStatus.NOTE, conditions.host_firewall(given.view).says))
    if forwarding and (lost := conditions.persists(given.view)).holds is Holds.NO:
        found.append(_bare(Kind.PORT_FORWARD, FindingStatus.DRIFT, lost.says, lost.exhibits, lost.stop))
    found += _three_ways(situation, [*findings, *found])
    found += _orphans(given)
    found += _wide_service(given)
    users = sorted({str(e.values.address) for e in given.view.of(Role.ROUTER).held(UpnpMapping)})
    if Kind.UPNP not in asked and users:
        have = f"UPnP is on and used by {', '.join(users)}: left alone"
        found.append(_bare(Kind.UPNP, FindingStatus.NOTE, have))
    return found


#: What a finding about the ways comes to.
_WAYS: Mapping[Outcome, FindingStatus] = {
    Outcome.FAILS: FindingStatus.DRIFT,
    Outcome.STOP: FindingStatus.STOPPED,
    Outcome.UNKNOWN: FindingStatus.UNKNOWN,
}
_ROLES: Mapping[Layer, Role] = {
    Layer.ROUTER: Role.ROUTER,
    Layer.SERVER: Role.SERVER,
    Layer.PLEX: Role.PLEX,
    Layer.ACCOUNT: Role.PLEX,
}


def _three_ways(situation: Situation, findings: Sequence[Finding]) -> list[Finding]:
    """Everything is set as wanted: say what a diagnosis would say of the ways in and back, and of what is announced."""
    fine = (FindingStatus.OK, FindingStatus.NOT_APPLICABLE, FindingStatus.NOTE)
    forwards = any(finding.kind is Kind.PORT_FORWARD for finding in findings)
    if not forwards or any(f.status not in fine for f in findings):
        return []
    verdict = judge(situation)
    faulty = next((one for stop in verdict.stops for one in stop.shown), None)
    # That plex.tv's success bears no date, or that an audit asks less, is no finding; a fault that shows is one.
    quiet = verdict.id in ("reachable", "unknown") and faulty is None
    if verdict.outcome is Outcome.IN_ORDER or quiet:
        return []
    cause, sign = verdict.found.cause, verdict.found.sign
    status = _WAYS[verdict.outcome]
    if not verdict.decided and faulty is not None and faulty.cause.current:
        # The account says so now, wherever the cause of that lies.
        cause, sign, status = faulty.cause, faulty.sign, FindingStatus.DRIFT
    # All is set as the playbooks say: no plan changes anything.
    steps = kept(cause.action, cause, frozenset(), findings)
    shown = _bare(Kind.REACHABILITY, status, sign.says, sign.exhibits, steps)
    # What the runbook forbids, or will break, keeps no viewer out.
    beside = cause.weight in (Weight.POLICY, Weight.WEAKNESS)
    want = f"not: {cause.title}" if beside else shown.want
    # The picture marks the stop to which it belongs; what is not decided belongs to none.
    role = shown.role if cause.weight is Weight.HEADLINE else _ROLES.get(cause.layer, shown.role)
    return [replace(shown, role=role, title=cause.title, want=want)]


def _wide_service(given: Comparison) -> list[Finding]:
    """Name firewalld's own service for Plex: it opens what nobody outside needs, beside the one port that does."""
    lines = [e for e in given.view.of(Role.SERVER).held(HostRule) if e.raw.get("service") == "plex"]
    more = [line for line in lines if line.values.port != given.view.plex_port]
    if not more:
        return []
    opens = ", ".join(line.label.removeprefix("service plex: ") for line in more)
    have = f"firewalld's service “plex” lets in more than viewers need: {opens}. tcp {given.view.plex_port} alone does"
    return [_bare(Kind.FIREWALL_RULE, FindingStatus.NOTE, have, (more[0].exhibit,))]


def _orphans(given: Comparison) -> list[Finding]:
    wanted = {(task.kind, task.key) for task in given.tasks.tasks}
    found = []
    for snapshot in given.view.snapshots.values():
        for entry in snapshot.entries:
            if entry.kind not in KINDS or KINDS[entry.kind].is_condition or not entry.owner.ours:
                continue
            kind = Kind.PORT_FORWARD if entry.kind is Kind.PASSAGE else entry.kind
            if (kind, entry.owner.key) not in wanted:
                have = f"{says(entry)} bears our tag “{entry.owner.key}”, and no task wants it"
                found.append(replace(_bare(entry.kind, FindingStatus.NOTE, have), key=entry.owner.key))
    return found


def _bare(
    kind: Kind, status: FindingStatus, have: str, exhibits: tuple[str, ...] = (), steps: tuple[str, ...] = ()
) -> Finding:
    role, title = KINDS[kind].role, KINDS[kind].title
    want = "" if status is FindingStatus.NOTE else title.lower()
    return Finding(status, role, kind, "", title, want, have, exhibits=exhibits, steps=steps)
