"""Where results go: reports to stdout or files, everything else to stderr. One choke point."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import MaskedReport, RunReport
from plexops.report.view import View


def view_for(stream: TextIO, verbose: int = 0) -> View:
    """Give how to write to a stream: its width, colour only on a terminal, plain ASCII where it cannot do more."""
    terminal = stream.isatty()
    width = shutil.get_terminal_size((100, 24)).columns if terminal else 100
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit():
        width = int(columns)
    encoding = (stream.encoding or "ascii").lower()
    return View(
        width=max(40, width),
        colour=_colour(terminal=terminal),
        unicode=encoding.replace("-", "") in ("utf8", "utf16", "utf32"),
        verbose=verbose > 0,
    )


def _colour(*, terminal: bool) -> bool:
    """NO_COLOR wins, then FORCE_COLOR, then whether a terminal is there that knows colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return terminal and os.environ.get("TERM", "") not in ("", "dumb")


def show_problems(problems: Sequence[Problem]) -> None:
    """Print problems, each with the line of the file that it is about."""
    from plexops.report.problem import render_problem

    view = view_for(sys.stderr)
    for problem in problems:
        print(render_problem(problem, _source_line(problem), view), file=sys.stderr)
    if len(problems) > 1:
        print(f"{len(problems)} problems", file=sys.stderr)


def _source_line(problem: Problem) -> str | None:
    if problem.place is None:
        return None
    try:
        lines = Path(problem.place.file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[problem.place.line - 1] if 0 < problem.place.line <= len(lines) else None


def parse_formats(given: Sequence[str]) -> tuple[tuple[str, Path | None], ...]:
    """Read `NAME[:PATH]`. Raises PlexopsError for an unknown name, and when two formats want the terminal."""
    from plexops.config.problems import nearest
    from plexops.report import FORMATS

    found: list[tuple[str, Path | None]] = []
    for text in given or ("text",):
        name, _, path = text.partition(":")
        if name not in FORMATS:
            close = nearest(name, tuple(FORMATS))
            cure = f"Did you mean {close}?" if close else f"There are {', '.join(FORMATS)}."
            raise PlexopsError(Problem("PLX-C701", f"there is no report format {name!r}", cure))
        found.append((name, Path(path) if path else None))
    if sum(path is None for _, path in found) > 1:
        raise PlexopsError(
            Problem("PLX-C702", "two formats want to be printed", "Give one of them a file: html:report.html")
        )
    return tuple(found)


def write_reports(
    report: RunReport, masked: MaskedReport, formats: Sequence[tuple[str, Path | None]], verbose: int
) -> None:
    """Print or save the report in each format. Only a terminal shows one's own addresses in clear."""
    from plexops.report import FORMATS
    from plexops.report import text as text_format

    view = view_for(sys.stdout, verbose)
    for name, path in formats:
        if path is not None:
            _save(path, FORMATS[name].render(masked, view_for_file()))
        elif name == "text" and sys.stdout.isatty():
            print(text_format.render(report, view), end="")
        else:
            print(FORMATS[name].render(masked, view), end="")


def view_for_file() -> View:
    """Give how to write to a file: wide, without colour, every detail."""
    return View(width=100, colour=False, unicode=True, verbose=True)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = f"the report cannot be written to {path}: {error.strerror}"
        raise PlexopsError(Problem("PLX-C703", reason, "Name a file that you may write.")) from None


def note(text: str) -> None:
    """Tell a person something that is no result."""
    from plexops.report.terminal import safe_term

    print(safe_term(text, keep="\n"), file=sys.stderr)
