"""The nudge: plex.tv is asked once to try the port again. It changes no setting, and goes out at most once a run."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from plexops.drivers.plex.driver import REFRESH, REFRESH_WORDS
from plexops.engine.change.open_changes import Recorder
from plexops.engine.change.sending import settings_for, unexpected
from plexops.engine.look.access import LiveLinks
from plexops.engine.look.exhibits import exhibit
from plexops.engine.look.observe import Observer
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Script
from plexops.model.plan import Step, authorize
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.run import Exhibit, SiteReport
from plexops.model.snapshot import Kind, Role
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.view import SiteView
from plexops.structs import replace

#: How long nothing may stir after a nudge, in seconds, until it counts as skipped: plex.tv answers within 6 s.
STILL_SECONDS = 10.0
_LOOK_EVERY = 0.5
_STEP = Step(Change(Role.PLEX, Kind.PLEX_REMOTE_ACCESS, "nudge", Action.RENEW), Script((REFRESH,)))


def send_nudge(home: Home, state: SiteState) -> str:
    """Ask Plex to let plex.tv try again; give the reason why that was not done, empty where it was.

    A refusal to try ("too soon") is silent: Plex answers 200 all the same.
    """
    verdicts = judge(Case(state.view, state.view, ()))
    leave = authorize(state.view.name, _STEP, verdicts)
    if not leave:
        return next((verdict.reason for verdict in verdicts if not verdict.holds), "a guard refused")
    link = home.links.write(settings_for(home.access, state, Role.PLEX), leave)
    try:
        return unexpected(REFRESH.expect, link.send(REFRESH))
    except PlexopsError as problem:
        return str(problem)
    finally:
        link.close()


def nudge_after_undo(home: Home, state: SiteState, record: Recorder) -> None:
    """Let plex.tv try again once everything is back: what Plex shows may be of the time between. Nothing rests on it."""
    if Role.PLEX not in state.view.snapshots or _useless(state):
        return
    mapping, error, *_ = verdict_of(state.view)
    if mapping == "mapped" and not error:
        return
    alone = replace(state, view=replace(state.view, unfinished_run="", asked=frozenset({Role.PLEX})))
    record("nudge", {"request": REFRESH_WORDS, "complaint": send_nudge(home, alone)})


def verdict_of(view: SiteView) -> tuple[str | None, ...]:
    """Give what Plex says of plex.tv's attempt, to tell a new verdict from an old one."""
    names = ("plex.mapping_state", "plex.mapping_error", "plex.public_address", "plex.public_port")
    return tuple(view.of(Role.PLEX).text(name) for name in names)


class Nudged(Struct, frozen=True):
    """What came of a nudge. `doubt` says why Plex's verdict may be an old one; empty: it is new."""

    exhibit: Exhibit
    doubt: str = ""

    def told_in(self, report: SiteReport) -> SiteReport:
        """Give the report with the nudge in it."""
        verdict = report.verdict
        if verdict is not None and self.doubt:
            verdict = replace(verdict, missing=(*verdict.missing, self.doubt))
        return replace(report, verdict=verdict, exhibits=(*report.exhibits, self.exhibit))


def freshen(home: Home, seconds: float, record: Recorder, moment: Callable[[str], None]) -> Nudged:
    """Let plex.tv try again, and wait at most `seconds` for its verdict: what is looked at afterwards is fresh.

    Never raises for what a device does: without the nudge the diagnosis goes on with the verdict that there is. What is
    asked here is not recorded; a recording holds what the diagnosis then sees.
    """
    home = replace(home, links=LiveLinks())
    observer = home.observer()
    state = observer.look(None)
    # It rests on what Plex said alone: a router that keeps silent is no reason to let plex.tv not try.
    alone = replace(state, view=replace(state.view, asked=frozenset({Role.PLEX})))
    complaint = _useless(state) or send_nudge(home, alone)
    record("nudge", {"request": REFRESH_WORDS, "complaint": complaint})
    if complaint:
        text = f"plex.tv was not asked to try again: {complaint}"
        moment(text)
        return Nudged(exhibit("plex.nudge", Role.PLEX, REFRESH_WORDS, text), text)
    moment(f"asked plex.tv to try again: {REFRESH_WORDS}")
    after, doubt = _settled(observer, state, seconds)
    moment(doubt or "plex.tv's verdict is new")
    text = f"before: {_shown(state.view)}\nafter: {_shown(after.view)}\n{doubt or 'the verdict is new'}"
    return Nudged(exhibit("plex.nudge", Role.PLEX, REFRESH_WORDS, text), doubt)


def _useless(state: SiteState) -> str:
    """Say why a nudge would come to nothing; empty where it would not."""
    plex = state.view.of(Role.PLEX)
    settings = plex.held(RemoteAccess)
    if not settings:
        return "Plex did not tell its settings"
    if plex.flag("plex.claimed") is False:
        return "Plex belongs to no account"
    return "" if settings[0].values.enabled else "remote access is switched off in Plex"


def _settled(observer: Observer, before: SiteState, seconds: float) -> tuple[SiteState, str]:
    """Read Plex's verdict until it is a new one, or until the time is over; give why it may be old."""
    old, now = verdict_of(before.view), before
    begin, stirred = time.monotonic(), False
    while True:
        try:
            now = observer.again(now, Role.PLEX)
        except PlexopsError as problem:
            return now, f"whether plex.tv tried again is not known: {problem.problems[0].reason}"
        said = verdict_of(now.view)
        waiting, spent = said[0] == "waiting", time.monotonic() - begin
        stirred = stirred or said != old
        if stirred and not waiting:
            return now, ""
        if waiting and spent >= seconds:
            return now, f"plex.tv was asked to try again, and gave no verdict within {seconds:.0f} s"
        if not waiting and spent >= min(STILL_SECONDS, seconds):
            return now, (
                "plex.tv was asked to try again, and Plex's verdict did not change: it may be an old one"
                " (Plex skips what comes too soon)"
            )
        time.sleep(_LOOK_EVERY)


def _shown(view: SiteView) -> str:
    mapping, error, address, port = (text or "" for text in verdict_of(view))
    reached = f" {address}:{port}" if address else ""
    return f"{mapping}{f' ({error})' if error else ''}{reached}" or "unknown"
