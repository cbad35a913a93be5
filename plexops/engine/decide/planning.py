"""From findings to a plan: changes in order, each with its exact requests, judged by every guard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from plexops import __version__
from plexops.drivers.base import Unrenderable
from plexops.engine.decide.findings import Comparison
from plexops.engine.decide.markers import with_markers
from plexops.engine.decide.way_back import needed_by, refused, with_way_back
from plexops.engine.look.site_state import Drivers, SiteState
from plexops.model.change import Action, Change, find
from plexops.model.errors import PlexopsError, Problem
from plexops.model.facts import CONFIGURATION_FACTS
from plexops.model.finding import Finding, FindingStatus
from plexops.model.packets import TranslateDestination, TranslateSource
from plexops.model.plan import Plan, Step, sha256
from plexops.model.profile import Profile
from plexops.model.resources import KINDS
from plexops.model.site import SiteTasks
from plexops.model.snapshot import Entry, Kind, Role, Snapshot
from plexops.packets.projection import lets_translated
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.view import SiteView, ipv4
from plexops.runbook.way_after import after_change
from plexops.runbook.way_in import (
    WayIn,
    deciding_words,
    into_server,
    is_rule_of,
    through_router,
)
from plexops.structs import replace

#: Reservation → host firewall → the host holds the address → forward and passage → Plex → UPnP off. The renewal comes as
#: late as it can: it alone cannot be undone for sure.
ORDER: tuple[Kind, ...] = (
    Kind.DHCP_RESERVATION,
    Kind.FIREWALL_RULE,
    Kind.LEASE,
    Kind.PORT_FORWARD,
    Kind.PASSAGE,
    Kind.PLEX_REMOTE_ACCESS,
    Kind.UPNP,
)
#: Findings on a forward with which it is right, or will be.
_SETTLED = frozenset({FindingStatus.OK, FindingStatus.DRIFT, FindingStatus.NOT_APPLICABLE})
#: What waits until the host holds its address.
_AFTER_THE_LEASE = frozenset({Kind.PORT_FORWARD, Kind.PASSAGE, Kind.PLEX_REMOTE_ACCESS, Kind.UPNP})

#: The kinds whose entries a plan rests on, by stop.
RESTS_ON: Mapping[Role, frozenset[Kind]] = {
    Role.ROUTER: frozenset({Kind.DHCP_RESERVATION, Kind.PORT_FORWARD, Kind.PASSAGE, Kind.UPNP}),
    Role.SERVER: frozenset({Kind.FIREWALL_RULE, Kind.HOST_RULE}),
    Role.PLEX: frozenset({Kind.PLEX_REMOTE_ACCESS}),
}


class Planned(Struct, frozen=True):
    """A plan with the state that it was made on, and what has to wait for another run."""

    plan: Plan
    state: SiteState
    waiting: tuple[Change, ...] = ()
    #: Of a rollback: what stays as it is, since guards refuse the old state, and why.
    stays: tuple[tuple[Change, str], ...] = ()


def in_order(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Put changes in the order in which they are applied."""
    return tuple(sorted(changes, key=lambda change: ORDER.index(change.kind)))


def make_plan(
    given: Comparison,
    state: SiteState,
    findings: Sequence[Finding],
    *,
    adopted: frozenset[str],
    back: Sequence[Change] | None = None,
) -> Planned:
    """Render and judge the changes of the findings; of a rollback, those that go `back`."""
    drivers, undoing = given.drivers, back is not None
    stays: tuple[tuple[Change, str], ...] = ()
    waiting: tuple[Change, ...] = ()
    if back is not None:
        now, stays = _let_back(back, state.view)
    else:
        now, waiting = _until_the_lease(_of_findings(findings), state, drivers)
    view = _arrived(state.view, now)
    steps, after = _render(now, view, drivers)
    case = Case(before=view, after=after, changes=now, adopted=adopted, undoing=undoing)
    verdicts = judge(case)
    plan = Plan(
        site=given.tasks.site.name,
        steps=with_markers(steps, drivers),
        verdicts=verdicts,
        basis=basis(state, given.tasks, given.profile, adopted, undoing),
    )
    return Planned(plan, state, waiting, stays)


def _of_findings(findings: Sequence[Finding]) -> tuple[Change, ...]:
    """Give what the findings call for, in order.

    No host is moved for a forward that will not lead to it, and Plex is told no port that another device's forward has.
    """
    forwards = [f.status for f in findings if f.kind is Kind.PORT_FORWARD]
    settled, taken = all(status in _SETTLED for status in forwards), FindingStatus.CONFLICT in forwards
    found = in_order([change for finding in findings for change in finding.changes])
    return tuple(
        change
        for change in found
        if (settled or change.action is not Action.RENEW)
        and not (taken and change.kind is Kind.PLEX_REMOTE_ACCESS)
    )


def _let_back(
    changes: Sequence[Change], view: SiteView
) -> tuple[tuple[Change, ...], tuple[tuple[Change, str], ...]]:
    """Part the changes back into those that guards let, each on the state that those before leave, and the others."""
    kept: list[Change] = []
    stays: list[tuple[Change, str]] = []
    for change in changes:
        staying = {other.id: other.had for other, _ in stays}
        why = needed_by(change.had, change.want, staying) or refused(view, change, restoring=False)
        if why:
            stays.append((change, why))
            continue
        kept.append(change)
        view = view.with_snapshot(after_change(view.of(change.role), change))
    return tuple(kept), tuple(stays)


def _until_the_lease(
    changes: tuple[Change, ...], state: SiteState, drivers: Drivers
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Where the host cannot be made to take its new address, nothing that needs it there is planned."""
    renewal = next((c for c in changes if c.action is Action.RENEW), None)
    if renewal is None or drivers.server is None:
        return changes, ()
    try:
        drivers.server.script(renewal, state.view.of(Role.SERVER))
    except Unrenderable:
        now = tuple(c for c in changes if c.kind not in _AFTER_THE_LEASE and c is not renewal)
        return now, tuple(c for c in changes if c.kind in _AFTER_THE_LEASE or c is renewal)
    return changes, ()


def _arrived(view: SiteView, changes: Sequence[Change]) -> SiteView:
    """Plan as if Plex already answered where a renewal and an opened host firewall will let it answer.

    Guards look again, at the real state, right before the forward is written.
    """
    moves = any(change.action is Action.RENEW or change.kind is Kind.FIREWALL_RULE for change in changes)
    met = view.plex_answered_at
    at = None if met is None else ipv4(met[0])
    if not moves or met is None or at is None or not (at.is_loopback or at in view.plex_host):
        return view
    return replace(view, plex_answered_at=(str(view.plex_address), met[1]))


def _render(changes: Sequence[Change], view: SiteView, drivers: Drivers) -> tuple[tuple[Step, ...], SiteView]:
    """Render each change on the state that those before it leave."""
    steps: list[Step] = []
    for change in changes:
        now = view.of(change.role)
        try:
            script = drivers.of(change.role).script(change, now)
        except Unrenderable as reason:
            problem = Problem("PLX-R201", f"{change.id} cannot be rendered: {reason}", where=str(change.role))
            raise PlexopsError(problem) from None
        steps.append(with_way_back(change, script, view))
        view = view.with_snapshot(after_change(now, change))
    return tuple(steps), view


def basis(
    state: SiteState, tasks: SiteTasks, profile: Profile | None, adopted: frozenset[str], undoing: bool
) -> Mapping[str, str]:
    """Give the parts that a plan rests on, each with its digest: a stale plan names those that moved."""
    parts = {
        "plexops version": __version__,
        "profile": sha256(profile.text if profile else ""),
        "tasks": sha256([[t.kind, t.key, t.state, t.adopt, t.values] for t in tasks.tasks]),
        "adoptions": sha256(sorted(adopted)),
        "purpose": "undo" if undoing else "apply",
        # Settings alike do not make two servers one.
        "which Plex server answers": sha256(state.view.of(Role.PLEX).text("plex.identifier") or ""),
    }
    for role, kinds in RESTS_ON.items():
        snapshot = state.view.of(role)
        parts[f"{role} identity"] = state.identities.get(role, "")
        digest = snapshot.digest(kinds, CONFIGURATION_FACTS)
        rules = _filter_rules(snapshot, ()) if role is Role.ROUTER else []
        parts[f"{role} configuration"] = sha256([digest, rules]) if rules else digest
    for name, way in _ways(state.view, tasks).items():
        parts[name] = sha256(list(deciding_words(way)))
    return MappingProxyType(parts)


def _ways(view: SiteView, tasks: SiteTasks) -> Mapping[str, WayIn | None]:
    """Give the ways whose filters a plan rests on."""
    port, address = tasks.external_port, view.plex_address
    router = (
        None if port is None or address is None else through_router(view, port, (address,), view.plex_port)
    )
    return {"router packet filter": router, "server packet filter": into_server(view, view.plex_port)}


def moved(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """Name the parts of a basis that differ."""
    return tuple(name for name in sorted({*old, *new}) if old.get(name) != new.get(name))


def foreign(snapshot: Snapshot, role: Role, changes: Sequence[Change]) -> str:
    """Give a digest of what a stop holds besides what these changes found or make: nobody's edit may slip in."""
    own = [e for change in changes if change.role is role for e in _own(change, snapshot)]
    touched = {id(entry) for entry in own}
    rest = [
        [entry.kind, entry.values, entry.raw, entry.owner.key]
        for kind in sorted(RESTS_ON.get(role, frozenset()))
        for entry in snapshot.of(kind)
        if id(entry) not in touched and not _follows(entry, own)
    ]
    return sha256([rest, _filter_rules(snapshot, own) if role is Role.ROUTER else []])


def _filter_rules(snapshot: Snapshot, own: Sequence[Entry]) -> list[list[str]]:
    """Give the rules of the router's filter, in order, but ours, UPnP's and what a family itself puts beside a forward."""
    box = snapshot.box
    if box is None:
        return []
    generated = box.inserts.get("passes", ())
    return [
        [chain.id, rule.words, rule.off]
        for chain in box.chains.values()
        if not (chain.hook is not None and chain.hook.nat) and "upnp" not in chain.id
        for rule in chain.rules
        if not any(is_rule_of(rule, entry) for entry in own)
        and not any(isinstance(e, TranslateDestination | TranslateSource) for e in rule.effects)
        and not (chain.id in generated and lets_translated(rule))
    ]


def _own(change: Change, snapshot: Snapshot) -> tuple[Entry, ...]:
    """Give the entry of a change as it was found or as it is made. Whatever else bears our tag is somebody's edit."""
    found = find(change, snapshot)
    if not found or KINDS[change.kind].singleton:
        return found
    return tuple(entry for entry in found if _is_described(entry, change))[:1]


def _is_described(entry: Entry, change: Change) -> bool:
    before = change.before
    if before is not None and dict(before.raw) == dict(entry.raw):
        return True
    known = [values for values in (change.want, before and before.values) if values is not None]
    return entry.values is not None and any(not KINDS[change.kind].differs(v, entry.values) for v in known)


def _follows(entry: Entry, own: Sequence[Entry]) -> bool:
    """Tell a line of the host firewall's file that is one of these entries: our rule there is read as a line, too."""
    if entry.kind is not Kind.HOST_RULE or not entry.owner.ours:
        return False
    return any((made.owner, made.handle) == (entry.owner, entry.handle) for made in own)
