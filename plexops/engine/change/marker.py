"""The marker on each device that a run writes to: it keeps out runs of other machines, whose locks are elsewhere."""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from plexops.engine.change.open_changes import Recorder
from plexops.engine.change.sending import settings_for
from plexops.engine.decide.markers import marker_of
from plexops.engine.look.site import Home
from plexops.engine.look.site_state import SiteState
from plexops.evidence.folder import SiteFolder, began_at
from plexops.languages import markers
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Marker, Reply
from plexops.model.plan import GuardVerdict, authorize_marker
from plexops.model.snapshot import Role
from plexops.transport.link import WriteLink

#: Between making a marker and writing into it another run has no name yet: then it is asked once more.
_ONCE_MORE = 1.0
_MARKED = (Role.ROUTER, Role.SERVER)


class RunMarkers(Struct):
    """The markers of one run. `own`: runs of this machine, of which none is at work besides this one."""

    home: Home
    record: Recorder
    run_id: str
    own: frozenset[str]
    held: dict[Role, tuple[GuardVerdict, ...]] = {}

    def take(self, roles: Collection[Role], state: SiteState, verdicts: tuple[GuardVerdict, ...]) -> None:
        """Set the marker on these devices, and see that no other run holds one on any of the site's.

        Raises PlexopsError PLX-R122 where another run holds one, PLX-R123 where it could not be set, and what a link
        raises. What was set until then is for `drop`.
        """
        self.record("marker", {"roles": [role for role in _MARKED if role in roles]})
        for role in _MARKED:
            marker = marker_of(self.home.drivers, role, self._word)
            if marker is not None:
                self._take(role, marker, state, verdicts, sets=role in roles)

    def drop(self, state: SiteState) -> tuple[str, ...]:
        """Take the run's own markers away. Gives what a person has to do where one may be left."""
        left: list[str] = []
        for role, verdicts in self.held.items():
            marker = marker_of(self.home.drivers, role, self._word)
            if marker is not None and not self._dropped(role, marker, state, verdicts):
                left.append(f"take plexops's marker off the {role}, or others wait for it: {marker.by_hand}")
        with suppress(PlexopsError):  # a full disk: the next recover finds nothing to take away
            self.record("marker dropped", {"left": len(left)})
        return tuple(left)

    @property
    def _word(self) -> str:
        return markers.holder_word(self.run_id, platform.node())

    def _take(
        self, role: Role, marker: Marker, state: SiteState, verdicts: tuple[GuardVerdict, ...], *, sets: bool
    ) -> None:
        link = self._open(role, marker, state, verdicts)
        said = ""
        try:
            for again in (False, True):
                if sets:
                    self.held[role] = verdicts
                    reply = link.send(marker.take)
                    said = (reply.stderr or reply.body).strip()[:160]
                holders = _holders(link, marker, role)
                stale = [run for run in holders if run != self.run_id and run in self.own]
                if not again and stale:
                    self._drop_stale(role, holders, stale, state, verdicts)
                    continue
                others = [run for run in holders if run not in self.own and run != self.run_id]
                if others:
                    raise _held_by(role, others[0], holders[others[0]], marker)
                if not sets or self.run_id in holders:
                    return
                time.sleep(_ONCE_MORE)
        finally:
            link.close()
        reason = f"the {role} does not take plexops's marker ({said or 'it said nothing'})"
        raise PlexopsError(Problem("PLX-R123", reason, _cure(marker), where=str(role)))

    def _drop_stale(
        self,
        role: Role,
        holders: Mapping[str, str],
        stale: Sequence[str],
        state: SiteState,
        verdicts: tuple[GuardVerdict, ...],
    ) -> None:
        """Take away what an ended run of this machine could not: the site's lock says that it is not at work."""
        for run in stale:
            marker = marker_of(self.home.drivers, role, f"{run}.{holders[run]}")
            if marker is not None:
                self._dropped(role, marker, state, verdicts)

    def _dropped(
        self, role: Role, marker: Marker, state: SiteState, verdicts: tuple[GuardVerdict, ...]
    ) -> bool:
        try:
            link = self._open(role, marker, state, verdicts)
            try:
                link.send(marker.drop)
                return self.run_id not in _holders(link, marker, role)
            finally:
                link.close()
        except PlexopsError:
            return False

    def _open(
        self, role: Role, marker: Marker, state: SiteState, verdicts: tuple[GuardVerdict, ...]
    ) -> WriteLink:
        leave = authorize_marker(state.view.name, role, marker, verdicts)
        if not leave:
            raise PlexopsError(Problem("PLX-R123", "the guards do not let a marker be set", where=str(role)))
        return self.home.links.write(settings_for(self.home.access, state, role), leave)


def runs_of(folder: SiteFolder) -> frozenset[str]:
    """Give the runs of this machine: while the site's lock is held, none of them is at work."""
    return frozenset(run.id for run in folder.runs())


def _holders(link: WriteLink, marker: Marker, role: Role) -> dict[str, str]:
    reply: Reply = link.ask((marker.holders,))[0]
    if not reply.whole:
        raise PlexopsError(Problem("PLX-R123", f"the {role} did not say who holds it", where=str(role)))
    return dict(markers.holders_in(reply.body))


def _held_by(role: Role, run: str, machine: str, marker: Marker) -> PlexopsError:
    since = began_at(run).isoformat(timespec="seconds")
    reason = f"the {role} is held by run {run} of plexops on {machine}, since {since}: nothing was changed"
    return PlexopsError(Problem("PLX-R122", reason, _cure(marker), where=str(role)))


def _cure(marker: Marker) -> str:
    return (
        "Let it end, or settle it on that machine: plexops recover. If that machine is gone for good, run this on the "
        f"device: {marker.by_hand}"
    )
