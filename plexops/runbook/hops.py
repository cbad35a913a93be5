"""By which boxes the home's traffic leaves: the router's next hop against the server's own hops."""

from __future__ import annotations

from plexops.model.snapshot import Role
from plexops.runbook.situation import Situation
from plexops.runbook.view import second_hop


def next_hop(situation: Situation) -> str:
    """The one box to which the router sends what is for the internet; empty where that is not known."""
    box = situation.router.box
    ways = [r for r in (box.routes or () if box is not None else ()) if r.family == 4 and r.length == 0]
    gateways = {route.gateway for route in ways if route.gateway}
    if not ways:
        gateways = {situation.view.of(Role.UPSTREAM).text("upstream.address") or ""}
    return gateways.pop() if len(gateways) == 1 else ""


def leaves_elsewhere(situation: Situation) -> bool:
    """Whether the server's traffic is known to go on by another box than the router's own next hop."""
    hop, own = second_hop(situation.view), next_hop(situation)
    return bool(hop and own) and hop != own
