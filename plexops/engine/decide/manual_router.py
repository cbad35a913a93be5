"""What a person set on a router that plexops does not ask: judged by its effect, and by what you say."""

from __future__ import annotations

from plexops.engine.decide.findings import Comparison, finding_of, steps_by_hand, texts_of
from plexops.model.answers import Topic
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions
from plexops.runbook.answers import counting
from plexops.runbook.condition import Holds


def by_hand(given: Comparison, task: ResolvedTask) -> Finding:
    """Judge what a person set: by its effect, as Plex's verdict and the vantages show it, else as you say."""
    if task.kind is Kind.PORT_FORWARD and task.state is State.PRESENT:
        found = conditions.reachability(given.view, given.tasks.external_port)
        if found.holds is Holds.YES:
            have = f"set by hand; its effect is seen: {found.says}"
            return finding_of(task, FindingStatus.OK, have=have, exhibits=found.exhibits)
        word = counting(given.view, Topic.FORWARD)
        if word is not None and word.answer.port in (None, given.tasks.external_port):
            status = FindingStatus.OK if word.meaning.passes else FindingStatus.DRIFT
            steps = () if word.meaning.passes else steps_by_hand(given, task)
            return finding_of(task, status, have=word.says, exhibits=(word.answer.exhibit,), steps=steps)
    want = task.want
    if isinstance(want, Reservation) and task.state is State.PRESENT:
        addresses = given.view.of(Role.SERVER).facts.get("host.addresses")
        held = () if addresses is None else tuple(str(a) for a in texts_of(addresses.value))
        if str(want.address) in held:
            have = f"the server holds {want.address} now; whether it is reserved is not seen"
            return _as_done(given, task, have, (addresses.exhibit,) if addresses is not None else ())
        if held and _said(given):
            have = f"{_said(given)}; yet the server holds {', '.join(held)}"
            return finding_of(task, FindingStatus.DRIFT, have=have, steps=steps_by_hand(given, task))
    return _as_done(given, task, "this router is set by hand: plexops does not ask it")


def _as_done(given: Comparison, task: ResolvedTask, have: str, exhibits: tuple[str, ...] = ()) -> Finding:
    """Judge what no effect refutes: fine where the inventory says who did it and when, else for a person to do."""
    if not _said(given):
        return finding_of(task, FindingStatus.UNSUPPORTED, have=have, steps=steps_by_hand(given, task))
    if task.kind is Kind.PORT_FORWARD:
        found = conditions.reachability(given.view, given.tasks.external_port)
        status = FindingStatus.DRIFT if found.holds is Holds.NO else FindingStatus.UNKNOWN
        have = f"{_said(given)}; {found.says}"
        return finding_of(task, status, have=have, exhibits=found.exhibits, steps=steps_by_hand(given, task))
    return finding_of(task, FindingStatus.OK, have=f"{_said(given)}; {have}", exhibits=exhibits)


def _said(given: Comparison) -> str:
    """Give who set it and when, as the inventory says; empty where it does not."""
    router = given.tasks.site.router
    done = None if router is None else router.done
    return "" if done is None else f"set by {done.by} on {done.on}, the inventory says"
