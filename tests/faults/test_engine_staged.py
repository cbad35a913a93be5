"""Killed between saving and applying: what acts decides, on the router that keeps the two apart."""

from __future__ import annotations

import pytest

from tests.faults.engine_bench import KILLED, Bench, Homes
from tests.faults.test_engine_kill import settle


def _saved_at(homes: Homes, *argv: str) -> int:
    """Give the number of the record after which the forward is saved and not applied."""
    with homes("opnsense") as bench:
        assert bench("apply", "--yes").status == 0
        if argv[0] == "rollback":
            assert bench(*argv).status == 0
        records = bench.journal()
        kinds = {r["data"]["step"]: r["data"]["change"]["kind"] for r in records if r["kind"] == "intent"}
        sent = (r for r in records if r["kind"] == "sent" and r["data"]["request"] == 0)
        return next(int(r["n"]) + 1 for r in sent if kinds[r["data"]["step"]] == "port_forward")


def _differs(bench: Bench) -> bool:
    return '"applied": false' in bench.home.export("router")


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_recover_puts_back_what_acts_and_not_what_is_saved(homes: Homes, command: str) -> None:
    argv = ("apply", "--yes") if command == "apply" else ("rollback", "last", "--yes")
    point = _saved_at(homes, *argv)
    with homes("opnsense") as bench:
        if command == "rollback":
            assert bench("apply", "--yes").status == 0
        old = bench.state()
        assert bench(*argv, die_at=point).status == KILLED
        assert _differs(bench), "saved, and pf goes by the old rules"
        assert settle(bench, old) == "old"
        assert not _differs(bench)
