"""Whether a viewer's connection meets a forward, and the passage: what was forwarded also passes the router's filter."""

from __future__ import annotations

from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.decide.findings import Comparison, finding_of
from plexops.engine.decide.findings import says as entry_says
from plexops.model.change import Action, Change
from plexops.model.errors import WhyNot
from plexops.model.finding import Finding, FindingStatus
from plexops.model.packets import Box
from plexops.model.resources import KINDS, Passage, PortForward
from plexops.model.site import ResolvedTask
from plexops.model.snapshot import FOREIGN, Entry, Kind, Role, Snapshot
from plexops.packets.projection import with_accept, without
from plexops.packets.reach import AnswerKind
from plexops.packets.why import Reason, Why
from plexops.runbook.way_in import WayIn, entry_of, is_rule_of, says, through_router, translation


def works_by(given: Comparison, task: ResolvedTask, entries: tuple[Entry, ...]) -> Entry | None:
    """Give the entry by which everybody gets where the task wants, if it says just that; else None.

    What packets meet decides: another entry that names the port and never takes a viewer's connection is no conflict.
    """
    way = _way(given, task.want)
    if way is None or not way.open:
        return None
    rule = translation(way)
    entry = entry_of(rule, entries)
    if entry is not None:
        equal = entry.values is not None and not KINDS[task.kind].differs(task.want, entry.values)
        return entry if equal else None
    if rule is None:
        return None
    # A rule that no write of plexops could touch, in a form of its own.
    return Entry(task.kind, None, {}, FOREIGN, rule.handle, rule.exhibit, label=rule.name or rule.words)


def not_met(given: Comparison, task: ResolvedTask, entry: Entry) -> Finding | None:
    """The entry says what is wanted: give the finding where packets do not meet it, or do not get through."""
    way = _way(given, task.want)
    if way is None or way.open:
        return None
    status, why = FindingStatus.CONFLICT, ""
    if way.answer.kind is AnswerKind.UNKNOWN:
        questions = way.answer.questions or ("a rule there is not known well enough",)
        status, why = (
            FindingStatus.UNKNOWN,
            f"whether a viewer's connection gets there is not known: {questions[0]}",
        )
    why = why or f"it does not work: {says(way.reasons[0])}"
    return finding_of(task, status, have=entry_says(entry), why=why, exhibits=(entry.exhibit,))


class Impassable(WhyNot, frozen=True):
    """Why the one accept that plexops would make lets nothing through: the forward cannot work, so none is planned."""


def passage_for(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> Change | WhyNot | None:
    """Decide whether the router's filter lets the forwarded packets through; else give the change, or why unknown.

    A change is given only if the packets get through every chain once it is made.
    """
    router, box = given.drivers.router, snapshot.box
    forward = task.want
    if (
        not isinstance(forward, PortForward)
        or router is None
        or Kind.PASSAGE not in router.kinds
        or box is None
    ):
        return None
    way = _way(given, forward, box)
    if way is None or way.open:
        return None
    stopped = _stopped_by_filter(way)
    if way.answer.kind is AnswerKind.UNKNOWN and way.answer.questions:
        return WhyNot(f"whether the router's filter lets it through is unknown: {way.answer.questions[0]}")
    if stopped is None or stopped.base is None:
        return None
    port = forward.port.single or given.view.plex_port
    if forward.address is None:
        return None
    if stopped.base.id.startswith("legacy "):
        return Impassable(
            f"“{stopped.base.id}” of iptables-legacy drops what is forwarded: let it through there by hand"
        )
    before = stopped.at.handle if stopped.at is not None else ""
    want = Passage(forward.address, port, stopped.base.id, before)
    ours = [e for e in snapshot.of(Kind.PASSAGE) if e.owner.key == task.key]
    if len(ours) > 1:
        return Impassable(f"{len(ours)} rules of the router's filter bear our tag “{task.key}”")
    change = _change(task, want, ours[0] if ours else None)
    left = _way(given, forward, _with_passage(box, change, want, router))
    if left is None or left.open:
        return change
    return Impassable(_why(stopped, left))


def _way(given: Comparison, forward: object, box: Box | None = None) -> WayIn | None:
    if not isinstance(forward, PortForward):
        return None
    external, port = forward.external_port.single, forward.port.single or given.view.plex_port
    if external is None or forward.address is None:
        return None
    return through_router(given.view, external, (forward.address,), port, box)


def _stopped_by_filter(way: WayIn) -> Reason | None:
    """Give what stops the packets after they were translated, on their way in."""
    return next((r for r in way.reasons if r.why is Why.STOPPED and r.leg == "way in"), None)


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


def _with_passage(box: Box, change: Change, want: Passage, router: ProfiledDriver) -> Box:
    """Give the router's filter as it will be: our accept before what drops, or where it is if it cannot be moved."""
    before = change.before
    stays = before is not None and not _moves(router)
    if before is not None and not stays:
        box = without(box, lambda rule: is_rule_of(rule, before))
    return with_accept(
        box,
        want.chain,
        want.before,
        int(want.address),
        want.port,
        change.key,
        instead_of=(lambda rule: is_rule_of(rule, before)) if stays and before is not None else None,
    )


def _moves(router: ProfiledDriver) -> bool:
    """Tell whether an update of our accept makes it anew at its place, or only rewrites it where it stands."""
    specs = router.profile.resources.get(Kind.PASSAGE, ())
    return any(one.spec.write is not None and one.spec.write.anew for one in specs)


def _why(first: Reason, left: WayIn) -> str:
    chain = "" if first.base is None else first.base.id
    second = _stopped_by_filter(left)
    if left.answer.kind is AnswerKind.UNKNOWN and second is not None and second.base is not None:
        return (
            f"“{chain}” of the router's own filter drops what is forwarded, and whether “{second.base.id}” lets it "
            "through is unknown: a rule there cannot be read"
        )
    if second is None or second.base is None:
        question = str(left.answer.questions[0]) if left.answer.questions else says(left.reasons[0])
        return f"“{chain}” of the router's own filter drops what is forwarded, and behind it is unknown: {question}"
    if second.base.id == chain:
        stopper = second.at.name or second.at.words if second.at is not None else second.words
        return (
            f"our accept in “{chain}” of the router's filter stands behind a rule that drops ({stopper}): "
            "move it before that rule by hand"
        )
    return (
        f"two chains of the router's own filter drop what is forwarded, “{chain}” and “{second.base.id}”, and "
        "plexops opens one: let it through in one of them by hand"
    )
