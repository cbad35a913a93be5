"""What gets to the Plex host from outside, and what of that the runbook forbids: 32400 itself, every port, IPv6."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from plexops.model.intervals import Numbers, intersect, normalise, show_ports, single, subtract, unite
from plexops.model.matches import Family
from plexops.model.packets import Box, LocalAddress, Rule
from plexops.model.snapshot import Kind, KindState, Role
from plexops.model.values import PLEX_PORT
from plexops.packets.chains import End, EndKind
from plexops.packets.forward_list import box_of_list
from plexops.packets.packet import Leg
from plexops.packets.reach import PUBLIC_V4, PUBLIC_V6, Asked, Target
from plexops.packets.why import translated_by
from plexops.runbook.view import SiteView
from plexops.runbook.way_in import asked_at_server, asked_at_wan, router_box, server_box, walked
from plexops.structs import replace

#: Port 0 is never on the wire.
EVERY_PORT: Numbers = ((1, 65535),)
_PLEX: Numbers = ((PLEX_PORT, PLEX_PORT),)
#: From so many external ports on an entry is one for every port: a DMZ, an exposed host, one-to-one NAT.
_EVERY = 60_000
#: How an exposure calls the Plex host where it may be one of several addresses.
A_HOST = "a host at home"


class Exposure(Struct, frozen=True):
    """A way by which a connection from outside gets to the Plex host, as far as the router goes.

    `external` are the ports at which one knocks, `inner` those of the host, None where they are not known; `rule` is what
    lets it through or translates it, or `words` what was not read. `certain` is False where that hangs on a question.
    """

    family: Family
    external: Numbers
    address: str
    rule: Rule | None
    certain: bool
    senders: Numbers
    words: str = ""
    inner: Numbers | None = None

    @property
    def every_port(self) -> bool:
        """Whether it is no single port: a DMZ, an exposed host."""
        return sum(last - first + 1 for first, last in self.external) >= _EVERY

    @property
    def called(self) -> str:
        """How texts name what does it."""
        unnamed = f"“{self.words}”" if self.words else "a rule of the router"
        return unnamed if self.rule is None else self.rule.called

    @property
    def exhibit(self) -> str:
        return "" if self.rule is None else self.rule.exhibit

    def says(self) -> str:
        """Put it into words."""
        if self.family == 6:
            return f"{self.called} lets the internet in to {self.address} at port {PLEX_PORT} over IPv6"
        ports = show_ports(self.external)
        what = "every port is handed to" if self.every_port else f"{ports} itself is forwarded to"
        return f"{what} {self.address} by {self.called}"


def exposures(view: SiteView) -> tuple[Exposure, ...] | None:
    """Give every way to the Plex host at 32400, or at every port, over IPv4 and IPv6. None: the router was not read."""
    box = router_box(view)
    if box is None:
        return None
    found = [*_over_ipv4(view, box, view.plex_host), *_over_ipv6(view, box, _PLEX)]
    return tuple(_joined(one for one in map(forbidden, found) if one is not None))


def arrivals(
    view: SiteView, hosts: frozenset[IPv4Address], wanted: Sequence[tuple[Numbers, Numbers]] = ()
) -> tuple[Exposure, ...] | None:
    """Give every way from outside to any of these addresses, and to the host's of IPv6. None: the router was not read.

    `wanted` are left out: external ports, and the ports of the host to which they lead, over IPv4.
    """
    box = router_box(view)
    if box is None:
        return None
    found = [*_over_ipv4(view, box, hosts), *_over_ipv6(view, box, EVERY_PORT)]
    return tuple(_joined(one for one in (_not_wanted(one, wanted) for one in found) if one.external))


def _not_wanted(one: Exposure, wanted: Sequence[tuple[Numbers, Numbers]]) -> Exposure:
    for external, inner in wanted if one.family == 4 else ():
        if one.inner == inner:
            one = replace(one, external=subtract(one.external, external))
    return one


def forbidden(one: Exposure) -> Exposure | None:
    """Give what of a way exposes: all of very many external ports, else 32400 itself; None where nothing does."""
    if one.every_port:
        return one
    external = intersect(one.external, _PLEX)
    return replace(one, external=external) if external else None


def admitted_ports(view: SiteView, family: Family) -> Numbers:
    """Give the ports at which the server's own filters let a stranger in, perhaps; all of them where that is not known."""
    box = server_box(view)
    if box is None:
        return EVERY_PORT
    asked = asked_at_server(view, box, EVERY_PORT, family)
    if asked is None:
        return EVERY_PORT
    answer = walked(view, Role.SERVER, box, asked, Target.at(((0, (1 << 128) - 1),), ((0, 65535),)))
    let_in = (*answer.reached, *(end for end in answer.missed if end.kind is EndKind.NOT_KNOWN))
    return normalise(pair for end in let_in for pair in end.packet.asked_ports)


def _over_ipv4(view: SiteView, box: Box, addresses: Iterable[IPv4Address]) -> Iterator[Exposure]:
    hosts = normalise((int(a), int(a)) for a in addresses)
    # Where the WAN address is not known, what is for one address only is for it, perhaps.
    asked = asked_at_wan(view, EVERY_PORT) or Asked(4, PUBLIC_V4, EVERY_PORT)
    found = list(_ways(view, Role.ROUTER, box, asked, hosts))
    yield from found
    # The router's own table of UPnP mappings: the rules that were read need not show all of it.
    router = view.of(Role.ROUTER)
    kinds = {Kind.PORT_FORWARD: KindState.PRESENT, Kind.UPNP_MAPPING: KindState.PRESENT}
    mapped = box_of_list(replace(router, entries=router.of(Kind.UPNP_MAPPING), kinds=kinds))
    for one in _ways(view, "mappings", mapped, asked, hosts):
        known: Numbers = ()
        for other in found:
            if other.address in (one.address, A_HOST):
                known = unite(known, other.external)
        yield replace(one, external=subtract(one.external, known), certain=False)


def _over_ipv6(view: SiteView, box: Box, ports: Numbers) -> Iterator[Exposure]:
    if box.plumbing == "list":
        return  # a list of forwards is about IPv4: nothing was told of the other
    server = server_box(view)
    own = _numbers(box.addresses or ())
    if server is not None and server.addresses is not None:
        at = intersect(PUBLIC_V6, _numbers(server.addresses))
    elif box.addresses is None or intersect(PUBLIC_V6, own):
        at = subtract(PUBLIC_V6, own)
    else:
        return
    if at:
        yield from _ways(view, Role.ROUTER, box, Asked(6, at, ports), at)


def _numbers(addresses: Iterable[LocalAddress]) -> Numbers:
    """Give addresses as numbers: what is public of IPv6 is none of IPv4."""
    return normalise((one.number, one.number) for one in addresses)


def _ways(view: SiteView, name: str, box: Box, asked: Asked, hosts: Numbers) -> Iterator[Exposure]:
    answer = walked(view, name, box, asked, Target.at(hosts, ((0, 65535),)))
    for end in (*answer.reached, *(e for e in answer.missed if e.kind is EndKind.NOT_KNOWN)):
        packet, unread = end.packet, end.kind is EndKind.NOT_KNOWN
        certain = not packet.answers and not unread and (asked.family == 6 or packet.asked == asked.addresses)
        inner = None if unread else packet.numbers(packet.port)
        yield Exposure(
            asked.family,
            packet.asked_ports,
            _shown(end, hosts),
            _rule(end),
            certain,
            packet.viewers,
            end.step.words,  # of what gets there nothing says anything
            inner,
        )


def _shown(end: End, hosts: Numbers) -> str:
    number = single(intersect(end.packet.numbers(end.packet.destination), hosts))
    if number is None:
        return A_HOST
    return str(IPv4Address(number) if end.packet.family == 4 else IPv6Address(number))


def _rule(end: End) -> Rule | None:
    """Give what translated a packet, else what let the connection's first one through last."""
    if end.kind is EndKind.NOT_KNOWN:
        return end.step.rule
    step = translated_by(end.packet.trail)
    if step is not None:
        return step.rule
    in_ = (step.rule for step in reversed(end.packet.trail) if step.leg is Leg.SYN)
    return next((rule for rule in in_ if rule is not None), None)


def _joined(found: Iterable[Exposure]) -> Iterator[Exposure]:
    """Unite what one rule does to one address: parts of one entry are one exposure."""
    by_rule: dict[tuple[object, ...], list[Exposure]] = {}
    for one in found:
        by_rule.setdefault((one.family, one.address, one.rule, one.certain, one.words), []).append(one)
    for parts in by_rule.values():
        inner = [one.inner for one in parts if one.inner is not None]
        yield replace(
            parts[0],
            external=_all_of(one.external for one in parts),
            senders=_all_of(one.senders for one in parts),
            inner=_all_of(inner) if len(inner) == len(parts) else None,
        )


def _all_of(parts: Iterable[Numbers]) -> Numbers:
    return normalise(pair for numbers in parts for pair in numbers)
