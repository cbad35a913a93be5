"""Two to four plexops at once on one home: on one machine, and on machines that know nothing of each other."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from plexops.lab.routers import RouterName
from plexops.lab.scenario import EXTERNAL_PORT
from tests.faults.case import JSON, OTHER_PORT, Case, Ended
from tests.faults.copies import Outcome, in_a_copy
from tests.faults.generate import Bounds
from tests.faults.operations import APPLY, Known
from tests.faults.oracle import Verdict, foreign_lines_lost
from tests.faults.wire import Exchange

ROUNDS = 13
#: What a run tries to set before it writes, and finds set by another.
_MARKER = re.compile(r"\bplexops[._]run\b")
_COMMANDS: Sequence[Sequence[str]] = (
    APPLY,
    APPLY,
    ("apply", "--yes", "-e", f"external_port={OTHER_PORT}", "playbooks", *JSON),
    ("recover", *JSON),
    ("rollback", "last", "--yes", *JSON),
)
#: What a run may come to that met another: never a crash, and never an undo that a person must look at.
_ALLOWED = frozenset({0, 1, 2, 3, 4, 5, 7})


def rounds(case: Case, known: Known, router: RouterName, bounds: Bounds, *, machines: int) -> list[Outcome]:
    """Carry out every round of one family; with two machines each run has a state folder of its own."""
    found = []
    for number in range(ROUNDS):
        case_id = f"{'together' if machines == 1 else 'machines'}, {router}: round {number}"
        if bounds.holds(case_id):
            chooser = random.Random(f"{bounds.seed} {case_id}")  # noqa: S311
            commands = [APPLY, *chooser.choices(_COMMANDS, k=chooser.randint(1, 3))]
            found.append(in_a_copy(case, case_id, _Round(known, commands, machines)))
    return found


class _Round:
    """One round: all start at once."""

    def __init__(self, known: Known, commands: Sequence[Sequence[str]], machines: int) -> None:
        self._known = known
        self._commands = commands
        self._machines = machines

    def __call__(self, case: Case) -> Verdict:
        """Judge it by the devices' own account."""
        verdict = Verdict()
        states = ["state" if n % self._machines == 0 else f"state{n}" for n in range(len(self._commands))]
        numbers = [case.start(*argv, state=state) for argv, state in zip(self._commands, states, strict=True)]
        ended = [case.wait(number) for number in numbers]
        verdict.claim = "; ".join(str(one) for one in ended)
        for one in ended:
            verdict.hold(one.status in _ALLOWED, f"{one} {one.err[:200]}")
        both = two_writers(case.board.exchanges)
        verdict.hold(not both, both)
        self._judge_end(case, ended, states, verdict)
        return verdict

    def _judge_end(self, case: Case, ended: Sequence[Ended], states: Sequence[str], verdict: Verdict) -> None:
        now = case.world()
        lost = foreign_lines_lost(self._known, now)
        verdict.hold(not lost, f"another's entry was changed: {lost}")
        ports = [f"{port} from outside" for port in (OTHER_PORT, EXTERNAL_PORT)]
        proven = [one for one in ended if one.status == 0 and one.site.get("proofs")]
        reached = any(now.does[port].endswith("open") for port in ports)
        undone_later = any("rollback" in argv or "-e" in argv for argv in self._commands)
        verdict.hold(reached or not proven or undone_later, f"{len(proven)} say proven, and nothing is open")
        for state in dict.fromkeys(states):
            verdict.hold(case.lock_is_free(state), "the lock is held, and nobody runs")
            proof = case("evidence", "verify", "--all", state=state)
            verdict.hold(proof.status == 0, f"the evidence does not verify: {proof}")
        later = case.later()
        verdict.hold(not later, f"something was left armed, and acted later: {later}")


def two_writers(exchanges: Sequence[Exchange]) -> str:
    """Say where one run wrote to a device between the first and the last write of another; empty: nowhere."""
    spans: dict[str, dict[int, list[int]]] = {}
    for at, exchange in enumerate(exchanges):
        if exchange.writes and not _MARKER.search(exchange.text):
            spans.setdefault(exchange.role, {}).setdefault(exchange.run, []).append(at)
    for role, runs in spans.items():
        for run, mine in runs.items():
            for other, theirs in runs.items():
                if other != run and any(mine[0] < at < mine[-1] for at in theirs):
                    return (
                        f"two writers at the same time on the {role}: run {other} between run {run}'s writes"
                    )
    return ""
