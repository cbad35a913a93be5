"""Which forms of `curl`, `getent`, `ip` and `ping` only read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import dropwhile

from plexops.pattern import Pattern

_SECONDS = Pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")

_IP_OBJECTS = frozenset(
    {"a", "addr", "address", "r", "route", "l", "link", "n", "neigh", "neighbor", "ru", "rule"}
)
_IP_FLAGS = frozenset({"-j", "-json", "-4", "-6", "-s", "-d", "-o", "-br", "-brief", "-p", "-N"})


def ip(arguments: Sequence[str]) -> str | None:
    """Let look-ups of addresses, routes, links and neighbours through."""
    rest = list(dropwhile(_IP_FLAGS.__contains__, arguments))
    if not rest or rest[0] not in _IP_OBJECTS:
        return "only addr, route, link, neigh and rule are on the list"
    if len(rest) > 1 and rest[1] not in {"show", "get", "list", "ls"}:
        return f"{rest[1]!r} is not on the list: show, get, list"
    wrong = [word for word in rest[2:] if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]*", word) is None]
    return f"the operand {wrong[0]!r} is not on the list" if wrong else None


#: By flag: how much of it is still one question and no flood.
_PING = {"-c": range(1, 4), "-W": range(1, 6), "-t": range(1, 65)}


def ping(arguments: Sequence[str]) -> str | None:
    """A few packets to one IPv4 address, looked up nowhere: `-c` is a must, for without it ping never ends."""
    operands: list[str] = []
    flags: set[str] = set()
    waiting = iter(arguments)
    for word in waiting:
        allowed = _PING.get(word)
        if allowed is not None:
            value = next(waiting, "")
            if re.fullmatch(r"[0-9]{1,2}", value) is None or int(value) not in allowed:
                return f"{word} takes {allowed[0]} to {allowed[-1]}"
            flags.add(word)
        elif word.startswith("-") and word not in {"-n", "-4"}:
            return f"the flag {word!r} is not on the list"
        elif not word.startswith("-"):
            operands.append(word)
    if "-c" not in flags or len(operands) != 1 or re.fullmatch(r"[0-9]+(?:\.[0-9]+){3}", operands[0]) is None:
        return "takes -c NUMBER and one IPv4 address"
    return None


def getent(arguments: Sequence[str]) -> str | None:
    """Let one name be looked up. Other databases hold accounts."""
    if len(arguments) == 2 and arguments[0] in {"hosts", "ahosts", "ahostsv4", "ahostsv6"}:
        return None if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", arguments[1]) else "takes one name"
    return "only hosts, ahosts, ahostsv4 and ahostsv6 with one name are on the list"


#: A colon is a segment of Plex's own paths: `/pms/:/ip`.
_URL = Pattern(
    r"https?://(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/-]*)?"
)


def curl(arguments: Sequence[str]) -> str | None:
    """Let a plain GET of one address through, which keeps nothing on the host."""
    urls: list[str] = []
    waiting = iter(arguments)
    for word in waiting:
        if word in {"-m", "--max-time", "--connect-timeout"}:
            if _SECONDS.fullmatch(next(waiting, "")) is None:
                return f"{word} lacks its seconds"
        elif word in {"-o", "--output"}:
            if next(waiting, "") not in {"/dev/null", "-"}:
                return "writes a file"
        elif word in {"-w", "--write-out"}:
            # `@file` reads the format from a file, `%output{file}` (curl 8.3) writes one.
            if re.fullmatch(r"(?!@)(?:(?!%output).)+", next(waiting, "")) is None:
                return f"{word} has a format that is not on the list"
        elif word.startswith("-"):
            if (
                re.fullmatch(r"-[sSkfgv46]{1,6}|--silent|--show-error|--insecure|--fail|--verbose", word)
                is None
            ):
                return f"the option {word!r} is not on the list"
        else:
            urls.append(word)
    if len(urls) != 1 or _URL.fullmatch(urls[0]) is None:
        return "takes one plain http or https address without a query"
    return None
