"""How a verdict stands to the truth of its home, and the shares of that over many homes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from random import Random

from msgspec import Struct, field

from plexops.lab.routers import RouterName
from plexops.runbook.causes.cause import Weight
from plexops.runbook.causes.table import BY_ID, IN_ORDER
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import Outcome, Verdict, judge
from tests.runbook.holes import Replayed, replayed
from tests.runbook.homes import HOMES, Home
from tests.runbook.recorded import Expected, diagnose

#: So many random sets of answers are lost in each home, others each day.
SUBSETS = 15
#: What a family tells less of: Linux has no forward that is switched off and no switch of UPnP; OPNsense tells none.
TOLD_LESS = {
    ("forward-disabled", "linux"): "no-forward",
    ("upnp-off", "linux"): "no-igd",
    ("upnp-off", "opnsense"): "mapping-failed",
    ("no-igd", "opnsense"): "mapping-failed",
}


class Score(StrEnum):
    """How a verdict stands to the truth."""

    RIGHT = "right"
    #: Undecided, under the headline that a person expects or with the truth as first candidate.
    NAMED = "named"
    #: Undecided, the truth among the candidates.
    AMONG = "among"
    #: Undecided, and what is missing is said.
    OPEN = "open"
    #: Decided for what is not true; or undecided without the truth, as if nothing were missing.
    WRONG = "wrong"


class Truth(Struct, frozen=True):
    """What is true of a home: causes, the headlines that a person expects, and whether anything keeps viewers out."""

    ids: frozenset[str]
    headlines: frozenset[str]
    fails: bool


def truth_of(row: Expected, full: Verdict) -> Truth:
    """Give what is true of a scenario. Verdicts with all evidence are right: test_scenario_table holds that."""
    covered = {name for one in (full.found, *full.also) for name in one.cause.covers}
    true = {full.id, *row.truth, *covered, *(one.cause.id for one in full.also)}
    true |= {row.first} if row.first else set()
    true -= IN_ORDER - {full.id, *row.truth}
    fails = full.found.cause.weight in (Weight.CAUSE, Weight.HEADLINE) and not IN_ORDER & set(row.truth)
    headlines = {row.verdict} - ({full.id} if full.decided else set())
    return Truth(frozenset(true), frozenset(headlines | (set() if fails else {"reachable"})), fails)


def scored(verdict: Verdict, truth: Truth) -> Score:
    """Say how a verdict stands to the truth."""
    if verdict.decided:
        return Score.RIGHT if verdict.id in truth.ids else Score.WRONG
    candidates = [{cause.id for cause in one.causes} for one in verdict.candidates]
    if verdict.id in truth.headlines or truth.ids & set().union(*candidates[:1]):
        return Score.NAMED
    # To wait while a second NAT is suspected costs nothing; to say that it fails does.
    if not truth.fails and verdict.outcome is Outcome.FAILS:
        return Score.WRONG
    seen = {one.cause.id for one in verdict.also}
    if truth.ids & seen.union(*candidates):
        return Score.AMONG
    return Score.OPEN if verdict.missing or not truth.fails else Score.WRONG


class Shares(Struct):
    """What many verdicts come to. `wrong` says of each wrong one where, and which."""

    counts: Counter[Score] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, where: str, verdict: Verdict, truth: Truth) -> None:
        """Score one verdict."""
        score = scored(verdict, truth)
        self.counts[score] += 1
        if score is Score.WRONG:
            self.wrong.append(f"{where}: {verdict.id} ({verdict.confidence}): {verdict.says}")

    def share(self, *scores: Score) -> float:
        """Give which part of all these are."""
        return sum(self.counts[score] for score in scores) / max(self.counts.total(), 1)

    @property
    def decided(self) -> float:
        """Which part is decided."""
        return self.share(Score.RIGHT, Score.WRONG)


# --- measuring ------------------------------------------------------------------------------------------------------


def of_homes() -> Shares:
    """Score the homes that people described."""
    shares = Shares()
    for home in HOMES:
        shares.add(home.name, judge(Situation(home.make(), 32500)), _truth_of_home(home))
    return shares


def _truth_of_home(home: Home) -> Truth:
    """Give what is true of a described home; where its cause is a stop, any cause there."""
    there = {cause.id for cause in BY_ID.values() if cause.place == home.cause}
    fails = home.outcome in (Outcome.FAILS, Outcome.STOP)
    return Truth(
        frozenset({home.cause} | there), frozenset() if home.decided else frozenset({home.cause}), fails
    )


class Lost(Struct):
    """The shares of recorded homes with all evidence, with one answer lost, and with random sets of answers lost."""

    none: Shares = field(default_factory=Shares)
    one: Shares = field(default_factory=Shares)
    many: Shares = field(default_factory=Shares)


def of_recorded(rows: Iterable[tuple[Expected, RouterName]], less: bool = True) -> Lost:
    """Diagnose each home once, and score it with all evidence and, if wanted, with less."""
    lost = Lost()
    with tempfile.TemporaryDirectory(prefix="shares-") as folder:
        for number, (row, router) in enumerate(rows):
            kept = replayed(diagnose(row.scenario, Path(folder) / str(number), router))
            _add(lost, row, router, kept, less)
    return lost


def _add(lost: Lost, row: Expected, router: RouterName, kept: Replayed, less: bool) -> None:
    where, truth = f"{row.scenario} on {router}", truth_of(row, kept.full)
    expected = {row.verdict, TOLD_LESS.get((row.scenario, router), row.verdict)}
    if kept.full.id not in expected:
        # It is not right by itself: only what a person expects is.
        truth = Truth(frozenset(expected | set(row.truth)), frozenset(), truth.fails)
    lost.none.add(where, kept.full, truth)
    if not less:
        return
    for name in kept.losable:
        lost.one.add(f"{where} without {name}", kept.judged(frozenset({name})), truth)
    for gone in _subsets(f"{where} {datetime.now(UTC):%F}", kept.losable):
        lost.many.add(f"{where} without {', '.join(sorted(gone))}", kept.judged(gone), truth)


def _subsets(seed: str, losable: tuple[str, ...]) -> Iterator[frozenset[str]]:
    random = Random(seed)  # noqa: S311 - nothing secret
    for _ in range(SUBSETS):
        yield frozenset(random.sample(losable, random.randint(2, len(losable) // 2)))
