"""What proves a family with a configuration tree sees a router that does not do as its window says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plexops.cli.stored import store_for
from plexops.config.samples import load_samples
from plexops.engine.families import load_family
from plexops.engine.proving import Level, prove
from plexops.lab.tree import StoredTree


def levels(name: str) -> dict[str, Level]:
    found = prove(load_family(name, Path()), load_samples(name, Path()), store_for)
    return {level.name: level for level in found if level.name in ("life", "window")}


@pytest.mark.parametrize("name", ["vyos", "edgeos"])
def test_lives_and_windows_are_looked_at(name: str) -> None:
    found = levels(name)
    assert {level: one.problems for level, one in found.items()} == {"life": (), "window": ()}
    assert all(one.looked > 1 for one in found.values())


def forgets(_self: StoredTree, _seconds: int) -> None:
    """No clock, and no restart."""


def confirms_nothing(self: StoredTree, text: str) -> tuple[int, str]:
    return (0, "") if "\nconfirm\n" in text else VISIT(self, text)


def deletes_nothing(self: StoredTree, text: str) -> tuple[int, str]:
    return VISIT(self, text.replace("\ndelete nat", "\nset nat x"))


VISIT = StoredTree.visit


@pytest.mark.parametrize(
    ("method", "wrong", "level", "says"),
    [
        ("lapse", forgets, "window", "it was not confirmed and stays"),
        ("visit", confirms_nothing, "window", "it was confirmed and does not stay"),
        ("visit", deletes_nothing, "life", "leaves something behind"),
    ],
)
def test_a_router_that_does_otherwise_is_seen(
    monkeypatch: pytest.MonkeyPatch, method: str, wrong: Callable[..., object], level: str, says: str
) -> None:
    monkeypatch.setattr(StoredTree, method, wrong)
    assert any(says in problem for problem in levels("vyos")[level].problems)
