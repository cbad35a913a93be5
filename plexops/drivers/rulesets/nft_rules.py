"""One rule of nft as rules of the model: most become one, a map or verdict map becomes one an element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct, json

from plexops.drivers.rulesets.base import NEVER
from plexops.drivers.rulesets.nft_effects import ASKING, EffectReader
from plexops.drivers.rulesets.nft_matches import HERE, MOST_SHOWN, Body, MatchReader, Table, runs
from plexops.drivers.rulesets.nft_words import (
    UNREADABLE,
    NotModelledError,
    bare,
    listed,
    members,
    one_member,
    show_statement,
)
from plexops.model.exchange import Json
from plexops.model.matches import AnyOf, MarkIs, Match, Other, SetHas, StateIs, Test
from plexops.model.packets import AddToSet, CopyMark, Effect, NoTracking, Rule, SetMark, UnknownEffect
from plexops.structs import replace

#: What a rule becomes: what must hold, what it does, and its words, of each.
_Parts: TypeAlias = tuple[tuple[tuple[Match, ...], tuple[Effect, ...], str], ...]
#: A longer verdict map becomes a rule for each verdict.
_MOST_RULES = 64
#: What a later match of the same packet would see changed.
_CHANGES: Mapping[type[Effect], type[Test]] = {
    SetMark: MarkIs,
    CopyMark: MarkIs,
    AddToSet: SetHas,
    NoTracking: StateIs,
}
#: Where the statements that may take a value from a map have it.
_FROM_MAP: Mapping[str, tuple[str, ...]] = {
    "dnat": ("addr", "port"),
    "snat": ("addr",),
    "redirect": ("port",),
    "mangle": ("value",),
}


class _Draft(Struct):
    """A rule on its way."""

    matches: list[Match] = []
    effects: list[Effect] = []
    said: list[str] = []

    def copy(self) -> _Draft:
        """Give one that grows by itself."""
        return _Draft([*self.matches], [*self.effects], [*self.said])


class _Choice(Struct, frozen=True):
    """One element of a map: what must hold, and the statement with the element in place of the map."""

    matches: list[Match]
    statement: Json
    words: str


def read_rule(found: Body, table: Table, exhibit: str) -> list[Rule]:
    """Read one rule. What cannot be read makes this rule a maybe, and no other."""
    handle, comment = str(found.get("handle", "")), str(found.get("comment", ""))
    expression = listed(found.get("expr"))
    # What a counter shows is not asked; the statements beside it stay apart.
    uncounted = [{"counter": None} if one_member(one)[0] == "counter" else one for one in expression]
    text = json.encode(uncounted)
    # What names a set, a map or a limit of its table is another rule in another table.
    alone = None if b"@" in text or b'"limit":"' in text else _alone(text, table.family, table.name)
    parts = _parts(expression, table, handle) if alone is None else alone
    name = comment.removeprefix("!fw4: ")
    return [Rule(matches, effects, words, name, handle, exhibit) for matches, effects, words in parts]


@lru_cache(maxsize=2048)
def _alone(text: bytes, family: str, name: str) -> _Parts | None:
    """Read a rule that names nothing of its table: it is the same in home after home. None where its handle counts."""
    found = _parts(json.decode(text), Table(family, name), "")
    return None if HERE in repr(found) else found


def _parts(expression: Sequence[Json], table: Table, handle: str) -> _Parts:
    try:
        drafts = _RuleReader(MatchReader(table, handle)).read(runs(expression), _Draft())
    except (*UNREADABLE, RecursionError, AttributeError):
        words = _joined(show_statement(one, MOST_SHOWN) for one in expression)
        unreadable = f"{words}{HERE}{handle}"
        drafts = [_Draft([Match(Other(unreadable), words=words)], [UnknownEffect(unreadable)], [words])]
    return tuple((_each_once(d.matches), tuple(d.effects), _joined(d.said)) for d in drafts)


class _RuleReader(Struct, frozen=True):
    matches: MatchReader

    def read(self, statements: Sequence[Sequence[Json]], draft: _Draft) -> list[_Draft]:
        """Read statements in order, behind what a draft already has."""
        done: list[_Draft] = []
        for place, run in enumerate(statements):
            statement = run[0]
            if len(run) > 1:
                draft.said += [show_statement(one, MOST_SHOWN) for one in run]
                _ask(done, draft, self.matches.both_readings(run))
                continue
            choices = self._choices(statement)
            if choices is not None:
                _ask(done, draft, [])
                for choice in choices:
                    branch = draft.copy()
                    branch.matches += choice.matches
                    branch.said.append(choice.words)
                    self._do(done, branch, choice.statement)
                    done += self.read(statements[place + 1 :], branch)
                return done
            words = show_statement(statement, MOST_SHOWN)
            draft.said.append(words)
            if isinstance(statement, str) and "notrack" in statement:
                perhaps = draft.copy()
                perhaps.matches.append(self.matches.unknown(statement))
                done.append(replace(perhaps, effects=[NoTracking()]))
            if one_member(statement)[0] in ASKING:
                _ask(done, draft, self.matches.read(statement, words))
            else:
                self._do(done, draft, statement)
        return [*done, draft]

    def _do(self, done: list[_Draft], draft: _Draft, statement: Json) -> None:
        needs, effects = EffectReader(self.matches).read(statement)
        if needs:
            _ask(done, draft, needs)
        draft.effects += effects
        kind, body = one_member(statement)
        # What is asked of each element that a rule puts into a set.
        for one in listed(members(body).get("stmt", ())) if kind in ("set", "meter") else ():
            if one_member(one)[0] not in ("", "counter", "last"):
                _ask(done, draft, self.matches.read(one))

    def _choices(self, statement: Json) -> list[_Choice] | None:
        """Part a statement that takes its value from a map; None for any other, and for a map that is not known."""
        kind, body = one_member(statement)
        found = members(body)
        try:
            if kind == "vmap":
                choices = self._verdicts(found)
            else:
                maps = {
                    place: members(members(found.get(place)).get("map")) for place in _FROM_MAP.get(kind, ())
                }
                place = next((place for place, origin in maps.items() if origin), "")
                if not place:
                    return None
                pairs = self._elements(maps[place].get("data"))
                choices = [self._chosen(kind, found, place, maps[place], *pair) for pair in pairs]
        except UNREADABLE:
            words = show_statement(statement, MOST_SHOWN)
            needs = self.matches.needs(found.get("key"), words) if kind == "vmap" else []
            return [_Choice([*needs, self.matches.unknown(show_statement(statement))], statement, words)]
        # A map without an element does nothing, and the next rule is asked.
        words = show_statement(statement, MOST_SHOWN)
        return choices or [_Choice([Match(NEVER, words=words)], {"comment": ""}, words)]

    def _elements(self, data: Json) -> list[tuple[Json, Json]]:
        """Give keys and values; what stands for all other keys comes last."""
        pairs = [listed(element) for element in self.matches.table.elements(data, "map")]
        return sorted(((bare(key), value) for key, value in pairs), key=lambda pair: pair[0] == "*")

    def _verdicts(self, found: Body) -> list[_Choice]:
        key = found.get("key")
        pairs = self._elements(found.get("data"))
        groups: dict[str, tuple[list[Json], Json]] = {}
        for value, verdict in pairs:
            alone = len(pairs) <= _MOST_RULES or value == "*"
            name = f"{len(groups)}" if alone else str(verdict)
            groups.setdefault(name, ([], verdict))[0].append(value)
        return [
            self._choice(key, values, verdict, {"vmap": {"key": key, "data": _pairs(values, verdict)}})
            for values, verdict in groups.values()
        ]

    def _chosen(self, kind: str, found: Body, place: str, origin: Body, key: Json, value: Json) -> _Choice:
        parts = listed(members(value).get("concat", (value,)))
        if len(parts) > 2 or (len(parts) == 2 and place != "addr"):
            raise NotModelledError("a value of several parts")
        chosen = {**found, place: parts[0], **({"port": parts[1]} if len(parts) == 2 else {})}
        shown = {**found, place: {"map": {**origin, "data": _pairs([key], value)}}}
        return self._choice(origin.get("key"), [key], {kind: chosen}, {kind: shown})

    def _choice(self, key: Json, values: Sequence[Json], statement: Json, shown: Json) -> _Choice:
        words = show_statement(shown, MOST_SHOWN)
        matches = self.matches.needs(key, words)
        try:
            matches += self.matches.among(key, values, words)
        except UNREADABLE:
            matches.append(self.matches.unknown(show_statement(shown)))
        return _Choice(matches, statement, words)


def _joined(words: Iterable[str]) -> str:
    return " ".join(filter(None, words))


def _each_once(matches: Sequence[Match]) -> tuple[Match, ...]:
    found: dict[tuple[Test, bool], Match] = {}
    for match in matches:
        found.setdefault((match.test, match.negated), match)
    return tuple(found.values())


def _pairs(keys: Sequence[Json], value: Json) -> Json:
    return {"set": [[key, value] for key in keys]}


def _ask(done: list[_Draft], draft: _Draft, matches: Sequence[Match]) -> None:
    """Let a rule ask more. What it did before it asked, it does in a rule of its own, whatever the answer is."""
    if draft.effects:
        done.append(draft.copy())
        changed = tuple(_CHANGES[type(effect)] for effect in draft.effects if type(effect) in _CHANGES)
        draft.matches = [_still(match, changed) for match in draft.matches]
        draft.effects = []
    draft.matches += matches


def _still(match: Match, changed: tuple[type[Test], ...]) -> Match:
    """Give a match as it was before something changed; where it looks at that, it is not known any more."""
    if not isinstance(match.test, changed) and not (changed and isinstance(match.test, AnyOf)):
        return match
    return replace(match, test=Other(f"{match.words or match.test} (before it was changed)"), negated=False)
