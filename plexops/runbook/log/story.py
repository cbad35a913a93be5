"""What Plex's log tells as a whole: what was announced, what became of it, and whether that still holds.

A log is evidence of the past. Every statement therefore carries its event, how old it is, and whether it is **fresh**:
young enough, and nothing happened since that makes it a statement about something else. What is not fresh may
explain, and decides nothing.

What these lines do not prove, whatever they say:
- STATE is no verdict. A healthy server with a manual port logs 'Mapped - Not Published' at every refresh and stops
  there; an automatic mapping that runs beside it logs it after 'Mapped'. So it is not part of the story, except for
  'Bad Authentication', which nothing healthy says.
- `no_igd`, `mapping_failed`, `conflict` are no fault where Plex has a manual port: it asks the router for its
  address all the same. The setting decides, and it is a fact of the Plex server, not of the log.
- `router_address` is what the router said over UPnP or NAT-PMP; some say their address in the LAN. Confirm it at the router.
- Without debug logging the deciding lines are missing: their absence proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from plexops.model.entries import LogEvent, LogWord
from plexops.model.values import is_public
from plexops.runbook.view import ipv4

#: Plex publishes anew every 24 hours: an older announcement or verdict would have been replaced. One hour more,
#: because local time jumps by one.
PUBLISHED_LIMIT = timedelta(hours=25)
#: Plex looks its addresses up every hour; one look-up may be missed. Also for what lasts a moment: a request.
LOOKED_UP_LIMIT = timedelta(hours=2)
#: The server tells its time before or after its log is read, and both take some seconds.
CLOCK_TOLERANCE = timedelta(minutes=2)
#: Both UPnP and NAT-PMP are asked twice within a cycle, and each takes up to 12 seconds to give up: a longer pause
#: parts two cycles.
CYCLE_PAUSE = timedelta(minutes=2)
#: An answer is found stale as soon as it has been logged.
_AT_ONCE = timedelta(seconds=1)
_SETTINGS = frozenset({LogWord.MANUAL_MODE, LogWord.PUBLISHING})
_ACCOUNT = frozenset({LogWord.SIGN_IN_LOST, LogWord.UNCLAIMED, LogWord.CLAIMED})
_CYCLE = (
    frozenset(LogWord)
    - {LogWord.STARTED, LogWord.LISTENING, LogWord.BIND_FAILED, LogWord.TOO_SOON, LogWord.STALE_ANSWER}
    - {LogWord.OFFLINE, LogWord.ONLINE, LogWord.REQUEST, *_ACCOUNT, *_SETTINGS}
)
#: What follows such a line is about another server, or about other settings.
_TURNS = _SETTINGS | {LogWord.STARTED}
#: What bears the home's own address.
_OURS = (LogWord.PUBLIC_ADDRESS, LogWord.ANNOUNCED, LogWord.REACHABILITY, LogWord.ROUTER_ADDRESS)


_Sign = Callable[[LogEvent], bool]


class Clock(StrEnum):
    """Whether the ages are known. `AHEAD`: the log is ahead of the server's clock, as in a container of another zone."""

    AGREES = "agrees"
    UNKNOWN = "unknown"
    AHEAD = "ahead"


class LogStatement(Struct, frozen=True):
    """One statement of the log. `age` is in seconds; None where the clock is unknown or disagrees."""

    event: LogEvent
    fresh: bool
    age: float | None


class LogStory(Struct, frozen=True):
    """What the log says. None: it does not say so."""

    clock: Clock = Clock.UNKNOWN
    #: The newest start of the server.
    started: LogStatement | None = None
    #: It could not listen on its port since it started.
    bind_failed: LogStatement | None = None
    #: What Plex announced last: event.address and event.port (empty and 0: it had nothing to announce).
    announced: LogStatement | None = None
    #: What plex.tv answered to the last announcement: event.number (201 is good, 422 nothing to reach, 429 too often).
    published: LogStatement | None = None
    #: plex.tv's last verdict on what was announced last: see `reachable`.
    verdict: LogStatement | None = None
    #: No verdict followed the last announcement, and Plex says why: too soon, not yet mapped.
    no_verdict: LogStatement | None = None
    #: Our address, as plex.tv saw it last.
    public_address: LogStatement | None = None
    #: Of the newest cycle: the router's own address, and Plex's warning that it is private.
    router_address: LogStatement | None = None
    router_address_private: LogStatement | None = None
    #: Of the newest cycle: what became of the automatic mapping.
    mapped: LogStatement | None = None
    mapping_failed: LogStatement | None = None
    conflict: LogStatement | None = None
    no_igd: LogStatement | None = None
    #: Plex has no internet: the first sign of an outage that lasts. Fresh by its last sign.
    offline: LogStatement | None = None
    #: Plex is no longer signed in, and was not since.
    sign_in_lost: LogStatement | None = None
    #: Plex belongs to no account, and was not claimed since.
    unclaimed: LogStatement | None = None
    #: The last request from a public address other than ours: the way in worked then.
    wan_request: LogStatement | None = None
    #: Who changed the settings when: manual mode and publishing, oldest first.
    settings_changed: tuple[LogStatement, ...] = ()

    @property
    def reachable(self) -> bool | None:
        """Whether plex.tv reached what Plex announces now; None where no fresh verdict says so."""
        if self.verdict is None or not self.verdict.fresh:
            return None
        return self.verdict.event.number == 1

    @property
    def waited(self) -> int | None:
        """How long plex.tv tried, in milliseconds. About 5,000: no answer came; less: something answered."""
        return None if self.verdict is None else self.verdict.event.milliseconds


def tell_story(events: Sequence[LogEvent], now: str | None) -> LogStory:
    """Sum up a log. `events` in the order of the log; `now` is the server's local time (`host.time`), None where unknown.

    Without it nothing is fresh: a log that ends today looks like one that ended last year.
    """
    telling = _Telling(tuple(events), now)
    cycle = telling.cycle()
    done, verdict = any(_says_mapped(event) for event in cycle), telling.verdict()
    return LogStory(
        clock=telling.clock,
        started=telling.last(LogWord.STARTED, PUBLISHED_LIMIT),
        bind_failed=telling.last(LogWord.BIND_FAILED, PUBLISHED_LIMIT, LogWord.STARTED, LogWord.LISTENING),
        announced=telling.last(LogWord.ANNOUNCED, PUBLISHED_LIMIT),
        published=telling.last(LogWord.PUBLISH_ANSWER, PUBLISHED_LIMIT, LogWord.ANNOUNCED),
        verdict=telling.statement(verdict, PUBLISHED_LIMIT),
        no_verdict=None if verdict else telling.last(LogWord.TOO_SOON, LOOKED_UP_LIMIT, LogWord.ANNOUNCED),
        public_address=telling.last(LogWord.PUBLIC_ADDRESS, LOOKED_UP_LIMIT),
        router_address=telling.newest(cycle, LogWord.ROUTER_ADDRESS),
        router_address_private=telling.newest(cycle, LogWord.ROUTER_ADDRESS_PRIVATE),
        mapped=telling.newest(cycle, LogWord.MAPPED),
        mapping_failed=None if done else telling.newest(cycle, LogWord.MAPPING_FAILED),
        conflict=None if done else telling.newest(cycle, LogWord.MAPPING_CONFLICT),
        no_igd=telling.no_igd(cycle),
        offline=telling.trouble(_shows_outage, _ends_outage, LOOKED_UP_LIMIT, first=True),
        sign_in_lost=telling.trouble(_shows_lost_sign_in, _shows_taken, PUBLISHED_LIMIT),
        unclaimed=telling.trouble(lambda e: e.word is LogWord.UNCLAIMED, _shows_taken, PUBLISHED_LIMIT),
        wan_request=telling.wan_request(),
        settings_changed=telling.settings_changed(),
    )


def local_time(utc: str | None, events: Sequence[LogEvent]) -> str | None:
    """Give local time by the zone that Plex's last start logs; an hour off if summer time changed since. None: unknown."""
    moment = _moment_of(utc)
    zones = [e.number for e in events if e.word is LogWord.STARTED and e.number is not None]
    return None if moment is None or not zones else (moment + timedelta(minutes=zones[-1])).isoformat()


class _Telling:
    """One log while its story is told: its events, their places, and what the clock says."""

    def __init__(self, events: tuple[LogEvent, ...], now: str | None) -> None:
        self._events = events
        self._now = _moment_of(now)
        self._start = self._index(LogWord.STARTED)
        self._turn = max((i for i, event in enumerate(events) if event.word in _TURNS), default=-1)
        self.clock = self._clock()
        self._places = {id(event): index for index, event in enumerate(events)}

    def _clock(self) -> Clock:
        if self._now is None:
            return Clock.UNKNOWN
        # What an earlier run of the server logged may come from before its clock was set.
        since = self._events[max(self._start, 0) :]
        latest = max((moment for event in since if (moment := _moment_of(event.time))), default=self._now)
        return Clock.AHEAD if latest - self._now > CLOCK_TOLERANCE else Clock.AGREES

    def _index(self, *words: LogWord) -> int:
        return max((index for index, event in enumerate(self._events) if event.word in words), default=-1)

    def statement(
        self,
        event: LogEvent | None,
        limit: timedelta,
        sign: LogEvent | None = None,
        *,
        happened: bool = False,
    ) -> LogStatement | None:
        """Make a statement. It is as fresh as `sign`, the newest event that confirms it, or as itself.

        `happened`: nothing that comes later makes it stale.
        """
        if event is None:
            return None
        age, seen = self._age(event), self._age(sign or event)
        current = happened or self._places[id(sign or event)] >= self._turn
        fresh = current and seen is not None and seen <= limit
        return LogStatement(event, fresh, None if age is None else age.total_seconds())

    def _age(self, event: LogEvent) -> timedelta | None:
        moment = _moment_of(event.time)
        if self._now is None or moment is None or self.clock is not Clock.AGREES:
            return None
        return max(self._now - moment, timedelta())

    def last(self, word: LogWord, limit: timedelta, *behind: LogWord) -> LogStatement | None:
        """Give the last event of a word, where it stands behind all events of those others."""
        index = self._index(word)
        return None if index < max(self._index(*behind), 0) else self.statement(self._events[index], limit)

    def cycle(self) -> tuple[LogEvent, ...]:
        """Give the newest cycle of looking up, mapping and publishing, without what else was logged meanwhile."""
        found: list[LogEvent] = []
        for index in range(len(self._events) - 1, self._turn, -1):
            event = self._events[index]
            if event.word not in _CYCLE:
                continue
            if found and not _within(event, found[-1], CYCLE_PAUSE):
                break
            found.append(event)
        return tuple(reversed(found))

    def newest(self, cycle: tuple[LogEvent, ...], word: LogWord) -> LogStatement | None:
        """Give the last event of a word in a cycle."""
        found = (event for event in reversed(cycle) if event.word is word)
        return self.statement(next(found, None), LOOKED_UP_LIMIT)

    def no_igd(self, cycle: tuple[LogEvent, ...]) -> LogStatement | None:
        """No router that speaks UPnP was found. Some other device that is none does not count."""
        for event in reversed(cycle):
            answered = event.word is LogWord.ROUTER_ADDRESS and event.text == "UPnP"
            if answered or event.word is LogWord.MAPPED:
                return None
            if event.word is LogWord.NO_IGD and event.text != "another device":
                return self.statement(event, LOOKED_UP_LIMIT)
        return None

    def verdict(self) -> LogEvent | None:
        """Find the verdict that is about the last announcement, and was not taken back."""
        announced: LogEvent | None = None
        verdict: LogEvent | None = None
        before: LogEvent | None = None
        for event in self._events:
            if event.word is LogWord.ANNOUNCED:
                announced, verdict, before = event, None, None
            elif event.word is LogWord.STARTED:
                announced = None  # What the new run announces may not be in the log.
            elif event.word is LogWord.REACHABILITY and _is_about(event, announced):
                verdict, before = event, verdict
            elif event.word is LogWord.STALE_ANSWER and verdict is not None and _takes_back(event, verdict):
                verdict, before = before, None
        return verdict

    def trouble(
        self, shows: _Sign, ends: _Sign, limit: timedelta, *, first: bool = False
    ) -> LogStatement | None:
        """Give the newest sign of a trouble that nothing ended since, or its `first` one."""
        found: list[LogEvent] = []
        for event in self._events:
            if shows(event):
                found.append(event)
            elif ends(event):
                found.clear()
        return self.statement(found[0 if first else -1], limit, found[-1]) if found else None

    def wan_request(self) -> LogStatement | None:
        """Give the last request that came over the internet.

        Plex calls WAN whatever is not in its own subnet. In a container that is every client of the home, under the
        address of the container's gateway; behind a VPN its peers; and a client of the home that asks for our public
        address comes back with it.
        """
        ours = {event.address for event in self._events if event.word in _OURS}
        requests = (event for event in reversed(self._events) if event.word is LogWord.REQUEST)
        others = (one for one in requests if one.address not in ours and _on_the_internet(one.address))
        return self.statement(next(others, None), LOOKED_UP_LIMIT)

    def settings_changed(self) -> tuple[LogStatement, ...]:
        """Give the changes of settings. A later one does not make an earlier one stale: they happened."""
        events = (event for event in self._events if event.word in _SETTINGS)
        told = (self.statement(event, PUBLISHED_LIMIT, happened=True) for event in events)
        return tuple(one for one in told if one is not None)


# --- what single lines are signs of, and how they belong together ---------------------------------------------------


def _moment_of(text: str | None) -> datetime | None:
    """Read a local time; None where there is none. A zone that was appended is not compared."""
    try:
        return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _within(one: LogEvent, other: LogEvent, pause: timedelta) -> bool:
    """Tell whether two events that follow each other are close; a clock that was set back parts nothing."""
    first, second = _moment_of(one.time), _moment_of(other.time)
    return first is None or second is None or second - first <= pause


def _is_about(verdict: LogEvent, announced: LogEvent | None) -> bool:
    """Tell whether a verdict is about what was announced. A log that begins later lacks the announcement."""
    if announced is None:
        return True
    same_port = (verdict.port or 0) == (announced.port or 0)
    return same_port and (verdict.address == announced.address or not (verdict.address and announced.address))


def _takes_back(stale: LogEvent, verdict: LogEvent) -> bool:
    """Tell whether a line says that the verdict before it is void. In doubt it is: no verdict is better than a wrong one."""
    if stale.text == "NAT punch pending":
        return verdict.number == 0 and _within(verdict, stale, _AT_ONCE)
    if stale.text and verdict.text:
        return stale.text == verdict.text
    return _within(verdict, stale, _AT_ONCE)


def _says_mapped(event: LogEvent) -> bool:
    """Tell whether the mapping came about, whatever an automatic one beside it says."""
    return (
        event.word is LogWord.MAPPED
        or (event.word is LogWord.STATE and event.text == "Mapped")
        or (event.word is LogWord.REACHABILITY and event.number == 1)
    )


def _shows_outage(event: LogEvent) -> bool:
    """Tell whether Plex has no way to the internet."""
    no_way_out = event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) < 0
    return no_way_out or event.word in {LogWord.OFFLINE, LogWord.NO_PUBLIC_ADDRESS}


_ONLINE = frozenset({LogWord.STARTED, LogWord.ONLINE, LogWord.PUBLIC_ADDRESS, LogWord.REACHABILITY})


def _ends_outage(event: LogEvent) -> bool:
    """Tell whether that is over: something shows a way to the internet, or Plex was started anew."""
    answered = event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) > 0
    asked_for = event.word is LogWord.REQUEST and _on_the_internet(event.address)
    return answered or asked_for or event.word in _ONLINE


def _shows_taken(event: LogEvent) -> bool:
    """422 and 429 are answers to a server that plex.tv knows: what it said was of no use, or came too often."""
    answered = event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) > 0 and event.number != 401
    return answered or event.word is LogWord.CLAIMED


def _shows_lost_sign_in(event: LogEvent) -> bool:
    """Tell whether plex.tv does not take the server's login."""
    if event.word is LogWord.STATE:
        return "Bad Authentication" in event.text
    refused = event.word is LogWord.PUBLISH_ANSWER and event.number == 401
    return refused or event.word is LogWord.SIGN_IN_LOST


def _on_the_internet(text: str) -> bool:
    """Tell whether an address of a client lies on the internet. Over IPv6 every host of the home has such an address."""
    address = ipv4(text)
    return address is not None and is_public(address)
