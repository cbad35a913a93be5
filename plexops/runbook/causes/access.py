"""Other ways in than a forward: the relay, a VPN, a proxy that answers for Plex by a name."""

from __future__ import annotations

from plexops.runbook.attempts import TURNED_AWAY, Attempt, Came
from plexops.runbook.causes.cause import Sign, sign
from plexops.runbook.situation import Situation


def vpn_in_order(situation: Situation) -> Sign | None:
    """`access: vpn`: does Plex answer where the VPN leads, and listen to more than itself?"""
    listens = situation.listeners or situation.answers_in_the_lan
    if not listens or not situation.plex.text("plex.identifier"):
        return None
    return sign(
        "Plex answers at home; whoever is in the VPN reaches it there",
        *(situation.listeners or ())[:1],
        situation.plex.shows("plex.identifier"),
    )


def proxy_in_order(situation: Situation) -> Sign | None:
    """`access: proxy`: did an attempt from outside meet this Plex at the proxy's port?"""
    met = situation.observed.met
    if situation.proxy is None or not met:
        return None
    return sign(f"Plex answers through the proxy at {situation.proxy.at}", *(a.exhibit for a in met))


def proxy_not_announced(situation: Situation) -> Sign | None:
    """`access: proxy`: does Plex announce no custom connection at all?"""
    known = "plex.custom_connections" in situation.plex.facts
    if not known or situation.proxy is not None:
        return None
    says = "`access: proxy`, but Plex announces no custom connection: no app learns of the proxy"
    return sign(says, situation.plex.shows("plex.custom_connections"))


def proxy_no_name(situation: Situation) -> Sign | None:
    """Does the proxy's name lead to no address, where it was asked from outside?"""
    found = _came(situation, Came.NO_NAME)
    if not found or situation.proxy is None:
        return None
    says = f"the name {situation.proxy.at.host} leads to no address ({_who(found)})"
    return sign(says, *_shown(situation, found), suspect=True)


def proxy_certificate(situation: Situation) -> Sign | None:
    """Does this Plex answer by the proxy's name, with a certificate that does not hold for it?"""
    found = _came(situation, Came.UNTRUSTED)
    if not found or situation.proxy is None:
        return None
    says = f"Plex answers at {situation.proxy.at}, with a certificate that does not hold for that name"
    return sign(f"{says} ({_who(found)})", *_shown(situation, found))


def proxy_broken(situation: Situation) -> Sign | None:
    """Does something answer by the proxy's name that is not this Plex, or turn viewers away?"""
    found = _came(situation, *TURNED_AWAY)
    if not found or situation.proxy is None:
        return None
    first = found[0]
    led = f" leads to {first.probe.address}, {'not this' if first.elsewhere else 'this'} home"
    what = f"status {first.probe.status}" if first.probe.status else str(first.came)
    says = f"{situation.proxy.at}{led if first.probe.address else ''}: {what} ({_who(found)})"
    return sign(says, *_shown(situation, found), suspect=True)


def _came(situation: Situation, *words: Came) -> list[Attempt]:
    """Give the attempts by the proxy's name that got one of these back."""
    return [one for one in situation.observed.failed if one.probe.name and one.came in words]


def _who(found: list[Attempt]) -> str:
    return ", ".join(attempt.who for attempt in found)


def _shown(situation: Situation, found: list[Attempt]) -> tuple[str, ...]:
    return (*(attempt.exhibit for attempt in found), situation.plex.shows("plex.custom_connections"))
