"""`plexops schema`."""

from __future__ import annotations

import json
from typing import Any

import click

from plexops.model.status import PRECEDENCE, ExitStatus

NAMES = ("inventory", "playbook", "profile", "told", "config", "run", "exit-codes")

#: What each status means to who calls us. 130 and 143 are the shell's own way to say which signal ended a process.
MEANINGS: tuple[tuple[int, str, str], ...] = (
    (ExitStatus.IN_ORDER, "in-order", "in order; planned; applied and proven"),
    (ExitStatus.FINDINGS, "findings", "it is not as the playbook says"),
    (ExitStatus.USAGE, "usage", "a usage or configuration error; no device was contacted"),
    (ExitStatus.SAFE_STOP, "safe-stop", "a safe stop, or a guard refused; nothing was changed"),
    (ExitStatus.INCOMPLETE, "incomplete", "something could not be seen, or the effect is unknown"),
    (ExitStatus.UNDONE, "undone", "apply failed or was refuted; undone, and the old state was read back"),
    (ExitStatus.UNDO_UNPROVEN, "undo-unproven", "the undo could not be verified: a person must look"),
    (ExitStatus.BUSY, "busy", "another run holds the site, or one needs recover"),
    (ExitStatus.TAMPERED, "tampered", "evidence or plan failed its integrity check"),
    (ExitStatus.BUG, "bug", "a bug of plexops; a masked crash report was written"),
    (130, "interrupted", "SIGINT ended it"),
    (143, "terminated", "SIGTERM ended it"),
)


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES), metavar=f"[{'|'.join(NAMES)}]")
def command(name: str) -> int:
    """Print the JSON Schema of a file that you write, of a run's JSON, or the exit statuses.

    Your editor explains every key with it: put `# yaml-language-server: $schema=FILE` on the first line.
    """
    from plexops.cli.output import emit

    emit(json.dumps(document(name), indent=2, ensure_ascii=False) + "\n")
    return 0


def document(name: str) -> dict[str, Any]:
    """Give one of the documents."""
    from plexops.config.schemas import schema_of

    made = {"run": _run_schema, "exit-codes": exit_codes}
    return made[name]() if name in made else schema_of(name)


def _run_schema() -> dict[str, Any]:
    """Give the schema of what `--format json` prints."""
    import msgspec

    from plexops.model.run import RunReport

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(RunReport)}


def exit_codes() -> dict[str, Any]:
    """Give every exit status, and which one decides when several occurred."""
    return {
        "statuses": [
            {"status": int(status), "name": name, "meaning": meaning} for status, name, meaning in MEANINGS
        ],
        "precedence": [int(status) for status in PRECEDENCE],
    }
