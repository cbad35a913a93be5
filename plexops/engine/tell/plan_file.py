"""A saved plan: a claim that is checked, never an input that is carried out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plexops.config.files import read_regular
from plexops.engine.tell.reporting import change_report
from plexops.model.errors import PlexopsError, Problem
from plexops.model.plan import PLAN_LIFETIME, PLAN_SCHEMA, Plan, sha256

#: What the file's own checksum covers.
_COVERED = ("schema", "site", "digest", "made", "basis", "steps")

#: Far more bytes than any plan has.
_LARGEST = 4 * 1024 * 1024


def plan_json(plan: Plan) -> str:
    """Give a plan as a file: what would be sent, what it rests on, and when it was made."""
    document: dict[str, Any] = {
        "schema": PLAN_SCHEMA,
        "site": plan.site,
        "digest": plan.digest,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "basis": dict(plan.basis),
        "steps": [
            {
                "id": step.change.id,
                "action": str(step.change.action),
                "requests": list(change_report(step).commands),
                "undo": list(step.script.undo),
            }
            for step in plan.steps
        ],
    }
    document["checksum"] = sha256({name: document[name] for name in _COVERED})
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_plan_file(path: Path, approved: str) -> dict[str, Any]:
    """Read a plan file that you approved by its digest.

    Raises PlexopsError: PLX-C001 where there is none, PLX-R210 for a file that is no plan or was edited (exit 8),
    PLX-R211 for one that is too old, PLX-R212 where the approved digest is another one.
    """
    try:
        text = read_regular(path, _LARGEST).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        reason = f"the plan {path} cannot be read: {cause}"
        raise PlexopsError(
            Problem("PLX-C001", reason, "Make one: plexops apply --dry-run --out plan.json")
        ) from None
    try:
        document: dict[str, Any] = json.loads(text)
        checksum = document["checksum"]
        covered = sha256({name: document[name] for name in _COVERED})
        age = (datetime.now(UTC) - datetime.fromisoformat(document["made"])).total_seconds()
        dict(document["basis"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{path} is no plan that can be read ({type(error).__name__})"
        raise PlexopsError(
            Problem("PLX-R210", reason, "Make one: plexops apply --dry-run --out plan.json")
        ) from None
    if document["schema"] != PLAN_SCHEMA or checksum != covered:
        reason = f"{path} was edited after it was written"
        raise PlexopsError(
            Problem("PLX-R210", reason, "Make it anew: plexops apply --dry-run --out plan.json")
        )
    if not str(document["digest"]).startswith(approved.lower()):
        reason = f"{path} has the digest {str(document['digest'])[:12]}, and {approved[:12]} was approved"
        raise PlexopsError(Problem("PLX-R212", reason, "Approve the digest of the plan that you reviewed."))
    if not 0 <= age <= PLAN_LIFETIME:
        old = f"was made {age / 3600:.0f} hours ago: a plan is good for a day"
        reason = f"{path} {old if age > 0 else 'is dated in the future: one of the clocks is wrong'}"
        raise PlexopsError(
            Problem("PLX-R211", reason, "Make it anew: plexops apply --dry-run --out plan.json")
        )
    return document
