"""Whether a Plex host that is set in its own pages lets viewers in: by its kernel where that is read, else by the effect."""

from __future__ import annotations

from plexops.config.hosts import HostByHand
from plexops.engine.decide.findings import Comparison, finding_of, texts_of
from plexops.engine.decide.host_firewall import admitted
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import FirewallRule
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Kind, KindState, Role
from plexops.runbook import conditions
from plexops.runbook.condition import Holds
from plexops.structs import replace


def on_host(given: Comparison, task: ResolvedTask, host: HostByHand) -> Finding:
    """Judge the port there, and say that system's own steps unless viewers are let in."""
    want, view = task.want, given.view
    if task.state is State.ABSENT or not isinstance(want, FirewallRule):
        return finding_of(task, FindingStatus.NOT_APPLICABLE, why=f"plexops writes no rule on {host.title}")
    found = _by_kernel(given, task, want.port, host)
    if found.status is FindingStatus.OK:
        return found
    effect = conditions.reachability(view, given.tasks.external_port)
    if found.status is FindingStatus.UNKNOWN and view.access == "forward" and effect.holds is Holds.YES:
        have = f"set by hand; its effect is seen: {effect.says}"
        return finding_of(task, FindingStatus.OK, have=have, exhibits=effect.exhibits)
    why = f"plexops writes nothing on {host.title}: it is set there by hand"
    return replace(found, why=why, steps=host.lines(want.port, view.plex_address or view.server_address))


def _by_kernel(given: Comparison, task: ResolvedTask, port: int, host: HostByHand) -> Finding:
    snapshot, own = given.view.of(Role.SERVER), given.view.plex_address
    held = snapshot.facts.get("host.addresses")
    if snapshot.state(Kind.FIREWALL_RULE) is not KindState.PRESENT:
        unread = f"{host.title} was not read: whether it lets tcp {port} in is not known"
        have = snapshot.reasons.get(Kind.FIREWALL_RULE, unread)
        return finding_of(task, FindingStatus.UNKNOWN, have=have)
    apart = own is not None and own != given.view.server_address
    if apart and (held is None or str(own) not in texts_of(held.value)):
        have = f"Plex is at {own}, which is not this machine's own: its filters do not decide for it"
        return finding_of(task, FindingStatus.UNKNOWN, have=have)
    judged = admitted(given, task, port, snapshot)
    if isinstance(judged, Finding):
        return judged
    return finding_of(task, FindingStatus.UNSUPPORTED, have=judged.have, exhibits=judged.exhibits)
