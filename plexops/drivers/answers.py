"""One read of a device, parsed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One read, parsed; or why it is unknown, or that the device has no such thing."""

    value: Any = None
    absent: bool = False
    problem: str = ""
