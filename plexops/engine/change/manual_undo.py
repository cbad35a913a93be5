"""What a person does where plexops did not see that a change was undone: look, compare, put back."""

from __future__ import annotations

from plexops.engine.look.site_state import Drivers, SiteState
from plexops.model.change import Action, Change, Shown
from plexops.model.plan import Step
from plexops.model.resources import KINDS, PortForward
from plexops.model.snapshot import Kind, Role
from plexops.runbook.view import told_by_server


def card(step: Step, shown: Shown, drivers: Drivers, state: SiteState) -> str:
    """Give one line: device, what stands perhaps, how to look, what shall be seen, and what puts it back."""
    change = step.change
    if change.action is Action.RENEW:
        return _moved(change, shown, state)
    stands = "still stands" if shown is Shown.NO else "may still stand"
    back = " ; ".join(step.script.undo) or "put back by hand what is not so"
    look = drivers.of(change.role).look_by_hand(change.kind)
    return (
        f"on the {change.role}: {change.id} {stands}. Look: {look}. Shall be: {_shall_be(change)}. "
        f"Where it is not so: {back}. Then: plexops audit"
    )


def _moved(change: Change, shown: Shown, state: SiteState) -> str:
    """Say where the host is, where it was, and what leads where."""
    held = change.raw.get("held")
    was = ", ".join(held) if isinstance(held, tuple) else "not known"
    told = told_by_server(state.view)
    now = "an address that is not known" if shown is not Shown.NO or told is None else ", ".join(told)
    forwards = state.view.of(Role.ROUTER).held(PortForward)
    leads = "; ".join(
        f"“{e.label or e.handle}” leads to {e.values.address}" for e in forwards if e.values.enabled
    )
    return (
        f"on the server: the host was not seen back where it was ({was}); "
        f"it holds {now}. {leads or 'No forward is known'}. Look: ip addr show. "
        "Renew its lease by hand, or reserve the old address for it on the router. Then: plexops audit"
    )


def stays_text(kind: Kind, stands: object, why: str) -> str:
    """Say that a change is not put back, since guards refuse the old state. `stands` is what is there; None: nothing."""
    closes = kind in (Kind.PORT_FORWARD, Kind.PASSAGE, Kind.FIREWALL_RULE, Kind.UPNP)
    closed = closes and (stands is None or getattr(stands, "enabled", True) is False)
    return f"{'stays closed' if closed else 'stays as it is'}: {why}"


def _shall_be(change: Change) -> str:
    before = change.before
    if before is None:
        return f"no {KINDS[change.kind].title.lower()} that bears “plexops” and “{change.key}”"
    return KINDS[change.kind].says(before.values) if before.values is not None else "as it was before"
