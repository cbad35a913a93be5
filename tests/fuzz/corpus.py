"""Inputs that are kept: those that reach something of their own, and those that once violated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import Target

_FOLDER = Path(__file__).resolve().parent / "corpus"


def inputs_of(name: str, target: Target) -> Sequence[bytes]:
    """Give the seeds of a target and its kept inputs."""
    return [*target.seeds(), *kept(name)]


def kept(name: str) -> Sequence[bytes]:
    """Read the kept inputs of a target: one JSON text per line, each character a byte."""
    file = _FOLDER / f"{name}.jsonl"
    if not file.is_file():
        return ()
    return [json.loads(line).encode("latin-1") for line in file.read_text("ascii").splitlines()]


def keep(name: str, inputs: Sequence[bytes]) -> None:
    """Write the kept inputs of a target, the shortest first."""
    _FOLDER.mkdir(exist_ok=True)
    lines = [
        json.dumps(data.decode("latin-1")) for data in sorted(inputs, key=lambda data: (len(data), data))
    ]
    (_FOLDER / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "ascii")
