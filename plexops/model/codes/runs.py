"""Problem codes of guards, plans, runs, evidence. PLX-G… are the guards, PLX-R… the rest."""

from __future__ import annotations

from plexops.model.errors import Code, ExitStatus

CODES: tuple[Code, ...] = ()
