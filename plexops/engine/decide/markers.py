"""The marker of each device that a plan writes to, as a plan shows it and a run sets it."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.engine.look.site_state import Drivers
from plexops.languages import markers
from plexops.model.exchange import Marker
from plexops.model.plan import Step
from plexops.model.profile import Speaks
from plexops.model.snapshot import Role
from plexops.structs import replace


def marker_of(drivers: Drivers, role: Role, holder: str = markers.RUN) -> Marker | None:
    """Give a device's marker as this holder sets it; None for a device that has nothing that exists at most once."""
    if role is Role.SERVER and drivers.server is not None:
        return markers.posix("/run", holder)
    if role is not Role.ROUTER or drivers.router is None:
        return None
    profile = drivers.router.profile.profile
    match profile.speaks:
        case Speaks.SHELL:
            directory = "" if profile.window is None else profile.window.directory
            return markers.posix(directory or "/tmp", holder)  # noqa: S108 - mkdir follows no link, and takes none over
        case Speaks.ROUTEROS:
            return markers.routeros(holder)
        case _:
            return None


def with_markers(steps: Sequence[Step], drivers: Drivers) -> tuple[Step, ...]:
    """Show each device's marker with the first step there."""
    first = {step.change.role: index for index, step in reversed(list(enumerate(steps)))}
    return tuple(
        replace(step, marker=marker_of(drivers, step.change.role))
        if index == first[step.change.role]
        else step
        for index, step in enumerate(steps)
    )
