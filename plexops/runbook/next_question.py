"""Which question comes next: in the table's order, and only what tells candidates apart that are left."""

from __future__ import annotations

from collections.abc import Collection

from plexops.model.answers import Topic
from plexops.model.snapshot import Role
from plexops.runbook.answers import DAY, Question, asks, door_address, questions
from plexops.runbook.causes.cause import StopName
from plexops.runbook.ipv6 import over_ipv6
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State, Stop
from plexops.runbook.verdict import Verdict
from plexops.runbook.view import looked_into

_REFRESH = "Let plex.tv try again, now: plexops diagnose --refresh."


def next_question(situation: Situation, verdict: Verdict, skipped: Collection[Topic] = ()) -> Question | None:
    """Give the question that may decide next; None where the verdict is decided, or no question would help.

    What was answered within a day, and counts, is not asked again, and `skipped` neither.
    """
    if verdict.decided or situation.view.access != "forward":
        return None
    counting = (one for one in situation.heard if one.contradicts or not one.why_not)
    answered = {one.answer.topic for one in counting if one.answer.age <= DAY}
    for topic, question in questions().items():
        if topic not in answered and topic not in skipped and _parts(question, situation, verdict):
            return question
    return None


def _parts(question: Question, situation: Situation, verdict: Verdict) -> bool:
    """Tell whether a question parts candidates that are left."""
    view, observed = situation.view, situation.observed
    if question.topic is Topic.PLEX_WEB:
        return situation.plex.text("plex.mapping_state") is None
    if question.topic is Topic.PHONE:
        door = situation.port is not None and door_address(view) is not None
        return door and not observed.attempts and _needs_an_attempt(situation, verdict)
    if question.topic is Topic.OTHER_NETWORK:
        return bool(observed.failed) and not observed.met and observed.plex_tv is not PlexTv.NO
    left = [stop for stop in _left(verdict) if stop.place in question.places]
    if question.topic is Topic.BOX_BEFORE:
        return any(one.cause.id == "double-nat" for stop in left for one in stop.suspects)
    if question.topic is Topic.FORWARD and situation.port is None:
        return False
    # A device that answers tells this itself.
    device = view.of(Role.ROUTER if question.topic in _OF_THE_ROUTER else Role.SERVER)
    return not looked_into(device) and any(stop.unread and stop.hidden for stop in left)


_OF_THE_ROUTER = (Topic.WAN_ADDRESS, Topic.FORWARD, Topic.ROUTER_FILTER)


def _needs_an_attempt(situation: Situation, verdict: Verdict) -> bool:
    """Whether an attempt from outside is what lacks: not where a cause shows that only follows from something unread."""
    shown = _shown(verdict)
    return shown is None or not situation.observed.fails or not any(one.cause.follows for one in shown.shown)


def _shown(verdict: Verdict) -> Stop | None:
    first = verdict.candidates[0].stop if verdict.candidates else None
    return first if first is not None and first.state is State.STOPS else None


def _left(verdict: Verdict) -> list[Stop]:
    """Give the stops that are left: where a cause shows, only those from which it may follow."""
    shown = _shown(verdict)
    if shown is None and verdict.id == "reachable":
        return []  # nothing fails: only an attempt says more
    if shown is None:
        return [one.stop for one in verdict.candidates if one.stop.place is not StopName.ISP_FILTER]
    follows = {name for one in shown.shown for name in one.cause.follows}
    return [one.stop for one in verdict.candidates if follows & {cause.id for cause in one.causes}]


def next_check(situation: Situation, verdict: Verdict) -> str:
    """Give what decides next of what is not decided: a question, or plex.tv's word of now; empty where neither would."""
    question = next_question(situation, verdict)
    if question is not None:
        return f"plexops diagnose --ask asks you what decides next: {asks(question, situation.view, situation.port)}"
    if verdict.id == "open-over-ipv6":
        return f"Try from a network that has IPv6: plexops probe '{over_ipv6(situation).at}' --out FILE"
    stale = situation.observed.claimed and situation.observed.plex_tv is not PlexTv.DATED_YES
    return _REFRESH if stale and not verdict.decided else ""
