"""The way in: what a viewer's connection meets on the router and on the server. Every question about it is asked here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from plexops.model.intervals import Numbers, intersect, normalise, show_ports, single, size, subtract, unite
from plexops.model.matches import Family, PortIn, Side
from plexops.model.packets import Box, Rule, Verdict
from plexops.model.snapshot import Entry, Kind, Role
from plexops.model.values import PLEX_PORT, Endpoint
from plexops.packets.chains import End, EndKind
from plexops.packets.listed import listed_box
from plexops.packets.packet import Leg
from plexops.packets.projection import with_host_accept
from plexops.packets.reach import PUBLIC_V4, PUBLIC_V6, Answer, AnswerKind, Asked, Target, who_reaches
from plexops.packets.why import Reason, Why, translated_by, why_not
from plexops.runbook.view import SiteView, ipv4

#: Port 0 is never on the wire.
_EVERY_PORT: Numbers = ((1, 65535),)
#: From so many external ports on an entry is one for every port: a DMZ, an exposed host, one-to-one NAT.
_EVERY = 60_000
#: How an exposure calls the Plex host where it may be one of several addresses.
A_HOST = "a host at home"


@dataclass(frozen=True, slots=True)
class WayIn:
    """What a connection from outside to one port comes to, and why it does not get where it shall."""

    answer: Answer
    reasons: tuple[Reason, ...]
    #: Whether everybody gets there, or all but some that somebody shuts out: a block list is no closed door.
    open: bool

    @property
    def first(self) -> Reason | None:
        """The reason that counts."""
        return self.reasons[0] if self.reasons else None


def router_box(view: SiteView) -> Box | None:
    """The router's packet filter, else what its list of forwards says; None where neither was read."""
    router = view.of(Role.ROUTER)
    return router.box if router.box is not None else listed_box(router)


def server_box(view: SiteView) -> Box | None:
    """The server's packet filter; None where it was not read."""
    return view.of(Role.SERVER).box


def through_router(
    view: SiteView, external: int, address: IPv4Address, port: int, box: Box | None = None
) -> WayIn | None:
    """Ask who gets from the WAN address's external port to an address and port at home, as far as the router goes.

    None where the router's filter, or its WAN address, is not known. `box`: the router as it will be.
    """
    box = box if box is not None else router_box(view)
    asked = _asked(view, ((external, external),))
    if box is None or asked is None:
        return None
    target = Target.at(((int(address), int(address)),), ((port, port),))
    return _way([box], asked, target)


def through_router_to(
    view: SiteView, external: int, addresses: Collection[IPv4Address], port: int
) -> WayIn | None:
    """As `through_router`, to any of several addresses."""
    box, asked = router_box(view), _asked(view, ((external, external),))
    if box is None or asked is None:
        return None
    hosts = normalise((int(address), int(address)) for address in addresses)
    return _way([box], asked, Target.at(hosts, ((port, port),)))


def router_over_ipv6(view: SiteView, at: Endpoint) -> WayIn | None:
    """Ask who gets to an address of IPv6 at home, as far as the router goes. A list of forwards says nothing of that."""
    box, address = router_box(view), at.address
    if box is None or box.plumbing == "list" or not isinstance(address, IPv6Address):
        return None
    here, port = ((int(address), int(address)),), ((at.port, at.port),)
    return _way([box], Asked(6, here, port), Target.at(here, port))


def opened_server(view: SiteView, port: int, family: Family = 4) -> WayIn | None:
    """As `into_server`, with one rule of ours in the firewall that plexops changes there."""
    box = server_box(view)
    return None if box is None else into_server(view, port, family, with_host_accept(box, port, "plex"))


def stopping(way: WayIn) -> Reason | None:
    """Give what stops packets that were on their way, where something surely does."""
    reason = next((r for r in way.reasons if r.why is Why.STOPPED), None)
    return reason if way.answer.kind is AnswerKind.NOBODY else None


def unclear_rule(way: WayIn | None) -> End | None:
    """Give the end at a rule that was read, and of which it is not known whether it stops a viewer's connection."""
    if way is None or way.answer.kind is not AnswerKind.UNKNOWN:
        return None
    stopper = next((end for end in way.answer.missed if end.packet.answers), None)
    if stopper is None or stopper.step.rule is None or stopper.step.chain is None:
        return None
    # nft names an extension of iptables alone: what the rule says was not read. That is a gap, and no cause.
    words = stopper.step.rule.words
    return None if "xt match" in words or "xt target" in words else stopper


def rule_exhibits(way: WayIn) -> tuple[str, ...]:
    """Give what shows the rule that lets a viewer's connection through."""
    found = (s.rule.exhibit for end in way.answer.reached for s in end.packet.trail if s.rule is not None)
    return tuple(dict.fromkeys(exhibit for exhibit in found if exhibit))[:1]


def translation_of(way: WayIn) -> tuple[Rule, IPv4Address | None, int | None] | None:
    """Give the rule that translates a viewer's connection, and where to; None where none does."""
    for packet in (end.packet for end in way.answer.ends if end.packet.dnat):
        step = translated_by(packet.trail)
        if step is not None and step.rule is not None:
            number, port = single(packet.numbers(packet.destination)), single(packet.numbers(packet.port))
            return step.rule, None if number is None else IPv4Address(number), port
    return None


def into_server(view: SiteView, port: int, family: Family = 4, box: Box | None = None) -> WayIn | None:
    """Ask who gets from the LAN side of the server to Plex, or to the container in which it is. None: not known."""
    box = box if box is not None else server_box(view)
    if box is None or box.addresses is None:
        return None
    at = _server_addresses(view, box, family)
    if not at:
        return None
    asked = Asked(
        family,
        at,
        ((port, port),),
        entered=_interface(box, at) or view.of(Role.SERVER).text("host.interface"),
    )
    return _way([box], asked, Target(((at, ((port, port),)), *_containers(box, family))))


def _way(path: Sequence[Box], asked: Asked, target: Target) -> WayIn:
    answer = who_reaches(path, asked, target)
    everybody = PUBLIC_V4 if asked.family == 4 else PUBLIC_V6
    most = answer.kind is AnswerKind.SOME and 2 * size(answer.senders) > size(everybody)
    open_ = most or answer.kind is AnswerKind.EVERYBODY
    return WayIn(answer, why_not(path, asked, target, answer), open_)


def _asked(view: SiteView, ports: Numbers) -> Asked | None:
    address = ipv4(view.of(Role.ROUTER).text("wan.address"))
    return None if address is None else Asked(4, ((int(address), int(address)),), ports)


def _interface(box: Box, at: Numbers) -> str | None:
    for own in box.addresses or ():
        if intersect(at, ((own.number, own.number),)):
            return own.interface
    return None


def _server_addresses(view: SiteView, box: Box, family: Family) -> Numbers:
    """Give the address at which the server is asked: where Plex shall be, if it holds that, else that of its way out."""
    own = [a for a in box.addresses or () if a.family == family]
    if family == 4:
        for wanted in (view.plex_address, view.server_address):
            if wanted is not None and any(a.number == int(wanted) for a in own):
                return ((int(wanted), int(wanted)),)
    interface = view.of(Role.SERVER).text("host.interface")
    low, high = PUBLIC_V6[0]
    # Where the way out is not known any of them may be the one.
    usable = [a for a in own if interface in (None, a.interface) and (family == 4 or low <= a.number <= high)]
    return normalise((a.number, a.number) for a in usable[:1])


def _containers(box: Box, family: Family) -> tuple[tuple[Numbers, Numbers], ...]:
    """Give where a published port leads: Plex's own port in any network that lies behind the server."""
    ways = [route for route in box.routes or () if route.family == family]
    out = {route.interface for route in ways if route.length == 0}
    behind = normalise(pair for route in ways if route.interface not in out for pair in route.numbers)
    return ((behind, ((PLEX_PORT, PLEX_PORT),)),) if behind else ()


# --- what is exposed ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exposure:
    """A way by which somebody outside gets to the Plex host that the runbook forbids.

    `external` are the ports at which one knocks, `rule` what lets it through or translates it, or `words` of what was
    not read. `certain` is False where that hangs on a question.
    """

    family: Family
    external: Numbers
    address: str
    rule: Rule | None
    certain: bool
    senders: Numbers
    words: str = ""

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
        """What shows it."""
        return "" if self.rule is None else self.rule.exhibit

    def says(self) -> str:
        """Put it into words."""
        if self.family == 6:
            return f"{self.called} lets the internet in to {self.address} at port {PLEX_PORT} over IPv6"
        what = (
            "every port is handed to"
            if self.every_port
            else f"{show_ports(self.external)} itself is forwarded to"
        )
        return f"{what} {self.address} by {self.called}"


def exposures(view: SiteView) -> tuple[Exposure, ...] | None:
    """Give every way to the Plex host at 32400, or at every port, over IPv4 and IPv6. None: the router was not read."""
    box = router_box(view)
    if box is None:
        return None
    # Where the WAN address is not known, what is for one address only is for it, perhaps.
    asked = _asked(view, _EVERY_PORT) or Asked(4, PUBLIC_V4, _EVERY_PORT)
    return tuple(_joined([*_exposed_v4(view, box, asked), *_exposed_v6(view, box)]))


def _exposed_v4(view: SiteView, box: Box, asked: Asked) -> Iterator[Exposure]:
    hosts = normalise((int(a), int(a)) for a in view.plex_host)
    target = Target.at(hosts, ((0, 65535),))
    answer = who_reaches([box], asked, target)
    for end in (*answer.reached, *(e for e in answer.missed if e.kind is EndKind.NOT_KNOWN)):
        exposed = _forbidden(end)
        if exposed:
            address = _shown(end, hosts)
            certain = not _doubtful(end) and end.packet.asked == asked.addresses
            yield Exposure(4, exposed, address, _rule(end), certain, end.packet.viewers, _unread(end))


def _forbidden(end: End) -> Numbers:
    """Give the external ports of an end that expose: all of very many, else 32400 itself."""
    ports = end.packet.asked_ports
    if sum(last - first + 1 for first, last in ports) >= _EVERY:
        return ports
    return intersect(ports, ((PLEX_PORT, PLEX_PORT),))


def _exposed_v6(view: SiteView, box: Box) -> Iterator[Exposure]:
    if box.plumbing == "list":
        return  # a list of forwards is about IPv4: nothing was told of the other
    server = server_box(view)
    own = box.addresses or ()
    low, high = PUBLIC_V6[0]
    if server is not None and server.addresses is not None:
        at = normalise(
            (a.number, a.number) for a in server.addresses if a.family == 6 and low <= a.number <= high
        )
    elif box.addresses is None or any(a.family == 6 and low <= a.number <= high for a in own):
        at = subtract(PUBLIC_V6, normalise((a.number, a.number) for a in own if a.family == 6))
    else:
        return
    if not at:
        return
    target = Target.at(at, ((PLEX_PORT, PLEX_PORT),))
    answer = who_reaches([box], Asked(6, at, ((PLEX_PORT, PLEX_PORT),)), target)
    for end in (*answer.reached, *(e for e in answer.missed if e.kind is EndKind.NOT_KNOWN)):
        address, certain = _shown(end, at), not _doubtful(end)
        external = end.packet.asked_ports
        yield Exposure(6, external, address, _rule(end), certain, end.packet.viewers, _unread(end))


def _doubtful(end: End) -> bool:
    return bool(end.packet.answers) or end.kind is EndKind.NOT_KNOWN


def _unread(end: End) -> str:
    return end.step.words if end.kind is EndKind.NOT_KNOWN else ""


def _shown(end: End, hosts: Numbers) -> str:
    number = single(intersect(end.packet.numbers(end.packet.destination), hosts))
    if number is None:
        return A_HOST
    return str(IPv4Address(number) if end.packet.family == 4 else IPv6Address(number))


def translation(way: WayIn) -> Rule | None:
    """Give the rule by which packets get to the target; None where none translates them."""
    steps = (translated_by(end.packet.trail) for end in way.answer.reached)
    return next((step.rule for step in steps if step is not None), None)


def _rule(end: End) -> Rule | None:
    """Give what translated a packet, else what let the connection's first one through last."""
    if end.kind is EndKind.NOT_KNOWN:
        return end.step.rule
    step = translated_by(end.packet.trail) if end.packet.dnat else None
    if step is not None:
        return step.rule
    in_ = (step.rule for step in reversed(end.packet.trail) if step.leg is Leg.SYN)
    return next((rule for rule in in_ if rule is not None), None)


def _joined(found: Sequence[Exposure]) -> Iterator[Exposure]:
    """Unite what one rule does to one address: parts of one entry are one exposure."""
    by_rule: dict[tuple[object, ...], Exposure] = {}
    for one in found:
        known = by_rule.setdefault((one.family, one.address, one.rule, one.certain, one.words), one)
        external, senders = unite(known.external, one.external), unite(known.senders, one.senders)
        by_rule[one.family, one.address, one.rule, one.certain, one.words] = replace(
            known, external=external, senders=senders
        )
    yield from by_rule.values()


# --- rules and entries ----------------------------------------------------------------------------------------------


def is_rule_of(rule: Rule, entry: Entry) -> bool:
    """Tell whether a rule is what the device made of an entry: by handle, else by the name that its owner gave it.

    A handle alone does not do: what translates and what filters may have the same on one device.
    """
    made = rule.translates if entry.kind is Kind.PORT_FORWARD else Verdict.ACCEPT in rule.effects
    if not made:
        return False
    if rule.handle and rule.handle == entry.handle:
        return True
    named = entry.kind is Kind.PORT_FORWARD and rule.name
    return bool(named) and rule.name in (entry.label, entry.handle)


def admits(rule: Rule, port: int) -> bool:
    """Tell whether a rule is an accept that names a port."""
    named = (match.test for match in rule.matches if not match.negated)
    ports = [test.numbers for test in named if isinstance(test, PortIn) and test.side is Side.DESTINATION]
    return Verdict.ACCEPT in rule.effects and any(intersect(numbers, ((port, port),)) for numbers in ports)


def entry_of(rule: Rule | None, entries: Sequence[Entry]) -> Entry | None:
    """Give the entry of which a rule was made; None where there is none that a write could touch."""
    return None if rule is None else next((entry for entry in entries if is_rule_of(rule, entry)), None)


def deciding_words(way: WayIn | None) -> tuple[str, ...]:
    """Give what decides a way, in the device's words: what a plan rests on."""
    if way is None:
        return ()
    ends = [(str(end.kind), end.step.words, *(s.words for s in end.packet.trail)) for end in way.answer.ends]
    return tuple(" | ".join(words) for words in sorted(ends))


def says(reason: Reason) -> str:
    """Put a reason into words: the rule in the device's words, and what keeps a viewer from it."""
    rule = "" if reason.rule is None else reason.rule.called
    match reason.why:
        case Why.STOPPED:
            where = "" if reason.chain is None else f" in “{reason.chain.id}”"
            leg = "" if reason.leg == "way in" else f" (the {reason.leg})"
            return f"{rule or reason.words}{where} stops it{leg}"
        case Why.ELSEWHERE:
            return f"{rule} sends it elsewhere"
        case Why.OFF:
            return f"{rule} is not in force: {reason.words}"
        case Why.UNTRACKED:
            return f"{rule} is not asked: connection tracking is switched off for this port"
        case Why.NO_MATCH:
            return f"{rule} is not for a viewer's connection: {reason.words or 'one of its conditions'}"
        case Why.NOT_ENTERED:
            return f"{rule} is not asked: {reason.words}"
        case Why.NARROWED:
            return f"{rule} is for some only: {reason.words}"
        case Why.TAKEN:
            by = "another rule" if reason.by is None else reason.by.called
            return f"{by} takes the port before {rule}"
        case Why.NO_RULE:
            return "no rule forwards this port"
