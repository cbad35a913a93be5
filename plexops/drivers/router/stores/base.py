"""What every store is given, and what it gives: one change in the device's own words, and the requests that make it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from plexops.drivers.requests import DEFAULT_EXPECT, language_of
from plexops.languages.base import plain
from plexops.model.change import Action, Change
from plexops.model.exchange import Command, Json, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import ResourceSpec, Speaks
from plexops.model.snapshot import Entry
from plexops.pattern import Pattern

_WORD = Pattern(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*")
#: A field's value in the device's words; a list of the device stays one, and None takes the field off.
Value = Typed | tuple[str, ...] | None


class Wanted(Struct, frozen=True):
    """One change in the device's own words.

    `words` are by the device's fields, in the order of the profile; `values` by ours, with `key`, `tag` and `window`,
    for what a profile writes out. `following` is the entry before which one of ours was, that is made again. `others`
    are all other entries of the kind, and `service` is where a table of mappings is kept: its type and its path.
    """

    change: Change
    tag: str
    window: str
    words: Mapping[str, Value]
    constants: Mapping[str, Json]
    values: Mapping[str, Typed]
    entry: Entry | None = None
    following: Entry | None = None
    others: tuple[Entry, ...] = ()
    service: str = ""
    #: By their names, those that the store asks for.
    facts: Mapping[str, str] = {}

    @property
    def handle(self) -> str:
        """How the device names the entry now; its tag, where it is still to be made."""
        return self.tag if self.entry is None else self.entry.handle

    @property
    def known(self) -> Mapping[str, Value]:
        """The words that there is something to do for: what is not there need not be taken off."""
        had = {} if self.entry is None else self.entry.raw
        return {name: word for name, word in self.words.items() if word is not None or had.get(name)}

    @property
    def adopting(self) -> bool:
        """Whether the entry is another's."""
        return self.change.action in (Action.ADOPT, Action.RESTORE)


class Store(Struct, frozen=True):
    """What keeps the entries of a kind. Its requests are rendered from a snapshot that is seconds old."""

    @property
    def functions(self) -> str:
        """Functions of the shell that its commands use, on one line; empty where there are none."""
        return ""

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that its requests need."""
        return ()

    def new_handle(self, wanted: Wanted) -> str:
        """Give what the device will call an entry that is made."""
        return f"plexops-{wanted.change.key}"

    def can_set(self, theirs: str) -> bool:
        """Tell whether a change of ours writes this field of the device."""
        raise NotImplementedError

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the requests of a change. Raises ValueError for a value that cannot be written there."""
        raise NotImplementedError

    def applied(self) -> tuple[Write, ...]:
        """Give the requests that make what is saved take effect, where they are requests of their own.

        Most are one request with the change, so that no end of ours comes between.
        """
        return ()


def names_field(spec: ResourceSpec, names: Collection[str], theirs: str) -> bool:
    """Tell whether `names`, ours, hold the field that a device calls `theirs`."""
    return any(mapped.name == theirs and name in names for name, mapped in spec.fields.items())


def segment(handle: str) -> str:
    """Write a handle as one segment of a path."""
    return language_of(Speaks.REST.language).quote(Typed(FieldType.HANDLE, handle))


def said(word: Value | str) -> str | tuple[str, ...] | None:
    """Give a word as the device is told it: a flag without words of its own is `true` or `false`."""
    if not isinstance(word, Typed):
        return word
    return str(word.value).lower() if word.type is FieldType.FLAG else plain(word)


def shell(value: Typed | str) -> str:
    """Quote for a POSIX shell."""
    typed = value if isinstance(value, Typed) else Typed(FieldType.TEXT, value)
    return language_of(Speaks.SHELL.language).quote(typed)


def command(text: str, speaks: Speaks = Speaks.SHELL) -> Write:
    """Give the write of one command line."""
    return Write(Command(text), DEFAULT_EXPECT[speaks])


def constant(value: Json) -> Typed:
    """Give a constant of a profile for a console: bare where it is a plain word."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Typed(FieldType.HANDLE if _WORD.fullmatch(text) else FieldType.TEXT, text)
