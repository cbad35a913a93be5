"""The secrets that homes want: taken from their places before the first device is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from plexops.engine.look.site import Home, Setting
from plexops.model.errors import PlexopsError, Problem
from plexops.model.site import SecretReference, SecretSource


def take_secrets(homes: Sequence[Home], setting: Setting) -> None:
    """Take every secret of these homes from its place. Raises PlexopsError with all that are not to be had."""
    problems: list[Problem] = []
    for home in homes:
        for reference in references(home.tasks.site):
            if _overridden(reference, setting):
                continue
            try:
                home.access.secrets.resolve(reference)
            except PlexopsError as error:
                problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise PlexopsError(problems)


def _overridden(reference: SecretReference, setting: Setting) -> bool:
    """Tell whether -k or -K stands for this secret, or only the server itself can give it."""
    if reference.source is SecretSource.SERVER:
        return True
    if reference.wanted.endswith("become.password"):
        return setting.sudo_password is not None
    return setting.login_password is not None and reference.wanted.endswith(".password")


def references(part: object) -> Iterator[SecretReference]:
    """Give every reference to a secret in a part of the inventory."""
    if isinstance(part, SecretReference):
        yield part
    elif isinstance(part, Struct):
        for name in part.__struct_fields__:
            yield from references(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from references(item)
