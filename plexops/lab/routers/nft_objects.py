"""Named sets and helpers of connection tracking in a table, and how nft 1.0.6 prints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from plexops.lab.routers.nft_cursor import Cursor
from plexops.lab.routers.nft_language import SELECTORS, Selector, Value, ValueFault, concatenated, read_value
from plexops.lab.routers.nft_rules import elements, merged, read_element
from plexops.lab.routers.nft_tokens import NftError, Token

#: What holds values of each type.
_TYPES: Mapping[str, Selector] = {
    "ipv4_addr": SELECTORS["ip", "saddr"],
    "ipv6_addr": SELECTORS["ip6", "saddr"],
    "ether_addr": SELECTORS["ether", "saddr"],
    "inet_service": SELECTORS["tcp", "dport"],
}
_NEXT_LINE = ",\n\t\t\t     "


class Helper(Struct, frozen=True):
    """A helper of connection tracking (`ct helper`)."""

    name: str
    type: str
    protocol: str
    handle: int = 0

    @property
    def level(self) -> str:
        """The families that it is for: what the kernel's module says."""
        return "ip" if self.name in ("irc", "netbios-ns", "snmp") else "inet"

    def text(self, *, terse: bool, handle: str) -> str:
        """Give it as nft prints it."""
        body = f'\t\ttype "{self.type}" protocol {self.protocol}\n\t\tl3proto {self.level}\n'
        return f"\tct helper {self.name} {{{handle}\n{body}\t}}\n"

    def json(self, place: Mapping[str, str], *, terse: bool) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        what = {"type": self.type, "protocol": self.protocol, "l3proto": self.level}
        return {"ct helper": {"family": place["family"], "name": self.name, "table": place["table"],
                              "handle": self.handle, **what}}  # fmt: skip


class NamedSet(Struct, frozen=True):
    """A named set; `-t` leaves its elements out."""

    name: str
    types: tuple[str, ...]
    flags: tuple[str, ...] = ()
    comment: str = ""
    merging: bool = False
    elements: tuple[Value, ...] = field(default=())
    handle: int = 0

    def holds(self, number: int) -> bool:
        """Tell whether a value is in it."""
        return any(value.first <= number <= value.last for value in self.elements)

    def text(self, *, terse: bool, handle: str) -> str:
        """Give it as nft prints it."""
        lines = [f"type {' . '.join(self.types)}"]
        lines += [f"flags {','.join(self.flags)}"] if self.flags else []
        lines += ["auto-merge"] if self.merging else []
        lines += [f'comment "{self.comment}"'] if self.comment else []
        if self.elements and not terse:
            between = ", " if len(self.types) == 1 else _NEXT_LINE
            lines.append(f"elements = {{ {between.join(value.text for value in self.elements)} }}")
        return f"\tset {self.name} {{{handle}\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"

    def json(self, place: Mapping[str, str], *, terse: bool) -> dict[str, Any]:
        """Give it as `nft -j` does."""
        inner: dict[str, Any] = {
            "family": place["family"], "name": self.name, "table": place["table"],
            "type": self.types[0] if len(self.types) == 1 else list(self.types), "handle": self.handle,
        }  # fmt: skip
        inner |= {"comment": self.comment} if self.comment else {}
        inner |= {"flags": list(self.flags)} if self.flags else {}
        if self.elements and not terse:
            inner["elem"] = [value.json for value in self.elements]
        return {"set": inner}


def read_helper(parser: Cursor, name: str) -> Helper:
    """Read the block of a helper, behind its name."""
    parser.expect("{")
    parser.separators()
    parser.expect("type", "type")
    kind = parser.next().text
    parser.expect("protocol", "protocol")
    protocol = parser.word().text
    parser.separators()
    parser.expect("}")
    return Helper(name, kind, protocol)


def read_set(parser: Cursor, name: str) -> NamedSet:
    """Read the block of a named set, behind its name.

    Raises NftError.
    """
    types: list[str] = []
    values: list[Value] = []
    flags: list[str] = []
    comment, merging = "", False
    parser.expect("{")
    parser.separators()
    while not parser.accept("}"):
        word = parser.word()
        if word.text == "type":
            types.append(_type(parser))
            while parser.at("."):
                parser.next()
                types.append(_type(parser))
        elif word.text == "flags":
            flags.append(parser.word().text)
            while parser.accept(","):
                flags.append(parser.word().text)
        elif word.text == "comment":
            comment = parser.next().text
        elif word.text == "auto-merge":
            merging = True
        elif word.text == "elements":
            parser.expect("=")
            parser.expect("{")
            fields = tuple(_TYPES[kind] for kind in types)
            selector = concatenated(fields) if len(fields) > 1 else fields[0]
            values = elements(parser, lambda of=selector: read_element(parser, of, _value))  # type: ignore[misc]
        elif word.text not in ("size", "timeout"):
            parser.unexpected()
        else:
            parser.next()
        parser.separators()
    held = merged(values) if "interval" in flags else tuple(values)
    return NamedSet(name, tuple(types), tuple(flags), comment, merging, held)


def _type(parser: Cursor) -> str:
    token = parser.word()
    if token.text not in _TYPES:
        raise NftError("syntax error, unexpected string", token)
    return token.text


def _value(selector: Selector, token: Token) -> Value:
    try:
        return read_value(selector.kind, token.text, quoted=token.kind == "quoted")
    except ValueFault as fault:
        raise NftError(str(fault), token) from None
