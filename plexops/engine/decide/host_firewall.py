"""Whether the server lets viewers in to Plex: by all of its packet filters, whichever program made them."""

from __future__ import annotations

from msgspec import Struct

from plexops.engine.decide.findings import Comparison, change_of, exhibits_of, finding_of
from plexops.model.change import Action, Change
from plexops.model.entries import HostRule
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import KINDS, FirewallRule
from plexops.model.site import ResolvedTask
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.packets.reach import AnswerKind
from plexops.runbook.way_in import WayIn, into_server, says


class Stopped(Struct, frozen=True):
    """Viewers are stopped, or more are let in than viewers, in words; and the change that mends it."""

    have: str
    change: Change
    exhibits: tuple[str, ...]


def admitted(given: Comparison, task: ResolvedTask, port: int, snapshot: Snapshot) -> Finding | Stopped:
    """Judge what packets meet, not one rule: order, wider rules and other filters decide whether Plex is let in."""
    state = snapshot.state(Kind.FIREWALL_RULE)
    reason = snapshot.reasons.get(Kind.FIREWALL_RULE, "")
    way = into_server(given.view, port)
    kind = None if way is None else way.answer.kind
    if state is KindState.ABSENT:
        if way is None or kind is not AnswerKind.NOBODY:
            have = reason or "the server has no firewall of its own"
            return finding_of(task, FindingStatus.OK, have=have)
        why = "plexops changes no filter that it does not know: let the port in there by hand"
        return finding_of(
            task, FindingStatus.UNSUPPORTED, have=_stopped(port, way), why=why, exhibits=_shown(way)
        )
    halfway = Kind.FIREWALL_RULE in snapshot.unapplied
    if state is not KindState.PRESENT and way is not None and way.open and not halfway:
        have = f"tcp {port} is admitted by what was read of its filters"
        return finding_of(task, FindingStatus.OK, have=have, exhibits=_shown(way))
    if state is not KindState.PRESENT:
        status = FindingStatus.UNKNOWN if state is KindState.UNKNOWN else FindingStatus.UNSUPPORTED
        return finding_of(task, status, have=reason or "the host firewall could not be read")
    exhibits = exhibits_of(snapshot.of(Kind.HOST_RULE))
    ours = [e for e in snapshot.held(FirewallRule) if e.owner.key == task.key]
    if len(ours) > 1:
        return finding_of(task, FindingStatus.CONFLICT, have=f"{len(ours)} rules bear our tag “{task.key}”")
    if way is None:
        have = "what the server's filters do could not be read"
        return finding_of(task, FindingStatus.UNKNOWN, have=have, exhibits=exhibits)
    if ours and ours[0].values.over_ipv6:
        change = change_of(task, Action.UPDATE, ours[0], KINDS[task.kind].differs(task.want, ours[0].values))
        have = f"our rule lets tcp {ours[0].values.port} in over IPv6 too, where no forward is"
        return Stopped(have, change, exhibits)
    if way.open:
        some = "" if kind is AnswerKind.EVERYBODY else f", but for some: {says(way.reasons[0])}"
        have = f"tcp {port} is admitted{some}{_for_how_long(port, snapshot)}"
        if snapshot.flag("firewall.active") is False:
            have = "the host firewall is off: it stops nothing"
        return finding_of(task, FindingStatus.OK, have=have, exhibits=exhibits)
    if kind is AnswerKind.UNKNOWN:
        have = f"not known: {way.answer.questions[0]}" if way.answer.questions else "not known"
        return finding_of(task, FindingStatus.UNKNOWN, have=have, exhibits=exhibits or _shown(way))
    from plexops.runbook.way_after import after_change

    have = _stopped(port, way)
    change = change_of(task, Action.UPDATE if ours else Action.CREATE, ours[0] if ours else None)
    opened = into_server(given.view, port, box=after_change(snapshot, change).box)
    if opened is None or not opened.open:
        left = "" if opened is None or opened.first is None else f" ({says(opened.first)})"
        why = f"a rule of ours would not let it in, either{left}: let the port in there by hand"
        return finding_of(task, FindingStatus.UNSUPPORTED, have=have, why=why, exhibits=_shown(way))
    return Stopped(have, change, exhibits or _shown(way))


def _for_how_long(port: int, snapshot: Snapshot) -> str:
    """Say so where all lines that name the port are gone when the firewall is loaded anew."""
    lines = [e for e in snapshot.held(HostRule) if e.values.port == port and e.values.action == "allow"]
    fleeting = lines and not any(line.values.lasting for line in lines)
    return f", until the firewall is loaded anew: {lines[0].called} is not kept" if fleeting else ""


def _stopped(port: int, way: WayIn) -> str:
    return f"tcp {port} is stopped: {says(way.reasons[0])}" if way.reasons else "it is stopped"


def _shown(way: WayIn) -> tuple[str, ...]:
    rules = [reason.rule for reason in way.reasons]
    return tuple(dict.fromkeys(rule.exhibit for rule in rules if rule is not None and rule.exhibit))
