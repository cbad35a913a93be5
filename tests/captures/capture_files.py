"""Where the recorded answers lie, and how they are taken apart."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
EXPECTED = HERE / "expected"
#: Captures of others, which are read in place and not shipped.
FOREIGN = Path(
    os.environ.get("PLEXOPS_CAPTURES") or Path(__file__).resolve().parents[2] / "../shared/captures"
)


def find(name: str) -> Path | None:
    """Give the file of a capture (`openwrt/uci_changes.txt`), ours or others'; None where it is absent."""
    return next((folder / name for folder in (DATA, FOREIGN) if (folder / name).is_file()), None)


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
