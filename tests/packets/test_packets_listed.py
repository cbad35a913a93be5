"""A router of which only a list is known: forwards in order, whatever is forwarded passes, a DMZ takes what is left."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from plexops.model.entries import UpnpMapping
from plexops.model.packets import Box
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.model.values import ALL_PORTS, Ports, Protocol
from plexops.packets.forward_list import listed_box
from plexops.packets.reach import Answer, AnswerKind, who_reaches
from plexops.packets.why import Why, why_not
from tests.packets.handmade import (
    EVERYBODY,
    FRIENDS,
    NOBODY,
    PLEX,
    SOME,
    UNKNOWN,
    WAN,
    asked,
    n,
    plex,
    questions,
)

HOST = IPv4Address(PLEX)
ELSE = IPv4Address("192.168.1.60")


def forward(
    external: str = "32500", port: str = "32400", address: IPv4Address | None = HOST, **more: Any
) -> PortForward:
    return PortForward(Ports.parse(external), address, Ports.parse(port), **more)


def mapping(
    external: int, port: int, address: IPv4Address = HOST, protocol: Protocol = Protocol.TCP
) -> UpnpMapping:
    return UpnpMapping(Ports.of(external), address, Ports.of(port), protocol)


DMZ = PortForward(ALL_PORTS, ELSE, ALL_PORTS, Protocol.ANY)


def snapshot(*values: PortForward | UpnpMapping | None, **more: Any) -> Snapshot:
    """Make what a router told; None is an entry that could not be understood."""
    entries = tuple(
        Entry(
            Kind.UPNP_MAPPING if isinstance(value, UpnpMapping) else Kind.PORT_FORWARD,
            value, {}, FOREIGN, str(place), f"E{place}", place, f"entry {place}",
        )
        for place, value in enumerate(values)
    )  # fmt: skip
    facts = {
        "wan.address": Fact("wan.address", WAN, "E"),
        "lan.address": Fact("lan.address", "192.168.1.1", "E"),
    }
    kinds = {Kind.PORT_FORWARD: KindState.PRESENT, Kind.UPNP_MAPPING: KindState.PRESENT}
    fields: dict[str, Any] = {"facts": facts, "kinds": {**kinds, **more.pop("kinds", {})}, **more}
    return Snapshot(Role.ROUTER, entries=entries, **fields)


def box(*values: PortForward | UpnpMapping | None, **more: Any) -> Box:
    found = listed_box(snapshot(*values, **more))
    assert found is not None
    return found


def ask(
    *values: PortForward | UpnpMapping | None, port: int = 32500, to: str = PLEX, at: int = 32400, **more: Any
) -> Answer:
    return who_reaches([box(*values, **more)], asked(port), plex(to, at))


def test_a_forward_lets_everybody_through_and_no_forward_nobody() -> None:
    assert ask(forward()).kind is EVERYBODY
    assert ask().kind is NOBODY
    assert ask(forward(), port=32400).kind is NOBODY
    assert ask(forward("80"), port=32500).kind is NOBODY


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        (Protocol.TCP, EVERYBODY),
        (Protocol.BOTH, EVERYBODY),
        (Protocol.ANY, EVERYBODY),
        (Protocol.UDP, NOBODY),
        (Protocol.OTHER, UNKNOWN),
    ],
)
def test_what_a_forward_carries(protocol: Protocol, kind: AnswerKind) -> None:
    assert ask(forward(protocol=protocol)).kind is kind


def test_a_forward_that_is_switched_off_forwards_nothing() -> None:
    off = box(forward(enabled=False))
    answer = who_reaches([off], asked(), plex())
    assert answer.kind is NOBODY
    (reason,) = why_not([off], asked(), plex(), answer)
    assert (reason.why, reason.words) == (Why.OFF, "it is switched off")
    assert reason.rule is not None
    assert (reason.rule.name, reason.rule.handle, reason.rule.exhibit) == ("entry 0", "0", "E0")


def test_a_forward_for_some_only() -> None:
    answer = ask(forward(source=FRIENDS))
    assert (answer.kind, answer.senders) == (SOME, n(FRIENDS))
    odd = ask(forward(source="the neighbours"))
    assert (odd.kind, questions(odd)) == (UNKNOWN, ["whether this holds: “only from the neighbours”"])
    assert ask(forward(source="2001:db8::/32")).kind is NOBODY


def test_the_first_of_two_forwards_of_a_port_counts() -> None:
    assert ask(forward(address=ELSE), forward()).kind is NOBODY
    assert ask(forward(), forward(address=ELSE)).kind is EVERYBODY


def test_a_range_shifts_and_a_single_inner_port_takes_all() -> None:
    ranges = forward("32500-32510", "32400-32410")
    assert ask(ranges, port=32503, at=32403).kind is EVERYBODY
    assert ask(ranges, port=32503, at=32400).kind is NOBODY
    one = forward("32500-32510", "32400")
    assert ask(one, port=32503).kind is EVERYBODY
    same = forward("32400-32410", "32400-32410")
    assert ask(same, port=32405, at=32405).kind is EVERYBODY


def test_a_dmz_takes_what_is_left_wherever_it_stands() -> None:
    for values in ((DMZ, forward()), (forward(), DMZ)):
        assert ask(*values).kind is EVERYBODY
        assert ask(*values, port=80, to=str(ELSE), at=80).kind is EVERYBODY
    assert ask(PortForward(ALL_PORTS, HOST, ALL_PORTS, Protocol.UDP), port=80, at=80).kind is NOBODY


def test_a_forward_without_an_address_leads_to_the_router_itself() -> None:
    assert ask(forward(address=None), to=WAN).kind is EVERYBODY
    assert ask(forward(address=None)).kind is NOBODY


def test_what_some_host_asked_for_over_upnp_is_a_forward() -> None:
    assert ask(mapping(32500, 32400)).kind is EVERYBODY
    assert ask(mapping(32500, 32400, protocol=Protocol.UDP)).kind is NOBODY
    # A forward of the same port stands before it.
    assert ask(mapping(32500, 32400), forward(address=ELSE)).kind is NOBODY


@pytest.mark.parametrize("before", [True, False])
def test_an_entry_that_cannot_be_read_may_do_anything(before: bool) -> None:
    answer = ask(*((None, forward()) if before else (forward(), None)))
    assert answer.kind is (UNKNOWN if before else EVERYBODY)
    assert ask(None).kind is UNKNOWN
    assert ask(None, DMZ, port=80, to=str(ELSE), at=80).kind is UNKNOWN
    assert questions(ask(None)) == ["what this does: ““entry 0” cannot be read”"]


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        ({Kind.UPNP_MAPPING: KindState.UNKNOWN}, UNKNOWN),
        ({Kind.UPNP_MAPPING: KindState.ABSENT}, NOBODY),
        ({Kind.UPNP_MAPPING: KindState.UNSUPPORTED}, NOBODY),
        ({Kind.PORT_FORWARD: KindState.UNKNOWN}, UNKNOWN),
        ({Kind.PORT_FORWARD: KindState.UNSUPPORTED}, UNKNOWN),
    ],
)
def test_a_list_that_was_not_read_is_never_an_empty_one(
    kinds: dict[Kind, KindState], kind: AnswerKind
) -> None:
    assert ask(kinds=kinds).kind is kind
    if Kind.UPNP_MAPPING in kinds:
        assert ask(forward(), kinds=kinds).kind is EVERYBODY
    else:
        assert ask(mapping(32500, 32400), kinds=kinds).kind is EVERYBODY
        told = ask(kinds=kinds, reasons={Kind.PORT_FORWARD: "login refused"})
        assert questions(told) == ["what this does: “unread forwards: login refused”"]


def test_where_neither_was_read_there_is_no_box() -> None:
    for state in (KindState.UNKNOWN, KindState.UNSUPPORTED, KindState.ABSENT):
        assert (
            listed_box(snapshot(kinds=dict.fromkeys((Kind.PORT_FORWARD, Kind.UPNP_MAPPING), state))) is None
        )


def test_its_own_addresses_are_those_that_it_told() -> None:
    assert [(str(IPv4Address(a.number)), a.interface) for a in box().addresses or ()] == [
        (WAN, "internet"),
        ("192.168.1.1", "lan"),
    ]
    assert box(facts={}).addresses == ()
