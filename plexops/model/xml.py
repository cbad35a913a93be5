"""XML of a device, untrusted: nothing but plain elements.

DOCTYPE and entities are refused as they begin; size, depth and number of elements are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from msgspec import Struct

_LARGEST = 64 * 1024
_DEEPEST = 32
_MOST_ELEMENTS = 2000
_LONGEST_TEXT = 200


class Element(Struct):
    """One element: its name without namespace, its text, its children."""

    name: str
    text: str = ""
    children: list[Element] = []

    def all(self, name: str) -> Iterator[Element]:
        """Give this element and those below it that bear a name."""
        if self.name == name:
            yield self
        for child in self.children:
            yield from child.all(name)

    def said(self, name: str) -> str:
        """Give the text of a child, printable and cut; empty where there is none."""
        found = next((child.text for child in self.children if child.name == name), "")
        return "".join(char if char.isprintable() else " " for char in found).strip()[:_LONGEST_TEXT]

    def texts(self) -> dict[str, str]:
        """Give the texts of all children by name, whole. Raises ValueError where one holds more, or two are named alike."""
        found = {child.name: child.text for child in self.children}
        if len(found) < len(self.children) or any(child.children for child in self.children):
            raise ValueError(f"{self.name} is no plain list of values")
        return found


def read_elements(text: str) -> Element:
    """Read a document into elements. Raises ValueError for what is no XML, has a DOCTYPE, or is too much."""
    if len(text) > _LARGEST:
        raise ValueError("the document is too large")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = builder.refuse_doctype
    parser.EntityDeclHandler = builder.refuse_doctype
    parser.StartElementHandler = builder.begin
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(text.lstrip("\ufeff \r\n\t\0").rstrip("\0"), True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML ({expat.ErrorString(error.code)})") from None
    return builder.root


class _Builder:
    """Builds elements while expat reads."""

    def __init__(self) -> None:
        self._open = [Element("")]
        self._count = 0

    @property
    def root(self) -> Element:
        return self._open[0].children[0]

    def refuse_doctype(self, *_: object) -> None:
        raise ValueError("the document has a DOCTYPE")

    def begin(self, name: str, _attributes: object) -> None:
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) > _DEEPEST:
            raise ValueError("the document has too many elements")
        element = Element(name.rpartition(" ")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].text += data
