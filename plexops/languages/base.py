"""What every language offers, and the checks that are the same in all of them.

A language knows how one console, file format or interface writes a value. Profiles never quote: a value is written
by its type, and where a value may stand is checked when the profile is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Literal, Protocol

from plexops.model.exchange import Command, Read, Reply
from plexops.model.fields import FieldType, FieldValue, Typed
from plexops.model.values import Ports
from plexops.model.values import Protocol as TransportProtocol
from plexops.pattern import Pattern

LanguageName = Literal["posix", "routeros", "nft", "dnsmasq", "json", "tree"]

#: Types whose values may need quoting; only for them the place in a template matters.
QUOTED_TYPES = frozenset({FieldType.TEXT, FieldType.HANDLE})


class Language(Protocol):
    """One device language: how a value is written in it, and which of its commands only read."""

    def quote(self, value: Typed) -> str:
        """Write a value so that the device takes it as exactly one value.

        Raises ValueError for everything outside the type's alphabet, for control characters and for lone surrogates.
        """
        ...

    def refuse_text_at(self, before: str, after: str, kind: FieldType = FieldType.TEXT) -> str | None:
        """Tell why a TEXT (or HANDLE) variable may not stand between these two texts; None when it may.

        `before` is all of the template up to the variable, earlier variables as one letter each.
        """
        ...

    def refuse_read(self, text: str) -> str | None:
        """Tell why this command is not known to only read; None when it is on the allow-list."""
        ...


class Console(Protocol):
    """A language in which one exec carries many reads."""

    def frame(self, reads: Sequence[Read], nonce: str) -> str:
        """Write one script that runs all reads and marks where each answer starts and ends.

        `nonce` is unguessable, 8 to 64 letters and digits: a device's text that looks like a marker lacks it.
        """
        ...

    def split(
        self, reads: Sequence[Read], nonce: str, stdout: str, stderr: str, whole: bool
    ) -> tuple[Reply, ...]:
        """Give each read its own part of what came back, in the order of `reads`.

        `whole` is the transport's word that nothing was cut off. A reply without its end marker has `whole=False`.
        """
        ...


_UNWRITABLE = Pattern(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_text(text: str) -> str:
    """Give the text back; ValueError when it holds a control character or a lone surrogate."""
    wrong = _UNWRITABLE.search(text)
    if wrong is None:
        return text
    character = f"U+{ord(wrong[0]):04X} at position {wrong.start()}"
    if wrong[0] >= "\ud800":
        raise ValueError(f"lone surrogate {character} is no text")
    raise ValueError(f"control character {character} can't be written to a device")


_HANDLE = Pattern(r"[A-Za-z0-9_.:@*\[\]/ -]{1,128}")


def check_handle(text: str) -> str:
    """Give the handle back; ValueError outside `[A-Za-z0-9_.:@*[]/ -]{1,128}`.

    A leading minus is refused too: no quoting stops a command from taking it for an option.
    """
    if _HANDLE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no handle of an entry")
    if text.startswith("-"):
        raise ValueError(f"the handle {text!r} would be taken for an option")
    return text


def text_of(value: Typed) -> str:
    """Give the str of a TEXT or HANDLE value, its alphabet checked."""
    if not isinstance(value.value, str):
        raise ValueError(f"{value.value!r} is no text")  # noqa: TRY004 - quoting has one kind of refusal
    return check_text(value.value) if value.type is FieldType.TEXT else check_handle(value.value)


def _number(value: FieldValue) -> str:
    text = str(value)
    if isinstance(value, bool) or re.fullmatch(r"[0-9]{1,20}", text) is None:
        raise ValueError(f"{value!r} is no decimal number")
    return text


def _port(value: FieldValue) -> str:
    text = _number(value)
    if not 1 <= int(text) <= 65535:
        raise ValueError(f"{value!r} is no port (1 to 65535)")
    return str(int(text))


def _ports(value: FieldValue) -> str:
    ports = value if isinstance(value, Ports) else Ports.parse(str(value))
    if len(ports.ranges) != 1:
        raise ValueError(f"{str(ports)!r} is not one port or one range of ports")
    return str(ports)


def _address(value: FieldValue) -> str:
    if not isinstance(value, (str, IPv4Address)):
        raise ValueError(f"{value!r} is no IPv4 address")  # noqa: TRY004 - as above
    return str(IPv4Address(value))


def _protocol(value: FieldValue) -> str:
    return TransportProtocol(str(value)).value


def _full_match(pattern: str, what: str) -> Callable[[FieldValue], str]:
    compiled = Pattern(pattern)

    def check(value: FieldValue) -> str:
        if not isinstance(value, str) or compiled.fullmatch(value) is None:
            raise ValueError(f"{value!r} is no {what}")
        return value

    return check


_BARE: Mapping[FieldType, Callable[[FieldValue], str]] = MappingProxyType(
    {
        FieldType.NUMBER: _number,
        FieldType.PORT: _port,
        FieldType.PORTS: _ports,
        FieldType.ADDRESS: _address,
        FieldType.MAC: _full_match(
            r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", "MAC address in lower case with colons"
        ),
        FieldType.KEY: _full_match(r"[a-z][a-z0-9_]{0,19}", "key ([a-z][a-z0-9_]{0,19})"),
        FieldType.WORD: _full_match(
            r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "word ([A-Za-z0-9][A-Za-z0-9_.-]{0,62})"
        ),
        FieldType.PROTOCOL: _protocol,
    }
)


def bare(value: Typed) -> str:
    """Write a value of a type with a closed alphabet, which is harmless in every language.

    Raises ValueError for values outside the alphabet, and for FLAG: devices have their own words for true and
    false, and the profile has to map them.
    """
    if value.type is FieldType.FLAG:
        raise ValueError(
            "a flag has no words of its own: the profile maps true and false to the device's words"
        )
    return _BARE[value.type](value.value)


def plain(value: Typed) -> str:
    """Write a value as it is, its alphabet checked. Raises ValueError."""
    return text_of(value) if value.type in QUOTED_TYPES else bare(value)


def quoted_unless(harmless: Pattern, value: Typed, quote: Callable[[str], str]) -> str:
    """Write a value bare by its type, and a harmless handle too; any other text by `quote`. Raises ValueError."""
    if value.type not in QUOTED_TYPES:
        return bare(value)
    text = text_of(value)
    return text if value.type is FieldType.HANDLE and harmless.fullmatch(text) else quote(text)


def command_text(read: Read) -> str:
    """Give the command line of a read; ValueError for a read that is an HTTP request."""
    if not isinstance(read.ask, Command):
        raise ValueError(f"read {read.id!r} is an HTTP request and has no place on a console")  # noqa: TRY004
    return read.ask.text


_NONCE = Pattern(r"[A-Za-z0-9]{8,64}")


def check_nonce(nonce: str) -> str:
    """Give the nonce back; ValueError unless it is 8 to 64 letters and digits."""
    if _NONCE.fullmatch(nonce) is None:
        raise ValueError("a nonce is 8 to 64 letters and digits")
    return nonce
