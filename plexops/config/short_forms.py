"""The short forms of a profile, spelled out: a text for a table, a vocabulary for its words, a step for a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.model.profile import Speaks

#: A document that its schema has judged, by parts, and in each by names.
Parts = dict[str, Any]
#: By what a store names its entries, where the kind does not say it. A menu without entries of ours is one of settings.
_HANDLES = {"uci": ".name", "menu": ".id"}
#: Vocabularies by name: the device's words by ours.
Vocabularies = Mapping[str, Mapping[str, Json]]


def spell_out(raw: Parts, vocabularies: Vocabularies) -> None:
    """Write what has a short form in full, and give each entry its name. Raises PlexopsError PLX-C604."""
    alone = "get" if raw["speaks"] == Speaks.REST else "run"
    said = raw.get("login", [])
    raw["login"] = [_login(way) for way in (said if isinstance(said, list) else [said])]
    raw["reads"] = {
        name: {**_read(spec, alone), "@name": name} for name, spec in raw.get("reads", {}).items()
    }
    raw["facts"] = {
        name: {**_full(spec, "take", vocabularies), "@name": name}
        for name, spec in raw.get("facts", {}).items()
    }
    for kind, kept in raw.get("kinds", {}).items():
        beside = {key: said for key, said in kept.items() if key != "backends"}
        for name, way in kept.get("backends", {}).items():
            kept["backends"][name] = {**beside, **way}
        for name, spec in {"": kept, **kept.get("backends", {})}.items():
            fields = {
                field: _full(mapped, "is", vocabularies) for field, mapped in spec.get("fields", {}).items()
            }
            spec |= {"@kind": kind, "@name": name, "fields": fields}
            harmless = [one if isinstance(one, Mapping) else {one: []} for one in spec.get("harmless", ())]
            spec["harmless"] = {name: words for one in harmless for name, words in one.items()}
            store = next((name for name in _HANDLES if name in spec.get("write", {})), "")
            if store == "uci" or (store and "owner" in spec):
                spec.setdefault("handle", _HANDLES[store])
            for rule in ("where", "unless"):
                if rule in spec:
                    spec[rule] = {
                        field: ["" if word is None else word for word in words]
                        for field, words in spec[rule].items()
                    }


def _login(said: Json) -> Parts:
    way = _table(said, "@word")
    if isinstance(way.get("session"), Mapping) and isinstance(way["session"].get("keep", ()), list):
        kept = [{"@cookie": True} if one == "cookie" else one for one in way["session"].get("keep", [])]
        way["session"] = {**way["session"], "keep": kept}
    return way


def _read(said: Json, alone: str) -> Parts:
    spec = _table(said, alone)
    if "menu" in spec and alone == "get":
        # RouterOS has a path for each menu of its console: `/ip firewall nat` is at /rest/ip/firewall/nat.
        spec["get"] = "/rest" + str(spec.pop("menu")).replace(" ", "/")
    if "nvram" in spec:
        named = [one if isinstance(one, Mapping) else {one: one} for one in spec["nvram"]]
        parts = {name: _steps(steps) for name, steps in spec.get("as", {}).items()}
        values = {ours: theirs for one in named for ours, theirs in one.items()}
        return {**spec, "nvram": values, "@parts": parts, "as": []}
    return {**spec, "as": _steps(spec["as"])} if "as" in spec else spec


def _steps(said: Json) -> list[Json]:
    steps = said if isinstance(said, list) else [said]
    return [_step(step) for step in steps]


def _step(said: Json) -> Json:
    if isinstance(said, str):
        return {"@parser": said}
    if isinstance(said, Mapping) and isinstance(said.get("each"), str):
        return {**said, "each": {"line": said["each"]}}
    return said


def _full(said: Json, key: str, vocabularies: Vocabularies) -> Parts:
    spec = _table(said, key)
    if "words" not in spec:
        return spec
    name = str(spec["words"])
    if name not in vocabularies:
        cure = f"There are {', '.join(vocabularies)}."
        raise PlexopsError(Problem("PLX-C604", f"there is no vocabulary {name!r}", cure, path="words"))
    return {**spec, "values": {**vocabularies[name], **spec.get("values", {})}}


def _table(said: Json, key: str) -> Parts:
    return dict(said) if isinstance(said, Mapping) else {key: said}
