"""A run's document back from its JSON. Writing it needs no word: its shape is that of `model.run`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from plexops.model.errors import PlexopsError, Problem
from plexops.model.run import RUN_SCHEMA, RunReport

R = TypeVar("R", bound=RunReport)


class _Head(msgspec.Struct):
    schema: str


def read_report(document: str | bytes, kind: type[R], where: str = "") -> R:
    """Read a report. `kind` says whether it was stored in clear or masked, `where` names its file.

    Fields that this version does not know are left out: within one schema number they only add. Raises PlexopsError
    PLX-R106 for another schema (a newer plexops wrote it) and PLX-R105 for a document that is not a report.
    """
    try:
        head = msgspec.json.decode(document, type=_Head)
        if head.schema == RUN_SCHEMA:
            return msgspec.json.decode(document, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        reason = f"the stored report can't be read: {error}"
        raise PlexopsError(Problem("PLX-R105", reason, where=where)) from error
    raise PlexopsError(
        Problem(
            "PLX-R106",
            f"the stored report has the schema {head.schema[:40]!r}; this plexops reads {RUN_SCHEMA!r}",
            cure="use the plexops version that wrote it, or a newer one",
            where=where,
        )
    )
