"""The whole main job of each family that is written, over the wire: from drift to proof and back to the same content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from plexops.lab.home import HomeOptions, OtherRouter
from plexops.lab.server import MAC
from tests.faults.engine_bench import Homes
from tests.faults.stored_router import SECRET, StoredRouter

#: By family: how it is logged in to, and what its household has otherwise, so that no guard has a reason to refuse.
FAMILIES: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "asuswrt-merlin": ({"username": "root"}, {}),
    "ddwrt": ({"username": "root"}, {}),
    "freebox": ({"password": SECRET}, {}),
    "routeros-rest": (
        {"username": "plexops", "password": SECRET},
        {'"blocked": "true"': '"blocked": "false"'},
    ),
    # A reservation is made by hand there.
    "unifi": ({"api_key": SECRET}, {"192.168.1.51": "192.168.1.50", "02:00:00:00:00:50": MAC}),
}


def other(family: str, folder: Path, acts_after: float = 0.0) -> OtherRouter:
    """Give a family's router, with its secret in a file."""
    login, edits = FAMILIES[family]
    file = folder / "1" / "keys" / "word"
    file.parent.mkdir(parents=True)
    file.write_text(SECRET, encoding="utf-8")
    file.chmod(0o600)
    entry = {name: {"file": str(file)} if value == SECRET else value for name, value in login.items()}
    return OtherRouter(
        lambda seed, hooks: StoredRouter(family, edits, seed, hooks, acts_after),
        {"profile": family, **entry},
        SECRET in login.values(),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_from_drift_to_proof_and_back(homes: Homes, tmp_path: Path, family: str) -> None:
    with homes("openwrt", "no-forward", HomeOptions(other=other(family, tmp_path))) as bench:
        before = bench.state()
        assert bench("audit").status == 1
        dry = bench("apply", "--dry-run")
        assert dry.status == 0, dry
        assert bench.state() == before
        assert bench.writes() == []
        applied = bench("apply", "--yes")
        assert applied.status == 0, applied
        assert bench.state()["32500 from outside"] == "open"
        after = bench.state()
        again = bench("apply", "--yes")
        assert again.status == 0, again
        assert bench.state() == after
        back = bench("rollback", "last", "--yes")
        assert back.status == 0, back
        assert bench.state() == before


def test_a_gateway_that_acts_later_than_its_controller_says_so_is_waited_for(
    homes: Homes, tmp_path: Path
) -> None:
    """Plex and the vantage give up after six seconds here, and the gateway has the forward after eight."""
    with homes("openwrt", "no-forward", HomeOptions(other=other("unifi", tmp_path, 8.0))) as bench:
        applied = bench("apply", "--yes")
        assert applied.status == 0, applied
        assert "proven" in applied.out
        assert bench.state()["32500 from outside"] == "open"
