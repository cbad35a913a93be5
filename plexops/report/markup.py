"""HTML that is safe by construction: a text is escaped unless it is already `Html`, and only `tag` makes `Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable

from msgspec import Struct

_VOID = frozenset({"meta", "br", "hr"})


class Html(Struct, frozen=True):
    """A piece of finished markup."""

    text: str


Child = Html | str | None


def tag(element: str, /, *children: Child, **attributes: str | int | float | None) -> Html:
    """Give one element. `class_` is `class`, `data_label` is `data-label`; None leaves an attribute or child out.

    Raises ValueError for what this report never has: event handlers, styles, sources, and links out of the page.
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if element in _VOID:
        return Html(f"<{element}{shown}>")
    return Html(f"<{element}{shown}>{join(children).text}</{element}>")


def join(children: Iterable[Child]) -> Html:
    """Give several pieces as one; texts are escaped."""
    return Html("".join(_escape(child) for child in children if child is not None))


def _escape(child: Html | str) -> str:
    return child.text if isinstance(child, Html) else html.escape(child)


def _attribute(key: str, value: str | float) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name.startswith("on") or name in {"style", "src", "srcset", "action"}:
        raise ValueError(f"a report has no attribute {name}")
    if name == "href" and not str(value).startswith("#"):
        raise ValueError("a report links only into itself")
    return f' {name}="{html.escape(str(value))}"'
