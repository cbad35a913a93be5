"""Which places of secrets and which files an inventory may name. Whoever may edit it must not choose among all of yours.

More than that is allowed by the user, outside the repository: `~/.config/plexops/config.yaml`, PLEXOPS_ALLOW_ENV.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from msgspec import Struct, convert, field

from plexops.config.nodes import plain
from plexops.config.problems import Problems, shown
from plexops.config.schemas import schema_of
from plexops.config.validate import SchemaCheck
from plexops.config.yaml import parse_yaml, read_text
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.paths import from_home
from plexops.model.site import SecretReference, SecretSource
from plexops.structs import says

#: Variables that are for plexops by their name.
OURS = ("PLEX_*", "PLEXOPS_*")
_VARIABLE = "PLEXOPS_ALLOW_ENV"


class Allowed(Struct, frozen=True):
    """What the user allows. `variables` and `files` are globs; `folders` hold files that any inventory may name.

    `keys` is the folder of private keys: a login's key may lie there, and no other secret.
    """

    variables: tuple[str, ...] = OURS
    files: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    keys: Path | None = None

    def refusal(self, reference: SecretReference) -> Problem | None:
        """Tell why a reference is not followed; nothing is opened for it."""
        wanted, place = reference.wanted, reference.place
        if reference.source is SecretSource.ENVIRONMENT:
            if any(fnmatchcase(reference.name, pattern) for pattern in self.variables):
                return None
            reason = f"the environment variable {reference.name} is not one that an inventory may name"
            cure = (
                f"Call it PLEXOPS_…, or allow it outside the repository: export {_VARIABLE}={reference.name}"
            )
            return Problem("PLX-C306", f"{reason}; it is wanted for {wanted}", cure, place, wanted)
        if reference.source is not SecretSource.FILE:
            return None
        path = Path(reference.directory, from_home(reference.name))
        return self.file(path, reference.directory, place, wanted, key=wanted.rpartition(".")[2] == "key")

    def file(
        self, path: Path, directory: str, place: Place | None, wanted: str, *, key: bool = False
    ) -> Problem | None:
        """Tell why a file that an inventory in `directory` names is not opened. Links are followed first."""
        try:
            real = path.resolve()
            folders = [_real(Path(directory).absolute()), *map(_real, self.folders)]
        except (OSError, RuntimeError, ValueError):
            return None  # a loop of links, or no path: opening it says so
        folders += [_real(self.keys)] if key and self.keys is not None else []
        if any(real.is_relative_to(folder) for folder in folders):
            return None
        if any(fnmatchcase(str(real), str(from_home(pattern))) for pattern in self.files):
            return None
        leads = "" if real == path else f", which leads to {shown(str(real))},"
        reason = f"the file {shown(str(path))}{leads} is not one that an inventory may name"
        cure = (
            "Put it beside the inventory or into ~/.config/plexops/, or allow it in ~/.config/plexops/config.yaml: "
            "allow: {files: [PATH]}"
        )
        return Problem("PLX-C307", f"{reason}; it is wanted for {wanted}", cure, place, wanted)


@lru_cache(maxsize=64)
def _real(folder: Path) -> Path:
    """Follow the links to a folder whose files may be named: the same few for every login of every home."""
    return folder.resolve()


#: What holds where the user allows nothing of his own.
NO_MORE = Allowed()


def allowed_by(environment: Mapping[str, str]) -> Allowed:
    """Read what the user of this process allows. Raises PlexopsError PLX-C308, or with what is wrong in the file."""
    home, folder = _home(environment), own_folder(environment)
    own = _read(folder / "config.yaml").allow
    more = (name.strip() for name in environment.get(_VARIABLE, "").split(","))
    variables = (*OURS, *own.env, *(name for name in more if name))
    return Allowed(variables, own.files, (folder,), home / ".ssh")


def own_folder(environment: Mapping[str, str]) -> Path:
    """Give the user's own folder, whose files every inventory may name: `~/.config/plexops`."""
    named = environment.get("XDG_CONFIG_HOME", "")
    return (Path(named) if Path(named).is_absolute() else _home(environment) / ".config") / "plexops"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


Variable = Annotated[
    str, says("A name, or a glob of names.", "OPNSENSE_*", pattern=r"^[A-Za-z_][A-Za-z0-9_]*\*?$")
]
File = Annotated[str, says("A path, or a glob of paths.", "~/secrets/*", pattern=r"^(?:~?/).")]


class Allow(Struct, frozen=True, forbid_unknown_fields=True):
    """What an inventory may name, besides PLEX_… and PLEXOPS_… and files beside it."""

    env: Annotated[tuple[Variable, ...], says("Environment variables.", ["OPNSENSE_*"])] = ()
    files: Annotated[tuple[File, ...], says("Files outside the inventory's folder.", ["~/secrets/*"])] = ()


class UserConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What you allow on this machine."""

    allow: Annotated[Allow, says("", {"env": ["OPNSENSE_*"]})] = field(default_factory=Allow)


def _read(path: Path) -> UserConfig:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return UserConfig()
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from None
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise _unusable(path, "it belongs to another user")
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o022:
        raise _unusable(path, "others may write to it")
    document = parse_yaml(read_text(path, str(path)), str(path))
    problems = Problems()
    SchemaCheck(schema_of("config")).problems(document, problems)
    problems.raise_if_any()
    return convert(plain(document), UserConfig)


def _unusable(path: Path, why: str) -> PlexopsError:
    cure = f"chmod go-w {path}, or correct its owner: it says which secrets a repository may use."
    return PlexopsError(Problem("PLX-C308", f"{path} cannot be used: {why}", cure, Place(str(path), 1, 1)))
