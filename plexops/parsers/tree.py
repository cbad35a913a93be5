"""`show configuration commands` of VyOS and EdgeOS: the configuration tree, one `set` line for each leaf."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.parsers.base import ParseError, Row, lines_of, one_or_many
from plexops.pattern import Pattern

#: What a leaf has for a value that is there and has none, as `disable`.
SET = "set"

#: VyOS quotes every value, EdgeOS those that need it.
_WORD = r"(?:'[^']*'|\\'|[^\s'\"\\])+"
_LINE = Pattern(rf"set(?: +{_WORD})+")
_WORDS = Pattern(_WORD)
_PART = Pattern(r"'([^']*)'|\\(')|([^'\\]+)")


def parse_tree(text: str) -> list[list[str]]:
    """Read every line as the words of its path, without `set` and without quotes.

    Raises ParseError for any other line, and for nothing: a configuration is never empty.
    """
    paths = []
    for line in lines_of(text):
        if _LINE.fullmatch(line) is None:
            raise ParseError("no line of `show configuration commands`", line)
        words = [match[0] for match in _WORDS.finditer(line)]
        paths.append(["".join(map("".join, _PART.findall(word))) for word in words[1:]])
    if not paths:
        raise ParseError("nothing at all was printed")
    return paths


def tree_rows(paths: Sequence[Sequence[str]], at: str) -> list[Row]:
    """Give the nodes at a place of the tree as rows, in order.

    `at` names the place: `nat destination rule *number` are all its rules, each with its number. All below a node but
    the last word names a field, the last word is its value; a field that occurs more than once has a list, and a single
    word has the value `set`. Raises ParseError where a field has the name of one of the free words.
    """
    place = at.split()
    rows: dict[tuple[str, ...], Row] = {}
    for path in paths:
        if len(path) < len(place) or any(
            not free.startswith("*") and free != word for free, word in zip(place, path, strict=False)
        ):
            continue
        names = {free[1:]: word for free, word in zip(place, path, strict=False) if free.startswith("*")}
        row = rows.setdefault(tuple(path[: len(place)]), {**names})
        *field, value = path[len(place) :] or ("", "")
        if not field:
            field, value = [value], SET
        name = " ".join(field)
        if name in names:
            raise ParseError("a field has the name of a free word", name)
        if name:
            known = row.get(name, [])
            row[name] = one_or_many([*(known if isinstance(known, list) else [known]), value])
    return list(rows.values())
