"""The verdict: of what weighing leaves, the outermost cause; or a headline with the candidates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from plexops.runbook.answers import by_word
from plexops.runbook.causes.cause import Cause, Sign, StopName, Way, Weight, exhibits_of, sign
from plexops.runbook.causes.table import BY_ID, IN_ORDER
from plexops.runbook.headline import fails, headline, narrowed
from plexops.runbook.observations import PlexTv
from plexops.runbook.situation import Situation
from plexops.runbook.stops import Found, State, Stop
from plexops.runbook.weighing import OVER_IPV4, Weighing, weigh
from plexops.structs import replace


class Outcome(StrEnum):
    """What a verdict comes to."""

    IN_ORDER = "in order"
    FAILS = "fails"
    #: The runbook says: stop here.
    STOP = "stop"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How sure a verdict is."""

    #: A device shows it directly, an observation or the account agrees, and nothing that may explain it is unread.
    CERTAIN = "certain"
    #: It is decided, and something beside it is unread.
    LIKELY = "likely"
    #: It is not decided: the candidates are what the evidence leaves.
    NONE = "none"


class Candidate(Struct, frozen=True):
    """A stop at which the cause may be: what speaks for it, or that it was not read; and the ids of those causes."""

    stop: Stop
    causes: tuple[Cause, ...]


class Verdict(Struct, frozen=True):
    """Diagnose's answer. Undecided where `found` is a headline: it then says what was observed, and `candidates` why."""

    found: Found
    confidence: Confidence
    also: tuple[Found, ...] = ()
    missing: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    #: Stops further out than the cause of which nothing is known.
    before: tuple[Stop, ...] = ()
    stops: tuple[Stop, ...] = ()
    #: Attempts that say nothing about the door, each with the reason.
    ignored: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The row's id, as docs/verdicts.md has it."""
        return self.found.cause.id

    @property
    def says(self) -> str:
        """What was seen, in one sentence."""
        return self.found.sign.says

    @property
    def decided(self) -> bool:
        """Whether it names a cause, or that all is in order."""
        return self.found.cause.weight is not Weight.HEADLINE

    @property
    def leading(self) -> Cause:
        """The cause, or where it is not decided the first candidate."""
        return self.candidates[0].causes[0] if self.candidates and not self.decided else self.found.cause

    @property
    def outcome(self) -> Outcome:
        """What it comes to, for an exit status."""
        if self.stop:
            return Outcome.STOP
        if self.decided:
            return Outcome.IN_ORDER if self.found.cause.weight is Weight.NOTE else Outcome.FAILS
        return Outcome.UNKNOWN if self.id in _NOT_KNOWN else Outcome.FAILS

    @property
    def stop(self) -> bool:
        """Whether the runbook says: stop here. Waiting costs nothing also while the ISP's address is only suspected."""
        suspected = self.decided or (bool(self.candidates) and bool(self.candidates[0].stop.suspects))
        return suspected and self.leading.stop


#: Headlines after which it is not known whether anything fails.
_NOT_KNOWN = frozenset({"contradiction", "no-verdict-yet", "open-over-ipv6", "reachable", "unknown"})
#: What a single suspicion decides where nothing else is left: no filter, whose condition may be harmless.
_TELLING = frozenset(
    {"double-nat", "wan-differs", "other-way-out", "announces-other-way", "vpn-egress", "address-conflict"}
    | {"proxy-no-name", "proxy-broken"}
)


def judge(situation: Situation) -> Verdict:
    """Give the verdict.

    What was read on the ways shows causes; observations strike out what they refute. The outermost cause that is left
    is the verdict, unless an observation contradicts it or something unread may explain it: then nothing is decided.
    Certain is only what is certain without your answers.
    """
    verdict = _judge(situation)
    view = situation.view
    if verdict.confidence is not Confidence.CERTAIN or not (view.user_answers or view.upstream_passes_on):
        return verdict
    alone = _judge(replace(situation, view=replace(view, user_answers=(), upstream_passes_on=False)))
    same = (alone.id, alone.confidence) == (verdict.id, verdict.confidence)
    return verdict if same else replace(verdict, confidence=Confidence.LIKELY)


def _judge(situation: Situation) -> Verdict:
    weighing = weigh(situation)
    shown = weighing.shown
    if weighing.over_ipv6.open and (closed := _closed_over_ipv4(weighing)) is not None:
        return _open_over_ipv6(weighing, closed)
    if shown:
        return _of_shown(weighing, shown)
    if weighing.observed.met:
        return _got_in(weighing)
    if fails(weighing.situation):
        return _fails_for(weighing)
    return _nothing_fails(weighing)


# --- a cause shows --------------------------------------------------------------------------------------------------


def _of_shown(weighing: Weighing, shown: Sequence[Found]) -> Verdict:
    """Decide for the outermost cause that shows, unless something contradicts it or may explain it."""
    observed, first = weighing.observed, shown[0]
    on_the_way = first.cause.place.way is not Way.ANNOUNCED or first.cause.id == "port-mismatch"
    if on_the_way and not first.cause.current and observed.claimed and not observed.failed:
        says = f"{first.sign.says}; yet {observed.says}: that is older, or there is a way that was not read"
        shows = sign(says, *first.sign.exhibits, *observed.exhibits)
        return _undecided(weighing, "contradiction", shows, [first])
    explained = first.cause.follows & weighing.possible
    soft = (first.cause.soft or first.sign.soft) and not observed.fails
    if explained or soft:
        return _undecided(weighing, *headline(weighing.situation, first.sign), [first])
    return _decided(weighing, first, [*shown[1:], *weighing.beside])


def _closed_over_ipv4(weighing: Weighing) -> Sign | None:
    """Say why viewers do not come in over IPv4, where nothing is known to keep them out over IPv6 too."""
    shown = weighing.shown
    if shown:
        return shown[0].sign if all(one.cause.place in OVER_IPV4 for one in shown) else None
    unexplained = weighing.over_ipv6.met and not weighing.observed.met and fails(weighing.situation)
    return headline(weighing.situation)[1] if unexplained else None


def _open_over_ipv6(weighing: Weighing, closed: Sign) -> Verdict:
    """Judge a home that IPv4 does not lead into, and IPv6 does, by what was read: only an attempt over it proves that."""
    ipv6 = weighing.over_ipv6
    if ipv6.met and not weighing.missing:
        says = f"{ipv6.met[0].who} reached Plex at {ipv6.at}; over IPv4: {closed.says}"
        works = Found(BY_ID["in-order-over-ipv6"], sign(says, ipv6.met[0].exhibit, *closed.exhibits))
        first, *rest = (*weighing.beside, works)
        return _decided(weighing, first, [*rest, *weighing.shown])
    tried = "not everything could be read" if ipv6.met else "no attempt over it was made"
    says = f"{closed.says}; over IPv6 apps get {ipv6.at}, and what was read lets viewers in: {tried}"
    exhibits = (exhibit for stop in ipv6.stops for exhibit in stop.exhibits)
    return _undecided(weighing, "open-over-ipv6", sign(says, *closed.exhibits, *exhibits), weighing.shown[:1])


def _decided(weighing: Weighing, first: Found, rest: Iterable[Found]) -> Verdict:
    before = _unread_before(weighing, first.cause.place)
    agreed = first.cause.weight is not Weight.CAUSE or first.cause.current or weighing.observed.fails
    parts = first.cause.weight is Weight.PARTS
    contradicted = bool(weighing.observed.failed) and weighing.observed.claimed and not parts
    certain = agreed and not (first.sign.suspect or weighing.missing or before or contradicted)
    also = tuple(one for one in rest if one is not first and one.cause.id not in first.cause.covers)
    confidence = Confidence.CERTAIN if certain else Confidence.LIKELY
    return replace(_verdict(weighing, first, confidence, also), before=before)


def _verdict(weighing: Weighing, found: Found, confidence: Confidence, also: tuple[Found, ...]) -> Verdict:
    stops, ignored = (*weighing.stops, *weighing.over_ipv6.stops), weighing.observed.discarded
    return Verdict(found, confidence, also, weighing.missing, stops=stops, ignored=ignored)


def _unread_before(weighing: Weighing, place: StopName) -> tuple[Stop, ...]:
    """Give the stops further out on the same way at which something is suspected, or may hide where nothing was read."""
    if place is StopName.BESIDE:
        return ()
    found: list[Stop] = []
    for stop in weighing.stops:
        if stop.place is place:
            break
        same = (stop.place.way is Way.ANNOUNCED) == (place.way is Way.ANNOUNCED)
        if same and ((stop.unread and stop.hidden) or stop.suspects):
            found.append(stop)
    return tuple(found)


# --- no cause shows -------------------------------------------------------------------------------------------------


def _got_in(weighing: Weighing) -> Verdict:
    """Judge a home into which an attempt from outside got, and whose ways show no cause."""
    observed, situation = weighing.observed, weighing.situation
    good = observed.met[0]
    if observed.failed:
        bad = ", ".join(f"{a.who} ({a.came})" for a in observed.failed)
        says = f"{good.who} reaches Plex, {bad} does not"
        shows = sign(says, *(a.exhibit for a in observed.attempts))
        return _decided(weighing, Found(BY_ID["client-network"], shows), weighing.beside)
    if observed.plex_tv is PlexTv.NO and situation.view.access == "forward":
        elsewhere = _announced_suspect(weighing)
        if elsewhere is not None:
            return _decided(weighing, elsewhere, weighing.beside)
        says = f"{good.who} reached Plex at port {good.port}, and {observed.says}{narrowed(situation)}"
        return _undecided(weighing, "checker-kept-out", sign(says, good.exhibit, *observed.exhibits), [])
    return _nothing_fails(weighing)


def _announced_suspect(weighing: Weighing) -> Found | None:
    """Give what is suspected of what Plex has apps know."""
    announced = (stop for stop in weighing.stops if stop.place.way is Way.ANNOUNCED)
    return next((one for stop in announced for one in stop.suspects if one.cause.id in _TELLING), None)


def _fails_for(weighing: Weighing) -> Verdict:
    """Weigh what is suspected against what was not read."""
    observed = weighing.observed
    suspects = [one for stop in weighing.stops for one in stop.suspects]
    unread = [s for s in weighing.stops if s.unread and s.hidden and s.place.way is not Way.ANNOUNCED]
    contradicted = bool(observed.failed) and observed.claimed
    if not unread and not contradicted:
        # You say that a filter or VPN is on, and two observers got no answer: what was read is no such suspicion.
        said = len(suspects) == 1 and by_word(suspects[0].sign.exhibits) and observed.silent > 1
        if len(suspects) == 1 and (suspects[0].cause.id in _TELLING or said):
            return _decided(weighing, suspects[0], weighing.beside)
        by_words = any(by_word(stop.exhibits) for stop in weighing.stops)
        if not suspects and observed.silent > 1 and not observed.listens and not by_words:
            return _decided(weighing, _isp_blocks(weighing), weighing.beside)
    return _undecided(weighing, *headline(weighing.situation), suspects)


def _isp_blocks(weighing: Weighing) -> Found:
    port, observed = weighing.situation.port, weighing.observed
    who = ", ".join(a.who for a in observed.failed)
    says = f"packets to port {port} vanish ({who} and plex.tv), and every stop at home that was read lets them in"
    shows = sign(says, *(a.exhibit for a in observed.failed), *observed.exhibits, suspect=True)
    return Found(BY_ID["isp-blocks"], shows)


def _undecided(weighing: Weighing, name: str, shows: Sign, first: Sequence[Found]) -> Verdict:
    """Give the headline with the candidates: what shows or is suspected first, then what may hide, by stop."""
    named = {one.cause.id for one in first}
    stops = sorted(weighing.stops, key=lambda stop: not any(c.id in named for c in _causes_of(stop)))
    candidates = tuple(Candidate(stop, causes) for stop in stops if (causes := _causes_of(stop)))
    also = [*(one for stop in weighing.stops for one in stop.shown), *weighing.struck, *weighing.beside]
    also = [one for one in (*also, *weighing.notes) if one.cause.id not in IN_ORDER]
    verdict = _verdict(weighing, Found(BY_ID[name], shows), Confidence.NONE, tuple(also))
    return replace(verdict, candidates=candidates)


def _causes_of(stop: Stop) -> tuple[Cause, ...]:
    found = [*(one.cause for one in stop.shown), *(one.cause for one in stop.suspects), *stop.hidden]
    return tuple(dict.fromkeys(found))


# --- nothing fails --------------------------------------------------------------------------------------------------


def _nothing_fails(weighing: Weighing) -> Verdict:
    """Judge a home of which no observation says that it fails."""
    situation, observed = weighing.situation, weighing.observed
    works = _works(weighing)
    suspect = _announced_suspect(weighing)
    if suspect is not None and (works is not None or observed.claimed):
        return _decided(weighing, suspect, weighing.beside)
    if weighing.beside and (works is not None or weighing.beside[0].cause.weight is Weight.POLICY):
        return _decided(weighing, weighing.beside[0], weighing.beside[1:])
    announced = [stop for stop in weighing.stops if stop.place.way is Way.ANNOUNCED]
    unread = any(stop.state is State.UNREAD and stop.hidden for stop in announced)
    if works is not None and not weighing.missing and not unread:
        notes = [*weighing.notes, works]
        first = next((one for one in notes if "in-order" in one.cause.covers), works)
        struck = [one for one in weighing.struck if one.cause.id not in first.cause.covers]
        return _decided(weighing, first, [*notes, *struck])
    if works is not None or observed.claimed:
        says = "an attempt from outside got in" if observed.met else observed.says
        says = works.sign.says if works is not None and not observed.met else says
        shown = exhibits_of((*(a.exhibit for a in observed.met), *observed.exhibits))
        return _undecided(weighing, "reachable", Sign(f"{says}; not everything could be read", shown), [])
    state, settings = situation.plex.text("plex.mapping_state"), situation.remote_access
    waits = settings is not None and settings.enabled and state in ("waiting", "unknown")
    if waits and not observed.attempts:
        shown = (situation.plex.shows("plex.mapping_state"),)
        shows = sign(f"plex.tv has given no verdict yet ({state})", *shown)
        return _undecided(weighing, "no-verdict-yet", shows, [])
    return _undecided(weighing, *headline(weighing.situation), [])


def _works(weighing: Weighing) -> Found | None:
    """Give what shows that the way in that is meant works now."""
    situation, observed = weighing.situation, weighing.observed
    note = next((one for one in weighing.notes if one.cause.id in IN_ORDER), None)
    if note is not None or situation.view.access != "forward":
        return note
    if observed.met:
        where, shown = observed.met[0], tuple(attempt.exhibit for attempt in observed.met)
        says = f"{where.who} reached Plex at port {where.port}"
    elif observed.plex_tv is PlexTv.DATED_YES:
        says, shown = f"{observed.says}, within the last hour", observed.exhibits
    else:
        return None
    return Found(BY_ID["in-order"], sign(says, *shown, *situation.wan.exhibits))


__all__ = ["Candidate", "Confidence", "Found", "Outcome", "Verdict", "judge"]
