"""The templates of profiles: `{{ name }}` and nothing else.

It looks like Jinja2, and is less: statements, comments, filters, calls, attributes and arithmetic are refused when a
profile is loaded. Device data never meets a template engine, and a profile stays data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from plexops.languages.base import QUOTED_TYPES, Language, plain
from plexops.model.exchange import Json
from plexops.model.fields import FieldType, Typed
from plexops.pattern import Pattern

#: Stands for a variable in the text before a later one: whatever its value, it is part of a word.
_PLACEHOLDER = "x"
_LEAF = Pattern(r"\{\{ *([A-Za-z_][A-Za-z0-9_]*) *\}\}")
_ANY_MARK = Pattern(r"\{[{%#]|[}%#]\}")


class TemplateProblem(ValueError):
    """A template that can't be used, or values that don't fit it. `where` is the place in the profile."""

    def __init__(self, reason: str, where: str = "") -> None:
        self.reason = reason
        self.where = where
        super().__init__(f"{where}: {reason}" if where else reason)


class Variable(Struct, frozen=True):
    """A variable of a template, with the type that decides how it is quoted."""

    name: str
    type: FieldType


class Template(Struct, frozen=True):
    """A checked template: literal texts and variables in order."""

    parts: tuple[str | Variable, ...]
    language: Language
    where: str = ""

    @property
    def names(self) -> frozenset[str]:
        """The variables that a rendering needs."""
        return frozenset(part.name for part in self.parts if isinstance(part, Variable))

    def render(self, values: Mapping[str, Typed]) -> str:
        """Fill in the values, each quoted by its type.

        Raises TemplateProblem for a missing value, one of another type than the template was checked for, and one
        that the language can't write.
        """
        return "".join(
            part
            if isinstance(part, str)
            else _written(part.name, values, self.language.quote, self.where, part.type)
            for part in self.parts
        )


def compile_template(
    text: str, language: Language, variables: Mapping[str, FieldType], where: str
) -> Template:
    """Check a template once, when its profile is loaded.

    Raises TemplateProblem for anything but `{{ name }}`, for names that `variables` does not hold, for flags, and for
    text at a place where the language can't hold it as one value.
    """
    parts = tuple(
        _variable(piece, variables, where) if is_name else piece for is_name, piece in _pieces(text, where)
    )
    _check_places(parts, language, where)
    return Template(parts, language, where)


def _pieces(text: str, where: str) -> Iterator[tuple[bool, str]]:
    """Yield literal texts (False) and names (True). All of Jinja2 but `{{ name }}` is refused, so none of it runs."""
    end = 0
    for name in _LEAF.finditer(text):
        yield from _literal(text[end : name.start()], where)
        yield True, name[1]
        end = name.end()
    yield from _literal(text[end:], where)


def _literal(text: str, where: str) -> Iterator[tuple[bool, str]]:
    mark = _ANY_MARK.search(text)
    if mark is not None:
        found = text[mark.start() :][:40]
        raise TemplateProblem(f"only {{{{ name }}}} may stand in a template, not {found!r}", where)
    if text:
        yield False, text


def _variable(name: str, variables: Mapping[str, FieldType], where: str) -> Variable:
    if name not in variables:
        from difflib import get_close_matches  # only what is misspelt asks for it

        near = get_close_matches(name, sorted(variables), n=1)
        hint = (
            f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(variables)) or 'none'}"
        )
        raise TemplateProblem(f"unknown variable {name!r}{hint}", where)
    if variables[name] is FieldType.FLAG:
        raise TemplateProblem(f"{name!r} is a flag: map it to the device's words with `values:`", where)
    return Variable(name, variables[name])


def _check_places(parts: Sequence[str | Variable], language: Language, where: str) -> None:
    before = ""
    for at, part in enumerate(parts):
        if isinstance(part, str):
            before += part
            continue
        if part.type in QUOTED_TYPES:
            following = parts[at + 1] if at + 1 < len(parts) else ""
            after = following if isinstance(following, str) else _PLACEHOLDER
            reason = language.refuse_text_at(before, after, part.type)
            if reason:
                raise TemplateProblem(
                    f"{{{{ {part.name} }}}} is {part.type.value} and stands {reason}", where
                )
        before += _PLACEHOLDER


def _written(
    name: str,
    values: Mapping[str, Typed],
    write: Callable[[Typed], str],
    where: str = "",
    kind: FieldType | None = None,
) -> str:
    value = values.get(name)
    if value is None:
        raise TemplateProblem(f"no value for {name!r}", where)
    if kind is not None and value.type is not kind:
        raise TemplateProblem(
            f"{name!r} is {value.type.value}, the template was checked for {kind.value}", where
        )
    try:
        return write(value)
    except ValueError as error:
        raise TemplateProblem(f"{name}: {error}", where) from error


def check_structure(structure: Json, variables: Mapping[str, FieldType], where: str) -> frozenset[str]:
    """Check the body of an HTTP request once, when its profile is loaded; give the names that it needs.

    A leaf is literal, or exactly one `{{ name }}`. Raises TemplateProblem for anything else, for unknown names and
    flags, and for names of fields that are not literal.
    """
    names: set[str] = set()
    for place, leaf, is_key in _texts(structure, where):
        name = _leaf_name(leaf)
        if name is None and _ANY_MARK.search(leaf) is None:
            continue
        if name is None:
            raise TemplateProblem(f"{leaf!r} must be literal or exactly one {{{{ name }}}}", place)
        if is_key:
            raise TemplateProblem(f"the field {leaf!r} must have a literal name", place)
        names.add(_variable(name, variables, place).name)
    return frozenset(names)


def fill_structure(structure: Json, values: Mapping[str, Typed]) -> Json:
    """Fill the leaves of a checked structure. Every value goes in as text: numbers and ports in decimal.

    Raises TemplateProblem for missing values and for those outside their type's alphabet.
    """
    if isinstance(structure, str):
        name = _leaf_name(structure)
        return structure if name is None else _written(name, values, plain)
    if isinstance(structure, Mapping):
        return {key: fill_structure(item, values) for key, item in structure.items()}
    if isinstance(structure, Sequence):
        return [fill_structure(item, values) for item in structure]
    return structure


def _leaf_name(text: str) -> str | None:
    match = _LEAF.fullmatch(text)
    return match[1] if match else None


def _texts(structure: Json, where: str) -> Iterator[tuple[str, str, bool]]:
    """Yield every text of a structure with its place, and whether it is the name of a field."""
    if isinstance(structure, str):
        yield where, structure, False
    elif isinstance(structure, Mapping):
        for key, item in structure.items():
            yield where, key, True
            yield from _texts(item, f"{where}.{key}")
    elif isinstance(structure, Sequence):
        for index, item in enumerate(structure):
            yield from _texts(item, f"{where}[{index}]")
