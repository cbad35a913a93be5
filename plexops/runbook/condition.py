"""What a question about a home comes to: whether it holds, in words, with what shows it."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Holds(StrEnum):
    """What is known about a condition."""

    YES = "holds"
    NO = "fails"
    UNKNOWN = "unknown"


class WanCause(StrEnum):
    """Why the WAN address is not, or not known to be, the public one."""

    NONE = ""
    CARRIER_NAT = "carrier NAT"
    TRANSITION = "DS-Lite or 464XLAT"
    SECOND_NAT = "second NAT"
    DOWN = "no internet"
    DIFFERS = "differs"
    SEVERAL = "several ways out"
    UNPROVEN = "unproven"


class Condition(Struct, frozen=True):
    """One condition with what decided it. `stop` is the runbook's safe stop: what to do instead of going on."""

    holds: Holds
    says: str
    exhibits: tuple[str, ...] = ()
    cause: WanCause = WanCause.NONE
    stop: tuple[str, ...] = ()
