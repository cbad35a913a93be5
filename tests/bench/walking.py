"""The packet walk at its bounds, timed inside this process: one whole question to a router that is there already."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plexops.model.packets import Box
from plexops.packets.reach import AnswerKind, who_reaches
from tests.bench.measuring import Samples
from tests.packets.bounds import country, thousand_rules, unknown_marks
from tests.packets.handmade import asked, plex


@dataclass(frozen=True, slots=True)
class Walk:
    """A router, and what the answer has to be, so that a walk that did not look is not called quick."""

    name: str
    router: Callable[[], Box]
    answer: AnswerKind


THOUSAND, COUNTRY, MARKS = "1,000 rules", "a list of 50,000 ranges", "200 unknown marks"
WALKS: Sequence[Walk] = (
    Walk(THOUSAND, thousand_rules, AnswerKind.EVERYBODY),
    Walk(COUNTRY, country, AnswerKind.SOME),
    Walk(MARKS, unknown_marks, AnswerKind.UNKNOWN),
)


def measure_walks(rounds: int) -> list[Samples]:
    """Time every walk, after once to warm up. Raises RuntimeError where the answer is another one."""
    return [_measured(walk, rounds) for walk in WALKS]


def _measured(walk: Walk, rounds: int) -> Samples:
    here, seconds, cpu = walk.router(), [], []
    for _ in range(rounds + 1):
        wall, own = time.perf_counter(), time.process_time()
        answer = who_reaches([here], asked(), plex()).kind
        cpu.append(time.process_time() - own)
        seconds.append(time.perf_counter() - wall)
        if answer is not walk.answer:
            raise RuntimeError(f"{walk.name}: {answer}, and not {walk.answer}")
    return Samples(walk.name, tuple(seconds[1:]), tuple(cpu[1:]), ())
