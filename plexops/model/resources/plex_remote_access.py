"""`plex_remote_access`: Plex announces the manual port that the router forwards."""

from __future__ import annotations

from msgspec import Struct

from plexops.model.fields import Field, FieldType
from plexops.model.resources.base import ResourceKind, Values, by
from plexops.model.snapshot import Kind, Role


class RemoteAccess(Struct, frozen=True):
    """Plex's hidden trio: PublishServerOnPlexOnlineKey, ManualPortMappingMode, ManualPortMappingPort."""

    enabled: bool
    manual: bool
    manual_port: int
    #: LastAutomaticMappedPort: what UPnP once gave; read only.
    last_automatic_port: int = 0


def _build(fields: Values) -> RemoteAccess:
    return RemoteAccess(
        enabled=fields.get("enabled") is not False,
        manual=True,
        manual_port=int(str(fields["manual_port"])),
    )


def _says(values: RemoteAccess) -> str:
    if not values.enabled:
        return "remote access switched off"
    if values.manual:
        return f"manual port {values.manual_port}"
    last = f", last {values.last_automatic_port}" if values.last_automatic_port else ""
    return f"automatic{last}"


def _differs(want: RemoteAccess, have: RemoteAccess) -> tuple[str, ...]:
    return (by("enabled", "manual", "manual_port") if want.enabled else by("enabled"))(want, have)


PLEX_REMOTE_ACCESS = ResourceKind(
    kind=Kind.PLEX_REMOTE_ACCESS,
    role=Role.PLEX,
    title="Plex remote access",
    description="Plex has remote access switched on and announces a port given by hand.",
    fields=(
        Field("manual_port", FieldType.PORT,
              "The public port that Plex announces: the same as the forward's external port.",
              (32500,), required=True),
        Field("enabled", FieldType.FLAG, "Whether remote access is switched on.", (True,), default=True),
    ),
    singleton=True,
    settle=10.0,
    build=_build,
    says=_says,
    differs=_differs,
)  # fmt: skip
