"""A stop as it will be when a change has been made: its entries, and what packets will meet there."""

from __future__ import annotations

from plexops.model.change import Action, Change, project
from plexops.model.packets import Box
from plexops.model.resources import FirewallRule, Passage, PortForward
from plexops.model.snapshot import Kind, Snapshot
from plexops.packets.projection import with_accept, with_forward, with_host_accept, without
from plexops.runbook.way_in import is_rule_of
from plexops.structs import replace


def after_change(now: Snapshot, change: Change) -> Snapshot:
    """Give the snapshot with the change made."""
    then = project(now, change)
    if now.box is None or change.action is Action.RENEW:
        return then
    return replace(then, box=_box_after(now.box, change))


def _box_after(box: Box, change: Change) -> Box:
    before, want = change.before, change.want
    if change.kind not in (Kind.PORT_FORWARD, Kind.PASSAGE, Kind.FIREWALL_RULE):
        return box
    if change.kind is Kind.FIREWALL_RULE:
        return with_host_accept(box, want.port, change.key) if isinstance(want, FirewallRule) else box
    if before is not None:
        box = without(box, lambda rule: is_rule_of(rule, before))
    if isinstance(want, PortForward) and want.enabled and want.address is not None:
        name = before.label if before is not None and not before.owner.ours else want.name
        return with_forward(
            box, want.external_port.ranges, int(want.address), want.port.ranges, name or change.key
        )
    if isinstance(want, Passage):
        return with_accept(box, want.chain, want.before, int(want.address), want.port, change.key)
    return box
