"""The person at the terminal: who answers the questions of `diagnose --ask`, and the file in which answers are kept."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from plexops.cli.options import PATH
from plexops.cli.output import note, require_writable, view_for

if TYPE_CHECKING:
    from plexops.engine.look.site import Home
    from plexops.engine.look.user_evidence import Evidence
    from plexops.model.answers import Answer

TOLD = click.option(
    "--told", type=PATH, metavar="FILE", help="Your answers about one home, in a file: docs/asking.md."
)
_NO_TERMINAL = (
    "--ask asks at a terminal, and none is here: write your answers into a file and give it with --told FILE"
    " (plexops schema told shows its shape)."
)


class AtTerminal(Struct, frozen=True):
    """Asks on stderr, and keeps the answers in a file that only you may read, where one is named."""

    file: Path | None

    def answer(self, question: str, complaint: str) -> str:
        """Put a question. Enter leaves it out."""
        from plexops.report.terminal import wrap

        lines = wrap(complaint or question, view_for(sys.stderr).width)
        note("\n".join(lines if complaint else ["", *lines]))
        given: str = click.prompt(
            "(Enter: leave out)", default="", show_default=False, prompt_suffix=" ", err=True
        )
        return given

    def keep(self, site: str, answers: Sequence[Answer]) -> None:
        """Write all answers so far, so that an interruption loses none."""
        from plexops.config.answers_file import told_document
        from plexops.files import write_file

        if self.file is not None:
            write_file(self.file, told_document(site, answers).encode())


def at_terminal(file: Path | None) -> AtTerminal:
    """Give who is asked. Raises click.UsageError without a terminal, and PlexopsError PLX-C703 for the file."""
    if not sys.stdin.isatty():
        raise click.UsageError(_NO_TERMINAL)
    if file is not None:
        require_writable(file)
    return AtTerminal(file)


def answers_of(file: Path | None, homes: Sequence[Home], *, may_be_new: bool = False) -> Evidence:
    """Read the file of answers for a run. Raises PlexopsError; nothing is contacted."""
    from plexops.engine.look.user_evidence import Evidence, bring_answers

    if file is None or (may_be_new and not file.exists()):
        return Evidence()
    return bring_answers(file, [home.view.name for home in homes], datetime.now(UTC))
