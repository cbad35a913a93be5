"""Every guard stands alone at least once, and stands aside for what is like it and fine."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest

from plexops.model.change import Action, Change, inverse
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.exchange import Command, Script, Write
from plexops.model.plan import GuardVerdict, Step, authorize
from plexops.model.resources.dhcp_reservation import Reservation
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.resources.passage import Passage
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.resources.upnp import Upnp
from plexops.model.snapshot import Entry, Kind, KindState, Role
from plexops.model.values import PLEX_PORT, Protocol
from plexops.runbook.guards.judge import GUARDS, Case, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace
from tests.unit.runbook.sound_case import (
    ADMIT,
    ANNOUNCE,
    FORWARD,
    IDENTIFIER,
    MAC,
    NAS,
    NAS_MAC,
    OLD,
    OUTSIDE,
    PASS,
    PLEX,
    PLEX_ROLE,
    PUBLIC,
    RENEW,
    RESERVE,
    ROUTER,
    SERVER,
    UPNP_OFF,
    WHOLE_PLAN,
    case_of,
    change,
    echo,
    entry,
    forward,
    lease,
    mapping,
    probe,
    sound_view,
    with_entries,
    with_facts,
    with_state,
    without,
)

NAMES = tuple(name for name, _, _ in GUARDS)
Make = Callable[[], Case]


def refusing(case: Case) -> set[str]:
    return {verdict.guard for verdict in judge(case) if not verdict.holds}


def reasons(case: Case) -> dict[str, str]:
    return {verdict.guard: verdict.reason for verdict in judge(case) if not verdict.holds}


def plan_with(new: Change) -> tuple[Change, ...]:
    """The whole plan with one of its changes replaced by another of the same kind."""
    return tuple(new if old.kind is new.kind else old for old in WHOLE_PLAN)


def forwarding(**how: object) -> tuple[Change, ...]:
    return plan_with(replace(FORWARD, want=forward(**how)))  # type: ignore[arg-type]


def reserving(address: str, *macs: str) -> Case:
    want = Reservation(macs or (MAC,), IPv4Address(address))
    # What is forwarded to that address already is G1's business.
    return case_of(without(sound_view(), Kind.PORT_FORWARD), [replace(RESERVE, want=want)])


def wan(address: str, *public: str) -> Case:
    view = with_facts(without(sound_view(), Kind.ECHO, OUTSIDE), ROUTER, wan__address=address)
    view = with_facts(view, PLEX_ROLE, plex__public_address=None)
    seen = [echo(text, f"echo{number}.example") for number, text in enumerate(public)]
    return case_of(with_entries(view, *seen, role=OUTSIDE))


def told_passed_on(address: str, *public: str) -> Case:
    case = wan(address, *public)
    return case_of(replace(case.before, upstream_passes_on=True))


def named(attempt: Entry[Probe]) -> Entry[Probe]:
    return replace(attempt, values=replace(attempt.values, name="plex.example.net"))


def passed_on(address: str, attempt: Entry) -> Case:
    return case_of(with_entries(wan(address, str(PUBLIC)).before, attempt, role=OUTSIDE))


def home(alter: Callable[[SiteView], SiteView], changes: tuple[Change, ...] = WHOLE_PLAN) -> Case:
    return case_of(alter(sound_view()), changes)


def adopting(have: object, want: object, kind: Kind = Kind.PORT_FORWARD, *, adopted: bool = True) -> Case:
    """The plan that adopts somebody's entry in place of making one."""
    theirs = entry(kind, have, handle="theirs", label="Plex by hand")
    adopt = change(kind, Action.ADOPT, want, before=theirs)
    view = with_entries(sound_view(), theirs)
    changes = tuple(adopt if old.kind is kind else old for old in WHOLE_PLAN)
    return case_of(view, changes, adopted=[adopt.id] if adopted else [])


def aged(role: Role, seconds: float | None) -> Case:
    view = sound_view()
    ages = {r: age for r, age in view.ages.items() if r is not role}
    if seconds is not None:
        ages[role] = seconds
    return case_of(replace(view, ages=MappingProxyType(ages)))


def silent(role: Role) -> Case:
    """A stop that did not answer, while nothing of it is changed."""
    view = sound_view()
    snapshots = {r: s for r, s in view.snapshots.items() if r is not role}
    changes = tuple(c for c in WHOLE_PLAN if c.role is not role)
    return case_of(replace(view, snapshots=MappingProxyType(snapshots)), changes)


def appeared(external: int | tuple[int, int], address: IPv4Address, port: int | tuple[int, int]) -> Case:
    """What the changes leave holds a forward that none of them names; the host has two addresses."""
    case = case_of(with_facts(sound_view(), SERVER, host__addresses=(str(PLEX), str(OLD))), [RESERVE])
    stray = entry(Kind.PORT_FORWARD, forward(external, address, port), handle="stray")
    return replace(case, after=with_entries(case.after, stray))


def at_another_port(opens: Change) -> Case:
    """The inventory claims 445, and this Plex was met at 32400."""
    return case_of(replace(sound_view(), plex_port=445), [opens])


def container(answered: str = "192.168.1.60") -> SiteView:
    """Plex in a container with an address of its own in the LAN."""
    own = IPv4Address("192.168.1.60")
    return replace(sound_view(), plex_address=own, plex_answered_at=(answered, 32400))


TO_CONTAINER = replace(FORWARD, want=forward(address=IPv4Address("192.168.1.60")))
#: What is forwarded still meets the filters that there are.
OPENS_NO_FILTER = tuple(c for c in WHOLE_PLAN if c.kind not in (Kind.FIREWALL_RULE, Kind.PASSAGE))
SSH_RULE = entry(Kind.FIREWALL_RULE, FirewallRule(22), key="plex", handle="rule")
OUR_FORWARD = entry(Kind.PORT_FORWARD, forward(), key="plex", handle="ours")
DIRECT = entry(Kind.PORT_FORWARD, forward(PLEX_PORT), handle="direct", label="Plex direct")
NAS_FORWARD = entry(Kind.PORT_FORWARD, forward(32500, NAS, 443), handle="nas-https", label="NAS")

#: One thing is wrong: exactly these guards refuse, and say these words.
ALONE: tuple[tuple[str, str, Make, str], ...] = (
    (
        "G1",
        "Plex would announce 32400",
        lambda: case_of(sound_view(), plan_with(replace(ANNOUNCE, want=RemoteAccess(True, True, PLEX_PORT)))),
        "announce 32400",
    ),
    (
        "G1",
        "Plex would choose the port by itself",
        lambda: case_of(sound_view(), plan_with(replace(ANNOUNCE, want=RemoteAccess(True, False, 32500)))),
        "by itself",
    ),
    (
        "G1",
        "the host firewall is all that stands before an old forward of 32400",
        lambda: home(lambda view: with_entries(view, DIRECT)),
        "forwards from 32400: remove that first",
    ),
    (
        "G1",
        "the router's filter is all that stands before an old range over 32400",
        lambda: case_of(
            with_entries(
                sound_view(),
                entry(Kind.PORT_FORWARD, forward((32000, 32450), port=(32000, 32450)), handle="range"),
            ),
            [PASS],
        ),
        "forwards from 32400: remove that first",
    ),
    ("G1", "32400 shows up in what the changes leave", lambda: appeared(PLEX_PORT, PLEX, PLEX_PORT), "32400"),
    (
        "G2",
        "a DMZ shows up in what the changes leave",
        lambda: appeared((1, 65535), PLEX, (1, 65535)),
        "every port",
    ),
    (
        "G2",
        "a DMZ to the host's other address shows up",
        lambda: appeared((1, 65535), OLD, (1, 65535)),
        "every port",
    ),
    (
        "G3",
        "a rule for another port",
        lambda: case_of(sound_view(), plan_with(replace(ADMIT, want=FirewallRule(8096)))),
        "8096",
    ),
    (
        "G3",
        "a passage to another host",
        lambda: case_of(sound_view(), plan_with(replace(PASS, want=Passage(NAS, 32400, "forward")))),
        str(NAS),
    ),
    (
        "G3",
        "a passage to another port",
        lambda: case_of(sound_view(), plan_with(replace(PASS, want=Passage(PLEX, 22, "forward")))),
        ":22",
    ),
    (
        "G3",
        "a rule for the port that the inventory claims, and Plex is at another",
        lambda: at_another_port(replace(ADMIT, want=FirewallRule(445))),
        "192.168.1.50:32400",
    ),
    (
        "G3",
        "a passage to the port that the inventory claims, and Plex is at another",
        lambda: at_another_port(replace(PASS, want=Passage(PLEX, 445, "forward"))),
        "port 445, and Plex answered at 192.168.1.50:32400",
    ),
    (
        "G3",
        "a rule, and no Plex server answered",
        lambda: home(lambda view: replace(view, plex_answered_at=None), (ADMIT,)),
        "no Plex server answered",
    ),
    (
        "G3",
        "a rule, and who answered did not say who it is",
        lambda: home(lambda view: with_facts(view, PLEX_ROLE, plex__identifier=None), (ADMIT,)),
        "no Plex server answered",
    ),
    (
        "G3",
        "a rule on the server, and Plex is at another host",
        lambda: home(lambda view: replace(view, plex_answered_at=(str(NAS), 32400)), (ADMIT,)),
        "192.168.1.20:32400",
    ),
    (
        "G3",
        "a rule, and Plex was met behind somebody's tunnel alone",
        lambda: home(lambda view: replace(view, plex_answered_at=("", 32400)), (ADMIT,)),
        "a loopback:32400",
    ),
    (
        "G3",
        "a passage, and Plex was met at the loopback of a server that has another address",
        lambda: home(
            lambda view: replace(
                with_facts(view, SERVER, host__addresses=(str(OLD),)), plex_answered_at=("127.0.0.1", 32400)
            ),
            (PASS,),
        ),
        "127.0.0.1:32400",
    ),
    (
        "G3",
        "the host firewall as a whole",
        lambda: case_of(sound_view(), [change(Kind.HOST_FIREWALL, Action.UPDATE, key="ufw")]),
        "as a whole",
    ),
    (
        "G3",
        "somebody's filter rule",
        lambda: case_of(sound_view(), [change(Kind.HOST_RULE, Action.DELETE, key="drop")]),
        "as a whole",
    ),
    (
        "G3",
        "the host firewall is off afterwards",
        lambda: replace(
            case_of(sound_view()),
            after=with_facts(case_of(sound_view()).after, SERVER, firewall__active=False),
        ),
        "switched off",
    ),
    (
        "G3",
        "UPnP is switched on",
        lambda: case_of(sound_view(), [replace(UPNP_OFF, want=Upnp(enabled=True))]),
        "open ports by itself",
    ),
    ("G4", "carrier NAT", lambda: wan("100.64.0.1", "203.0.113.7"), "carrier NAT"),
    ("G4", "DS-Lite", lambda: wan("192.0.0.2", "203.0.113.7"), "192.0.0.0/29"),
    ("G4", "no internet", lambda: wan("169.254.3.4"), "no internet"),
    ("G4", "nobody outside was heard", lambda: wan(str(PUBLIC)), "no service outside"),
    ("G4", "the world sees another address", lambda: wan(str(PUBLIC), "198.51.100.9"), "198.51.100.9"),
    ("G4", "one source alone says so", lambda: wan(str(PUBLIC), str(PUBLIC)), "echo0.example alone"),
    (
        "G4",
        "only Plex was heard",
        lambda: home(lambda view: without(view, Kind.ECHO, OUTSIDE)),
        "plex.tv alone says",
    ),
    ("G4", "two echoes disagree", lambda: wan(str(PUBLIC), str(PUBLIC), "198.51.100.9"), "disagree"),
    (
        "G4",
        "Plex disagrees with the echoes",
        lambda: home(lambda view: with_facts(view, PLEX_ROLE, plex__public_address="198.51.100.9")),
        "disagree",
    ),
    (
        "G4",
        "the WAN address is unknown",
        lambda: home(lambda view: with_facts(view, ROUTER, wan__address=None)),
        "unknown",
    ),
    (
        "G4",
        "the WAN address is no IPv4 address",
        lambda: home(lambda view: with_facts(view, ROUTER, wan__address="2001:db8::7")),
        "2001:db8::7",
    ),
    (
        "G4",
        "two ways to the internet, and another one is seen",
        lambda: home(
            lambda view: with_facts(view, ROUTER, wan__ways=("0 wan", "0 lte"), wan__address="203.0.113.8")
        ),
        "2 ways",
    ),
    (
        "G4",
        "a passage alone opens what is already forwarded",
        lambda: replace(wan("100.64.0.1"), changes=(PASS,)),
        "carrier NAT",
    ),
    ("G5", "10/8", lambda: wan("10.0.0.2", str(PUBLIC)), "second NAT"),
    ("G4", "no word lifts carrier NAT", lambda: told_passed_on("100.72.13.5", str(PUBLIC)), "carrier NAT"),
    (
        "G4",
        "no attempt lifts carrier NAT",
        lambda: passed_on("100.72.13.5", probe(ProbeAnswer.OPEN, identifier=IDENTIFIER)),
        "carrier NAT",
    ),
    ("G5", "it names the inventory's key", lambda: wan("10.0.0.2"), "upstream: {passes_on: true}"),
    (
        "G5",
        "an attempt from inside gets in anywhere",
        lambda: passed_on("10.0.0.2", probe(ProbeAnswer.OPEN, identifier=IDENTIFIER, inside=True)),
        "second NAT",
    ),
    (
        "G5",
        "by a name viewers may come another way",
        lambda: passed_on("10.0.0.2", named(probe(ProbeAnswer.OPEN, identifier=IDENTIFIER))),
        "second NAT",
    ),
    (
        "G5",
        "it got in at an address that is not the home's",
        lambda: case_of(
            with_entries(
                wan("10.0.0.2", "198.51.100.9").before,
                probe(ProbeAnswer.OPEN, identifier=IDENTIFIER),
                role=OUTSIDE,
            )
        ),
        "second NAT",
    ),
    (
        "G5",
        "another Plex answered",
        lambda: passed_on("10.0.0.2", probe(ProbeAnswer.OPEN, identifier="f" * 40)),
        "second NAT",
    ),
    ("G5", "172.16/12", lambda: wan("172.31.255.254"), "second NAT"),
    ("G5", "192.168/16", lambda: wan("192.168.178.20", str(PUBLIC)), "second NAT"),
    ("G6", "outside the LAN", lambda: reserving("192.168.2.50"), "not in the LAN"),
    ("G6", "the network's own address", lambda: reserving("192.168.1.0"), "no host's address"),
    ("G6", "the broadcast address", lambda: reserving("192.168.1.255"), "no host's address"),
    ("G6", "the router's address", lambda: reserving("192.168.1.1"), "router's own"),
    (
        "G6",
        "the address by which plexops reaches the router, where the router does not tell its own",
        lambda: home(
            lambda view: with_facts(view, ROUTER, lan__address=None),
            (replace(RESERVE, want=Reservation((MAC,), IPv4Address("192.168.1.1"))),),
        ),
        "router's own",
    ),
    ("G6", "reserved for another host", lambda: reserving(str(NAS)), "reserved for “nas”"),
    ("G6", "the MAC has another reservation", lambda: reserving(str(PLEX), NAS_MAC), "another reservation"),
    (
        "G6",
        "the second of two MACs has one",
        lambda: reserving(str(PLEX), MAC, NAS_MAC),
        "another reservation",
    ),
    (
        "G6",
        "leased to another MAC now",
        lambda: home(
            lambda view: with_entries(view, lease("98:5f:d3:a1:a2:a3", IPv4Address("192.168.1.51"))),
            (replace(RESERVE, want=Reservation((MAC,), IPv4Address("192.168.1.51"))),),
        ),
        "leased to 98:5f:d3:a1:a2:a3",
    ),
    (
        "G6",
        "a neighbour that cannot be read",
        lambda: home(lambda view: with_entries(view, entry(Kind.DHCP_RESERVATION, None, label="old box"))),
        "cannot be read",
    ),
    (
        "G6",
        "the reservations could not be read",
        lambda: home(lambda view: with_state(view, Kind.DHCP_RESERVATION, KindState.UNKNOWN), (RESERVE,)),
        "could not be read",
    ),
    (
        "G6",
        "the leases could not be read",
        lambda: home(lambda view: with_state(view, Kind.LEASE, KindState.UNKNOWN)),
        "leases could not be read",
    ),
    (
        "G6",
        "the LAN is unknown",
        lambda: home(lambda view: with_facts(view, ROUTER, lan__network=None)),
        "LAN is unknown",
    ),
    (
        "G6",
        "a reservation for nobody",
        lambda: home(lambda view: view, (replace(RESERVE, want=Reservation((), PLEX)),)),
        "names no host",
    ),
    ("G7", "port 1023", lambda: case_of(sound_view(), forwarding(external=1023)), "1024"),
    ("G7", "port 0", lambda: case_of(sound_view(), forwarding(external=0)), "1024"),
    ("G7", "a port of the deny-list", lambda: case_of(sound_view(), forwarding(external=8291)), "well-known"),
    (
        "G7",
        "a range without 32400",
        lambda: case_of(sound_view(), forwarding(external=(32500, 32501))),
        "not one",
    ),
    ("G7", "a forward holds it", lambda: home(lambda view: with_entries(view, NAS_FORWARD)), "“NAS”"),
    (
        "G7",
        "a range holds it, for both protocols",
        lambda: home(
            lambda view: with_entries(
                view,
                entry(
                    Kind.PORT_FORWARD, forward((32450, 32600), NAS, (32450, 32600), Protocol.BOTH), handle="r"
                ),
            )
        ),
        "taken by the forward",
    ),
    (
        "G7",
        "a forward of ours with another key holds it",
        lambda: home(
            lambda view: with_entries(view, entry(Kind.PORT_FORWARD, forward(), key="other", handle="other"))
        ),
        "taken by the forward",
    ),
    (
        "G7",
        "a forward that cannot be read",
        lambda: home(
            lambda view: with_entries(view, entry(Kind.PORT_FORWARD, None, label="odd")), OPENS_NO_FILTER
        ),
        "“odd”, perhaps",
    ),
    (
        "G7",
        "the forwards could not be read",
        lambda: home(lambda view: with_state(view, Kind.PORT_FORWARD, KindState.UNKNOWN), OPENS_NO_FILTER),
        "could not be read",
    ),
    (
        "G7",
        "a UPnP mapping holds it",
        lambda: home(lambda view: with_entries(view, mapping(32500, PLEX))),
        "UPnP mapping of 192.168.1.50",
    ),
    (
        "G7",
        "a UPnP mapping that cannot be read",
        lambda: case_of(
            with_entries(sound_view(), entry(Kind.UPNP_MAPPING, None, label="odd")), OPENS_NO_FILTER[:-1]
        ),
        "“odd”, perhaps",
    ),
    (
        "G7",
        "the UPnP mappings could not be read",
        lambda: case_of(with_state(sound_view(), Kind.UPNP_MAPPING, KindState.UNKNOWN), OPENS_NO_FILTER[:-1]),
        "could not be read",
    ),
    ("G8", "UDP", lambda: case_of(sound_view(), forwarding(protocol=Protocol.UDP)), "TCP alone"),
    ("G8", "both protocols", lambda: case_of(sound_view(), forwarding(protocol=Protocol.BOTH)), "TCP alone"),
    ("G8", "to another host", lambda: case_of(sound_view(), forwarding(address=NAS)), "not where Plex is"),
    ("G8", "to another port", lambda: case_of(sound_view(), forwarding(port=22)), "not where Plex is"),
    (
        "G8",
        "to the router itself",
        lambda: case_of(sound_view(), forwarding(address=None)),
        "not where Plex is",
    ),
    (
        "G8",
        "neither reserved nor static",
        lambda: case_of(sound_view(), [FORWARD]),
        "neither reserved nor static",
    ),
    (
        "G8",
        "the reservation is switched off",
        lambda: case_of(
            with_entries(
                sound_view(),
                entry(Kind.DHCP_RESERVATION, Reservation((MAC,), PLEX, enabled=False), handle="off"),
            ),
            [FORWARD],
        ),
        "neither reserved nor static",
    ),
    (
        "G8",
        "reserved for another host",
        lambda: case_of(
            with_entries(
                sound_view(), entry(Kind.DHCP_RESERVATION, Reservation(("02:00:00:00:00:07",), PLEX))
            ),
            [FORWARD],
        ),
        "not for 52:54:00:12:34:56",
    ),
    (
        "G8",
        "no Plex server answered",
        lambda: home(lambda view: with_facts(view, PLEX_ROLE, plex__identifier=None), OPENS_NO_FILTER),
        "no Plex server answered",
    ),
    (
        "G8",
        "nobody knows where Plex answered",
        lambda: home(lambda view: replace(view, plex_answered_at=None), OPENS_NO_FILTER),
        "no Plex server answered",
    ),
    (
        "G8",
        "Plex answered at the host's old address",
        lambda: home(lambda view: replace(view, plex_answered_at=(str(OLD), 32400)), OPENS_NO_FILTER),
        "192.168.1.83:32400",
    ),
    (
        "G8",
        "Plex answered at another port",
        lambda: home(lambda view: replace(view, plex_answered_at=(str(PLEX), 32401)), OPENS_NO_FILTER),
        ":32401",
    ),
    (
        "G8",
        "a container's own address is not fixed by the server's reservation",
        lambda: case_of(container(), [RESERVE, TO_CONTAINER]),
        "neither reserved nor static",
    ),
    (
        "G8",
        "a static server says nothing of a container's address in the pool",
        lambda: case_of(
            with_facts(replace(container(), server_is_static=True), ROUTER, pool__first="192.168.1.2"),
            [TO_CONTAINER],
        ),
        "DHCP may give it",
    ),
    (
        "G8",
        "the server answered for a container with another address",
        lambda: case_of(replace(container(str(PLEX)), server_is_static=True), [TO_CONTAINER]),
        "Plex answered at 192.168.1.50",
    ),
    ("G9", "the server did not answer", lambda: silent(SERVER), "the server did not answer"),
    ("G9", "the router was read too long ago", lambda: aged(ROUTER, 601.0), "10 minutes old"),
    ("G9", "Plex was read too long ago", lambda: aged(PLEX_ROLE, 3600.0), "60 minutes old"),
    ("G9", "an age that is no number", lambda: aged(SERVER, float("nan")), "minutes old"),
    ("G9", "nobody knows how old it is", lambda: aged(SERVER, None), "is not known"),
    (
        "G10",
        "the forward takes the port of our own login from outside",
        lambda: home(lambda view: replace(view, management=MappingProxyType({ROUTER: (str(PUBLIC), 32500)}))),
        "reaches the router",
    ),
    (
        "G10",
        "the rule for our login is taken away",
        lambda: case_of(sound_view(), [change(Kind.FIREWALL_RULE, Action.DELETE, before=SSH_RULE)]),
        "reaches the server",
    ),
    (
        "G10",
        "the rule for our login gets another port",
        lambda: case_of(sound_view(), [replace(ADMIT, action=Action.UPDATE, before=SSH_RULE)]),
        "reaches the server",
    ),
    (
        "G11",
        "an adoption that nobody allowed",
        lambda: adopting(forward(address=OLD), forward(), adopted=False),
        "“Plex by hand”",
    ),
    (
        "G11",
        "somebody's forward is updated as if it were ours",
        lambda: case_of(
            with_entries(sound_view(), entry(Kind.PORT_FORWARD, forward(address=OLD), handle="theirs")),
            plan_with(
                replace(
                    FORWARD,
                    action=Action.UPDATE,
                    before=entry(Kind.PORT_FORWARD, forward(address=OLD), handle="theirs"),
                )
            ),
        ),
        "“theirs”, which plexops did not make",
    ),
    (
        "G11",
        "somebody's forward is deleted, whatever was adopted",
        lambda: case_of(
            with_entries(sound_view(), NAS_FORWARD),
            [change(Kind.PORT_FORWARD, Action.DELETE, before=NAS_FORWARD)],
            adopted=["router/port_forward/plex"],
        ),
        "would delete",
    ),
    (
        "G11",
        "an adoption that deletes",
        lambda: case_of(
            with_entries(sound_view(), NAS_FORWARD),
            [change(Kind.PORT_FORWARD, Action.ADOPT, before=NAS_FORWARD)],
            adopted=["router/port_forward/plex"],
        ),
        "would delete",
    ),
    (
        "G11",
        "somebody's entry is put back, and nothing is being undone",
        lambda: case_of(
            with_entries(sound_view(), entry(Kind.PORT_FORWARD, forward(), handle="theirs")),
            plan_with(
                replace(
                    FORWARD,
                    action=Action.RESTORE,
                    before=entry(Kind.PORT_FORWARD, forward(), handle="theirs"),
                )
            ),
            adopted=["router/port_forward/plex"],
        ),
        "did not make",
    ),
    (
        "G12",
        "a run was interrupted",
        lambda: home(lambda view: replace(view, unfinished_run="01J")),
        "plexops recover",
    ),
    (
        "G12",
        "somebody staged an edit",
        lambda: home(lambda view: with_facts(view, ROUTER, pending="\nfirewall.cfg01.name='x'\n")),
        "firewall.cfg01.name",
    ),
    (
        "G12",
        "whether somebody staged an edit could not be read",
        lambda: home(
            lambda view: with_facts(
                view.with_snapshot(replace(view.of(ROUTER), reasons={"pending": "uci: I/O error"})),
                ROUTER,
                pending=None,
            )
        ),
        "I/O error",
    ),
    (
        "G13",
        "another host has a mapping",
        lambda: home(
            lambda view: with_entries(view, mapping(3074, IPv4Address("192.168.1.160"), Protocol.UDP))
        ),
        "192.168.1.160",
    ),
    (
        "G13",
        "a mapping that cannot be read",
        lambda: home(
            lambda view: with_entries(view, entry(Kind.UPNP_MAPPING, None, label="odd")), (UPNP_OFF,)
        ),
        "another device",
    ),
    (
        "G13",
        "the mappings could not be read",
        lambda: home(lambda view: with_state(view, Kind.UPNP_MAPPING, KindState.UNKNOWN), (UPNP_OFF,)),
        "could not be read",
    ),
    (
        "G13",
        "UPnP is not last",
        lambda: case_of(sound_view(), (RESERVE, ADMIT, FORWARD, PASS, UPNP_OFF, ANNOUNCE)),
        "before the rest",
    ),
)


def test_every_guard_holds_on_the_sound_case() -> None:
    verdicts = judge(case_of(sound_view()))
    assert [verdict.guard for verdict in verdicts] == [f"G{number}" for number in range(1, 14)]
    assert [verdict.reason for verdict in verdicts] == [""] * 13
    assert all(verdict.holds for verdict in verdicts)


@pytest.mark.parametrize(
    ("guard", "make", "words"), [pytest.param(g, m, w, id=f"{g} {t}") for g, t, m, w in ALONE]
)
def test_only_this_guard_stands_in_the_way(guard: str, make: Make, words: str) -> None:
    case = make()
    assert refusing(case) == {guard}
    assert words in reasons(case)[guard]


def test_every_guard_stands_alone_at_least_once() -> None:
    assert {guard for guard, _, _, _ in ALONE} == set(NAMES)


def test_a_refused_plan_is_never_authorized() -> None:
    step = Step(FORWARD, Script((Write(Command("true")),)))
    for _, _, make, _ in ALONE:
        assert authorize("home", step, judge(make())) is False
    assert authorize("home", step, ()) is False
    assert authorize("home", step, judge(case_of(sound_view()))) is not False


def test_a_verdict_that_is_missing_or_given_twice_authorizes_nothing() -> None:
    step = Step(FORWARD, Script((Write(Command("true")),)))
    whole = judge(case_of(sound_view()))
    for index in range(1, len(whole)):
        assert authorize("home", step, (*whole[:index], *whole[index + 1 :])) is False
        assert authorize("home", step, (*whole[:index], whole[0], *whole[index + 1 :])) is False
    assert authorize("home", step, (*whole, GuardVerdict("G14", "", holds=True, reason=""))) is False


#: Forwards of 32400 in every shape: more than one guard refuses them, G1 always.
SHAPES: tuple[tuple[str, Make, set[str]], ...] = (
    ("32400 itself", lambda: case_of(sound_view(), forwarding(external=PLEX_PORT)), {"G1"}),
    ("a range over it", lambda: case_of(sound_view(), forwarding(external=(32000, 33000))), {"G1", "G7"}),
    ("ending at it", lambda: case_of(sound_view(), forwarding(external=(32399, 32400))), {"G1", "G7"}),
    ("starting at it", lambda: case_of(sound_view(), forwarding(external=(32400, 32401))), {"G1", "G7"}),
    (
        "for another host",
        lambda: case_of(sound_view(), forwarding(external=PLEX_PORT, address=NAS)),
        {"G1", "G8"},
    ),
    (
        "all ports of TCP",
        lambda: case_of(sound_view(), forwarding(external=(1, 65535), port=(1, 65535))),
        {"G1", "G2", "G7", "G8"},
    ),
    (
        "one to one, from port 0",
        lambda: case_of(
            sound_view(), forwarding(external=(0, 65535), port=(0, 65535), protocol=Protocol.ANY)
        ),
        {"G1", "G2", "G7", "G8"},
    ),
    (
        "a DMZ for another host",
        lambda: case_of(sound_view(), forwarding(external=(1, 65535), address=NAS, port=(1, 65535))),
        {"G1", "G7", "G8"},
    ),
)


@pytest.mark.parametrize(("make", "guards"), [pytest.param(m, g, id=t) for t, m, g in SHAPES])
def test_32400_is_refused_in_every_shape(make: Make, guards: set[str]) -> None:
    # The old forward and the new host rule are judged too: `let in what … forwards` is G1's own word for it.
    assert refusing(make()) == guards


ADOPTIONS: tuple[tuple[str, Make, str], ...] = (
    ("into 32400", lambda: adopting(forward(PLEX_PORT), forward(PLEX_PORT)), "G1"),
    ("into a privileged port", lambda: adopting(forward(443), forward(443)), "G7"),
    ("into UDP too", lambda: adopting(forward(), forward(protocol=Protocol.BOTH)), "G8"),
    ("to another host", lambda: adopting(forward(), forward(address=NAS)), "G8"),
    (
        "behind carrier NAT",
        lambda: replace(
            adopting(forward(address=OLD), forward()),
            before=with_facts(
                adopting(forward(address=OLD), forward()).before, ROUTER, wan__address="100.127.255.254"
            ),
        ),
        "G4",
    ),
    (
        "through a second NAT",
        lambda: replace(
            adopting(forward(address=OLD), forward()),
            before=with_facts(
                adopting(forward(address=OLD), forward()).before, ROUTER, wan__address="10.1.2.3"
            ),
        ),
        "G5",
    ),
)


@pytest.mark.parametrize(("make", "guard"), [pytest.param(m, g, id=t) for t, m, g in ADOPTIONS])
def test_what_is_adopted_meets_what_is_made(make: Make, guard: str) -> None:
    assert refusing(make()) == {guard}


def static(view: SiteView) -> SiteView:
    return replace(view, server_is_static=True)


def undo(made: Change, *, view: SiteView | None = None) -> Case:
    back = inverse(made)
    assert back is not None
    return case_of(view or sound_view(), [back], undoing=True)


#: Like what is refused above, and fine.
FINE: tuple[tuple[str, str, Make], ...] = (
    (
        "G1",
        "an old forward of 32400 is no reason against a reservation",
        lambda: home(lambda view: with_entries(view, DIRECT), (RESERVE,)),
    ),
    (
        "G1",
        "an old forward of 32400 is no reason against another forward",
        lambda: home(lambda view: with_entries(view, DIRECT), (RESERVE, FORWARD, ANNOUNCE)),
    ),
    (
        "G1",
        "an old forward of 32400 to somebody else's host, switched off",
        lambda: home(
            lambda view: with_entries(
                view, entry(Kind.PORT_FORWARD, forward(PLEX_PORT, PLEX, enabled=False), handle="off")
            )
        ),
    ),
    (
        "G1",
        "a forward of 32400 that is being switched off",
        lambda: case_of(
            with_entries(sound_view(), DIRECT),
            [change(Kind.PORT_FORWARD, Action.ADOPT, forward(PLEX_PORT, enabled=False), before=DIRECT)],
            adopted=["router/port_forward/plex"],
        ),
    ),
    (
        "G1",
        "32400 inside, another port outside",
        lambda: case_of(sound_view(), forwarding(external=32401)),
    ),
    (
        "G1",
        "remote access is switched off, whatever port it has",
        lambda: case_of(
            sound_view(), plan_with(replace(ANNOUNCE, want=RemoteAccess(False, False, PLEX_PORT)))
        ),
    ),
    (
        "G2",
        "an old DMZ to another host",
        lambda: home(
            lambda view: with_entries(
                view,
                entry(Kind.PORT_FORWARD, forward((1, 65535), NAS, (1, 65535), enabled=False), handle="dmz"),
            )
        ),
    ),
    (
        "G2",
        "the router itself is the DMZ of the ISP's gateway",
        lambda: home(
            lambda view: view,
            (
                replace(FORWARD, role=Role.UPSTREAM, want=forward((1, 65535), PUBLIC, (1, 65535))),
                *WHOLE_PLAN,
            ),
        ),
    ),
    (
        "G3",
        "Plex listens at another port",
        lambda: case_of(
            replace(sound_view(), plex_port=32401, plex_answered_at=(str(PLEX), 32401)),
            (
                RESERVE,
                replace(ADMIT, want=FirewallRule(32401)),
                replace(FORWARD, want=forward(port=32401)),
                replace(PASS, want=Passage(PLEX, 32401, "forward")),
            ),
        ),
    ),
    (
        "G3",
        "Plex answers inside the server alone, as its firewall lets nothing in",
        lambda: home(lambda view: replace(view, plex_answered_at=("127.0.0.1", 32400)), (ADMIT, PASS)),
    ),
    (
        "G3",
        "the server takes its address in the same plan",
        lambda: home(
            lambda view: with_facts(view, SERVER, host__addresses=(str(OLD),)), (RESERVE, RENEW, ADMIT)
        ),
    ),
    (
        "G3",
        "a firewall that was off stays off",
        lambda: home(lambda view: with_facts(view, SERVER, firewall__active=False)),
    ),
    ("G4", "documentation addresses are public ones", lambda: wan("198.51.100.9", *["198.51.100.9"] * 2)),
    ("G4", "just below carrier NAT", lambda: wan("100.63.255.255", *["100.63.255.255"] * 2)),
    ("G4", "just above carrier NAT", lambda: wan("100.128.0.0", *["100.128.0.0"] * 2)),
    (
        "G4",
        "a reservation behind carrier NAT",
        lambda: replace(wan("100.64.0.1"), changes=(RESERVE,)),
    ),
    (
        "G4",
        "two ways to the internet, and this one is what the world sees",
        lambda: home(lambda view: with_facts(view, ROUTER, wan__ways=("0 wan", "0 lte"))),
    ),
    ("G5", "the inventory says that the box before it passes on", lambda: told_passed_on("192.168.178.20")),
    (
        "G5",
        "somebody outside got in through it",
        lambda: passed_on("192.168.178.20", probe(ProbeAnswer.OPEN, identifier=IDENTIFIER)),
    ),
    ("G5", "a host rule behind a second NAT", lambda: replace(wan("10.0.0.2"), changes=(ADMIT,))),
    ("G5", "just above 172.16/12", lambda: wan("172.32.0.1", *["172.32.0.1"] * 2)),
    (
        "G6",
        "x.255 inside a /23",
        lambda: home(
            lambda view: with_facts(view, ROUTER, lan__network="192.168.0.0/23"),
            (replace(RESERVE, want=Reservation((MAC,), IPv4Address("192.168.0.255"))),),
        ),
    ),
    ("G6", "an address inside the pool", lambda: reserving("192.168.1.150")),
    (
        "G6",
        "the host itself has the lease",
        lambda: home(lambda view: with_entries(view, lease(MAC, IPv4Address("192.168.1.52"))), (RESERVE,)),
    ),
    (
        "G6",
        "a lease that cannot be read says nothing about ours",
        lambda: home(lambda view: with_entries(view, entry(Kind.LEASE, None, handle="odd")), (RESERVE,)),
    ),
    (
        "G6",
        "the router tells no leases at all",
        lambda: home(lambda view: with_state(view, Kind.LEASE, KindState.UNSUPPORTED)),
    ),
    (
        "G6",
        "our own reservation gets another address",
        lambda: case_of(
            with_entries(sound_view(), entry(Kind.DHCP_RESERVATION, Reservation((MAC,), OLD), key="plex")),
            [
                replace(
                    RESERVE,
                    action=Action.UPDATE,
                    before=entry(Kind.DHCP_RESERVATION, Reservation((MAC,), OLD), key="plex"),
                )
            ],
        ),
    ),
    ("G7", "the first port that is free for all", lambda: case_of(sound_view(), forwarding(external=1024))),
    ("G7", "the last port", lambda: case_of(sound_view(), forwarding(external=65535))),
    (
        "G7",
        "a forward that is switched off holds nothing",
        lambda: home(
            lambda view: with_entries(
                view, replace(NAS_FORWARD, values=forward(32500, NAS, 443, enabled=False))
            )
        ),
    ),
    (
        "G7",
        "UDP at the same number is another port",
        lambda: case_of(
            with_entries(
                sound_view(),
                entry(Kind.PORT_FORWARD, forward(32500, NAS, 53, Protocol.UDP), handle="udp"),
                mapping(32500, NAS, Protocol.UDP),
            ),
            WHOLE_PLAN[:-1],
        ),
    ),
    (
        "G7",
        "our own forward is updated",
        lambda: case_of(
            with_entries(sound_view(), replace(OUR_FORWARD, values=forward(address=OLD))),
            plan_with(
                replace(
                    FORWARD, action=Action.UPDATE, before=replace(OUR_FORWARD, values=forward(address=OLD))
                )
            ),
        ),
    ),
    (
        "G8",
        "a static server without any reservation",
        lambda: case_of(static(sound_view()), [FORWARD]),
    ),
    (
        "G8",
        "a reservation of several MACs, ours among them",
        lambda: case_of(
            with_entries(sound_view(), entry(Kind.DHCP_RESERVATION, Reservation((NAS_MAC, MAC), PLEX))),
            [FORWARD],
        ),
    ),
    (
        "G8",
        "a container whose address is reserved",
        lambda: case_of(
            with_entries(
                container(),
                entry(
                    Kind.DHCP_RESERVATION, Reservation(("02:42:c0:a8:01:3c",), IPv4Address("192.168.1.60"))
                ),
            ),
            [TO_CONTAINER],
        ),
    ),
    (
        "G8",
        "a container outside the pool, on a static server",
        lambda: case_of(static(container()), [TO_CONTAINER]),
    ),
    (
        "G8",
        "a forward that is taken away need not reach Plex",
        lambda: case_of(
            with_facts(with_entries(sound_view(), OUR_FORWARD), PLEX_ROLE, plex__identifier=None),
            [change(Kind.PORT_FORWARD, Action.DELETE, before=OUR_FORWARD)],
        ),
    ),
    ("G9", "exactly ten minutes", lambda: aged(ROUTER, 600.0)),
    (
        "G9",
        "nobody has access to the server",
        lambda: replace(
            silent(SERVER),
            before=replace(silent(SERVER).before, asked=frozenset({ROUTER, PLEX_ROLE})),
        ),
    ),
    (
        "G10",
        "the same port number on the LAN side",
        lambda: home(
            lambda view: replace(view, management=MappingProxyType({ROUTER: ("192.168.1.1", 32500)}))
        ),
    ),
    (
        "G10",
        "our rule for Plex is taken away",
        lambda: case_of(
            sound_view(),
            [
                change(
                    Kind.FIREWALL_RULE,
                    Action.DELETE,
                    before=entry(Kind.FIREWALL_RULE, FirewallRule(32400), key="plex"),
                )
            ],
        ),
    ),
    (
        "G10",
        "a rule of ours that cannot be read is put in order",
        lambda: case_of(
            sound_view(),
            [replace(ADMIT, action=Action.UPDATE, before=entry(Kind.FIREWALL_RULE, None, key="plex"))],
        ),
    ),
    ("G11", "an adoption that was allowed", lambda: adopting(forward(address=OLD), forward())),
    (
        "G11",
        "what was adopted is put back",
        lambda: undo(
            change(
                Kind.PORT_FORWARD,
                Action.ADOPT,
                forward(),
                before=entry(Kind.PORT_FORWARD, forward(address=OLD), handle="theirs"),
            )
        ),
    ),
    (
        "G11",
        "Plex's own settings and the UPnP switch belong to nobody",
        lambda: case_of(
            sound_view(),
            [
                replace(
                    ANNOUNCE, before=entry(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, False, 0), handle="p")
                ),
                replace(UPNP_OFF, before=entry(Kind.UPNP, Upnp(enabled=True), handle="u")),
            ],
        ),
    ),
    ("G12", "blank lines are no edits", lambda: home(lambda view: with_facts(view, ROUTER, pending=" \n\n"))),
    (
        "G12",
        "edits on the router are no reason against a change of the server",
        lambda: home(lambda view: with_facts(view, ROUTER, pending="firewall.cfg01.name='x'"), (ADMIT,)),
    ),
    (
        "G12",
        "what our own half-sent script staged does not stop its undo",
        lambda: undo(
            FORWARD, view=with_facts(sound_view(), ROUTER, pending="firewall.plexops_plex='redirect'")
        ),
    ),
    (
        "G13",
        "Plex itself has the only mapping",
        lambda: home(lambda view: with_entries(view, mapping(18444, PLEX))),
    ),
    (
        "G13",
        "Plex has the only mapping, at the address that the host leaves",
        lambda: home(
            lambda view: with_entries(
                with_facts(view, SERVER, host__addresses=(str(OLD),)), mapping(18444, OLD)
            ),
            (UPNP_OFF,),
        ),
    ),
    (
        "G13",
        "the router has no UPnP mappings to tell",
        lambda: home(lambda view: with_state(view, Kind.UPNP_MAPPING, KindState.ABSENT)),
    ),
)


@pytest.mark.parametrize("make", [pytest.param(m, id=f"{g} {t}") for g, t, m in FINE])
def test_no_guard_stands_in_the_way_of(make: Make) -> None:
    assert reasons(make()) == {}


def test_every_guard_has_a_neighbour_that_is_fine() -> None:
    assert {guard for guard, _, _ in FINE} == set(NAMES)


def test_while_undoing_others_edits_still_count() -> None:
    case = undo(FORWARD, view=with_facts(sound_view(), ROUTER, pending="firewall.cfg07.enabled='0'"))
    assert refusing(case) == {"G12"}


def test_while_undoing_a_firewall_is_still_never_switched_off() -> None:
    case = case_of(sound_view(), [change(Kind.HOST_FIREWALL, Action.UPDATE, key="ufw")], undoing=True)
    assert refusing(case) == {"G3"}


#: The old state is one that a guard refuses: it does not come back, in a rollback as in a run's own undo.
NOT_AGAIN: tuple[tuple[str, str, Make], ...] = (
    (
        "G1",
        "putting back what was there",
        lambda: undo(
            change(Kind.PORT_FORWARD, Action.ADOPT, forward(), before=DIRECT),
            view=with_entries(sound_view(), replace(DIRECT, values=forward())),
        ),
    ),
    (
        "G3",
        "undoing a rule's new port",
        lambda: undo(
            replace(
                ADMIT,
                action=Action.UPDATE,
                before=entry(Kind.FIREWALL_RULE, FirewallRule(32401), key="plex", handle="rule"),
            )
        ),
    ),
    (
        "G3",
        "undoing a passage's new target",
        lambda: undo(
            replace(
                PASS,
                action=Action.UPDATE,
                before=entry(Kind.PASSAGE, Passage(OLD, 32400, "forward"), key="plex", handle="p"),
            )
        ),
    ),
    (
        "G3",
        "putting UPnP back on",
        lambda: undo(replace(UPNP_OFF, before=entry(Kind.UPNP, Upnp(enabled=True), handle="upnp"))),
    ),
)


@pytest.mark.parametrize("restoring", [False, True])
@pytest.mark.parametrize(("guard", "make"), [pytest.param(g, m, id=f"{g} {t}") for g, t, m in NOT_AGAIN])
def test_going_back_is_judged_as_any_change_is(guard: str, make: Make, restoring: bool) -> None:
    assert guard in refusing(replace(make(), restoring=restoring))


def test_a_run_s_own_undo_asks_for_no_proof_of_what_it_found_itself() -> None:
    """Our forward goes back though nobody tells the public address just then; a later rollback has to know it."""
    gone = change(
        Kind.PORT_FORWARD, Action.DELETE, None, before=entry(Kind.PORT_FORWARD, forward(), key="plex")
    )
    unproven = replace(
        sound_view(), snapshots={r: s for r, s in sound_view().snapshots.items() if r is not OUTSIDE}
    )
    unproven = static(with_facts(unproven, PLEX_ROLE, plex__public_address=None))
    assert refusing(undo(gone, view=unproven)) == {"G4"}
    assert refusing(replace(undo(gone, view=unproven), restoring=True)) == set()


def test_a_run_s_own_undo_gives_plex_its_own_settings_back() -> None:
    """They open nothing by themselves; a rollback does not let Plex choose a port again where that was 32400."""
    for last, refuses in ((0, set()), (18444, set()), (32400, {"G1"})):
        automatic = entry(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, False, 0, last), handle="p")
        made = replace(ANNOUNCE, before=automatic)
        assert refusing(undo(made)) == refuses
        assert refusing(replace(undo(made), restoring=True)) == set()
    by_hand = entry(Kind.PLEX_REMOTE_ACCESS, RemoteAccess(True, True, PLEX_PORT, 18444), handle="p")
    assert refusing(undo(replace(ANNOUNCE, before=by_hand))) == {"G1"}, "announced by hand, it would be again"
