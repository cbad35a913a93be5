"""What guards judge: a site before and after, and the changes between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from ipaddress import IPv4Address

from msgspec import Struct

from plexops.model.change import Action, Change
from plexops.model.intervals import normalise, subtract
from plexops.model.resources import Passage, PortForward
from plexops.model.snapshot import Entry, Role
from plexops.model.values import PLEX_PORT
from plexops.runbook.exposures import Exposure, arrivals
from plexops.runbook.guards.address_change import brings_to
from plexops.runbook.view import SiteView


class Case(Struct, frozen=True, dict=True):
    """What guards judge: a site before and after, and the changes between.

    `adopted` are the ids of changes whose adoption a person allowed. Going back is judged as any change is; `undoing` says
    that adopted entries get their old words back. `restoring` is a run's own undo: it puts back what that very run found,
    so that only what exposes is refused, and not what merely could not be made anew.
    """

    before: SiteView
    after: SiteView
    changes: tuple[Change, ...]
    adopted: frozenset[str] = frozenset()
    undoing: bool = False
    restoring: bool = False
    #: The site when the whole plan is done, where these changes are a part of one. None: as `after`.
    in_the_end: SiteView | None = None

    @cached_property
    def new_addresses(self) -> frozenset[IPv4Address]:
        """The addresses that the Plex host will hold after the changes, and does not hold yet."""
        found = (brings_to(self.before, change) for change in self.changes)
        return frozenset(address for address in found if address is not None)

    @cached_property
    def arriving(self) -> tuple[Exposure, ...] | None:
        """Every way to the Plex host after the changes, but what the plan is for. None: the router was not read."""
        wanted = [(forward.external_port.ranges, forward.port.ranges) for _, forward in forwards(self)]
        port = self.after.plex_port
        # What bears our tag an earlier plan named.
        made = (e.values for e in self.after.of(Role.ROUTER).held(PortForward) if e.owner.ours)
        named = self.after.named_ports | {one.external_port.single for one in made}
        own = normalise((one, one) for one in named if one is not None and one != PLEX_PORT)
        return arrivals(self.after, self._hosts, (*wanted, (own, ((port, port),))))

    @cached_property
    def newly_arriving(self) -> tuple[Exposure, ...]:
        """What gets there after the changes, whichever of them did it, and did not get there before."""
        there = arrivals(self.before, self._hosts - self.new_addresses) or ()
        return tuple(one for one in self.arriving or () if not _is_among(one, there, uncovered=self.undoing))

    @property
    def _hosts(self) -> frozenset[IPv4Address]:
        return self.before.plex_host | self.new_addresses


def _is_among(one: Exposure, there: Sequence[Exposure], *, uncovered: bool) -> bool:
    """Tell whether an exposure was there, for all of its ports and senders, and as surely.

    A forward of ours takes its one port out of somebody's DMZ: what is left of that is nothing new. `uncovered`: nor is it
    new that the DMZ has that port again when ours goes.
    """
    external, senders = one.external, one.senders
    for old in there:
        same = (old.family, old.address, old.rule) == (one.family, one.address, one.rule)
        if same and (old.certain or not one.certain):
            if uncovered:
                return True
            external, senders = subtract(external, old.external), subtract(senders, old.senders)
    return not external and not senders


#: A guard gives the reason why it refuses, or None.
Guard = Callable[[Case], str | None]


def forwards(case: Case) -> Iterator[tuple[Change, PortForward]]:
    """Give the forwards that a plan makes or alters and that are switched on then.

    What the ISP's gateway hands to our router is none of them: the router still decides what becomes of it.
    """
    wan_address = case.before.of(Role.ROUTER).text("wan.address")
    for change in case.changes:
        want = change.want
        if not isinstance(want, PortForward) or not want.enabled:
            continue
        if change.role is not Role.UPSTREAM or str(want.address) != wan_address:
            yield change, want


def passages(case: Case) -> Iterator[tuple[Change, Passage]]:
    """Give the passages that a plan makes or alters: they open what was forwarded and dropped so far."""
    for change in case.changes:
        if isinstance(change.want, Passage):
            yield change, change.want


def is_given_back(case: Case, change: Change) -> bool:
    """Tell whether an entry of others, once adopted, gets its own old words: how sound those are is their affair."""
    return case.undoing and change.action is Action.RESTORE


def is_own(change: Change, entry: Entry) -> bool:
    """Tell whether an entry of the projected state is the change's own."""
    if entry.owner.ours:
        return entry.owner.key == change.key
    return change.before is not None and not change.before.owner.ours and change.before.handle == entry.handle
