"""What plexops is asked to do while something goes wrong: one life of a home, in the terms of no family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from tests.faults.case import JSON, OTHER_PORT, Case, Ended, World
from tests.faults.engine_bench import KILLED

APPLY = ("apply", "--yes", "playbooks", *JSON)
_MOVE = ("apply", "--yes", "-e", f"external_port={OTHER_PORT}", "playbooks", *JSON)
_CLOSE = ("apply", "--yes", "close.yaml", *JSON)
_ADOPT = ("apply", "--yes", "--adopt", "router/port_forward/plex", "playbooks", *JSON)
_BACK = ("rollback", "last", "--yes", *JSON)
RECOVER = ("recover", *JSON)


class Operation(Struct, frozen=True):
    """`argv` is carried out in a scenario's home after `before`; `again` must then find nothing to send.

    `broken_off` is for recover: at which part of all writes of `before`'s last command it was killed.
    """

    argv: Sequence[str]
    scenario: str = "drifted"
    before: Sequence[Sequence[str]] = ()
    again: Sequence[str] = APPLY
    #: How it ends where nothing goes wrong, and how `again` ends once all is as it shall be.
    ends: frozenset[int] = frozenset({0})
    rests: frozenset[int] = frozenset({0})
    broken_off: float = 0.0


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "create": Operation(APPLY),
        "update": Operation(_MOVE, before=(APPLY,), again=_MOVE),
        "adopt": Operation(_ADOPT, "stale-forward", again=_ADOPT),
        # Nobody is reached through a forward that is gone: whether that is meant, only its owner knows.
        "close": Operation(_CLOSE, before=(APPLY,), again=_CLOSE, rests=frozenset({0, 4})),
        # What an apply closed may stay closed: then the rest is put back, and that is said (4).
        "rollback": Operation(_BACK, before=(APPLY,), ends=frozenset({0, 4})),
        "recover at the first write": Operation(RECOVER, before=(APPLY,), broken_off=0.01),
        "recover half way": Operation(RECOVER, before=(APPLY,), broken_off=0.5),
        "recover late": Operation(RECOVER, before=(APPLY,), broken_off=0.75),
        "recover at the last write": Operation(RECOVER, before=(APPLY,), broken_off=1.0),
    }
)


class Known(Struct, frozen=True):
    """What an operation does where nothing goes wrong: before and after, and every point that it passes.

    `settled` is the state to which an interrupted run goes back.
    """

    ended: Ended
    settled: World
    after: World
    points: Sequence[str]


def begin(operation: Operation, case: Case) -> World:
    """Bring a home to where the operation begins; give the state that is the old one for it."""
    old = case.world()
    for argv in operation.before:
        if operation.broken_off:
            return old
        ended = case(*argv)
        if ended.status != 0:
            raise AssertionError(f"the home is not as {argv[0]} should have left it: {ended}")
        old = case.world()
    return old


def break_off(operation: Operation, case: Case, writes: Sequence[str]) -> None:
    """Kill the last command before the operation, right after one of its writes has left."""
    at = writes[min(len(writes) - 1, int(operation.broken_off * len(writes)))]
    ended = case(*operation.before[-1], die_at=at)
    if ended.status != KILLED:
        raise AssertionError(f"it was not killed at {at}: {ended}")


def writes_of(points: Sequence[str]) -> list[str]:
    """Give the points at which a write has just left."""
    return [point for point in points if " write " in point and point.endswith(" sent")]


def learn(case: Case, argv: Sequence[str], settled: World) -> Known:
    """Let an operation run to its end, and note all that it passes."""
    case.record = True
    case.board.points.clear()
    ended = case(*argv)
    case.record = False
    return Known(ended, settled, case.world(), tuple(case.board.points))
