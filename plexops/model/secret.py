"""A value that must never be seen: it cannot print itself, and compares without leaking time."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """A password, key or token. `reveal()` is for the transport, at the moment a request leaves."""

    __slots__ = ("_text", "reference")

    def __init__(self, text: str, reference: str) -> None:
        self._text = text
        #: How the user named it (`env:PLEX_TOKEN`): this is what plans, journals and errors carry.
        self.reference = reference

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.reference)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled")
