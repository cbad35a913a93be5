"""The change back to what was seen, rendered from a fresh read, sent, and read again."""

from __future__ import annotations

import time
from dataclasses import replace

from plexops.drivers.base import Unrenderable
from plexops.engine.observe import Observer
from plexops.engine.sending import Recorder, Sender, Unanswered, UnexpectedReply
from plexops.engine.site_state import Drivers, SiteState
from plexops.model.change import Action, Change, find, inverse
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Script
from plexops.model.plan import Authorized, Step, authorize
from plexops.model.resources import KINDS
from plexops.model.snapshot import Snapshot
from plexops.runbook.guards import Case, judge
from plexops.runbook.way_after import after_change

_LOOK_EVERY = 0.3
#: Beyond the window's own length, until the device is read again.
_WINDOW_SLACK = 5.0
#: How long a device that does not answer is tried again before its undo counts as failed, in seconds.
_RETURN_SECONDS = 20.0
_TRY_EVERY = 2.0


def is_undone(change: Change, now: Snapshot) -> bool:
    """Tell whether a snapshot shows what was there before a change, in the device's own words."""
    entries = find(change, now)
    if change.before is None:
        return not entries
    if len(entries) != 1:
        return False
    had, has = dict(change.before.raw), dict(entries[0].raw)
    return had == has if had else entries[0].values == change.before.values


class Undoer:
    """Puts changes back, one by one. Guards judge the way back as such; nothing is sent twice."""

    def __init__(self, drivers: Drivers, observer: Observer, sender: Sender, record: Recorder) -> None:
        self._drivers = drivers
        self._observer = observer
        self._sender = sender
        self._record = record

    def undo(self, step: Step, seen: SiteState, index: int, *, window_open: bool) -> tuple[SiteState, bool]:
        """Undo one step; give the state after, and whether the old state was read back."""
        change = step.change
        if change.action is Action.RENEW:
            # The host follows the router: there is no configuration to put back.
            return seen, True
        self._record("undo", {"step": index, "id": change.id})
        try:
            seen = self._reach(seen, change)
            if not is_undone(change, seen.view.of(change.role)):
                seen = self._send_back(change, seen, index)
            seen, proven = self._await(change, seen)
            if window_open and not proven:
                # It says yes and does not do it: its own undo is the last that is left.
                return self._wait_for_window(step, seen, index, window_open=True)
            if window_open:
                self._end_window(step, seen, index)
                seen, proven = self._await(change, seen)
        except (PlexopsError, UnexpectedReply, Unrenderable) as reason:
            self._record("undo failed", {"step": index, "reason": str(reason)})
            return self._wait_for_window(step, seen, index, window_open=window_open)
        self._record("undone" if proven else "undo failed", {"step": index})
        return seen, proven

    def _reach(self, seen: SiteState, change: Change) -> SiteState:
        """Read the stop; a link that is down for a moment is no reason to leave a change where it is."""
        deadline = time.monotonic() + _RETURN_SECONDS
        while True:
            try:
                return self._observer.again(seen, change.role)
            except PlexopsError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_TRY_EVERY)

    def _send_back(self, change: Change, seen: SiteState, index: int) -> SiteState:
        back = inverse(change)
        now = seen.view.of(change.role)
        if back is None:
            return seen
        found = find(change, now)
        if back.action in (Action.DELETE, Action.UPDATE, Action.RESTORE) and len(found) == 1:
            back = replace(back, before=found[0])
        step = Step(back, replace_window(self._drivers.of(change.role).script(back, now)))
        leave = self._authorize(step, seen)
        try:
            self._sender.send(step, leave, seen, index)
        except Unanswered as reason:
            # The answer was lost, perhaps not the request: what the device shows decides.
            self._record("unanswered", {"step": index, "reason": str(reason)})
        return self._reach(seen, change)

    def _authorize(self, step: Step, seen: SiteState) -> Authorized:
        now = seen.view.of(step.change.role)
        after = seen.view.with_snapshot(after_change(now, step.change))
        # The way back is judged with fresh ages: it is about what this very run did.
        before = replace(seen.view, unfinished_run="", asked=frozenset())
        verdicts = judge(Case(before, after, (step.change,), undoing=True))
        leave = authorize(seen.view.name, step, verdicts)
        if not leave:
            raise UnexpectedReply("; ".join(f"{v.guard}: {v.reason}" for v in verdicts if not v.holds))
        return leave

    def _await(self, change: Change, seen: SiteState) -> tuple[SiteState, bool]:
        deadline = time.monotonic() + KINDS[change.kind].settle
        while True:
            seen = self._observer.again(seen, change.role)
            if is_undone(change, seen.view.of(change.role)):
                return seen, True
            if time.monotonic() >= deadline:
                return seen, False
            time.sleep(_LOOK_EVERY)

    def _end_window(self, step: Step, seen: SiteState, index: int) -> None:
        # Ending it changes nothing that guards judge; they have to agree all the same.
        quiet = replace(seen.view, unfinished_run="", asked=frozenset())
        leave = authorize(seen.view.name, step, judge(Case(quiet, quiet, (), undoing=True)))
        if leave and self._sender.armed(step, leave, seen):
            self._sender.confirm(step, leave, seen, index)

    def _wait_for_window(
        self, step: Step, seen: SiteState, index: int, *, window_open: bool
    ) -> tuple[SiteState, bool]:
        """Where we cannot undo, the device may: wait until its window has closed, and read."""
        if not window_open:
            return seen, False
        time.sleep(step.script.window.seconds + _WINDOW_SLACK)
        try:
            seen, proven = self._await(step.change, seen)
        except PlexopsError:
            return seen, False
        self._record("undone" if proven else "undo failed", {"step": index, "by": "the device's own undo"})
        return seen, proven


def replace_window(script: Script) -> Script:
    """Give a script without a window: the way back needs no way back of its own."""
    return Script(script.writes)
