"""A profile's YAML: its schema, and from what is valid by it to the model. `model.profile` declares both.

What the texts in it may say (commands, paths, templates) is judged when the profile is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

from msgspec import Struct, ValidationError, convert

from plexops.config.nodes import Node, places, plain
from plexops.config.problems import Problems
from plexops.config.schemas import schema_of
from plexops.config.short_forms import Parts, Vocabularies, spell_out
from plexops.config.validate import SchemaCheck
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Json
from plexops.model.fields import Word
from plexops.model.profile import Profile
from plexops.structs import replace

#: Where an expression stands, and a param in it is a literal.
_EXPRESSIONS = frozenset({"take", "rows", "must"})
_PARAM = re.compile(r"\{\{ *(\w+) *\}\}")


class Piece(Struct, frozen=True):
    """What families share, in a file of its own, with the words that a profile gives it."""

    name: str
    document: Node
    text: str
    words: Mapping[str, str]


def check_profile(document: Node) -> None:
    """Raise PlexopsError with all that is wrong with a profile's shape."""
    problems = Problems()
    SchemaCheck(schema_of("profile")).problems(document, problems)
    problems.raise_if_any()


def fill_params(value: Json, params: Mapping[str, str], key: str = "") -> Json:
    """Put the router's own words into a profile's texts: `{{ wan }}` where `wan` is a param; a literal in an expression."""
    if isinstance(value, str):
        quote = "'" if key in _EXPRESSIONS else ""  # a param is a plain word, which no quote ends
        return _PARAM.sub(
            lambda found: f"{quote}{params[found[1]]}{quote}" if found[1] in params else found[0], value
        )
    if isinstance(value, Mapping):
        return {
            name: fill_params(item, params, "take" if key == "with" else name) for name, item in value.items()
        }
    if isinstance(value, list):
        return [fill_params(item, params, key) for item in value]
    return value


def build_profile(
    document: Node,
    text: str,
    given: Mapping[str, str] = MappingProxyType({}),
    pieces: Sequence[Piece] = (),
    vocabularies: Vocabularies = MappingProxyType({}),
) -> Profile:
    """Make the model of a profile. `given` are the inventory's params; those of the profile are the defaults.

    `pieces` are what it uses: of each part, an entry that the file has too counts as the file says it.
    """
    raw = cast("Parts", plain(document))
    for piece in pieces:
        raw = with_piece(raw, piece)
    declared = raw.get("params", {})
    params = {name: given.get(name, str(spec.get("default", name))) for name, spec in declared.items()}
    spell_out(raw, vocabularies)
    if idle := [name for name in params if f"{{{{ {name} }}}}" not in str(raw)]:
        place = places(document).get(f"params.{idle[0]}")
        cure = "Use it as {{ name }}, or leave it out."
        raise PlexopsError(Problem("PLX-C602", f"nothing uses the param {idle[0]!r}", cure, place, "params"))
    filled = {**cast("Parts", fill_params(raw, params)), "params": declared, "uses": [p.name for p in pieces]}
    try:
        profile: Profile = convert(filled, Profile, dec_hook=lambda _, word: Word(word))
    except ValidationError as reason:
        raise PlexopsError(_misshapen(str(reason), document)) from None
    told = {path: place for piece in pieces for path, place in places(piece.document).items()}
    texts = {piece.name: piece.text for piece in pieces}
    return replace(profile, text=text, pieces=texts, places=told | places(document))


def _misshapen(reason: str, document: Node) -> Problem:
    """Tell what the types refuse that the schema lets pass: a short form that is spelled out only here."""
    what, _, path = reason.partition(" - at `$.")
    part = path.split("[")[0].split(".")[0].rstrip("`")
    code = "PLX-C101" if "unknown field" in what else "PLX-C103"
    cure = "See docs/profiles.md: plexops schema profile has every key."
    return Problem(
        code, f"{what} in {path.rstrip('`') or 'the profile'}", cure, places(document).get(part), part
    )


def with_piece(raw: Parts, piece: Piece) -> Parts:
    """Lay a profile over a piece, whose own words are filled in."""
    content = cast("Parts", plain(piece.document))
    declared = content.pop("piece", {})
    words = {name: piece.words.get(name, str(spec["default"])) for name, spec in declared.items()}
    filled = cast("Parts", _plainly_filled(content, words))
    merged = {**raw}
    for part, entries in filled.items():
        own = raw.get(part, {})
        merged[part] = {**own, **{name: entry for name, entry in entries.items() if name not in own}}
    return merged


def _plainly_filled(value: Json, words: Mapping[str, str]) -> Json:
    """Fill a piece's words, which may be expressions: as they stand."""
    if isinstance(value, str):
        return _PARAM.sub(lambda found: words.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {name: _plainly_filled(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [_plainly_filled(item, words) for item in value]
    return value
