"""RouterOS's menus: entries with an id, over its console or its REST interface."""

from __future__ import annotations

from collections.abc import Mapping

from plexops.drivers.requests import DEFAULT_EXPECT, language_of
from plexops.drivers.router.stores.base import Store, Value, Wanted, command, constant, said, segment
from plexops.model.change import Action
from plexops.model.exchange import Call, Json, Method, Write
from plexops.model.fields import FieldType, Typed
from plexops.model.profile import ResourceSpec, Speaks
from plexops.model.store import WriteSpec
from plexops.structs import replace

_PLACE = "place-before"


class MenuStore(Store, frozen=True):
    """One menu. Ours bear their tag in a field."""

    spec: ResourceSpec
    write: WriteSpec
    speaks: Speaks

    def can_set(self, theirs: str) -> bool:
        """All but what marks ours."""
        return theirs != self.spec.mark

    def writes(self, wanted: Wanted) -> tuple[Write, ...]:
        """Give the request of a change."""
        action = wanted.change.action
        if action is Action.DELETE:
            return (self._removal(wanted),)
        words: dict[str, Value | str] = dict(wanted.known)
        if action is Action.CREATE:
            constants = {name: constant(word) for name, word in wanted.constants.items()}
            words = {**constants, **words, self.spec.mark: wanted.tag, **self._place(wanted)}
        gone = [name for name, word in words.items() if word is None]
        if self.speaks is not Speaks.REST or not gone:
            return (self._request(wanted, words),)
        left: dict[str, Value | str] = {name: word for name, word in words.items() if word is not None}
        taken = (
            _rest("POST", f"{self._path}/unset", {".id": wanted.handle, "value-name": name}) for name in gone
        )
        return (*([self._request(wanted, left)] if left else []), *taken)

    def _place(self, wanted: Wanted) -> dict[str, Typed]:
        if self.write.before:
            stands = wanted.values.get(self.write.before)
            if stands is None and wanted.change.at is None:
                raise ValueError("before which entry it has to stand is not known")
            return {} if stands is None else {_PLACE: stands}
        if not self.write.ordered or wanted.following is None:
            return {}
        return {_PLACE: Typed(FieldType.HANDLE, wanted.following.handle)}

    def _removal(self, wanted: Wanted) -> Write:
        if self.speaks is Speaks.REST:
            return _rest("DELETE", f"{self._path}/{segment(wanted.handle)}")
        return self._console(f"remove [find where {self.spec.mark}={_quoted(wanted.tag)}]")

    def _request(self, wanted: Wanted, words: Mapping[str, Value | str]) -> Write:
        is_new = wanted.change.action is Action.CREATE
        if self.speaks is Speaks.REST:
            body = {name: _text(word) for name, word in words.items()}
            if is_new:
                return _rest("PUT", self._path, body)
            if not self.spec.handle:
                return _rest("POST", f"{self._path}/set", body)
            return _rest("PATCH", f"{self._path}/{segment(wanted.handle)}", body)
        told = " ".join(
            f"!{name}" if word is None else f"{name}={_quoted(word)}" for name, word in words.items()
        )
        if is_new:
            return self._console(f"add {told}")
        which = f"{_quoted(Typed(FieldType.HANDLE, wanted.handle))} " if self.spec.handle else ""
        return self._console(f"set {which}{told}")

    def _console(self, text: str) -> Write:
        return command(f"{self.write.menu} {text}", self.speaks)

    @property
    def _path(self) -> str:
        return self.write.collection


def _quoted(word: Value | str) -> str:
    typed = word if isinstance(word, Typed) else Typed(FieldType.TEXT, _text(word))
    return language_of(Speaks.ROUTEROS.language).quote(typed)


def _text(word: Value | str) -> str:
    """Give a word as RouterOS says it; its lists are texts with commas."""
    text = said(word)
    return ",".join(text) if isinstance(text, tuple) else text or ""


def _rest(method: Method, path: str, body: Json = None) -> Write:
    expect = DEFAULT_EXPECT[Speaks.REST]
    return Write(Call(method, path, body=body), replace(expect, statuses=expect.statuses | {204}))
