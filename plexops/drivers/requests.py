"""From a profile's write templates to exact requests: checked when loaded, quoted by type when rendered."""

from __future__ import annotations

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
from plexops.model.profile import Speaks
from plexops.model.store import Request


def language_of(name: str) -> Language:
    """Give a language by the name that profiles use. KeyError for another one."""
    return LANGUAGES[cast("LanguageName", name)]


#: What success looks like where nothing more is said.
DEFAULT_EXPECT: Mapping[Speaks, Expect] = {
    Speaks.SHELL: Expect(statuses=frozenset({0})),
    # RouterOS answers errors in words; a write that went well says nothing.
    Speaks.ROUTEROS: Expect(statuses=frozenset(), silent=True),
    Speaks.TREE: Expect(statuses=frozenset({0})),
    Speaks.REST: Expect(statuses=frozenset({200, 201})),
}


class Body(Struct, frozen=True):
    """A checked JSON body. `names` are the variables that it needs."""

    structure: Any
    names: frozenset[str]

    def fill(self, values: Mapping[str, Typed]) -> Any:
        """Give the body with its values."""
        return fill_structure(self.structure, values)


class CompiledRequest(Struct, frozen=True):
    """One write whose templates were found to be sound."""

    request: Request
    expect: Expect
    run: Template | None = None
    send: Template | None = None
    body: Body | None = None

    @property
    def names(self) -> frozenset[str]:
        """The variables that the request uses."""
        parts = (self.run, self.send, self.body)
        return frozenset().union(*(part.names for part in parts if part is not None))

    def render(self, values: Mapping[str, Typed]) -> Write:
        """Fill in the values. Raises ValueError where one does not fit its type or the language."""
        if self.run is not None:
            return Write(Command(self.run.render(values)), self.expect)
        if self.send is None:
            raise ValueError("a request needs run or send")
        body = None if self.body is None else self.body.fill(values)
        return Write(Call(self.request.request[0], self.send.render(values), body=body), self.expect)


def compile_request(
    request: Request, speaks: Speaks, variables: Mapping[str, FieldType], where: str
) -> CompiledRequest:
    """Check one request's templates. Raises TemplateProblem with the reason."""
    language = language_of(speaks.language)
    expect = DEFAULT_EXPECT[speaks] if request.expect is None else request.expect.expect
    if request.run:
        return CompiledRequest(request, expect, run=compile_template(request.run, language, variables, where))
    if not request.send:
        raise TemplateProblem(f"{where}: a request needs run or send")
    body = (
        None if request.body is None else Body(request.body, check_structure(request.body, variables, where))
    )
    return CompiledRequest(
        request, expect, send=compile_template(request.request[1], language, variables, where), body=body
    )
