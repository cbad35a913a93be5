"""Causes beyond the router: the ISP, a second gateway, the viewer's own network."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.entries import ProbeAnswer
from plexops.model.snapshot import Entry, Role
from plexops.packets.reach import AnswerKind
from plexops.runbook import conditions
from plexops.runbook.causes_router import other_filter_of_router
from plexops.runbook.causes_server import (
    leaves_by_vpn,
    other_filter_of_host,
    plex_listens_to_all,
    server_offline,
)
from plexops.runbook.conditions import Holds, WanCause
from plexops.runbook.rule import Sign, exhibits_of, of_fact, sign
from plexops.runbook.situation import Situation, probe_of
from plexops.runbook.way_in import WayIn

#: plex.tv gives up after 5 s: a failure that took so long was dropped on the way, not refused (facts: 12 of 12).
_DROPPED_MILLISECONDS = 4500


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


def double_nat(situation: Situation) -> Sign | None:
    """Does another router stand before this one?"""
    found = _wan(situation, WanCause.SECOND_NAT)
    if found is None:
        return None
    upstream = situation.view.of(Role.UPSTREAM)
    shown = (of_fact(upstream, "upstream.address"), of_fact(upstream, "upstream.title"))
    box = situation.before_the_router
    says = f"{found.says}: {box}" if box else found.says
    return Sign(says, exhibits_of((*found.exhibits, *shown)))


def second_nat_by_log(situation: Situation) -> Sign | None:
    """Does Plex's log say that the router has a private WAN address, where the router itself did not tell its own?

    By UPnP some routers tell their address in the LAN: then it is the server's gateway.
    """
    warned, told = situation.story.router_address_private, situation.story.router_address
    known = "wan.address" in situation.router.facts or situation.wan.holds is Holds.NO
    if known or warned is None or told is None or not warned.fresh or not situation.refuted:
        return None
    address, gateway = told.event.address, situation.server.text("host.gateway")
    if gateway in (None, address) or situation.claimed_reachable:
        return None
    says = f"the router told Plex that its WAN address is {address}, a private one: a second NAT stands before it"
    shown = (
        situation.exhibit_of(warned),
        situation.exhibit_of(told),
        of_fact(situation.server, "host.gateway"),
    )
    return Sign(says, exhibits_of(shown), likely=True)


def wan_differs(situation: Situation) -> Sign | None:
    """Does the world see another address, and did plex.tv not get through to that one either?"""
    return None if situation.claimed_reachable else _wan(situation, WanCause.DIFFERS)


def other_way_out(situation: Situation) -> Sign | None:
    """Has the router several ways out, and does the world see the home at another one than is forwarded?"""
    wan, address = situation.wan, situation.router.text("wan.address")
    if wan.cause is not WanCause.SEVERAL or situation.claimed_reachable or leaves_by_vpn(situation):
        return None
    seen = conditions.public_addresses(situation.view)
    others = {public for public, _, _ in seen}
    if len(others) != 1 or str(next(iter(others))) == address:
        return None
    says = (
        f"the router has several ways to the internet: its WAN side has {address}, and the home's own traffic comes"
        f" from {others.pop()}, which plex.tv therefore takes for the server's address"
    )
    return Sign(says, exhibits_of((*wan.exhibits, *(exhibit for _, _, exhibit in seen))), likely=True)


def isp_blocks(situation: Situation) -> Sign | None:
    """Is all in order at home, and packets from outside vanish all the same?"""
    found = _vanish(situation)
    if found is None or not situation.router_admits or not situation.host_admits:
        return None
    says = f"packets to port {situation.port} vanish, and every filter at home that was read lets them in"
    return Sign(f"{says} ({found.says})", found.exhibits)


def router_other_filter(situation: Situation) -> Sign | None:
    """Does another filter of the router drop the port? Where it is not understood: is nothing else left?"""
    drops = other_filter_of_router(situation)
    return drops or _may_stop(situation, situation.way, f"router may stop port {situation.port}")


def host_other_filter(situation: Situation) -> Sign | None:
    """Does a filter beside the server's firewall stop Plex? Where it is not understood: is nothing else left?"""
    drops = other_filter_of_host(situation)
    if drops is not None or not situation.router_admits:
        return drops
    port = situation.view.plex_port
    return _may_stop(situation, situation.host_way(), f"server may stop tcp {port}")


def _may_stop(situation: Situation, way: WayIn | None, what: str) -> Sign | None:
    """Blame a filter that is not understood, where nothing else that was read stops the packets."""
    found = _vanish(situation)
    if found is None or way is None or way.answer.kind is not AnswerKind.UNKNOWN:
        return None
    stopper = next((end for end in way.answer.missed if end.packet.answers), None)
    if stopper is None or stopper.step.rule is None or stopper.step.chain is None:
        return None
    # nft names an extension of iptables alone: what the rule says was not read. That is a gap, and no cause.
    if "xt match" in stopper.step.rule.words or "xt target" in stopper.step.rule.words:
        return None
    says = f"“{stopper.step.chain.id}” of the {what} ({stopper.step.rule.called}), and nothing else that was read does"
    shown = exhibits_of([stopper.step.rule.exhibit, *found.exhibits])
    return Sign(f"{says} ({found.says})", shown, likely=True)


def _vanish(situation: Situation) -> Sign | None:
    """Give who saw that packets vanish, where all else that was read lets them in."""
    dropped = _dropped(situation)
    forward = situation.forwarded_to_plex
    if dropped is None or situation.wan.holds is not Holds.YES or forward is None:
        return None
    if situation.plex_says.holds is not Holds.NO:  # one vantage alone may stand in a network that blocks
        return None
    if situation.server.text("host.egress") is None or server_offline(situation) is not None:
        return None  # the answers would not find their way back
    stopped = situation.router_stops is not None or situation.host_stops() is not None
    if stopped or plex_listens_to_all(situation) is None:
        return None
    return sign(dropped.says, *dropped.exhibits, forward, *situation.wan.exhibits)


def _dropped(situation: Situation) -> Sign | None:
    """Give who saw that packets vanish; None where anybody got an answer of any kind."""
    found = situation.answered(ProbeAnswer.TIMED_OUT)
    if found:
        alone = len(found) == len(situation.probes)
        return sign(", ".join(probe_of(entry).vantage for entry in found), *found) if alone else None
    story = situation.story
    if situation.probes or story.reachable is not False or (story.waited or 0) < _DROPPED_MILLISECONDS:
        return None
    return sign("plex.tv, by Plex's log", situation.exhibit_of(story.verdict))


def client_network(situation: Situation) -> Sign | None:
    """Does one network outside get through, and another not? (E4)"""
    others = [
        entry
        for entry in situation.answered(ProbeAnswer.TIMED_OUT, ProbeAnswer.REFUSED, ProbeAnswer.UNREACHABLE)
        if any(probe_of(entry).port == probe_of(good).port for good in situation.reached)
    ]
    if not others:
        return None
    good = ", ".join(probe_of(entry).vantage for entry in situation.reached)
    bad = ", ".join(f"{probe_of(entry).vantage} ({probe_of(entry).answer})" for entry in others)
    return sign(f"{good} reaches Plex, {bad} does not", *situation.reached, *others)


def refused(situation: Situation) -> Sign | None:
    """Was the connection refused, not dropped? Then somebody at home answered, and not Plex."""
    found = _turned_away(situation, ProbeAnswer.REFUSED)
    if not found:
        return None
    port, who = _door_and_witnesses(found)
    return sign(
        f"port {port} is refused, not dropped ({who}): packets arrive, and nothing takes them", *found
    )


def unreachable(situation: Situation) -> Sign | None:
    """Did somebody on the way answer that nobody gets there? That is a filter's answer, or of a host that is away."""
    found = _turned_away(situation, ProbeAnswer.UNREACHABLE)
    if not found:
        return None
    port, who = _door_and_witnesses(found)
    says = f"somebody answers that port {port} is not to be reached ({who})"
    return sign(f"{says}: a filter that rejects, or a target that is away", *found)


def _turned_away(situation: Situation, answer: ProbeAnswer) -> tuple[Entry, ...]:
    """Give who got this answer at Plex's own door; nobody where somebody got in."""
    counts = situation.knows_the_door and not situation.reached
    return situation.answered(answer) if counts else ()


def _door_and_witnesses(found: Sequence[Entry]) -> tuple[int, str]:
    return probe_of(found[0]).port, ", ".join(probe_of(entry).vantage for entry in found)


def wrong_server(situation: Situation) -> Sign | None:
    """Does something else than this Plex answer at the port?"""
    found = situation.answered(ProbeAnswer.WRONG_SERVER)
    if not found or not situation.knows_the_door:
        return None
    shown = of_fact(situation.plex, "plex.identifier")
    port, who = _door_and_witnesses(found)
    return sign(f"another server answers at port {port} ({who})", *found, shown)
