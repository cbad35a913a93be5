"""Homes whose router answers no program, and the person in each, who answers truly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import product

from msgspec import Struct, field

from plexops.model.answers import Answer, Topic
from plexops.model.entries import ProbeAnswer
from plexops.runbook.answers import Question, door_address
from plexops.runbook.next_question import next_question
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import Outcome, Verdict, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import WAN
from tests.runbook.homes import filtered, manual_box, tried, unprobed
from tests.unit.runbook.sound_case import IDENTIFIER, SERVER, with_facts

AT = datetime(2026, 11, 22, 20, 14, tzinfo=UTC)
PORT = 32500
#: What a person answers where nothing is wrong there.
FINE: Mapping[Topic, str] = {
    Topic.WAN_ADDRESS: WAN,
    Topic.BOX_BEFORE: "no",
    Topic.FORWARD: "TCP 32500 to 192.168.1.50:32400",
    Topic.PHONE: "nothing",
    Topic.ROUTER_FILTER: "no",
    Topic.SERVER_FIREWALL: "off",
    Topic.VPN: "no",
}


def answer(topic: Topic, text: str, *, age: float = 60.0, port: int | None = PORT) -> Answer:
    return Answer(topic, text, AT, port, None, age)


def told(view: SiteView, *answers: Answer) -> SiteView:
    return replace(view, user_answers=answers)


class Boxed(Struct, frozen=True):
    """One home: what it comes to, and what a person there answers besides `FINE`."""

    name: str
    cause: str
    outcome: Outcome
    says: Mapping[Topic, str]
    change: Callable[[SiteView], SiteView] = filtered
    vantage: ProbeAnswer = ProbeAnswer.TIMED_OUT
    also: tuple[str, ...] = field(default=())

    def view(self, *, login: bool, vantage: bool) -> SiteView:
        """What can be looked at there."""
        view = manual_box(self.change, login=login)
        return unprobed(view, tried(self.vantage)) if vantage else view

    def answers(self, question: Question, view: SiteView) -> Answer:
        """What the person answers."""
        text = {**FINE, **self.says}[question.topic]
        return Answer(question.topic, text, AT, PORT, door_address(view), 5.0)


def behind_a_box(view: SiteView) -> SiteView:
    return with_facts(filtered(view), SERVER, host__hops=("192.168.178.1", "198.51.100.1"))


def works(view: SiteView) -> SiteView:
    return view


def works_behind_a_box(view: SiteView) -> SiteView:
    return with_facts(view, SERVER, host__hops=("192.168.178.1", "198.51.100.1"))


WAN_ADDRESS, BOX, FORWARD, FILTER = Topic.WAN_ADDRESS, Topic.BOX_BEFORE, Topic.FORWARD, Topic.ROUTER_FILTER
PAGE = {Topic.PHONE: f'machineIdentifier="{IDENTIFIER}"'}
PRIVATE = {WAN_ADDRESS: "192.168.178.20"}
FAILS, STOP, IN_ORDER, OPEN = Outcome.FAILS, Outcome.STOP, Outcome.IN_ORDER, ProbeAnswer.OPEN
BOXES = (
    Boxed("carrier NAT", "carrier-nat", STOP, {WAN_ADDRESS: "100.72.13.5"}),
    Boxed("DS-Lite", "ds-lite", STOP, {WAN_ADDRESS: "none"}),
    Boxed("double NAT that passes on", "in-order", IN_ORDER, {**PRIVATE, **PAGE, BOX: "yes"}, works_behind_a_box, OPEN),
    Boxed("double NAT that passes on to no forward",
          "no-forward", FAILS, {**PRIVATE, BOX: "yes", FORWARD: "none"}, behind_a_box),
    Boxed("double NAT that does not", "double-nat", STOP, {**PRIVATE, BOX: "no"}, behind_a_box),
    Boxed("no forward", "no-forward", FAILS, {FORWARD: "no"}),
    Boxed("forward off", "forward-disabled", FAILS, {FORWARD: "off"}),
    Boxed("UDP", "forward-udp-only", FAILS, {FORWARD: "UDP, 192.168.1.50:32400"}),
    Boxed("to an old address", "forward-old-address", FAILS, {FORWARD: "tcp 192.168.1.83:32400"}),
    Boxed("to a wrong port", "forward-wrong-port", FAILS, {FORWARD: "TCP/UDP to 192.168.1.50 port 32500"}),
    Boxed("the box filters", "router-other-filter", FAILS, {FILTER: "yes"}),
    Boxed("all fine", "in-order", IN_ORDER, PAGE, works, OPEN),
)  # fmt: skip
RUNS = tuple(product(BOXES, (True, False), (True, False)))


def asked(home: Boxed, *, login: bool, vantage: bool) -> tuple[Verdict, list[Topic]]:
    """Ask until it is decided, or no question is left."""
    view = home.view(login=login, vantage=vantage)
    topics: list[Topic] = []
    while True:
        situation = Situation(view, PORT)
        verdict = judge(situation)
        question = next_question(situation, verdict)
        if question is None:
            return verdict, topics
        topics.append(question.topic)
        view = told(view, *view.user_answers, home.answers(question, view))
