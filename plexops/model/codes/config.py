"""Problem codes of files that a user writes, and the command line. PLX-C…."""

from __future__ import annotations

from plexops.model.errors import Code, ExitStatus

CODES: tuple[Code, ...] = ()
