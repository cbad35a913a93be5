"""A profile's YAML, already valid by its schema, to the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, cast

from plexops.model.errors import Place
from plexops.model.exchange import Expect, Method, WindowKind
from plexops.model.profile import (
    FactSpec,
    FieldMap,
    PacketSpec,
    Param,
    Profile,
    ReadSpec,
    Request,
    ResourceSpec,
    Room,
    Serving,
    Speaks,
    Verified,
    WindowSpec,
)
from plexops.model.snapshot import Kind

#: Gives the place of a path of keys and positions.
PlaceOf = Callable[[tuple[str | int, ...]], Place | None]


def fill_params(value: Any, params: Mapping[str, str]) -> Any:
    """Put the router's own words into a profile's texts: `{{ wan }}` where `wan` is a param."""
    if isinstance(value, str):
        return re.sub(r"\{\{ (\w+) \}\}", lambda m: params.get(m[1], m[0]), value)
    if isinstance(value, Mapping):
        return {key: fill_params(item, params) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_params(item, params) for item in value]
    return value


def build_profile(
    document: Mapping[str, Any], text: str, place_of: PlaceOf, given: Mapping[str, str] = MappingProxyType({})
) -> Profile:
    """Make the model of a profile. `given` are the inventory's params; those of the profile are the defaults."""
    declared = {
        name: Param(name, str(spec["default"]), str(spec["means"]))
        for name, spec in document.get("params", {}).items()
    }
    filled = fill_params(document, {name: given.get(name, param.default) for name, param in declared.items()})
    return Profile(
        name=filled["profile"],
        title=filled["title"],
        speaks=Speaks(filled["speaks"]),
        text=text,
        params=MappingProxyType(declared),
        login=filled.get("login", ""),
        functions=filled.get("functions", ""),
        errors=tuple(filled.get("errors", ())),
        reads=MappingProxyType(
            {
                name: _read(name, spec, place_of(("reads", name)))
                for name, spec in filled.get("reads", {}).items()
            }
        ),
        facts=tuple(
            _fact(name, spec, place_of(("facts", name))) for name, spec in filled.get("facts", {}).items()
        ),
        resources=MappingProxyType(
            {
                Kind(name): _resources(Kind(name), spec, place_of)
                for name, spec in filled.get("resources", {}).items()
            }
        ),
        window=_window(filled["window"], place_of) if "window" in filled else None,
        packets=_packets(filled["packets"], place_of(("packets",))) if "packets" in filled else None,
        steps=MappingProxyType({Kind(name): tuple(lines) for name, lines in filled.get("steps", {}).items()}),
        verified=tuple(Verified(**spec) for spec in filled.get("verified", ())),
        place=place_of(()),
    )


def _packets(spec: Mapping[str, Any], place: Place | None) -> PacketSpec:
    return PacketSpec(
        plumbing=spec["plumbing"],
        internet_side=spec["internet_side"],
        inserts=_words(spec.get("inserts", {})),
        configured=(spec["configured"]["read"], spec["configured"]["as"]) if "configured" in spec else None,
        place=place,
    )


def _call(text: str) -> tuple[Method, str]:
    method, _, path = text.partition(" ")
    return cast("Method", method), path


def _read(name: str, spec: Mapping[str, Any], place: Place | None) -> ReadSpec:
    method, path = _call(spec["call"]) if "call" in spec else ("GET", "")
    return ReadSpec(
        id=name,
        parse=spec["parse"],
        run=spec.get("run", ""),
        method=method,
        path=path,
        body=spec.get("body"),
        absent=frozenset(spec.get("absent", ())),
        whole=spec.get("whole", ""),
        place=place,
    )


def _words(spec: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({ours: tuple(str(word) for word in theirs) for ours, theirs in spec.items()})


def _fact(name: str, spec: Mapping[str, Any], place: Place | None) -> FactSpec:
    return FactSpec(
        name=name,
        reads=(spec["from"], *spec.get("with", ())),
        take=spec["take"],
        values=_words(spec.get("values", {})),
        default=spec.get("default"),
        part=cast('Literal["", "first", "last"]', spec.get("part", "")),
        place=place,
    )


def _field(spec: Mapping[str, Any]) -> FieldMap:
    return FieldMap(
        name=spec["is"],
        fallback=spec.get("else", ""),
        default=spec.get("default"),
        values=_words(spec.get("values", {})),
        contains=spec.get("contains", ""),
        otherwise=spec.get("otherwise"),
        room=Room(spec["room"]["bytes"], spec["room"]["because"]) if "room" in spec else None,
    )


def _resources(kind: Kind, spec: Mapping[str, Any], place_of: PlaceOf) -> tuple[ResourceSpec, ...]:
    path: tuple[str | int, ...] = ("resources", str(kind))
    if "backends" not in spec:
        return (_resource(kind, spec, place_of, path),)
    return tuple(
        _resource(kind, backend, place_of, (*path, "backends", name), name)
        for name, backend in spec["backends"].items()
    )


def _resource(
    kind: Kind, spec: Mapping[str, Any], place_of: PlaceOf, path: tuple[str | int, ...], backend: str = ""
) -> ResourceSpec:
    def requests(*names: str) -> tuple[Request, ...]:
        name = next((n for n in names if n in spec), "")
        items = spec.get(name, ())
        return tuple(_request(item, place_of((*path, name, index))) for index, item in enumerate(items))

    owner = spec.get("owner", {})
    return ResourceSpec(
        kind=kind,
        read=spec["from"],
        rows=spec.get("rows", ""),
        where=_words(spec.get("where", {})),
        unless=_words(spec.get("unless", {})),
        ids=spec.get("ids", ""),
        handle=spec.get("handle", ""),
        label=spec.get("label", ""),
        owner_field=owner.get("field", ""),
        owner_like=owner.get("like", ""),
        fields=MappingProxyType({name: _field(field) for name, field in spec.get("fields", {}).items()}),
        limits=tuple(spec.get("limits", ())),
        ignores=tuple(spec["ignores"]) if "ignores" in spec else None,
        create=requests("create", "put"),
        update=requests("update", "put"),
        delete=requests("delete"),
        adopt=requests("adopt"),
        adopt_unset=requests("adopt_unset"),
        backend=backend,
        active=MappingProxyType({name: str(value) for name, value in spec.get("active", {}).items()}),
        serves=Serving(**spec["serves"]) if "serves" in spec else None,
        apply=requests("apply"),
        in_force=(spec["in_force"]["read"], spec["in_force"]["as"]) if "in_force" in spec else None,
        order=spec.get("order", ""),
        again=requests("again"),
        place=place_of(path),
    )


def _request(spec: Mapping[str, Any], place: Place | None) -> Request:
    method, path = _call(spec["send"]) if "send" in spec else ("POST", "")
    file = spec.get("file", {})
    return Request(
        run=spec.get("run", ""),
        method=method,
        send=path,
        body=spec.get("body"),
        file=file.get("path", ""),
        content=file.get("content", ""),
        content_language=file.get("speaks", ""),
        expect=_expect(spec["expect"]) if "expect" in spec else None,
        place=place,
    )


def _expect(spec: Mapping[str, Any]) -> Expect:
    return Expect(
        statuses=frozenset(spec.get("status", ())),
        silent=bool(spec.get("silent", False)),
        path=spec.get("take", ""),
        equals=str(spec.get("equals", "")),
    )


def _window(spec: Mapping[str, Any], place_of: PlaceOf) -> WindowSpec:
    def requests(part: str) -> tuple[Request, ...]:
        return tuple(
            _request(item, place_of(("window", part, at))) for at, item in enumerate(spec.get(part, ()))
        )

    return WindowSpec(
        kind=WindowKind(spec["kind"]),
        directory=spec.get("directory", ""),
        open=requests("open"),
        confirm=requests("confirm"),
        armed=spec.get("armed", ""),
        last=spec.get("last", ""),
        place=place_of(("window",)),
    )
