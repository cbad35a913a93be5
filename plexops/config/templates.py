"""`{{ … }}` in values: names, attributes, literals and a few filters. Nothing that computes, calls or repeats.

Jinja2 reads the text; what it read is then checked and evaluated here, never compiled or run. So no template can
cost time or reach anything but variables, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from plexops.config.problems import ascii_safe, shown
from plexops.config.typed import Misfit
from plexops.model.site import Value
from plexops.pattern import Pattern

MAX_TEMPLATE = 4096
MAX_TOKENS = 60
_MAX_BRACKETS = 8

#: The commonest template. Reading it here spares the 50 ms that importing Jinja2 costs.
_PLAIN_NAME = Pattern(r"\{\{ *([A-Za-z_]\w*(?:\.[A-Za-z_]\w*){0,8}) *\}\}", re.ASCII)
_WORDS_OF_LOGIC = frozenset({"and", "or", "not", "in", "is", "if", "else", "loop", "self", "namespace"})
_OPERATORS = frozenset({".", "|", "(", ")", ",", "="})
_CURE = "Write a name, an attribute or a filter: {{ external_port }}, {{ plex.port }}, {{ name | default('plex') }}."


class Literal(Struct, frozen=True):
    """A value written out."""

    value: Value


class Name(Struct, frozen=True):
    """A variable and its attributes: `plex.port` is ("plex", "port")."""

    path: tuple[str, ...]


class Apply(Struct, frozen=True):
    """A filter on something."""

    filter: str
    operand: Expression
    arguments: tuple[Expression, ...]


Expression = Literal | Name | Apply

#: Texts and expressions in turn, as they stand in the value.
Template = tuple[str | Expression, ...]


def is_template(text: str) -> bool:
    """Tell whether a text holds any of the marks that a template has."""
    return "{{" in text or "{%" in text or "{#" in text


def _unread(reason: str, cure: str = _CURE) -> Misfit:
    return Misfit("PLX-C401", reason, cure)


@lru_cache(maxsize=512)
def parse_template(text: str) -> Template:
    """Read a text with `{{ … }}`. Raises Misfit for all that we do not evaluate."""
    plain = _PLAIN_NAME.fullmatch(text)
    path = tuple(plain[1].split(".")) if plain else ()
    if plain and not _WORDS_OF_LOGIC & set(path) and plain[1].lower() not in {"true", "false", "none"}:
        return (Name(path),)
    if len(text) > MAX_TEMPLATE:
        raise _unread("a text with {{ }} may have 4,096 characters, and this has more", "Shorten it.")
    import jinja2

    environment = jinja2.Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 - nothing is rendered
    try:
        _refuse_tokens(environment.lex(text))
        body = environment.parse(text).body
    except jinja2.TemplateSyntaxError as error:
        said = ascii_safe(error.message or "")
        raise _unread(f"this is no template that can be read: {said}") from None
    return tuple(_parts(body))


def _refuse_tokens(tokens: Iterator[tuple[int, str, str]]) -> None:
    """Judge the words before they are parsed: what is left can neither nest deeply nor compute."""
    count = depth = 0
    for _line, kind, text in tokens:
        if kind == "block_begin" or kind.startswith("raw"):
            raise _unread("{% %} is not read: plexops has no conditions and no loops")
        if kind.startswith("comment"):
            raise _unread("{# #} is not read", "Write a YAML comment: # …")
        if kind == "operator" and text not in _OPERATORS:
            raise _unread(f"{shown(text)} is not read inside {{{{ }}}}: values are named, not computed")
        if kind == "name" and text in _WORDS_OF_LOGIC:
            raise _unread(f"{shown(text)} is not read inside {{{{ }}}}: plexops has no conditions")
        if kind == "float":
            raise _unread("numbers with a fraction are not read")
        count += kind not in {"whitespace", "data"}
        depth = max(0, depth + (text == "(") - (text == ")")) if kind == "operator" else depth
        if count > MAX_TOKENS or depth > _MAX_BRACKETS:
            raise _unread("this template is too long to be understood", "Give its parts names under “vars:”.")


def _parts(body: list[Any]) -> Iterator[str | Expression]:
    import jinja2.nodes as jinja

    for output in body:
        if not isinstance(output, jinja.Output):
            raise _unread("only {{ }} is read here")
        for node in output.nodes:
            yield node.data if isinstance(node, jinja.TemplateData) else _expression(node)


def _expression(node: Any) -> Expression:
    import jinja2.nodes as jinja

    if isinstance(node, jinja.Const) and isinstance(node.value, (str, int, bool)):
        return Literal(node.value)
    if isinstance(node, jinja.Name):
        return Name((node.name,))
    if isinstance(node, jinja.Getattr):
        below = _expression(node.node)
        if isinstance(below, Name):
            return Name((*below.path, node.attr))
    if isinstance(node, jinja.Filter):
        return _filter(node)
    if isinstance(node, jinja.Call):
        raise _unread("nothing can be called inside {{ }}")
    raise _unread("only names, attributes, texts, whole numbers and filters are read inside {{ }}")


def _filter(node: Any) -> Apply:
    if node.name not in _FILTERS:
        known = f"Filters are: {', '.join(_FILTERS)}."
        raise _unread(f"there is no filter {shown(node.name)}", known)
    wanted, shape, _ = _FILTERS[node.name]
    if node.kwargs or node.dyn_args or node.dyn_kwargs or len(node.args) != wanted or node.node is None:
        raise _unread(f"the filter {node.name} is not written like this", f"Write {shape}.")
    return Apply(node.name, _expression(node.node), tuple(_expression(argument) for argument in node.args))


def _to_int(value: Value) -> Value:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        reason = "the filter int takes a number or a text of digits"
        raise Misfit("PLX-C404", reason, "Look at what it is given.")
    # Jinja2's own int gives 0 for what it cannot read: a port 0 out of a slip of the pen.
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,17}", value, re.ASCII):
        raise Misfit("PLX-C404", f"the filter int cannot read {shown(value)}", "Write it in plain digits.")
    return int(value)


def _replace(value: Value, old: Value, new: Value) -> Value:
    if str(old) == "":
        raise Misfit("PLX-C404", "the filter replace cannot replace nothing", "Name the text to replace.")
    return as_words(value).replace(as_words(old), as_words(new))


def as_words(value: Value) -> str:
    """Write a value into a text, in YAML's own words. Raises Misfit for tables and nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise Misfit("PLX-C404", "a table cannot stand in a text", "Name one of its values: {{ table.name }}.")


#: By name: how many arguments it takes, how it is written, and what it does. `default` catches a name that is unknown.
_FILTERS: Mapping[str, tuple[int, str, Callable[..., Value]]] = {
    "int": (0, "{{ port | int }}", _to_int),
    "string": (0, "{{ port | string }}", as_words),
    "lower": (0, "{{ name | lower }}", lambda value: as_words(value).lower()),
    "upper": (0, "{{ name | upper }}", lambda value: as_words(value).upper()),
    "default": (1, "{{ external_port | default(32500) }}", lambda value, _: value),
    "replace": (2, "{{ name | replace('-', '_') }}", _replace),
}


class UndefinedError(Misfit):
    """A name that no variable has. `default` catches it, and nothing else."""


def evaluate(expression: Expression, lookup: Callable[[tuple[str, ...]], Value]) -> Value:
    """Give an expression's value. `lookup` gives a name's value or raises UndefinedError. Raises Misfit."""
    match expression:
        case Literal(value):
            return value
        case Name(path):
            return lookup(path)
        case Apply("default", operand, arguments):
            try:
                return evaluate(operand, lookup)
            except UndefinedError:
                return evaluate(arguments[0], lookup)
        case Apply(name, operand, arguments):
            value = _FILTERS[name][2](evaluate(operand, lookup), *(evaluate(a, lookup) for a in arguments))
            if isinstance(value, str) and len(value) > MAX_TEMPLATE:
                raise Misfit("PLX-C404", "the result is longer than 4,096 characters", "Shorten it.")
            return value
