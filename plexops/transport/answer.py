"""What the run of one command gave, whoever ran it."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

#: What a finished command may still trickle out after its exit status, in seconds: a background process may hold
#: the streams open for ever.
GRACE_SECONDS = 1.0


class Ending(Enum):
    """How the run of a command ended."""

    DONE = auto()
    CLOSED = auto()  # the connection broke
    TIMED_OUT = auto()
    TOO_LONG = auto()
    REFUSED = auto()  # no word came on the request itself but the end of the channel


class Answer(Struct, frozen=True):
    """What a command gave. `status` is None where the device named none."""

    stdout: bytes
    stderr: bytes
    status: int | None
    ending: Ending
