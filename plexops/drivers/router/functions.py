"""The functions of profiles' expressions: JMESPath's own, and five that it lacks. Imports jmespath: load it late."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from typing import TypeVar, cast

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.parser import ParsedResult

from plexops.model.exchange import Json
from plexops.parsers.base import Row
from plexops.parsers.tree import tree_rows
from plexops.pattern import Pattern

_Function = TypeVar("_Function", bound=Callable[..., object])


def _takes(*kinds: str) -> Callable[[_Function], _Function]:
    """Say which types a function takes, one text of them for each value."""
    given = signature(*({"types": kind.split()} for kind in kinds))
    return cast("Callable[[_Function], _Function]", given)


class ProfileFunctions(Functions):  # type: ignore[misc]  # it has no types
    """JMESPath's functions, and `split`, `network`, `item`, `joined` and `nodes`."""

    @_takes("string", "string")
    def _func_split(self, text: str, by: str) -> list[str]:
        """Give the parts of a text between `by`."""
        return text.split(by) if by else [text]

    @_takes("string", "string number")
    def _func_network(self, address: str, mask: str | int) -> str | None:
        """Give the network of an address with a mask, or with a number of bits; null for what is none."""
        try:
            return str(IPv4Network(f"{address}/{mask}", strict=False))
        except ValueError:
            return None

    @_takes("object null", "string")
    def _func_item(self, table: Mapping[str, Json] | None, key: str) -> Json:
        """Give what stands under a key that is a value itself; null where there is none."""
        return None if table is None else table.get(key)

    @_takes("array", "string", "array", "string")
    def _func_joined(self, rows: Sequence[Json], key: str, others: Sequence[Json], theirs: str) -> list[Json]:
        """Give rows with the columns of the first other row that has the row's `key` as `theirs`, whatever its capitals."""
        known = {
            str(other[theirs]).lower(): other
            for other in reversed(others)
            if isinstance(other, Mapping) and other.get(theirs)
        }
        return [
            {**known.get(str(row.get(key)).lower(), {}), **row} if isinstance(row, Mapping) else row
            for row in rows
        ]

    @_takes("array", "string")
    def _func_nodes(self, tree: Sequence[Sequence[str]], at: str) -> list[Row]:
        """Give the nodes at a place of a configuration tree as rows: `nat destination rule *number`."""
        return tree_rows(tree, at)


_LITERAL = Pattern(r"`((?:[^`\\]|\\.)*)`")
_OPTIONS = jmespath.Options(custom_functions=ProfileFunctions())


def parsed(text: str) -> ParsedResult:
    """Parse an expression. Raises ValueError with what is wrong in one line."""
    try:
        return jmespath.compile(text)
    except JMESPathError as reason:
        raise ValueError(f"this is no JMESPath expression: {str(reason).splitlines()[0]}") from None


def checked(text: str) -> ParsedResult:
    """Parse an expression as its profile is loaded. Raises ValueError also for a literal that is no JSON.

    JMESPath itself takes that for a text, so that `nul` would be one.
    """
    for found in _LITERAL.finditer(text):
        try:
            json.loads(found[1])
        except ValueError:
            raise ValueError(f"`{found[1]}` is no JSON: write a text as '{found[1]}'") from None
    return parsed(text)


def search(text: str, value: Json) -> Json:
    """Search by an expression. Raises ValueError for a value that is not as the expression wants it."""
    try:
        found: Json = parsed(text).search(value, options=_OPTIONS)
    except JMESPathError as reason:
        raise ValueError(str(reason).splitlines()[0]) from None
    return found


def wrong_call(name: str, count: int) -> str:
    """Say why a function is not called so; empty where it is."""
    known = ProfileFunctions.FUNCTION_TABLE
    if name not in known:
        return f"there is no function {name}"
    wanted: Sequence[Mapping[str, object]] = known[name]["signature"]
    endless = bool(wanted) and bool(wanted[-1].get("variadic"))
    if count == len(wanted) or (endless and count >= len(wanted)):
        return ""
    more = " or more" if endless else ""
    return f"{name} takes {len(wanted)}{more} values, and here it is given {count}"
