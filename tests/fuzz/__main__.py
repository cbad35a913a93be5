"""Fuzz one target, guided by coverage: `python -m tests.fuzz TARGET EXECUTIONS [FOLDER]`.

FOLDER keeps what reached something new. An input that violates is written to the current folder, and ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["plexops"]):
    from tests.fuzz.corpus import inputs_of
    from tests.fuzz.devices import DEVICES
    from tests.fuzz.targets import MAX_LENGTH, TARGETS

#: A single input may take so long, in seconds, and so much memory, in MB.
SECONDS, MEGABYTES = 20, 2048


def main() -> None:
    """Fuzz; ends the process."""
    name, executions, *folder = sys.argv[1:]
    target = {**TARGETS, **DEVICES}[name]
    with TemporaryDirectory() as seeds:
        for number, data in enumerate(inputs_of(name, target)):
            Path(seeds, str(number)).write_bytes(data)
        words = Path(seeds + ".words")
        words.write_text("".join(f'"{word}"\n' for word in target.words), "utf-8")
        options = [
            f"-runs={executions}", f"-max_len={MAX_LENGTH}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}",
            "-print_final_stats=1", "-verbosity=0" if folder else "-verbosity=1",
        ]  # fmt: skip
        if target.words:
            options.append(f"-dict={words}")
        atheris.Setup([sys.argv[0], *options, *folder, seeds], target.read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
