"""What every comparison starts from, and the findings and changes that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from plexops.config.boxes import boxes_by_hand
from plexops.drivers.base import Driver, Unrenderable
from plexops.engine.look.site_state import Drivers
from plexops.model.change import Action, Change
from plexops.model.finding import Finding, FindingStatus
from plexops.model.profile import Profile
from plexops.model.resources import KINDS, Claim
from plexops.model.site import ResolvedTask, Site, SiteTasks, State
from plexops.model.snapshot import Entry, Kind, Role, Snapshot
from plexops.runbook.view import SiteView

#: Kinds that a way in over a forward needs, and that no other way in does.
FORWARDING = frozenset({Kind.PORT_FORWARD, Kind.PLEX_REMOTE_ACCESS})
#: The runbook's other way to an address that stays (R4).
_STATIC = "Where the router has no reservations: give the server the static address {{ address }}, outside its DHCP range."


class Comparison(Struct, frozen=True):
    """Everything that findings need to know besides the task."""

    tasks: SiteTasks
    view: SiteView
    drivers: Drivers
    profile: Profile | None
    #: Ids that `--adopt` named; `adopt: true` on a task adds its own.
    adopt: frozenset[str] = frozenset()


def finding_of(task: ResolvedTask, status: FindingStatus, **more: object) -> Finding:
    """Make a task's finding; `more` are further fields of it."""
    kind = KINDS[task.kind]
    want = kind.title.lower()
    if task.want is not None:
        want = kind.says(task.want) if task.state is State.PRESENT else f"no {want} “{task.key}”"
    return Finding(
        status=status,
        role=kind.role,
        kind=task.kind,
        key=task.key,
        title=task.name or kind.title,
        want=want,
        place=task.place,
        **more,  # type: ignore[arg-type]
    )


def change_of(
    task: ResolvedTask, action: Action, before: Entry | None = None, fields: tuple[str, ...] = ()
) -> Change:
    """Make the change of a task's own resource."""
    kind = KINDS[task.kind]
    return Change(
        role=kind.role,
        kind=task.kind,
        key=task.key,
        action=action,
        before=before,
        want=task.want,
        fields=fields,
        place=task.place,
        task=task.name,
    )


def steps_by_hand(given: Comparison, task: ResolvedTask) -> tuple[str, ...]:
    """Give the steps that a person takes on this router, with the values filled in."""
    return lines_by_hand(given.tasks.site, given.profile, given.view, task.kind, task.values)


def lines_by_hand(
    site: Site, profile: Profile | None, view: SiteView, kind: Kind, values: Mapping[str, object]
) -> tuple[str, ...]:
    """Give the steps on the box that the inventory names with `like:`, else the profile's, with the values filled in."""
    if profile is None:
        return ()
    box = None if site.router is None else boxes_by_hand().get(site.router.like)
    same = str(values.get("external_port")) == str(values.get("port"))
    own = () if box is None else box.lines(kind, same_port=same, share_known=view.port_share is not None)
    lines = own or profile.steps_of(kind, view.of(Role.ROUTER).text)
    if kind is Kind.DHCP_RESERVATION and lines:
        lines = (*lines, _STATIC)
    for name, value in values.items():
        lines = tuple(line.replace(f"{{{{ {name} }}}}", str(value)) for line in lines)
    return lines


def unrenderable(driver: Driver, change: Change, snapshot: Snapshot) -> str:
    """Give the reason why a change or its way back cannot be rendered; empty where both can."""
    try:
        driver.script(change, snapshot)
    except Unrenderable as reason:
        return str(reason)
    return ""


def only_by_hand(given: Comparison, task: ResolvedTask, snapshot: Snapshot) -> tuple[str, ...]:
    """Give the steps where plexops makes no entry of the kind on this device, and so no step could undo another's work."""
    driver = given.drivers.of(KINDS[task.kind].role)
    made = not unrenderable(driver, change_of(task, Action.CREATE), snapshot)
    return () if made else steps_by_hand(given, task)


def claim_of(task: ResolvedTask, entry: Entry) -> Claim:
    """An entry that cannot be read is no claim: guards judge whether it may hold what is wanted."""
    return Claim.NONE if entry.values is None else KINDS[task.kind].claims(task.want, entry.values)


def says(entry: Entry) -> str:
    """Put an entry into words."""
    return "unreadable" if entry.values is None else KINDS[entry.kind].says(entry.values)


def name_of(entry: Entry) -> str:
    """Give what a person calls an entry."""
    return entry.label or entry.handle


def exhibits_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Give the exhibits that show these entries, each once."""
    return tuple(sorted({entry.exhibit for entry in entries if entry.exhibit}))


def texts_of(value: object) -> tuple[str, ...]:
    """Give a fact's values as texts."""
    return tuple(str(item) for item in value) if isinstance(value, tuple) else (str(value),)
