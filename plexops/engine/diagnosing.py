"""Carry out a diagnosis: ask every layer at once, judge what was seen, and say which layer fails and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from plexops.drivers.plex.account import NO_ACCESS
from plexops.engine.decide.advice import advised
from plexops.engine.decide.findings import lines_by_hand
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.engine.look.user_evidence import Evidence, current, not_counting, with_evidence
from plexops.engine.tell.reporting import STOPS, about
from plexops.engine.tell.site_reports import NO_VANTAGE, asked, plex_web
from plexops.model.run import (
    CandidateReport,
    LayerMark,
    Mark,
    OtherFinding,
    PathLayer,
    SiteReport,
    VerdictReport,
    WayStop,
)
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus, worst
from plexops.runbook.answers import by_word
from plexops.runbook.causes.cause import Layer, StopName, Weight
from plexops.runbook.condition import Holds
from plexops.runbook.log.words import told_by_log
from plexops.runbook.next_question import next_check
from plexops.runbook.situation import Situation
from plexops.runbook.stops import Stop
from plexops.runbook.verdict import Found, Outcome, Verdict, judge
from plexops.runbook.view import looked_into
from plexops.structs import replace

_LAYERS: dict[Layer, PathLayer] = {
    Layer.CLIENT: "internet",
    Layer.PROXY: "internet",
    Layer.ISP: "isp",
    Layer.UPSTREAM: "isp",
    Layer.ROUTER: "router",
    Layer.SERVER: "server",
    Layer.PLEX: "plex",
    Layer.ACCOUNT: "plex",
}
#: How steps by hand end: with what verifies their effect.
_CHECK = "Then look again, and let plex.tv try the port: plexops diagnose --refresh."
_WORDS: dict[Mark, str] = {"stop": "STOP", "unknown": "unknown"}
_EXIT: dict[Outcome, ExitStatus] = {
    Outcome.IN_ORDER: ExitStatus.IN_ORDER,
    Outcome.FAILS: ExitStatus.FINDINGS,
    Outcome.STOP: ExitStatus.SAFE_STOP,
    Outcome.UNKNOWN: ExitStatus.INCOMPLETE,
}


def diagnosis(
    home: Home, state: SiteState, port: int | None, evidence: Evidence, not_asked: Sequence[str]
) -> SiteReport:
    """Give a site's part of the report."""
    now = datetime.now(UTC)
    counting, aside = current(state.view, evidence, now)
    situation = Situation(with_evidence(state.view, counting, now), port)
    verdict = judge(situation)
    shown = _report(verdict, _contradictions(situation, verdict))
    status = _status(verdict, unreachable=bool(state.problems))
    stop = f"{_stopping(verdict)}. Document this before paying for hardware." if verdict.stop else None
    return SiteReport(
        name=home.view.name,
        access=home.view.access,
        outcome=verdict.found.cause.title,
        exit_status=status,
        safe_stop=stop,
        verdict=replace(shown, missing=(*shown.missing, *aside)),
        hops=_hops(situation, verdict),
        ways=tuple(_way_stop(stop) for stop in verdict.stops),
        plex_web=plex_web(situation),
        log=told_by_log(situation.story),
        exhibits=(*state.exhibits, *evidence.exhibits()),
        not_asked=(*_not_asked(state, counting, not_asked), *_not_counting(situation)),
        asked=asked(home, state),
        next_steps=advised(_steps(home, situation, verdict), verdict.leading, home, state),
        errors=state.problems,
    )


def _stopping(verdict: Verdict) -> str:
    return verdict.says if verdict.decided else verdict.candidates[0].stop.says


def _contradictions(situation: Situation, verdict: Verdict) -> tuple[str, ...]:
    """Give what you say that contradicts what was read: both are said."""
    doubted = (not_counting(one) for one in situation.heard if one.contradicts)
    differing = (one for one in verdict.stops if one.against)
    return (*doubted, *(f"{one.place.label}: {one.says}; yet {one.against}" for one in differing))


def _not_counting(situation: Situation) -> list[str]:
    return [not_counting(one) for one in situation.heard if one.why_not and not one.contradicts]


def _steps(home: Home, situation: Situation, verdict: Verdict) -> tuple[str, ...]:
    """Give what to do: for what is not decided, what may bring the next evidence; the likeliest cause's own steps after."""
    decides, steps = next_check(situation, verdict), verdict.found.cause.action
    if decides and decides not in steps:
        steps = (decides, *steps)
    if verdict.decided and verdict.outcome is Outcome.FAILS and by_word(verdict.found.sign.exhibits):
        return (*_by_hand(home, situation, verdict), _CHECK)
    return (*steps, *verdict.leading.action) if verdict.stop and not verdict.decided else steps


def _by_hand(home: Home, situation: Situation, verdict: Verdict) -> tuple[str, ...]:
    """Give the steps for what rests on your word: plexops does not reach that device, so they are yours."""
    found = verdict.found
    heard = next((one for one in situation.heard if one.answer.exhibit in found.sign.exhibits), None)
    if heard is not None and heard.do:
        return (heard.do,)
    view = situation.view
    fields = {"external_port": situation.port, "address": view.plex_address, "port": view.plex_port}
    lines = lines_by_hand(home.tasks.site, home.profile, view, Kind.PORT_FORWARD, fields)
    return lines if found.cause.place is StopName.ROUTER_FORWARD and lines else found.cause.action


def _way_stop(stop: Stop) -> WayStop:
    return WayStop(
        str(stop.place.way), str(stop.place), stop.place.label, str(stop.state), stop.says, stop.exhibits
    )


def _not_asked(state: SiteState, evidence: Evidence, names: Sequence[str]) -> tuple[str, ...]:
    kept = [name for name in names if name != NO_VANTAGE or not evidence.probes]
    no_access = state.view.of(Role.OUTSIDE).reasons.get(NO_ACCESS)
    return (*kept, *([] if no_access is None else [f"plex.tv's list of the account's servers: {no_access}"]))


def _status(verdict: Verdict, *, unreachable: bool) -> ExitStatus:
    found = _EXIT[verdict.outcome]
    incomplete = unreachable and verdict.outcome is not Outcome.STOP
    return worst([found, ExitStatus.INCOMPLETE]) if incomplete else found


def _report(verdict: Verdict, contradictions: Sequence[str]) -> VerdictReport:
    cause, sign = verdict.found.cause, verdict.found.sign
    return VerdictReport(
        layer=str(cause.layer),
        cause=cause.title,
        because=(sign.says, *contradictions),
        exhibits=sign.exhibits,
        overturned_by=(cause.overturned_by,),
        id=cause.id,
        rows=cause.rows,
        confidence=str(verdict.confidence),
        also=tuple(OtherFinding(one.cause.id, str(one.cause.layer), one.sign.says) for one in verdict.also),
        missing=verdict.missing,
        mark=_mark(verdict.found),
        candidates=tuple(
            CandidateReport(
                str(one.stop.place),
                one.stop.place.label,
                str(one.stop.state),
                one.stop.says,
                tuple(cause.id for cause in one.causes),
            )
            for one in verdict.candidates
        ),
        ignored=verdict.ignored,
        before=tuple(stop.place.label for stop in verdict.before),
    )


def _mark(found: Found) -> Mark:
    if found.cause.stop:
        return "stop"
    marks: dict[Weight, Mark] = {Weight.NOTE: "ok", Weight.HEADLINE: "unknown"}
    return marks.get(found.cause.weight, "drift")


def _hops(situation: Situation, verdict: Verdict) -> tuple[LayerMark, ...]:
    """Draw the path: at each stop the worst that was seen there."""
    causes = [verdict.found, *verdict.also]
    path = []
    for stop, (label, role) in STOPS.items():
        here = [found for found in causes if _LAYERS[found.cause.layer] == stop]
        blamed = next((found for found in here if _mark(found) != "ok"), None)
        mark, word = _of_stop(situation, stop, role)
        if blamed is not None:
            mark = _mark(blamed)
            word = _WORDS.get(mark, "HERE" if verdict.found is blamed else "also")
        path.append(LayerMark(stop, label, mark, word, _detail(situation, stop, role)))
    return tuple(path)


def _detail(situation: Situation, stop: PathLayer, role: Role | None) -> str:
    if stop == "isp":
        box = situation.before_the_router
        return "; ".join(text for text in (situation.wan.says, box and f"before the router: {box}") if text)
    return "" if role is None else about(situation.view.of(role), role)


def _of_stop(situation: Situation, stop: PathLayer, role: Role | None) -> tuple[Mark, str]:
    """Mark a stop at which nothing was found: ok only where it answered."""
    if stop == "internet":
        return "not-asked", ""
    if stop == "isp":
        wan = situation.wan.holds
        return ("ok", "ok") if wan is Holds.YES else ("unknown", "unproven")
    answered = role is not None and role in situation.view.snapshots and role in situation.view.asked
    if answered and looked_into(situation.view.of(role)):  # type: ignore[arg-type]
        return "ok", "ok"
    asked = role in situation.view.asked
    return ("unknown", "unknown") if asked else ("not-asked", "not asked")
