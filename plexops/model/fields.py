"""The types that a field of a resource may have. A language quotes a value by its type, never by its looks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Literal

from msgspec import Struct

from plexops.model.values import Ports, Protocol


class FieldType(StrEnum):
    """What a value is. All but TEXT have a closed alphabet and are written bare in every language."""

    NUMBER = "number"  # a decimal integer
    PORT = "port"  # one port, 1 to 65535
    PORTS = "ports"  # a set of ports; bare only when it is one port or one range
    ADDRESS = "address"  # an IPv4 address
    MAC = "mac"  # six pairs, lower case, colons
    KEY = "key"  # [a-z][a-z0-9_]{0,19}
    WORD = "word"  # a host name or identifier: [A-Za-z0-9][A-Za-z0-9_.-]{0,62}
    HANDLE = "handle"  # how a device names one entry: [A-Za-z0-9_.:@*\[\]/ -]{1,128}; quoted where it must be
    FLAG = "flag"  # true or false; a profile maps it to the device's words
    PROTOCOL = "protocol"  # tcp, udp, both, other
    TEXT = "text"  # anything a person or device wrote, control characters excluded


#: What a typed value may be in Python. Ports is a set of ranges; FLAG is bool; HANDLE, MAC, KEY, WORD and TEXT are str.
FieldValue = str | int | bool | IPv4Address | Ports | Protocol


class Typed(Struct, frozen=True):
    """A value together with its type, on its way into a template."""

    type: FieldType
    value: FieldValue


class FromSite(Struct, frozen=True):
    """A default that the site knows: `server.mac`, `server.address`, `plex.address`, `plex.port`."""

    path: Literal["server.mac", "server.address", "plex.address", "plex.port"]


class Field(Struct, frozen=True):
    """One field of a resource kind: what a task may say, what a profile maps, what compare looks at."""

    name: str
    type: FieldType
    description: str
    examples: tuple[str | int | bool, ...]
    #: What holds when a task leaves it out. None with `required=False` means: the device's value is left alone.
    default: FieldValue | FromSite | None = None
    required: bool = False
    #: A task may write it. Fields of a device that a task never sets (a forward's source limit) are False.
    in_task: bool = True


class Word(str):
    """One of the device's own words. A number that stands there is its digits."""

    __slots__ = ()


#: Words of the device by a word of ours, or by a field of its own.
Words = Mapping[str, tuple[Word, ...]]
