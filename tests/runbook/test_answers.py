"""What a person tells: every question and answer, homes whose router answers nobody, and answers that are not true."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.model.answers import Answer, Topic
from plexops.model.entries import ProbeAnswer
from plexops.model.snapshot import Kind
from plexops.runbook.answers import DAY, Unclear, attempts, hear, questions, read
from plexops.runbook.attempts import Came
from plexops.runbook.causes.cause import StopName
from plexops.runbook.causes.table import BY_ID
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.conditions import reachability, wan
from plexops.runbook.next_question import next_check, next_question
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State, Stop, walk
from plexops.runbook.verdict import Confidence, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import WAN
from tests.runbook.homes import (
    FAILED,
    HOMES,
    filtered,
    healthy,
    manual_box,
    not_asked,
    two_nats_by_log,
    unprobed,
)
from tests.runbook.told_homes import BOXES, PORT, RUNS, Boxed, answer, asked, told, works
from tests.unit.runbook.sound_case import IDENTIFIER, OUTSIDE, PLEX_ROLE, ROUTER, SERVER, with_facts, without

BOX = manual_box(filtered)
ALONE = manual_box(filtered, login=False)
UNREAD = not_asked(BOX, PLEX_ROLE)


def stop_of(view: SiteView, place: StopName) -> Stop:
    return next(stop for stop in walk(Situation(view, PORT)) if stop.place is place)


# --- the table --------------------------------------------------------------------------------------


def test_the_table_of_questions_names_what_there_is() -> None:
    assert list(questions()) == list(Topic)
    for question in questions().values():
        assert {StopName(place) for place in question.places}
        for name, meaning in question.kinds.items():
            assert isinstance(name, str), "yes, no and off are truth values without quotes"
            assert {StopName(place) for place in meaning.passes} or not meaning.passes
            causes = {name for name in (meaning.shows, meaning.suspects, meaning.settles) if name}
            assert causes <= set(BY_ID)
            assert all(BY_ID[cause].place in {*question.places, StopName.UPSTREAM} for cause in causes)
            assert not {"somebody", "nobody", "told"} & set(meaning.says.split())


# --- every question, each answer ---------------------------------------------------------------------

WAN_ANSWERS = (
    ("100.72.13.5", Holds.NO, WanCause.CARRIER_NAT),
    ("IPv4: 100.72.13.5", Holds.NO, WanCause.CARRIER_NAT),
    ("192.0.0.2", Holds.NO, WanCause.TRANSITION),
    ("DS-Lite", Holds.NO, WanCause.TRANSITION),
    ("none", Holds.NO, WanCause.TRANSITION),
    ("10.20.30.40", Holds.NO, WanCause.SECOND_NAT),
    (f"{WAN}/24", Holds.YES, WanCause.NONE),
    ("198.51.100.9", Holds.NO, WanCause.DIFFERS),
)


@pytest.mark.parametrize(("text", "holds", "cause"), WAN_ANSWERS, ids=[row[0] for row in WAN_ANSWERS])
def test_a_wan_address_is_read_by_its_range(text: str, holds: Holds, cause: WanCause) -> None:
    # Without a hop of the server: a public one there would contradict a private address.
    view = told(with_facts(BOX, SERVER, host__hops=None), answer(Topic.WAN_ADDRESS, text))
    found = wan(view)
    assert (found.holds, found.cause) == (holds, cause)
    assert found.exhibits[0] == "told.wan-address"
    assert "if the router's page shows" in found.says or holds is Holds.YES
    passes = {stop.place for stop in walk(Situation(view, PORT)) if stop.state is State.PASSES}
    behind = {StopName.ISP_ADDRESS, StopName.UPSTREAM, StopName.ROUTER_WAY_OUT}
    assert (behind <= passes) is (holds is Holds.YES)


def test_without_an_internet_nobody_says_where_the_home_is() -> None:
    silent = without(BOX, Kind.ECHO, OUTSIDE)
    assert wan(told(silent, answer(Topic.WAN_ADDRESS, "down"))).cause is WanCause.DOWN
    assert wan(told(silent, answer(Topic.WAN_ADDRESS, "none"))).holds is Holds.UNKNOWN


FILLED = (
    (Topic.FORWARD, "none", StopName.ROUTER_FORWARD, State.STOPS, "no-forward"),
    (Topic.FORWARD, "No.", StopName.ROUTER_FORWARD, State.STOPS, "no-forward"),
    (Topic.FORWARD, "off", StopName.ROUTER_FORWARD, State.STOPS, "forward-disabled"),
    (Topic.FORWARD, "disabled, tcp to 192.168.1.50:32400", StopName.ROUTER_FORWARD, State.STOPS, "forward-disabled"),
    (Topic.FORWARD, "UDP 192.168.1.50:32400", StopName.ROUTER_FORWARD, State.STOPS, "forward-udp-only"),
    (Topic.FORWARD, "TCP 192.168.1.83:32400", StopName.ROUTER_FORWARD, State.STOPS, "forward-old-address"),
    (Topic.FORWARD, "tcp+udp 192.168.1.50:32500", StopName.ROUTER_FORWARD, State.STOPS, "forward-wrong-port"),
    (Topic.FORWARD, "TCP 32500 → 192.168.1.50 : 32400", StopName.ROUTER_FORWARD, State.PASSES, ""),
    (Topic.ROUTER_FILTER, "yes", StopName.ROUTER_FILTER, State.SUSPECT, "router-other-filter"),
    (Topic.ROUTER_FILTER, "off", StopName.ROUTER_FILTER, State.PASSES, ""),
    (Topic.SERVER_FIREWALL, "no rule", StopName.SERVER_FILTER, State.SUSPECT, "host-firewall-blocks"),
    (Topic.SERVER_FIREWALL, "rule", StopName.SERVER_FILTER, State.PASSES, ""),
    (Topic.SERVER_FIREWALL, "off", StopName.SERVER_FILTER, State.PASSES, ""),
    (Topic.VPN, "computer", StopName.SERVER_WAY_OUT, State.SUSPECT, "vpn-egress"),
    (Topic.VPN, "container", StopName.SERVER_WAY_OUT, State.SUSPECT, "container-in-vpn"),
    (Topic.VPN, "no", StopName.SERVER_WAY_OUT, State.PASSES, ""),
)  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "text", "place", "state", "cause"), FILLED, ids=[f"{r[0]} {r[1]}" for r in FILLED]
)
def test_an_answer_fills_in_what_was_not_read(
    topic: Topic, text: str, place: StopName, state: State, cause: str
) -> None:
    assert stop_of(ALONE, place).state is State.NOT_ASKED
    stop = stop_of(told(ALONE, answer(topic, text)), place)
    assert (stop.state, stop.exhibits) == (state, (f"told.{topic}",))
    found = [one.cause.id for one in (*stop.shown, *stop.suspects)]
    assert found == ([cause] if cause else [])
    assert stop.says.startswith("if ")


@pytest.mark.parametrize(("text", "state"), [("yes", State.PASSES), ("no", State.STOPS)])
def test_the_box_before_the_router_decides_about_a_second_nat(text: str, state: State) -> None:
    logged = manual_box(two_nats_by_log)
    assert stop_of(logged, StopName.UPSTREAM).state is State.SUSPECT
    assert stop_of(told(logged, answer(Topic.BOX_BEFORE, text)), StopName.UPSTREAM).state is state
    seen = with_facts(healthy(), ROUTER, wan__address="192.168.178.20")
    assert wan(told(seen, answer(Topic.BOX_BEFORE, text))).holds is Holds.YES, "who got in beats what you say"
    private = unprobed(seen)
    private = told(with_facts(private, SERVER, host__hops=None), answer(Topic.BOX_BEFORE, text))
    assert stop_of(private, StopName.UPSTREAM).state is (state if text == "no" else State.PASSES)
    assert wan(private).holds is (Holds.NO if text == "no" else Holds.UNKNOWN)
    assert ("told.box-before" in wan(private).exhibits) is (text != "no"), "what is shown is what decided"
    claimed = replace(private, upstream_passes_on=True)
    assert wan(claimed).holds is wan(private).holds, "what you say now beats what the inventory says"


PHONE = (
    ("refused", Came.REFUSED),
    ("Nothing", Came.SILENCE),
    ("another page", Came.ANOTHER),
    (IDENTIFIER, Came.MET),
    (IDENTIFIER[:8].upper(), Came.MET),
    (f'<MediaContainer machineIdentifier="{IDENTIFIER}" version="1.41"/>', Came.MET),
    ("fedcba9876543210", Came.ANOTHER),
)


@pytest.mark.parametrize(("text", "came"), PHONE, ids=[row[0][:20] for row in PHONE])
def test_a_phone_is_a_vantage_of_now(text: str, came: Came) -> None:
    (attempt,) = Situation(told(BOX, answer(Topic.PHONE, text)), PORT).observed.attempts
    assert (attempt.who, attempt.came, attempt.exhibit) == ("your phone", came, "told.phone")


def test_a_phone_says_nothing_of_another_port_an_hour_ago_or_of_a_plex_that_was_not_asked() -> None:
    page = answer(Topic.PHONE, IDENTIFIER)
    for view in (
        told(BOX, replace(page, port=32600)),
        told(BOX, replace(page, age=4000.0)),
        told(UNREAD, page),
        told(BOX, replace(page, address=IPv4Address("198.51.100.9"))),
    ):
        assert Situation(view, PORT).observed.attempts == (), view.user_answers
    assert reachability(told(UNREAD, page), PORT).holds is Holds.UNKNOWN


CONFIGURE = "configure your router or firewall to allow Plex to contact your server"
WORDS = (
    ("Fully accessible outside your network", PlexTv.YES, ""),
    ("  fully accessible\n outside   your network. ", PlexTv.YES, ""),
    ("你的网络之外的完全访问", PlexTv.YES, ""),
    ("Not available outside your network", PlexTv.NO, ""),
    ("在您的网络外部不可用", PlexTv.NO, ""),
    ("Your server is signed in to Plex, but is not reachable from outside your network. Learn more", PlexTv.NO, ""),
    ("You have successfully signed your server in to Plex, but we were unable to reach it from outside your network.",
     PlexTv.NO, ""),
    ("It looks like your server may be connected to the internet through multiple routers (“Double-NAT”).",
     PlexTv.NOT_ANNOUNCED, "double-nat"),
    ("It looks like the devices between your server and the internet have “jumbo frames” enabled",
     PlexTv.NOT_ANNOUNCED, ""),
    ("Not available outside your network. You may need to enable this to establish a direct connection",
     PlexTv.NOT_ANNOUNCED, "publishing-off"),
    (f"If you would like to enable this now, you will need to {CONFIGURE}.", PlexTv.NOT_ANNOUNCED, "publishing-off"),
    ("Server is unclaimed and not secure", PlexTv.NOT_ANNOUNCED, "not-claimed"),
    ("Spécifier manuellement le port public", PlexTv.NOTHING, ""),
    ("远程访问", PlexTv.NOTHING, ""),
    ("Another Plex Server or application is using the port", PlexTv.NOTHING, ""),
    ("Fully accessible outside your network; Not available outside your network", PlexTv.NOTHING, ""),
)  # fmt: skip


@pytest.mark.parametrize(("text", "plex_tv", "cause"), WORDS, ids=[row[0][:40] for row in WORDS])
def test_the_words_of_plex_web_are_known_as_they_are_pasted(text: str, plex_tv: PlexTv, cause: str) -> None:
    unread = with_facts(without(UNREAD, Kind.LOG_EVENT, SERVER), SERVER, host__hops=None)
    situation = Situation(told(unread, answer(Topic.PLEX_WEB, text, port=None)), PORT)
    assert situation.observed.plex_tv is plex_tv
    found = {one.cause.id for stop in walk(situation) for one in (*stop.shown, *stop.suspects)}
    assert found == ({cause} if cause else set())
    (heard,) = situation.heard
    assert bool(heard.why_not) is (plex_tv is PlexTv.NOTHING and not cause)


@pytest.mark.parametrize(("text", "met"), [("yes", True), ("Indirect", False), ("no", False)])
def test_another_network_counts_where_plex_plays_directly(text: str, met: bool) -> None:
    view = told(BOX, answer(Topic.OTHER_NETWORK, text))
    assert [attempt.came for attempt in Situation(view, PORT).observed.attempts] == (
        [Came.MET] if met else []
    )


def test_one_network_in_and_one_out_is_the_viewers_network() -> None:
    view = works_but_for_one()
    question = next_question(
        Situation(view, PORT), judge(Situation(view, PORT)), set(Topic) - {Topic.OTHER_NETWORK}
    )
    assert question is questions()[Topic.OTHER_NETWORK]
    assert judge(Situation(told(view, answer(Topic.OTHER_NETWORK, "yes")), PORT)).id == "client-network"


def works_but_for_one() -> SiteView:
    return Boxed("", "", BOXES[0].outcome, {}, works).view(login=True, vantage=True)


NONE = (
    (Topic.WAN_ADDRESS, "2001:db8::1", "IPv6"),
    (Topic.WAN_ADDRESS, "203.0.113.20 and 192.168.1.1", "one IPv4 address"),
    (Topic.WAN_ADDRESS, "300.1.1.1", "no IPv4"),
    (Topic.WAN_ADDRESS, "yes", "one IPv4 address"),
    (Topic.WAN_ADDRESS, "127.0.0.1", "no router has 127.0.0.1"),
    (Topic.WAN_ADDRESS, "224.0.0.1", "no router has 224.0.0.1"),
    (Topic.WAN_ADDRESS, "255.255.255.255", "no router has"),
    (Topic.FORWARD, "yes", "TCP or UDP"),
    (Topic.FORWARD, "192.168.1.50:32400", "TCP or UDP"),
    (Topic.FORWARD, "tcp 192.168.1.50", "port to which"),
    (Topic.FORWARD, "tcp 192.168.1.50:99999", "port to which"),
    (Topic.PHONE, "a page", "machineIdentifier"),
    (Topic.VPN, "perhaps", "no, yes, container"),
    (Topic.BOX_BEFORE, "192.168.178.1", "yes, no"),
)


@pytest.mark.parametrize(("topic", "text", "wanted"), NONE, ids=[f"{r[0]} {r[1]}" for r in NONE])
def test_what_is_no_answer_says_what_is_wanted(topic: Topic, text: str, wanted: str) -> None:
    with pytest.raises(Unclear, match=wanted):
        read(topic, text)


# --- against what was read ---------------------------------------------------------------------------


def test_read_beats_told_and_both_are_said() -> None:
    view = told(healthy(), answer(Topic.FORWARD, "off"))
    stop = stop_of(view, StopName.ROUTER_FORWARD)
    assert (stop.state, stop.against[:25]) == (State.PASSES, "if the router's page show")
    assert judge(Situation(view, PORT)).id == "in-order"
    (heard,) = hear(told(healthy(), answer(Topic.WAN_ADDRESS, "100.72.13.5")), PORT)
    assert (heard.why_not, heard.contradicts) == (f"the router itself says {WAN}", True)
    failed = with_facts(BOX, PLEX_ROLE, **FAILED)
    (heard,) = hear(told(failed, answer(Topic.PLEX_WEB, "Fully accessible outside your network")), PORT)
    assert "Plex itself says unreachable" in heard.why_not
    assert heard.contradicts


@pytest.mark.parametrize("text", ["192.168.1.1", "192.168.1.50", "192.168.1.254"])
def test_an_address_at_home_is_no_wan_address(text: str) -> None:
    view = told(BOX, answer(Topic.WAN_ADDRESS, text))
    (heard,) = hear(view, PORT)
    assert "an address at home" in heard.why_not
    assert wan(view).holds is Holds.UNKNOWN
    question = next_question(Situation(view, PORT), judge(Situation(view, PORT)))
    assert question is questions()[Topic.WAN_ADDRESS], "it is asked again"


def test_a_private_address_against_a_public_hop_is_a_contradiction() -> None:
    (heard,) = hear(told(BOX, answer(Topic.WAN_ADDRESS, "10.0.0.2")), PORT)
    assert heard.contradicts
    assert "203.0.113.1, a public one" in heard.why_not
    assert judge(Situation(told(BOX, answer(Topic.WAN_ADDRESS, "10.0.0.2")), PORT)).id != "double-nat"


def test_an_old_answer_is_marked_and_one_about_another_port_does_not_count() -> None:
    old, other = answer(Topic.FORWARD, "none", age=2.5 * DAY), answer(Topic.FORWARD, "none", port=32600)
    assert stop_of(told(BOX, old), StopName.ROUTER_FORWARD).says.endswith("(your answer is 2 days old)")
    assert stop_of(told(BOX, other), StopName.ROUTER_FORWARD).state is State.NOT_ASKED
    assert hear(told(BOX, other), PORT)[0].why_not == "it is about port 32600, and viewers come by 32500"


def test_a_phone_that_tried_an_address_at_home_was_not_outside() -> None:
    tried = replace(answer(Topic.PHONE, "refused"), address=IPv4Address("10.0.0.1"))
    (heard,) = hear(told(BOX, tried), PORT)
    assert heard.why_not == "it was at 10.0.0.1, which is no address on the internet"
    assert attempts(told(BOX, tried), PORT) == ()


def test_by_answers_alone_the_isp_is_never_blamed() -> None:
    home = Boxed("all fine, and nothing comes in", "isp-blocks", BOXES[0].outcome, {})
    verdict, _ = asked(home, login=True, vantage=True)
    assert not verdict.decided
    assert verdict.candidates[0].stop.place is StopName.ISP_FILTER


# --- homes whose router answers no program --------------------------------------------------------------


@pytest.mark.parametrize(("home", "login", "vantage"), RUNS, ids=[f"{h.name} {a} {b}" for h, a, b in RUNS])
def test_a_person_who_answers_truly_leads_to_the_truth(home: Boxed, login: bool, vantage: bool) -> None:
    verdict, topics = asked(home, login=login, vantage=vantage)
    if home.name == "the box filters" and not login:
        # Plex's log, which tells silence from refusal, is not read: one observer of silence decides nothing.
        assert verdict.candidates[0].stop.suspects[0].cause.id == home.cause
        return
    assert (verdict.id, verdict.outcome) == (home.cause, home.outcome), (verdict, topics)
    assert verdict.confidence is (Confidence.LIKELY if topics else Confidence.CERTAIN)
    assert next_check(Situation(home.view(login=login, vantage=vantage), PORT), verdict) == ""


def test_three_answers_decide_on_average() -> None:
    assert len(RUNS) >= 44
    counts = [len(asked(home, login=login, vantage=vantage)[1]) for home, login, vantage in RUNS]
    assert sum(counts) / len(counts) <= 2.2
    assert max(counts) <= 6


@pytest.mark.parametrize("home", BOXES, ids=[home.name for home in BOXES])
def test_what_is_not_decided_names_its_next_check(home: Boxed) -> None:
    situation = Situation(home.view(login=True, vantage=False), PORT)
    verdict = judge(situation)
    assert not verdict.decided
    wanted = "/identity" if home.outcome is BOXES[-1].outcome else "Which internet (WAN, IPv4) address"
    assert wanted in next_check(situation, verdict)


# --- answers that are not true ---------------------------------------------------------------------------

FORGED = (
    (answer(Topic.WAN_ADDRESS, "100.64.0.1"),),
    (answer(Topic.WAN_ADDRESS, "none"),),
    (answer(Topic.WAN_ADDRESS, "down"),),
    (answer(Topic.WAN_ADDRESS, "10.9.8.7"), answer(Topic.BOX_BEFORE, "no")),
    (answer(Topic.WAN_ADDRESS, "10.9.8.7"), answer(Topic.BOX_BEFORE, "yes")),
    (answer(Topic.WAN_ADDRESS, WAN),),
    (answer(Topic.WAN_ADDRESS, "198.51.100.9"),),
    (answer(Topic.BOX_BEFORE, "yes"),),
    (answer(Topic.FORWARD, "none"),),
    (answer(Topic.FORWARD, "off"),),
    (answer(Topic.FORWARD, "udp 192.168.1.50:32400"),),
    (answer(Topic.FORWARD, "tcp 192.168.1.99:32400"),),
    (answer(Topic.FORWARD, "tcp 192.168.1.50:32400"),),
    (answer(Topic.PHONE, "refused"),),
    (answer(Topic.PHONE, "nothing"),),
    (answer(Topic.PHONE, IDENTIFIER),),
    (answer(Topic.PHONE, "0123456789"),),
    (answer(Topic.ROUTER_FILTER, "yes"),),
    (answer(Topic.SERVER_FIREWALL, "no rule"), answer(Topic.PHONE, "nothing")),
    (answer(Topic.VPN, "computer"),),
    (answer(Topic.OTHER_NETWORK, "yes"),),
    (answer(Topic.PLEX_WEB, "Fully accessible outside your network"),),
    (answer(Topic.PLEX_WEB, "unclaimed"),),
    (answer(Topic.WAN_ADDRESS, WAN), answer(Topic.FORWARD, "tcp 192.168.1.50:32400"), answer(Topic.ROUTER_FILTER, "no"),
     answer(Topic.SERVER_FIREWALL, "off"), answer(Topic.VPN, "no"), answer(Topic.PHONE, "nothing")),
)  # fmt: skip


@pytest.mark.parametrize(
    "answers", FORGED, ids=[" ".join(f"{a.topic} {a.text[:12]}" for a in row) for row in FORGED]
)
def test_no_answer_makes_anything_certain(answers: tuple[Answer, ...]) -> None:
    views = [home.view(login=login, vantage=vantage) for home, login, vantage in RUNS]
    for view in (*views, *(home.make() for home in HOMES), UNREAD, not_asked(healthy(), ROUTER)):
        before = judge(Situation(view, PORT))
        after = judge(Situation(told(view, *answers), PORT))
        if after.confidence is Confidence.CERTAIN:
            assert (before.id, before.confidence) == (after.id, Confidence.CERTAIN)


def test_an_answer_is_an_attempt_only_where_it_is_about_one() -> None:
    assert attempts(told(BOX, answer(Topic.FORWARD, "none")), PORT) == ()
    (entry,) = attempts(told(BOX, answer(Topic.PHONE, "refused")), PORT)
    assert (entry.values.answer, str(entry.values.address)) == (ProbeAnswer.REFUSED, WAN)
