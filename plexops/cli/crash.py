"""A bug of ours: a report without values that could be private, and where it lies."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from pathlib import Path

from plexops import __version__
from plexops.model.status import ExitStatus


def report_crash(bug: Exception) -> int:
    """Write what happened, without the values of variables and without the message, and say where."""
    frames = traceback.extract_tb(bug.__traceback__)
    lines = [
        f"plexops {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}",
        f"command: {' '.join(argument for argument in sys.argv[1:2])}",
        f"{type(bug).__module__}.{type(bug).__qualname__}",
        *(f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames),
    ]
    print(f"error[PLX-X001]: plexops has a bug: {type(bug).__name__}", file=sys.stderr)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="plexops-crash-", suffix=".txt", delete=False) as file:
            file.write("\n".join(lines) + "\n")
    except OSError:  # no room for it, or no such folder
        print("   A report without your data, for an issue:", *lines, sep="\n   ", file=sys.stderr)
    else:
        print(
            f"   A report without your data is in {file.name}; please attach it to an issue.", file=sys.stderr
        )
    print("   If a change was under way: plexops recover", file=sys.stderr)
    return int(ExitStatus.BUG)
