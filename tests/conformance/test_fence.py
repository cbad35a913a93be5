"""The marker of a run: at most one has it, the other learns who, and nobody takes away what is not theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from plexops.engine.decide.markers import marker_of
from plexops.engine.look.site_state import Drivers
from plexops.evidence.folder import began_at, new_run_id
from plexops.languages import LANGUAGES
from plexops.languages import markers as fences
from plexops.model.exchange import Command, Marker
from plexops.model.snapshot import Role
from tests.conformance.conformance_bench import FAMILIES, Bench, Family, bench

ONE = fences.holder_word("01hzzzzzzzzzzzzzzzzzzzzzz1", "laptop.example.net")
OTHER = fences.holder_word("01hzzzzzzzzzzzzzzzzzzzzzz2", "nas")
FENCED = tuple(family for family in FAMILIES if not family.startswith("opnsense"))


@pytest.fixture(params=FENCED)
def at(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with bench(request.param) as made:
        yield made


def marker(at: Bench, holder: str) -> Marker:
    found = marker_of(Drivers(router=at.driver), Role.ROUTER, holder)
    assert found is not None
    return found


def holders(at: Bench) -> set[str]:
    return {run for run, _ in fences.holders_in(at.ask((marker(at, ONE).holders,))[0].body)}


def test_the_second_is_told_who_was_first(at: Bench) -> None:
    assert holders(at) == set()
    at.send(marker(at, ONE).take)
    assert holders(at) == {ONE[:26]}
    at.send(marker(at, ONE).take)  # a recover of that run
    assert ONE[:26] in holders(at)
    at.send(marker(at, OTHER).take)
    said = at.ask((marker(at, OTHER).holders,))[0].body
    assert (ONE[:26], "laptop") in fences.holders_in(said)


def test_only_the_own_marker_is_taken_away(at: Bench) -> None:
    at.send(marker(at, ONE).take)
    at.send(marker(at, OTHER).drop)
    assert holders(at) == {ONE[:26]}
    at.send(marker(at, ONE).drop)
    assert holders(at) == set()
    at.send(marker(at, OTHER).take)
    assert holders(at) == {OTHER[:26]}


def test_a_person_can_take_it_away(at: Bench) -> None:
    before = at.look()
    at.send(marker(at, ONE).take)
    assert at.look().entries == before.entries
    at.run(marker(at, ONE).by_hand)
    assert holders(at) == set()


def test_who_holds_it_is_a_read(at: Bench) -> None:
    ask = marker(at, ONE).holders.ask
    assert isinstance(ask, Command)
    name = "routeros" if at.family == "routeros" else "posix"
    assert LANGUAGES[name].refuse_read(ask.text) is None  # type: ignore[index]


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in FENCED])
def test_a_family_without_anything_that_exists_once_has_none(family: Family) -> None:
    with bench(family) as at:
        assert marker_of(Drivers(router=at.driver), Role.ROUTER) is None


@pytest.mark.parametrize("render", [lambda word: fences.posix("/run", word), fences.routeros])
@pytest.mark.parametrize("word", ["x; reboot", "$(reboot)", "a b", "-x", ""])
def test_no_word_of_another_alphabet_is_sent(render: Callable[[str], Marker], word: str) -> None:
    with pytest.raises(ValueError, match="no word"):
        render(word)


@pytest.mark.parametrize(
    ("machine", "name"),
    [("häns' laptop", "h-ns--laptop"), ("", "unknown"), ("-$(x)", "x"), ("a" * 99, "a" * 36)],
)
def test_a_machine_is_named_in_letters_that_do_nothing(machine: str, name: str) -> None:
    assert fences.holder_word(ONE[:26], machine) == f"{ONE[:26]}.{name}"


def test_a_run_says_when_it_began() -> None:
    then = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
    assert began_at(new_run_id(then)) == then
