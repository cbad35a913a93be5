"""The change back to what was seen, rendered from a fresh read, sent, and read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.engine.change.open_changes import Recorder
from plexops.engine.change.sending import Sender, Unanswered, UnexpectedReply
from plexops.engine.decide.way_back import judged_back, needed_by, refusal
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change, Shown, find, inverse, is_done, is_undone
from plexops.model.errors import PlexopsError, Problem
from plexops.model.plan import Step, authorize, authorize_end
from plexops.model.resources import KINDS
from plexops.model.snapshot import Role
from plexops.runbook.view import leased_to_server, told_by_server
from plexops.structs import replace

_LOOK_EVERY = 0.3
#: Beyond the window's own length, until the device is read again.
_WINDOW_SLACK = 5.0
#: How long a device that does not answer is tried again before its undo counts as failed, in seconds.
_RETURN_SECONDS = 20.0
_TRY_EVERY = 2.0
#: How long a host may take to be back where it was, in seconds.
RENEWED_SECONDS = 20.0
_KNOWN = (Shown.YES, Shown.NO)


class Refused(Exception):
    """Guards refuse the old state: the change stays as it is."""


class Ended(Struct, frozen=True):
    """What undoing one step came to: the state after, whether the old one was seen, and why it stays, where it does."""

    state: SiteState
    shown: Shown
    stays: str = ""


def last_first(change: Change, index: int) -> tuple[bool, int]:
    """Sort by this to undo: the last change first, but a host asks again when its reservation is as it was."""
    return change.action is Action.RENEW, -index


class Undoer:
    """Puts changes back, one by one. Guards judge the way back as such; nothing is sent twice."""

    def __init__(self, home: Home, record: Recorder) -> None:
        self._drivers = home.drivers
        self._observer = home.observer()
        self._sender = Sender(home, record)
        self._record = record
        #: What stands by the changes that stay, by their ids.
        self._staying: dict[str, object] = {}

    def look(self, change: Change, state: SiteState, stood: Collection[str]) -> tuple[SiteState, Shown]:
        """Tell whether a change is undone by what was seen last; where that does not tell, look again for a while."""
        if change.action is Action.RENEW:
            return state, Shown.NO
        try:
            return self._until(change, state, stood, _KNOWN)
        except PlexopsError:
            return state, Shown.NOT_KNOWN

    def undo(
        self, step: Step, state: SiteState, index: int, *, window_open: bool, stood: Collection[str]
    ) -> Ended:
        """Undo one step. `stood`: see `is_undone`.

        What cannot be seen is not called undone, and the device's own undo is then left to fire.
        """
        change = step.change
        fires = window_open and step.script.window.seconds > 0  # what no clock ends is not waited for
        self._record("undo", {"step": index, "id": change.id})
        if change.action is Action.RENEW:
            return self._renew_back(step, state, index)
        if why := needed_by(change.want, change.had, self._staying):
            return self._stays(step, state, index, why, window_open=window_open)
        reason = ""
        try:
            state, shown = self._until(change, self._reach(state, change), stood, _KNOWN)
            # What is saved may not be what acts: it is applied once more.
            if shown is Shown.NO or change.kind in state.view.of(change.role).saved_only:
                state, shown = self._until(change, self._send_back(change, state, index), stood)
            if shown and fires:
                if not self.end_window(step, state, index):
                    raise UnexpectedReply("the device's own undo still stands and could not be ended")
                state, shown = self._until(change, self._reach(state, change), stood)
        except Refused as refusal:
            return self._stays(step, state, index, str(refusal), window_open=window_open)
        except (PlexopsError, UnexpectedReply, Unrenderable) as error:
            reason, shown = str(error), Shown.NOT_KNOWN
        if shown:
            self._record("undone", {"step": index})
            return Ended(state, shown)
        self._record("undo failed", {"step": index, "reason": reason or "it does not show the old state"})
        # It says yes and does not do it, or says nothing: its own undo is the last that is left.
        state, shown = self._after_window(step, state, stood, window_open=fires)
        if shown and reason and not fires:
            # An error is an error, also when the entry is gone: perhaps it acts on.
            return Ended(state, Shown.NOT_KNOWN)
        if shown:
            self._record(
                "undone", {"step": index, "by": "the device's own undo"} if fires else {"step": index}
            )
        return Ended(state, shown)

    def _renew_back(self, step: Step, state: SiteState, index: int) -> Ended:
        """Let the host ask again, all else being as it was, and see whether it is where it was."""
        held = step.change.raw.get("held")
        addresses = held if isinstance(held, tuple) else ()
        shown = Shown.NOT_KNOWN
        try:
            state = self._wherever(state, (state.server_address, str(step.change.want), *addresses))
            shown = _holds(state, addresses)
            if shown is Shown.NO:
                state, shown = self._ask_again(step.change, state, index, addresses)
        except Refused as refusal:
            return self._stays(step, state, index, str(refusal), window_open=False)
        except (PlexopsError, UnexpectedReply, Unrenderable) as error:
            shown = Shown.NOT_KNOWN
            self._record("undo failed", {"step": index, "reason": str(error)})
        if shown:
            self._record("undone", {"step": index})
        return Ended(state, shown)

    def _wherever(self, state: SiteState, addresses: Sequence[str]) -> SiteState:
        """Read the server at the first of these addresses where it answers with its own key."""
        for address in dict.fromkeys(addresses):
            if not address or self._observer.moved_to(address):
                try:
                    return self._observer.again(replace(state, server_address=address), Role.SERVER)
                except PlexopsError:
                    continue
        raise PlexopsError(Problem("PLX-D101", "the server answers at none of its addresses"))

    def _ask_again(
        self, change: Change, state: SiteState, index: int, held: tuple[str, ...]
    ) -> tuple[SiteState, Shown]:
        told = told_by_server(state.view) or ()
        lost = next(address for address in held if address not in told)
        self._send(replace(change, want=IPv4Address(lost)), state, index)
        deadline = time.monotonic() + RENEWED_SECONDS
        shown = Shown.NOT_KNOWN
        while True:
            try:
                # Without its reservation it may get a third address: the router's leases tell.
                state = self._observer.again(state, Role.ROUTER)
                state = self._wherever(
                    state, (lost, *map(str, leased_to_server(state.view)), str(change.want))
                )
                shown = _holds(state, held)
            except PlexopsError:
                shown = Shown.NOT_KNOWN  # it is on its way
            late = time.monotonic() - deadline
            if shown or late >= (0 if shown is Shown.NO else _RETURN_SECONDS):
                return state, shown
            time.sleep(_TRY_EVERY)

    def _stays(self, step: Step, state: SiteState, index: int, why: str, *, window_open: bool) -> Ended:
        """Leave a change as it is. The device must not bring the old state back by itself either."""
        self._record("stays", {"step": index, "reason": why})
        self._staying[step.change.id] = step.change.want
        role = step.change.role

        def keeps() -> bool:
            return bool(is_done(step.change, self._observer.again(state, role).view.of(role)))

        try:
            ended = not window_open or self.end_window(step, state, index, keeps)
        except (PlexopsError, UnexpectedReply):
            ended = False
        return Ended(state, Shown.NO, why if ended else "")

    def _reach(self, state: SiteState, change: Change) -> SiteState:
        """Read the stop; a link that is down for a moment is no reason to leave a change where it is."""
        deadline = time.monotonic() + _RETURN_SECONDS
        while True:
            try:
                return self._observer.again(state, change.role)
            except PlexopsError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_TRY_EVERY)

    def _send_back(self, change: Change, state: SiteState, index: int) -> SiteState:
        back = inverse(change)
        if back is None:
            return state
        found = find(change, state.view.of(change.role))
        if back.action in (Action.DELETE, Action.UPDATE, Action.RESTORE) and len(found) == 1:
            back = replace(back, before=found[0])
        self._send(back, state, index)
        return self._reach(state, change)

    def _send(self, back: Change, state: SiteState, index: int) -> None:
        """Ask the guards about the way back, once, and send it. It needs no window: no way back of its own.

        Raises Refused where guards refuse the old state, UnexpectedReply where one of the moment stops it.
        """
        verdicts = judged_back(state.view, back, restoring=True)
        why = refusal(verdicts)
        if why:
            raise Refused(why)
        step = Step(back, self._drivers.of(back.role).script(back, state.view.of(back.role)).bare)
        leave = authorize(state.view.name, step, verdicts)
        if not leave:
            raise UnexpectedReply("; ".join(f"{v.guard}: {v.reason}" for v in verdicts if not v.holds))
        try:
            self._sender.send(step, leave, state, index)
        except Unanswered as reason:
            # The answer was lost, perhaps not the request: what the device shows decides.
            self._record("unanswered", {"step": index, "reason": str(reason)})

    def _until(
        self,
        change: Change,
        state: SiteState,
        stood: Collection[str],
        wanted: tuple[Shown, ...] = (Shown.YES,),
    ) -> tuple[SiteState, Shown]:
        """From a fresh look on, look until it is so, at most the kind's settling time."""
        deadline = time.monotonic() + KINDS[change.kind].settle
        while True:
            shown = is_undone(change, state.view.of(change.role), stood)
            if shown in wanted or time.monotonic() >= deadline:
                return state, shown
            time.sleep(_LOOK_EVERY)
            state = self._observer.again(state, change.role)

    def end_window(
        self, step: Step, state: SiteState, index: int, keeps: Callable[[], bool] | None = None
    ) -> bool:
        """End the device's own undo, if it stands; tell whether it was seen not to stand any more.

        One that cannot be asked is confirmed where the change stays (`keeps` tells by a fresh look whether it is there);
        where the old state was put back, that has ended it. Raises PlexopsError or UnexpectedReply where the device does
        not say.
        """
        leave = authorize_end(state.view.name, step)
        if step.script.window.armed is None:
            return keeps is None or self._sender.confirm(step, leave, state, index, keeps)
        if not self._sender.armed(step, leave, state) or self._sender.confirm(step, leave, state, index):
            return True
        return not self._sender.armed(step, leave, state)

    def _after_window(
        self, step: Step, state: SiteState, stood: Collection[str], *, window_open: bool
    ) -> tuple[SiteState, Shown]:
        """Where we cannot undo, the device may: wait until its window has closed, and read."""
        if window_open:
            time.sleep(step.script.window.seconds + _WINDOW_SLACK)
        try:
            fresh = self._observer.again(state, step.change.role)
            if window_open:
                if self._sender.armed(step, authorize_end(state.view.name, step), fresh):
                    return fresh, Shown.NOT_KNOWN
                return self._until(step.change, fresh, stood)
        except (PlexopsError, UnexpectedReply):
            return state, Shown.NOT_KNOWN
        return fresh, is_undone(step.change, fresh.view.of(step.change.role), stood)


def _holds(state: SiteState, held: tuple[str, ...]) -> Shown:
    """Tell whether the host holds all that it held."""
    now = told_by_server(state.view)
    if not now or not held:
        return Shown.NOT_KNOWN
    return Shown.YES if set(held) <= set(now) else Shown.NO
