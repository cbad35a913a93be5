"""Whether a Plex host that is set in its own pages lets viewers in: by its kernel where that is read, else by the effect."""

from __future__ import annotations

from plexops.config.hosts import HostByHand
from plexops.engine.decide.findings import Comparison, finding_of, texts_of
from plexops.engine.decide.host_firewall import Stopped, admitted
from plexops.model.finding import Finding, FindingStatus
from plexops.model.resources import FirewallRule
from plexops.model.site import ResolvedTask, State
from plexops.model.snapshot import Kind, KindState, Role
from plexops.runbook import conditions
from plexops.runbook.condition import Holds
from plexops.structs import replace


def on_host(given: Comparison, task: ResolvedTask, host: HostByHand) -> Finding:
    """Judge the port there, and say that system's own steps unless viewers are let in."""
    want = task.want
    if task.state is State.ABSENT or not isinstance(want, FirewallRule):
        why = f"plexops writes no rule on {host.title}: none is its own to take away"
        return finding_of(task, FindingStatus.NOT_APPLICABLE, why=why)
    steps = host.lines(want.port, given.view.plex_address or given.view.server_address)
    found = _by_kernel(given, task, want.port, host)
    if found.status is FindingStatus.OK:
        return found
    if found.status is FindingStatus.UNKNOWN and given.view.access == "forward":
        effect = conditions.reachability(given.view, given.tasks.external_port)
        if effect.holds is Holds.YES:
            have = f"set by hand; its effect is seen: {effect.says}"
            return finding_of(task, FindingStatus.OK, have=have, exhibits=effect.exhibits)
    return replace(found, why=f"plexops writes nothing on {host.title}: it is set there by hand", steps=steps)


def _by_kernel(given: Comparison, task: ResolvedTask, port: int, host: HostByHand) -> Finding:
    view = given.view
    snapshot, own = view.of(Role.SERVER), view.plex_address
    have = ""
    if not host.word.is_spoken_to:
        have = f"plexops does not read {host.title}: whether it lets tcp {port} in is not known"
    elif Role.SERVER not in view.snapshots:
        have = "the server did not answer" if Role.SERVER in view.asked else "the server was not asked"
        have = f"{have}: whether {host.title} lets tcp {port} in is not known"
    elif snapshot.state(Kind.FIREWALL_RULE) is not KindState.PRESENT:
        have = snapshot.reasons.get(Kind.FIREWALL_RULE, "the host firewall could not be read")
    else:
        held = snapshot.facts.get("host.addresses")
        apart = own is not None and own != view.server_address
        if apart and (held is None or str(own) not in texts_of(held.value)):
            have = f"Plex is at {own}, which is not this machine's own: its filters do not decide for it"
    if have:
        return finding_of(task, FindingStatus.UNKNOWN, have=have)
    judged = admitted(given, task, port, snapshot)
    if isinstance(judged, Stopped):
        have, shown = judged.have, judged.exhibits
        return finding_of(task, FindingStatus.UNSUPPORTED, have=have, exhibits=shown)
    return judged
