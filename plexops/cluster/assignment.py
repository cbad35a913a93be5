"""One home for one worker, and what comes back: bytes of JSON, decoded strictly. No secret is in either.

References to secrets go along, never secrets: the worker takes them from its own environment and files.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar, cast

import msgspec
from msgspec import Struct

from plexops import __version__
from plexops.config.resolve import as_written
from plexops.engine.look.site import Home
from plexops.engine.look.wanted_secrets import references
from plexops.engine.order import Order
from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import MaskedReport
from plexops.model.site import SecretReference, SecretSource, Site, SshLogin, Task
from plexops.model.snapshot import Role
from plexops.structs import from_plain, replace, to_plain
from plexops.transport.trust.store import Pin, TrustStore

T = TypeVar("T")
S = TypeVar("S", bound=Struct)


class OtherVersion(Exception):
    """The other side is of another plexops: what it sends is not read. Its version is the message."""


class Assignment(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One home that a worker shall look at: what inventory and playbooks say of it, resolved.

    Relative files in `site` start at the worker's own folder. `profile` is the text of a router profile that does not
    come with plexops, `pieces` are those of the pieces that it uses; `pins` are what `plexops trust` pinned for this
    home's devices.
    """

    version: str
    command: Literal["audit", "diagnose"]
    site: Site
    tasks: tuple[Task, ...]
    profile: str
    pieces: Mapping[str, str]
    pins: Mapping[str, tuple[Pin, ...]]
    given: tuple[str, ...]
    names_site: bool


class Reply(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a worker says of one home. `report` is None where it refused, because its plexops is another version."""

    version: str
    worker: str
    report: MaskedReport | None


class _Head(Struct):
    version: str


def assignment_for(home: Home, order: Order, store: TrustStore, directory: Path) -> Assignment:
    """Give a home, opened on paper, as an assignment. `directory` is the inventory's.

    Raises PlexopsError PLX-K109 for a home that only this machine can look at.
    """
    site = home.tasks.site
    _refuse_what_is_here(home)
    own = None if home.profile is None or home.profile.shipped else home.profile
    return Assignment(
        version=__version__,
        command=cast('Literal["audit", "diagnose"]', order.command),
        site=_with_logins(
            site, lambda login: replace(login, directory="", key_file=_portable(login, directory))
        ),
        tasks=tuple(as_written(task) for task in home.tasks.tasks),
        profile="" if own is None else own.text,
        pieces={} if own is None else own.pieces,
        pins={name: pins for name, pins in store.pins.items() if name.startswith(f"{site.name}/")},
        given=order.given,
        names_site=order.names_site,
    )


def placed_at(site: Site, folder: Path) -> Site:
    """Give a site whose relative files start at a folder: the worker's own."""

    def place(login: SshLogin) -> SshLogin:
        key = str(folder / os.path.expanduser(login.key_file)) if login.key_file else ""  # noqa: PTH111
        return replace(login, directory=str(folder), key_file=key)

    return _with_logins(site, place, str(folder))


def reply(report: MaskedReport | None) -> bytes:
    """Give what this worker says."""
    return encoded(Reply(version=__version__, worker=platform.node(), report=report))


def encoded(part: Struct) -> bytes:
    """Give an assignment or a reply as JSON."""
    return msgspec.json.encode(part, enc_hook=to_plain)


def decoded(data: bytes, kind: type[S]) -> S:
    """Read an assignment or a reply. Raises OtherVersion, and msgspec.ValidationError or DecodeError for what is none."""
    head = msgspec.json.decode(data, type=_Head)
    if head.version != __version__:
        raise OtherVersion(head.version)
    return msgspec.json.decode(data, type=kind, dec_hook=from_plain)


def _refuse_what_is_here(home: Home) -> None:
    site = home.tasks.site
    devices = ((Role.ROUTER, site.router), (Role.SERVER, site.server))
    local = [(role, device) for role, device in devices if device and home.access.is_local(role)]
    found = [
        (
            at.places.get("connection"),
            f"{role}.connection",
            f"the {role} is “connection: local”, this computer",
        )
        for role, at in local
    ]
    found += [
        (reference.place, reference.wanted, f"{reference.wanted} is typed at a terminal")
        for reference in references(site)
        if reference.source is SecretSource.ASK
    ]
    if found:
        cure = "Leave it out with -l '!NAME' and look at it from here, or name a login and {env: NAME} or {file: PATH}."
        refused = f"no worker can look at site {site.name}"
        raise PlexopsError(
            [Problem("PLX-K109", f"{refused}: {why}", cure, place, path) for place, path, why in found]
        )


def _portable(login: SshLogin, directory: Path) -> str:
    """Give a key's file as it means something on another machine: from the inventory's folder, or from one's home."""
    if not login.key_file:
        return ""
    path, home = Path(login.key_file), Path.home()
    if path.is_relative_to(directory):
        return str(path.relative_to(directory))
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _with_logins(part: T, change: Callable[[SshLogin], SshLogin], directory: str = "") -> T:
    """Give the same part of an inventory with every login changed, and secrets' files relative to a directory."""
    if isinstance(part, tuple):
        return cast("T", tuple(_with_logins(item, change, directory) for item in part))
    if not isinstance(part, Struct):
        return part
    names = part.__struct_fields__
    made = type(part)(**{name: _with_logins(getattr(part, name), change, directory) for name in names})
    if isinstance(made, SecretReference) and made.source is SecretSource.FILE:
        return cast("T", replace(made, directory=directory))
    return cast("T", change(made) if isinstance(made, SshLogin) else made)
