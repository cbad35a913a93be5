"""Tasks and tables as lines: what a person reads before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from plexops.model.site import SiteTasks, State
from plexops.report.terminal import width_of
from plexops.report.view import spaced


def table(rows: Sequence[Sequence[str]], gap: int = 2, indent: int = 0) -> str:
    """Put cells under each other. The last column is as wide as it likes."""
    if not rows:
        return ""
    columns = max(len(row) for row in rows)
    widths = [
        max((width_of(row[i]) for row in rows if len(row) > i + 1), default=0) for i in range(columns - 1)
    ]
    lines = []
    for row in rows:
        cells = [
            cell + " " * (widths[i] + gap - width_of(cell)) if i < len(row) - 1 else cell
            for i, cell in enumerate(row)
        ]
        lines.append((" " * indent + "".join(cells)).rstrip())
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
                _kind(task.kind, task.key, task.state),
                ", ".join(sorted(task.tags)),
                str(task.place),
                task.not_applicable,
            )
            for task in tasks.tasks
        ]
        parts.append(f"{tasks.site.name}\n{table(rows, indent=2)}")
    return "\n".join(parts)


def _kind(kind: str, key: str, state: State) -> str:
    name = spaced(kind) if key in ("", "plex") else f"{spaced(kind)} ({key})"
    return f"no {name}" if state is State.ABSENT else name
