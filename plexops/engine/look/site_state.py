"""What one look at a site came to, and the drivers of its stops."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from plexops.drivers.base import Driver
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.model.errors import Problem
from plexops.model.run import Exhibit
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.runbook.view import SiteView
from plexops.structs import replace


class Drivers(Struct, frozen=True):
    """The drivers of one site's stops."""

    router: ProfiledDriver | None = None
    server: ServerDriver | None = None
    plex: PlexDriver | None = None

    def of(self, role: Role) -> Driver:
        """Give a stop's driver. KeyError where the site has none."""
        found: Mapping[Role, Driver | None] = {
            Role.ROUTER: self.router,
            Role.SERVER: self.server,
            Role.PLEX: self.plex,
        }
        driver = found[role]
        if driver is None:
            raise KeyError(role)
        return driver


class SiteState(Struct, frozen=True):
    """What one look at a site came to."""

    view: SiteView
    exhibits: tuple[Exhibit, ...] = ()
    #: Who answered, by role: host key fingerprints and pins.
    identities: Mapping[Role, str] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()
    #: Where the server answered; empty: where the inventory says.
    server_address: str = ""
    token: Secret | None = None
    #: Plex answered only from inside the server: nothing else lets its port through.
    plex_inside: bool = False
    #: When each stop was asked, by the clock that never jumps.
    taken: Mapping[Role, float] = MappingProxyType({})

    def aged(self) -> SiteView:
        """Give the view with the age that each snapshot has by now: what guards look at."""
        now = time.monotonic()
        return replace(
            self.view, ages=MappingProxyType({role: now - taken for role, taken in self.taken.items()})
        )


def with_exhibits(old: Sequence[Exhibit], new: Sequence[Exhibit]) -> tuple[Exhibit, ...]:
    """Put newer exhibits in the place of older ones with the same id."""
    fresh = {exhibit.id for exhibit in new}
    return (*(exhibit for exhibit in old if exhibit.id not in fresh), *new)


def with_attempts(now: SiteState, before: SiteState) -> SiteState:
    """Give a look with what was tried from outside in an earlier one of the same run, which is not tried again."""
    outside = now.view.of(Role.OUTSIDE)
    tried = before.view.of(Role.OUTSIDE).of(Kind.PROBE)
    view = now.view.with_snapshot(replace(outside, entries=(*outside.entries, *tried)))
    return replace(now, view=view)
