"""Carry out a plan: observe, guard, journal, window, send, read back; then prove the effect or undo it all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from msgspec import Struct

from plexops.drivers.base import Unrenderable
from plexops.engine.change.manual_undo import card, stays_text
from plexops.engine.change.nudge import nudge_after_undo
from plexops.engine.change.open_changes import Recorder
from plexops.engine.change.sending import Sender, Unanswered, UnexpectedReply
from plexops.engine.change.undo import Undoer, last_first
from plexops.engine.decide.planning import foreign
from plexops.engine.decide.way_back import with_way_back
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.model.change import Action, Change, Shown, beside, inverse, is_done
from plexops.model.change_json import change_to_json, window_to_json
from plexops.model.errors import PlexopsError
from plexops.model.plan import Authorized, Plan, Step, authorize, shown
from plexops.model.resources import KINDS
from plexops.model.run import Exhibit, Proof
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.way_after import after_change
from plexops.structs import replace

#: How long a host may take to come up at its new address, in seconds.
ARRIVAL_SECONDS = 45.0
#: A look every so often while something settles, in seconds.
LOOK_EVERY = 0.3


class StepOutcome(StrEnum):
    """What became of one step."""

    NOT_SENT = "not-sent"
    DONE = "done"
    KEPT = "kept"
    FAILED = "failed"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"
    STAYS = "stays"


class Carried(Struct):
    """One step on its way."""

    step: Step
    outcome: StepOutcome = StepOutcome.NOT_SENT
    detail: str = ""
    authorized: Authorized | None = None
    window_open: bool = False
    #: What stood beside it before: a look that has lost that says nothing of ours either.
    stood: tuple[str, ...] = ()


class Applied(Struct, frozen=True):
    """What a plan came to."""

    status: ExitStatus
    carried: tuple[Carried, ...]
    state: SiteState
    proofs: tuple[Proof, ...] = ()
    reason: str = ""
    #: What a person has to look at, where an undo was not seen.
    by_hand: tuple[str, ...] = ()
    #: What Plex's log said before the first write, and after it.
    log: tuple[Exhibit, ...] = ()


class Stopped(Exception):
    """A step could not be made or proven; all that was done is put back."""


class ApplyContext(Struct, frozen=True):
    """What carrying out a plan works with."""

    home: Home
    record: Recorder
    moment: Callable[[str], None]
    adopted: frozenset[str] = frozenset()
    undoing: bool = False


#: Judges the effect: gives the final state, what proves it, and whether it is proven, refuted or unknown.
Prover = Callable[
    [ApplyContext, SiteState, SiteState, Sequence[Step]], tuple[SiteState, tuple[Proof, ...], str]
]


class Applier:
    """Carries out one plan for one site."""

    def __init__(self, workshop: ApplyContext, plan: Plan, state: SiteState) -> None:
        self._shop = workshop
        self._plan = plan
        self._start = state
        self._seen = state
        self._going_back = False
        self._carried = tuple(Carried(step) for step in plan.steps)
        self._sender = Sender(workshop.home, workshop.record)
        self._drivers = workshop.home.drivers
        self._observer = workshop.home.observer()
        self._foreign = {
            role: foreign(state.view.of(role), role, [s.change for s in plan.steps])
            for role in {s.change.role for s in plan.steps}
        }

    def run(self, prove: Prover | None) -> Applied:
        """Make every change, then judge the effect. Never raises for what a device does, or for a full disk."""
        try:
            return self._go(prove)
        except (Stopped, UnexpectedReply, PlexopsError, Unrenderable) as error:
            reason = str(error)
        except KeyboardInterrupt:
            if self._going_back:  # the second time: what still stands was told
                raise
            reason = "it was interrupted"
        return self._give_back(reason)

    def _go(self, prove: Prover | None) -> Applied:
        for index, carried in enumerate(self._carried):
            self._make(index, carried)
        if prove is None:
            return self._keep(ExitStatus.IN_ORDER, ())
        self._seen, proofs, verdict = prove(self._shop, self._start, self._seen, self._plan.steps)
        self._shop.record("effect", {"verdict": verdict})
        if verdict == "refuted":
            return replace(self._give_back("the effect was refuted"), proofs=proofs)
        status = ExitStatus.IN_ORDER if verdict == "proven" else ExitStatus.INCOMPLETE
        return self._keep(status, proofs)

    def _make(self, index: int, carried: Carried) -> None:
        """One change, one window."""
        change = carried.step.change
        self._make_room(index, change.role)
        self._shop.moment(f"{change.id}: look again")
        self._look_again(change)
        step = self._render(carried.step)
        carried.step = step
        carried.authorized = self._authorize(index, step)
        carried.stood = beside(change, self._seen.view.of(change.role))
        back = inverse(change)
        self._shop.record(
            "intent",
            {
                "step": index,
                "change": change_to_json(change),
                "undo": None if back is None else change_to_json(back),
                "beside": list(carried.stood),
                "window": window_to_json(step.script.window),
                "requests": [shown(write) for write in step.script.writes],
            },
        )
        carried.outcome, carried.window_open = StepOutcome.FAILED, bool(step.script.window.confirm)
        self._shop.moment(f"{change.id}: send")
        complaint = ""
        try:
            self._sender.send(step, carried.authorized, self._seen, index)
        except Unanswered as reason:
            complaint = str(reason)
        except (UnexpectedReply, PlexopsError) as reason:
            carried.detail = str(reason)
            raise Stopped(f"{change.id}: {reason}") from None
        self._read_back(carried, complaint)
        if change.kind is not Kind.PORT_FORWARD:
            self._close_window(index, carried)
        carried.outcome = StepOutcome.DONE
        self._shop.record("done", {"step": index})
        self._shop.moment(f"{change.id}: read back as wanted")

    def _make_room(self, index: int, role: Role) -> None:
        """End the window before, where a device has but one for all that it keeps."""
        for earlier, carried in enumerate(self._carried[:index]):
            if carried.step.change.role is role and carried.step.script.window.kind.alone:
                self._still_stands(carried)
                self._close_window(earlier, carried)

    def _look_again(self, change: Change) -> None:
        """Read the stop once more, and stop unless it is as planned, our own earlier changes aside."""
        self._seen = self._observer.again(self._seen, change.role)
        if change.kind is Kind.PORT_FORWARD and self._drivers.plex is not None:
            # Plex has to answer at the very target of the forward, now.
            self._seen = self._observer.again(self._seen, Role.PLEX)
        if _which_plex(self._seen) != _which_plex(self._start):
            raise Stopped("the Plex server that this was planned for does not answer any more")
        now = foreign(self._seen.view.of(change.role), change.role, [s.change for s in self._plan.steps])
        if now != self._foreign[change.role]:
            raise Stopped(f"the {change.role} was changed while this run was under way")

    def _render(self, step: Step) -> Step:
        driver = self._drivers.of(step.change.role)
        script = driver.script(step.change, self._seen.view.of(step.change.role))
        return replace(with_way_back(step.change, script, self._seen.view), marker=step.marker)

    def _authorize(self, index: int, step: Step) -> Authorized:
        view = self._seen.aged()
        after = view.with_snapshot(after_change(view.of(step.change.role), step.change))
        in_the_end = after
        for later in self._plan.steps[index + 1 :]:
            now = in_the_end.of(later.change.role)
            in_the_end = in_the_end.with_snapshot(after_change(now, later.change))
        adopted, undoing = self._shop.adopted, self._shop.undoing
        verdicts = judge(Case(view, after, (step.change,), adopted, undoing, in_the_end=in_the_end))
        leave = authorize(self._plan.site, step, verdicts)
        if not leave:
            reasons = "; ".join(f"{v.guard}: {v.reason}" for v in verdicts if not v.holds)
            raise Stopped(f"refused right before it was sent: {reasons}")
        return leave

    def _read_back(self, carried: Carried, complaint: str) -> None:
        """Look until the change is seen, over a new connection each time; at most the kind's settling time."""
        change = carried.step.change
        if change.action is Action.RENEW:
            self._await_arrival(change)
            return
        deadline = time.monotonic() + max(KINDS[change.kind].settle, carried.step.script.settle)
        while True:
            self._seen = self._observer.again(self._seen, change.role)
            shown = is_done(change, self._seen.view.of(change.role), carried.stood)
            if shown:
                return
            if time.monotonic() >= deadline:
                lost = shown is Shown.NOT_KNOWN
                missed = "it could not be read back" if lost else "the device does not show it"
                carried.detail = complaint or f"it was sent, and {missed}"
                raise Stopped(f"{change.id}: {carried.detail}")
            time.sleep(LOOK_EVERY)

    def _await_arrival(self, change: Change) -> None:
        """Wait until the server answers at its new address with its own host key, and Plex too."""
        address = str(change.want)
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while time.monotonic() < deadline:
            if self._observer.moved_to(address):
                break
            time.sleep(LOOK_EVERY)
        else:
            raise Stopped(f"the host did not come up at {address} within {ARRIVAL_SECONDS:.0f} s")
        moved = replace(self._seen, server_address=address)
        self._seen = self._observer.again(moved, Role.SERVER)
        while True:
            try:
                self._seen = self._observer.again(self._seen, Role.PLEX)
            except PlexopsError as error:
                if time.monotonic() >= deadline:
                    raise Stopped(f"Plex did not answer at {address}: {error}") from None
                time.sleep(LOOK_EVERY)
            else:
                return

    def _close_window(self, index: int, carried: Carried) -> None:
        if not carried.window_open or carried.authorized is None:
            return
        if not self._sender.confirm(carried.step, carried.authorized, self._seen, index):
            raise Stopped(f"{carried.step.change.id}: the device's own undo could not be ended")
        carried.window_open = False

    def _keep(self, status: ExitStatus, proofs: tuple[Proof, ...]) -> Applied:
        """End the windows that stayed open for the effect."""
        try:
            for index, carried in enumerate(self._carried):
                self._still_stands(carried)
                self._close_window(index, carried)
        except Stopped as reason:
            return self._give_back(str(reason))
        if status is ExitStatus.INCOMPLETE:
            for carried in self._carried:
                carried.outcome = StepOutcome.KEPT
        return Applied(status, self._carried, self._seen, proofs)

    def _still_stands(self, carried: Carried) -> None:
        """A window that stood open while the effect was judged may have fired: look before it is ended."""
        change = carried.step.change
        if not carried.window_open:
            return
        try:
            self._seen = self._observer.again(self._seen, change.role)
        except PlexopsError as error:
            raise Stopped(f"{change.id}: {error}") from None
        if not is_done(change, self._seen.view.of(change.role), carried.stood):
            raise Stopped(f"{change.id}: it was not seen any more before its undo was to be ended")

    def _give_back(self, reason: str) -> Applied:
        """Undo in reverse what was made, and read again."""
        self._going_back = True
        self._shop.moment(f"undo: {reason}")
        undoer = Undoer(self._shop.home, self._shop.record)
        begun = [(i, c) for i, c in enumerate(self._carried) if c.outcome is not StepOutcome.NOT_SENT]
        by_hand: list[str] = []
        for index, carried in sorted(begun, key=lambda pair: last_first(pair[1].step.change, pair[0])):
            ended = undoer.undo(
                carried.step, self._seen, index, window_open=carried.window_open, stood=carried.stood
            )
            self._seen = ended.state
            if ended.stays:
                carried.outcome = StepOutcome.STAYS
                change = carried.step.change
                carried.detail = stays_text(change.kind, change.want, ended.stays)
                continue
            carried.outcome = StepOutcome.UNDONE if ended.shown else StepOutcome.UNDO_FAILED
            if not ended.shown:
                by_hand.append(card(carried.step, ended.shown, self._drivers, ended.state))
        if begun and not by_hand:
            nudge_after_undo(self._shop.home, self._seen, self._shop.record)
        undone = ExitStatus.UNDONE if begun else ExitStatus.SAFE_STOP
        status = ExitStatus.UNDO_UNPROVEN if by_hand else undone
        return Applied(status, self._carried, self._seen, reason=reason, by_hand=tuple(by_hand))


def _which_plex(state: SiteState) -> str:
    return state.view.of(Role.PLEX).text("plex.identifier") or ""
