"""Masking that keeps a text's form: each identifier becomes a made-up one of its shape, the same one everywhere.

So what joins two answers of a device still joins them, and a parser reads the text as before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from plexops.evidence import contexts
from plexops.evidence.contexts import Context, Seen
from plexops.evidence.masking import Masked, Masker
from plexops.evidence.scrub import Scrubber, spellings
from plexops.pattern import Pattern

#: Networks for documentation (RFC 5737), and one for what goes beyond three (RFC 2544).
_NETWORKS = ("203.0.113", "198.51.100", "192.0.2")
#: Beside these stands a host's own name, or a home's.
_HOST_NAMES = Context(r"(?:(?<![a-z])(?:host|domain)[-_]?names?(?![a-z]))", ("host", "domain"))
#: What OPNsense says beside `pass`, which is no password there.
_SWITCHES = frozenset({"pass", "rule"})
_HEX = Pattern(r"[0-9a-fA-F]")
_LETTER = Pattern(r"[^\W\d_]")


class Placeholders(Masker):
    """Masks the answers of one device. `names` are what it calls its hosts and entries; words in `common` are no names."""

    def __init__(self, secrets: Scrubber, names: Iterable[str], common: Iterable[str]) -> None:
        super().__init__(b"", secrets)
        self._numbers: dict[str, dict[str, int]] = {}
        self._common = {word.casefold() for word in common}
        self._names = {
            spelling.casefold(): name
            for name in names
            if _LETTER.search(name) and name.casefold() not in self._common
            for spelling in spellings(name)
        }
        longest_first = sorted(self._names, key=len, reverse=True)
        self._named = re.compile(
            rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE
        )

    def mask(self, text: str) -> Masked:
        """Give the text with a placeholder for each name, secret and identifier."""
        if self._names:
            text = self._named.sub(
                lambda found: self._name(self._names.get(found[0].casefold(), found[0])), text
            )
        return super().mask(text)

    def _name(self, name: str) -> str:
        known = name.casefold() in self._common or not _LETTER.search(name)
        return name if known else f"name-{self._number('name', name)}"

    def _number(self, kind: str, value: str) -> int:
        """Count what was met of a kind: a value met again has the number that it had."""
        met = self._numbers.setdefault(kind, {})
        return met.setdefault(value.casefold(), len(met) + 1)

    def _secret(self, value: str) -> str:
        return value if value in _SWITCHES else super()._secret(value)

    def _identifiers(self, text: str, seen: Seen) -> str:
        text = contexts.replace_beside(text, seen, _HOST_NAMES, self._host_name)
        return super()._identifiers(text, seen)

    def _host_name(self, value: str) -> str:
        met = self._numbers.get("name", {}).values()
        return value if value in {f"name-{number}" for number in met} else self._name(value)

    def _shaped(self, kind: str, text: str) -> str:
        number = self._number(kind, text)
        if kind == "email":
            return f"user-{number}@example.net"
        if kind == "plex.direct":
            return f"{number}.plex.direct"
        return _with_digits(text, number)

    def _pseudonym(self, kind: str, value: str) -> str:
        return value if super()._pseudonym(kind, value) == value else f"{kind}-{self._number(kind, value)}"

    def _hidden_mac(self, text: str, digits: str) -> str:
        return _with_digits(text, 0x02 << 40 | self._number("mac", digits))

    def _hidden_v4(self, address: IPv4Address, separator: str) -> str:
        network, _, last = str(address).rpartition(".")
        place = self._number("network", network) - 1
        base = _NETWORKS[place] if place < len(_NETWORKS) else f"198.18.{place}"
        host = last if last in ("0", "255") else str(self._number(network, last))
        return f"{base}.{host}".replace(".", separator)

    def _hidden_v6(self, address: IPv6Address, kept: int) -> str:
        network, host = divmod(int(address), 1 << 64)
        if kept == 2:  # a public one
            network = int(IPv6Address("2001:db8::")) >> 64 | self._number("network of IPv6", str(network))
        place = self._number("host of IPv6", str(host)) if host else 0
        return str(IPv6Address(network << 64 | place))


def _with_digits(text: str, number: int) -> str:
    """Give a text with its hexadecimal digits replaced by those of a number."""
    digits = iter(f"{number:0{len(_HEX.findall(text))}x}")
    return _HEX.sub(lambda _: next(digits), text)
