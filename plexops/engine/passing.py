"""The passage: what was forwarded also passes the router's own filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from plexops.drivers.profiled import ProfiledDriver
from plexops.engine.findings import Comparison
from plexops.model.change import Action, Change
from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.resources import KINDS
from plexops.model.resources.passage import Passage
from plexops.model.resources.port_forward import PortForward
from plexops.model.site import ResolvedTask
from plexops.model.snapshot import Entry, Kind, KindState, Owner, Role, Snapshot
from plexops.model.values import Ports, Protocol
from plexops.runbook.filtering import Passes, Walk, is_rule_of, walk
from plexops.runbook.walks import forwarded_packet


class Impassable(str):
    """Why the one accept that plexops would make lets nothing through: the forward cannot work, so none is planned."""

    __slots__ = ()


def passage_for(
    given: Comparison, task: ResolvedTask, snapshot: Snapshot
) -> Change | Impassable | str | None:
    """Decide whether the router's filter lets the forwarded packets through; else give the change, or why unknown.

    A change is given only if the packets get through every chain once it is made.
    """
    router = given.drivers.router
    forward: PortForward = task.want
    if router is None or Kind.PASSAGE not in router.kinds or forward.address is None:
        return None
    state = snapshot.state(Kind.FILTER_RULE)
    if state is not KindState.PRESENT:
        reason = snapshot.reasons.get(Kind.FILTER_RULE, "its rules were not read")
        return f"whether the router's filter lets it through is unknown: {reason}"
    port = forward.port.single or given.view.plex_port
    packet = forwarded_packet(given.view, forward.address, port)
    rules = snapshot.of(Kind.FILTER_RULE)
    walked = walk(rules, packet)
    if walked.passes is Passes.YES:
        return None
    if walked.passes is Passes.UNKNOWN or walked.stopped_by is None:
        return "whether the router's filter lets it through is unknown: a rule there cannot be read"
    want = Passage(forward.address, port, walked.chain, walked.stopped_by.handle)
    ours = [e for e in snapshot.of(Kind.PASSAGE) if e.owner.key == task.key]
    if len(ours) > 1:
        return Impassable(f"{len(ours)} rules of the router's filter bear our tag “{task.key}”")
    change = _change(task, want, ours[0] if ours else None)
    left = walk(_with_passage(rules, change, walked.stopped_by, router), packet)
    return change if left.passes is Passes.YES else Impassable(_why(walked, left))


def _change(task: ResolvedTask, want: Passage, before: Entry | None) -> Change:
    compared = before is not None and before.values is not None
    return Change(
        role=Role.ROUTER,
        kind=Kind.PASSAGE,
        key=task.key,
        action=Action.CREATE if before is None else Action.UPDATE,
        before=before,
        want=want,
        fields=KINDS[Kind.PASSAGE].differs(want, before.values) if before is not None and compared else (),
        place=task.place,
        task="what is forwarded passes the router's filter",
    )


def _with_passage(
    rules: Sequence[Entry], change: Change, stopper: Entry, router: ProfiledDriver
) -> tuple[Entry, ...]:
    """Give the router's filter as it will be: our accept before what drops, or where it is if it cannot be moved."""
    want: Passage = change.want
    values = FilterRule(
        chain=want.chain,
        base=True,
        verdict=FilterVerdict.ACCEPT,
        protocol=Protocol.TCP,
        ports=Ports.of(want.port),
        destination=IPv4Network(want.address),
        translated=True,
    )
    accept = replace(stopper, values=values, handle="", owner=Owner(change.key))
    before = change.before
    here = stopper if before is None or _moves(router) else None
    after: list[Entry] = []
    for rule in rules:
        mine = before is not None and is_rule_of(rule, before)
        if rule is here or (here is None and mine):
            after.append(accept)
        if not mine:
            after.append(rule)
    return tuple(after)


def _moves(router: ProfiledDriver) -> bool:
    """Tell whether an update of our accept makes it anew at its place, or only rewrites it where it stands."""
    specs = router.profile.resources.get(Kind.PASSAGE, ())
    return any({"chain", "before"} & set(request.names) for spec in specs for request in spec.update)


def _why(first: Walk, left: Walk) -> str:
    if left.chain == first.chain:
        stopper = "" if left.stopped_by is None else left.stopped_by.label or left.stopped_by.handle
        return (
            f"our accept in “{first.chain}” of the router's filter stands behind a rule that drops ({stopper}): "
            "move it before that rule by hand"
        )
    if left.passes is Passes.NO:
        return (
            f"two chains of the router's own filter drop what is forwarded, “{first.chain}” and “{left.chain}”, and "
            "plexops opens one: let it through in one of them by hand"
        )
    return (
        f"“{first.chain}” of the router's own filter drops what is forwarded, and whether “{left.chain}” lets it "
        "through is unknown: a rule there cannot be read"
    )
