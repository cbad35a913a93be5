"""“plexops apply makes it” is said only where a plan holds that very change; what else is said in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plexops.model.finding import Finding, FindingStatus
from plexops.model.snapshot import Kind
from plexops.runbook.causes.cause import Cause, Layer, StopName

_APPLY = "plexops apply"
_ADDRESS = frozenset({Kind.DHCP_RESERVATION, Kind.LEASE})
#: What plexops changes against a cause, by the stop where it lies; any one of them is a change that cures.
_CURES: Mapping[StopName, frozenset[Kind]] = {
    StopName.ROUTER_FORWARD: _ADDRESS | {Kind.PORT_FORWARD},
    StopName.ROUTER_FILTER: frozenset({Kind.PORT_FORWARD, Kind.PASSAGE}),
    StopName.SERVER_FILTER: frozenset({Kind.FIREWALL_RULE}),
    StopName.SETTINGS: frozenset({Kind.PLEX_REMOTE_ACCESS}),
    StopName.ANNOUNCEMENT: frozenset({Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS}),
}
#: The same for what stands beside the ways.
_CURES_BESIDE: Mapping[Layer, frozenset[Kind]] = {
    Layer.ROUTER: _ADDRESS,
    Layer.SERVER: frozenset({Kind.FIREWALL_RULE}),
    Layer.PLEX: _ADDRESS,
}
#: What a port entered by hand takes, where the router shall map none by itself.
_BOTH = frozenset({Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS})


def promises(step: str) -> bool:
    """Whether a step says that apply makes the change."""
    return step.startswith(_APPLY) or f": {_APPLY}" in step


def kept(
    steps: Sequence[str],
    cause: Cause,
    planned: frozenset[Kind],
    findings: Sequence[Finding],
    refused: str = "",
) -> tuple[str, ...]:
    """Give the steps against a cause; a promise that a plan of these kinds does not keep is exchanged.

    `refused`: why a guard refuses the whole plan; empty where none does.
    """
    tasks = {finding.kind for finding in findings if finding.place is not None}
    steps = [step for step in steps if f"then {_APPLY}" not in step or Kind.PORT_FORWARD in tasks]
    promised = [step for step in steps if promises(step)]
    fine = {finding.kind for finding in findings if finding.status is FindingStatus.OK}
    cures = _CURES.get(cause.place, frozenset()) or _CURES_BESIDE.get(cause.layer, frozenset())
    if any("does both" in step for step in promised):
        holds = bool(planned & _BOTH) and planned | fine >= _BOTH
    else:
        holds = bool(planned & cures)
    if not promised or (holds and not refused):
        return tuple(steps)
    others = [step.partition(f": {_APPLY}")[0] for step in steps if not step.startswith(_APPLY)]
    instead = refused or _instead([finding for finding in findings if finding.kind in cures])
    return tuple(dict.fromkeys([*others, instead]))


def _instead(findings: Sequence[Finding]) -> str:
    """Say what there is to do where no plan holds the change. `findings` are of what would cure."""
    adoptable = next((finding.adopt_id for finding in findings if finding.adopt_id), "")
    if adoptable:
        return f"{_APPLY} --dry-run --adopt {adoptable} shows what it would do with the entry that is there."
    barred = (FindingStatus.CONFLICT, FindingStatus.UNSUPPORTED, FindingStatus.STOPPED)
    why = next((finding.why for finding in findings if finding.status in barred and finding.why), "")
    if why:
        return f"{_APPLY} does not change it: {why}."
    return "No task of your playbooks changes it: do it by hand."
