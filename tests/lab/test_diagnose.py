"""`plexops diagnose` in real homes: packets decide what is true, and its verdict, layer and status agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from .diagnosed import Looked, Trouble
from .realhome import MACHINE_IDENTIFIER, why_not
from .troubles import GROUPS, UNCLEAR

pytestmark = [
    pytest.mark.namespaces,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "can run here"),
    pytest.mark.timeout(300),
]

TROUBLES = tuple(trouble for group in GROUPS for trouble in group.troubles)
#: Homes side by side: most of the time a diagnosis waits for packets that nobody answers.
SIDE_BY_SIDE = 6


@pytest.fixture(scope="module")
def looks() -> Iterator[Mapping[str, Future[dict[str, Looked]]]]:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as beside:
        begun = [(group, beside.submit(group.looks)) for group in GROUPS]
        yield {trouble.name: future for group, future in begun for trouble in group.troubles}


@pytest.fixture(params=TROUBLES, ids=[trouble.name for trouble in TROUBLES])
def trouble(request: pytest.FixtureRequest) -> Trouble:
    found: Trouble = request.param
    return found


@pytest.fixture
def looked(trouble: Trouble, looks: Mapping[str, Future[dict[str, Looked]]]) -> Looked:
    return looks[trouble.name].result()[trouble.name]


def test_packets_and_plexops_say_the_same(trouble: Trouble, looked: Looked) -> None:
    assert looked.world == trouble.world, "the home is not as the test believes"
    assert (MACHINE_IDENTIFIER in (looked.identity or "")) is trouble.met
    verdict = looked.site["verdict"]
    said = (verdict["id"], verdict["layer"], looked.done.returncode)
    assert said == (trouble.verdict, trouble.layer, trouble.status), verdict
    if trouble.first:
        assert verdict["candidates"][0]["causes"][0] == trouble.first, verdict
    assert (looked.site["safe_stop"] is not None) is (trouble.status == 3)


def test_it_only_reads(looked: Looked) -> None:
    assert looked.asked > 10, "nothing was asked: there is nothing to judge"
    assert looked.written == []
    assert looked.changed == []


def test_no_secret_and_nothing_unmasked_is_printed_or_kept(looked: Looked) -> None:
    assert looked.kept > 4, "no file was kept: there is nothing to search"
    assert looked.leaks == []


def test_what_explains_it_is_shown(trouble: Trouble, looked: Looked) -> None:
    verdict = looked.site["verdict"]
    shown = {exhibit["id"] for exhibit in looked.site["exhibits"]}
    assert verdict["exhibits"]
    assert set(verdict["exhibits"]) <= shown
    assert looked.site["next_steps"]


@pytest.mark.parametrize("trouble", UNCLEAR, ids=[trouble.name for trouble in UNCLEAR])
def test_what_is_not_understood_is_never_called_certain(looked: Looked) -> None:
    verdict = looked.site["verdict"]
    assert verdict["confidence"] == "none"
    assert "may stop" in verdict["candidates"][0]["says"]
