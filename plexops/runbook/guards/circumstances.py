"""Guards of the circumstances of a change: evidence, our own way in, what belongs to others, order (G9 to G13)."""

from __future__ import annotations

from plexops.model.change import Action, Change
from plexops.model.entries import UpnpMapping
from plexops.model.resources import FirewallRule, PortForward, Upnp
from plexops.model.snapshot import Kind, KindState, Role
from plexops.runbook.guards.case import Case, forwards, is_given_back

#: How old evidence may be when something is changed, in seconds.
FRESH_SECONDS = 600.0


def fresh_evidence(case: Case) -> str | None:
    """G9: every stop that the inventory gives access to was read, ten minutes ago at most."""
    for role in sorted(case.before.asked):
        age = case.before.ages.get(role)
        if role not in case.before.snapshots:
            return f"the {role} did not answer"
        if age is None:
            return f"how old what the {role} said is, is not known"
        if not age <= FRESH_SECONDS:
            return f"what the {role} said is {age / 60:.0f} minutes old"
    return None


def no_lock_out(case: Case) -> str | None:
    """G10: the path by which plexops logs in is not touched."""
    router = case.before.management.get(Role.ROUTER)
    wan_address = case.before.of(Role.ROUTER).text("wan.address")
    for change, forward in forwards(case):
        if router is not None and router[0] == wan_address and router[1] in forward.external_port:
            return f"{change.id} would take the port by which plexops reaches the router"
    for change in case.changes:
        if _closes_login(case, change):
            return f"{change.id} would close the port by which plexops reaches the server"
    return None


def _closes_login(case: Case, change: Change) -> bool:
    """Tell whether a rule for the login's port is taken away or given another port."""
    server = case.before.management.get(Role.SERVER)
    had = None if change.before is None else change.before.values
    if server is None or not isinstance(had, FirewallRule) or had.port != server[1]:
        return False
    return not isinstance(change.want, FirewallRule) or change.want.port != server[1]


def nothing_of_others(case: Case) -> str | None:
    """G11: what plexops did not make is changed only when adopted, and never deleted."""
    for change in case.changes:
        entry = change.before
        if entry is None or entry.owner.ours or change.kind in (Kind.PLEX_REMOTE_ACCESS, Kind.UPNP):
            continue
        if change.want is None:
            return f"{change.id} would delete {entry.called}, which plexops did not make"
        allowed = change.action is Action.ADOPT and change.id in case.adopted
        if not allowed and not is_given_back(case, change):
            return f"{change.id} would change {entry.called}, which plexops did not make"
    return None


def nothing_pending(case: Case) -> str | None:
    """G12: no other change is under way."""
    if case.before.unfinished_run:
        return f"run {case.before.unfinished_run} was interrupted: settle it first with `plexops recover`"
    if all(change.role is not Role.ROUTER for change in case.changes):
        return None
    router = case.before.of(Role.ROUTER)
    if "pending" in router.reasons and "pending" not in router.facts:
        return f"whether edits are staged on the router is unknown: {router.reasons['pending']}"
    staged = [line for line in (router.text("pending") or "").splitlines() if line.strip()]
    if case.undoing:
        # A script of ours that died half-way leaves edits which bear our tag: those are what is undone.
        staged = [line for line in staged if "plexops" not in line and not _is_of(case, line)]
    if staged:
        return f"edits are staged on the router and not applied: {staged[0].strip()}"
    return None


def _is_of(case: Case, line: str) -> bool:
    """Tell whether a staged edit is about a forward that is put back: what a router goes by bears no tag."""
    found = [v for c in case.changes for v in (c.want, c.before and c.before.values) if v is not None]
    forwards = (v for v in found if isinstance(v, PortForward))
    return any(str(f.address) in line and str(f.external_port) in line for f in forwards)


def upnp_last(case: Case) -> str | None:
    """G13: UPnP is switched off last, and only when no other host uses it."""
    for position, change in enumerate(case.changes):
        if not isinstance(change.want, Upnp) or change.want.enabled:
            continue
        if position != len(case.changes) - 1:
            return "UPnP would be switched off before the rest is proven"
        router = case.before.of(Role.ROUTER)
        if router.state(Kind.UPNP_MAPPING) in (KindState.UNKNOWN, KindState.UNSUPPORTED):
            return "who uses UPnP is unknown: the router's mappings could not be read"
        for entry in router.of(Kind.UPNP_MAPPING):
            values = entry.values
            if not isinstance(values, UpnpMapping) or values.address not in case.before.plex_host:
                who = str(values.address) if isinstance(values, UpnpMapping) else "another device"
                return f"{who} has a UPnP mapping ({entry.called})"
    return None
