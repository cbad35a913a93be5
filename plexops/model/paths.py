"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def from_home(text: str | Path) -> Path:
    """Give a path in which a leading `~` is your home folder. Of a user that this computer does not know it stays as
    it is: then no such file is found, which is said where it is wanted."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - pathlib's own raises for a user that is not known
