"""What must hold after anything: the devices' own state judges what a report claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from plexops.lab.scenario import EXTERNAL_PORT
from tests.faults.case import JSON, Case, Ended, World
from tests.faults.operations import RECOVER, Known, Operation

_CRASHED, _UNSURE = 70, 6
#: What keeps another run out is no change: it comes and goes with the run.
_MARKER = re.compile(r"plexops[._]run\b")


@dataclass(slots=True)
class Verdict:
    """What did not hold in one case, in words. `claim` is what the last report says of the whole."""

    wrong: list[str] = field(default_factory=list)
    claim: str = ""

    def hold(self, holds: bool, says: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(says)


def foreign_lines_lost(known: Known, now: World) -> str:
    """Say which lines that no step of plexops touches are gone; empty: none."""
    for role in known.settled.exports:
        kept = known.settled.lines(role) & known.after.lines(role)
        lost = [line for line in kept - now.lines(role) if '"applied"' not in line]
        if lost:
            return f"{role} lost {lost[:3]}"
    return ""


def is_as_after(known: Known, now: World) -> str:
    """Say in what the devices act otherwise than after the whole operation; empty: they act alike."""
    for name, does in known.after.does.items():
        if now.does[name] != does:
            return f"{name}: {now.does[name]}, not {does}"
    return ""


def host_moved(ended: Ended) -> bool:
    """Tell whether the router does not give the host its old lease any more: that is said, and left to a person."""
    return "not back at its old address" in ended.says


def settle(case: Case, operation: Operation, known: Known, verdict: Verdict, *, thorough: bool) -> None:
    """Recover on devices that work, and hold what it says against them; then everything must be at rest."""
    ended = case(*RECOVER)
    verdict.claim = ended.says
    now = case.world()
    verdict.hold(
        ended.status == (_UNSURE if host_moved(ended) else 0), f"recover on healthy devices: {ended}"
    )
    _judge_claim(ended, known, now, verdict)
    _at_rest(case, known, now, verdict)
    if thorough and not verdict.wrong:
        _works_on(case, operation, known, verdict)


def _judge_claim(ended: Ended, known: Known, now: World, verdict: Verdict) -> None:
    says = ended.says.lower()
    from_old, from_new = known.settled.difference(now), is_as_after(known, now)
    if "old state" in says:
        verdict.hold(not from_old, f"it says “{says}”, and {from_old}")
    elif "new state" in says:
        verdict.hold(not from_new, f"it says “{says}”, and {from_new}")
    elif "nothing to do" in says:
        verdict.hold(not (from_old and from_new), f"nothing to do, and neither old ({from_old}) nor new")
    elif ended.status == 0:
        verdict.wrong.append(f"what it says names no state: {says}")


def _at_rest(case: Case, known: Known, now: World, verdict: Verdict) -> None:
    again = case(*RECOVER)
    verdict.hold(
        again.status == 0 and again.says.lower() == "nothing to do", f"a second recover had work: {again}"
    )
    verdict.hold(case.lock_is_free(), "the lock is held, and nobody runs")
    proof = case("evidence", "verify", "--all")
    verdict.hold(proof.status == 0, f"the evidence does not verify: {proof} {proof.out[:200]}")
    lost = foreign_lines_lost(known, now)
    verdict.hold(not lost, f"another's entry was changed: {lost}")
    later = case.later()
    verdict.hold(not later, f"something was left armed, and acted later: {later}")


def _works_on(case: Case, operation: Operation, known: Known, verdict: Verdict) -> None:
    """What was asked for is made as if nothing had been, and once more sends nothing."""
    ended = case(*operation.again)
    good = operation.ends | operation.rests
    if ended.status not in good and "plexops diagnose --refresh" in ended.out:
        # What plex.tv says is of the time between, and a nudge came too soon: what the report names must cure it.
        case("diagnose", "--refresh", *JSON)
        ended = case(*operation.again)
    verdict.hold(ended.status in good, f"the next run: {ended}")
    since = len(case.board.exchanges)
    ended = case(*operation.again)
    verdict.hold(ended.status in operation.rests, f"the run after it: {ended}")
    sent = case.writes(since)
    verdict.hold(not sent, f"a second apply sends {sent[:2]}")


def judge_report(case: Case, known: Known, ended: Ended, writes: Sequence[str], verdict: Verdict) -> None:
    """Hold a report that came while something went wrong against the devices as they are now."""
    now = case.world()
    verdict.claim = str(ended)
    verdict.hold(ended.status != _CRASHED, f"crashed: {ended.err[:300]}")
    verdict.hold(ended.status in range(8), f"no status of ours: {ended}")
    for reason in _false_claims(known, ended, writes, now):
        verdict.wrong.append(f"{ended}: {reason}")
    lost = foreign_lines_lost(known, now)
    verdict.hold(not lost, f"another's entry was changed: {lost}")


def _false_claims(known: Known, ended: Ended, writes: Sequence[str], now: World) -> Iterator[str]:
    marks = {proof["mark"] for proof in ended.site.get("proofs", ())}
    port = f"{EXTERNAL_PORT} from outside"
    if "proven" in marks and ended.status == 0 and now.does[port] != known.after.does[port]:
        yield f"false “proven”: {port} {now.does[port]}"
    differs = known.settled.difference(now)
    if ended.status == 0 and not marks and not writes and differs:
        yield f"nothing was to be changed, and {differs}"
    if ended.status == 5 and differs:
        yield f"false “undone”: {differs}"
    if ended.status in (2, 3, 7) and differs:
        yield f"nothing should have been left changed, and {differs}"
    changing = [write for write in writes if not _MARKER.search(write)]
    if ended.status in (2, 3, 7) and changing:
        yield f"it says that nothing was changed, and sent {changing[0]}"
    if "nothing was sent" in str(ended.site.get("outcome", "")).lower() and writes:
        yield f"it says that nothing was sent, and sent {writes[0]}"
    outcomes = {c["outcome"] for c in ended.site.get("changes", ())}
    unlike = is_as_after(known, now)
    if ended.status in (0, 4) and outcomes and outcomes <= {"done", "kept"} and unlike:
        yield f"every change is called {' or '.join(sorted(outcomes))}, and {unlike}"
    undone = outcomes <= {"undone", "not-sent", "planned"}
    if ended.status == _UNSURE and undone and differs:
        yield f"every change is called undone, and {differs}"
