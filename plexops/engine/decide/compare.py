"""Desire against snapshot: what each task and condition came to, and the changes that would cure it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from plexops.config.hosts import host_by_hand
from plexops.engine.decide.findings import (
    FORWARDING,
    Comparison,
    change_of,
    claim_of,
    exhibits_of,
    finding_of,
    name_of,
    only_by_hand,
    says,
    steps_by_hand,
    texts_of,
    unrenderable,
)
from plexops.engine.decide.forwarding import Impassable, not_met, passage_for, works_by
from plexops.engine.decide.host_firewall import admitted
from plexops.engine.decide.manual_host import on_host
from plexops.engine.decide.unmanaged import unmanaged
from plexops.model.change import Action, Change
from plexops.model.errors import WhyNot
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import KINDS, Claim, FirewallRule, PortForward, RemoteAccess, Reservation, Upnp
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import Ports
from plexops.runbook import conditions
from plexops.runbook.condition import Condition, Holds
from plexops.runbook.view import SiteView, never_arrives
from plexops.structs import replace

__all__ = ["Comparison", "compare"]


def compare(given: Comparison) -> tuple[Finding, ...]:
    """Judge every task, then what no task asked for and you should not miss."""
    findings = [_judge(given, task) for task in given.tasks.tasks]
    return (*findings, *unmanaged(given, findings))


def _judge(given: Comparison, task: ResolvedTask) -> Finding:
    if task.not_applicable:
        return finding_of(task, FindingStatus.NOT_APPLICABLE, why=task.not_applicable)
    if KINDS[task.kind].is_condition:
        return _condition(given, task)
    wan = conditions.wan(given.view)
    if task.kind in FORWARDING and wan.holds is Holds.NO and task.state is State.PRESENT:
        why = "not evaluated after a safe stop: nothing below that layer can fix it"
        return finding_of(task, FindingStatus.STOPPED, why=why, exhibits=wan.exhibits)
    dead = _never_arrives(given, task)
    if dead:
        steps = ("choose an external port of the home's share, in the playbook or the inventory's vars",)
        return finding_of(task, FindingStatus.STOPPED, why=dead, steps=steps)
    role = KINDS[task.kind].role
    if role is Role.ROUTER and given.drivers.router is None:
        from plexops.engine.decide.manual_router import by_hand

        return by_hand(given, task)
    host = host_by_hand(given.tasks.site.server) if task.kind is Kind.FIREWALL_RULE else None
    if host is not None:
        return on_host(given, task, host)
    if role not in given.view.snapshots:
        return finding_of(task, FindingStatus.UNKNOWN, have=_silent(given, role))
    if task.kind is Kind.FIREWALL_RULE:
        return _firewall_rule(given, task)
    return _resource(given, task)


def _silent(given: Comparison, role: Role) -> str:
    who = "Plex" if role is Role.PLEX else f"the {role}"
    if role in given.view.asked:
        return f"{who} did not answer"
    return f"{who} was not asked: the inventory gives no access to it"


def _never_arrives(given: Comparison, task: ResolvedTask) -> str | None:
    """Say that the wanted port is none that arrives at this home."""
    if task.kind not in FORWARDING or task.state is not State.PRESENT or given.view.access != "forward":
        return None
    match task.want:
        case PortForward(external_port=Ports(single=int(port))) | RemoteAccess(manual_port=port):
            return never_arrives(port, given.view.port_share)
    return None


def _condition(given: Comparison, task: ResolvedTask) -> Finding:
    if task.kind is Kind.WAN and given.view.access != "forward":
        why = f"`access: {given.view.access}`: viewers are not meant to come in by a forward"
        return finding_of(task, FindingStatus.NOT_APPLICABLE, why=why)
    judges: Mapping[Kind, Callable[[SiteView], Condition]] = {
        Kind.WAN: conditions.wan,
        Kind.DMZ: conditions.dmz,
        Kind.HOST_FIREWALL: conditions.host_firewall,
        Kind.REACHABILITY: lambda view: conditions.reachability(view, given.tasks.external_port),
    }
    found = judges[task.kind](given.view)
    fails = FindingStatus.STOPPED if task.kind is Kind.WAN else FindingStatus.DRIFT
    status = {Holds.YES: FindingStatus.OK, Holds.NO: fails, Holds.UNKNOWN: FindingStatus.UNKNOWN}[found.holds]
    return finding_of(task, status, have=found.says, exhibits=found.exhibits, steps=found.stop)


def _resource(given: Comparison, task: ResolvedTask) -> Finding:
    kind = KINDS[task.kind]
    snapshot = given.view.of(kind.role)
    state = snapshot.state(task.kind)
    reason = snapshot.reasons.get(task.kind, "")
    other = _served_elsewhere(given.view) if task.kind is Kind.DHCP_RESERVATION else ""
    if other and task.state is State.PRESENT:
        exhibit = given.view.of(Role.SERVER).facts["host.dhcp_server"].exhibit
        return finding_of(task, FindingStatus.UNKNOWN, have=other, why=reason, exhibits=(exhibit,))
    if state is KindState.UNKNOWN:
        return finding_of(task, FindingStatus.UNKNOWN, have=reason or "it could not be read")
    if state is KindState.ABSENT:
        off = isinstance(task.want, Upnp) and not task.want.enabled
        if off or task.state is State.ABSENT:
            return finding_of(task, FindingStatus.OK, have="the router has none")
    if state in (KindState.ABSENT, KindState.UNSUPPORTED):
        none = "the router has none" if state is KindState.ABSENT else reason
        have = none or "this router family has no way to it"
        return finding_of(task, FindingStatus.UNSUPPORTED, have=have, steps=steps_by_hand(given, task))
    if task.state is State.ABSENT:
        return _absent(given, task, snapshot)
    return _present(given, task, snapshot)


def _served_elsewhere(view: SiteView) -> str:
    """Say that another device than the router gave the host its address: a reservation at the router then keeps nothing.

    Empty where it did not, or that is not known.
    """
    router, told = view.of(Role.ROUTER), view.of(Role.SERVER).text("host.dhcp_server")
    own = router.text("lan.address")
    if told is None or own is None or view.server_is_static:
        return ""
    held = () if router.box is None or router.box.addresses is None else router.box.addresses
    if told == own or any(one.family == 4 and one.number == int(IPv4Address(told)) for one in held):
        return ""
    return f"{told} gave the host its address, and the router did not: make the reservation there"


def _present(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Finding:
    kind = KINDS[task.kind]
    entries = snapshot.of(task.kind)
    ours = tuple(e for e in entries if e.owner.key == task.key) if not kind.singleton else entries
    works = works_by(given, task, entries) if task.kind is Kind.PORT_FORWARD and len(ours) < 2 else None
    if works is not None and (not ours or works.handle == ours[0].handle):
        hand = "" if ours else f" (“{name_of(works)}”, made by hand)"
        have = name_of(works) if works.values is None else says(works)
        return finding_of(task, FindingStatus.OK, have=f"{have}{hand}", exhibits=(works.exhibit,))
    if len(ours) > 1:
        have = f"{len(ours)} entries bear our tag “{task.key}”"
        return finding_of(task, FindingStatus.CONFLICT, have=have, exhibits=exhibits_of(ours))
    others = [e for e in entries if not e.owner.ours and not kind.singleton]
    blocking = next((e for e in others if claim_of(task, e) is Claim.BLOCKS), None)
    claiming = [e for e in others if claim_of(task, e) is Claim.SAME]
    # What is switched off disputes nothing with what is on.
    live = [e for e in claiming if isinstance(e.values, (PortForward, Reservation)) and e.values.enabled]
    same = live or ([] if ours else claiming)
    if ours:
        rival = blocking or next(iter(same), None)
        if rival is not None:
            have = f"besides ours, “{name_of(rival)}” holds it: {says(rival)}"
            return finding_of(task, FindingStatus.CONFLICT, have=have, exhibits=exhibits_of((*ours, rival)))
        return _ours(given, task, snapshot, ours[0])
    equal = next((e for e in same if e.values is not None and not kind.differs(task.want, e.values)), None)
    if equal is not None and blocking is None and len(same) == 1:
        return _fine(given, task, snapshot, equal, f"{says(equal)} (“{name_of(equal)}”, made by hand)")
    if blocking is not None:
        have = f"{says(blocking)} (“{name_of(blocking)}”): it belongs to something else"
        why = "plexops never takes what is in use: choose another port or address, or remove it by hand"
        return finding_of(task, FindingStatus.CONFLICT, have=have, why=why, exhibits=exhibits_of((blocking,)))
    if len(same) > 1:
        have = "; ".join(f"{says(e)} (“{name_of(e)}”)" for e in same)
        return finding_of(task, FindingStatus.CONFLICT, have=f"several: {have}", exhibits=exhibits_of(same))
    if same:
        return _adoptable(given, task, snapshot, same[0])
    change = change_of(task, Action.CREATE)
    return _drift(given, task, snapshot, change, "there is none", ())


def _ours(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry) -> Finding:
    kind = KINDS[task.kind]
    if entry.values is None:
        return finding_of(
            task, FindingStatus.UNKNOWN, have=f"“{name_of(entry)}” cannot be read", exhibits=(entry.exhibit,)
        )
    fields = kind.differs(task.want, entry.values)
    if not fields:
        return _fine(given, task, snapshot, entry, says(entry))
    change = change_of(task, Action.UPDATE, entry, fields)
    return _drift(given, task, snapshot, change, says(entry), (entry.exhibit,))


def _adoptable(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry) -> Finding:
    kind = KINDS[task.kind]
    fields = kind.differs(task.want, entry.values) if entry.values is not None else ()
    have = f"{says(entry)} (“{name_of(entry)}”, made by hand)"
    change = change_of(task, Action.ADOPT, entry, fields)
    reason = "" if entry.values is None else unrenderable(given.drivers.of(kind.role), change, snapshot)
    if entry.values is None or reason:
        why = reason or "it cannot be read"
        steps, shown = only_by_hand(given, task, snapshot), (entry.exhibit,)
        return finding_of(task, FindingStatus.CONFLICT, have=have, why=why, exhibits=shown, steps=steps)
    if not task.adopt and change.id not in given.adopt:
        have, why = (
            f"{have}: can be adopted",
            f"adopting changes only {', '.join(fields)}; its name and all else stay",
        )
        shown = (entry.exhibit,)
        return finding_of(
            task, FindingStatus.CONFLICT, have=have, why=why, exhibits=shown, adopt_id=change.id
        )
    return _drift(given, task, snapshot, change, have, (entry.exhibit,))


def _absent(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Finding:
    ours = tuple(e for e in snapshot.of(task.kind) if e.owner.key == task.key)
    leftovers = _leftovers(task, snapshot)
    if len(ours) > 1:
        return finding_of(task, FindingStatus.CONFLICT, have=f"{len(ours)} entries bear our tag “{task.key}”")
    if ours:
        change = replace(change_of(task, Action.DELETE, ours[0]), want=None)
        found = _drift(given, task, snapshot, change, says(ours[0]), (ours[0].exhibit,))
        return replace(found, changes=(*found.changes, *leftovers)) if found.changes else found
    if leftovers:
        have = "the forward is gone; its passage through the router's filter is still there"
        return finding_of(task, FindingStatus.DRIFT, have=have, changes=leftovers)
    for entry in snapshot.of(task.kind):
        values = entry.values
        if task.want is None or not isinstance(values, (PortForward, Reservation)) or not values.enabled:
            continue
        if claim_of(task, entry) is not Claim.SAME:
            continue
        off = replace(values, enabled=False)
        change = replace(change_of(task, Action.ADOPT, entry, ("enabled",)), want=off)
        have = f"{says(entry)} (“{name_of(entry)}”, made by hand)"
        if not task.adopt and change.id not in given.adopt:
            why = "plexops deletes nothing of others; adopted, it would be switched off"
            return finding_of(task, FindingStatus.CONFLICT, have=have, why=why, adopt_id=change.id)
        return _drift(given, task, snapshot, change, have, (entry.exhibit,))
    return finding_of(task, FindingStatus.OK, have="there is none")


def _leftovers(task: ResolvedTask, snapshot: Snapshot) -> tuple[Change, ...]:
    """Take our passage away with its forward: it lets packets in that no forward sends any more."""
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
    reason = unrenderable(given.drivers.of(change.role), change, snapshot)
    if reason:
        steps = steps_by_hand(given, task)
        return finding_of(
            task, FindingStatus.UNSUPPORTED, have=have, why=reason, exhibits=exhibits, steps=steps
        )
    changes = [change]
    why = ""
    if task.kind is Kind.DHCP_RESERVATION and task.state is State.PRESENT:
        changes += _renewal(given, task)
        why = _would_leave_behind(given, change)
    if task.kind is Kind.PORT_FORWARD and task.state is State.PRESENT:
        from plexops.runbook.way_after import after_change

        passage = passage_for(given, task, after_change(snapshot, change))
        if isinstance(passage, Impassable):
            # Forwarded and dropped is no way in: nothing is planned that cannot work.
            return finding_of(task, FindingStatus.UNSUPPORTED, have=have, why=str(passage), exhibits=exhibits)
        if isinstance(passage, WhyNot):
            why = passage.text
        elif passage is not None:
            changes.append(passage)
    from plexops.runbook.guards.judge import Case, judge_on_paper

    # A wish that a guard refuses whatever the devices say is no drift that apply could cure.
    refused = judge_on_paper(Case(given.view, given.view, (change,))) if task.state is State.PRESENT else ()
    return finding_of(
        task,
        FindingStatus.STOPPED if refused else FindingStatus.DRIFT,
        have=have,
        why="; ".join(refused) or why,
        exhibits=exhibits,
        changes=tuple(changes),
        steps=("change the playbook: apply would refuse this",) if refused else (),
    )


def _fine(given: Comparison, task: ResolvedTask, snapshot: Snapshot, entry: Entry, have: str) -> Finding:
    """The entry is as wanted; what goes with it may still be missing."""
    if task.kind is Kind.PORT_FORWARD:
        passage = passage_for(given, task, snapshot)
        shown, steps = (entry.exhibit,), () if passage is None else only_by_hand(given, task, snapshot)
        if isinstance(passage, WhyNot):
            status = FindingStatus.UNSUPPORTED if isinstance(passage, Impassable) else FindingStatus.UNKNOWN
            return finding_of(task, status, have=have, why=str(passage), exhibits=shown, steps=steps)
        if passage is not None:
            reason = unrenderable(given.drivers.of(Role.ROUTER), passage, snapshot)
            why = "the router's own filter drops what it forwards"
            status, changes = (FindingStatus.UNSUPPORTED, ()) if reason else (FindingStatus.DRIFT, (passage,))
            why = f"{why}: {reason}" if reason else why
            return finding_of(task, status, have=have, why=why, exhibits=shown, changes=changes, steps=steps)
        missed = not_met(given, task, entry)
        if missed is not None:
            return missed
    if task.kind is Kind.DHCP_RESERVATION:
        renewal = _renewal(given, task)
        if renewal:
            held = ", ".join(texts_of(given.view.of(Role.SERVER).facts["host.addresses"].value))
            why = f"the reservation is right, but the host still holds {held}"
            behind = _would_leave_behind(given, renewal[0])
            why = f"{why}. {behind}" if behind else why
            return finding_of(
                task, FindingStatus.DRIFT, have=have, why=why, exhibits=(entry.exhibit,), changes=renewal
            )
    return finding_of(task, FindingStatus.OK, have=have, exhibits=(entry.exhibit,))


def _renewal(given: Comparison, task: ResolvedTask) -> tuple[Change, ...]:
    """The host asks for its address again, where it is known to hold another one and to be able to."""
    server = given.view.of(Role.SERVER)
    held = server.facts.get("host.addresses")
    want = task.want
    if held is None or given.drivers.server is None or not isinstance(want, Reservation):
        return ()
    if str(want.address) in texts_of(held.value):
        return ()
    return (
        Change(
            role=Role.SERVER,
            kind=Kind.LEASE,
            key=task.key,
            action=Action.RENEW,
            want=want.address,
            raw={"held": texts_of(held.value)},
            place=task.place,
            task="the host asks for its address again",
        ),
    )


def _would_leave_behind(given: Comparison, change: Change) -> str:
    """Say which forward of others leads to the address that the host would leave; ours, and what is adopted, moves along."""
    from plexops.runbook.guards.address_change import brings_to, left_behind, ways_out

    moves = [t for t in given.tasks.tasks if t.kind is Kind.PORT_FORWARD and t.adopt]
    to = brings_to(given.view, change)
    if to is None or moves or any("port_forward" in name for name in given.adopt):
        return ""
    router = given.view.of(Role.ROUTER)
    rest = replace(router, entries=tuple(e for e in router.entries if not e.owner.ours), box=None)
    address, name = left_behind(given.view, given.view.with_snapshot(rest), to)
    return ways_out(address, name) if name else ""


def _firewall_rule(given: Comparison, task: ResolvedTask) -> Finding:
    snapshot = given.view.of(Role.SERVER)
    if task.state is State.ABSENT and snapshot.state(Kind.FIREWALL_RULE) is KindState.PRESENT:
        return _absent(given, task, snapshot)
    if not isinstance(task.want, FirewallRule):
        return finding_of(task, FindingStatus.OK, have="the server has no firewall of its own")
    judged = admitted(given, task, task.want.port, snapshot)
    if isinstance(judged, Finding):
        return judged
    return _drift(given, task, snapshot, judged.change, judged.have, judged.exhibits)
