"""`python -m tests.bench [ROUNDS] [--fleet HOMES...]`: measure, and write docs/bench.md.

The other tools are taken from .bench-venv where that exists; routerless needs Python 3.13 and an environment of its own:
`python -m venv .bench-venv && .bench-venv/bin/pip install ansible-core pyinfra`;
`python3.13 -m venv .bench-venv/routerless && .bench-venv/routerless/bin/pip install routerless`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.bench.document import document
from tests.bench.fleet import make_fleet, measure_fleet
from tests.bench.measuring import INSIDE, execs_of, home_in_order, measure, own_commands, peer_commands
from tests.bench.openwrt import with_openwrt
from tests.bench.walking import measure_walks
from tests.lab.realhome import REPOSITORY, why_not

LEAST_ROUNDS, FLEET_ROUNDS = 7, 3


def main(argv: Sequence[str]) -> int:
    """Measure everything in one home and keep the page."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    asked.add_argument("rounds", type=int, nargs="?", default=9)
    asked.add_argument("--fleet", type=int, nargs="+", default=[1, 50, 200], metavar="HOMES", help="add 1000")
    options = asked.parse_args(argv)
    rounds, reason = max(LEAST_ROUNDS, options.rounds), why_not()
    if reason:
        print(f"cannot measure here: {reason}", file=sys.stderr)
        return 1
    with home_in_order() as home:
        execs = execs_of(home, ["plexops", "audit", *INSIDE])
        found = measure(home, [*own_commands(home), *peer_commands(), *with_openwrt(home)], rounds)
        make_fleet(home)
        fleet = measure_fleet(home, sorted(options.fleet), FLEET_ROUNDS)
    page = document(found, measure_walks(rounds), execs, rounds, fleet)
    (REPOSITORY / "docs" / "bench.md").write_text(page, encoding="utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
