"""What every kind of resource or condition tells about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, Never

from msgspec import Struct

from plexops.model.fields import Field, FieldValue
from plexops.model.snapshot import Kind, Role, V_co

#: The values of an entry or a task, by field.
Values = Mapping[str, FieldValue | tuple[str, ...] | None]


class Claim(StrEnum):
    """How another's entry stands to what a task wants."""

    NONE = "none"  # it has nothing to do with it
    SAME = "same"  # it is the thing itself with other values: it may be adopted
    BLOCKS = "blocks"  # it holds what the task needs, for a purpose of its own: never touched


def _unbuilt(_fields: Values) -> Never:
    raise TypeError("a condition has no values")


def _nothing(_want: object, _have: object) -> Claim:
    return Claim.NONE


def by(*names: str) -> Callable[[object, object], tuple[str, ...]]:
    """Compare values by these fields."""
    return lambda want, have: tuple(name for name in names if getattr(want, name) != getattr(have, name))


class ResourceKind(Struct, Generic[V_co], frozen=True):
    """One kind: its fields for schema, docs and profiles, and the pure functions that compare needs.

    `build` makes the typed values from fields by name. `says` puts values into words for a report.
    `differs` names the fields in which an entry is not as wanted. `claims` judges another's entry.
    """

    kind: Kind
    role: Role
    title: str
    description: str
    fields: tuple[Field, ...] = ()
    is_condition: bool = False
    #: There is always exactly one of it on a device; it is changed, never made or removed.
    singleton: bool = False
    default_key: str = "plex"
    #: How long after a write the device may take to show it, in seconds.
    settle: float = 5.0
    build: Callable[[Values], V_co] = _unbuilt
    says: Callable[[V_co], str] = str
    differs: Callable[[V_co, V_co], tuple[str, ...]] = by()
    claims: Callable[[V_co, V_co], Claim] = _nothing

    def field(self, name: str) -> Field:
        """Give a field by name; KeyError where the kind has none such."""
        return {field.name: field for field in self.fields}[name]
