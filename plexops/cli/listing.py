"""Tasks and tables as lines: what a person reads before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from plexops.report.terminal import width_of

if TYPE_CHECKING:
    from plexops.model.site import ResolvedTask, SiteTasks


def table(rows: Sequence[Sequence[str]], gap: int = 2, indent: int = 0) -> str:
    """Put cells under each other. The last column is as wide as it likes."""
    if not rows:
        return ""
    widths = [max(map(width_of, column)) for column in zip_longest(*(row[:-1] for row in rows), fillvalue="")]
    lines = []
    for *cells, last in rows:
        padded = (
            cell + " " * (width + gap - width_of(cell)) for cell, width in zip(cells, widths, strict=False)
        )
        lines.append((" " * indent + "".join(padded) + last).rstrip())
    return "\n".join(lines) + "\n"


def count(number: int, word: str) -> str:
    """Give `1 site`, `2 sites`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def task_list(sites: Sequence[SiteTasks]) -> str:
    """Give the tasks of each site, in the order in which they are judged."""
    parts = []
    for tasks in sites:
        rows = [
            (
                task.name,
                _kind(task),
                ", ".join(sorted(task.tags)),
                str(task.place),
                task.not_applicable,
            )
            for task in tasks.tasks
        ]
        parts.append(f"{tasks.site.name}\n{table(rows, indent=2)}")
    return "\n".join(parts)


def _kind(task: ResolvedTask) -> str:
    from plexops.model.site import State
    from plexops.report.view import spaced

    name = spaced(task.kind) if task.key in ("", "plex") else f"{spaced(task.kind)} ({task.key})"
    return f"no {name}" if task.state is State.ABSENT else name
