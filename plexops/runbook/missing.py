"""What was asked and not answered. What the inventory gives no access to is not missing: it was never asked."""

from __future__ import annotations

from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.packets.reach import AnswerKind
from plexops.runbook import conditions
from plexops.runbook.condition import Holds, WanCause
from plexops.runbook.situation import Situation
from plexops.runbook.view import SiteView, looked_into

#: What each stop is expected to tell, by what a person calls it.
_FACTS: dict[Role, dict[str, str]] = {
    Role.ROUTER: {"wan.address": "the router's WAN address"},
    Role.SERVER: {
        "host.addresses": "the server's addresses",
        "host.egress": "the server's way to the internet",
        "host.time": "the server's clock",
        "container.engine": "whether Plex runs in a container",
        "firewall.active": "whether the server's firewall is on",
    },
    Role.PLEX: {
        "plex.identifier": "which server Plex is",
        "plex.claimed": "whether Plex belongs to an account",
        "plex.mapping_state": "Plex's own verdict",
        "plex.mapping_error": "Plex's own verdict",
        "plex.sign_in": "whether Plex is signed in",
        "plex.relay": "whether the relay is allowed",
        "plex.subscription": "whether the owner has Plex Pass",
        "plex.relayed_sessions": "whether sessions are relayed",
        "plex.custom_connections": "what else Plex announces",
    },
}
_KINDS: dict[Role, dict[Kind, str]] = {
    Role.ROUTER: {
        Kind.PORT_FORWARD: "the router's forwards",
        Kind.DHCP_RESERVATION: "the router's reservations",
        Kind.LEASE: "the router's leases",
        Kind.NEIGHBOUR: "the router's neighbour table",
        Kind.UPNP: "the router's UPnP switch",
        Kind.UPNP_MAPPING: "the router's UPnP table",
    },
    Role.SERVER: {
        Kind.LISTENER: "what listens on the server",
        Kind.FIREWALL_RULE: "the server's firewall",
        Kind.LOG_EVENT: "Plex's log",
    },
    Role.PLEX: {Kind.PLEX_REMOTE_ACCESS: "Plex's settings"},
    Role.OUTSIDE: {Kind.ECHO: "our public address, as others see it"},
}
#: What Plex need not say, and may say so that it is not understood.
_ODD: dict[str, str] = {
    "plex.public_address": "the address that Plex announces",
    "plex.public_port": "the port that Plex announces",
}
#: What stands in the same answer as something else: what keeps that back keeps this back.
_BESIDE: dict[str, str] = {
    "plex.relay": Kind.PLEX_REMOTE_ACCESS,
    "plex.custom_connections": Kind.PLEX_REMOTE_ACCESS,
    "plex.subscription": "plex.mapping_state",
}


def unread_kinds(situation: Situation) -> tuple[str, ...]:
    """Name what was asked and not answered. What the inventory gives no access to is not missing: it was never asked."""
    view = situation.view
    found = _unseen_stops(view)
    ours = any(entry.owner.ours for entry in situation.leads_to_plex)
    if ours and "persists" in situation.router.reasons:
        found.append("whether the router loads its forward again when it starts could not be read")
    found += _unsure_of_filters(situation)
    found += _unseen_of(view.of(Role.OUTSIDE))
    unlisted = view.of(Role.OUTSIDE).reasons.get("account.listed")
    if unlisted is not None:
        found.append(f"plex.tv's list of the account's servers could not be read: {unlisted}")
    found += situation.observed.unanswered
    passed_on = situation.wan.cause is WanCause.SECOND_NAT
    unknown = situation.wan.holds is Holds.UNKNOWN and not passed_on
    if view.access == "forward" and Role.ROUTER in view.asked and unknown:
        found.append(situation.wan.says)
    return tuple(dict.fromkeys(found))


def _unsure_of_filters(situation: Situation) -> list[str]:
    """Name what viewers who got in do not answer: whether more is open than shall be, and what holds over IPv6."""
    found: list[str] = []
    exposed = conditions.dmz_by(situation.view, situation.exposures)
    if situation.router.box is not None and exposed.holds is Holds.UNKNOWN:
        found.append(exposed.says)
    over_ipv6 = situation.host_way(6)
    if over_ipv6 is not None and over_ipv6.answer.kind is AnswerKind.UNKNOWN:
        found.append("whether the server lets viewers in over IPv6 is not known")
    return found


def _unseen_stops(view: SiteView) -> list[str]:
    # What the server could not show of Plex's log, Plex itself may have.
    log = view.of(Role.PLEX).state(Kind.LOG_EVENT) is KindState.PRESENT
    told = frozenset({Kind.LOG_EVENT}) if log else frozenset[Kind]()
    found: list[str] = []
    for role in (role for role in (Role.ROUTER, Role.SERVER, Role.PLEX) if role in view.asked):
        if role not in view.snapshots:
            found.append(f"the {role} did not answer" if role is not Role.PLEX else "Plex did not answer")
        elif role is Role.ROUTER and _heard_only(view.of(role)):
            found.append("nothing of the router could be read but what it tells without a login")
        else:
            found += _unseen_of(view.of(role), told)
    return found


def _heard_only(router: Snapshot) -> bool:
    return bool(router.kinds) and not looked_into(router) and "lan.address" in router.facts


def _unseen_of(snapshot: Snapshot, told: frozenset[Kind] = frozenset()) -> list[str]:
    """Name what a stop did not tell, and why, where it says why; `told` are kinds that another one told."""
    kinds = _KINDS.get(snapshot.role, {})
    found: list[tuple[str, str]] = [
        (words, _reason(snapshot, name))
        for name, words in _FACTS.get(snapshot.role, {}).items()
        if name not in snapshot.facts
    ]
    found += [(words, snapshot.reasons[name]) for name, words in _ODD.items() if name in snapshot.reasons]
    found += [
        (words, _reason(snapshot, kind))
        for kind, words in kinds.items()
        if snapshot.state(kind) is KindState.UNKNOWN and kind not in told
    ]
    unread = (kind for kind in kinds if any(entry.values is None for entry in snapshot.of(kind)))
    found += [(f"one of {kinds[kind]}", "") for kind in unread]
    by_reason: dict[str, list[str]] = {}
    for words, reason in dict.fromkeys(found):
        # What has no reason stands alone, what has the same one stands together.
        by_reason.setdefault(reason or words, []).append(words)
    return [
        f"{', '.join(dict.fromkeys(words))} could not be read{f': {key}' if key not in words else ''}"
        for key, words in by_reason.items()
    ]


def _reason(snapshot: Snapshot, name: str) -> str:
    """Say why something is not known; empty where no reason is."""
    return snapshot.reasons.get(name) or snapshot.reasons.get(_BESIDE.get(name, ""), "")
