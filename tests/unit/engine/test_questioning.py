"""Asking a person: again where an answer is none, until it is decided, and never for what decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from plexops.engine.look.site_state import SiteState
from plexops.engine.look.user_evidence import Evidence, with_evidence, with_user_answers
from plexops.engine.questioning import with_answers
from plexops.model.answers import Answer, Topic
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import WAN
from tests.runbook.homes import filtered, healthy, manual_box
from tests.unit.runbook.sound_case import IDENTIFIER

BOX = manual_box(filtered)
RIGHT = "tcp 192.168.1.50:32400"


@dataclass(slots=True)
class Scripted:
    """A person who answers line by line."""

    lines: list[str]
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    kept: Sequence[Answer] = ()

    def answer(self, question: str, complaint: str) -> str:
        self.complaints += [complaint] if complaint else []
        self.asked += [] if complaint else [question]
        return self.lines.pop(0)

    def keep(self, site: str, answers: Sequence[Answer]) -> None:
        assert site == "home"
        self.kept = answers


def asking(view: SiteView, *lines: str, evidence: Evidence | None = None) -> tuple[Scripted, Evidence]:
    person = Scripted(list(lines))
    found = with_answers(view, evidence or Evidence(), 32500, person)
    assert person.lines == [], "a line that was not asked for"
    return person, found


def test_it_stops_when_it_is_decided() -> None:
    person, evidence = asking(BOX, WAN, "off")
    assert person.asked[0].startswith("Which internet (WAN, IPv4) address does your router's own page show?")
    assert person.asked[1].startswith("Does the router's list of port forwards have port 32500?")
    assert evidence.user_answers == tuple(person.kept)
    assert [(one.topic, one.port) for one in evidence.user_answers] == [
        (Topic.WAN_ADDRESS, None),
        (Topic.FORWARD, 32500),
    ]
    view = with_evidence(BOX, evidence, datetime.now(UTC))
    assert judge(Situation(view, 32500)).id == "forward-disabled"


def test_an_answer_that_is_none_is_asked_for_again() -> None:
    person, evidence = asking(BOX, "192.168.1.1", "what?", "100.72.13.5")
    assert len(person.asked) == 1
    assert person.complaints[0].startswith("192.168.1.1 is an address at home")
    assert "one IPv4 address is wanted" in person.complaints[1]
    assert [one.text for one in evidence.user_answers] == ["100.72.13.5"]


def test_enter_leaves_a_question_out_and_three_tries_are_enough() -> None:
    person, evidence = asking(BOX, "", "x", "y", "z", "nothing", "no")
    assert [question.split()[0] for question in person.asked] == ["Which", "Does", "On", "Has"]
    assert [one.topic for one in evidence.user_answers] == [Topic.PHONE, Topic.ROUTER_FILTER]


def test_what_contradicts_what_was_read_is_kept_and_not_asked_again() -> None:
    person, evidence = asking(BOX, "10.0.0.2", "off")
    assert person.complaints == []
    assert evidence.user_answers[0].text == "10.0.0.2"


def test_a_decided_home_asks_nothing() -> None:
    person, evidence = asking(healthy())
    assert (person.asked, evidence.user_answers) == ([], ())


def test_a_phone_is_asked_about_the_address_that_the_world_sees() -> None:
    fine = manual_box(lambda view: view)
    person, evidence = asking(fine, f"\u200b{IDENTIFIER}\t")
    assert f"http://{WAN}:32500/identity" in person.asked[0]
    assert (str(evidence.user_answers[0].address), evidence.user_answers[0].text) == (WAN, IDENTIFIER)


def test_an_answer_of_yesterday_is_asked_for_again_in_a_diagnosis() -> None:
    old = Answer(Topic.WAN_ADDRESS, WAN, datetime.now(UTC) - timedelta(days=2))
    person, evidence = asking(BOX, "100.72.13.5", evidence=Evidence(user_answers=(old,), answers_site="home"))
    assert [one.text for one in evidence.user_answers] == ["100.72.13.5"]
    assert len(person.asked) == 1


def test_an_audit_takes_no_answer_of_yesterday_and_says_so() -> None:
    now = datetime.now(UTC)
    told = (
        Answer(Topic.WAN_ADDRESS, WAN, now - timedelta(hours=25)),
        Answer(Topic.FORWARD, RIGHT, now - timedelta(hours=23), 32500),
        Answer(Topic.BOX_BEFORE, "yes", now, 32600),
    )
    seen, said = with_user_answers(SiteState(BOX), Evidence(user_answers=told, answers_site="home"), 32500)
    assert [one.topic for one in seen.view.user_answers] == [Topic.FORWARD, Topic.BOX_BEFORE]
    assert "the router's WAN address" in said[0]
    assert said[0].endswith("more than a day old, not counted")
    assert (
        said[1]
        == "your answer on the box before the router: it is about port 32600, and viewers come by 32500"
    )
    shown = {exhibit.id: exhibit for exhibit in seen.exhibits}
    assert set(shown) == {"told.forward", "told.box-before"}
    forward = shown["told.forward"]
    assert (forward.device, forward.text) == ("you", f"the list of forwards: {RIGHT}")
    assert forward.source.startswith("answered by you, ")


def test_answers_are_about_one_site() -> None:
    evidence = Evidence(user_answers=(Answer(Topic.VPN, "no", datetime.now(UTC)),), answers_site="home")
    assert evidence.about("home").user_answers
    assert not evidence.about("cabin").user_answers
    assert replace(evidence, answers_site="").about("cabin").user_answers
