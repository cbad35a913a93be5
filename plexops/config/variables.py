"""Variables by name: where each comes from, which one wins, and what a text with `{{ … }}` becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from plexops.config.nodes import Entry, Node, Scalar, Table, join
from plexops.config.problems import Problems, nearest, shown
from plexops.config.schemas import schema_of
from plexops.config.templates import (
    MAX_TEMPLATE,
    Name,
    UndefinedError,
    as_words,
    evaluate,
    is_template,
    parse_template,
)
from plexops.config.typed import Misfit
from plexops.config.validate import SchemaCheck
from plexops.config.yaml import load_yaml_document, parse_yaml, scalar_value
from plexops.model.errors import Place
from plexops.model.site import Site, Value, Variable
from plexops.pattern import Pattern

#: Names that the site answers.
BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "site": (),
    "plex": ("address", "port"),
    "server": ("address", "mac"),
    "router": ("address",),
}
_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for", "loop", "self", "namespace", "range"}) | {
    "true", "false", "none", "null",
}  # fmt: skip
_SECRET = Pattern(
    r"(?:^|_)(?:password|passwd|passphrase|secret|token|api_?key|private_key)(?:_|$)", re.IGNORECASE
)
_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)


class TemplateMisfit(Misfit):
    """What is wrong with a template, and the variable's place where it is wrong (None: in the asked text itself)."""

    def __init__(self, misfit: Misfit, place: Place | None) -> None:
        super().__init__(misfit.code, misfit.reason, misfit.cure)
        self.place = place


class Scope:
    """The variables that one task sees. `builtins` are plain values; variables may hold templates."""

    def __init__(self, builtins: Mapping[str, Value], known: Mapping[str, Variable]) -> None:
        self._builtins = builtins
        self._known = known
        self._done: dict[str, Value] = {}
        self._open: list[str] = []

    def render(self, text: str) -> Value:
        """Give a text's value: a whole-value `{{ x }}` keeps its type. Raises TemplateMisfit."""
        try:
            return self._text(text)
        except TemplateMisfit:
            raise
        except Misfit as misfit:
            raise TemplateMisfit(misfit, None) from None

    def origin(self, value: object) -> Place | None:
        """Tell where the variable was written that a whole-value `{{ name }}` names; None for all else."""
        try:
            parts = parse_template(value) if isinstance(value, str) and is_template(value) else ()
        except Misfit:
            return None
        if len(parts) == 1 and isinstance(parts[0], Name) and parts[0].path[0] not in self._builtins:
            variable = self._known.get(parts[0].path[0])
            return variable.place if variable else None
        return None

    def _text(self, text: str) -> Value:
        if not is_template(text):
            return text
        parts = parse_template(text)
        if len(parts) == 1 and not isinstance(parts[0], str):
            return evaluate(parts[0], self._lookup)
        result = "".join(p if isinstance(p, str) else as_words(evaluate(p, self._lookup)) for p in parts)
        if len(result) > MAX_TEMPLATE:
            raise Misfit("PLX-C404", "the result is longer than 4,096 characters", "Shorten it.")
        return result

    def _lookup(self, path: tuple[str, ...]) -> Value:
        value = self._root(path[0])
        for depth, attribute in enumerate(path[1:], start=1):
            if not isinstance(value, Mapping) or attribute not in value:
                siblings = value if isinstance(value, Mapping) else {}
                raise self._undefined(".".join(path[: depth + 1]), siblings, path[:depth])
            value = value[attribute]
        return value

    def _root(self, name: str) -> Value:
        if name in self._builtins:
            return self._builtins[name]
        variable = self._known.get(name)
        if variable is None:
            raise self._undefined(name, {**self._builtins, **self._known}, ())
        if name not in self._done:
            self._done[name] = self._variable(name, variable)
        return self._done[name]

    def _variable(self, name: str, variable: Variable) -> Value:
        if name in self._open:
            circle = " → ".join([*self._open[self._open.index(name) :], name])
            reason = f"these variables name each other: {circle}"
            raise TemplateMisfit(Misfit("PLX-C403", reason, "Give one of them a value."), variable.place)
        self._open.append(name)
        try:
            return self._deep(variable.value)
        except TemplateMisfit:
            raise
        except Misfit as misfit:
            raise TemplateMisfit(misfit, variable.place) from None
        finally:
            self._open.pop()

    def _deep(self, value: Value) -> Value:
        if isinstance(value, Mapping):
            return {key: self._deep(item) for key, item in value.items()}
        return self._text(value) if isinstance(value, str) else value

    def _undefined(
        self, name: str, siblings: Mapping[str, object], parent: tuple[str, ...]
    ) -> UndefinedError:
        known_of_site = len(parent) == 1 and name.split(".")[1] in BUILT_IN.get(parent[0], ())
        if known_of_site:
            reason = f"the inventory does not say {name} for this site"
            cure = f"Write “{name.split('.')[1]}:” under the site's “{parent[0]}:”."
            return UndefinedError("PLX-C507", reason, cure)
        close = nearest(name.rpartition(".")[2], siblings)
        meant = ".".join((*parent, close))
        cure = f"Did you mean {meant}? " if close else ""
        cure += "Set it under “vars:” of the site, a group, the defaults or the play, or with -e."
        return UndefinedError("PLX-C402", f"no variable {shown(name)} is defined", cure)


def built_ins(site: Site) -> Mapping[str, Value]:
    """Give what a site itself answers: `site`, `plex.port`, `server.mac` … What it does not know is left out."""
    plex, server = site.plex, site.server
    known: dict[str, dict[str, object]] = {
        "plex": {"port": plex.port, "address": plex.address} if plex else {},
        "server": {"address": server.address, "mac": server.mac} if server else {},
        "router": {"address": site.router.address} if site.router else {},
    }

    def said(values: Mapping[str, object]) -> Value:
        return {
            name: v if isinstance(v, int) else str(v) for name, v in values.items() if v not in (None, "")
        }

    return {"site": site.name, **{role: said(values) for role, values in known.items()}}


def read_variables(node: Node | None, path: str, problems: Problems) -> Mapping[str, Variable]:
    """Read a `vars:` table whose shape the schema has judged; add what only we can judge."""
    if not isinstance(node, Table):
        return MappingProxyType({})
    found = {}
    for name, entry in node.entries.items():
        if _NAME.fullmatch(name):
            _check_name(name, entry, join(path, name), problems)
        found[name] = Variable(_value(entry.value, join(path, name), problems), entry.value.place)
    return MappingProxyType(found)


def check_text(text: str, place: Place, path: str, problems: Problems) -> None:
    """Judge a text's templates without evaluating them."""
    if is_template(text):
        try:
            parse_template(text)
        except Misfit as misfit:
            problems.add(misfit.code, place, path, misfit.reason, misfit.cure)


def extra_variables(options: Sequence[str]) -> Mapping[str, Variable]:
    """Read all `-e`: `name=value`, `@file.yaml`, or a table in JSON or YAML; later ones win. Raises PlexopsError."""
    problems = Problems()
    found: dict[str, Variable] = {}
    for number, option in enumerate(options, start=1):
        found |= _extra(option, number, problems)
    problems.raise_if_any()
    return MappingProxyType(found)


def _extra(option: str, number: int, problems: Problems) -> Mapping[str, Variable]:
    place = Place("-e", number, 1)
    if option.startswith("@"):
        node = load_yaml_document(Path(option[1:]), option[1:])
    elif option.lstrip().startswith("{"):
        node = parse_yaml(option, "-e")
    else:
        name, equals, text = option.partition("=")
        if not equals:
            cure = "Write -e name=value, -e @file.yaml or -e '{\"name\": value}'."
            problems.add("PLX-C405", place, "", f"{shown(option)} sets no variable", cure)
            return {}
        value = Scalar(scalar_value(text) if text else "", text, place)
        node = Table({name.strip(): Entry(value, place)}, place)
    inventory = schema_of("inventory")
    variables = inventory["properties"]["defaults"]["properties"]["vars"]
    SchemaCheck({**variables, "definitions": inventory["definitions"]}).problems(node, problems)
    return read_variables(node, "", problems)


def _check_name(name: str, entry: Entry, path: str, problems: Problems) -> None:
    if name in BUILT_IN or name.lower() in _WORDS:
        why = "the site itself answers it" if name in BUILT_IN else "it has a meaning of its own in {{ }}"
        reason = f"a variable cannot be called {name}: {why}"
        problems.add("PLX-C406", entry.place, path, reason, "Call it otherwise.")
    elif _SECRET.search(name):
        reason = f"{name} looks like a secret, and variables are shown in plans and reports"
        cure = "Give secrets as {env: NAME}, {file: PATH} or {ask: true} at the device that needs them."
        problems.add("PLX-C406", entry.place, path, reason, cure)


def _value(node: Node, path: str, problems: Problems) -> Value:
    if isinstance(node, Scalar):
        if isinstance(node.value, str):
            check_text(node.value, node.place, path, problems)
        return node.value
    if isinstance(node, Table):
        return {key: _value(entry.value, join(path, key), problems) for key, entry in node.entries.items()}
    return None
