"""Measure the verdicts: python -m scripts.shares [--families] [SCENARIO ...]

How many are right, undecided with the truth named, and wrong: of the homes that people described, and of every scenario
with all evidence and with answers lost. `--families` adds every other router family that can show a scenario: 20 minutes
instead of 10. The exit status is 1 where a verdict is wrong.
"""

from __future__ import annotations

import sys

from plexops.lab.scenarios import SCENARIOS
from tests.runbook.recorded import router_for, table
from tests.runbook.shares import Score, of_homes, of_recorded


def main(words: list[str]) -> int:
    """Print the table; give the exit status."""
    families, chosen = "--families" in words, [word for word in words if not word.startswith("-")]
    rows = [row for row in table() if not chosen or row.scenario in chosen]
    lost = of_recorded((row, router_for(row.scenario)) for row in rows)
    found = {
        "described homes": of_homes(),
        "scenarios": lost.none,
        "one answer lost": lost.one,
        "many answers lost": lost.many,
    }
    if families:
        others = [(row, router) for row in rows for router in SCENARIOS[row.scenario].routers]
        others = [(row, router) for row, router in others if router != router_for(row.scenario)]
        found["scenarios, other families"] = of_recorded(others, less=False).none
    print(f"| {'input':32} | verdicts | {' | '.join(Score)} | decided |")
    for name, shares in found.items():
        counts = " | ".join(f"{shares.counts[score]:{len(score)}}" for score in Score)
        print(f"| {name:32} | {shares.counts.total():8} | {counts} | {shares.decided:7.0%} |")
    wrong = [text for shares in found.values() for text in shares.wrong]
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
