"""Two homes in one inventory: one digest each, and what keeps one from being begun does not end the other's part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Ended, House, describe_as_well, house


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[House, House]]:
    """A home and a cabin; the home's inventory knows both."""
    with house(tmp_path / "one") as home, house(tmp_path / "two") as cabin:
        describe_as_well(home, cabin, "cabin")
        yield home, cabin


def document(ended: Ended) -> Any:
    return json.loads(ended.out)


def digests(home: House) -> dict[str, str]:
    planned = document(home("apply", "--dry-run", "--format", "json"))
    return {site["name"]: site["plan_digest"] for site in planned["sites"]}


def test_each_site_is_approved_by_its_own_digest(two: tuple[House, House]) -> None:
    home, cabin = two
    assert home("audit").status == 1
    found = digests(home)
    assert set(found) == {"home", "cabin"}
    assert len(set(found.values())) == 2
    assert home("apply", "--yes").status == 2, "one yes is not for several homes"
    before = cabin.exports()
    half = home("apply", "--approve", found["home"][:12])
    assert half.status == 3
    assert "was approved: look again" in half.said
    assert cabin.exports() == before
    assert home("audit", "--limit", "home").status == 0
    ended = home("apply", "--approve", found["home"][:12], "--approve", digests(home)["cabin"][:12])
    assert ended.status == 0, ended.said
    assert home("audit").status == 0


def test_a_site_that_cannot_be_begun_leaves_the_others_their_report(two: tuple[House, House]) -> None:
    home, _ = two
    assert home("audit").status == 1
    (home.state / "cabin").chmod(0o777)
    ended = home("audit", "--format", "json")
    assert ended.status == 8
    sites = {site["name"]: site for site in document(ended)["sites"]}
    assert sites["home"]["exit_status"] == 1
    assert sites["home"]["findings"]
    assert sites["cabin"]["exit_status"] == 8
    assert [problem["code"] for problem in sites["cabin"]["errors"]] == ["PLX-R101"]
