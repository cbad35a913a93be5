"""From what a profile says to the store that it names, checked once when the profile is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from plexops.drivers.requests import CompiledRequest, compile_request, language_of
from plexops.drivers.router.stores.base import Store
from plexops.drivers.router.stores.file import FileStore
from plexops.drivers.router.stores.menu import MenuStore
from plexops.drivers.router.stores.nvram import NvramStore
from plexops.drivers.router.stores.requests import WrittenOut
from plexops.drivers.router.stores.rest import VERBS, RestStore
from plexops.drivers.router.stores.soap import MappingStore
from plexops.drivers.router.stores.tree import TreeStore
from plexops.drivers.router.stores.uci import UciStore
from plexops.languages.template import Template, compile_template
from plexops.model.fields import FieldType
from plexops.model.profile import Profile, ResourceSpec, Speaks
from plexops.model.store import Requests, WriteSpec

Types = Mapping[str, FieldType]
#: What each store is told besides its own name; all else in `write` is of another one.
_TOLD: Mapping[str, frozenset[str]] = {
    "uci": frozenset({"type", "ordered", "apply", "holds"}),
    "nvram": frozenset({"switch", "count", "apply"}),
    "menu": frozenset({"ordered", "before"}),
    "rest": frozenset({"noun", "wrap", "whole", "apply", "good"}),
    "file": frozenset({"speaks", "content", "prove", "load", "holds", "gone", "anew", "apply"}),
    "soap": frozenset({"add", "delete", "by", "off_first"}),
    "tree": frozenset({"new", "taken", "needs"}),
    "requests": frozenset(),
}
_LANGUAGES: Mapping[str, frozenset[Speaks]] = {
    "uci": frozenset({Speaks.SHELL}),
    "nvram": frozenset({Speaks.SHELL}),
    "file": frozenset({Speaks.SHELL}),
    "menu": frozenset({Speaks.ROUTEROS, Speaks.REST}),
    "rest": frozenset({Speaks.REST}),
    "soap": frozenset({Speaks.SOAP}),
    "tree": frozenset({Speaks.TREE}),
    "requests": frozenset(Speaks) - {Speaks.TREE, Speaks.SOAP},
}


def store_of(profile: Profile, spec: ResourceSpec, variables: Types) -> Store:
    """Make the store of a kind. Raises ValueError with what is wrong with what the profile says of it."""
    write = spec.write
    if write is None:
        raise ValueError("the kind is not written")
    name = _named(profile, write)
    unfilled = (
        write.uci,
        write.nvram,
        write.menu,
        write.rest,
        write.apply,
        write.switch,
        write.count,
    )
    if found := next((text for text in unfilled if "{{" in text), ""):
        raise ValueError(f"{found!r} names no param")
    compiled = _templates(spec, variables)
    directory = profile.window.directory if profile.window is not None else "/tmp"  # noqa: S108 - the device's
    match name:
        case "uci":
            holds = compiled(Speaks.SHELL.language, "holds", write.holds) if write.holds else None
            return UciStore.of(spec, write, directory, holds)
        case "nvram":
            return NvramStore.of(spec, write, directory, profile.list_step(write.nvram))
        case "menu":
            return MenuStore(spec, write, profile.speaks)
        case "rest":
            _require_sound_rest(profile, spec, write)
            return RestStore(spec, write, profile.contract, profile.envelope.ok if profile.envelope else "")
        case "soap":
            _require_key(profile, spec, write)
            return MappingStore(spec, write)
        case "tree":
            return TreeStore.of(spec, write)
        case "file":
            return FileStore.of(spec, write, directory, compiled)
        case _:
            return _written_out(profile, spec, write, variables)


def _named(profile: Profile, write: WriteSpec) -> str:
    """Give the one store that is named, and hold what is said besides against it."""
    named = [name for name in _TOLD if getattr(write, name)]
    if len(named) != 1:
        raise ValueError(f"`write` names one store of {', '.join(_TOLD)}")
    (name,) = named
    if profile.speaks not in _LANGUAGES[name]:
        raise ValueError(f"a device that speaks {profile.speaks} has no store `{name}`")
    empty = WriteSpec()
    others = (key for key in WriteSpec.__struct_fields__ if getattr(write, key) != getattr(empty, key))
    strange = sorted(set(others) - _TOLD[name] - {name})
    if strange:
        raise ValueError(f"the store `{name}` knows no {', '.join(strange)}")
    return name


def _require_sound_rest(profile: Profile, spec: ResourceSpec, write: WriteSpec) -> None:
    """What is sent back whole is what was read: a member that was dropped would be lost, a made-up one would be set."""
    if profile.contract not in VERBS:
        raise ValueError(
            f"requests of the contract {profile.contract} are written out: it has no store `rest`"
        )
    read = profile.reads.get(spec.rows.partition("[")[0].partition(".")[0].strip())
    if write.whole and (read is None or read.hides or "{" in spec.rows):
        raise ValueError(
            "`whole` sends back what was read: its rows are those of one read, which hides nothing"
        )


def _require_key(profile: Profile, spec: ResourceSpec, write: WriteSpec) -> None:
    """What is taken away is told by its key alone, and what is there is told from ours by its tag."""
    if write.soap not in profile.services:
        raise ValueError(f"there is no service {write.soap!r}")
    said = {*spec.set, *(name for mapped in spec.fields.values() for name in mapped.written)}
    if not (write.add and write.delete and write.by) or set(write.by) - said:
        raise ValueError(
            "`soap` wants `add`, `delete` and `by`, the arguments of its key: each a field or a constant"
        )


def _templates(spec: ResourceSpec, variables: Types) -> Callable[[str, str, str], Template]:
    def compiled(language: str, key: str, text: str) -> Template:
        try:
            return compile_template(text, language_of(language), variables, f"{spec.kind}.write.{key}")
        except KeyError:
            raise ValueError(f"there is no language {language!r}") from None

    return compiled


def _written_out(profile: Profile, spec: ResourceSpec, write: WriteSpec, variables: Types) -> WrittenOut:
    lists = write.requests
    if lists is None:
        raise ValueError("no requests are written out")

    def compiled(word: str, requests: Requests) -> tuple[CompiledRequest, ...]:
        return tuple(
            compile_request(one, profile.speaks, variables, f"{spec.kind}.write.requests.{word}")
            for one in requests
        )

    return WrittenOut(
        spec,
        compiled("create", lists.create or lists.put),
        compiled("update", lists.update or lists.put),
        compiled("delete", lists.delete),
    )
