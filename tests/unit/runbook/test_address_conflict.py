"""Two devices at Plex's address: shown only where it is proven; what differs for good reasons is no conflict."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from plexops.model.snapshot import Entry, Kind, KindState
from plexops.runbook.causes.cause import StopName
from plexops.runbook.situation import Situation
from plexops.runbook.stops import State, Stop
from plexops.runbook.verdict import Confidence, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.packets.handmade import TCP, arrives, base, dnat, dport, rule
from tests.runbook.homes import healthy, not_asked, silent, unprobed
from tests.unit.runbook.sound_case import (
    MAC,
    OLD,
    PLEX,
    ROUTER,
    SERVER,
    lease,
    neighbour,
    with_entries,
    with_facts,
    with_state,
    without,
)

PRINTER = "3c:2a:f4:0d:0e:0f"
WIFI = "dc:a6:32:01:02:03"
CONFLICT = (neighbour(PRINTER, PLEX), lease(MAC, OLD), lease(PRINTER, PLEX))


def home(*entries: Entry, view: SiteView | None = None) -> SiteView:
    """The home in which a vantage and plex.tv get no answer, with other neighbours and leases."""
    start = silent(healthy()) if view is None else view
    return with_entries(without(without(start, Kind.NEIGHBOUR), Kind.LEASE), *entries)


def lan(view: SiteView) -> Stop:
    return next(stop for stop in judge(Situation(view, 32500)).stops if stop.place is StopName.LAN)


@pytest.mark.parametrize(
    ("entries", "macs", "state"),
    [
        ((neighbour(MAC, PLEX), lease(MAC, PLEX)), (), State.PASSES),
        ((), (), State.PASSES),
        # The server is known to the router by its own MAC address: what answers at its address is another device.
        (CONFLICT, (), State.STOPS),
        ((neighbour(PRINTER, PLEX), neighbour(MAC, OLD)), (), State.STOPS),
        # It may have answered long ago, when the address was the printer's.
        ((neighbour(PRINTER, PLEX, current=False), *CONFLICT[1:]), (), State.SUSPECT),
        # A repeater puts its own MAC address in place of the server's; the lease holds the one or the other.
        ((neighbour(PRINTER, PLEX), lease(MAC, PLEX)), (), State.SUSPECT),
        ((neighbour(PRINTER, PLEX), lease(PRINTER, PLEX)), (), State.SUSPECT),
        # At several addresses: a repeater, or proxy ARP.
        ((neighbour(PRINTER, PLEX), neighbour(PRINTER, OLD), neighbour(MAC, OLD)), (), State.UNREAD),
        # The router has given the address away, and the server still answers there.
        ((neighbour(MAC, PLEX), lease(PRINTER, PLEX)), (), State.SUSPECT),
        ((lease(PRINTER, PLEX),), (), State.SUSPECT),
        # A bond, a bridge, a second interface: Linux answers at each for the addresses of all.
        ((neighbour(WIFI, PLEX), lease(WIFI, PLEX)), (f"{MAC} {PLEX}", WIFI), State.PASSES),
    ],
)  # fmt: skip
def test_what_was_read_of_who_holds_the_address(
    entries: tuple[Entry, ...], macs: tuple[str, ...], state: State
) -> None:
    view = home(*entries)
    view = with_facts(view, SERVER, host__macs=macs) if macs else view
    assert lan(view).state is state


def test_a_suspicion_alone_decides_and_is_never_certain() -> None:
    suspected = judge(Situation(home(neighbour(PRINTER, PLEX), lease(MAC, PLEX)), 32500))
    assert (suspected.id, suspected.confidence) == ("address-conflict", Confidence.LIKELY)
    assert PRINTER in suspected.says
    shown = judge(Situation(home(*CONFLICT), 32500))
    assert (shown.id, shown.confidence) == ("address-conflict", Confidence.CERTAIN)


def test_who_gets_in_refutes_a_suspicion_and_no_conflict_that_is_shown() -> None:
    assert judge(Situation(home(*CONFLICT, view=healthy()), 32500)).id == "address-conflict"
    assert judge(Situation(home(*CONFLICT, view=unprobed(healthy())), 32500)).id == "address-conflict"
    suspected = home(neighbour(PRINTER, PLEX), lease(MAC, PLEX), view=healthy())
    assert judge(Situation(suspected, 32500)).id == "in-order"


def test_what_is_not_told_leaves_it_open() -> None:
    # A container with an address of its own: nothing tells its MAC address.
    own = IPv4Address("192.168.1.60")
    to_it = base("prerouting", rule(arrives("wan0"), TCP, dport(32500), dnat(str(own))), nat=True)
    view = home(neighbour(PRINTER, own), view=healthy(to_it))
    apart = replace(unprobed(view), plex_address=own, plex_answered_at=(str(own), 32400))
    assert lan(apart).state is State.UNREAD
    unread = with_state(home(*CONFLICT[1:]), Kind.NEIGHBOUR, KindState.UNKNOWN, ROUTER)
    assert lan(unread).state is State.UNREAD
    nobody = lan(not_asked(home(*CONFLICT), ROUTER))
    assert nobody.state is State.NEVER
    assert [cause.id for cause in nobody.hidden] == ["address-conflict"]


def test_without_a_login_to_the_server_the_inventory_says_which_mac_address_is_its_own() -> None:
    other, same = (not_asked(home(neighbour(mac, PLEX), lease(MAC, PLEX)), SERVER) for mac in (PRINTER, MAC))
    assert (lan(other).state, lan(same).state) == (State.SUSPECT, State.PASSES)
    assert lan(replace(other, server_mac="")).state is State.UNREAD
