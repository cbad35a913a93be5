"""`python -m tests.bench [ROUNDS]`: measure, and write docs/bench.md.

ansible-core and pyinfra are taken from .bench-venv where that exists:
`python -m venv .bench-venv && .bench-venv/bin/pip install ansible-core pyinfra`.
"""

from __future__ import annotations

import sys

from tests.bench.document import document
from tests.bench.measuring import INSIDE, execs_of, home_in_order, measure, own_commands, peer_commands
from tests.bench.walking import measure_walks
from tests.lab.realhome import REPOSITORY, why_not

LEAST_ROUNDS = 7


def main(rounds: int) -> int:
    """Measure everything in one home and keep the page."""
    reason = why_not()
    if reason:
        print(f"cannot measure here: {reason}", file=sys.stderr)
        return 1
    with home_in_order() as home:
        execs = execs_of(home, ["plexops", "audit", *INSIDE])
        found = measure(home, [*own_commands(home), *peer_commands()], rounds)
    page = document(found, measure_walks(rounds), execs, rounds)
    (REPOSITORY / "docs" / "bench.md").write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(max(LEAST_ROUNDS, *map(int, sys.argv[1:2] or ["9"]))))
