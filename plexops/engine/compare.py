"""Desire against snapshot: what each task and condition came to, and the changes that would cure it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from plexops.drivers.base import Driver, Unrenderable
from plexops.engine.observe import Drivers
from plexops.model.change import Action, Change, project
from plexops.model.finding import Finding, FindingStatus
from plexops.model.profile import Profile
from plexops.model.resources import KINDS, Claim
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.passage import Passage
from plexops.model.resources.port_forward import PortForward
from plexops.model.site import ResolvedTask, SiteTasks, State
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.runbook import conditions
from plexops.runbook.conditions import Condition, Holds
from plexops.runbook.filtering import InboundPacket, Passes, walk
from plexops.runbook.view import SiteView

#: Kinds that a way in over a forward needs, and that no other way in does.
_FORWARDING = frozenset({Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that findings need to know besides the task."""

    tasks: SiteTasks
    view: SiteView
    drivers: Drivers
    profile: Profile | None
    #: Ids that `--adopt` named; `adopt: true` on a task adds its own.
    adopt: frozenset[str] = frozenset()

    @property
    def external_port(self) -> int | None:
        """The port that the tasks want open, if any does."""
        for task in self.tasks.tasks:
            if task.kind is Kind.PORT_FORWARD and isinstance(task.want, PortForward):
                return task.want.external_port.single
        return None


def compare(given: Comparison) -> tuple[Finding, ...]:
    """Judge every task, then what no task asked for and nobody should miss."""
    findings = [_judge(given, task) for task in given.tasks.tasks]
    return (*findings, *_unasked(given, findings))


def _finding(task: ResolvedTask, status: FindingStatus, **more: object) -> Finding:
    kind = KINDS[task.kind]
    want = ""
    if task.want is not None:
        want = (
            kind.says(task.want) if task.state is State.PRESENT else f"no {kind.title.lower()} “{task.key}”"
        )
    made = Finding(
        status=status,
        role=kind.role,
        kind=task.kind,
        key=task.key,
        title=task.name or kind.title,
        want=want or kind.title.lower(),
        place=task.place,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def _judge(given: Comparison, task: ResolvedTask) -> Finding:
    if task.not_applicable:
        return _finding(task, FindingStatus.NOT_APPLICABLE, why=task.not_applicable)
    if KINDS[task.kind].is_condition:
        return _condition(given, task)
    wan = conditions.wan(given.view)
    if task.kind in _FORWARDING and wan.holds is Holds.NO and task.state is State.PRESENT:
        why = "not evaluated after a safe stop: nothing below that layer can fix it"
        return _finding(task, FindingStatus.STOPPED, have=wan.says, why=why, exhibits=wan.exhibits)
    role = KINDS[task.kind].role
    if role is Role.ROUTER and given.drivers.router is None:
        return _by_hand(given, task)
    if role not in given.view.snapshots:
        return _finding(task, FindingStatus.UNKNOWN, have=f"the {role} did not answer")
    if task.kind is Kind.FIREWALL_RULE:
        return _firewall_rule(given, task)
    return _resource(given, task)


def _condition(given: Comparison, task: ResolvedTask) -> Finding:
    judges = {
        Kind.WAN: conditions.wan,
        Kind.DMZ: conditions.dmz,
        Kind.HOST_FIREWALL: conditions.host_firewall,
    }
    if task.kind is Kind.REACHABILITY:
        found = conditions.reachability(given.view, given.external_port)
    else:
        found = judges[task.kind](given.view)
    return _of_condition(task, found)


def _of_condition(task: ResolvedTask, found: Condition) -> Finding:
    fails = FindingStatus.STOPPED if task.kind is Kind.WAN else FindingStatus.DRIFT
    status = {Holds.YES: FindingStatus.OK, Holds.NO: fails, Holds.UNKNOWN: FindingStatus.UNKNOWN}[found.holds]
    return _finding(task, status, have=found.says, exhibits=found.exhibits, steps=found.stop)


def _steps(given: Comparison, task: ResolvedTask) -> tuple[str, ...]:
    """Give the steps that a person takes on this router, with the values filled in."""
    if given.profile is None:
        return ()
    values = {name: str(value) for name, value in task.values.items()}
    lines = given.profile.steps.get(task.kind, ())
    for name, value in values.items():
        lines = tuple(line.replace("{" + name + "}", value) for line in lines)
    return lines


def _by_hand(given: Comparison, task: ResolvedTask) -> Finding:
    """Judge what a person set, by its effect: Plex's verdict and the vantages."""
    if task.kind is Kind.PORT_FORWARD and task.state is State.PRESENT:
        found = conditions.reachability(given.view, given.external_port)
        if found.holds is Holds.YES:
            have = f"set by hand; its effect is seen: {found.says}"
            return _finding(task, FindingStatus.OK, have=have, exhibits=found.exhibits)
    if task.kind is Kind.DHCP_RESERVATION and task.state is State.PRESENT:
        addresses = given.view.of(Role.SERVER).facts.get("host.addresses")
        want: Reservation = task.want
        if addresses is not None and str(want.address) in tuple(str(a) for a in _texts(addresses.value)):
            have = f"the server holds {want.address} now; whether it is reserved is not seen"
            return _finding(task, FindingStatus.UNSUPPORTED, have=have, steps=_steps(given, task))
    have = "this router is set by hand: plexops does not ask it"
    return _finding(task, FindingStatus.UNSUPPORTED, have=have, steps=_steps(given, task))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, tuple) else (str(value),)


def _resource(given: Comparison, task: ResolvedTask) -> Finding:
    kind = KINDS[task.kind]
    snapshot = given.view.of(kind.role)
    state = snapshot.state(task.kind)
    reason = snapshot.reasons.get(task.kind, "")
    if state is KindState.UNKNOWN:
        return _finding(task, FindingStatus.UNKNOWN, have=reason or "it could not be read")
    if state is KindState.ABSENT:
        off = task.kind is Kind.UPNP and task.want is not None and not task.want.enabled
        if off or task.state is State.ABSENT:
            return _finding(task, FindingStatus.OK, have="the router has none")
        return _finding(
            task, FindingStatus.UNSUPPORTED, have="the router has none", steps=_steps(given, task)
        )
    if state is KindState.UNSUPPORTED:
        have = reason or "this router family has no way to it"
        return _finding(task, FindingStatus.UNSUPPORTED, have=have, steps=_steps(given, task))
    if task.state is State.ABSENT:
        return _absent(given, task, snapshot)
    return _present(given, task, snapshot)


def _present(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Finding:
    kind = KINDS[task.kind]
    entries = snapshot.of(task.kind)
    ours = tuple(e for e in entries if e.owner.key == task.key) if not kind.singleton else entries
    if len(ours) > 1:
        have = f"{len(ours)} entries bear our tag “{task.key}”"
        return _finding(task, FindingStatus.CONFLICT, have=have, exhibits=_exhibits(ours))
    others = [e for e in entries if not e.owner.ours and not kind.singleton]
    blocking = next((e for e in others if _claim(task, e) is Claim.BLOCKS), None)
    same = [e for e in others if _claim(task, e) is Claim.SAME]
    if ours:
        rival = blocking or next(iter(same), None)
        if rival is not None:
            have = f"besides ours, “{_name(rival)}” holds it: {_says(rival)}"
            return _finding(task, FindingStatus.CONFLICT, have=have, exhibits=_exhibits((*ours, rival)))
        return _ours(given, task, snapshot, ours[0])
    equal = next((e for e in same if e.values is not None and not kind.differs(task.want, e.values)), None)
    if equal is not None and blocking is None and len(same) == 1:
        return _fine(given, task, snapshot, equal, f"{_says(equal)} (“{_name(equal)}”, made by hand)")
    if blocking is not None:
        have = f"{_says(blocking)} (“{_name(blocking)}”): it belongs to something else"
        return _finding(
            task,
            FindingStatus.CONFLICT,
            have=have,
            why="plexops never takes what somebody uses: choose another port or address, or remove it by hand",
            exhibits=_exhibits((blocking,)),
        )
    if len(same) > 1:
        have = "; ".join(f"{_says(e)} (“{_name(e)}”)" for e in same)
        return _finding(task, FindingStatus.CONFLICT, have=f"several: {have}", exhibits=_exhibits(same))
    if same:
        return _adoptable(given, task, snapshot, same[0])
    change = _change(task, Action.CREATE)
    return _drift(given, task, snapshot, change, "there is none", ())


def _ours(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry) -> Finding:
    kind = KINDS[task.kind]
    if entry.values is None:
        return _finding(
            task, FindingStatus.UNKNOWN, have=f"“{_name(entry)}” cannot be read", exhibits=(entry.exhibit,)
        )
    fields = kind.differs(task.want, entry.values)
    if not fields:
        return _fine(given, task, snapshot, entry, _says(entry))
    change = _change(task, Action.UPDATE, entry, fields)
    return _drift(given, task, snapshot, change, _says(entry), (entry.exhibit,))


def _adoptable(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry) -> Finding:
    kind = KINDS[task.kind]
    fields = kind.differs(task.want, entry.values) if entry.values is not None else ()
    have = f"{_says(entry)} (“{_name(entry)}”, made by hand)"
    change = _change(task, Action.ADOPT, entry, fields)
    reason = "" if entry.values is None else _unrenderable(given.drivers.of(kind.role), change, snapshot)
    if entry.values is None or reason:
        why = reason or "it cannot be read"
        return _finding(task, FindingStatus.CONFLICT, have=have, why=why, exhibits=(entry.exhibit,))
    allowed = task.adopt or change.id in given.adopt
    if not allowed:
        return _finding(
            task,
            FindingStatus.CONFLICT,
            have=f"{have}: can be adopted",
            why=f"adopting changes only {', '.join(fields)}; its name and all else stay",
            exhibits=(entry.exhibit,),
            adopt_id=change.id,
        )
    return _drift(given, task, snapshot, change, have, (entry.exhibit,))


def _absent(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Finding:
    ours = tuple(e for e in snapshot.of(task.kind) if e.owner.key == task.key)
    if len(ours) > 1:
        return _finding(task, FindingStatus.CONFLICT, have=f"{len(ours)} entries bear our tag “{task.key}”")
    if ours:
        change = replace(_change(task, Action.DELETE, ours[0]), want=None)
        found = _drift(given, task, snapshot, change, _says(ours[0]), (ours[0].exhibit,))
        return replace(found, changes=(*found.changes, *_leftovers(task, snapshot))) if found.changes else found
    leftovers = _leftovers(task, snapshot)
    if leftovers:
        have = "the forward is gone; its passage through the router's filter is still there"
        return _finding(task, FindingStatus.DRIFT, have=have, changes=leftovers)
    for entry in snapshot.of(task.kind):
        if (
            task.want is None
            or entry.values is None
            or _claim(task, entry) is not Claim.SAME
            or not entry.values.enabled
        ):
            continue
        change = replace(
            _change(task, Action.ADOPT, entry, ("enabled",)), want=replace(entry.values, enabled=False)
        )
        have = f"{_says(entry)} (“{_name(entry)}”, made by hand)"
        if not task.adopt and change.id not in given.adopt:
            why = "plexops deletes nothing of others; adopted, it would be switched off"
            return _finding(task, FindingStatus.CONFLICT, have=have, why=why, adopt_id=change.id)
        return _drift(given, task, snapshot, change, have, (entry.exhibit,))
    return _finding(task, FindingStatus.OK, have="there is none")


def _leftovers(task: ResolvedTask, snapshot: Snapshot) -> tuple[Change, ...]:
    """Take our passage away with its forward: it lets packets in that nobody sends any more."""
    if task.kind is not Kind.PORT_FORWARD:
        return ()
    return tuple(
        Change(
            role=Role.ROUTER,
            kind=Kind.PASSAGE,
            key=task.key,
            action=Action.DELETE,
            before=entry,
            place=task.place,
            task="the passage goes with its forward",
        )
        for entry in snapshot.of(Kind.PASSAGE)
        if entry.owner.key == task.key
    )


def _drift(
    given: Comparison,
    task: ResolvedTask,
    snapshot: Snapshot,
    change: Change,
    have: str,
    exhibits: tuple[str, ...],
) -> Finding:
    """Make a finding with its change, and with what goes with it; unsupported where it cannot be rendered."""
    reason = _unrenderable(given.drivers.of(change.role), change, snapshot)
    if reason:
        return _finding(
            task,
            FindingStatus.UNSUPPORTED,
            have=have,
            why=reason,
            exhibits=exhibits,
            steps=_steps(given, task),
        )
    changes = [change]
    why = ""
    if task.kind is Kind.DHCP_RESERVATION and change.want is not None:
        changes += _renewal(given, task)
    if task.kind is Kind.PORT_FORWARD and change.want is not None:
        passage = _passage(given, task, project(snapshot, change))
        if isinstance(passage, str):
            why = passage
        elif passage is not None:
            changes.append(passage)
    return _finding(task, FindingStatus.DRIFT, have=have, why=why, exhibits=exhibits, changes=tuple(changes))


def _fine(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry, have: str) -> Finding:
    """The entry is as wanted; what goes with it may still be missing."""
    if task.kind is Kind.PORT_FORWARD:
        passage = _passage(given, task, snapshot)
        if isinstance(passage, str):
            return _finding(task, FindingStatus.UNKNOWN, have=have, why=passage, exhibits=(entry.exhibit,))
        if passage is not None:
            reason = _unrenderable(given.drivers.of(Role.ROUTER), passage, snapshot)
            why = "the router's own filter drops what it forwards"
            status = FindingStatus.UNSUPPORTED if reason else FindingStatus.DRIFT
            changes = () if reason else (passage,)
            return _finding(
                task, status, have=have, why=reason or why, exhibits=(entry.exhibit,), changes=changes
            )
    if task.kind is Kind.DHCP_RESERVATION:
        renewal = _renewal(given, task)
        if renewal:
            held = ", ".join(_texts(given.view.of(Role.SERVER).facts["host.addresses"].value))
            why = f"the reservation is right, but the host still holds {held}"
            return _finding(
                task,
                FindingStatus.DRIFT,
                have=have,
                why=why,
                exhibits=(entry.exhibit,),
                changes=tuple(renewal),
            )
    return _finding(task, FindingStatus.OK, have=have, exhibits=(entry.exhibit,))


def _renewal(given: Comparison, task: ResolvedTask) -> list[Change]:
    """The host asks for its address again, where it is known to hold another one and to be able to."""
    server = given.view.of(Role.SERVER)
    held = server.facts.get("host.addresses")
    want: Reservation = task.want
    if held is None or str(want.address) in _texts(held.value) or given.drivers.server is None:
        return []
    return [
        Change(
            role=Role.SERVER,
            kind=Kind.LEASE,
            key=task.key,
            action=Action.RENEW,
            want=want.address,
            place=task.place,
            task="the host asks for its address again",
        )
    ]


def _passage(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Change | str | None:
    """Decide whether the router's filter lets the forwarded packets through; else give the change, or why unknown."""
    router = given.drivers.router
    forward: PortForward = task.want
    if router is None or Kind.PASSAGE not in router.kinds or forward.address is None:
        return None
    state = snapshot.state(Kind.FILTER_RULE)
    if state is not KindState.PRESENT:
        reason = snapshot.reasons.get(Kind.FILTER_RULE, "its rules were not read")
        return f"whether the router's filter lets it through is unknown: {reason}"
    port = forward.port.single or given.view.plex_port
    packet = InboundPacket(forward.address, port, given.view.wan_names, translated=True)
    walked = walk(snapshot.of(Kind.FILTER_RULE), packet)
    if walked.passes is Passes.YES:
        return None
    if walked.passes is Passes.UNKNOWN or walked.stopped_by is None:
        return "whether the router's filter lets it through is unknown: a rule there cannot be read"
    want = Passage(forward.address, port, walked.chain, walked.stopped_by.handle)
    ours = [e for e in snapshot.of(Kind.PASSAGE) if e.owner.key == task.key]
    fields = KINDS[Kind.PASSAGE].differs(want, ours[0].values) if ours and ours[0].values is not None else ()
    return Change(
        role=Role.ROUTER,
        kind=Kind.PASSAGE,
        key=task.key,
        action=Action.UPDATE if ours else Action.CREATE,
        before=ours[0] if ours else None,
        want=want,
        fields=fields,
        place=task.place,
        task="what is forwarded passes the router's filter",
    )


def _firewall_rule(given: Comparison, task: ResolvedTask) -> Finding:
    """Judge the whole rule set, not one rule: order and wider rules decide whether Plex is let in."""
    snapshot = given.view.of(Role.SERVER)
    state = snapshot.state(Kind.FIREWALL_RULE)
    reason = snapshot.reasons.get(Kind.FIREWALL_RULE, "")
    if state is KindState.ABSENT:
        return _finding(task, FindingStatus.OK, have=reason or "the server has no firewall of its own")
    if state is not KindState.PRESENT:
        status = FindingStatus.UNKNOWN if state is KindState.UNKNOWN else FindingStatus.UNSUPPORTED
        return _finding(task, status, have=reason or "the host firewall could not be read")
    if task.state is State.ABSENT:
        return _absent(given, task, snapshot)
    ours = [e for e in snapshot.of(Kind.FIREWALL_RULE) if e.owner.key == task.key]
    if len(ours) > 1:
        return _finding(task, FindingStatus.CONFLICT, have=f"{len(ours)} rules bear our tag “{task.key}”")
    if snapshot.flag("firewall.active") is False:
        return _finding(
            task,
            FindingStatus.OK,
            have="the host firewall is off: it stops nothing",
            exhibits=_rules(snapshot),
        )
    address = given.view.server_address or IPv4Address("0.0.0.0")  # noqa: S104 - no socket: any address of the host
    packet = InboundPacket(
        address, task.want.port, frozenset({snapshot.text("host.interface") or ""}), translated=False
    )
    walked = walk(snapshot.of(Kind.FILTER_RULE), packet)
    if walked.passes is Passes.YES:
        have = f"tcp {task.want.port} is admitted"
        return _finding(task, FindingStatus.OK, have=have, exhibits=_rules(snapshot))
    if walked.passes is Passes.UNKNOWN:
        return _finding(
            task, FindingStatus.UNKNOWN, have="a rule there cannot be read", exhibits=_rules(snapshot)
        )
    stopper = "" if walked.stopped_by is None else f" by “{_name(walked.stopped_by)}”"
    action = Action.UPDATE if ours else Action.CREATE
    change = _change(task, action, ours[0] if ours else None)
    return _drift(
        given, task, snapshot, change, f"tcp {task.want.port} is stopped{stopper}", _rules(snapshot)
    )


def _rules(snapshot: Snapshot) -> tuple[str, ...]:
    return _exhibits(snapshot.of(Kind.FILTER_RULE))


def _change(
    task: ResolvedTask, action: Action, before: Entry | None = None, fields: tuple[str, ...] = ()
) -> Change:
    kind = KINDS[task.kind]
    return Change(
        role=kind.role,
        kind=task.kind,
        key=task.key,
        action=action,
        before=before,
        want=task.want,
        fields=fields,
        place=task.place,
        task=task.name,
    )


def _unrenderable(driver: Driver, change: Change, snapshot: Snapshot) -> str:
    """Give the reason why a change or its way back cannot be rendered; empty where both can."""
    try:
        driver.script(change, snapshot)
    except Unrenderable as reason:
        return str(reason)
    return ""


def _claim(task: ResolvedTask, entry: Entry) -> Claim:
    """An entry that cannot be read is no claim: guards judge whether it may hold what is wanted."""
    return Claim.NONE if entry.values is None else KINDS[task.kind].claims(task.want, entry.values)


def _says(entry: Entry) -> str:
    return "unreadable" if entry.values is None else KINDS[entry.kind].says(entry.values)


def _name(entry: Entry) -> str:
    return entry.label or entry.handle


def _exhibits(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(sorted({entry.exhibit for entry in entries if entry.exhibit}))


def _unasked(given: Comparison, findings: Sequence[Finding]) -> list[Finding]:
    """Say what no task asked for: a safe stop, an exposure, what is ours and wanted by nobody, UPnP's users."""
    asked = {finding.kind for finding in findings}
    found: list[Finding] = []
    forwarding = [task for task in given.tasks.tasks if task.kind in _FORWARDING and not task.not_applicable]
    wan = conditions.wan(given.view)
    if (
        forwarding
        and Kind.WAN not in asked
        and given.drivers.router is not None
        and wan.holds is not Holds.YES
    ):
        status = FindingStatus.STOPPED if wan.holds is Holds.NO else FindingStatus.NOTE
        found.append(_bare(Kind.WAN, status, wan.says, wan.exhibits, wan.stop))
    if Kind.DMZ not in asked and conditions.exposures(given.view):
        exposed = conditions.dmz(given.view)
        found.append(_bare(Kind.DMZ, FindingStatus.CONFLICT, exposed.says, exposed.exhibits, exposed.stop))
    if Kind.HOST_FIREWALL not in asked and given.view.of(Role.SERVER).flag("firewall.active") is False:
        found.append(_bare(Kind.HOST_FIREWALL, FindingStatus.NOTE, conditions.host_firewall(given.view).says))
    found += _orphans(given)
    users = sorted(
        {str(e.values.address) for e in given.view.of(Role.ROUTER).of(Kind.UPNP_MAPPING) if e.values}
    )
    if Kind.UPNP not in asked and users:
        found.append(
            _bare(Kind.UPNP, FindingStatus.NOTE, f"UPnP is on and used by {', '.join(users)}: left alone")
        )
    return found


def _orphans(given: Comparison) -> list[Finding]:
    wanted = {(task.kind, task.key) for task in given.tasks.tasks}
    found = []
    for snapshot in given.view.snapshots.values():
        for entry in snapshot.entries:
            if entry.kind not in KINDS or KINDS[entry.kind].is_condition or not entry.owner.ours:
                continue
            kind = Kind.PORT_FORWARD if entry.kind is Kind.PASSAGE else entry.kind
            if (kind, entry.owner.key) not in wanted:
                have = f"{_says(entry)} bears our tag “{entry.owner.key}”, and no task wants it"
                found.append(replace(_bare(entry.kind, FindingStatus.NOTE, have), key=entry.owner.key))
    return found


def _bare(
    kind: Kind, status: FindingStatus, have: str, exhibits: tuple[str, ...] = (), steps: tuple[str, ...] = ()
) -> Finding:
    resource = KINDS[kind]
    return Finding(
        status,
        resource.role,
        kind,
        "",
        resource.title,
        resource.title.lower(),
        have,
        exhibits=exhibits,
        steps=steps,
    )
