"""Causes beyond the router: the ISP, a second gateway, the viewer's own network."""

from __future__ import annotations

from plexops.model.snapshot import Role
from plexops.runbook.causes.cause import Sign, exhibits_of, sign
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.situation import Situation
from plexops.runbook.view import never_arrives, public_addresses, second_hop, tunnel


def of_wan(cause: WanCause, situation: Situation) -> Sign | None:
    """Is the WAN address not the public one, for this cause?"""
    wan = situation.wan
    return Sign(wan.says, wan.exhibits) if wan.holds is Holds.NO and wan.cause is cause else None


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
    found = of_wan(WanCause.SECOND_NAT, situation)
    if found is None:
        return _private_by_log(situation) or _double_by_plex(situation)
    upstream = situation.view.of(Role.UPSTREAM)
    shown = (upstream.shows("upstream.address"), upstream.shows("upstream.title"))
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
    shown = (situation.exhibit_of(warned), situation.exhibit_of(told))
    return sign(says, *shown, situation.server.shows("host.gateway"), suspect=True)


def _double_by_plex(situation: Situation) -> Sign | None:
    """Does Plex itself say so (`doublenat`), and did the router not tell its own address?"""
    known = "wan.address" in situation.router.facts or situation.wan.holds is not Holds.UNKNOWN
    if known or situation.plex.text("plex.mapping_error") != "doublenat":
        return None
    says = "Plex found more than one router between it and the internet (doublenat)"
    return sign(says, situation.plex.shows("plex.mapping_error"), suspect=True)


def wan_differs(situation: Situation) -> Sign | None:
    """Does the world see another address than the router has, and does the server's traffic leave by the router?"""
    found = of_wan(WanCause.DIFFERS, situation)
    if found is None or situation.leaves_elsewhere:
        return None
    return Sign(found.says, found.exhibits, suspect=True)


def other_way_out(situation: Situation) -> Sign | None:
    """Does the home's own traffic leave by another way than viewers come in by?

    By several ways out of the router, of which the world sees the home at another than is forwarded; or by the router's
    policy routing, which sends the server elsewhere.
    """
    wan, address = situation.wan, situation.router.text("wan.address")
    if tunnel(situation.view) is not None:
        return None
    seen = public_addresses(situation.view)
    others = {public for public, _, _ in seen}
    other = others.pop() if len(others) == 1 else None
    if other is None or str(other) == address:
        return None
    shown = exhibits_of((*wan.exhibits, *(exhibit for _, _, exhibit in seen)))
    if wan.cause is WanCause.DIFFERS and situation.leaves_elsewhere:
        says = (
            f"the server's traffic goes on by {second_hop(situation.view)}, and the router's own next hop is"
            f" {situation.next_hop}: the world sees it at {other}, and viewers come in at {address}"
        )
        return Sign(says, (*shown, situation.server.shows("host.hops")), suspect=True)
    if wan.cause is not WanCause.SEVERAL:
        return None
    says = (
        f"the router has several ways to the internet: its WAN side has {address}, and the home's own traffic comes"
        f" from {other}, which plex.tv therefore takes for the server's address"
    )
    return Sign(says, shown, suspect=True)
