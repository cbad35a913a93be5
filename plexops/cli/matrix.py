"""What each router family can do, as a table for people, for documents and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plexops.cli.listing import table
from plexops.report.view import spaced

if TYPE_CHECKING:
    from plexops.engine.families import Ability, FamilyLine
    from plexops.model.snapshot import Kind

_HEAD = ("profile", "login", "own undo", "verified by")
_WORDS = (
    "**seen**: read and understood. **written**: made, changed and taken away again. **adopted**: one that another "
    "made is changed, if you say so. **by hand**: plexops prints the steps. **unseen**: the family does not show it. "
    "**-**: its profile says nothing of it.\n"
)


def as_text(lines: Sequence[FamilyLine]) -> str:
    """Give the matrix for a terminal."""
    kinds = _kinds(lines)
    head = [*_HEAD, *map(spaced, kinds)]
    return table([[word.upper() for word in head], *_rows(lines, kinds)]) + "".join(
        f"{line}\n" for line in _unseen(lines)
    )


def as_markdown(lines: Sequence[FamilyLine]) -> str:
    """Give the matrix as two tables of a document, and beneath them why a kind is not seen."""
    kinds = _kinds(lines)
    rows = _rows(lines, kinds)
    titled = [[line.title, *row[: len(_HEAD)]] for line, row in zip(lines, rows, strict=True)]
    can = [[row[0], *row[len(_HEAD) :]] for row in rows]
    told = "".join(f"\n- {line}" for line in _unseen(lines))
    tables = (
        _markdown(["family", *_HEAD], titled),
        _WORDS,
        _markdown(["profile", *map(spaced, kinds)], can),
    )
    return "\n".join(tables) + (f"{told}\n" if told else "")


def as_short_markdown(lines: Sequence[FamilyLine], kinds: Sequence[Kind]) -> str:
    """Give a table of some kinds alone."""
    rows = [[row[0], *row[len(_HEAD) :], *row[2 : len(_HEAD)]] for row in _rows(lines, kinds)]
    return _markdown(["profile", *map(spaced, kinds), *_HEAD[2:]], rows)


def _kinds(lines: Sequence[FamilyLine]) -> list[Kind]:
    """Give the kinds that a family knows, in the order of the model."""
    known = {able.kind for line in lines for able in line.abilities}
    return [kind for kind in type(next(iter(known))) if kind in known]


def _rows(lines: Sequence[FamilyLine], kinds: Sequence[Kind]) -> list[list[str]]:
    found = []
    for line in lines:
        can = {able.kind: able for able in line.abilities}
        verified = ", ".join(line.verified) or "nothing yet"
        cells = [_cell(can[kind]) if kind in can else "-" for kind in kinds]
        found.append([line.name, line.login, line.window, verified, *cells])
    return found


def _cell(able: Ability) -> str:
    said = {
        "seen": able.read and not able.written,
        "written": able.written,
        "adopted": able.adopted,
        "unseen": bool(able.unseen),
        "by hand": able.by_hand,
    }
    return ", ".join(word for word, holds in said.items() if holds)


def _unseen(lines: Sequence[FamilyLine]) -> list[str]:
    return [
        f"{line.name}, {spaced(able.kind)}: {able.unseen}"
        for line in lines
        for able in line.abilities
        if able.unseen
    ]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
