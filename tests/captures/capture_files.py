"""Where the recorded answers lie, and how they are taken apart."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
EXPECTED = HERE / "expected"


def answer(path: Path, command: str | None) -> str:
    """Give the answer alone: without request lines, and only that of one command where a file holds several."""
    text = path.read_bytes().decode()
    if path.parent.name == "opnsense":
        return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(("> ", "< ")))
    return text if command is None else blocks(text)[command]


def blocks(text: str) -> dict[str, str]:
    """Split `$ COMMAND`, output, `# rc=STATUS`; of a command that was run twice the last answer counts."""
    found: dict[str, str] = {}
    command: str | None = None
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            command = line[2:].rstrip("\n")
            found[command] = ""
        elif line.startswith("# rc="):
            command = None
        elif command is not None:
            found[command] += line
    return found
