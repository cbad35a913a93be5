"""A playbook's text, read as the file that it would be."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from plexops.config.playbook import load_playbooks
from plexops.model.site import Playbook


def playbook_of(text: str) -> Playbook:
    """Read it from `playbook.yaml` of the current folder. Raises PlexopsError with all problems of it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("playbook.yaml").write_bytes(text.encode())
        (book,) = load_playbooks([Path("playbook.yaml")])
    return book
