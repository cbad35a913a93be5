"""The way in: what a viewer's connection meets on the router and on the server. Every question about it is asked here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from msgspec import Struct

from plexops.model.intervals import Numbers, intersect, normalise, single, size
from plexops.model.matches import Family, PortIn, Side
from plexops.model.packets import Box, Rule, Verdict
from plexops.model.snapshot import Entry, Kind, Role
from plexops.model.values import PLEX_PORT, Endpoint
from plexops.packets.chains import End
from plexops.packets.forward_list import listed_box
from plexops.packets.reach import PUBLIC_V4, PUBLIC_V6, Answer, AnswerKind, Asked, Target, who_reaches
from plexops.packets.why import Reason, Why, translated_by, why_not
from plexops.runbook.view import SiteView, ipv4

T = TypeVar("T")


class WayIn(Struct, frozen=True):
    """What a connection from outside to one port comes to, and why it does not get where it shall."""

    answer: Answer
    reasons: tuple[Reason, ...]
    #: Whether all senders get there, or all but some that a rule shuts out: a block list is no closed door.
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
    view: SiteView, external: int, addresses: Collection[IPv4Address], port: int, box: Box | None = None
) -> WayIn | None:
    """Ask who gets from the WAN address's external port to a port of these addresses, as far as the router goes.

    None where the router's filter, or its WAN address, is not known. `box`: the router as it will be.
    """
    asked = asked_at_wan(view, ((external, external),))
    if asked is None:
        return None
    hosts = normalise((int(address), int(address)) for address in addresses)
    return _way(view, Role.ROUTER, box, asked, Target.at(hosts, ((port, port),)))


def router_over_ipv6(view: SiteView, at: Endpoint) -> WayIn | None:
    """Ask who gets to an address of IPv6 at home, as far as the router goes. A list of forwards says nothing of that."""
    box, address = router_box(view), at.address
    if box is None or box.plumbing == "list" or not isinstance(address, IPv6Address):
        return None
    here, port = ((int(address), int(address)),), ((at.port, at.port),)
    return _way(view, Role.ROUTER, None, Asked(6, here, port), Target.at(here, port))


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
    there = box if box is not None else server_box(view)
    asked = None if there is None else asked_at_server(view, there, ((port, port),), family)
    if there is None or asked is None:
        return None
    target = Target(((asked.addresses, ((port, port),)), *_containers(there, family)))
    return _way(view, Role.SERVER, box, asked, target)


def asked_at_server(view: SiteView, box: Box, ports: Numbers, family: Family) -> Asked | None:
    """Give a viewer's connection as it comes to the server; None where its addresses are not known."""
    at = () if box.addresses is None else _server_addresses(view, box, family)
    entered = _interface(box, at) or view.of(Role.SERVER).text("host.interface")
    return Asked(family, at, ports, entered=entered) if at else None


def _way(view: SiteView, role: Role, changed: Box | None, asked: Asked, target: Target) -> WayIn | None:
    """Walk through the box of a stop, or through the one that it will be."""
    box = changed or (router_box(view) if role is Role.ROUTER else server_box(view))
    if box is None:
        return None
    answer = walked(view, role, box, asked, target) if changed is None else who_reaches([box], asked, target)
    everybody = PUBLIC_V4 if asked.family == 4 else PUBLIC_V6
    most = answer.kind is AnswerKind.SOME and 2 * size(answer.senders) > size(everybody)
    open_ = most or answer.kind is AnswerKind.EVERYBODY
    return WayIn(answer, why_not([box], asked, target, answer), open_)


def walked(view: SiteView, name: str, box: Box, asked: Asked, target: Target) -> Answer:
    """Ask who reaches what through one of the view's own boxes, each question once."""
    key = name, asked, target
    if key not in view.walks:
        view.walks[key] = who_reaches([box], asked, target)
    return view.walks[key]


def asked_at_wan(view: SiteView, ports: Numbers) -> Asked | None:
    """Give a viewer's connection to these ports of the WAN address; None where that is not known."""
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


def translation(way: WayIn) -> Rule | None:
    """Give the rule by which packets get to the target; None where none translates them."""
    steps = (translated_by(end.packet.trail) for end in way.answer.reached)
    return next((step.rule for step in steps if step is not None), None)


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


def entry_of(rule: Rule | None, entries: Sequence[Entry[T]]) -> Entry[T] | None:
    """Give the entry of which a rule was made; None where there is none that a write could touch."""
    return None if rule is None else next((entry for entry in entries if is_rule_of(rule, entry)), None)


def deciding_words(way: WayIn | None) -> tuple[str, ...]:
    """Give what decides a way, in the device's words: what a plan rests on."""
    if way is None:
        return ()
    ends = [(str(end.kind), end.step.words, *(s.words for s in end.packet.trail)) for end in way.answer.ends]
    return tuple(" | ".join(words) for words in sorted(ends))


_SAYS = {
    Why.STOPPED: "{what}{where} stops it{leg}",
    Why.ELSEWHERE: "{rule} sends it elsewhere",
    Why.OFF: "{rule} is not in force: {words}",
    Why.UNTRACKED: "{rule} is not asked: connection tracking is switched off for this port",
    Why.NO_MATCH: "{rule} is not for a viewer's connection: {match}",
    Why.NOT_ENTERED: "{rule} is not asked: {words}",
    Why.NARROWED: "{rule} is for some only: {words}",
    Why.TAKEN: "{by} takes the port before {rule}",
    Why.NO_RULE: "no rule forwards this port",
}


def says(reason: Reason) -> str:
    """Put a reason into words: the rule in the device's words, and what keeps a viewer from it."""
    rule = "" if reason.rule is None else reason.rule.called
    return _SAYS[reason.why].format(
        rule=rule,
        what=rule or reason.words,
        words=reason.words,
        where="" if reason.chain is None else f" in “{reason.chain.id}”",
        leg="" if reason.leg == "way in" else f" (the {reason.leg})",
        match=reason.words or "one of its conditions",
        by="another rule" if reason.by is None else reason.by.called,
    )
