"""A router without a login, by its own word to anyone: UPnP, else NAT-PMP. Asked from a computer behind it.

What it tells so is its address on the internet side and what hosts asked it to map. Forwards made by hand, reservations
and filters are not seen this way: they stay unknown. The box before the router is asked what it calls itself, too.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.drivers.around.igd import (
    ANSWER_SECONDS,
    SEARCH_SECONDS,
    Box,
    IgdAnswer,
    IgdDriver,
    found_boxes,
    search,
)
from plexops.drivers.around.outside import found_address
from plexops.drivers.base import Observation
from plexops.model.errors import WhyNot
from plexops.model.exchange import Look, LookKind, Read, Reply
from plexops.model.igd import SSDP_GROUP
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.parsers.base import ParseError
from plexops.parsers.igd import Described
from plexops.parsers.proc_net import default_route, parse_proc_route

PMP_SECONDS = 1.0
_BY_HAND = "forwards made by hand are not seen without a login on the router"
_NOT_TOLD = "that takes a login on the router"
_UNSEEN = (Kind.DHCP_RESERVATION, Kind.LEASE, Kind.UPNP)


def ask_pmp(gateway: IPv4Address, port: int | None = None, seconds: float = PMP_SECONDS) -> Read:
    """Give NAT-PMP's question for the address on the internet side."""
    target = str(gateway) if port is None else f"{gateway}:{port}"
    return Read("natpmp", Look(LookKind.NAT_PMP, target), seconds=seconds)


class GatewayDriver(Struct, frozen=True):
    """Asks this computer's default gateway, and nobody else. `router` is the router's address, where that is known."""

    router: IPv4Address | None = None
    group: tuple[str, int] = SSDP_GROUP
    pmp_port: int | None = None
    seconds: float = ANSWER_SECONDS
    search_seconds: float = SEARCH_SECONDS

    def observe(self) -> Observation:
        """Find the gateway by this computer's own routes; ask it by UPnP, and by NAT-PMP for what is not told so."""
        (reply,) = yield (Read("igd.routes", Look(LookKind.ROUTES, "ipv4")),)
        gateway = _default_gateway(reply)
        if gateway is None:
            return _unknown(
                f"the router was not asked, and this computer's gateway is not known ({reply.stderr or 'no default route'})"
            )
        if self.router is not None and self.router != gateway:
            return _unknown(
                f"this computer's gateway is {gateway}, not the router {self.router}: it was not asked"
            )
        igd = yield from self._by_upnp(gateway)
        if igd.wan is not None:
            return _snapshot(gateway, igd, igd.wan, f"router.{igd.asked}", "")
        (answer,) = yield (ask_pmp(gateway, self.pmp_port),)
        address, why = found_address(answer)
        why = f"the gateway {gateway}, by UPnP: {igd.why}; by NAT-PMP: {why}"
        return _snapshot(gateway, igd, address, "router.natpmp", why)

    def _by_upnp(self, gateway: IPv4Address) -> Generator[Sequence[Read], Sequence[Reply], IgdAnswer]:
        (reply,) = yield (search(gateway, self.group, self.search_seconds),)
        box = _box_at(gateway, reply)
        if box is None:
            return IgdAnswer(why="it does not answer")
        return (yield from IgdDriver(box, self.seconds).ask())


def _box_at(address: IPv4Address, reply: Reply) -> Box | None:
    return next((box for box in found_boxes(reply) if box.address == address), None)


def _default_gateway(reply: Reply) -> IPv4Address | None:
    if reply.status != 0 or not reply.whole:
        return None
    try:
        route = default_route(parse_proc_route(reply.body))
    except ParseError:
        return None
    return None if route is None else route.gateway


def _unknown(why: str) -> Snapshot:
    return Snapshot(Role.ROUTER, reasons={"wan.address": why})


def _snapshot(
    gateway: IPv4Address, igd: IgdAnswer, wan: IPv4Address | None, shown: str, why: str
) -> Snapshot:
    facts = {"lan.address": Fact("lan.address", str(gateway), "router.igd.routes")}
    if wan is not None:
        facts["wan.address"] = Fact("wan.address", str(wan), shown)
    exhibit = "router.igd.mapping."
    entries = tuple(
        Entry(Kind.UPNP_MAPPING, mapping, {}, FOREIGN, str(place), exhibit + str(place), place, mapping.name)
        for place, mapping in igd.mappings or ()
    )
    kinds = dict.fromkeys((Kind.PORT_FORWARD, *_UNSEEN), KindState.UNKNOWN)
    reasons: dict[str, str] = {Kind.PORT_FORWARD: _BY_HAND, **dict.fromkeys(_UNSEEN, _NOT_TOLD)}
    if igd.mappings is not None and igd.whole:
        kinds[Kind.UPNP_MAPPING] = KindState.PRESENT
    else:
        kinds[Kind.UPNP_MAPPING] = KindState.UNKNOWN
        reasons[Kind.UPNP_MAPPING] = f"the gateway {gateway}, by UPnP: {igd.why}"
    if wan is None:
        reasons["wan.address"] = why
    return Snapshot(Role.ROUTER, facts, entries, kinds, reasons)


# --- the box before the router, where there is one ------------------------------------------------------------------

#: It is one hop away, and its name is a courtesy: it is not waited for long for it.
_NEXT_SECONDS = 1.0
_PAGE_SECONDS = 2.0
#: Longer names are cut: they stand in the middle of a sentence.
_LONGEST_TITLE = 60


class UpstreamDriver(Struct, frozen=True):
    """Asks one box for its name, by itself: no search goes out. `shown` is the exhibit that gives its address.

    `ask` False: the address is kept, and nothing is sent there.
    """

    address: IPv4Address
    shown: str
    ask: bool = True
    port: int = 1900
    page: str = ""

    def observe(self) -> Observation:
        """Ask by UPnP, else for its page."""
        facts = {"upstream.address": Fact("upstream.address", str(self.address), self.shown)}
        reasons = {"upstream.title": "it was not asked: it may be the ISP's own"}
        if self.ask:
            (reply,) = yield (search(None, (str(self.address), self.port), _NEXT_SECONDS),)
            title, read = "", "igd.description"
            box = _box_at(self.address, reply)
            if box is not None:
                title = _named((yield from IgdDriver(box).describe()))
            if not title:
                read = "title"
                look = Look(LookKind.TITLE, self.page or str(self.address))
                (answer,) = yield (Read(read, look, seconds=_PAGE_SECONDS),)
                title = _cut(answer.body) if answer.status == 0 and answer.whole else ""
            reasons = {"upstream.title": "it does not tell its name, by UPnP or on a page"}
            if title:
                facts["upstream.title"] = Fact("upstream.title", title, f"upstream.{read}")
        return Snapshot(
            Role.UPSTREAM, facts, reasons={k: why for k, why in reasons.items() if k not in facts}
        )


def _named(described: Described | WhyNot) -> str:
    if isinstance(described, WhyNot):
        return ""
    title, model = described.title, described.model
    if title and model and model.casefold() not in title.casefold():
        return _cut(f"{title} {model}")
    return _cut(title or f"{described.maker} {model}")


def _cut(text: str) -> str:
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= _LONGEST_TITLE else plain[: _LONGEST_TITLE - 1] + "…"
