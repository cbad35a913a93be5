"""Collections behind an HTTP interface with JSON bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from plexops.drivers.requests import DEFAULT_EXPECT
from plexops.drivers.router.stores.base import Store, Value, Wanted, segment
from plexops.languages.base import plain
from plexops.model.change import Action
from plexops.model.exchange import Call, Expect, Json, Method, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import ResourceSpec, Speaks
from plexops.model.store import WHOLE_ROW, WriteSpec
from plexops.structs import replace


class Verb(Struct, frozen=True):
    """How one contract asks for one action: {rest} and {noun} are the profile's, {handle} is the entry's."""

    method: Method
    path: str
    body: bool = True
    expect: Expect = Expect(statuses=frozenset({200, 201, 204}))


_SAVED = Expect(statuses=frozenset({200}), path="result", equals="saved")
VERBS: Mapping[str, Mapping[Action, Verb]] = MappingProxyType(
    {
        "rest": {
            Action.CREATE: Verb("POST", "{rest}"),
            Action.UPDATE: Verb("PUT", "{rest}/{handle}"),
            Action.DELETE: Verb("DELETE", "{rest}/{handle}", body=False),
        },
        # OPNsense's controllers answer 200 also where they refuse: their word counts.
        "opnsense": {
            Action.CREATE: Verb("POST", "{rest}/add_{noun}", expect=_SAVED),
            Action.UPDATE: Verb("POST", "{rest}/set_{noun}/{handle}", expect=_SAVED),
            Action.DELETE: Verb(
                "POST", "{rest}/del_{noun}/{handle}", expect=replace(_SAVED, equals="deleted")
            ),
        },
    }
)


class RestStore(Store, frozen=True):
    """One collection. Ours bear their tag in a member.

    `agrees` is the expression that holds in every answer of this device that means success; empty where it has none.
    """

    spec: ResourceSpec
    write: WriteSpec
    contract: str
    agrees: str = ""

    def can_set(self, theirs: str) -> bool:
        """All but what marks ours."""
        return theirs != self.spec.mark

    def applied(self) -> tuple[Write, ...]:
        """Give the request that makes what is saved take effect."""
        if not self.write.apply:
            return ()
        expect = DEFAULT_EXPECT[Speaks.REST]
        if self.write.good or self.agrees:
            expect = Expect(frozenset({200}), path=self.write.good or self.agrees, equals="true")
        return (Write(Call("POST", self.write.apply, body={}), expect),)

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the request of a change, and what makes it act."""
        action = wanted.change.action
        verb = VERBS[self.contract][Action.UPDATE if wanted.adopting else action]
        if action is Action.DELETE:
            body: Json = {} if verb.body else None
        else:
            body = self._body(wanted)
        handle = "" if wanted.entry is None else segment(wanted.handle)
        path = verb.path if self.spec.handle else verb.path.removesuffix("/{handle}")
        address = path.format(rest=self.write.rest.rstrip("/"), noun=self.write.noun, handle=handle)
        expect = verb.expect
        if self.agrees and not expect.path:
            expect = replace(expect, path=self.agrees, equals="true")
        return (Write(Call(verb.method, address, body=body), expect), *self.applied())

    def _body(self, wanted: Wanted) -> dict[str, Json]:
        """Give what is sent: all for a new entry, else what is written; `whole` puts it into what was read."""
        is_new = wanted.change.action is Action.CREATE
        body: dict[str, Any] = {}
        if self.write.whole and not is_new and wanted.entry is not None:
            for name, value in json.loads(str(wanted.entry.raw.get(WHOLE_ROW) or "{}")).items():
                _put(body, name, value)
        words = dict(wanted.words if is_new else wanted.known)
        order = self.spec.order
        if is_new and order and wanted.change.raw.get(order):
            words = {order: Typed(FieldType.HANDLE, str(wanted.change.raw[order])), **words}
        if is_new:
            words = {name: word for name, word in words.items() if word is not None}
            for name, value in wanted.constants.items():
                _put(body, name, value)
        for name, word in words.items():
            _put(body, name, self._leaf(name, word))
        if is_new and self.spec.mark:
            _put(body, self.spec.mark, wanted.tag)
        return {self.write.wrap: body} if self.write.wrap else body

    def _leaf(self, name: str, word: Value) -> Json:
        """Give a word as JSON has it there: text, but for fields that the profile says to be numbers or flags."""
        form = next((f.form for f in self.spec.fields.values() if name in f.written), "text")
        if isinstance(word, tuple):
            return list(word)
        if word is None:
            return None if form != "text" else ""
        if word.type is FieldType.FLAG:
            return word.value is True
        text = plain(word)
        if form == "number":
            return int(text)
        return text.lower() == "true" if form == "flag" else text


def _put(body: dict[str, Any], name: str, value: Json) -> None:
    """Put a value where a name with dots says: OPNsense reads flat names and wants nested ones written."""
    *path, last = name.split(".")
    for part in path:
        body = body.setdefault(part, {})
    body[last] = value
