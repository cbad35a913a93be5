"""The catalogue of problem codes: `codes.md`, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from plexops.model.status import Code, ExitStatus


def _catalogue() -> Iterator[Code]:
    """Read the headings, each a code with the name of its status and its title, and what stands below them."""
    text = Path(__file__).with_name("codes.md").read_text(encoding="utf-8").replace(" \\\n", " ")
    for entry in text.split("\n## ")[1:]:
        head, _, said = entry.partition("\n")
        code, status, title = head.split(" ", 2)
        yield Code(code, title, ExitStatus[status], said.partition("\n# ")[0].strip())


CODES: Mapping[str, Code] = {code.code: code for code in _catalogue()}
