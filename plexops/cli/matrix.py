"""What each router family can do, as a table for people and for documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plexops.cli.listing import table
from plexops.report.view import spaced

if TYPE_CHECKING:
    from plexops.engine.families import Ability, FamilyLine
    from plexops.model.snapshot import Kind


def as_text(lines: Sequence[FamilyLine]) -> str:
    """Give the matrix for a terminal."""
    head, *rows = _rows(lines, _kinds(lines))
    return table([[word.upper() for word in head], *rows]) + "".join(f"{line}\n" for line in _unseen(lines))


def as_markdown(lines: Sequence[FamilyLine], kinds: Sequence[Kind] = ()) -> str:
    """Give the matrix for a document, and beneath it why a kind is not seen; of some kinds the table alone."""
    head, *rows = _rows(lines, kinds or _kinds(lines))
    drawn = "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))
    return drawn if kinds else drawn + "\n" + "".join(f"- {line}\n" for line in _unseen(lines))


def _kinds(lines: Sequence[FamilyLine]) -> list[Kind]:
    """Give the kinds that a family knows, in the order of the model."""
    known = {able.kind for line in lines for able in line.abilities}
    return [kind for kind in type(next(iter(known))) if kind in known]


def _rows(lines: Sequence[FamilyLine], kinds: Sequence[Kind]) -> list[list[str]]:
    rows = [["profile", *map(spaced, kinds), "own undo", "login", "verified by"]]
    for line in lines:
        can = {able.kind: _cell(able) for able in line.abilities}
        verified = ", ".join(line.verified) or "nothing yet"
        rows.append([line.name, *(can.get(kind, "-") for kind in kinds), line.window, line.login, verified])
    return rows


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
    unseen = ((line.name, able) for line in lines for able in line.abilities if able.unseen)
    return [f"{name}, {spaced(able.kind)}: {able.unseen}" for name, able in unseen]
