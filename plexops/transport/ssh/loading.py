"""Loads paramiko: late, and without what is never used."""

from __future__ import annotations

import sys
import threading
from importlib import import_module

_LOCK = threading.Lock()
#: What paramiko imports for its own reader of ~/.ssh/config alone, which is not used. It brings asyncio along.
_FOR_MATCH_EXEC = "invoke"


def load_paramiko() -> None:
    """Import paramiko without its runner of local commands, which takes a third of the time and is never used."""
    with _LOCK:
        if "paramiko" in sys.modules or _FOR_MATCH_EXEC in sys.modules:
            return
        sys.modules[_FOR_MATCH_EXEC] = None  # type: ignore[assignment]  # Python's way to say: not importable
        try:
            import_module("paramiko")
        finally:
            del sys.modules[_FOR_MATCH_EXEC]
