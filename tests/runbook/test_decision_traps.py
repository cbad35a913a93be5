"""What leads a verdict astray although every observation was read right: one test a trap.

Rules that are not understood, a stream proxy and an address of its own are homes in `homes.py`; guards that count a doubt as
open are in `test_guards_walk.py`, and that an effect is proven by what came after the write in `test_engine_devices.py`.
"""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.model.entries import Listener
from plexops.model.snapshot import Kind, KindState
from plexops.runbook.causes.cause import StopName
from plexops.runbook.stops import State
from plexops.runbook.verdict import Confidence, Outcome
from plexops.runbook.view import Access
from plexops.structs import replace
from tests.packets.handmade import DROP, TCP, arrives, base, dport, rule, server
from tests.runbook.homes import (
    FAILED,
    MANUAL,
    conditioned,
    filtered,
    healthy,
    manual_box,
    not_asked,
    refused_at_once,
    settings,
    silent,
    tried,
    unprobed,
)
from tests.runbook.trapped import (
    PORT,
    REFUSED,
    SILENT,
    beside,
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
    entry,
    with_entries,
    with_facts,
    with_state,
    without,
)

# --- the decision (section 4) ---------------------------------------------------------------------------------------


def test_the_server_s_dns_or_way_out_is_not_blamed_while_the_line_may_be_down() -> None:
    view = without(unprobed(healthy()), Kind.ECHO, OUTSIDE)
    for failure, cause in (("dns", "server-dns"), ("no route", "server-offline")):
        cut = plex_tv(with_facts(view, OUTSIDE, outside__failure=failure), **FAILED)
        cut = with_facts(cut, OUTSIDE, account__online=None)
        unread = with_facts(cut, ROUTER, wan__address=None)
        assert not verdict_of(unread).decided
        assert cause in {c.id for one in verdict_of(unread).candidates for c in one.causes}


def test_not_online_is_not_blamed_while_the_line_may_be_down() -> None:
    view = without(unprobed(healthy()), Kind.ECHO, OUTSIDE)
    view = with_facts(view, OUTSIDE, account__online=False, outside__failure=None)
    view = plex_tv(view, plex__mapping_state="waiting", plex__public_address="")
    assert not verdict_of(with_facts(view, ROUTER, wan__address=None)).decided
    found = with_facts(healthy(), SERVER, host__plex_tv=("99.81.213.198",))
    assert verdict_of(with_facts(found, OUTSIDE, account__online=False)).id == "not-online"


@pytest.mark.parametrize("unread", ["host__egress", "container__engine", "container__network"])
def test_no_cause_of_the_router_is_blamed_while_the_server_may_leave_by_a_vpn(unread: str) -> None:
    view = without(silent(unforwarded()), Kind.ECHO, OUTSIDE)
    view = with_facts(
        view,
        SERVER,
        container__engine="docker",
        container__network="bridge",
        container__published=("32400->32400/tcp",),
    )
    assert verdict_of(view).id == "no-forward"
    assert not verdict_of(with_facts(view, SERVER, **{unread: None})).decided


def test_port_mismatch_is_not_blamed_while_the_server_may_leave_by_a_vpn() -> None:
    view = settings(without(silent(healthy()), Kind.ECHO, OUTSIDE), replace(MANUAL, manual_port=32600))
    view = unprobed(view, tried(SILENT, port=32600))
    assert verdict_of(view).id == "port-mismatch"
    assert not verdict_of(with_facts(view, SERVER, host__egress=None)).decided


def test_a_forward_that_may_be_passed_on_is_not_blamed_without_a_witness() -> None:
    nobody = plex_tv(unprobed(misled()), plex__mapping_state="waiting", plex__public_address="")
    assert not verdict_of(nobody).decided
    assert verdict_of(nobody).candidates[0].causes[0].id == "forward-foreign"


def test_what_shows_and_does_not_fit_what_came_back_is_no_verdict() -> None:
    dropped = base("input", rule(TCP, dport(32400), DROP, words="no Plex"))
    view = healthy()
    view = view.with_snapshot(replace(view.of(SERVER), box=server(dropped)))
    assert verdict_of(unprobed(silent(view), tried(SILENT))).id == "host-other-filter"
    refused = verdict_of(unprobed(refused_at_once(view), tried(REFUSED)))
    assert (refused.id, refused.decided) == ("refused", False)
    assert "host-other-filter" in beside(refused), "it is said all the same"


def test_in_order_needs_an_answer_of_every_device_that_was_asked_what_it_exposes() -> None:
    view = healthy()
    assert verdict_of(view).id == "in-order"
    unsure = with_facts(view, ROUTER, wan__address=None)
    assert (verdict_of(unsure).id, verdict_of(unsure).outcome) == ("reachable", Outcome.UNKNOWN)
    assert verdict_of(not_asked(view, ROUTER)).id == "in-order", (
        "a router that was never asked hinders nothing"
    )


def test_plex_tv_s_list_is_not_called_stale_while_the_address_that_plex_believes_in_is_unread() -> None:
    view = with_facts(unprobed(healthy()), OUTSIDE, account__direct=("198.51.100.77:32500",))
    view = without(view, Kind.LOG_EVENT, SERVER)
    assert verdict_of(plex_tv(view, **FAILED)).id == "stale-announcement"
    unread = plex_tv(view, plex__public_address=None)
    assert stop_at(unread, StopName.ANNOUNCEMENT).state is State.UNREAD
    assert not verdict_of(unread).decided


def test_an_old_believed_address_is_never_more_than_likely() -> None:
    view = plex_tv(healthy(), plex__public_address="198.51.100.77")
    verdict = verdict_of(with_facts(view, OUTSIDE, account__direct=("198.51.100.77:32500",)))
    assert (verdict.id, verdict.confidence) == ("announces-other-way", Confidence.LIKELY)
    assert verdict.found.sign.suspect
    assert "--refresh" in verdict.found.cause.action[0]


def test_a_rule_whose_packet_is_not_known_is_unread_and_no_suspect() -> None:
    """A rule for one interface, and nobody knows by which one viewers come: that is a gap, and no cause."""
    view = conditioned(arrives("eth7"), TCP, dport(PORT))
    assert stop_at(view, StopName.ROUTER_FORWARD).shown
    box = view.of(ROUTER).box
    assert box is not None
    unread = replace(box, addresses=None, routes=None, internet_side="")
    unknown = with_facts(view, ROUTER, wan__interface=None)
    unknown = unknown.with_snapshot(replace(unknown.of(ROUTER), box=unread))
    stop = stop_at(unknown, StopName.ROUTER_FORWARD)
    assert (stop.state, stop.shown, stop.suspects) == (State.UNREAD, (), ())
    assert verdict_of(unknown).id != "isp-blocks"


# --- the other ways (section 6) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("access", ["relay", "vpn"])
def test_stops_of_the_internet_side_are_not_on_the_way_of_the_relay_and_of_a_vpn(access: Access) -> None:
    view = with_facts(unprobed(unforwarded()), ROUTER, wan__address="100.72.13.5")
    view = replace(view, access=access)
    assert verdict_of(view).id == f"{access}-in-order"
    assert not {"carrier-nat", "no-forward"} & possible(view)


@pytest.mark.parametrize("access", ["relay", "vpn"])
def test_what_comes_by_the_relay_or_fails_at_a_door_is_no_failure_of_a_relay_or_a_vpn(access: Access) -> None:
    view = plex_tv(
        unprobed(healthy()), **FAILED, plex__relayed_sessions=1, plex__relay=None, plex__identifier=None
    )
    assert verdict_of(view).id == "relay-only"
    unread = verdict_of(replace(view, access=access))
    assert (unread.id, unread.outcome) == ("unknown", Outcome.UNKNOWN)


def test_over_a_vpn_the_socket_and_the_server_s_filter_are_on_the_way() -> None:
    dropped = server(base("input", rule(TCP, dport(32400), DROP, words="no Plex")))
    view = replace(unprobed(plex_tv(healthy(), **FAILED)), access="vpn")
    stopped = view.with_snapshot(replace(view.of(SERVER), box=dropped))
    assert verdict_of(stopped).id == "host-other-filter"
    alone = with_entries(
        without(view, Kind.LISTENER, SERVER), entry(Kind.LISTENER, Listener("127.0.0.1", 32400)), role=SERVER
    )
    assert verdict_of(replace(alone, plex_answered_at=None)).id == "loopback-only"


# --- where it leads astray (section 9) ------------------------------------------------------------------------------


def test_a_tunnel_is_suspected_and_shows_where_somebody_did_not_get_in() -> None:
    view = without(unprobed(healthy()), Kind.ECHO, OUTSIDE)
    view = plex_tv(
        with_facts(view, SERVER, host__egress="wg0"), plex__mapping_state="waiting", plex__public_address=""
    )
    assert stop_at(view, StopName.SERVER_WAY_OUT).state is State.SUSPECT
    assert not verdict_of(view).decided
    assert verdict_of(silent(view)).id == "vpn-egress"


def test_where_the_server_leaves_by_a_tunnel_the_router_is_not_on_the_way() -> None:
    view = with_facts(unprobed(unforwarded()), SERVER, host__egress="wg0")
    view = plex_tv(view, plex__public_address="198.51.100.77")
    assert "no-forward" not in possible(view)
    assert stop_at(view, StopName.ROUTER_FORWARD).state is State.NOT_HERE


APART = IPv4Address("192.168.1.60")


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("found", [(), ("127.0.0.1",)])
def test_where_plex_has_an_address_of_its_own_the_host_s_sockets_say_nothing(
    answers: bool, found: tuple[str, ...]
) -> None:
    sockets = [entry(Kind.LISTENER, Listener(address, 32400)) for address in found]
    view = with_state(silent(healthy()), Kind.LISTENER, KindState.PRESENT, SERVER)
    view = with_entries(view, *sockets, role=SERVER)
    view = replace(view, plex_address=APART, plex_answered_at=(str(APART), 32400) if answers else None)
    assert not {"nothing-listens", "loopback-only"} & {
        one.cause.id for one in stop_at(view, StopName.SOCKET).shown
    }


def test_a_container_whose_network_is_unknown_publishes_nothing_that_could_be_missed() -> None:
    view = with_facts(silent(healthy()), SERVER, container__engine="docker", container__published=())
    assert "docker-unpublished" not in {one.cause.id for one in stop_at(view, StopName.CONTAINER).shown}
    bridged = with_facts(view, SERVER, container__network="bridge")
    assert "docker-unpublished" in {one.cause.id for one in stop_at(bridged, StopName.CONTAINER).shown}


def test_in_another_container_s_network_that_one_s_ports_count() -> None:
    view = with_facts(silent(healthy()), SERVER, container__engine="docker", container__published=())
    inside = with_facts(view, SERVER, container__network="container")
    assert "docker-unpublished" not in possible(inside)
    assert verdict_of(inside).id == "container-in-vpn"


def test_candidates_are_grouped_by_stop() -> None:
    candidates = verdict_of(manual_box(filtered, login=False)).candidates
    assert (
        len(candidates)
        == len({one.stop.place for one in candidates})
        < sum(len(one.causes) for one in candidates)
    )
