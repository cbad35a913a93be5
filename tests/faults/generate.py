"""Cases out of what was seen: points × faults, spread over all kinds of points, the same ones each time."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256

from msgspec import Struct


class Bounds(Struct, frozen=True):
    """How many of all cases are run: one in `share`, chosen by hash; `seed` for what is chosen at random.

    `only` is what a case's name must hold.
    """

    share: int = 1
    seed: int = 0
    only: str = ""

    def holds(self, case_id: str) -> bool:
        """Tell whether a case is among those."""
        return hashed(case_id) % self.share == 0 and self.only in case_id


def hashed(text: str) -> int:
    """Give a number that is the same in every process."""
    return int.from_bytes(sha256(text.encode()).digest()[:4])


def kind_of(point: str) -> str:
    """Give a point without its number: `router write sent`."""
    return re.sub(r" \d+", "", point)


def spread(points: Iterable[str], count: int, salt: str) -> list[str]:
    """Choose that many points, in turn from each kind of point, the same ones each time."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for point in dict.fromkeys(points):
        by_kind[kind_of(point)].append(point)
    turns = [sorted(found, key=lambda point: hashed(salt + point)) for _, found in sorted(by_kind.items())]
    chosen: list[str] = []
    while len(chosen) < count and any(turns):
        for found in turns:
            if found and len(chosen) < count:
                chosen.append(found.pop())
    return chosen


def at_random(points: Sequence[str], count: int, seed: int, salt: str) -> list[str]:
    """Choose that many of all points, by a seed."""
    chooser = random.Random(f"{seed} {salt}")  # noqa: S311 - no secret hangs on it
    found = sorted(set(points))
    return chooser.sample(found, min(count, len(found)))
