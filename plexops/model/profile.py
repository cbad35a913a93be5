"""A router profile as data: what to read, how to understand it, what to write. `drivers/router/profiled.py` runs it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct

from plexops.model.errors import Place
from plexops.model.exchange import Expect, Method, WindowKind
from plexops.model.snapshot import Kind


class Speaks(StrEnum):
    """The language of a device."""

    POSIX = "posix"
    ROUTEROS = "routeros"
    JSON = "json"
    NOTHING = "nothing"


class Param(Struct, frozen=True):
    """A word that an inventory may set for its own router, of `[A-Za-z0-9_./-]`."""

    name: str
    default: str
    means: str


class ReadSpec(Struct, frozen=True):
    """One question. `run` is a command line; otherwise `method`, `path` and `body` are a request."""

    id: str
    parse: str
    run: str = ""
    method: Method = "GET"
    path: str = ""
    body: Any = None
    #: Statuses which mean that the device has no such thing. No other failure does.
    absent: frozenset[int] = frozenset()
    #: A JMESPath expression that is true of a whole answer alone, where the answer itself tells.
    whole: str = ""
    place: Place | None = None


class FactSpec(Struct, frozen=True):
    """Where a fact is: a JMESPath expression over a parsed read, or over several, each under its own name."""

    name: str
    reads: tuple[str, ...]
    take: str
    #: The fact's words by the device's words, where they differ.
    values: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    #: What an answer without the value means. None: unknown.
    default: str | None = None
    #: Which end of an answer like `192.168.1.100-192.168.1.199` is meant.
    part: Literal["", "first", "last"] = ""
    place: Place | None = None


class Room(Struct, frozen=True):
    """How many bytes of UTF-8 a device takes of what a task says, and what a longer text would do there."""

    most: int
    because: str

    def refuses(self, text: str) -> str:
        """Tell why a text does not fit; empty where it does."""
        length = len(text.encode("utf-8", "surrogatepass"))
        return "" if length <= self.most else f"{length} bytes, and {self.most} fit: {self.because}"


class FieldMap(Struct, frozen=True):
    """How one field of a resource stands in the device's own words.

    `fallback` is the field that holds where `name` is missing, `default` the word that then counts. `values` maps
    the model's words to the device's, the first of which is written. `contains` makes a flag: whether a list of
    words holds this one. `otherwise` is the model's word for every word that `values` leaves out.
    """

    name: str
    fallback: str = ""
    default: str | None = None
    values: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    contains: str = ""
    otherwise: str | None = None
    room: Room | None = None


class Request(Struct, frozen=True):
    """One write: `run` a command, `send` an HTTP request, or put a `file` in place."""

    run: str = ""
    method: Method = "POST"
    send: str = ""
    body: Any = None
    file: str = ""
    content: str = ""
    content_language: str = ""
    expect: Expect | None = None
    place: Place | None = None


class Serving(Struct, frozen=True):
    """What must be so for entries of a kind to act: a service is up, and is meant for the home network.

    `fact` is `yes`, or says why it is not so. `ranges` is a fact in which the addresses stand that the service is for.
    """

    fact: str
    ranges: str = ""


class ResourceSpec(Struct, frozen=True):
    """How one kind is kept on the device; with `backends` there are several, of which one is active."""

    kind: Kind
    read: str
    rows: str = ""
    #: Rows count only if every field here has one of the words; an empty word means that the field is missing.
    where: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    unless: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    #: A read that lists the handles in the same order as the rows.
    ids: str = ""
    handle: str = ""
    label: str = ""
    owner_field: str = ""
    owner_like: str = ""
    fields: Mapping[str, FieldMap] = MappingProxyType({})
    #: Fields of the device that narrow an entry down to some senders or times.
    limits: tuple[str, ...] = ()
    #: Fields of the device without meaning for us. Where it is given, any other field makes a row not understood.
    ignores: tuple[str, ...] | None = None
    create: tuple[Request, ...] = ()
    update: tuple[Request, ...] = ()
    delete: tuple[Request, ...] = ()
    adopt: tuple[Request, ...] = ()
    adopt_unset: tuple[Request, ...] = ()
    backend: str = ""
    active: Mapping[str, str] = MappingProxyType({})
    serves: Serving | None = None
    #: Makes what is saved take effect, after every write; alone where that did not come about.
    apply: tuple[Request, ...] = ()
    #: The read that tells what the device acts by, where that is not what it has saved, and what reads it.
    in_force: tuple[str, str] | None = None
    #: The field whose word is an entry's place among the others.
    order: str = ""
    #: Makes an entry that was deleted again, where it stood: `place` is its place, `next` the handle of what follows it.
    again: tuple[Request, ...] = ()
    place: Place | None = None


class WindowSpec(Struct, frozen=True):
    """The device's own undo.

    A timer of a shell needs only a `directory` of its memory. Otherwise templates know `name`, `seconds` and `undo`, the
    requests of the way back as one text; `last` is appended to it: how what undoes removes itself.
    """

    kind: WindowKind
    directory: str = ""
    open: tuple[Request, ...] = ()
    confirm: tuple[Request, ...] = ()
    armed: str = ""
    last: str = ""
    place: Place | None = None


class Verified(Struct, frozen=True):
    """On what a profile was seen to work, and how: a lab dialect, captures, or a real device."""

    firmware: str
    on: str
    how: str


#: The kinds of box whose packet filter can be read.
PLUMBING_NAMES = ("netfilter", "routeros", "pf")
#: What reads a configuration for what of it is not in force.
CONFIGURED_NAMES = ("uci",)
#: What reads of a device what it acts by.
IN_FORCE_NAMES = ("pf",)


class PacketSpec(Struct, frozen=True):
    """How what the device does with packets is put together: of the reads that bear the names of the plumbing's parts.

    `internet_side` is the interface there, or the fact that names it; `inserts` are the chains in which rules of ours
    stand, by what they are (see `model.packets.Box`). `configured` is a read, and what reads it for what is not in force.
    """

    plumbing: str
    internet_side: str
    inserts: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    configured: tuple[str, str] | None = None
    place: Place | None = None


class Profile(Struct, frozen=True):
    """One router family."""

    name: str
    title: str
    speaks: Speaks
    text: str
    params: Mapping[str, Param] = MappingProxyType({})
    login: str = ""
    #: Functions of the shell that every write and the way back may use.
    functions: str = ""
    errors: tuple[str, ...] = ()
    reads: Mapping[str, ReadSpec] = MappingProxyType({})
    facts: tuple[FactSpec, ...] = ()
    resources: Mapping[Kind, tuple[ResourceSpec, ...]] = MappingProxyType({})
    window: WindowSpec | None = None
    packets: PacketSpec | None = None
    #: What a person does by hand, by kind.
    steps: Mapping[Kind, tuple[str, ...]] = MappingProxyType({})
    verified: tuple[Verified, ...] = ()
    place: Place | None = None
    #: Whether it comes with plexops, word for word: any other one stands where a pull request may change it.
    shipped: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 of its text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()
