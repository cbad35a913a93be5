"""Expressions of a profile: JMESPath over all of its reads, whose outermost names are reads.

`{{ fact.x.wan }}` stands for a fact that was taken before, as a literal: JMESPath itself cannot join two lists.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import Answer
from plexops.model.exchange import Json
from plexops.pattern import Pattern

_FACT = Pattern(r"\{\{ *fact\.([a-z][a-z0-9_.]*) *\}\}")
#: What is evaluated on all reads of a node's children: none, the first alone, or every one (`jmespath.ast`).
_NOWHERE = frozenset({"literal", "expref", "index", "slice"})
_ON_THE_FIRST = frozenset(
    {"subexpression", "pipe", "projection", "value_projection", "filter_projection", "index_expression"}
)
_PROJECTIONS = frozenset({"projection", "value_projection", "filter_projection"})


class Expression(Struct, frozen=True):
    """An expression that was found to be sound. `reads` are its outermost names, as they stand."""

    text: str
    reads: tuple[str, ...]
    facts: tuple[str, ...] = ()

    def of(self, answers: Mapping[str, Answer], facts: Mapping[str, str] = MappingProxyType({})) -> Answer:
        """Search the answers. What rests on a failed read is unknown; on none that the device has: absent.

        `facts` are those taken before, by name. Raises ValueError for answers that are not as the expression wants them.
        """
        told = {name: answers[name] for name in self.reads}
        failed = next((answer for answer in told.values() if answer.problem), None)
        if failed is not None:
            return failed
        if told and all(answer.absent for answer in told.values()):
            return Answer(absent=True)
        from plexops.drivers.router.functions import search

        missing = [name for name in self.facts if name not in facts]
        if missing:
            return Answer(problem=f"{missing[0]} is unknown")
        text = _FACT.sub(lambda found: literal(facts[found[1]]), self.text) if self.facts else self.text
        return Answer(search(text, {name: answer.value for name, answer in told.items()}))


def literal(value: str) -> str:
    """Write a text as a literal of JMESPath."""
    return "`" + json.dumps(value).replace("`", "\\u0060") + "`"


def compile_expression(text: str, reads: Collection[str], facts: Collection[str] = ()) -> Expression:
    """Check an expression when its profile is loaded. Raises ValueError with what is wrong with it.

    `facts` are the names of the facts before it.
    """
    from plexops.drivers.router.functions import checked

    named = tuple(dict.fromkeys(found[1] for found in _FACT.finditer(text)))
    for name in named:
        if name not in facts:
            raise ValueError(f"there is no fact {name!r} before this one")
    tree = checked(_FACT.sub(literal(""), text)).parsed
    _check_calls(tree)
    outermost = tuple(dict.fromkeys(_outermost(tree)))
    for name in outermost:
        if name not in reads:
            from difflib import get_close_matches  # only what is misspelt asks for it

            close = get_close_matches(name, sorted(reads), n=1)
            raise ValueError(
                f"there is no read {name!r}" + (f": did you mean {close[0]!r}?" if close else "")
            )
    return Expression(text, outermost, named)


def _outermost(node: Mapping[str, Any]) -> Iterator[str]:
    """Give the names that are looked for in the reads themselves."""
    kind, children = node["type"], node["children"]
    if kind in ("current", "identity"):
        raise ValueError("an expression begins with the name of a read")
    if kind == "field":
        yield node["value"]
    elif kind in _ON_THE_FIRST:
        yield from _outermost(children[0])
    elif kind not in _NOWHERE:
        for child in children:
            yield from _outermost(child)


def names_in(text: str) -> tuple[set[str], set[str]]:
    """Give the names that an expression looks for, and those that it makes itself; `null` is the idiom for nothing."""
    from plexops.drivers.router.functions import parsed

    sought: set[str] = set()
    made: set[str] = set()
    nodes = [parsed(_FACT.sub(literal(""), text)).parsed] if text else []
    while nodes:
        node = nodes.pop()
        kept = {"field": sought, "key_val_pair": made}.get(node["type"])
        if kept is not None:
            kept.add(node["value"])
        elif node["type"] == "literal" and isinstance(node["value"], str):
            made |= {word[1:] for word in node["value"].split() if word.startswith("*")}
        nodes += [child for child in node["children"] if isinstance(child, Mapping)]
    return sought - {"null"}, made


def _check_calls(node: Mapping[str, Any]) -> None:
    from plexops.drivers.router.functions import wrong_call

    if node["type"] == "function_expression" and (wrong := wrong_call(node["value"], len(node["children"]))):
        raise ValueError(wrong)
    left, right = (*node["children"], None, None)[:2] if node["type"] == "subexpression" else (None, None)
    if left and right and left["type"] in _PROJECTIONS and right["type"] in ("field", "multi_select_dict"):
        # A projection ends behind its first `.{…}`: what follows is looked for in the list itself, which has no fields.
        raise ValueError("behind `.{…}` of a list this gives nothing: go on with `| [*]`")
    for child in node["children"]:
        if isinstance(child, Mapping):  # the ends of a slice are numbers
            _check_calls(child)


def rows_of(
    expression: Expression, answers: Mapping[str, Answer], facts: Mapping[str, str] = MappingProxyType({})
) -> Answer:
    """Give the rows that an expression picks, or why they are unknown. None that the device keeps: absent."""
    try:
        found = expression.of(answers, facts)
    except ValueError as reason:
        return Answer(problem=f"the answer to {' and '.join(expression.reads)} is not understood: {reason}")
    if found.problem or found.absent:
        return found
    if not isinstance(found.value, list):
        return Answer(problem=f"the answer to {' and '.join(expression.reads)} holds no list")
    return found


def holds(expression: str, value: Json) -> bool:
    """Tell whether an expression over one answer is true of it."""
    from plexops.drivers.router.functions import search

    try:
        return search(expression, value) is True
    except ValueError:
        return False
