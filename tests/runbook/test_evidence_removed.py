"""Whatever evidence is taken away, the verdict stays right or becomes unknown: never wrong, and never “in order”."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runbook.holes import replayed
from tests.runbook.recorded import Diagnosed, Expected, router_for, table
from tests.runbook.shares import Score, of_homes, of_recorded, scored, truth_of

#: Of every so many answers one is lost by itself here; all of them nightly.
_EACH = 25


def test_less_evidence_never_makes_a_wrong_verdict(row: Expected, diagnosed: Diagnosed) -> None:
    """Lose whole devices, some answers by themselves, and random sets of answers."""
    kept = replayed(diagnosed)
    assert kept.full.id == row.verdict, kept.full
    truth = truth_of(row, kept.full)

    def never_wrong(lost: set[str]) -> None:
        verdict = kept.judged(frozenset(lost))
        assert scored(verdict, truth) is not Score.WRONG, (lost, verdict)

    @settings(max_examples=2, suppress_health_check=list(HealthCheck), deadline=None)
    @given(lost=st.sets(st.sampled_from(kept.losable), min_size=2))
    def sets_of_answers(lost: set[str]) -> None:
        never_wrong(lost)

    sets_of_answers()
    devices = [name for name in kept.losable if ":" not in name]
    for single in (*devices, *[name for name in kept.losable if ":" in name][::_EACH]):
        never_wrong({single})


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_shares_of_right_verdicts_do_not_fall() -> None:
    """Figures of `python -m scripts.shares`, with a margin: a rule that only makes verdicts vaguer shows here."""
    lost = of_recorded((row, router_for(row.scenario)) for row in table())
    wrong = [text for shares in (lost.none, lost.one, lost.many, of_homes()) for text in shares.wrong]
    assert wrong == []
    assert lost.none.decided >= 0.88
    assert lost.one.decided >= 0.75
    assert lost.many.decided >= 0.22
