"""The command line: parse, call the engine, print. Heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import gc

#: With Python's own 700 it looks for garbage a hundred times while libraries load: said before the first of them does.
_OBJECTS_BETWEEN_COLLECTIONS = 200_000

gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
