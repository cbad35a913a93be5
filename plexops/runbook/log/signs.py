"""What single lines of Plex's log are signs of, and how they belong together."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import AddressValueError, IPv4Address

from plexops.model.entries import LogEvent, LogWord
from plexops.model.values import is_public

#: An answer is found stale as soon as it has been logged.
_AT_ONCE = timedelta(seconds=1)


def moment_of(text: str | None) -> datetime | None:
    """Read a local time; None where there is none. A zone that was appended is not compared."""
    try:
        return None if text is None else datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def within(one: LogEvent, other: LogEvent, pause: timedelta) -> bool:
    """Tell whether two events that follow each other are close; a clock that was set back parts nothing."""
    first, second = moment_of(one.time), moment_of(other.time)
    return first is None or second is None or second - first <= pause


def is_about(verdict: LogEvent, announced: LogEvent | None) -> bool:
    """Tell whether a verdict is about what was announced. A log that begins later lacks the announcement."""
    if announced is None:
        return True
    same_port = (verdict.port or 0) == (announced.port or 0)
    return same_port and (verdict.address == announced.address or not (verdict.address and announced.address))


def takes_back(stale: LogEvent, verdict: LogEvent) -> bool:
    """Tell whether a line says that the verdict before it is void. In doubt it is: no verdict is better than a wrong one."""
    if stale.text == "NAT punch pending":
        return verdict.number == 0 and within(verdict, stale, _AT_ONCE)
    if stale.text and verdict.text:
        return stale.text == verdict.text
    return within(verdict, stale, _AT_ONCE)


def says_mapped(event: LogEvent) -> bool:
    """Tell whether the mapping came about, whatever an automatic one beside it says."""
    return (
        event.word is LogWord.MAPPED
        or (event.word is LogWord.STATE and event.text == "Mapped")
        or (event.word is LogWord.REACHABILITY and event.number == 1)
    )


def shows_outage(event: LogEvent) -> bool:
    """Tell whether Plex has no way to the internet."""
    no_way_out = event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) < 0
    return no_way_out or event.word in {LogWord.OFFLINE, LogWord.NO_PUBLIC_ADDRESS}


def shows_internet(event: LogEvent) -> bool:
    """Tell whether it has one."""
    answered = event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) > 0
    asked_for = event.word is LogWord.REQUEST and on_the_internet(event.address)
    return (
        answered or asked_for or event.word in {LogWord.ONLINE, LogWord.PUBLIC_ADDRESS, LogWord.REACHABILITY}
    )


def shows_taken(event: LogEvent) -> bool:
    """422 and 429 are answers to a server that plex.tv knows: what it said was of no use, or came too often."""
    return event.word is LogWord.PUBLISH_ANSWER and (event.number or 0) > 0 and event.number != 401


def shows_lost_sign_in(event: LogEvent) -> bool:
    """Tell whether plex.tv does not take the server's login."""
    if event.word is LogWord.STATE:
        return "Bad Authentication" in event.text
    refused = event.word is LogWord.PUBLISH_ANSWER and event.number == 401
    return refused or event.word is LogWord.SIGN_IN_LOST


def on_the_internet(text: str) -> bool:
    """Tell whether an address of a client lies on the internet. Over IPv6 every host of the home has such an address."""
    try:
        return is_public(IPv4Address(text))
    except AddressValueError:
        return False
