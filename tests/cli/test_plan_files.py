"""A plan file is a claim: what was reviewed is what runs, or nothing does."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.process import House, house

#: Somebody else forwards a port of theirs in the meantime.
MEANWHILE = (
    "uci set firewall.theirs=redirect; uci set firewall.theirs.name=theirs; uci set firewall.theirs.src=wan; "
    "uci set firewall.theirs.src_dport=9999; uci set firewall.theirs.dest_ip=192.168.1.20; "
    "uci set firewall.theirs.target=DNAT; uci set firewall.theirs.proto=tcp; uci commit firewall"
)


def save_plan(home: House) -> str:
    """Save a plan and give its digest."""
    ended = home("apply", "--dry-run", "--out", "plan.json")
    assert ended.status == 0
    digest: str = json.loads((home.directory / "plan.json").read_text())["digest"]
    assert f"apply --approve {digest[:12]}" in ended.said
    return digest


def test_a_plan_file_that_still_fits_is_carried_out(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        digest = save_plan(home)
        ended = home("apply", "plan.json", "--approve", digest[:12])
        assert ended.status == 0
        assert "plexops_plex" in home.home.export("router")


def test_a_stale_plan_names_what_moved(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        digest = save_plan(home)
        home.home.router.execute(MEANWHILE, b"", "root")
        before = home.exports()
        ended = home("apply", "plan.json", "--approve", digest)
        assert ended.status == 3
        assert "the plan is stale" in ended.said.lower()
        assert "router" in ended.said
        assert home.exports() == before


def test_an_edited_plan_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        digest = save_plan(home)
        asked = len(home.home.log("router"))
        home.edit("plan.json", "32500", "32501")
        ended = home("apply", "plan.json", "--approve", digest[:12])
        assert ended.status == 8
        assert "error[PLX-R210]: plan.json was edited after it was written" in ended.err
        assert "Make it anew: plexops apply --dry-run --out plan.json" in ended.said
        assert len(home.home.log("router")) == asked


def test_another_plan_than_the_approved_one_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        save_plan(home)
        asked = len(home.home.log("router"))
        ended = home("apply", "plan.json", "--approve", "0123456789ab")
        assert ended.status == 2
        assert "error[PLX-R212]" in ended.err
        assert len(home.home.log("router")) == asked


def test_an_approved_digest_that_fits_no_more_sends_nothing(tmp_path: Path) -> None:
    with house(tmp_path) as home:
        before = home.exports()
        ended = home("apply", "--approve", "0123456789ab")
        assert ended.status != 0
        assert "0123456789ab was approved" in ended.err
        assert home.exports() == before
