"""What a plan comes to: planned and judged by the product, carried out as it does, and every write judged by packets.

`python -m tests.guards.judged --family linux --number 17` shows one home whole, `--numbers 0 500` runs many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Protocol

from plexops.drivers.base import Unrenderable
from plexops.engine.change.sending import unexpected
from plexops.engine.decide.compare import Comparison, compare
from plexops.engine.decide.planning import make_plan
from plexops.engine.look.site_state import Drivers, SiteState
from plexops.lab.base import Seed
from plexops.model.change import Action, Change, is_done, project
from plexops.model.errors import PlexopsError
from plexops.model.exchange import Reply, Write
from plexops.model.plan import Plan, Step, authorize, shown
from plexops.model.site import Site, SiteTasks
from plexops.model.snapshot import Role, Snapshot
from plexops.runbook.guards.judge import Case, judge
from plexops.runbook.view import SiteView
from plexops.runbook.way_after import after_change
from plexops.structs import replace
from tests.conformance.conformance_bench import FAMILIES, HERE, Family
from tests.guards.homes import Home, home
from tests.guards.simulated import Way, running

#: Without a second backend of one family: its rules are the same.
ROUTERS: tuple[Family, ...] = tuple(family for family in FAMILIES if not family.endswith("-kea"))


class Place(Protocol):
    """A home in which plans are carried out, simulated or real."""

    home: Home
    drivers: Drivers
    plex: Snapshot

    @property
    def address(self) -> IPv4Address:
        """Where the host is now."""

    def view(self) -> SiteView:
        """Look at everything."""

    def snapshot(self, role: Role) -> Snapshot:
        """Look at one stop."""

    def send(self, change: Change, write: Write) -> Reply:
        """Send one write."""

    def reached(self) -> frozenset[Way]:
        """Tell what gets to any port of the Plex host."""


@dataclass(slots=True)
class Judged:
    """What became of one plan. `ended`: allowed, refused, nothing (to do), or why it went no further."""

    home: Home
    ended: str = "nothing"
    #: The guards that refused, and what they said.
    refused: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    sent: list[str] = field(default_factory=list)
    #: Whether the named port reaches Plex at the end, and did not before.
    works: bool = False
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """All that it takes to try this again."""
        again = f"python -m tests.guards.judged --family {self.home.family} --number {self.home.number}"
        parts = (*self.changes, *(f"$ {text}" for text in self.sent), *self.refused, *self.violations)
        return "\n".join([again, str(self.home), f"{self.ended}", *parts])


@dataclass(slots=True)
class Figures:
    """What many plans came to, by family."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    violated: list[Judged] = field(default_factory=list)

    def add(self, one: Judged) -> None:
        """Count one plan."""
        here = self.counts.setdefault(one.home.family, Counter())
        here["plans"] += one.ended != "nothing"
        here[one.ended] += 1
        here["works"] += one.works
        self.refused.update(reason.partition(":")[0] for reason in one.refused)
        if one.violations:
            self.violated.append(one)

    def total(self, what: str) -> int:
        """Sum one figure over all families."""
        return sum(counts[what] for counts in self.counts.values())

    def __str__(self) -> str:
        """One line a family, then how often each guard refused."""
        rows = [f"{family:<9} {dict(sorted(counts.items()))}" for family, counts in self.counts.items()]
        return "\n".join([*rows, f"refused by {dict(sorted(self.refused.items()))}"])


def judged(made: Home) -> Judged:
    """Plan for one home, and carry the plan out where every guard holds."""
    one = Judged(made)
    with running(made) as at:
        carry_out(at, one)
    return one


def carry_out(at: Place, one: Judged) -> None:
    """Plan, and make the changes one after the other, as the engine does."""
    try:
        plan, adopted = plan_for(at)
    except PlexopsError as reason:
        one.ended = f"no plan ({reason.problems[0].code})"
        return
    one.changes = tuple(f"{s.change.action} {s.change.id} {s.change.want}" for s in plan.steps)
    if not plan.steps:
        return
    if plan.refused:
        one.ended = "refused"
        one.refused = tuple(f"{verdict.guard}: {verdict.reason}" for verdict in plan.refused)
        leaves = [step.change.id for step in plan.steps if authorize("home", step, plan.verdicts)]
        one.violations += [f"{name} is refused and may be sent" for name in leaves]
        return
    one.ended = "allowed"
    before = at.reached()
    _carry_out(at, plan, adopted, one, before)
    one.works = any(_is_named(at.home, way) for way in at.reached() - before)


def plan_for(at: Place) -> tuple[Plan, frozenset[str]]:
    """Compare and plan as the product does; and give what was adopted."""
    assert at.drivers.router is not None
    tasks, profile = SiteTasks(Site("home", HERE), at.home.tasks), at.drivers.router.profile.profile
    seen = SiteState(at.view())
    given = Comparison(tasks, seen.view, at.drivers, profile)
    findings = compare(given)
    adopted = frozenset(c.id for f in findings for c in f.changes if c.action is Action.ADOPT)
    return make_plan(given, seen, findings, adopted=adopted).plan, adopted


def _carry_out(at: Place, plan: Plan, adopted: frozenset[str], one: Judged, before: frozenset[Way]) -> None:
    for place, step in enumerate(plan.steps):
        change, later = step.change, [behind.change for behind in plan.steps[place + 1 :]]
        try:
            for write in _authorized(at, change, later, adopted, one):
                one.sent.append(shown(write))
                complaint = unexpected(write.expect, at.send(change, write))
                _compare(at, one, before)
                if one.violations:
                    return
                if complaint:
                    one.ended = "given back (unexpected answer)"
                    return
        except Unrenderable:
            one.ended = "given back (not rendered)"
            return
        if one.ended != "allowed":
            return
        if change.role is Role.PLEX:
            at.plex = project(at.plex, change)
        arrived = change.action is not Action.RENEW or at.address == change.want
        if not arrived or (
            change.action is not Action.RENEW and not is_done(change, at.snapshot(change.role))
        ):
            one.ended = "given back (not read back)"
            return


def _authorized(
    at: Place, change: Change, later: Sequence[Change], adopted: frozenset[str], one: Judged
) -> Iterator[Write]:
    """Judge a step once more on what is there now, as the engine does right before it is sent."""
    view = at.view()
    now = view.of(change.role)
    step = Step(change, at.drivers.of(change.role).script(change, now))
    after = in_the_end = view.with_snapshot(after_change(now, change))
    for each in later:
        in_the_end = in_the_end.with_snapshot(after_change(in_the_end.of(each.role), each))
    case = Case(view, after, (change,), adopted, in_the_end=in_the_end)
    verdicts = judge(case)
    if not authorize("home", step, verdicts):
        one.ended = "given back (refused on the way)"
        one.refused = tuple(f"{v.guard} on the way: {v.reason}" for v in verdicts if not v.holds)
        return
    yield from step.script.writes


def _is_named(made: Home, way: Way) -> bool:
    """The plan's own port; or one that an earlier plan named: the forward of ours is still there."""
    viewer, external, port = way
    ours = {int(forward.external) for forward in made.seed.forwards if forward.ours}
    return ":" not in viewer and external in ours | {made.named} and port == made.port


def _compare(at: Place, one: Judged, before: frozenset[Way]) -> None:
    for way in sorted(at.reached() - before):
        if not _is_named(one.home, way):
            viewer, external, port = way
            one.violations.append(f"NEW: {viewer} at {external} gets to the host's {port}")


def shrink(made: Home) -> Judged:
    """Leave out one thing after the other for as long as something new still reaches the host."""
    best = judged(made)
    while True:
        fewer = (judged(less) for less in _less(best.home))
        smaller = next((one for one in fewer if one.violations), None)
        if smaller is None:
            return best
        best = smaller


def _less(made: Home) -> Iterator[Home]:
    """Give the home without each one of its things."""
    for name in ("rules", "tasks"):
        yield from (replace(made, **fewer) for fewer in _without_one(made, name))
    for name in ("forwards", "reservations", "mappings", "pinholes", "early_filter"):
        yield from (
            replace(made, seed=replace(made.seed, **fewer)) for fewer in _without_one(made.seed, name)
        )
    plain: dict[str, Any] = {"second": False, "static": False, "ufw": "off"}
    yield from (replace(made, **{name: v}) for name, v in plain.items() if getattr(made, name) != v)
    if made.seed.strict_filter or made.seed.ipv6:
        yield replace(made, seed=replace(made.seed, strict_filter=False, ipv6=False, pinholes=()))


def _without_one(whole: Home | Seed, name: str) -> Iterator[dict[str, Any]]:
    things = getattr(whole, name)
    return ({name: things[:place] + things[place + 1 :]} for place in range(len(things)))


def run(wanted: Iterable[tuple[Family, int]]) -> Figures:
    """Judge many homes."""
    figures = Figures()
    for family, number in wanted:
        figures.add(judged(home(number, family)))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 where anything new reaches a host."""
    import argparse

    reading = argparse.ArgumentParser(prog="python -m tests.guards.judged", description=__doc__)
    reading.add_argument("--family", choices=[*ROUTERS, "all"], default="all")
    reading.add_argument("--number", type=int, help="show one home whole")
    reading.add_argument("--numbers", type=int, nargs=2, metavar=("FIRST", "END"), default=(0, 50))
    reading.add_argument("--shrink", action="store_true", help="of what is violated show what it takes")
    told = reading.parse_args(arguments)
    families = ROUTERS if told.family == "all" else (told.family,)
    if told.number is not None:
        shown_ones = [judged(home(told.number, family)) for family in families]
        print(*shown_ones, sep="\n\n")  # noqa: T201
        return int(any(one.violations for one in shown_ones))
    figures = run((family, number) for number in range(*told.numbers) for family in families)
    violated = [shrink(one.home) if told.shrink else one for one in figures.violated]
    print(*violated, figures, sep="\n\n")  # noqa: T201
    return int(bool(figures.violated))


if __name__ == "__main__":
    raise SystemExit(main())
