"""Causes beyond the router: the ISP, a second gateway, the viewer's own network."""

from __future__ import annotations

from plexops.model.snapshot import Role
from plexops.runbook.causes.cause import Sign, exhibits_of, of_fact, sign
from plexops.runbook.causes.server import leaves_by_vpn
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.hops import leaves_elsewhere, next_hop
from plexops.runbook.situation import Situation
from plexops.runbook.view import never_arrives, public_addresses, second_hop


def _wan(situation: Situation, cause: WanCause) -> Sign | None:
    wan = situation.wan
    if wan.holds is not Holds.NO or wan.cause is not cause:
        return None
    return Sign(wan.says, wan.exhibits)


def wan_down(situation: Situation) -> Sign | None:
    """Has the router no internet connection?"""
    return _wan(situation, WanCause.DOWN)


def carrier_nat(situation: Situation) -> Sign | None:
    """Is the WAN address one of carrier NAT?"""
    return _wan(situation, WanCause.CARRIER_NAT)


def transition(situation: Situation) -> Sign | None:
    """Is there no IPv4 of one's own at all?"""
    return _wan(situation, WanCause.TRANSITION)


def port_outside_share(situation: Situation) -> Sign | None:
    """Is Plex's port none of those that the inventory says arrive at this home?

    Where Plex does not tell which one it announces, it is the playbook's, and a suspicion.
    """
    why = None if situation.port is None else never_arrives(situation.port, situation.view.port_share)
    if why is None:
        return None
    tried = (attempt.exhibit for attempt in situation.observed.attempts)
    return sign(f"{why} (port_share)", situation.settings, *tried, suspect=situation.announced is None)


def double_nat(situation: Situation) -> Sign | None:
    """Does another router stand before this one: by the router's own address, by what it told Plex, or as Plex says?"""
    found = _wan(situation, WanCause.SECOND_NAT)
    if found is None:
        return _private_by_log(situation) or _double_by_plex(situation)
    upstream = situation.view.of(Role.UPSTREAM)
    shown = (of_fact(upstream, "upstream.address"), of_fact(upstream, "upstream.title"))
    box = situation.before_the_router
    says = f"{found.says}: {box}" if box else found.says
    return Sign(says, exhibits_of((*found.exhibits, *shown)), suspect=True)


def _private_by_log(situation: Situation) -> Sign | None:
    """Does Plex's log say that the router has a private WAN address, where the router itself did not tell its own?

    By UPnP some routers tell their address in the LAN: then it is the server's gateway.
    """
    warned, told = situation.story.router_address_private, situation.story.router_address
    known = "wan.address" in situation.router.facts or situation.wan.holds is Holds.NO
    if known or warned is None or told is None or not warned.fresh:
        return None
    address, gateway = told.event.address, situation.server.text("host.gateway")
    if gateway in (None, address):
        return None
    says = f"the router answered Plex that its WAN address is {address}, a private one: a second NAT stands before it"
    shown = (
        situation.exhibit_of(warned),
        situation.exhibit_of(told),
        of_fact(situation.server, "host.gateway"),
    )
    return sign(says, *shown, suspect=True)


def _double_by_plex(situation: Situation) -> Sign | None:
    """Does Plex itself say so (`doublenat`), and did the router not tell its own address?"""
    known = "wan.address" in situation.router.facts or situation.wan.holds is not Holds.UNKNOWN
    if known or situation.plex.text("plex.mapping_error") != "doublenat":
        return None
    says = "Plex found more than one router between it and the internet (doublenat)"
    return sign(says, situation.shows("plex.mapping_error"), suspect=True)


def wan_differs(situation: Situation) -> Sign | None:
    """Does the world see another address than the router has, and does the server's traffic leave by the router?"""
    found = _wan(situation, WanCause.DIFFERS)
    if found is None or leaves_elsewhere(situation):
        return None
    return Sign(found.says, found.exhibits, suspect=True)


def other_way_out(situation: Situation) -> Sign | None:
    """Does the home's own traffic leave by another way than viewers come in by?

    By several ways out of the router, of which the world sees the home at another than is forwarded; or by the router's
    policy routing, which sends the server elsewhere.
    """
    wan, address = situation.wan, situation.router.text("wan.address")
    if leaves_by_vpn(situation):
        return None
    others = {public for public, _, _ in public_addresses(situation.view)}
    if len(others) != 1 or str(next(iter(others))) == address:
        return None
    other = others.pop()
    shown = exhibits_of((*wan.exhibits, *(exhibit for _, _, exhibit in public_addresses(situation.view))))
    if wan.cause is WanCause.DIFFERS and leaves_elsewhere(situation):
        says = (
            f"the server's traffic goes on by {second_hop(situation.view)}, and the router's own next hop is"
            f" {next_hop(situation)}: the world sees it at {other}, and viewers come in at {address}"
        )
        return Sign(says, (*shown, of_fact(situation.server, "host.hops")), suspect=True)
    if wan.cause is not WanCause.SEVERAL:
        return None
    says = (
        f"the router has several ways to the internet: its WAN side has {address}, and the home's own traffic comes"
        f" from {other}, which plex.tv therefore takes for the server's address"
    )
    return Sign(says, shown, suspect=True)
