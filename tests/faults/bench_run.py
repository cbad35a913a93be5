"""The fault bench by hand: `python -m tests.faults.bench_run --share 10 --router openwrt --operation create`.

It prints what was run of each sort, what a case costs, and every case in which something did not hold. Start it
without an uplink, as scripts/test does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plexops.lab.routers import ROUTERS
from tests.faults.bench_child import SORTS
from tests.faults.copies import Outcome
from tests.faults.operations import OPERATIONS
from tests.forking import CHECKOUT

CHILD = "tests.faults.bench_child"


@dataclass(slots=True)
class Bench:
    """The process that carries out orders."""

    process: subprocess.Popen[str]

    def __call__(self, folder: Path, **order: Any) -> tuple[list[Outcome], float]:
        """Carry out one order; give its outcomes and its CPU seconds. Raises AssertionError where it could not."""
        folder.mkdir(parents=True, exist_ok=True)
        answer = folder / "answer.json"
        whole = {
            "sorts": SORTS,
            "share": 1,
            "seed": 0,
            "only": "",
            "folder": str(folder),
            "answer": str(answer),
            **order,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(whole) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()
        document: Mapping[str, Any] = json.loads(answer.read_text("utf-8"))
        assert "error" not in document, document["error"]
        return [Outcome(**outcome) for outcome in document["outcomes"]], float(document["cpu"])


@contextmanager
def bench_process() -> Iterator[Bench]:
    """Start the process, and end it."""
    command = [sys.executable, "-m", CHILD]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Bench(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def wrong(outcomes: Sequence[Outcome]) -> list[str]:
    """Give a line for every case in which something did not hold."""
    return [f"{o.case}: {'; '.join(o.wrong)} [{o.claim}]" for o in outcomes if o.wrong]


def main() -> None:
    """Run what the options choose."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--share", type=int, default=20, help="one case in so many")
    options.add_argument(
        "--seed", type=int, default=0, help="for the kills at random and for what runs at once"
    )
    options.add_argument("--router", action="append", choices=ROUTERS)
    options.add_argument("--operation", action="append", choices=tuple(OPERATIONS))
    options.add_argument("--sort", action="append", choices=SORTS)
    options.add_argument(
        "--only", default="", help="the cases whose name holds this, as a failed one is named"
    )
    chosen = options.parse_args()
    total: Counter[str] = Counter()
    with bench_process() as bench, TemporaryDirectory() as folder:
        for router in chosen.router or ROUTERS:
            for number, operation in enumerate(chosen.operation or OPERATIONS):
                outcomes, cpu = bench(
                    Path(folder) / f"{router}{number}",
                    router=router,
                    operation=operation,
                    share=chosen.share,
                    seed=chosen.seed,
                    only=chosen.only,
                    sorts=chosen.sort or SORTS,
                )
                _tell(f"{router}: {operation}", outcomes, cpu, total)
    print("\n".join(f"{name}: {count:g}" for name, count in sorted(total.items())))  # noqa: T201


def _tell(title: str, outcomes: Sequence[Outcome], cpu: float, total: Counter[str]) -> None:
    failed = wrong(outcomes)
    total["CPU seconds, everything"] += round(cpu)
    for outcome in outcomes:
        sort = outcome.case.partition(",")[0]
        total[f"{sort}: cases"] += 1
        total[f"{sort}: CPU ms"] += round(outcome.cpu * 1000)
        total[f"{sort}: the point was not reached"] += outcome.missed
        total[f"{sort}: did not hold"] += bool(outcome.wrong)
    print(f"{title}: {len(outcomes)} cases, {len(failed)} did not hold, {cpu:g} s CPU", flush=True)  # noqa: T201
    for line in failed:
        print(f"  {line[:700]}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
