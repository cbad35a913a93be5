"""From a profile's write templates to exact requests: checked when loaded, quoted by type when rendered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from plexops.languages import LANGUAGES
from plexops.languages.base import Language, LanguageName
from plexops.languages.template import (
    Template,
    TemplateProblem,
    check_structure,
    compile_template,
    fill_structure,
)
from plexops.model.exchange import Call, Command, Expect, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import Request, Speaks

#: What success looks like where a request does not say it.
_DEFAULT_EXPECT: Mapping[Speaks, Expect] = {
    Speaks.SHELL: Expect(statuses=frozenset({0})),
    # RouterOS answers errors in words; a write that went well says nothing.
    Speaks.ROUTEROS: Expect(statuses=frozenset(), silent=True),
    Speaks.REST: Expect(statuses=frozenset({200, 201})),
}


#: The key of a body that stands for the device's own name of an adopted field.
_FIELD_KEY = "{{ field }}"


def language_of(name: str) -> Language:
    """Give a language by the name that profiles use. KeyError for another one."""
    return LANGUAGES[cast("LanguageName", name)]


class Body(Struct, frozen=True):
    """A checked JSON body. `names` are the variables that it needs."""

    structure: Any
    names: frozenset[str]

    def fill(self, values: Mapping[str, Typed]) -> Any:
        """Give the body with its values, dotted keys made into nested objects."""
        field = str(values["field"].value) if "field" in values else ""
        return _nest(fill_structure(_rename(self.structure, field), values))


class CompiledRequest(Struct, frozen=True):
    """One write whose templates were found to be sound."""

    request: Request
    expect: Expect
    run: Template | None = None
    send: Template | None = None
    body: Body | None = None
    file: Template | None = None
    content: Template | None = None

    @property
    def names(self) -> frozenset[str]:
        """The variables that the request uses."""
        parts = (self.run, self.send, self.body, self.file, self.content)
        return frozenset().union(*(part.names for part in parts if part is not None))

    def render(self, values: Mapping[str, Typed]) -> Write:
        """Fill in the values. Raises ValueError where one does not fit its type or the language."""
        if self.run is not None:
            return Write(Command(self.run.render(values)), self.expect)
        if self.file is not None and self.content is not None:
            return Write(
                Command(put_file(self.file.render(values), self.content.render(values))), self.expect
            )
        if self.send is None:
            raise ValueError("a request needs run, send or file")
        body = None if self.body is None else self.body.fill(values)
        return Write(Call(self.request.request[0], self.send.render(values), body=body), self.expect)


def compile_request(
    request: Request, speaks: Speaks, variables: Mapping[str, FieldType], where: str
) -> CompiledRequest:
    """Check one request's templates. Raises TemplateProblem with the reason."""
    language = language_of(speaks.language)
    expect = _DEFAULT_EXPECT[speaks] if request.expect is None else request.expect.expect
    if request.run:
        return CompiledRequest(request, expect, run=compile_template(request.run, language, variables, where))
    if request.send:
        body = None if request.body is None else _body(request.body, variables, where)
        return CompiledRequest(
            request, expect, send=compile_template(request.request[1], language, variables, where), body=body
        )
    if request.file is None:
        raise TemplateProblem(f"{where}: a request needs run, send or file")
    inner = language_of(request.file.speaks)
    return CompiledRequest(
        request,
        expect,
        file=compile_template(request.file.path, language, variables, where),
        content=compile_template(request.file.content, inner, variables, where),
    )


def _body(structure: Any, variables: Mapping[str, FieldType], where: str) -> Body:
    names = check_structure(_rename(structure, "field"), variables, where)
    keyed = {"field"} if _FIELD_KEY in str(structure) else set()
    return Body(structure, names | keyed)


def _rename(structure: Any, field: str) -> Any:
    if isinstance(structure, list):
        return [_rename(item, field) for item in structure]
    if not isinstance(structure, Mapping):
        return structure
    return {(field if key == _FIELD_KEY else key): _rename(value, field) for key, value in structure.items()}


def put_file(path: str, content: str) -> str:
    """Give the command that puts a text file in place at once, or not at all.

    Each line is an argument of its own, so that the command stays one line whatever the content.
    """
    quote = language_of(Speaks.SHELL.language).quote
    if not re.fullmatch(r"/[A-Za-z0-9_./-]+", path):
        raise ValueError(f"{path!r} is no path that a profile may write")
    lines = " ".join(quote(Typed(FieldType.TEXT, line)) for line in content.removesuffix("\n").split("\n"))
    return f"umask 022 && printf '%s\\n' {lines} > {path}.new && mv {path}.new {path}"


def _nest(body: Any) -> Any:
    """Turn keys with dots into nested objects: OPNsense reads flat names and wants nested ones written."""
    if isinstance(body, list):
        return [_nest(item) for item in body]
    if not isinstance(body, dict):
        return body
    nested: dict[str, Any] = {}
    for key, value in body.items():
        *path, last = key.split(".")
        target = nested
        for part in path:
            target = target.setdefault(part, {})
        target[last] = _nest(value)
    return nested
