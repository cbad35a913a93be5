"""Ask a person, one question after the other, until it is decided or no question would decide more."""

from __future__ import annotations

from datetime import UTC, datetime

from plexops.engine.look.user_evidence import Evidence, with_evidence
from plexops.engine.order import Person
from plexops.model.answers import Answer, Topic
from plexops.runbook.answers import Question, Unclear, asks, door_address, hear, read
from plexops.runbook.next_question import next_question
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from plexops.runbook.view import SiteView
from plexops.structs import replace

#: Longer is no answer.
_CHARACTERS = 500
#: So often one question is put, should its answers not be readable.
_TRIES = 3
_NAMES_PORT = (Topic.BOX_BEFORE, Topic.FORWARD, Topic.PHONE, Topic.OTHER_NETWORK)


def with_answers(view: SiteView, evidence: Evidence, port: int | None, person: Person) -> Evidence:
    """Give the evidence with what the person answered; nothing is asked that would decide nothing."""
    skipped: set[Topic] = set()
    while True:
        now = datetime.now(UTC)
        # What was said more than a day ago is asked anew, and stands where that is left out.
        current, _ = evidence.current(now)
        situation = Situation(with_evidence(view, current, now), port)
        question = next_question(situation, judge(situation), skipped)
        if question is None:
            return evidence
        skipped.add(question.topic)
        given = _answered(situation, question, person)
        if given is None:
            continue
        kept = tuple(one for one in evidence.user_answers if one.topic is not given.topic)
        evidence = replace(evidence, user_answers=(*kept, given), answers_site=view.name)
        person.keep(view.name, evidence.user_answers)


def _answered(situation: Situation, question: Question, person: Person) -> Answer | None:
    view, port, complaint = situation.view, situation.port, ""
    words = asks(question, view, port)
    for _ in range(_TRIES):
        text = "".join(c for c in person.answer(words, complaint) if c.isprintable()).strip()[:_CHARACTERS]
        if not text:
            return None
        given = Answer(
            topic=question.topic,
            text=text,
            at=datetime.now(UTC).replace(microsecond=0),
            port=port if question.topic in _NAMES_PORT else None,
            address=door_address(view) if question.topic is Topic.PHONE else None,
        )
        complaint = _complaint(view, given, port)
        if not complaint:
            return given
    return None


def _complaint(view: SiteView, given: Answer, port: int | None) -> str:
    """Say why an answer is none. One that contradicts what was read is one: both are said."""
    try:
        read(given.topic, given.text)
    except Unclear as unclear:
        return str(unclear)
    (heard,) = hear(replace(view, user_answers=(given,)), port)
    return heard.why_not if given.topic is Topic.WAN_ADDRESS and not heard.contradicts else ""
