"""What every room's types share: they are msgspec's, which cost a start of the program nearly nothing."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from msgspec import Meta

if TYPE_CHECKING:
    # The same function, whose fields and their types mypy checks.
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["from_plain", "replace", "says", "to_plain"]

_ADDRESSES = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)


def to_plain(value: object) -> object:
    """Give msgspec what it does not write by itself (its `enc_hook`): an address as its text, a mapping as a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, _ADDRESSES):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def from_plain(kind: type, value: object) -> object:
    """Give msgspec what it does not read by itself (its `dec_hook`): an address from its text."""
    if kind in _ADDRESSES and isinstance(value, str):
        return kind(value)
    raise TypeError(f"{kind.__name__} is not read from JSON")


def says(description: str, *examples: object, wants: str = "", **more: object) -> Meta:
    """Explain a field of a file to the people who write it, for the file's schema; `more` is what else must hold.

    A table is explained by its type, where nothing is said here.
    """
    named = {"x-plexops": wants} if wants else {}
    return Meta(description=description or None, examples=list(examples), extra_json_schema={**more, **named})
