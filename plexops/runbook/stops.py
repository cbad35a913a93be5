"""The three ways, stop by stop: at each what was read, which causes show, and which may hide where nothing was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from plexops.model.snapshot import Role
from plexops.model.values import is_public
from plexops.runbook.answers import Heard
from plexops.runbook.attempts import Came
from plexops.runbook.causes.cause import Cause, Sign, StopName, Weight
from plexops.runbook.causes.lan import who_holds
from plexops.runbook.causes.server import finds_plex_tv
from plexops.runbook.causes.table import CAUSES
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.view import ipv4, second_hop, tunnel
from plexops.runbook.way_in import WayIn, rule_exhibits, translation
from plexops.structs import replace


class State(StrEnum):
    """What is known of a stop."""

    PASSES = "passes"
    STOPS = "stops"
    #: There is evidence that it stops, and no proof.
    SUSPECT = "suspect"
    #: Asked, and not or not fully answered.
    UNREAD = "not read"
    NOT_ASKED = "not asked"
    #: It cannot be read: only attempts from outside say something about it.
    NEVER = "cannot be read"
    NOT_HERE = "not here"


_OPEN_STATES = frozenset({State.UNREAD, State.NOT_ASKED})


class Found(Struct, frozen=True):
    """One cause that shows, or is suspected."""

    cause: Cause
    sign: Sign


class Stop(Struct, frozen=True):
    """One stop of a way. `hidden` are causes that may be there because it was not read."""

    place: StopName
    state: State
    says: str
    exhibits: tuple[str, ...] = ()
    shown: tuple[Found, ...] = ()
    suspects: tuple[Found, ...] = ()
    hidden: tuple[Cause, ...] = ()
    #: What you say of it, where that contradicts what was read.
    against: str = ""

    @property
    def unread(self) -> bool:
        """Whether something may hide there that could have been read."""
        return self.state in _OPEN_STATES


class _Reading(Struct, frozen=True):
    """What was read at a stop, causes apart. `but` are causes that cannot hide there all the same."""

    state: State
    says: str = ""
    exhibits: tuple[str, ...] = ()
    but: frozenset[str] = frozenset()


def walk(situation: Situation) -> tuple[Stop, ...]:
    """Follow the three ways, from the outside in; stops that the home's access does not use are left out."""
    access = situation.view.access
    stops = []
    for place, read in _READERS.items():
        causes = [c for c in CAUSES if c.place is place and c.weight is Weight.CAUSE and access in c.access]
        if causes:
            stop = _stop(place, causes, read(situation), situation)
            for heard in situation.heard:
                stop = _with_word(stop, heard, causes)
            stops.append(stop)
    return tuple(stops)


def _stop(place: StopName, causes: list[Cause], reading: _Reading, situation: Situation) -> Stop:
    found = [Found(cause, sign) for cause in causes if (sign := cause.look(situation)) is not None]
    shown = tuple(one for one in found if not one.sign.suspect)
    suspects = tuple(one for one in found if one.sign.suspect)
    state = State.STOPS if shown else State.SUSPECT if suspects else reading.state
    hides = reading.state in (*_OPEN_STATES, State.NEVER) and not shown
    known = {one.cause.id for one in found} | reading.but
    hidden = tuple(cause for cause in causes if hides and cause.id not in known)
    of = found[0].sign if found else reading
    return Stop(place, state, of.says, of.exhibits, shown, suspects, hidden)


def _with_word(stop: Stop, heard: Heard, causes: list[Cause]) -> Stop:
    """Fill in what was not read with what you say. What was read stands, and where both differ, both are said."""
    meaning = heard.meaning
    here = {cause.id: cause for cause in causes}
    passes, blamed = stop.place in meaning.passes, here.get(meaning.shows or meaning.suspects)
    if heard.why_not or not (passes or blamed):
        return stop
    settled = all(one.cause.id == meaning.settles for one in stop.suspects)
    if stop.shown or not (stop.unread or stop.suspects) or not (blamed or settled):
        known = {one.cause.id for one in (*stop.shown, *stop.suspects)}
        differs = blamed.id not in known if blamed else bool(known)
        return replace(stop, against=heard.says) if differs else stop
    told = replace(stop, says=heard.says, exhibits=(heard.answer.exhibit,))
    if blamed is None:
        return replace(told, state=State.PASSES, suspects=(), hidden=())
    found = Found(blamed, Sign(told.says, told.exhibits, suspect=not meaning.shows))
    if meaning.shows:
        return replace(told, state=State.STOPS, shown=(found,), suspects=(), hidden=())
    hidden = tuple(cause for cause in stop.hidden if cause is not blamed)
    suspects = (*(one for one in stop.suspects if one.cause is not blamed), found)
    return replace(told, state=State.SUSPECT, suspects=suspects, hidden=hidden)


def not_read(situation: Situation, role: Role, what: str) -> tuple[State, str]:
    """Say that a device did not tell, or was not asked: the state of a stop, and the words."""
    state = State.UNREAD if role in situation.view.asked else State.NOT_ASKED
    return state, f"{what}: {state}"


def _passes(says: str, *shown: str) -> _Reading:
    return _Reading(State.PASSES, says, shown)


def _not_read(situation: Situation, role: Role, what: str) -> _Reading:
    return _Reading(*not_read(situation, role, what))


# --- the way in -----------------------------------------------------------------------------------------------------

#: The ISP's faults that the address itself would show.
_BY_ADDRESS = frozenset({"wan-down", "carrier-nat", "ds-lite"})


def _proxy(situation: Situation) -> _Reading:
    url = situation.proxy
    if url is None:
        return _Reading(State.NOT_HERE, "Plex announces no proxy")
    silent = [one for one in situation.observed.failed if one.came in (Came.SILENCE, Came.CLOSED)]
    if not silent:
        return _Reading(State.NOT_ASKED, f"whether {url.at} leads to Plex: not tried from outside")
    led = f" ({silent[0].probe.address})" if silent[0].probe.name else ""
    says = f"{url.at}{led}: {silent[0].came} ({silent[0].who})"
    return _Reading(State.UNREAD, says, tuple(one.exhibit for one in silent))


def _isp_address(situation: Situation) -> _Reading:
    wan = situation.wan
    if wan.holds is Holds.YES:
        return _Reading(State.PASSES, wan.says, wan.exhibits)
    if wan.cause is WanCause.SECOND_NAT:
        return _Reading(State.PASSES, "the box before the router decides", wan.exhibits)
    if ipv4(situation.wan_address) is None:
        reading = _not_read(situation, Role.ROUTER, "the address on the internet side")
        return _Reading(reading.state, wan.says, wan.exhibits)
    # With several ways out, or another one for the server, another address is no sign of a box between.
    several = wan.cause is WanCause.SEVERAL or situation.leaves_elsewhere
    elsewhere = frozenset({"wan-differs"}) if several else frozenset[str]()
    return _Reading(State.UNREAD, wan.says, wan.exhibits, _BY_ADDRESS | elsewhere)


def _upstream(situation: Situation) -> _Reading:
    wan = situation.wan
    if wan.cause is WanCause.SECOND_NAT:
        return _Reading(State.PASSES, wan.says, wan.exhibits)
    if ipv4(situation.wan_address) is not None or wan.holds is not Holds.UNKNOWN:
        return _passes("the router's address on the internet side is no private one")
    hop = ipv4(second_hop(situation.view))
    direct = situation.server.text("host.egress") is not None and tunnel(situation.view) is None
    if hop is not None and is_public(hop) and direct:
        return _passes(
            f"the box after the router, {hop}, is on the internet itself", situation.server.shows("host.hops")
        )
    return _not_read(situation, Role.ROUTER, "whether a second box translates before the router")


def _isp_filter(situation: Situation) -> _Reading:
    but = frozenset() if situation.view.port_share is None else frozenset({"port-outside-share"})
    return _Reading(State.NEVER, "only an attempt from outside shows them", but=but)


def _router_forward(situation: Situation) -> _Reading:
    way = situation.way
    if Role.ROUTER not in situation.view.asked:
        return _not_read(situation, Role.ROUTER, "the router's forwards")
    if way is None or not situation.forwards_known:
        return _not_read(situation, Role.ROUTER, f"where the router sends port {situation.port or 'of Plex'}")
    if situation.router_stops is not None and not situation.router_stops.translated:
        return _Reading(State.NOT_HERE, "a filter of the router stops the port before it", ())
    # Where a question about the rule itself is open, some packets may go past it.
    past = any(end.packet.answers and not end.packet.dnat for end in way.answer.ends)
    if way.open or (any(end.packet.dnat for end in way.answer.ends) and not past):
        rule = translation(way)
        called = "" if rule is None else f" by {rule.called}"
        shown = () if rule is None or not rule.exhibit else (rule.exhibit,)
        return _Reading(State.PASSES, f"port {situation.port} is sent to Plex{called}", shown)
    return _not_read(situation, Role.ROUTER, "one of the router's rules for this port")


def _router_filter(situation: Situation) -> _Reading:
    if situation.router.box is None:
        return _not_read(situation, Role.ROUTER, "this router's own filter rules")
    way = situation.way
    if way is not None and way.open:
        return _Reading(State.PASSES, "the router's filters let it through", rule_exhibits(way))
    return _not_read(situation, Role.ROUTER, _question(way) or "what the router's filters do with this port")


def _question(way: WayIn | None) -> str:
    return "" if way is None or not way.answer.questions else str(way.answer.questions[0])


def _lan(situation: Situation) -> _Reading:
    if Role.ROUTER not in situation.view.asked:
        return _Reading(State.NEVER, "no router tells whether another device does")
    held = who_holds(situation)
    if held is None:
        return _not_read(situation, Role.ROUTER, "which MAC addresses hold Plex's address")
    return _Reading(State.UNREAD if held.suspect else State.PASSES, held.says, held.exhibits)


def _container(situation: Situation) -> _Reading:
    engine = situation.server.text("container.engine")
    if engine is None and situation.answers_in_the_lan:
        return _passes("Plex answers at its address in the LAN")
    if engine is None:
        return _not_read(situation, Role.SERVER, "whether Plex runs in a container")
    if engine == "":
        return _Reading(
            State.NOT_HERE, "Plex runs in no container", (situation.server.shows("container.engine"),)
        )
    facts = situation.server.facts
    if situation.contained and not {"container.published", "container.network"} <= facts.keys():
        return _not_read(situation, Role.SERVER, "what the container publishes")
    return _passes(f"Plex runs in {engine}", situation.server.shows("container.engine"))


def _server_filter(situation: Situation) -> _Reading:
    way = situation.host_way()
    if way is not None and way.open:
        return _Reading(State.PASSES, "the server's filters let it in", rule_exhibits(way))
    return _not_read(situation, Role.SERVER, _question(way) or "the server's filters")


def _socket(situation: Situation) -> _Reading:
    if situation.listeners:
        shown = tuple(entry.exhibit for entry in situation.listeners[:1])
        return _Reading(State.PASSES, f"Plex listens at {situation.view.plex_port}", shown)
    if situation.answers_in_the_lan:
        return _passes("Plex answers at its address in the LAN")
    return _not_read(situation, Role.SERVER, "what listens at Plex's port")


# --- the way back ---------------------------------------------------------------------------------------------------


def _believes_the_wan(situation: Situation) -> bool:
    wan = situation.wan_address
    return wan is not None and situation.believed == wan


def _server_way_out(situation: Situation) -> _Reading:
    egress = situation.server.text("host.egress")
    # In another container's network it would leave by that one's way.
    engine, network = (situation.server.text(f"container.{name}") for name in ("engine", "network"))
    known = engine == "" or (engine is not None and network is not None)
    if _believes_the_wan(situation):
        return _passes("plex.tv sees Plex at the router's own address")
    if egress is not None and known:
        return _passes(f"the server answers by {egress}", situation.server.shows("host.egress"))
    return _not_read(situation, Role.SERVER, "by which way the server answers")


def _router_way_out(situation: Situation) -> _Reading:
    if situation.wan.holds is Holds.YES or _believes_the_wan(situation):
        says = "the world sees the home at the router's own address"
        return _Reading(State.PASSES, says, situation.wan.exhibits)
    hop = second_hop(situation.view)
    if hop and hop == situation.next_hop:
        return _passes(
            f"the server's traffic leaves by {hop}, the router's own next hop",
            situation.server.shows("host.hops"),
        )
    return _not_read(situation, Role.ROUTER, "whether the home's traffic leaves where viewers come in")


# --- what is announced ----------------------------------------------------------------------------------------------


def _account(situation: Situation) -> _Reading:
    plex = situation.plex
    if plex.flag("plex.claimed") is not None and plex.text("plex.sign_in") is not None:
        return _passes("Plex is signed in", plex.shows("plex.sign_in"))
    return _not_read(situation, Role.PLEX, "whether Plex is signed in")


def _settings(situation: Situation) -> _Reading:
    entry = situation.settings
    if entry is not None:
        return _passes("remote access is switched on", entry.exhibit)
    return _not_read(situation, Role.PLEX, "Plex's settings of remote access")


def _announcement(situation: Situation) -> _Reading:
    if situation.announced is None:
        return _not_read(situation, Role.PLEX, "which port Plex announces")
    if not situation.believed and "plex.public_address" not in situation.plex.facts:
        return _not_read(situation, Role.PLEX, "which address Plex announces")
    shown = () if situation.settings is None else (situation.settings.exhibit,)
    return _passes(f"Plex announces port {situation.announced}", *shown)


def _reaches_plex_tv(situation: Situation) -> _Reading:
    outside = situation.view.of(Role.OUTSIDE)
    if situation.observed.plex_tv is PlexTv.DATED_YES:
        return _passes("plex.tv tried within the hour, as Plex asked it to")
    if outside.flag("account.online") is True:
        return _passes("plex.tv sees Plex online", outside.shows("account.online"))
    told = situation.tried_outside
    if told is not None and told.text("outside.failure") == "" and finds_plex_tv(situation):
        shown = (told.shows("outside.failure"), situation.server.shows("host.plex_tv"))
        return _passes("the server reaches the internet, and finds plex.tv", *shown)
    return _not_read(situation, Role.SERVER, "whether Plex reaches plex.tv")


def _list(situation: Situation) -> _Reading:
    outside = situation.view.of(Role.OUTSIDE)
    if outside.flag("account.listed") is not None:
        return _passes("plex.tv lists the server", outside.shows("account.listed"))
    return _not_read(situation, Role.OUTSIDE, "plex.tv's list of the account's servers")


_READERS: Mapping[StopName, Callable[[Situation], _Reading]] = {
    StopName.PROXY: _proxy,
    StopName.ISP_ADDRESS: _isp_address,
    StopName.UPSTREAM: _upstream,
    StopName.ISP_FILTER: _isp_filter,
    StopName.SERVER_WAY_OUT: _server_way_out,
    StopName.ROUTER_WAY_OUT: _router_way_out,
    StopName.ROUTER_FORWARD: _router_forward,
    StopName.ROUTER_FILTER: _router_filter,
    StopName.LAN: _lan,
    StopName.CONTAINER: _container,
    StopName.SERVER_FILTER: _server_filter,
    StopName.SOCKET: _socket,
    StopName.REACHES_PLEX_TV: _reaches_plex_tv,
    StopName.ACCOUNT: _account,
    StopName.SETTINGS: _settings,
    StopName.ANNOUNCEMENT: _announcement,
    StopName.LIST: _list,
}
