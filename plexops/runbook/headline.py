"""What is said of a home where nothing is decided: what was observed, and no cause."""

from __future__ import annotations

from collections.abc import Iterator

from plexops.model.snapshot import Role
from plexops.packets.reach import AnswerKind
from plexops.runbook.attempts import Came
from plexops.runbook.causes.cause import Sign, sign
from plexops.runbook.observations import Observed, PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.way_in import says as reason_says

_TURNED_AWAY = {Came.ANOTHER: "wrong-server", Came.REFUSED: "refused", Came.UNREACHABLE: "unreachable"}
#: Accesses of which attempts from outside speak: the relay and a VPN have no door on the internet.
_BY_A_DOOR = ("forward", "proxy")
Headline = tuple[str, Sign]


def fails(situation: Situation) -> bool:
    """Whether an observation says that viewers do not get in by the way that is meant."""
    observed, access = situation.observed, situation.view.access
    if access not in _BY_A_DOOR:
        return False
    by_relay = _relayed(situation)[0] > 0 and not observed.claimed
    return observed.fails or (by_relay and access == "forward")


def headline(situation: Situation, shown: Sign | None = None) -> Headline:
    """Give the headline's id and what was observed. `shown`: a cause that shows, and is not what decides."""
    but = f"; {shown.says}" if shown is not None else ""
    name, found = next(_observed(situation))
    return name, sign(
        f"{found.says}{but}", *found.exhibits, *(shown.exhibits if shown and name == "unknown" else ())
    )


def _observed(situation: Situation) -> Iterator[Headline]:
    """Give what was observed, what says most first."""
    observed = situation.observed
    if situation.view.access not in _BY_A_DOOR:
        yield "unknown", sign("whether viewers get in is not known")
    attempts = tuple(attempt.exhibit for attempt in observed.failed)
    each = [f"{attempt.who}: {attempt.came}" for attempt in observed.failed]
    if observed.failed and observed.claimed:
        yield "contradiction", sign(f"{', '.join(each)}; yet {observed.says}", *attempts, *observed.exhibits)
    # Plex itself said which port it is: a playbook only says which one it shall be.
    if situation.view.access == "proxy" or situation.announced is not None:
        yield from _turned_away(observed)
    count, exhibit = _relayed(situation)
    if count and not observed.claimed:
        says = f"{count} session{'s' if count != 1 else ''} come through Plex's relay, none directly"
        yield "relay-only", sign(says, exhibit, *observed.exhibits)
    alone = relay_alone(situation)
    if alone and observed.plex_tv is PlexTv.NO:
        says = "plex.tv offers apps Plex's addresses at home and the relay, and no direct way in"
        yield "no-direct-way", sign(says, alone, *observed.exhibits)
    if observed.fails:
        spoke = observed.plex_tv in (PlexTv.NO, PlexTv.NOT_ANNOUNCED)
        says = "; ".join([*each, *([observed.says] if spoke else [])])
        yield "unexplained", sign(says, *attempts, *observed.exhibits)
    if observed.met:
        first = observed.met[0]
        yield "reachable", sign(f"{first.who} reached Plex at port {first.port}", first.exhibit)
    yield "unknown", sign("whether viewers get in is not known")


def _turned_away(observed: Observed) -> Iterator[Headline]:
    for came, name in _TURNED_AWAY.items():
        found = [attempt for attempt in observed.failed if attempt.came is came]
        if found:
            who = ", ".join(attempt.who for attempt in found)
            says = f"port {found[0].port} from outside: {came} ({who})"
            yield name, sign(says, *(attempt.exhibit for attempt in found))


def narrowed(situation: Situation) -> str:
    """Name what keeps some senders out, where a rule that was read does."""
    ways = [way for way in (situation.way, situation.host_way()) if way is not None]
    reason = next((way.first for way in ways if way.answer.kind is AnswerKind.SOME and way.first), None)
    return "" if reason is None else f"; {reason_says(reason)}"


def _relayed(situation: Situation) -> tuple[int, str]:
    """Give how many sessions come through the relay now, and the exhibit that shows it."""
    fact = situation.plex.facts.get("plex.relayed_sessions")
    count = fact.value if fact is not None and isinstance(fact.value, int) else 0
    return count, situation.plex.shows("plex.relayed_sessions")


def relay_alone(situation: Situation) -> str:
    """Give the exhibit that shows that plex.tv offers apps the relay and no direct way; empty where it does not."""
    outside, values = situation.view.of(Role.OUTSIDE), situation.remote_access
    direct = outside.facts.get("account.direct")
    if direct is None or direct.value != () or values is None or not values.enabled:
        return ""
    return direct.exhibit if outside.flag("account.relay") is True else ""
