"""`plexops schema`."""

from __future__ import annotations

import json

import click

NAMES = ("inventory", "playbook", "profile", "told", "config", "run", "exit-codes")


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES), metavar=f"[{'|'.join(NAMES)}]")
def command(name: str) -> int:
    """Print the JSON Schema of a file that you write, of a run's JSON, or the exit statuses.

    Your editor explains every key with it: put `# yaml-language-server: $schema=FILE` on the first line.
    """
    from plexops.cli.output import emit
    from plexops.config.schemas import schema_of

    emit(json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n")
    return 0
