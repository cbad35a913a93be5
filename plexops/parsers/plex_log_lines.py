"""What one line of Plex's log says: the wording of Plex Media Server 1.12 to 1.43, as rules on a line's message.

A rule is matched at the beginning of a message: URLs, names and user agents stand further back, and who writes them
must not be able to write a verdict. Every rule is linear: at most one unbounded repeat, and bounded ones behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from ipaddress import ip_address

from msgspec import Struct

from plexops.model.entries import LogEvent, LogWord
from plexops.pattern import Pattern

#: Longer lines are noise: the longest line that is wanted, a request with all its headers, has about 2,000 characters.
LONGEST_LINE = 8192
#: As much of Plex's own words as an event keeps.
LONGEST_TEXT = 200

#: Plex writes English month names whatever the system's locale; a line with another name is not Plex's.
_MONTHS: Mapping[str, int] = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
#: The thread is decimal (Linux with musl, Windows) or 0x… (older Linux, macOS).
_HEADER = Pattern(
    r"(?P<date>[A-Z][a-z]{2} [ 0-9][0-9], [0-9]{4}) (?P<time>(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3})"
    r" \[(?:0x[0-9a-fA-F]{1,16}|[0-9]{1,20})\] [A-Z]{4,8} - "
)
_PORT_LIMIT = 65535

_ADDRESS = r"(?P<address>[0-9A-Fa-f.:]{2,45})"
_IDENTIFIER = Pattern(r"[0-9a-fA-F]{8,64}(?:-[0-9a-fA-F]{2,64}){0,6}")


class _Rule(Struct, frozen=True):
    """One wording. Groups: address, port, number, milliseconds, text. `text` stands where the wording has no group."""

    word: LogWord
    pattern: Pattern
    text: str = ""
    #: The part of the server whose context must stand before the message (`[EventSourceClient]`); empty: any.
    context: str = ""


#: What clients say is quoted in these lines.
_NOT_A_CLIENT = r"(?!Request: |Completed: )"
_SOMEBODY = r"(?:[A-Za-z]{1,30}: )?"

#: In this order, frequent ones first; the first that matches decides.
_RULES = tuple(_Rule(word, Pattern(pattern), *more) for word, pattern, *more in (
    # A class in words around it ("Allowed Network (WAN)") says that the settings let the client in without login.
    (LogWord.REQUEST, rf"Request: \[\[?{_ADDRESS}\]?:[0-9]{{1,5}} \((?:Allowed Network \()?(?P<text>WAN)\)"),
    (LogWord.STATE, r"(?:MyPlex: )?mapping state set to '(?P<text>[^']{0,80})'"),
    (LogWord.ANNOUNCED, (r"(?:MyPlex: )?Sending Server Info to myPlex \(.*\bip=(?P<address>[0-9A-Fa-f.:]{0,45}),"
     r" port=(?P<port>[0-9]{1,5})[),]")),
    (LogWord.PUBLISH_ANSWER,
     r"(?:MyPlex: )?Published Mapping State response was (?P<number>-?[0-9]{1,5})(?![0-9])"),
    # Before the verdict: one wording of the stale answer repeats the verdict.
    (LogWord.STALE_ANSWER, _NOT_A_CLIENT + r".*(?P<identifier>incorrect async identifier)"),
    (LogWord.STALE_ANSWER, r"(?:[A-Za-z]{1,20}: )?inaccessibility report ignored", "NAT punch pending"),
    (LogWord.REACHABILITY,
     (r"(?:PubSub: )?Got notified of reachability(?P<identifier>[^:]{0,120}): (?P<number>[01]) for"
     r" \[?(?P<address>[0-9A-Fa-f.:]{0,45})\]?:(?P<port>[0-9]{0,5})(?![0-9])"
     r"(?: \(responded in (?P<milliseconds>[0-9]{1,9}) ms\))?")),
    (LogWord.PUBLIC_ADDRESS,
     r"(?:PublicAddressManager: )?Got public IP from (?P<text>[^ ]{1,80}): " + _ADDRESS),
    # Plex spells it with three d's.
    (LogWord.NO_PUBLIC_ADDRESS, _SOMEBODY + r"Unable to get public IP ad{1,4}ress from (?P<text>[^ ]{1,80})"
     r" \(httpCode=(?P<number>-?[0-9]{1,5})\)"),
    (LogWord.NO_IGD, r"NAT: UPnP.*didn.t find usable IGD", "none found"),
    (LogWord.NO_IGD, r"(?:NAT: )?(?:UPnP, )?.{0,40}found device .*not an IGD", "another device"),
    (LogWord.PMP_FAILED, r"NAT: PMP.*[Tt]imed out", "timed out"),
    (LogWord.PMP_FAILED, r"NAT: PMP.*[Vv]ersion [Nn]ot [Ss]upported", "version not supported"),
    (LogWord.PMP_FAILED, r"NAT: PMP.*[Nn]ot [Ss]upported by gateway", "not supported by gateway"),
    (LogWord.ROUTER_ADDRESS, r"NAT: UPnP, public address is " + _ADDRESS, "UPnP"),
    (LogWord.ROUTER_ADDRESS, r"NAT: PMP.{0,40}[Rr]eceived public IP from router: " + _ADDRESS, "NAT-PMP"),
    (LogWord.ROUTER_ADDRESS, rf"{_SOMEBODY}[Gg]ot WAN IP {_ADDRESS} from router"),
    (LogWord.ROUTER_ADDRESS_PRIVATE, _SOMEBODY + r"WAN IP is a private IP address"),
    (LogWord.MAPPED, (r"NAT: (?P<text>UPnP|PMP), mapped port (?P<port>[0-9]{1,5})"
     rf" to {_ADDRESS}:(?P<number>[0-9]{{1,5}})(?![0-9])")),
    (LogWord.MAPPED,
     rf"PublicAddressManager: Mapping succeeded for {_ADDRESS}:(?P<port>[0-9]{{1,5}})(?![0-9])"),
    (LogWord.MAPPING_CONFLICT, (r"NAT: (?:UPnP|PMP), error mapping port (?P<port>[0-9]{1,5}), error:"
     r" (?P<text>(?=.*(?:[Cc]onflict|\b718\b)).*)")),
    (LogWord.MAPPING_FAILED, r"NAT: (?:UPnP|PMP), error mapping port (?P<port>[0-9]{1,5}), error: (?P<text>.*)"),
    (LogWord.MAPPING_FAILED, r"PublicAddressManager: Mapping failed"),
    (LogWord.TOO_SOON, r"(?:MyPlex: )?requesting connectivity refresh too soon", "too soon"),
    (LogWord.TOO_SOON, r"(?:MyPlex: )?attempted a reachability check but", "not yet mapped"),
    (LogWord.UNCHANGED, r"(?:MyPlex: )?Last published value didn.t change"),
    (LogWord.OFFLINE, _SOMEBODY + r"We appear to have lost Internet connectivity"),
    (LogWord.OFFLINE, (r"(?:EventSourceClient: )?Failure: (?P<number>[0-9]{1,5}) - "
     r"(?P<text>Network (?:is )?unreachable)"), "", "EventSourceClient"),
    (LogWord.ONLINE, _SOMEBODY + r"We appear to have regained Internet connectivity"),
    (LogWord.SIGN_IN_LOST, _SOMEBODY + r"Token was invalid, resetting security", "token invalid"),
    (LogWord.SIGN_IN_LOST, r"[A-Za-z0-9 :,]{0,60}Error 401.{0,99}users/features", "401"),
    (LogWord.SIGN_IN_LOST,
     r"HTTP error requesting [A-Z]{1,8} [^ ]{0,60}users/features[^ ]{0,9} \(401", "401"),
    (LogWord.UNCLAIMED, r"MyPlex: Sending unclaimed device connections"),
    (LogWord.CLAIMED,
     r"(?:\[[^\]]{1,20}\] )?MyPlex: Did token exchange for claim \(returnCode: 20[01]\)"),
    (LogWord.MANUAL_MODE, _SOMEBODY + r"Setting manual port mode to (?P<number>[01])(?![0-9])"),
    (LogWord.PUBLISHING, _SOMEBODY + r"Toggling server publish state"),
    (LogWord.LISTENING, r"HttpServer: Listening on port (?P<port>[0-9]{1,5})(?![0-9])"),
    (LogWord.BIND_FAILED, r"HttpServer: Error binding acceptor(?:: (?P<text>.*))?"),
    (LogWord.STARTED, (r"Plex Media Server v(?P<text>[0-9][0-9A-Za-z.-]{0,60})"
     r"(?: - .*?(?P<zone>GMT [+-]?[0-9]{2}:?[0-9]{2}(?![0-9])))?")),
))  # fmt: skip
_TERMINATED_BY = frozenset(".)'\"")


def event_of(line: str, *, terminated: bool) -> LogEvent | None:
    """Read one line without its end; None where it is no line of Plex's, or says nothing about the way in.

    `terminated`: a line end follows. Where none does, the line may be cut off, and a value that reaches up to the
    cut may have lost digits: it is not believed.
    """
    if len(line) > LONGEST_LINE:
        return None
    # A crash leaves a run of NULs where the file system had reserved room; the next line begins behind it.
    line = line.strip("\0\ufeff\r")
    header = _HEADER.match(line)
    day = _day(header["date"]) if header else ""
    if header is None or not day:
        return None
    contexts, message = _without_contexts(line[header.end() :])
    for rule in _RULES:
        match = rule.pattern.match(message)
        if match is None or rule.context not in contexts:
            continue
        cut = not terminated and match.end() == len(message) and message[-1] not in _TERMINATED_BY
        return None if cut else _event(rule, match, f"{day}T{header['time']}")
    return None


@lru_cache(maxsize=64)
def _day(text: str) -> str:
    """Read `Mar 14, 2025` as ISO; empty for a day that does not exist."""
    try:
        return date(int(text[8:]), _MONTHS[text[:3]], int(text[4:6])).isoformat()
    except (KeyError, ValueError):
        return ""


def _without_contexts(message: str) -> tuple[str, str]:
    """Part a message from what stands before it: `[Req#a6b] [PlexRelay] Allocated …`."""
    at = 0
    while message.startswith("[", at):
        end = message.find("] ", at)
        if end < 0:
            break
        at = end + 2
    return message[:at], message[at:]


def _event(rule: _Rule, match: re.Match[str], time: str) -> LogEvent | None:
    """Make the event; None where a value is none (an address of five parts, port 70000)."""
    groups = match.groupdict()
    address = _address(groups.get("address") or "")
    port = _number(groups.get("port"))
    if address is None or (port is not None and port > _PORT_LIMIT):
        return None
    number = _number(groups.get("number"))
    if rule.word is LogWord.STARTED:
        number = _zone_minutes(groups.get("zone"))
    text = rule.text or groups.get("text") or ""
    if "identifier" in groups:
        # The asynchronous identifier that ties an answer to its question.
        found = _IDENTIFIER.search(match.string[:LONGEST_TEXT])
        text = found[0] if found else ""
    return LogEvent(
        word=rule.word,
        time=time,
        address=address,
        port=port,
        number=number,
        milliseconds=_number(groups.get("milliseconds")),
        text="".join(filter(str.isprintable, text[:LONGEST_TEXT])).strip(),
    )


@lru_cache(maxsize=256)
def _address(text: str) -> str | None:
    """Give an address in its usual form; empty for none; None for what is no address."""
    text = text.rstrip(".")
    if not text:
        return ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _zone_minutes(text: str | None) -> int | None:
    """Read `GMT -05:00`: how many minutes local time was ahead of UTC when the server started."""
    if text is None:
        return None
    digits = re.sub(r"[^0-9]", "", text)
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if "-" in text else minutes
