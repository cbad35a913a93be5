"""The process behind the bench: it has plexops loaded, and carries out the cases of one family and operation."""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from plexops.lab.routers import RouterName
from tests.faults import operations
from tests.faults.case import Case, World, open_case
from tests.faults.copies import Judge, Outcome, in_a_copy
from tests.faults.engine_bench import KILLED
from tests.faults.generate import Bounds, at_random, hashed, spread
from tests.faults.meddling import DEVICE_FAULTS, NETWORK_FAULTS, Act, Meddling
from tests.faults.operations import OPERATIONS, RECOVER, Known, Operation
from tests.faults.oracle import Verdict, host_moved, judge_report, settle
from tests.faults.together import rounds
from tests.forked import load

#: `together`: several at once on one machine; `machines`: on machines that know nothing of each other.
Sort = Literal["kill", "device", "network", "together", "machines"]
SORTS: tuple[Sort, ...] = ("kill", "device", "network", "together", "machines")
#: How many points, of each family and operation.
KILLS, RECOVER_KILLS, RANDOM_KILLS = 44, 16, 17
#: How many requests, of each family and fault.
DEVICE_POINTS, NETWORK_POINTS = 3, 8


class Stage(Struct, frozen=True):
    """A home of one family at the beginning of one operation, and what that does where nothing goes wrong."""

    router: RouterName
    name: str
    operation: Operation
    case: Case
    known: Known

    @property
    def title(self) -> str:
        """How cases of it are called."""
        return f"{self.router}: {self.name}"


def learned(case: Case, operation: Operation, settled: World) -> Known:
    """Learn in a copy what an operation does where nothing goes wrong."""
    path = case.folder / "known"

    def learn(copy: Case) -> Verdict:
        path.write_bytes(pickle.dumps(operations.learn(copy, operation.argv, settled)))
        return Verdict()

    outcome = in_a_copy(case, "known", learn)
    if outcome.wrong:
        raise AssertionError(outcome.wrong)
    known: Known = pickle.loads(path.read_bytes())  # noqa: S301 - it comes from our own child
    path.unlink()
    return known


def set_up(router: RouterName, name: str, folder: Path) -> Stage:
    """Bring a home to where an operation begins, and learn what it does."""
    operation = OPERATIONS[name]
    case = open_case(router, operation.scenario, folder / f"{router}-{hashed(name):08x}")
    settled = operations.begin(operation, case)
    if operation.broken_off:
        whole = learned(case, Operation(operation.before[-1]), settled)
        operations.break_off(operation, case, operations.writes_of(whole.points))
    return Stage(router, name, operation, case, learned(case, operation, settled))


def kills(stage: Stage, bounds: Bounds) -> list[Outcome]:
    """Kill one operation of one family at many points; recover may die up to three times over."""
    title, points = stage.title, stage.known.points
    nested = stage.operation.argv is RECOVER
    chosen = spread(points, RECOVER_KILLS if nested else KILLS, title)
    chance = [point for point in at_random(points, RANDOM_KILLS, bounds.seed, title) if point not in chosen]
    found = []
    for point in (*chosen, *chance):
        case_id = f"kill{'' if point in chosen else ' at random'}, {title}, {point}"
        if bounds.holds(case_id):
            deaths = 1 + hashed(case_id) % 3 if nested else 1
            found.append(in_a_copy(stage.case, case_id, _killed(stage, point, deaths)))
    return found


def _killed(stage: Stage, point: str, deaths: int) -> Judge:
    def judge(case: Case) -> Verdict | None:
        verdict = Verdict()
        ended = case(*stage.operation.argv, die_at=point)
        if ended.status != KILLED:
            return None
        verdict.hold(case.lock_is_free(), "the lock outlives the process")
        for _ in range(deaths - 1):
            case(*RECOVER, die_at=point)
        settle(case, stage.operation, stage.known, verdict, thorough=hashed(point) % 10 == 0)
        return verdict

    return judge


def faults(stage: Stage, sort: Sort, acts: Mapping[str, Act], count: int, bounds: Bounds) -> list[Outcome]:
    """Let every fault come at several requests of one operation of one family."""
    requests = [point.removesuffix(" sent") for point in stage.known.points if point.endswith(" sent")]
    found = []
    for fault, act in acts.items():
        for at in spread(requests, count, f"{stage.router} {fault}"):
            case_id = f"{sort}, {stage.title}, {fault} at {at}"
            if bounds.holds(case_id):
                found.append(in_a_copy(stage.case, case_id, _meddled(stage, act, at)))
    return found


def _meddled(stage: Stage, act: Act, at: str) -> Judge:
    def judge(case: Case) -> Verdict | None:
        verdict = Verdict()
        fault = case.board.meddler = Meddling(case.board, act, at)
        ended = case(*stage.operation.argv)
        fault.over = True
        if not fault.begun:
            return None
        judge_report(case, stage.known, ended, case.writes(), verdict)
        verdict.hold(case.lock_is_free(), "the lock is held, and nobody runs")
        proof = case("evidence", "verify", "--all")
        verdict.hold(proof.status == 0, f"the evidence does not verify: {proof}")
        after = case("recover")
        verdict.hold(after.status == 0, f"once it works again, recover: {after}")
        later = case.later()
        said = ended.status == 6  # a person must look, and is told so
        verdict.hold(said or not later, f"{ended}: something was left armed, and acted later: {later}")
        return verdict

    return judge


def carry_out(order: Mapping[str, Any]) -> list[Outcome]:
    """Run what one order asks for."""
    bounds, sorts = Bounds(order["share"], order["seed"], order["only"]), order["sorts"]
    stage = set_up(order["router"], order["operation"], Path(order["folder"]))
    ended = stage.known.ended
    if ended.status not in stage.operation.ends and not host_moved(ended):
        offered = operations.writes_of(stage.known.points)
        return [Outcome(stage.title, [f"without any fault: {ended}"])] if offered else []
    found = kills(stage, bounds) if "kill" in sorts else []
    if stage.name != "create":
        return found
    if "device" in sorts:
        found += faults(stage, "device", DEVICE_FAULTS, DEVICE_POINTS, bounds)
    if "network" in sorts:
        found += faults(stage, "network", NETWORK_FAULTS, NETWORK_POINTS, bounds)
    for machines, sort in enumerate(("together", "machines"), start=1):
        if sort in sorts:
            found += rounds(stage.case, stage.known, stage.router, bounds, machines=machines)
    return found


def in_a_process(order: Mapping[str, Any], work: Callable[[Mapping[str, Any]], Sequence[Outcome]]) -> int:
    """Carry one order out in a process of its own; what it came to goes to the file that the order names."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        begin, found = time.monotonic(), work(order)
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        document = {
            "outcomes": [asdict(outcome) for outcome in found],
            "seconds": round(time.monotonic() - begin, 1),
            "cpu": round(sum(u.ru_utime + u.ru_stime for u in used), 1),
        }
        Path(order["answer"]).write_text(json.dumps(document), "utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - whoever asked gets it
        Path(order["answer"]).write_text(json.dumps({"error": traceback.format_exc()}), "utf-8")
    finally:
        os._exit(status)


def main() -> None:
    """One order a line in, one line out when it is done."""
    load()
    for line in sys.stdin:
        print(json.dumps({"status": in_a_process(json.loads(line), carry_out)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
