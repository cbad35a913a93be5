"""The process behind the bench: it has plexops and a home loaded, and forks a copy of both for every case."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from plexops.lab.routers import ROUTERS, RouterName
from tests.faults import operations
from tests.faults.case import KILLED, Case, open_case, reopen
from tests.faults.generate import Bounds, at_random, hashed, spread
from tests.faults.meddling import DEVICE_FAULTS, NETWORK_FAULTS, Meddling
from tests.faults.operations import OPERATIONS, RECOVER, Known, Operation
from tests.faults.oracle import Verdict, judge_report, settle

#: No case may take longer, in seconds: then it hangs.
_PATIENCE = 90
#: Per family and operation; per family and fault.
KILLS, RECOVER_KILLS, RANDOM_KILLS, POINTS_PER_FAULT = 48, 16, 26, 8


@dataclass(slots=True)
class Outcome:
    """What one case came to. `missed`: the run never came to the point."""

    case: str
    wrong: list[str] = field(default_factory=list)
    claim: str = ""
    missed: bool = False
    cpu: float = 0.0


Judge = Callable[[Case], Verdict | None]


def in_a_copy(case: Case, name: str, judge: Judge) -> Outcome:
    """Judge one case in a copy of this process, home and all."""
    folder = case.folder.parent / f"{case.folder.name}-{hashed(name):08x}"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _judged(case, folder, name, judge, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status, used = os.wait4(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    outcome = Outcome(name, wrong=[f"it hung or died: {status}"])
    if answer:
        outcome = pickle.loads(answer)  # noqa: S301 - it comes from our own child
    outcome.cpu = round(used.ru_utime + used.ru_stime, 3)
    return outcome


def _judged(case: Case, folder: Path, name: str, judge: Judge, writing: int) -> None:
    """Be the copy, and never return."""
    os.setpgid(0, 0)
    outcome = Outcome(name)
    try:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(_PATIENCE)
        verdict = judge(reopen(case, folder))
        if verdict is None:
            outcome.missed = True
        else:
            outcome.wrong, outcome.claim = verdict.wrong, verdict.claim
    except BaseException:  # noqa: BLE001 - whatever it is, it is this case's
        outcome.wrong.append(traceback.format_exc()[-900:])
    with os.fdopen(writing, "wb") as stream:
        stream.write(pickle.dumps(outcome))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    os._exit(0)


def learned(case: Case, operation: Operation, settled: Any) -> Known:
    """Learn in a copy what an operation does where nothing goes wrong."""
    path = case.folder / "known"

    def learn(copy: Case) -> Verdict:
        path.write_bytes(pickle.dumps(operations.learn(copy, operation.argv, settled)))
        return Verdict()

    outcome = in_a_copy(case, "known", learn)
    if outcome.wrong:
        raise AssertionError(outcome.wrong)
    known: Known = pickle.loads(path.read_bytes())  # noqa: S301
    path.unlink()
    return known


def prepared(router: RouterName, name: str, folder: Path) -> tuple[Case, Operation, Known]:
    """Bring a home to where an operation begins, and learn what it does."""
    operation = OPERATIONS[name]
    case = open_case(router, operation.scenario, folder / f"{router}-{hashed(name):08x}")
    settled = operations.begin(operation, case)
    if operation.broken_off:
        whole = learned(case, Operation(operation.before[-1]), settled)
        operations.break_off(operation, case, operations.writes_of(whole.points))
    return case, operation, learned(case, operation, settled)


def kills(router: RouterName, name: str, folder: Path, bounds: Bounds) -> list[Outcome]:
    """Kill one operation of one family at many points; recover may die up to three times over."""
    case, operation, known = prepared(router, name, folder)
    title = f"{router}: {name}"
    if known.ended.status != 0:
        none = not operations.writes_of(known.points)
        return [] if none else [Outcome(title, wrong=[f"without any fault: {known.ended}"])]
    points = list(known.points)
    nested = operation.argv is RECOVER
    chosen = spread(points, RECOVER_KILLS if nested else KILLS, title)
    chance = [p for p in at_random(points, RANDOM_KILLS, bounds.seed, title) if p not in chosen]
    found = []
    for point, kind in (*((p, "") for p in chosen), *((p, " (random)") for p in chance)):
        case_id = f"kill{kind} {title} at {point}"
        if bounds.holds(case_id):
            deaths = 1 + hashed(case_id) % 3 if nested else 1
            found.append(in_a_copy(case, case_id, _killed(operation, known, point, deaths)))
    return found


def _killed(operation: Operation, known: Known, point: str, deaths: int) -> Judge:
    def judge(case: Case) -> Verdict | None:
        verdict = Verdict()
        ended = case(*operation.argv, die_at=point)
        if ended.status != KILLED:
            return None
        verdict.hold(case.lock_is_free(), "the lock outlives the process")
        for _ in range(deaths - 1):
            case(*RECOVER, die_at=point)
        settle(case, operation, known, verdict, thorough=hashed(point) % 6 == 0)
        return verdict

    return judge


def faults(router: RouterName, name: str, folder: Path, bounds: Bounds, *, network: bool) -> list[Outcome]:
    """Let every fault come at several requests of one operation of one family."""
    case, operation, known = prepared(router, name, folder)
    sort, acts = ("network", NETWORK_FAULTS) if network else ("device", DEVICE_FAULTS)
    requests = [point.removesuffix(" sent") for point in known.points if point.endswith(" sent")]
    found = []
    for fault, act in acts.items():
        for at in spread(requests, POINTS_PER_FAULT, f"{router} {fault}"):
            case_id = f"{sort} {router}: {name}, {fault} at {at}"
            if bounds.holds(case_id):
                judge = _meddled(operation, known, lambda board, a=act, t=at: Meddling(board, a, t))
                found.append(in_a_copy(case, case_id, judge))
    return found


def _meddled(operation: Operation, known: Known, meddling: Callable[[Any], Meddling]) -> Judge:
    def judge(case: Case) -> Verdict | None:
        verdict = Verdict()
        fault = case.board.meddler = meddling(case.board)
        ended = case(*operation.argv)
        fault.over = True
        if not fault.begun:
            return None
        judge_report(case, known, ended, case.writes(), verdict)
        verdict.hold(case.lock_is_free(), "the lock is held, and nobody runs")
        proof = case("evidence", "verify", "--all")
        verdict.hold(proof.status == 0, f"the evidence does not verify: {proof}")
        if ended.status != 6 and "the window" not in fault.act.__name__:
            later = case.later()
            verdict.hold(not later, f"{ended}: something was left armed, and acted later: {later}")
        return verdict

    return judge


def carry_out(order: dict[str, Any]) -> list[Outcome]:
    """Run what one order asks for."""
    folder, bounds = Path(order["folder"]), Bounds(order["tenths"], order["seed"])
    router, name = order["router"], order["operation"]
    if order["sort"] == "kill":
        return kills(router, name, folder, bounds)
    if order["sort"] == "together":
        from tests.faults.together import rounds

        return rounds(router, folder, bounds)
    return faults(router, name, folder, bounds, network=order["sort"] == "network")


def orders(sorts: Sequence[str], routers: Sequence[str] = ROUTERS) -> list[dict[str, Any]]:
    """Give every order: kills of every operation, faults of the whole of one, rounds of several."""
    found = []
    for router in routers:
        for sort in sorts:
            names = list(OPERATIONS) if sort == "kill" else ["create"]
            found += [{"sort": sort, "router": router, "operation": name} for name in names]
    return found


def _in_a_process(order: dict[str, Any]) -> int:
    """Carry one order out in a process of its own; its outcomes go to the file that the order names."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        begin, found = time.monotonic(), carry_out(order)
        used = resource.getrusage(resource.RUSAGE_SELF)
        document = {
            "outcomes": [asdict(outcome) for outcome in found],
            "seconds": round(time.monotonic() - begin, 1),
            "own_cpu": round(used.ru_utime + used.ru_stime, 2),
        }
        Path(order["answer"]).write_text(json.dumps(document), "utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - whoever asked gets it
        Path(order["answer"]).write_text(json.dumps({"error": traceback.format_exc()}), "utf-8")
    finally:
        os._exit(status)
    return status


def main() -> None:
    """One order a line in, one line out when it is done."""
    from tests.forked import load

    load()
    for line in sys.stdin:
        print(json.dumps({"status": _in_a_process(json.loads(line))}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
