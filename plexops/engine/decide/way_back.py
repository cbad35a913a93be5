"""Whether the guards let a change be put back. Going back is judged as any change is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexops.model.change import Change, inverse
from plexops.model.exchange import Script
from plexops.model.plan import GuardVerdict, Step
from plexops.model.resources import PortForward, Reservation
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.view import SiteView
from plexops.runbook.way_after import after_change
from plexops.structs import replace

#: Guards of the moment: they stop a run as a whole, and say nothing of one change.
_OF_THE_MOMENT = frozenset({"G9", "G12"})


def judged_back(view: SiteView, back: Change, *, restoring: bool) -> tuple[GuardVerdict, ...]:
    """Ask the guards about a change back, by itself. `restoring`: a run's own undo.

    With fresh ages, and whatever run is unfinished: it is about what that very run did.
    """
    quiet = replace(view, unfinished_run="", asked=frozenset())
    after = quiet.with_snapshot(after_change(quiet.of(back.role), back))
    return judge(Case(quiet, after, (back,), undoing=True, restoring=restoring))


def refusal(verdicts: Sequence[GuardVerdict]) -> str:
    """Give why guards refuse a change back; empty where they let it."""
    return "; ".join(
        f"{v.guard} {v.reason}" for v in verdicts if not v.holds and v.guard not in _OF_THE_MOMENT
    )


def refused(view: SiteView, back: Change, *, restoring: bool) -> str:
    """Give why guards refuse a change back, by itself; empty where they let it."""
    return refusal(judged_back(view, back, restoring=restoring))


def needed_by(stands: object, becomes: object, staying: Mapping[str, object]) -> str:
    """Say which forward that stays needs the reservation that now stands; empty where none does.

    `becomes` is what a change back makes of it, None where it goes. `staying` is what stands, by the ids of the changes
    that guards do not let be put back.
    """
    if not isinstance(stands, Reservation) or stands.address == getattr(becomes, "address", None):
        return ""
    for name, kept in staying.items():
        if isinstance(kept, PortForward) and kept.enabled and kept.address == stands.address:
            return f"{name} stays, and leads to the address that this keeps"
    return ""


def with_way_back(change: Change, script: Script, view: SiteView) -> Step:
    """Give the step of a change that is made on `view`: without undo and window where the old state would be refused."""
    back = inverse(change)
    if back is None:
        return Step(change, script)
    made = view.with_snapshot(after_change(view.of(change.role), change))
    why = refused(made, back, restoring=True)
    return Step(change, script.bare, why) if why else Step(change, script)
