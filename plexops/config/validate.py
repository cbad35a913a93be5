"""A document against its schema, with our own words for what is wrong: one message per slip, never the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from plexops.config import typed
from plexops.config.hints import Where, hints
from plexops.config.nodes import Node, Scalar, Table, at, dotted, join, plain
from plexops.config.problems import Problems, misspelt, nearest, shown
from plexops.config.remembered import digest_of, is_remembered, remember
from plexops.config.schemas import TEMPLATE, WANTS, Schema
from plexops.config.typed import Misfit
from plexops.model.errors import Place
from plexops.model.resources import RESOURCES

if TYPE_CHECKING:
    from jsonschema import Draft7Validator, ValidationError

_NAMES_HOSTS = frozenset({"hosts", "all", "children"})
_SECRETS = frozenset({"secret", "token"})
_WORDS_FOR: Mapping[str, str] = {
    "table": "a table (indented “name: value” lines)",
    "secret": "a table such as {env: NAME}",
    "token": "a table such as {from: server}",
    "list": "a list (lines that start with “- ”)",
    "playbook": "a list of plays (it starts with “- name: …”)",
    "play": "a table with “sites:” and “tasks:”",
    "task": "a table with one kind, such as “- port_forward: {external_port: 32500}”",
    "pattern": "a name, a group, a glob or all",
    "ports": "ranges of ports, such as 16384-32767",
    "variable value": "a text, a number, true or false, or a table of these",
}
#: A value of one of these types is judged by the same function that later makes the typed value of it.
_TYPED: Mapping[str, Callable[[Any], object]] = {
    "port": typed.port,
    "number": typed.number,
    "flag": typed.flag,
    "text": typed.as_text,
}


class SchemaCheck:
    """One schema, ready to judge documents. `words`: of which file other tools' words may be mistaken for its keys."""

    def __init__(self, schema: Schema, words: Where | None = None) -> None:
        self._words = words
        self._schema = schema

    def problems(self, document: Node, problems: Problems) -> None:
        """Add all that is wrong with a document."""
        value = plain(document)
        digest = digest_of(value, self._schema)
        if is_remembered(digest):
            return
        errors = list(_validator(self._schema).iter_errors(value))
        for error in _decisive(errors):
            _Report(error, document, problems, self._words).write()
        if not errors:
            remember(digest)


def _validator(schema: Schema) -> Draft7Validator:
    from jsonschema import Draft7Validator
    from referencing import Registry

    return Draft7Validator(schema, registry=Registry())


@lru_cache(maxsize=1)
def _kinds() -> tuple[str, ...]:
    return tuple(str(kind) for kind in RESOURCES)


def _decisive(errors: Iterable[ValidationError]) -> list[ValidationError]:
    """Leave out what only follows from another error: a value of the wrong type also fails enum and pattern."""
    found = list(errors)
    mistyped = {tuple(e.absolute_path) for e in found if e.validator == "type"}
    unknown = {tuple(e.absolute_path) for e in found if e.validator == "additionalProperties"}
    return [
        e
        for e in found
        if not (e.validator != "type" and tuple(e.absolute_path) in mistyped)
        and not (e.validator == "oneOf" and tuple(e.absolute_path) in unknown and not _kinds_in(e.instance))
        and not (e.validator == "minProperties" and tuple(e.absolute_path) in unknown)
    ]


def _kinds_in(instance: object) -> list[str]:
    return [kind for kind in _kinds() if isinstance(instance, Mapping) and kind in instance]


class _Report:
    """One error of the library in our words."""

    def __init__(
        self, error: ValidationError, document: Node, problems: Problems, words: Where | None
    ) -> None:
        self._error = error
        self._steps: list[str | int] = list(error.absolute_path)
        self._path = dotted(self._steps)
        self._node = at(document, self._steps)
        self._parent = at(document, self._steps[:-1]) if self._steps else None
        self._problems = problems
        self._words = words
        self._schema: Mapping[str, Any] = error.schema if isinstance(error.schema, Mapping) else {}
        self._wants: str = self._schema.get(WANTS, "")

    def write(self) -> None:
        write = {
            "type": self._type,
            "additionalProperties": self._unknown_keys,
            "required": self._missing,
            "enum": self._enum,
            "const": self._const,
            "pattern": self._pattern,
            "minimum": self._range,
            "maximum": self._range,
            "minItems": self._empty,
            "minProperties": self._few,
            "maxProperties": self._secret_shape,
            "oneOf": self._alternatives,
        }.get(str(self._error.validator), self._other)
        write()

    @property
    def _place(self) -> Place | None:
        return self._node.place if self._node is not None else None

    @property
    def _named_at(self) -> Place | None:
        """The key that names this value: where something is missing, that is what a person looks for."""
        if isinstance(self._parent, Table) and self._steps:
            return self._parent.key_place(str(self._steps[-1]))
        return self._place

    def _add(self, code: str, reason: str, cure: str, place: Place | None = None) -> None:
        self._problems.add(code, place or self._place, self._path, reason, cure)

    def _type(self) -> None:
        value = self._error.instance
        if self._wants in _SECRETS and not isinstance(value, Mapping):
            self._clear_secret(value)
            return
        if value is None:
            self._add("PLX-C103", "the value is empty", "Write one, or leave the line out.", self._named_at)
            return
        if isinstance(value, (str, int, bool)) and self._misfit(value):
            return
        if isinstance(value, (Mapping, list)):
            have = "a table" if isinstance(value, Mapping) else "a list"
        else:
            have = shown(self._node.text) if isinstance(self._node, Scalar) else "this"
        want = _WORDS_FOR.get(self._wants, "a text")
        unquoted = want == "a text" and isinstance(value, (int, bool))
        cure = "Put it into quotes." if unquoted else f"Write {want}."
        self._add("PLX-C103", f"this wants {want}, and {have} is here", cure)

    def _misfit(self, value: str | int | bool) -> bool:
        """Complain as the function does that makes the typed value; tell whether it complained."""
        try:
            _TYPED.get(self._wants, str)(value)
        except Misfit as misfit:
            self._add(misfit.code, misfit.reason, misfit.cure)
            return True
        return False

    def _clear_secret(self, value: object) -> None:
        """A secret in clear. Its text is never repeated."""
        if isinstance(value, str) and value.strip().startswith("claim-"):
            reason = "this is a claim token: it is for claiming a new server and lives four minutes"
            cure = "Use the access token: “token: {from: server}” reads it where Plex keeps it."
            self._add("PLX-C207", reason, cure)
            return
        cure = "Write {env: NAME}, {file: PATH} or {ask: true}"
        cure += ", or {from: server}." if self._wants == "token" else "."
        if value is None:
            reason = "this wants a reference to a secret, and nothing is here"
            self._add("PLX-C208", reason, cure, self._named_at)
        else:
            reason = "a secret cannot stand in this file in clear"
            self._add("PLX-C206", reason, f"{cure} Then change the secret.")

    def _unknown_keys(self) -> None:
        if not isinstance(self._node, Table):
            return
        known = list(self._schema.get("properties", {}))
        if self._wants in _SECRETS:
            self._secret_shape()
            return
        for key in self._node.entries:
            if key not in known:
                self._unknown_key(key, known, self._node.key_place(key))

    def _unknown_key(self, key: str, known: list[str], place: Place) -> None:
        path = join(self._path, key)
        foreign = None if self._words is None else hints(self._words).get(key)
        if foreign is None and key in hints("refused"):
            reason, cure = hints("refused")[key]
            self._problems.add("PLX-C106", place, path, f"“{key}:” is refused: {reason}", cure)
            return
        if foreign is not None:
            reason, cure = foreign
            self._problems.add("PLX-C105", place, path, f"“{key}:” is not a word of plexops: {reason}", cure)
            return
        if self._wants == "task":
            close = nearest(key, _kinds()) or nearest(key, known)
            cure = f"Did you mean {close}?" if close else f"Kinds are: {', '.join(_kinds())}."
            self._problems.add("PLX-C502", place, path, f"{shown(key)} is no kind of task", cure)
            return
        close = nearest(key, known)
        nothing = "Nothing can be set here: write {}."
        choices = f"Here one can write: {', '.join(known)}." if known else nothing
        cure = f"Did you mean {close}?" if close else choices
        self._problems.add("PLX-C101", place, path, f"the key {shown(key)} is not known here", cure)

    def _missing(self) -> None:
        wanted = self._error.validator_value
        present = self._error.instance if isinstance(self._error.instance, Mapping) else {}
        known = self._schema.get("properties", {})
        unknown = [str(key) for key in present if key not in known]
        for name in wanted if isinstance(wanted, list) else []:
            # What another tool calls `hosts` is told about already, with our word for it.
            foreign = name == "sites" and _NAMES_HOSTS & set(unknown)
            if name in present or foreign or misspelt(name, unknown):
                continue
            example = known.get(name, {}).get("examples", [""])[0]
            shown_so = isinstance(example, (str, int)) and example != ""
            shows = f", such as “{name}: {example}”" if shown_so else ""
            self._add("PLX-C102", f"“{name}:” is missing here", f"Add it{shows}.", self._named_at)

    def _enum(self) -> None:
        words = [str(value) for value in self._schema.get("enum", [])]
        if self._steps[-1:] == ["firewall"] and str(self._error.instance) in hints("firewall"):
            self._add("PLX-C603", *hints("firewall")[str(self._error.instance)])
            return
        close = nearest(str(self._error.instance), words)
        meant = f" Did you mean {close}?" if close else ""
        reason = f"{shown(self._error.instance)} is none of the words that are possible here"
        self._add("PLX-C104", reason, f"Write one of: {', '.join(words)}.{meant}")

    def _const(self) -> None:
        if self._steps and self._steps[-1] in {"ask", "from"}:
            self._secret_shape()
            return
        self._add("PLX-C104", "this value is not possible here", f"Write {self._schema.get('const')}.")

    def _pattern(self) -> None:
        value = str(self._error.instance)
        if self._error.validator_value == TEMPLATE and self._wants in _TYPED:
            self._misfit(value)
            return
        if "GET|POST" in str(self._error.validator_value):
            self._add("PLX-C104", f"{shown(value)} is no request", "Write a method and a path: GET /api/…")
            return
        if self._wants == "like":
            example = self._schema.get("examples", [""])[0]
            self._add("PLX-C104", f"{shown(value)} cannot stand here", f"Write it like this: {example}")
            return
        if self._wants == "variable name":
            cure = "Use letters, digits and underscores, at most 40, and no digit first."
        elif self._wants == "key":
            cure = "Use a small letter, then small letters, digits and underscores, at most 20 in all."
        else:
            cure = "Use letters, digits, dots, hyphens and underscores, at most 40; a letter or digit first."
        place = self._node.key_place(value) if isinstance(self._node, Table) else self._place
        self._add("PLX-C108", f"{shown(value)} cannot be a name here", cure, place)

    def _range(self) -> None:
        low, high = self._schema.get("minimum"), self._schema.get("maximum")
        reason = f"{self._error.instance} is no {self._wants}"
        self._add("PLX-C104", reason, f"Write a number from {low} to {high}.")

    def _empty(self) -> None:
        asserts = {"tasks", "sites"} & set(map(str, self._steps[-1:])) or not self._steps
        reason = "an empty list asserts nothing and would always pass" if asserts else "the list is empty"
        self._add("PLX-C501", reason, "Write at least one.", self._named_at)

    def _few(self) -> None:
        if self._wants in _SECRETS:
            self._secret_shape()
        else:
            cure = "Describe one; see inventory.example.yaml."
            self._add("PLX-C201", "there is no site in it", cure, self._named_at)

    def _secret_shape(self) -> None:
        token = self._wants == "token" or (self._steps and self._steps[-1] == "from")
        cure = "Write one of {env: NAME}, {file: PATH}, {ask: true}" + (", {from: server}." if token else ".")
        reason = "this is no reference to a secret"
        if isinstance(self._node, Table) and "from" in self._node.entries and not token:
            reason = "only Plex's token can be read on the server"
        elif isinstance(self._node, Table) and len(self._node.entries) > 1:
            reason = "a secret comes from one source, and here are several"
        self._add("PLX-C208", reason, cure)

    def _alternatives(self) -> None:
        """Exactly one of some keys is wanted: a task's kind, a request's way."""
        if self._wants == "task":
            self._kind_count()
            return
        ways = [str(way["required"][0]) for way in self._schema.get("oneOf", []) if "required" in way]
        reason = f"exactly one of these is wanted here: {', '.join(ways)}"
        self._add("PLX-C102", reason, "Write one of them.", self._named_at)

    def _kind_count(self) -> None:
        kinds = _kinds_in(self._error.instance)
        if not kinds:
            cure = f"Add one, such as “port_forward: {{external_port: 32500}}”. Kinds are: {', '.join(_kinds())}."
            self._add("PLX-C502", "this task names no kind", cure, self._place)
            return
        reason = f"this task names {len(kinds)} kinds: {', '.join(kinds)}"
        self._add("PLX-C502", reason, "Write one task for each.")

    def _other(self) -> None:
        """No keyword of our schemas comes here; a new one still gets a message that names its place."""
        reason = f"this value does not meet the schema ({self._error.validator})"
        self._add("PLX-C104", reason, "See “plexops schema”.")
