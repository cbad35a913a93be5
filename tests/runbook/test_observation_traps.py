"""What each observation may strike out, and what it never proves: one test a trap.

Of an attempt's age and address `tests/cli/test_diagnose.py` has the tests, of a router's word over UPnP
`test_plex_addresses.py`, of echoes `test_conditions.py`, of what a person answers `test_answers.py`.
"""

from __future__ import annotations

import pytest

from plexops.model.entries import LogWord
from plexops.model.snapshot import Entry, Kind
from plexops.runbook.attempts import Came
from plexops.runbook.causes.cause import StopName
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State
from plexops.runbook.verdict import Confidence, Outcome
from plexops.structs import replace
from tests.packets.handmade import DROP, TCP, WAN, arrives, base, dnat, dport, rule
from tests.runbook.homes import (
    FAILED,
    MANUAL,
    filtered,
    healthy,
    logged,
    manual_box,
    not_asked,
    refused_at_once,
    settings,
    silent,
    tried,
    unprobed,
)
from tests.runbook.trapped import (
    LISTENS,
    OPEN,
    PORT,
    REFUSED,
    SILENT,
    beside,
    dated,
    misled,
    plex_tv,
    possible,
    stop_at,
    unforwarded,
    verdict_of,
)
from tests.unit.runbook.sound_case import (
    OUTSIDE,
    ROUTER,
    SERVER,
    echo,
    with_entries,
    with_facts,
    without,
)

# --- who met this Plex (weighing, section 3) ----------------------------------------------------------------------


def test_who_met_plex_strikes_out_what_shows_on_the_way_and_it_becomes_a_note() -> None:
    verdict = verdict_of(misled())
    assert verdict.id == "in-order"
    assert "forward-foreign" in beside(verdict)
    assert verdict_of(unprobed(misled(), tried(SILENT))).id == "forward-foreign"


def test_who_met_plex_proves_nothing_of_what_plex_tv_tells_apps() -> None:
    assert verdict_of(with_facts(healthy(), OUTSIDE, account__listed=False)).id == "not-online"


@pytest.mark.parametrize(("failure", "cause"), [("no route", "server-offline"), ("dns", "server-dns")])
def test_who_met_plex_proves_replies_and_not_that_plex_reaches_out(failure: str, cause: str) -> None:
    view = without(healthy(), Kind.ECHO, OUTSIDE)
    view = plex_tv(with_facts(view, OUTSIDE, outside__failure=failure), **FAILED)
    assert Situation(view, PORT).observed.met
    assert verdict_of(view).id == cause


def test_who_met_plex_proves_nothing_of_other_senders() -> None:
    verdict = verdict_of(unprobed(healthy(), tried(OPEN), tried(SILENT, "office")))
    assert (verdict.id, verdict.outcome) == ("client-network", Outcome.FAILS)


def test_who_met_plex_clears_the_port_that_is_announced() -> None:
    view = settings(healthy(), replace(MANUAL, manual_port=32600))
    view = unprobed(view, tried(OPEN, port=32600))
    assert "port-mismatch" not in possible(view)
    assert "port-mismatch" in possible(unprobed(view))


# --- who was answered, and who was not ----------------------------------------------------------------------------


def test_an_answer_strikes_out_a_filter_that_drops_and_names_no_box() -> None:
    dropped = base("forward", rule(TCP, dport(32400), DROP, words="drop"))
    view = unprobed(
        healthy(
            base("prerouting", rule(arrives("wan0"), TCP, dport(PORT), dnat(), words="Plex"), nat=True),
            dropped,
        )
    )
    assert "router-filter" in possible(unprobed(view, tried(SILENT))) | {"router-other-filter"}
    refused = verdict_of(unprobed(plex_tv(view, **FAILED), tried(REFUSED)))
    assert (refused.id, refused.decided) == ("refused", False)
    assert len({one.stop.place for one in verdict_of(manual_box(refused_at_once)).candidates}) > 1


def test_another_server_that_answers_is_no_isp_that_blocks() -> None:
    other = replace(tried(OPEN), values=replace(tried(OPEN).values, identifier="f" * 40))
    assert "isp-blocks" in possible(manual_box(lambda view: unprobed(view, tried(SILENT))))
    assert "isp-blocks" not in possible(not_asked(unprobed(healthy(), other), ROUTER))


def test_silence_strikes_out_nothing_that_may_be_silent_and_never_proves_the_isp() -> None:
    """One witness alone: the viewer's own network may be it."""
    view = unprobed(healthy(), tried(SILENT))
    alone = verdict_of(plex_tv(view, plex__mapping_state="waiting", plex__public_address=""))
    assert not alone.decided
    by_plex_tv = verdict_of(filtered(unprobed(healthy())))
    assert not by_plex_tv.decided
    assert {"isp-blocks"} <= {cause.id for one in by_plex_tv.candidates for cause in one.causes}
    both = verdict_of(silent(healthy()))
    assert (both.id, both.confidence) == ("isp-blocks", Confidence.LIKELY)


def test_what_listens_and_is_not_known_is_neither_success_nor_failure() -> None:
    view = manual_box(filtered, login=False)
    listens = with_entries(view, tried(LISTENS), role=OUTSIDE)
    observed = Situation(listens, PORT).observed
    assert (observed.met, observed.failed, observed.listens) == ((), (), True)
    assert "vpn-egress" in possible(view)
    assert "vpn-egress" not in possible(listens), "packets do not vanish"
    assert verdict_of(with_entries(unprobed(healthy()), tried(LISTENS), role=OUTSIDE)).id == "reachable"


SAYS_NOTHING = {
    "from inside": replace(
        tried(SILENT), values=replace(tried(SILENT).values, inside=True, made="2026-11-22T19:50:00Z")
    ),
    "another port": tried(SILENT, port=18444),
    "open, of which Plex is unknown": replace(tried(OPEN), values=replace(tried(OPEN).values, identifier="")),
}


@pytest.mark.parametrize("attempt", SAYS_NOTHING.values(), ids=SAYS_NOTHING)
def test_an_attempt_that_is_not_about_this_door_says_nothing_and_leaves_nothing_incomplete(
    attempt: Entry,
) -> None:
    verdict = verdict_of(unprobed(dated(healthy()), attempt))
    assert (verdict.id, verdict.missing) == ("in-order", ())
    assert len(verdict.ignored) == 1
    failed = verdict_of(unprobed(filtered(healthy()), attempt))
    assert failed.id == verdict_of(unprobed(filtered(healthy()))).id


# --- plex.tv's word -----------------------------------------------------------------------------------------------


def test_a_dated_yes_strikes_out_what_was_unread_or_suspected() -> None:
    private = with_facts(unprobed(healthy()), ROUTER, wan__address="192.168.178.20")
    assert stop_at(private, StopName.UPSTREAM).state is State.SUSPECT
    assert stop_at(dated(private), StopName.UPSTREAM).state is State.PASSES
    assert verdict_of(manual_box(dated)).id == "in-order"


def test_a_dated_yes_never_strikes_out_what_shows() -> None:
    verdict = verdict_of(dated(unprobed(unforwarded())))
    assert (verdict.id, verdict.outcome) == ("contradiction", Outcome.UNKNOWN)
    assert [cause.id for cause in verdict.candidates[0].causes] == ["no-forward"]
    view = dated(unprobed(unforwarded()))
    unread = view.with_snapshot(replace(view.of(SERVER), box=None))
    assert stop_at(unread, StopName.SERVER_FILTER).hidden, "nor what is unread, where something shows"


def test_a_dated_yes_strikes_out_no_carrier_nat() -> None:
    """plex.tv sees another address than a router that has none of the internet's: that shows no other way in."""
    carrier = with_facts(unprobed(healthy()), ROUTER, wan__address="100.72.13.5")
    for view in (carrier, dated(carrier)):
        verdict = verdict_of(view)
        assert (verdict.id, verdict.outcome) == ("contradiction", Outcome.UNKNOWN)
        assert verdict.leading.id == "carrier-nat"


def test_a_dated_yes_holds_until_somebody_looks_later() -> None:
    assert verdict_of(unprobed(dated(healthy()), tried(SILENT))).id == "contradiction"


def test_an_undated_yes_strikes_out_nothing_contradicts_what_shows_and_is_not_in_order() -> None:
    assert verdict_of(unprobed(healthy())).id == "reachable"
    assert verdict_of(unprobed(unforwarded())).id == "contradiction"
    private = with_facts(unprobed(healthy()), ROUTER, wan__address="192.168.178.20")
    assert stop_at(private, StopName.UPSTREAM).state is State.SUSPECT


@pytest.mark.parametrize(
    ("port", "time", "word"),
    [
        (PORT, "2026-11-22T19:10:00", PlexTv.DATED_YES),
        (PORT, "2026-11-22T18:50:00", PlexTv.YES),
        (18444, "2026-11-22T19:50:00", PlexTv.YES),
    ],
)
def test_a_yes_is_dated_by_the_log_s_line_for_this_port_within_the_hour(
    port: int, time: str, word: PlexTv
) -> None:
    view = logged(unprobed(healthy()), LogWord.REACHABILITY, time, number=1, port=port)
    assert Situation(view, PORT).observed.plex_tv is word


def test_a_yes_whose_newest_line_says_no_is_undated() -> None:
    view = logged(dated(unprobed(healthy())), LogWord.REACHABILITY, "2026-11-22T19:55:00", number=0)
    assert Situation(view, PORT).observed.plex_tv is PlexTv.YES
    assert verdict_of(view).id == "reachable"


@pytest.mark.parametrize(
    ("waited", "port", "answers"),
    [
        (5034, PORT, {Came.SILENCE}),
        (4500, PORT, {Came.SILENCE}),
        (61, PORT, {Came.REFUSED, Came.UNREACHABLE, Came.ANOTHER}),
        # Of another port, or of none.
        (5034, 18444, set()),
        (5034, 0, set()),
    ],
)
def test_plex_tv_s_milliseconds_count_for_this_port_alone(waited: int, port: int, answers: set[Came]) -> None:
    view = plex_tv(unprobed(healthy()), **FAILED)
    view = logged(view, LogWord.REACHABILITY, number=0, milliseconds=waited, port=port)
    assert Situation(view, PORT).observed.answers == answers


def test_plex_tv_s_no_names_no_cause_and_proves_nothing_of_viewers() -> None:
    alone = verdict_of(plex_tv(unprobed(healthy()), **FAILED))
    assert not alone.decided
    met = verdict_of(plex_tv(healthy(), **FAILED))
    assert (met.id, met.decided) == ("checker-kept-out", False)


def test_settings_of_one_port_and_a_yes_for_another_are_two_doors() -> None:
    view = unprobed(plex_tv(healthy(), plex__public_port=18444))
    observed = Situation(view, PORT).observed
    assert observed.plex_tv is PlexTv.NOTHING
    assert "plex.tv speaks of port 18444" in observed.discarded[0]
    assert verdict_of(view).outcome is Outcome.UNKNOWN


def test_mapped_with_an_empty_address_is_a_no_and_without_any_says_nothing() -> None:
    view = unprobed(plex_tv(healthy(), plex__public_address="", plex__public_port=0))
    assert Situation(view, PORT).observed.plex_tv is PlexTv.NO
    unsaid = plex_tv(healthy(), plex__public_address=None)
    assert Situation(unsaid, PORT).observed.plex_tv is PlexTv.NOTHING
    assert verdict_of(unsaid).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("error", ["doublenat", "publisherror", "myplexgone", "badauth", "jumboframes"])
def test_with_these_errors_nothing_was_announced_and_nothing_tried(error: str) -> None:
    view = unprobed(plex_tv(healthy(), **{**FAILED, "plex__mapping_error": error}))
    observed = Situation(view, PORT).observed
    assert (observed.plex_tv, observed.silent) == (PlexTv.NOT_ANNOUNCED, 0)
    assert verdict_of(view).decided is (error == "badauth"), "the login shows, the others are suspects"


def test_double_nat_in_plex_s_own_words_is_a_suspicion() -> None:
    view = plex_tv(manual_box(lambda view: view), **{**FAILED, "plex__mapping_error": "doublenat"})
    assert stop_at(view, StopName.UPSTREAM).state is State.SUSPECT
    assert (verdict_of(view).decided, verdict_of(view).leading.id, verdict_of(view).stop) == (
        False,
        "double-nat",
        True,
    )
    read = plex_tv(unprobed(healthy()), **{**FAILED, "plex__mapping_error": "doublenat"})
    assert stop_at(read, StopName.UPSTREAM).state is State.PASSES, "the router's own address decides"


def test_failed_is_no_witness() -> None:
    view = plex_tv(unprobed(healthy(), tried(SILENT)), plex__mapping_state="failed", plex__public_address="")
    observed = Situation(view, PORT).observed
    assert (observed.plex_tv, observed.silent) == (PlexTv.NOT_ANNOUNCED, 1)
    assert verdict_of(view).id != "isp-blocks"


# --- plex.tv's list, the log, hops, echoes, the relay ---------------------------------------------------------------


def test_plex_tv_s_list_strikes_out_that_plex_cannot_reach_it_and_proves_no_door() -> None:
    view = with_facts(unprobed(filtered(healthy())), OUTSIDE, outside__failure=None)
    assert stop_at(view, StopName.REACHES_PLEX_TV).state is State.PASSES
    assert (
        stop_at(with_facts(view, OUTSIDE, account__online=None), StopName.REACHES_PLEX_TV).state
        is State.UNREAD
    )
    asked = plex_tv(unprobed(healthy()), plex__mapping_state="waiting", plex__public_address="")
    assert verdict_of(asked).outcome is Outcome.UNKNOWN, "it holds the door, and that is all"


def test_the_log_says_nothing_where_plex_itself_answers() -> None:
    failed = logged(unprobed(healthy()), LogWord.REACHABILITY, number=0, milliseconds=5034)
    assert Situation(failed, PORT).observed.plex_tv is PlexTv.YES
    unclaimed = logged(healthy(), LogWord.UNCLAIMED, address="", port=0)
    assert verdict_of(unclaimed).id == "in-order"
    assert verdict_of(plex_tv(unclaimed, plex__claimed=None)).id == "not-claimed"


def test_the_router_s_own_next_hop_strikes_out_another_way_out() -> None:
    view = without(unprobed(filtered(healthy())), Kind.ECHO, OUTSIDE)
    assert stop_at(view, StopName.ROUTER_WAY_OUT).state is State.PASSES
    assert stop_at(with_facts(view, SERVER, host__hops=("198.51.100.1", "-")), StopName.ROUTER_WAY_OUT).unread


def test_a_silent_hop_says_nothing() -> None:
    view = without(unprobed(filtered(healthy())), Kind.ECHO, OUTSIDE)
    silent_hop = with_facts(view, SERVER, host__hops=("-", "198.51.100.1"))
    assert stop_at(silent_hop, StopName.ROUTER_WAY_OUT).unread
    assert "other-way-out" in possible(silent_hop)
    assert not stop_at(silent_hop, StopName.ROUTER_WAY_OUT).suspects


def test_echoes_that_agree_prove_the_way_out_and_not_what_plex_tv_sees() -> None:
    view = unprobed(plex_tv(healthy(), **FAILED))
    for place in (StopName.ISP_ADDRESS, StopName.UPSTREAM, StopName.ROUTER_WAY_OUT):
        assert stop_at(view, place).state is State.PASSES
    assert "announces-other-way" in possible(plex_tv(healthy(), plex__public_address="198.51.100.77"))


def test_echoes_that_disagree_prove_nothing() -> None:
    view = without(unprobed(plex_tv(healthy(), **FAILED)), Kind.ECHO, OUTSIDE)
    view = with_entries(view, echo(WAN), echo("198.51.100.9", "other.example"), role=OUTSIDE)
    assert stop_at(view, StopName.ISP_ADDRESS).unread


def test_relayed_sessions_do_not_show_that_no_direct_way_is_open() -> None:
    assert verdict_of(plex_tv(healthy(), plex__relayed_sessions=2)).id == "in-order"
    assert verdict_of(dated(unprobed(plex_tv(healthy(), plex__relayed_sessions=2)))).id == "in-order"
