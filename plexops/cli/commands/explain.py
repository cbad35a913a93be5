"""`plexops explain`."""

from __future__ import annotations

import re

import click


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> int:
    """Explain a problem code, offline. Without CODE: list them all."""
    from plexops.cli.output import emit
    from plexops.model.codes import CODES

    if code is None:
        lines = (f"{known.code}  {known.title}" for known in sorted(CODES.values(), key=lambda c: c.code))
        emit("\n".join(lines) + "\n")
        return 0
    known = CODES.get(spelled(code))
    if known is None:
        from difflib import get_close_matches

        near = get_close_matches(spelled(code), CODES, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]} ({CODES[near[0]].title})?" if near else ""
        raise click.UsageError(f"there is no code {code!r}.{hint} plexops explain lists them all.")
    emit(f"{known.code}: {known.title}\n\n{known.explanation}\n\nexit status {int(known.status)}\n")
    return 0


def spelled(code: str) -> str:
    """Write a code as it is printed: `c101`, `plx-c101` and `error[PLX-C101]` mean PLX-C101."""
    found = re.search(r"([A-Za-z])-?(\d{3})\b", code)
    return f"PLX-{found[1].upper()}{found[2]}" if found else code.upper()
