"""Causes beyond the router: the ISP, a second gateway, the viewer's own network."""

from __future__ import annotations

from plexops.model.entries import ProbeAnswer
from plexops.model.snapshot import Role
from plexops.runbook.causes_server import plex_listens_to_all, server_offline
from plexops.runbook.conditions import Holds, WanCause
from plexops.runbook.filtering import Passes
from plexops.runbook.rule import Sign, of_fact, sign
from plexops.runbook.situation import Situation, probe_of

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
    title = situation.view.of(Role.UPSTREAM).text("upstream.title")
    return Sign(f"{found.says} ({title})" if title else found.says, found.exhibits)


def wan_differs(situation: Situation) -> Sign | None:
    """Does the world see another address, and did plex.tv not get through to that one either?"""
    return None if situation.claimed_reachable else _wan(situation, WanCause.DIFFERS)


def isp_blocks(situation: Situation) -> Sign | None:
    """Is all in order at home, and packets from outside vanish all the same?"""
    dropped = _dropped(situation)
    forward = situation.effective
    if dropped is None or situation.wan.holds is not Holds.YES or forward not in situation.leads_to_plex:
        return None
    if situation.plex_says.holds is not Holds.NO:  # one vantage alone may stand in a network that blocks
        return None
    if situation.server.text("host.egress") is None or server_offline(situation) is not None:
        return None  # the answers would not find their way back
    passes = situation.router_filter.passes is Passes.YES and situation.host_filter().passes is Passes.YES
    if not passes or plex_listens_to_all(situation) is None:
        return None
    says = f"packets to port {situation.port} vanish, and every filter at home that was read lets them in"
    return sign(f"{says} ({dropped.says})", *dropped.exhibits, forward, *situation.wan.exhibits)


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
        for entry in situation.answered(ProbeAnswer.TIMED_OUT, ProbeAnswer.REFUSED)
        if any(probe_of(entry).port == probe_of(good).port for good in situation.reached)
    ]
    if not others:
        return None
    good = ", ".join(probe_of(entry).vantage for entry in situation.reached)
    bad = ", ".join(f"{probe_of(entry).vantage} ({probe_of(entry).answer})" for entry in others)
    return sign(f"{good} reaches Plex, {bad} does not", *situation.reached, *others)


def refused(situation: Situation) -> Sign | None:
    """Was the connection refused, not dropped? Then somebody at home answered, and not Plex."""
    found = situation.answered(ProbeAnswer.REFUSED)
    if not found or situation.reached or not situation.knows_the_door:
        return None
    port = probe_of(found[0]).port
    who = ", ".join(probe_of(entry).vantage for entry in found)
    return sign(
        f"port {port} is refused, not dropped ({who}): packets arrive, and nothing takes them", *found
    )


def wrong_server(situation: Situation) -> Sign | None:
    """Does something else than this Plex answer at the port?"""
    found = situation.answered(ProbeAnswer.WRONG_SERVER)
    if not found or not situation.knows_the_door:
        return None
    shown = of_fact(situation.plex, "plex.identifier")
    who = ", ".join(probe_of(entry).vantage for entry in found)
    return sign(f"another server answers at port {probe_of(found[0]).port} ({who})", *found, shown)
