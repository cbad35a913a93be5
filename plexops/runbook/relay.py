"""What shows that viewers come through Plex's relay, or are offered nothing else."""

from __future__ import annotations

from plexops.model.snapshot import Role
from plexops.runbook.situation import Situation


def relayed(situation: Situation) -> tuple[int, str]:
    """Give how many sessions come through the relay now, and the exhibit that shows it."""
    fact = situation.plex.facts.get("plex.relayed_sessions")
    count = fact.value if fact is not None and isinstance(fact.value, int) else 0
    return count, situation.shows("plex.relayed_sessions")


def relay_alone(situation: Situation) -> str:
    """Give the exhibit that shows that plex.tv offers apps the relay and no direct way; empty where it does not."""
    outside, values = situation.view.of(Role.OUTSIDE), situation.remote_access
    direct = outside.facts.get("account.direct")
    if direct is None or direct.value != () or values is None or not values.enabled:
        return ""
    return direct.exhibit if outside.flag("account.relay") is True else ""
