"""What every room's types share: they are msgspec's, which cost a start of the program nearly nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The same function, whose fields and their types mypy checks.
    from dataclasses import replace
else:
    from msgspec.structs import replace

__all__ = ["replace"]
