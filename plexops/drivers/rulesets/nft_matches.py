"""What a statement of nft asks of a packet. What is not modelled becomes `Other`, behind what must hold anyway.

Sources: nft(8), libnftables-json(5), the kernel's `net/netfilter/nft_*.c`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from plexops.drivers.rulesets.base import ANSWERED, ASSURED, NEVER, any_of
from plexops.drivers.rulesets.nft_keys import CONNECTED, Key, key_of
from plexops.drivers.rulesets.nft_words import (
    UNREADABLE,
    NotModelledError,
    Values,
    bare,
    listed,
    members,
    number_of,
    one_member,
    show,
    show_statement,
)
from plexops.model import matches
from plexops.model.exchange import Json
from plexops.model.matches import AnyOf, Match, Other, Side, Test
from plexops.pattern import Pattern
from plexops.structs import replace

#: Of an anonymous set so many elements are shown.
MOST_SHOWN = 6
#: What stands before the handle of a rule in words that are about that rule alone.
HERE = " # handle "
_PER_MINUTE = {"second": 60, "minute": 1, "hour": 1 / 60, "day": 1 / 1440, "week": 1 / 10080}
_STATUS_BITS = {"seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32}
_STATUS_TESTS: Mapping[int, Test] = {
    2: ANSWERED,
    4: AnyOf((ASSURED,)),
    8: ANSWERED,
    16: matches.TranslatedIs(Side.SOURCE),
    32: matches.TranslatedIs(Side.DESTINATION),
}
#: Their answer is another one in each rule, however alike the words are.
_OF_THEIR_RULE = Pattern(r"\b(?:numgen|random|quota|limit|xt)\b")
Body = Mapping[str, Json]


class Table(Struct):
    """What the listing holds of one table, by name."""

    family: str
    name: str
    #: Dormant: none of its chains is asked. None: not known.
    asleep: bool | None = False
    #: Its sets, maps, limits, flow tables, by kind first.
    objects: defaultdict[str, dict[str, Body]] = field(default_factory=lambda: defaultdict(dict))
    #: Chains with their place in the listing: what was made later stands later.
    chains: dict[str, tuple[int, Body]] = {}
    rules: dict[str, list[Body]] = {}
    #: Its sets of addresses, and the sets and maps that rules change otherwise than by adding an address.
    addresses: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()

    def id_of(self, name: str) -> str:
        """Give the id of a chain or set of this table."""
        return f"{self.family} {self.name} {name}"

    def elements(self, value: Json, kind: str) -> Values:
        """Give the elements of an anonymous set or a named one (`set` or `map`); a single value is one element."""
        anonymous, body = one_member(value)
        if anonymous == "set":
            found = listed(body)
        elif not isinstance(value, str) or not value.startswith("@"):
            return [value]
        elif value[1:] in self.written or value[1:] not in self.objects[kind]:
            raise NotModelledError(f"what is in {value} is not known")
        else:
            found = elements_of(self.objects[kind][value[1:]])
        return [bare(element) for element in found]


def elements_of(body: Body) -> Values:
    """Give what a named set or map holds, as it is listed."""
    return [] if body.get("elem") is None else listed(body["elem"])


class MatchReader(Struct, frozen=True):
    """Reads what one rule asks. `handle` tells apart what is counted rule by rule."""

    table: Table
    handle: str

    def key(self, left: Json) -> Key:
        """Say what an expression looks at."""
        return key_of(left, self.table.family)

    def needs(self, left: Json, words: str) -> list[Match]:
        """Give what must hold for an expression to have a value at all."""
        parts = listed(members(left).get("concat", (left,)))
        return [Match(test, words=words) for part in parts for test in self.key(part).needs]

    def unknown(self, words: str) -> Match:
        """Give a match of which it is not known whether it holds."""
        about = self.here(words) if _OF_THEIR_RULE.search(words) else words
        return Match(Other(about), words=words)

    def here(self, words: str) -> str:
        """Give words that say of which rule they are."""
        return f"{words}{HERE}{self.handle}"

    def read(self, statement: Json, words: str = "") -> list[Match]:
        """Read one statement that a packet may fail. `words` are the statement's, where they are there already."""
        kind, body = one_member(statement)
        found, words = members(body), words or show_statement(statement, MOST_SHOWN)
        try:
            match kind:
                case "match":
                    return self._compare(statement, found, words)
                case "limit":
                    return [self._limit(found or self.table.objects["limit"][str(body)], words)]
                case "ct count":
                    most, over = number_of(found["val"]), bool(found.get("inv"))
                    return [Match(matches.ConnectionsWithin(most, over, self.here(words)), words=words)]
                case "xt" if found.get("type") == "match" and found.get("name") == "comment":
                    return []
        except UNREADABLE:
            pass
        return [self.unknown(show_statement(statement))]

    def _limit(self, found: Body, words: str) -> Match:
        """Read a rate of packets. Without a burst it is 5 (nft(8))."""
        if found.get("rate_unit", "packets") != "packets":
            raise NotModelledError("a rate of bytes")
        rate = number_of(found["rate"]) * _PER_MINUTE[str(found["per"])]
        over, burst = bool(found.get("inv")), number_of(found.get("burst") or 5)
        return Match(matches.RateWithin(rate, burst, over, self.here(words)), words=words)

    def _compare(self, statement: Json, found: Body, words: str) -> list[Match]:
        left, operator, right = found.get("left"), str(found.get("op", "==")), found.get("right")
        if _is_a(left, "ct", "status") and (operator in ("in", "!") or "&" in members(left)):
            return _status(left, operator, right, words)
        if _is_a(left, "meta", "day") and len(set(map(str, listed(members(right).get("set"))))) == 7:
            return [Match(NEVER, words=words)] if operator == "!=" else []
        if any(_is_a(left, "meta", part) for part in ("hour", "day", "time")):
            return [Match(matches.TimeIs(show_statement(statement)), words=words)]
        needs = self.needs(left, words)
        if _is_a(left, "ct", "state") and operator in ("in", "!"):
            right, operator = {"set": listed(right)}, "==" if operator == "in" else "!="
        elif operator in ("in", "!"):  # one of these bits, or none
            left, right, operator = {"&": [left, right]}, 0, "!=" if operator == "in" else "=="
        elif "fib" in members(left) and right in (False, "0"):
            right, operator = True, "!=" if operator == "==" else "=="
        try:
            return [*needs, *self._held(left, operator, right, words)]
        except UNREADABLE:
            return [*needs, self.unknown(show_statement(statement))]

    def _held(self, left: Json, operator: str, right: Json, words: str) -> list[Match]:
        key = self.key(left)
        if operator not in ("==", "!="):
            right = _beyond(operator, number_of(right), key.top)
        name = right[1:] if isinstance(right, str) and right.startswith("@") else ""
        if key.address is not None and name in self.table.addresses:
            return [Match(matches.SetHas(key.address[0], self.table.id_of(name)), operator == "!=", words)]
        values = self.table.elements(right, "set")
        return self.among(left, values, words, negated=operator == "!=")

    def among(self, left: Json, values: Values, words: str, *, negated: bool = False) -> list[Match]:
        """Give what holds where an expression has one of some values; what it needs for that is not among it.

        Raises what `UNREADABLE` names.
        """
        if "*" in values:
            return [Match(NEVER, words=words)] if negated else []
        parts = members(left).get("concat")
        if parts is not None:
            if negated and any(self.key(part).connected for part in listed(parts)):
                raise NotModelledError("whether there is a connection")
            return [Match(self._together(listed(parts), values), negated, words)]
        key = self.key(left)
        if key.settled:
            return []
        if key.read is None:
            raise NotModelledError("not modelled")
        tests = key.read(values)
        if key.connected and negated:  # without a connection a rule does not hold, negated or not
            return [Match(test, negated, words) for test in tests] or [Match(CONNECTED, words=words)]
        return [Match(any_of(tests), negated, words)]

    def _together(self, parts: Sequence[Json], values: Values) -> Test:
        """Read several expressions side by side: a branch for all values that differ in one place only."""
        rows = [listed(members(value)["concat"]) for value in values]
        if any(len(row) != len(parts) for row in rows):
            raise NotModelledError("values of another length")
        keys = [self.key(part) for part in parts]
        free = next((place for place, key in enumerate(keys) if key.address is not None), 0)
        alike: dict[str, list[Sequence[Json]]] = {}
        for row in rows:
            alike.setdefault(str([*row[:free], *row[free + 1 :]]), []).append(row)
        branches: list[tuple[Match, ...]] = []
        for group in alike.values():
            branch: list[Match] = []
            for place, part in enumerate(parts):
                found = [row[place] for row in group] if place == free else [group[0][place]]
                try:
                    branch += self.among(part, found, "")
                except NotModelledError:
                    branch.append(self.unknown(f"{show(part)} {show({'set': found})}"))
            branches.append(tuple(branch))
        return AnyOf(tuple(branches))

    def both_readings(self, run: Sequence[Json]) -> list[Match]:
        """Read neighbouring "is not" of one header.

        nft 1.0.6 compiles `tcp sport != 53 tcp dport != 32500` as one comparison of four bytes ("not both"), and still
        lists two. Where "neither" and "not both" differ it is not known.
        """
        needs: list[Match] = []
        held: list[Match] = []
        for statement in run:
            found = members(members(statement)["match"])
            read = self.read({"match": {**found, "op": "=="}})
            before = len(self.needs(found.get("left"), ""))
            needs += read[:before]
            held += read[before:]
        words = " ".join(show_statement(statement, MOST_SHOWN) for statement in run)
        neither = tuple(replace(match, negated=not match.negated) for match in held)
        either = AnyOf((neither, (Match(Other(words)),)))
        return [*needs, Match(AnyOf((tuple(held),)), negated=True, words=words), Match(either, words=words)]


def _beyond(operator: str, value: int, top: int) -> Json:
    """Give the range of all that is less or more than a number."""
    if not top:
        raise NotModelledError("values that are not compared")
    ranges = {"<": (0, value - 1), "<=": (0, value), ">": (value + 1, top), ">=": (value, top)}
    return {"range": list(ranges[operator])}


def _is_a(left: Json, kind: str, key: str) -> bool:
    found = members(left)
    found = members(listed(found["&"])[0]) if "&" in found else found
    return members(found.get(kind)).get("key") == key


def _status(left: Json, operator: str, right: Json, words: str) -> list[Match]:
    """Read what connection tracking notes of a connection.

    Without a connection there is no status, and the rule does not hold, negated or not.
    """
    masked = members(left).get("&")
    bits = number_of(right if masked is None else listed(masked)[1], _STATUS_BITS)
    some = operator == "in"
    if masked is not None:
        wanted = number_of(right, _STATUS_BITS)
        if wanted and (wanted != bits or bits not in _STATUS_BITS.values()):
            raise NotModelledError("some bits, but not others")
        some = (operator == "==") is bool(wanted)
    if not bits or bits & ~sum(_STATUS_BITS.values()):
        raise NotModelledError("another bit of the status")
    tests = [test for bit, test in _STATUS_TESTS.items() if bit & bits]
    if some:
        return [Match(any_of(tests), words=words)]
    return [Match(CONNECTED, words=words), *(Match(test, negated=True, words=words) for test in tests)]


def runs(expression: Sequence[Json]) -> list[list[Json]]:
    """Part a rule into its statements; neighbours that nft may have compiled as one stay together."""
    found: list[list[Json]] = []
    before = ""
    for statement in expression:
        header = _negated_header(statement)
        if header and header == before:
            found[-1].append(statement)
        else:
            found.append([statement])
        before = header
    return found


def _negated_header(statement: Json) -> str:
    """Give the header whose field is compared by "is not" with one value. Addresses are too long to be joined."""
    found = members(members(statement).get("match"))
    payload = members(members(found.get("left")).get("payload"))
    single = isinstance(found.get("right"), (int, str)) and not str(found.get("right")).startswith("@")
    if found.get("op") != "!=" or not single or payload.get("field") in (None, "saddr", "daddr"):
        return ""
    return str(payload.get("protocol", ""))
