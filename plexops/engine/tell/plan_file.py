"""A saved plan: a claim that is checked, never an input that is carried out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.json import decode

from plexops.config.files import read_regular
from plexops.engine.tell.reporting import change_report
from plexops.model.errors import PlexopsError, Problem
from plexops.model.plan import PLAN_LIFETIME, PLAN_SCHEMA, Plan, sha256
from plexops.model.snapshot import canonical
from plexops.structs import replace

_MAKE = "Make one: plexops apply --dry-run --out plan.json"
_ANEW = "Make it anew: plexops apply --dry-run --out plan.json"
#: Far more bytes than any plan has.
_LARGEST = 4 * 1024 * 1024


class PlannedStep(Struct, frozen=True, forbid_unknown_fields=True):
    """One change: what would be sent, and what would undo it."""

    id: str
    action: str
    requests: tuple[str, ...]
    undo: tuple[str, ...]


class PlanFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What would be sent, what it rests on, and when it was made (ISO)."""

    schema: str
    site: str
    digest: str
    made: str
    basis: Mapping[str, str]
    steps: tuple[PlannedStep, ...]
    checksum: str

    @property
    def covered(self) -> str:
        """What the checksum has to be."""
        return sha256({name: getattr(self, name) for name in self.__struct_fields__ if name != "checksum"})


def plan_json(plan: Plan) -> str:
    """Give a plan as a file."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    steps = tuple(
        PlannedStep(step.change.id, step.change.action, change_report(step).commands, step.script.undo)
        for step in plan.steps
    )
    file = PlanFile(PLAN_SCHEMA, plan.site, plan.digest, made, plan.basis, steps, "")
    document = canonical(replace(file, checksum=file.covered))
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_plan_file(path: Path, approved: str) -> PlanFile:
    """Read a plan file that you approved by its digest.

    Raises PlexopsError: PLX-C001 where there is none, PLX-R210 for a file that is no plan or was edited (exit 8),
    PLX-R211 for one that is too old, PLX-R212 where the approved digest is another one.
    """
    try:
        text = read_regular(path, _LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PlexopsError(Problem("PLX-C001", f"the plan {path} cannot be read: {cause}", _MAKE)) from None
    try:
        file = decode(text, type=PlanFile)
        age = (datetime.now(UTC) - datetime.fromisoformat(file.made)).total_seconds()
    except (ValueError, TypeError, RecursionError) as error:
        reason = f"{path} is no plan that can be read ({error})"
        raise PlexopsError(Problem("PLX-R210", reason, _MAKE)) from None
    if file.schema != PLAN_SCHEMA or file.checksum != file.covered:
        raise PlexopsError(Problem("PLX-R210", f"{path} was edited after it was written", _ANEW))
    if not file.digest.startswith(approved.lower()):
        reason = f"{path} has the digest {file.digest[:12]}, and {approved[:12]} was approved"
        raise PlexopsError(Problem("PLX-R212", reason, "Approve the digest of the plan that you reviewed."))
    if not 0 <= age <= PLAN_LIFETIME:
        old = f"was made {age / 3600:.0f} hours ago: a plan is good for a day"
        reason = f"{path} {old if age > 0 else 'is dated in the future: one of the clocks is wrong'}"
        raise PlexopsError(Problem("PLX-R211", reason, _ANEW))
    return file
