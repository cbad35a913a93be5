"""Did it help? Plex's verdict and the vantages, asked until they know or their time is over; then services outside, once."""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from plexops.drivers.around.checkers import CHECK_SECONDS
from plexops.drivers.plex.driver import REFRESH_WORDS
from plexops.engine.change.apply import ApplyContext
from plexops.engine.change.nudge import send_nudge, verdict_of
from plexops.engine.look.site_state import SiteState
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.errors import PlexopsError
from plexops.model.plan import Step
from plexops.model.run import Proof
from plexops.model.snapshot import Kind, Role
from plexops.runbook import conditions
from plexops.runbook.condition import Condition, Holds
from plexops.runbook.view import SiteView

#: How long Plex may take to give its verdict, in seconds: up to 35 s were seen in real logs.
VERDICT_SECONDS = 60.0
_PLEX_EVERY = 0.3
_PROBE_EVERY = 5.0
_STALE = Condition(Holds.UNKNOWN, "Plex's verdict is older than the change")


class EffectProver(Struct, frozen=True):
    """Proves that `port` leads to Plex. `seconds` bounds the wait for Plex's verdict."""

    port: int
    seconds: float = VERDICT_SECONDS

    def __call__(
        self, context: ApplyContext, before: SiteState, now: SiteState, steps: Sequence[Step]
    ) -> tuple[SiteState, tuple[Proof, ...], str]:
        """Give the last state, the proofs, and `proven`, `refuted` or `unknown`."""
        changed = {step.change.kind for step in steps}
        takes = max((step.script.settle for step in steps), default=0.0)
        now = self._when_it_acts(context, now, takes)
        # A verdict that is older than the forward counts as none, so that a change is looked for.
        early = takes > 0 and conditions.plex_verdict(now.view, self.port).holds is not Holds.YES
        baseline = verdict_of(now.view if early else before.view)
        fresh = verdict_of(now.view) != baseline
        if (early or Kind.PLEX_REMOTE_ACCESS not in changed) and Kind.PORT_FORWARD in changed:
            _nudge(context, now)
        deadline = time.monotonic() + self.seconds
        # Strangers are asked last, once, and only where nothing else knows.
        strangers = bool(context.home.access.site.checkers)
        next_probe = 0.0
        outside = plex = Condition(Holds.UNKNOWN, "not asked yet")
        while True:
            if time.monotonic() >= next_probe:
                now = context.home.observer().probe(now, self.port)
                outside = outside_says(now.view, self.port)
                next_probe = time.monotonic() + _PROBE_EVERY
            now = _ask_plex(context, now)
            fresh = fresh or verdict_of(now.view) != baseline
            plex = conditions.plex_verdict(now.view, self.port) if fresh else _STALE
            if Holds.YES in (outside.holds, plex.holds):
                return now, _proofs(outside, plex), "proven"
            if plex.holds is Holds.NO and outside.holds is not Holds.UNKNOWN:
                return now, _proofs(outside, plex), "refuted"
            if strangers and time.monotonic() >= deadline - CHECK_SECONDS:
                strangers = False
                now = _ask_checkers(context, now, self.port)
                outside = outside_says(now.view, self.port)
            if time.monotonic() >= deadline:
                break
            time.sleep(_PLEX_EVERY)
        refuted = Holds.NO in (outside.holds, plex.holds)
        return now, _proofs(outside, plex), "refuted" if refuted else "unknown"

    def _when_it_acts(self, context: ApplyContext, now: SiteState, seconds: float) -> SiteState:
        """Wait until a router does what it has taken: whoever tries the port before that meets nothing."""
        deadline = time.monotonic() + seconds
        if seconds:
            context.moment(f"waiting until the router acts on it, at most {seconds:.0f} s")
        while (left := deadline - time.monotonic()) > 0:
            now = context.home.observer().probe(now, self.port)
            if outside_says(now.view, self.port).holds is Holds.YES:
                break
            time.sleep(min(_PROBE_EVERY, left))
        return _ask_plex(context, now) if seconds else now


def outside_says(view: SiteView, port: int) -> Condition:
    """Say what was seen of a port from outside. That something listens, and it was not asked what, is no proof of Plex.

    Nor do those who met nothing refute it then: their network, or a filter by sender, may be what keeps them out.
    """
    found = conditions.from_vantages(view, port)
    state = [(entry, entry.values.answer) for entry in conditions.counting_probes(view, port)]
    tried = [(e, e.values.answer) for e in view.of(Role.OUTSIDE).held(Probe) if e.values.port == port]
    listens = [entry for entry, answer in tried if answer is ProbeAnswer.LISTENS and not entry.values.inside]
    another = any(answer in (ProbeAnswer.WRONG_SERVER, ProbeAnswer.OPEN) for _, answer in state)
    if not listens or another:
        return found
    others = [f"{e.values.vantage}: {answer}" for e, answer in state if answer is not ProbeAnswer.LISTENS]
    who = ", ".join(entry.values.vantage for entry in listens)
    says = f"something listens at port {port} ({who}), and which server it is was not asked"
    shown = tuple(dict.fromkeys(entry.exhibit for entry in listens))
    return Condition(Holds.UNKNOWN, "; ".join([says, *others]), shown)


def _ask_checkers(context: ApplyContext, now: SiteState, port: int) -> SiteState:
    from plexops.engine.look.checkers import account_of

    now = context.home.observer().ask_checkers(now, port)
    for line in account_of(context.home.access.site.checkers, now.view.of(Role.OUTSIDE)):
        context.moment(line)
    return now


def _ask_plex(context: ApplyContext, now: SiteState) -> SiteState:
    if context.home.drivers.plex is None:
        return now
    try:
        return context.home.observer().again(now, Role.PLEX)
    except PlexopsError:
        return now


def _nudge(context: ApplyContext, now: SiteState) -> None:
    """Ask Plex to look again, once. A refusal to look ("too soon") is silent, and the verdict then stays unknown."""
    if context.home.drivers.plex is None:
        return
    complaint = send_nudge(context.home, now)
    context.record("nudge", {"request": REFRESH_WORDS, "complaint": complaint})
    failed = f"Plex was not asked to look again: {complaint}"
    context.moment(failed if complaint else "asked Plex to look again")


def _proofs(outside: Condition, plex: Condition) -> tuple[Proof, ...]:
    marks = {Holds.YES: "proven", Holds.NO: "refuted", Holds.UNKNOWN: "unknown"}
    return (
        Proof(marks[plex.holds], "plex", plex.says),  # type: ignore[arg-type]
        Proof(marks[outside.holds], "outside", outside.says),  # type: ignore[arg-type]
    )
