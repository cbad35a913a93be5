"""Observations: who tried to get in, or says what happened, and whether that counts about the door that Plex has now."""

from __future__ import annotations

from enum import StrEnum

from plexops.model.answers import Topic
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.snapshot import Role
from plexops.runbook import answers, conditions
from plexops.runbook.attempts import TURNED_AWAY, Attempt, Attempts, Came, attempts
from plexops.runbook.log.story import LogStory
from plexops.runbook.view import SiteView

#: plex.tv gives up after 5 s: a failure that took so long got no answer (12 of 12 genuine logs).
_SILENCE_MILLISECONDS = 4500
#: So old may plex.tv's success be that it still says something about now, in seconds.
_DATED_SECONDS = 3600.0


class PlexTv(StrEnum):
    """What plex.tv found at the address and port that Plex believes to be its own."""

    #: It got in, and the log or this run says when: within the hour.
    DATED_YES = "got in within the hour"
    YES = "got in, at an unknown time"
    NO = "did not get in"
    #: Plex announced nothing, so that there was nothing to try.
    NOT_ANNOUNCED = "was given no address"
    #: Nothing was tried, or nothing is known of it.
    NOTHING = "said nothing"


#: By what Plex Web shows, as you say.
_PLEX_WEB = {"yes": PlexTv.YES, "no": PlexTv.NO, "nothing announced": PlexTv.NOT_ANNOUNCED}


class Observed(Attempts, frozen=True):
    """All observations of a home.

    `answers` is what plex.tv's failure may have got back; empty where that is not known. `elsewhere`: plex.tv's word is
    about another address than the router's.
    """

    #: Something answered at the door, and it is not known what: packets do not vanish.
    listens: bool
    plex_tv: PlexTv
    answers: frozenset[Came]
    elsewhere: bool
    says: str
    exhibits: tuple[str, ...]

    @property
    def met(self) -> tuple[Attempt, ...]:
        """Who reached this very Plex."""
        return tuple(a for a in self.attempts if a.came is Came.MET)

    @property
    def failed(self) -> tuple[Attempt, ...]:
        """Who did not."""
        return tuple(a for a in self.attempts if a.came is not Came.MET)

    @property
    def fails(self) -> bool:
        """Whether a current observation shows that the way in fails."""
        return bool(self.failed) or self.plex_tv in (PlexTv.NO, PlexTv.NOT_ANNOUNCED)

    @property
    def claimed(self) -> bool:
        """Whether plex.tv says that it got in, whenever that was."""
        return self.plex_tv in (PlexTv.YES, PlexTv.DATED_YES)

    @property
    def silent(self) -> int:
        """How many independent observers got no answer at all."""
        no_answer = self.plex_tv is PlexTv.NO and self.answers == {Came.SILENCE}
        return int(any(a.came is Came.SILENCE for a in self.failed)) + int(no_answer)

    def fits(self, possible: frozenset[Came]) -> bool:
        """Tell whether a cause after which an attempt gets one of `possible` back may explain every failure."""
        if self.listens and possible == {Came.SILENCE}:
            return False
        if not all(attempt.may_come_of(possible) for attempt in self.failed):
            return False
        return self.plex_tv is not PlexTv.NO or not self.answers or bool(self.answers & possible)

    def fits_proxy(self, possible: frozenset[Came]) -> bool:
        """As `fits`, for what stands at the proxy itself."""
        return all(attempt.came in possible or attempt.came is Came.CLOSED for attempt in self.failed)


def observe(view: SiteView, door: int | None, story: LogStory, verdict_exhibit: str) -> Observed:
    """Sort all observations into what counts and what says nothing.

    `door` is the port at which viewers knock, None where it is not known; `verdict_exhibit` shows the log's verdict.
    """
    tried = attempts(view, door)
    probes = [entry.values for entry in view.of(Role.OUTSIDE).held(Probe)]
    condition = conditions.plex_verdict(view, None)
    word, why_not = _plex_tv(view, door, story)
    wan, believed = view.of(Role.ROUTER).text("wan.address"), view.of(Role.PLEX).text("plex.public_address")
    silent = "plex.mapping_state" not in view.of(Role.PLEX).facts
    by_log = silent and word is not PlexTv.NOTHING and answers.counting(view, Topic.PLEX_WEB) is None
    logged = (verdict_exhibit,) if verdict_exhibit and word is not PlexTv.NOTHING else ()
    return Observed(
        attempts=tried.attempts,
        over_ipv6=tried.over_ipv6,
        discarded=(*tried.discarded, *([why_not] if why_not else [])),
        unanswered=tried.unanswered,
        listens=any(p.answer is ProbeAnswer.LISTENS and p.port == door and not p.inside for p in probes),
        plex_tv=word,
        answers=_answers(door, story) if word is PlexTv.NO else frozenset(),
        elsewhere=wan is not None and bool(believed) and believed != wan,
        says=f"plex.tv {word}, Plex's log says" if by_log else condition.says,
        exhibits=(*condition.exhibits, *logged),
    )


def _plex_tv(view: SiteView, door: int | None, story: LogStory) -> tuple[PlexTv, str]:
    """Give plex.tv's word about the door that Plex has now; and why it says nothing, where it speaks of another."""
    plex = view.of(Role.PLEX)
    state, error = plex.text("plex.mapping_state"), plex.text("plex.mapping_error") or ""
    word = answers.counting(view, Topic.PLEX_WEB)
    if word is not None and word.meaning.plex_tv:
        return _PLEX_WEB[word.meaning.plex_tv], ""
    if state is None:
        return _by_log(door, story), ""
    if state in ("waiting", "unknown"):
        return PlexTv.NOTHING, ""
    if conditions.nothing_tried(state, error):
        return PlexTv.NOT_ANNOUNCED, ""
    if error or plex.text("plex.public_address") == "":
        return PlexTv.NO, ""
    if "plex.public_address" not in plex.facts:
        return PlexTv.NOTHING, ""
    port = plex.facts.get("plex.public_port")
    if port is not None and door is not None and port.value != door and view.access == "forward":
        return PlexTv.NOTHING, f"plex.tv speaks of port {port.value}, and viewers come by {door}"
    return (PlexTv.DATED_YES if view.refreshed or _dated(story, door) else PlexTv.YES), ""


def _by_log(door: int | None, story: LogStory) -> PlexTv:
    """Give plex.tv's word by the log alone: it counts where Plex itself does not answer."""
    verdict, reachable, announced = story.verdict, story.reachable, story.announced
    if announced is not None and announced.fresh and not announced.event.port:
        return PlexTv.NOT_ANNOUNCED
    if verdict is None or reachable is None or not verdict.event.port:
        return PlexTv.NOTHING
    if door is not None and verdict.event.port != door:
        return PlexTv.NOTHING
    if not reachable:
        return PlexTv.NO
    return PlexTv.DATED_YES if _dated(story, door) else PlexTv.YES


def _dated(story: LogStory, door: int | None) -> bool:
    verdict = story.verdict
    if verdict is None or not verdict.fresh or verdict.event.number != 1:
        return False
    recent = verdict.age is not None and verdict.age <= _DATED_SECONDS
    return recent and (door is None or verdict.event.port in (door, None))


def _answers(door: int | None, story: LogStory) -> frozenset[Came]:
    """Give what plex.tv got back when it failed, by the milliseconds of the log's line for this port."""
    verdict = story.verdict
    if verdict is None or story.reachable is not False or not verdict.event.port:
        return frozenset()
    waited = verdict.event.milliseconds
    if waited is None or (door is not None and verdict.event.port != door):
        return frozenset()
    return frozenset({Came.SILENCE}) if waited >= _SILENCE_MILLISECONDS else TURNED_AWAY
