"""Whatever evidence is taken away, the verdict stays right or becomes unknown: never wrong, and never “in order”."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plexops.cli.session import Files, open_homes
from plexops.engine.access import Links, ReplayedLinks
from plexops.engine.site import Home
from plexops.evidence.folder import Store
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Read, Reply
from plexops.model.plan import Authorized
from plexops.runbook.cause import Weight
from plexops.runbook.situation import Situation
from plexops.runbook.table import IN_ORDER
from plexops.runbook.verdict import Verdict, judge
from plexops.transport.link import LinkSettings, ReadLink, ReadSettings, WriteLink
from tests.runbook.recorded import RECORDING, Expected, diagnose, table


@dataclass(frozen=True, slots=True)
class HoledLink:
    """A link of a recording whose answers to some questions are lost on the way."""

    link: ReadLink
    device: str
    lost: frozenset[str]

    @property
    def identity(self) -> str:
        return self.link.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        if self.device in self.lost:
            raise PlexopsError(Problem("PLX-D102", f"{self.device} does not answer"))
        return tuple(
            replace(reply, status=None, body="", stderr="", whole=False)
            if f"{self.device}:{read.id}" in self.lost
            else reply
            for read, reply in zip(reads, self.link.ask(reads), strict=True)
        )

    def close(self) -> None:
        self.link.close()


@dataclass(frozen=True, slots=True)
class HoledLinks:
    """A recording with holes; `asked` gathers what there is to lose."""

    links: Links
    lost: frozenset[str]
    asked: set[str]

    @property
    def live(self) -> bool:
        return False

    def read(self, device: str, link_settings: Callable[[], ReadSettings]) -> ReadLink:
        link = HoledLink(self.links.read(device, link_settings), device, self.lost)
        return Noting(link, self.asked)

    def write(self, link_settings: LinkSettings, authorized: Authorized) -> WriteLink:
        raise AssertionError("a diagnosis writes nothing")


@dataclass(frozen=True, slots=True)
class Noting:
    """Notes the questions."""

    link: HoledLink
    asked: set[str]

    @property
    def identity(self) -> str:
        return self.link.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        self.asked.add(self.link.device)
        self.asked.update(f"{self.link.device}:{read.id}" for read in reads)
        return self.link.ask(reads)

    def close(self) -> None:
        self.link.close()


@dataclass(frozen=True, slots=True)
class Replayed:
    """One scenario that can be judged again with less."""

    home: Home
    recording: Path
    port: int | None

    def judged(self, lost: frozenset[str], asked: set[str]) -> Verdict:
        links = HoledLinks(ReplayedLinks(self.recording), lost, asked)
        seen = replace(self.home, links=links).observer().look(self.port, thorough=True)
        return judge(Situation(seen.view, self.port))


@cache
def replayed(scenario: str, directory: Path) -> tuple[Replayed, Verdict, tuple[str, ...]]:
    """Diagnose a scenario once; give it, the verdict with all evidence, and everything that can be lost."""
    done = diagnose(scenario, directory)
    files = Files(directory / "inventory.yaml", (directory / "playbooks",), for_diagnosis=True)
    store = Store.open(directory / "replayed")
    (home,) = open_homes(files, store, replay=done.directory / RECORDING)
    kept = Replayed(home, done.directory / RECORDING, home.tasks.external_port)
    asked: set[str] = set()
    verdict = kept.judged(frozenset(), asked)
    return kept, verdict, tuple(sorted(asked))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


def is_right(verdict: Verdict, full: Verdict, row: Expected) -> bool:
    """Whether a verdict with less evidence is true of the home.

    Decided, it names what is true. Undecided, the truth is among its candidates, if anything fails there at all.
    """
    covered = {name for one in (full.found, *full.also) for name in one.cause.covers}
    true = {full.id, *row.truth, *covered, *(one.cause.id for one in full.also)}
    true |= {row.first} if row.first else set()
    true -= IN_ORDER - {full.id, *row.truth}
    if verdict.decided:
        return verdict.id in true
    candidates = {cause.id for one in verdict.candidates for cause in one.causes}
    seen = {one.cause.id for one in verdict.also}
    fails = full.found.cause.weight is Weight.CAUSE and not IN_ORDER & set(row.truth)
    return not fails or bool(true & (candidates | seen)) or bool(verdict.missing)


ROWS = [pytest.param(row, id=row.scenario) for row in table()]


def judge_with_less(row: Expected, workshop: Path, examples: int, *, each: int) -> None:
    """Lose whole devices, every `each`th answer by itself, and random sets of answers."""
    kept, full, losable = replayed(row.scenario, workshop / row.scenario)
    assert full.id == row.verdict, full

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None)
    @given(lost=st.sets(st.sampled_from(losable), min_size=2))
    def holds(lost: set[str]) -> None:
        verdict = kept.judged(frozenset(lost), set())
        assert is_right(verdict, full, row), (verdict, lost)

    holds()
    answers = [name for name in losable if ":" in name][::each]
    for single in (*(name for name in losable if ":" not in name), *answers):
        verdict = kept.judged(frozenset({single}), set())
        assert is_right(verdict, full, row), (single, verdict)


@pytest.mark.parametrize("row", ROWS)
def test_less_evidence_never_makes_a_wrong_verdict(row: Expected, workshop: Path) -> None:
    judge_with_less(row, workshop, 3, each=5)


@pytest.mark.nightly
@pytest.mark.parametrize("row", ROWS)
def test_no_answer_that_is_lost_makes_a_wrong_verdict(row: Expected, workshop: Path) -> None:
    judge_with_less(row, workshop, 25, each=1)
