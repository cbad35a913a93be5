"""Trees of attributes, written as a Plex Media Server writes them: XML, or JSON when asked."""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

from msgspec import Struct

from plexops.lab.base import HttpRequest, HttpResponse

Attribute = bool | int | float | str


class Element(Struct, frozen=True):
    """One element of an answer."""

    name: str
    attributes: tuple[tuple[str, Attribute], ...]
    children: tuple[Element, ...] = ()


def element(name: str, attributes: dict[str, Attribute], children: tuple[Element, ...] = ()) -> Element:
    """Build an element; a container's size counts its children."""
    return Element(name, tuple(attributes.items()), children)


def respond(request: HttpRequest, tree: Element) -> HttpResponse:
    """Answer with XML, or JSON where the Accept header names it."""
    if "application/json" in request.headers.get("accept", ""):
        return HttpResponse(200, json.dumps({tree.name: _as_json(tree)}).encode(), "application/json")
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{_as_xml(tree)}'
    return HttpResponse(200, body.encode(), "text/xml;charset=utf-8")


def refuse(status: int, reason: str) -> HttpResponse:
    """Answer with the server's HTML error page."""
    page = f"<html><head><title>{reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
    return HttpResponse(status, page.encode(), "text/html")


def _as_xml(tree: Element) -> str:
    attributes = "".join(f" {name}={quoteattr(_text(value))}" for name, value in tree.attributes)
    if not tree.children:
        return f"<{tree.name}{attributes}/>\n"
    return f"<{tree.name}{attributes}>\n{''.join(map(_as_xml, tree.children))}</{tree.name}>\n"


def _as_json(tree: Element) -> dict[str, object]:
    members: dict[str, object] = dict(tree.attributes)
    for child in tree.children:
        rows = members.setdefault(child.name, [])
        if isinstance(rows, list):
            rows.append(_as_json(child))
    return members


def _text(value: Attribute) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
