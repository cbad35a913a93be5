"""Did it help? Plex's verdict and the vantages, asked until they know or their time is over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from plexops.drivers.plex import REFRESH
from plexops.engine.apply import Workshop
from plexops.engine.nudge import send_nudge, verdict_of
from plexops.engine.seen import Seen
from plexops.model.errors import PlexopsError
from plexops.model.plan import Step
from plexops.model.run import Proof
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions
from plexops.runbook.conditions import Condition, Holds

#: How long Plex may take to give its verdict, in seconds: up to 35 s were seen in real logs.
VERDICT_SECONDS = 60.0
_PLEX_EVERY = 0.3
_PROBE_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class EffectProver:
    """Proves that `port` leads to Plex. `seconds` bounds the wait for Plex's verdict."""

    port: int
    seconds: float = VERDICT_SECONDS

    def __call__(
        self, shop: Workshop, before: Seen, now: Seen, steps: Sequence[Step]
    ) -> tuple[Seen, tuple[Proof, ...], str]:
        """Give the last state, the proofs, and `proven`, `refuted` or `unknown`."""
        changed = {step.change.kind for step in steps}
        # A verdict that is older than the forward counts as none, so that a change is looked for.
        baseline = verdict_of(before.view)
        fresh = verdict_of(now.view) != baseline
        if Kind.PLEX_REMOTE_ACCESS not in changed and Kind.PORT_FORWARD in changed:
            _nudge(shop, now)
        deadline = time.monotonic() + self.seconds
        next_probe = 0.0
        outside, plex = _nothing(), _nothing()
        while True:
            if time.monotonic() >= next_probe:
                now = shop.observer.probe(now, self.port)
                outside = conditions.from_vantages(now.view, self.port)
                next_probe = time.monotonic() + _PROBE_EVERY
            now = _ask_plex(shop, now)
            fresh = fresh or verdict_of(now.view) != baseline
            plex = conditions.plex_verdict(now.view, self.port) if fresh else _stale()
            if Holds.YES in (outside.holds, plex.holds):
                return now, _proofs(outside, plex), "proven"
            if plex.holds is Holds.NO and outside.holds is not Holds.UNKNOWN:
                return now, _proofs(outside, plex), "refuted"
            if time.monotonic() >= deadline:
                break
            time.sleep(_PLEX_EVERY)
        refuted = Holds.NO in (outside.holds, plex.holds)
        return now, _proofs(outside, plex), "refuted" if refuted else "unknown"


def _nothing() -> Condition:
    return Condition(Holds.UNKNOWN, "not asked yet")


def _stale() -> Condition:
    return Condition(Holds.UNKNOWN, "Plex's verdict is older than the change")


def _ask_plex(shop: Workshop, now: Seen) -> Seen:
    if shop.drivers.plex is None:
        return now
    try:
        return shop.observer.again(now, Role.PLEX)
    except PlexopsError:
        return now


def _nudge(shop: Workshop, now: Seen) -> None:
    """Ask Plex to look again, once. A refusal to look ("too soon") is silent, and the verdict then stays unknown."""
    if shop.drivers.plex is None:
        return
    complaint = send_nudge(shop.access, shop.links, now)
    shop.record("nudge", {"request": REFRESH.shows, "complaint": complaint})
    shop.moment(f"Plex was not asked to look again: {complaint}" if complaint else "asked Plex to look again")


def _proofs(outside: Condition, plex: Condition) -> tuple[Proof, ...]:
    marks = {Holds.YES: "proven", Holds.NO: "refuted", Holds.UNKNOWN: "unknown"}
    return (
        Proof(marks[plex.holds], "plex", plex.says),  # type: ignore[arg-type]
        Proof(marks[outside.holds], "outside", outside.says),  # type: ignore[arg-type]
    )
