"""Plex's log: which lines decide about the way in, what they say, and where the files lie.

What each event holds besides its word and time:

| word | address | port | number | text |
|---|---|---|---|---|
| STARTED | | | minutes that local time is ahead of UTC | version |
| LISTENING | | port | | |
| BIND_FAILED | | | | the system's reason |
| PUBLIC_ADDRESS | as plex.tv sees it | | | who said so |
| NO_PUBLIC_ADDRESS | | | Plex's code; -6: name not found | who was asked |
| ROUTER_ADDRESS | the router's, as it says | | | UPnP, NAT-PMP or empty |
| NO_IGD | | | | `none found`, or `another device` (which proves nothing) |
| PMP_FAILED | | | | timed out, not supported by gateway, version not supported |
| MAPPED | the server's | outside | inside, where told | UPnP, PMP or empty |
| MAPPING_CONFLICT, MAPPING_FAILED | | outside, where told | | the router's reason |
| STATE | | | | Plex's own word. Never a verdict: see `runbook.log_story` |
| ANNOUNCED | empty: none known | 0: none mapped | | |
| PUBLISH_ANSWER | | | plex.tv's HTTP status; negative: Plex's own code | |
| REACHABILITY | tried | tried; 0 or None: none registered | 1 or 0 | identifier of the question |
| TOO_SOON | | | | `too soon` or `not yet mapped` |
| STALE_ANSWER | | | | identifier, where told, or `NAT punch pending` |
| OFFLINE | | | errno, where told | |
| SIGN_IN_LOST | | | | token invalid, 401 |
| UNCLAIMED, CLAIMED | | | | |
| REQUEST | the client's, as the server sees it | | | WAN. Other classes say nothing about the way in and are no events |
| MANUAL_MODE | | | 1 or 0 | |
| PUBLISHING | | | | the setting was changed; Plex does not say to what |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plexops.model.entries import LogEvent, LogWord
from plexops.parsers.plex_log_lines import event_of
from plexops.pattern import Pattern

#: Requests that Plex counts as from outside. There may be any number of them.
REQUEST_PATTERN = r"\(WAN\)"
#: Every line that decides about the way in: some dozens in each hour, whatever the server is used for.
DECIDING_PATTERN = "|".join(
    (
        r"Plex Media Server v[0-9]",
        r"HttpServer: (Listening on port|Error binding)",
        r"Got public IP from",
        r"Unable to get public IP",
        r"NAT: UPnP, (public address is|mapped port|error mapping)",
        r"usable IGD",
        r"not an IGD",
        r"NAT: PMP",
        r"ot WAN IP",
        r"WAN IP is a private",
        r"PublicAddressManager: Mapping",
        r"mapping state set to",
        r"Sending Server Info to myPlex",
        r"Published Mapping State",
        r"Got notified of reachability",
        r"requesting connectivity refresh",
        r"attempted a reachability check",
        r"inaccessibility report ignored",
        r"incorrect async identifier",
        r"Last published value",
        r"We appear to have (lost|regained)",
        r"Failure: [0-9]{1,5} - Network",
        r"Token was invalid",
        r"Error 401.{0,99}users/features",
        r"users/features.{0,9} \(401",
        r"Sending unclaimed device",
        r"Did token exchange for claim",
        r"Setting manual port mode",
        r"Toggling server publish",
    )
)
#: What `grep -aE -e '…'` selects on the device: every line that the parser may understand, and few others.
#: A POSIX extended expression without quotes, and one that Python reads alike: the parser itself selects by it.
#: Every alternative begins with a plain letter or bracket: Python then skips quickly over what begins with none.
GREP_PATTERN = f"{DECIDING_PATTERN}|{REQUEST_PATTERN}"
_SELECTED = Pattern(GREP_PATTERN)

#: A folder's files, oldest first: a full log, and one at each start, is moved on by one number.
PLEX_LOG_FILES: tuple[str, ...] = (
    *(f"Plex Media Server.{number}.log" for number in (5, 4, 3, 2, 1)),
    "Plex Media Server.log",
)


_DATA = "Library/Application Support/Plex Media Server/Logs"

#: Where Plex writes its log: Plex's support pages ("Plex Media Server Logs", "Where is the data directory") and the
#: images' and packages' own documents. Constant paths: numbered volumes are spelled out, most likely first.
PLEX_LOG_DIRS: tuple[str, ...] = (
    f"/var/lib/plexmediaserver/{_DATA}",  # deb, rpm
    f"/var/snap/plexmediaserver/common/{_DATA}",
    f"/config/{_DATA}",  # docker: plexinc, linuxserver
    "/config/Plex Media Server/Logs",  # docker: binhex
    "/config/Logs",  # docker: hotio
    *(
        f"/mnt/user/appdata/{name}/{_DATA}"  # unraid
        for name in ("plex", "PlexMediaServer", "Plex-Media-Server", "binhex-plex", "binhex-plexpass")
    ),
    *(f"/mnt/user/appdata/{name}/Plex Media Server/Logs" for name in ("binhex-plex", "binhex-plexpass")),
    *(f"/volume{number}/PlexMediaServer/AppData/Plex Media Server/Logs" for number in (1, 2, 3, 4)),  # dsm 7
    *(f"/volume{number}/Plex/{_DATA}" for number in (1, 2, 3, 4)),  # dsm 6
    *(
        f"/share/CACHEDEV{number}_DATA/.qpkg/PlexMediaServer/Library/Plex Media Server/Logs"  # qnap
        for number in (1, 2, 3)
    ),
    "/share/MD0_DATA/.qpkg/PlexMediaServer/Library/Plex Media Server/Logs",
    "/usr/local/plexdata/Plex Media Server/Logs",  # freebsd, truenas core
    "/usr/local/plexdata-plexpass/Plex Media Server/Logs",
    "/var/db/plexdata/Plex Media Server/Logs",
)


def parse_plex_log(text: str) -> tuple[LogEvent, ...]:
    """Give what the log says about the way in, in the order of the log. Never raises: what is not understood is noise.

    `text` is a log, a part of one, several one after the other, or what GREP_PATTERN selected of them. Its line ends
    count: a last line without one may be cut off. A line that stands there twice is one event. Of requests that
    nothing else interrupts, each client's newest stays. Takes time in proportion to the text.
    """
    return tuple(event for event, _ in _read((text,)))


def merge_logs(texts: Sequence[str]) -> tuple[LogEvent, ...]:
    """Read several files as one log: oldest first, as PLEX_LOG_FILES is.

    The order is the files', not the clock's: a clock is set back once a year. A file that was moved on between two
    readings may come twice; its lines count once.
    """
    return tuple(event for event, _ in _read(texts))


def excerpt(text: str, limit: int) -> str:
    """Give at most `limit` deciding lines as they stand in the log, in its order: the newest is the last.

    First each word's newest line, then the newest of the others: an hour of requests does not push out the verdict.
    """
    found = _read((text,))
    newest = {event.word: index for index, (event, _) in enumerate(found)}
    wanted = sorted(newest.values(), reverse=True)
    others = [index for index in range(len(found) - 1, -1, -1) if newest[found[index][0].word] != index]
    chosen = sorted([*wanted, *others][: max(limit, 0)])
    return "".join(f"{found[index][1]}\n" for index in chosen)


def _read(texts: Iterable[str]) -> list[tuple[LogEvent, str]]:
    """Read several files as one, and give each event with its line."""
    lines = (line for text in texts for line in _selected(text))
    events = ((event_of(line, terminated=terminated), line) for line, terminated in lines)
    return _thinned((event, line) for event, line in events if event is not None)


def _selected(text: str) -> Iterator[tuple[str, bool]]:
    """Give the lines that the pattern selects, and whether each has its end. Every character is looked at once."""
    at = 0
    while match := _SELECTED.search(text, at):
        start = text.rfind("\n", at, match.start()) + 1 or at
        end = text.find("\n", match.end())
        terminated = end >= 0
        if not terminated:
            end = len(text)
        yield text[start:end].removesuffix("\r"), terminated
        at = end + 1


def _thinned(found: Iterable[tuple[LogEvent, str]]) -> list[tuple[LogEvent, str]]:
    """Drop what stands twice and, of a run of requests, all but each client's newest."""
    kept: dict[LogEvent, str] = {}
    run: dict[str, tuple[LogEvent, str]] = {}
    for event, line in found:
        if event.word is LogWord.REQUEST:
            run.pop(event.address, None)
            run[event.address] = (event, line)
            continue
        kept.update(run.values())
        run.clear()
        kept.setdefault(event, line)
    kept.update(run.values())
    return list(kept.items())
