"""The verdict: which cause explains that nobody gets in, what else was seen, and what could not be seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plexops.model.entries import ProbeAnswer
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.packets.reach import AnswerKind
from plexops.runbook import conditions
from plexops.runbook.causes_server import leaves_by_vpn
from plexops.runbook.conditions import Holds, stands_inside
from plexops.runbook.rule import Layer, Rule, Sign, Weight
from plexops.runbook.rules import IN_ORDER, RULES
from plexops.runbook.situation import Situation, probe_of
from plexops.runbook.view import SiteView, looked_into


class Confidence(StrEnum):
    """How sure a verdict is."""

    #: Somebody outside, or plex.tv, saw the same, and nothing further out is unknown.
    CERTAIN = "certain"
    #: The cause is there; whether it is the only one could not be seen.
    LIKELY = "likely"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Found:
    """One cause that was seen."""

    rule: Rule
    sign: Sign


@dataclass(frozen=True, slots=True)
class Verdict:
    """Diagnose's answer. No `found`: nothing that was seen explains it; `missing` says what was not seen."""

    id: str
    says: str
    found: Found | None = None
    confidence: Confidence = Confidence.NONE
    also: tuple[Found, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def stop(self) -> bool:
        """Whether the runbook says: stop here."""
        return self.found is not None and self.found.rule.stop


#: With these weights a way in may be open all the same.
_BESIDE = (Weight.PARTS, Weight.POLICY, Weight.WEAKNESS)
UNKNOWN = "unknown"
UNEXPLAINED = "unexplained"


def judge(situation: Situation) -> Verdict:
    """Give the verdict.

    A cause that blocks explains a failure; the outermost one is the verdict. Where somebody outside just got in, none
    of them blocks. Plex's own word that it is reachable is an old answer, and what a device holds now refutes it.
    """
    asked = [rule for rule in RULES if situation.view.access in rule.ways]
    seen = [Found(rule, found) for rule in asked if (found := rule.look(situation)) is not None]
    blocks = [found for found in seen if _explains(found, situation)]
    beside = [f for weight in _BESIDE for f in seen if f.rule.weight is weight]
    notes = [f for f in seen if f.rule.weight is Weight.NOTE]
    missing = unseen(situation)
    if blocks:
        return _of(blocks[0], [*blocks[1:], *beside], situation, missing)
    open_for_some = [f for f in beside if f.rule.weight is Weight.PARTS]
    healthy = any(f.rule.id in IN_ORDER for f in notes)
    if open_for_some or (healthy and beside):
        return _of(beside[0], beside[1:], situation, missing)
    if healthy and not missing:
        first = next((f for f in notes if "in-order" in f.rule.covers), notes[0])
        return Verdict(first.rule.id, first.sign.says, first, Confidence.CERTAIN, _but(notes, first))
    return _undecided(situation, seen, beside, notes, missing)


def _explains(found: Found, situation: Situation) -> bool:
    """Tell whether a cause explains a failure, given who got in."""
    if found.rule.weight is Weight.BLOCKS:
        round_the_router = leaves_by_vpn(situation) is not None and not situation.refuted
        return not (situation.proven or situation.reached_elsewhere or round_the_router)
    return found.rule.weight is Weight.HIDES and (found.rule.current or not situation.claimed_reachable)


def _of(first: Found, rest: list[Found], situation: Situation, missing: tuple[str, ...]) -> Verdict:
    blocks = first.rule.weight in (Weight.BLOCKS, Weight.HIDES)
    agreed = situation.refuted if blocks and not first.rule.current else True
    certain = agreed and not missing and not first.rule.excludes and not first.sign.likely
    if first.rule.excludes:
        missing = (*missing, *_unread_filters(situation))
    confidence = Confidence.CERTAIN if certain else Confidence.LIKELY
    others = [found for found in _but(rest, first) if not found.rule.follows]
    return Verdict(first.rule.id, first.sign.says, first, confidence, tuple(others), missing)


def _but(found: list[Found], first: Found) -> tuple[Found, ...]:
    return tuple(one for one in found if one is not first and one.rule.id not in first.rule.covers)


def _undecided(
    situation: Situation, seen: list[Found], beside: list[Found], notes: list[Found], missing: tuple[str, ...]
) -> Verdict:
    """Nothing that was seen explains a failure, and nothing proves that all is in order."""
    waiting = next((f for f in seen if f.rule.weight is Weight.UNDECIDED), None)
    if beside and beside[0].rule.weight is Weight.POLICY:
        return _of(beside[0], beside[1:], situation, missing)
    if waiting is not None:
        return Verdict(waiting.rule.id, waiting.sign.says, waiting, Confidence.LIKELY, tuple(beside), missing)
    if situation.refuted and not situation.proven:
        who = ", ".join(probe_of(entry).vantage for entry in situation.probes)
        says = (
            f"{who} does not get in, Plex says that plex.tv did, and nothing that was seen explains why"
            if situation.claimed_reachable
            else "nobody gets in, and nothing that was seen explains why"
        )
        left = (*missing, *_unread_filters(situation))
        return Verdict(UNEXPLAINED, says, also=tuple(beside), missing=left)
    if not situation.probes:
        missing = (
            *missing,
            f"nobody outside tried port {situation.door}" if situation.door else "nobody outside tried",
        )
    gets_in = situation.proven or situation.claimed_reachable or notes
    says = (
        "somebody got in, but not everything could be seen"
        if gets_in
        else "whether anybody gets in is not known"
    )
    return Verdict(UNKNOWN, says, also=(*beside, *notes), missing=missing)


def _unread_filters(situation: Situation) -> tuple[str, ...]:
    """Name what is not known of filters that nobody looks at as long as something else explains a failure."""
    found = []
    for snapshot, way, whose in (
        (situation.router, situation.way, "the router's filter"),
        (situation.server, situation.host_way(), "the server's filters"),
    ):
        if way is not None and way.answer.kind is AnswerKind.UNKNOWN:
            found += [f"{whose}: {question} is not known" for question in way.answer.questions[:1]]
        elif way is None and snapshot.role in situation.view.asked:
            found.append(f"{whose} could not be read")
    return tuple(found)


# --- what could not be seen --------------------------------------------------------------------------

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


def unseen(situation: Situation) -> tuple[str, ...]:
    """Name what was asked and not answered. What the inventory gives no access to is not missing: it was never asked."""
    view = situation.view
    found = [*_unseen_stops(view), *_unread_start(situation)]
    found += _unsure_of_filters(situation)
    found += _unseen_of(view.of(Role.OUTSIDE))
    unlisted = view.of(Role.OUTSIDE).reasons.get("account.listed")
    if unlisted is not None:
        found.append(f"plex.tv's list of the account's servers could not be read: {unlisted}")
    found += _unseen_probes(view)
    if view.access == "forward" and Role.ROUTER in view.asked and situation.wan.holds is Holds.UNKNOWN:
        found.append(situation.wan.says)
    return tuple(dict.fromkeys(found))


def _unsure_of_filters(situation: Situation) -> list[str]:
    """Name what viewers who got in do not answer: whether more is open than shall be, and what holds over IPv6."""
    found: list[str] = []
    exposed = conditions.dmz(situation.view)
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
            found.append("nothing of the router could be read but what it tells anybody")
        else:
            found += _unseen_of(view.of(role), told)
    return found


def _unseen_probes(view: SiteView) -> list[str]:
    found: list[str] = []
    for probe in (probe_of(entry) for entry in view.of(Role.OUTSIDE).of(Kind.PROBE)):
        if probe.inside:
            found.append(stands_inside(probe))
        elif probe.answer is ProbeAnswer.UNKNOWN and probe.made:
            why = "it is more than an hour old, or was at another address"
            found.append(f"what {probe.vantage} tried does not count: {why}")
        elif probe.answer is ProbeAnswer.UNKNOWN:
            found.append(f"vantage {probe.vantage} could not be asked")
    return found


def _unread_start(situation: Situation) -> list[str]:
    """Name what the router loads when it starts, where that concerns a forward of ours."""
    ours = any(entry.owner.ours for entry in situation.leads_to_plex)
    if not ours or "persists" not in situation.router.reasons:
        return []
    return ["whether the router loads its forward again when it starts could not be read"]


def _heard_only(router: Snapshot) -> bool:
    return bool(router.kinds) and not looked_into(router)


def _unseen_of(snapshot: Snapshot, told: frozenset[Kind] = frozenset()) -> list[str]:
    """Name what a stop did not tell; `told` are kinds that another one told."""
    facts = [words for name, words in _FACTS.get(snapshot.role, {}).items() if name not in snapshot.facts]
    kinds = [
        words
        for kind, words in _KINDS.get(snapshot.role, {}).items()
        if snapshot.state(kind) is KindState.UNKNOWN and kind not in told
    ]
    unread = [
        f"one of {words}"
        for kind, words in _KINDS.get(snapshot.role, {}).items()
        if any(entry.values is None for entry in snapshot.of(kind))
    ]
    return [f"{words} could not be read" for words in dict.fromkeys([*facts, *kinds, *unread])]


__all__ = ["UNEXPLAINED", "UNKNOWN", "Confidence", "Found", "Layer", "Verdict", "judge", "unseen"]
