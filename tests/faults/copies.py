"""Every case in a copy of its own: the process that holds a prepared home is forked, home and all."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.case import Case, reopen
from tests.faults.generate import hashed
from tests.faults.oracle import Verdict

#: No case may take longer, in seconds: then it hangs.
PATIENCE = 90


@dataclass(slots=True)
class Outcome:
    """What one case came to. `missed`: the run never came to the point. `cpu`: seconds, of all its processes."""

    case: str
    wrong: list[str] = field(default_factory=list)
    claim: str = ""
    missed: bool = False
    cpu: float = 0.0


#: Judges one case; None where the run never came to the point.
Judge = Callable[[Case], Verdict | None]


def in_a_copy(case: Case, name: str, judge: Judge) -> Outcome:
    """Judge one case in a copy of this process."""
    folder = case.folder.parent / f"{case.folder.name}-{hashed(name):08x}"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _judge_and_end(case, folder, name, judge, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status, used = os.wait4(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    outcome = Outcome(name, wrong=[f"the case itself died: {status}"])
    if answer:
        outcome = pickle.loads(answer)  # noqa: S301 - it comes from our own child
    outcome.cpu = round(used.ru_utime + used.ru_stime, 3)
    return outcome


def _judge_and_end(case: Case, folder: Path, name: str, judge: Judge, writing: int) -> None:
    """Be the copy, and never return."""
    outcome, copy = Outcome(name), None
    try:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(PATIENCE)
        copy = reopen(case, folder)
        verdict = judge(copy)
        if verdict is None:
            outcome.missed = True
        else:
            outcome.wrong, outcome.claim = verdict.wrong, verdict.claim
    except KeyboardInterrupt:
        outcome.wrong.append(f"it hung for {PATIENCE} s")
    except BaseException:  # noqa: BLE001 - whatever it is, it is this case's
        outcome.wrong.append(traceback.format_exc()[-900:])
    if copy is not None:
        copy.end()
    with os.fdopen(writing, "wb") as stream:
        stream.write(pickle.dumps(outcome))
    os._exit(0)
