"""Where results go: reports to stdout or files, everything else to stderr. One choke point."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from plexops.model.errors import PlexopsError, Problem
from plexops.model.paths import from_home
from plexops.report.terminal import safe_term
from plexops.structs import replace

if TYPE_CHECKING:
    from plexops.model.run import MaskedReport, RunReport
    from plexops.report.view import View

#: Where a terminal says nothing about its width.
_COLUMNS = 100


def view_for(stream: TextIO, verbose: int = 0) -> View:
    """Give how to write to a stream: its width, colour only on a terminal, plain ASCII where it cannot do more."""
    from plexops.report.view import View

    terminal, width = stream.isatty(), _COLUMNS
    if terminal or "COLUMNS" in os.environ:
        import shutil

        width = shutil.get_terminal_size((_COLUMNS, 24)).columns
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
        print(render_problem(problem, source_line(problem, problems), view), file=sys.stderr)
    if len(problems) > 1:
        print(f"{len(problems)} problems", file=sys.stderr)


def source_line(problem: Problem, problems: Sequence[Problem]) -> str | None:
    """Give the line that a problem is about; None where it cannot be read, or may hold a secret in clear."""
    from plexops.config.files import read_regular
    from plexops.config.problems import shows_secret
    from plexops.config.yaml import MAX_BYTES

    if problem.place is None:
        return None
    try:
        text = read_regular(Path(problem.place.file), MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None
    lines = text.split("\n")  # as YAML counts them: a form feed or U+2028 ends no line there
    line = lines[problem.place.line - 1] if 0 < problem.place.line <= len(lines) else None
    return None if line is None or shows_secret(problem, line, problems) else line


def parse_formats(given: Sequence[str]) -> tuple[tuple[str, Path | None], ...]:
    """Read `NAME[:PATH]`, and see that the files can be written before anything is asked of a device.

    Raises PlexopsError PLX-C701 for an unknown name, PLX-C702 when two formats want the terminal, PLX-C703.
    """
    from plexops.config.problems import nearest
    from plexops.report import FORMATS

    found: list[tuple[str, Path | None]] = []
    for text in given or ("text",):
        name, _, path = text.partition(":")
        if name not in FORMATS:
            close = nearest(name, tuple(FORMATS))
            cure = f"Did you mean {close}?" if close else f"There are {', '.join(FORMATS)}."
            raise PlexopsError(Problem("PLX-C701", f"there is no report format {name!r}", cure))
        found.append((name, from_home(path) if path else None))
    if sum(path is None for _, path in found) > 1:
        raise PlexopsError(
            Problem("PLX-C702", "two formats want to be printed", "Give one of them a file: html:report.html")
        )
    for _, file in found:
        if file is not None:
            require_writable(file)
    return tuple(found)


def require_writable(path: Path) -> None:
    """Raise PlexopsError PLX-C703 unless a file can be written there. What is in it stays as it is."""
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def write_reports(
    report: RunReport, masked: MaskedReport, formats: Sequence[tuple[str, Path | None]], verbose: int
) -> int:
    """Print or save the report in each format, and give its exit status.

    Only a terminal shows one's own addresses in clear.
    """
    from plexops.report import render, text

    view = replace(view_for(sys.stdout, verbose), evidence=evidence_of(report))
    for name, path in formats:
        if name == "github":
            _add_summary(masked)
        if path is not None:
            save(path, render(name, masked, view_for_file()))
        elif name == "text" and sys.stdout.isatty():
            emit(text.render(report, view))
        else:
            emit(render(name, masked, view))
    return report.exit_status


def open_report(path: Path | None) -> Callable[[str], None]:
    """Give what writes a report line by line: to the terminal, or into a new file. Raises PlexopsError PLX-C703."""
    if path is None:
        return emit
    save(path, "")
    return lambda text: save(path, text, "a")


def evidence_of(report: RunReport) -> str:
    """Give the folder that a run left, as a person finds it; empty where it left none."""
    from plexops.evidence.folder import state_root

    if not report.run_id:
        return ""
    root = state_root(os.environ, sys.platform)
    # By the run's id: a site's name may be masked in the report.
    found = list(root.glob(f"*/runs/{report.run_id}"))
    return str(found[0]) if len(found) == 1 else str(root)


def view_for_file() -> View:
    """Give how to write to a file: wide, without colour, every detail."""
    from plexops.report.view import View

    return View(width=_COLUMNS, colour=False, unicode=True, verbose=True)


def emit(text: str) -> None:
    """Print a result. A reader that has gone away changes no exit status.

    Raises PlexopsError PLX-C703 where it cannot be written, as on a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise _unwritable("the standard output", error) from None


def _add_summary(masked: MaskedReport) -> None:
    """Append to the page that GitHub shows for a step, where there is one."""
    from plexops.report import render
    from plexops.report.view import View

    name = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(render("markdown", masked, View()))
    except OSError as error:
        note(f"the summary cannot be written to {name}: {error.strerror}")


def save(path: Path, text: str, mode: Literal["w", "a"] = "w") -> None:
    """Write a file, or add to it. Raises PlexopsError PLX-C703 where that cannot be."""
    try:
        with path.open(mode, encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path | str, error: OSError) -> PlexopsError:
    reason = f"{path} cannot be written: {error.strerror}"
    return PlexopsError(Problem("PLX-C703", reason, "Name a file that you may write."))


def note(text: str) -> None:
    """Tell a person something that is no result."""
    print(safe_term(text, keep="\n"), file=sys.stderr, flush=True)
