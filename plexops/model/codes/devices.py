"""Problem codes of transports, drivers and profiles. PLX-D…."""

from __future__ import annotations

from plexops.model.errors import Code, ExitStatus

CODES: tuple[Code, ...] = ()
