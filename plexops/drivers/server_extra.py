"""What a diagnosis asks a server besides: its clock, its way out, the container that Plex runs in, and Plex's log.

Everything is asked in the same exec as the rest: constant reads, of which many find nothing on a given host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plexops.drivers.containers import container_facts, container_reads
from plexops.model.exchange import Command, Read, Reply
from plexops.model.site import Container
from plexops.model.snapshot import SOMEBODY, Entry, FactValue, Kind, KindState
from plexops.parsers.plex_log import GREP_PATTERN, PLEX_LOG_DIRS, excerpt, parse_plex_log

#: An address of the internet that is never asked anything: routes to it are looked up, and hops before it answer.
_FAR = "1.1.1.1"
#: How long a hop is waited for, in seconds.
_HOP_SECONDS = 1
_HOPS = (2, 3)

#: Folders of other platforms, which hang on a user's home, have no constant path.
LOG_FILES: tuple[str, ...] = tuple(
    f"{folder.path}/Plex Media Server.log" for folder in PLEX_LOG_DIRS if folder.path.startswith("/")
)
#: A diagnosis shows so many lines of the log at most.
_EXCERPT_LINES = 40

LOG_READ = Read(
    "log",
    Command(f"grep -aE '{GREP_PATTERN}' " + " ".join(f"'{path}'" for path in LOG_FILES)),
)

_READS: tuple[Read, ...] = (
    Read("time", Command("date +%Y-%m-%dT%H:%M:%S")),
    Read("egress", Command(f"ip -j -4 route get {_FAR}")),
    *(
        Read(
            f"hop.{ttl}", Command(f"ping -n -c 1 -W {_HOP_SECONDS} -t {ttl} {_FAR}"), seconds=_HOP_SECONDS + 4
        )
        for ttl in _HOPS
    ),
)

#: `From 10.64.0.1 icmp_seq=1 Time to live exceeded`, or the answer of the far address itself.
_HOP = re.compile(
    r"^From ([0-9.]+):? icmp_seq=[0-9]+ Time to live exceeded|^[0-9]+ bytes from ([0-9.]+):", re.MULTILINE
)
_LOST = re.compile(r"^[0-9]+ packets transmitted, 0 (?:packets )?received,", re.MULTILINE)
_USER = re.compile(r"\(user=[^,)]*")
_GONE = (": No such file or directory", ": Not a directory")


@dataclass(frozen=True, slots=True)
class Extra:
    """What the thorough reads came to."""

    facts: Mapping[str, tuple[FactValue, str]]
    entries: tuple[Entry, ...]
    state: KindState
    reasons: Mapping[str, str]


def thorough_reads(container: Container) -> tuple[Read, ...]:
    """Give the reads of a diagnosis; `container` is what the inventory says that Plex runs in."""
    # An engine that hangs ends the round: what others say stands before it.
    return (*_READS, LOG_READ, *container_reads(container))


def understand(replies: Mapping[str, Reply], container: Container) -> Extra:
    """Make facts and log events of the answers. What failed or was cut off is left out, with its reason."""
    facts: dict[str, tuple[FactValue, str]] = {}
    reasons: dict[str, str] = {}
    for name, found, exhibit in (
        ("host.time", _time(replies["time"]), "server.time"),
        ("host.egress", _egress(replies["egress"]), "server.egress"),
        ("host.hops", _hops(replies), f"server.hop.{_HOPS[0]}"),
    ):
        if isinstance(found, Unknown):
            reasons[name] = found.reason
        else:
            facts[name] = (found, exhibit)
    container_found, container_reasons = container_facts(replies, container)
    entries, state, reason = _log(replies["log"])
    if reason:
        reasons[Kind.LOG_EVENT] = reason
    return Extra(facts | container_found, entries, state, reasons | container_reasons)


@dataclass(frozen=True, slots=True)
class Unknown:
    """That nobody knows, and why."""

    reason: str


def failed(reply: Reply) -> str:
    """Say in one line why a reply is of no use."""
    if not reply.whole:
        return f"the answer to {reply.id} was cut off"
    said = (reply.stderr or reply.body).strip().splitlines()
    return f"{reply.id} failed with status {reply.status}" + (f": {said[0][:120]}" if said else "")


def _time(reply: Reply) -> str | Unknown:
    if not reply.whole or reply.status != 0:
        return Unknown(failed(reply))
    text = reply.body.strip()
    try:
        known = datetime.fromisoformat(text).tzinfo is None and re.fullmatch(r"[0-9T:-]{19}", text)
    except ValueError:
        known = None
    return text if known else Unknown("the server's clock is not understood")


def _egress(reply: Reply) -> str | Unknown:
    if not reply.whole or reply.status != 0:
        return Unknown(failed(reply))
    try:
        routes: Any = json.loads(reply.body)
        device = routes[0].get("dev")
    except (ValueError, LookupError, TypeError, AttributeError):
        device = None
    return str(device) if device else Unknown("the answer to egress names no interface")


def _hops(replies: Mapping[str, Reply]) -> tuple[str, ...] | Unknown:
    """Give both hops, or that they are unknown: a ping that did not run has not met a silent hop."""
    found: list[str] = []
    for ttl in _HOPS:
        reply = replies[f"hop.{ttl}"]
        answered = _HOP.search(reply.body) if reply.whole else None
        if answered is not None:
            found.append(answered[1] or answered[2])
        elif reply.whole and reply.status == 1 and not reply.stderr.strip() and _LOST.search(reply.body):
            found.append("-")
        else:
            return Unknown(failed(reply))
    return tuple(found)


def newest_log(body: str) -> tuple[str, str] | None:
    """Give the path and text of the log whose last line is the newest: an old installation may have left its own.

    `body` is what `grep` gave over several files, each line with the name of its file. None where a line has none.
    """
    by_path: dict[str, list[str]] = {}
    for line in body.splitlines(keepends=True):
        path = next((path for path in LOG_FILES if line.startswith(f"{path}:")), None)
        if path is None:
            return None
        by_path.setdefault(path, []).append(line[len(path) + 1 :])
    texts = {path: "".join(lines) for path, lines in by_path.items()}
    return max(texts.items(), key=lambda item: _last_time(item[1]), default=("", ""))


def _last_time(text: str) -> str:
    events = parse_plex_log(text)
    return events[-1].time if events else ""


def log_excerpt(body: str) -> str:
    """Give what an exhibit shows of the log: the lines that decide, without the owner's name."""
    found = newest_log(body)
    if found is None or not found[1]:
        return body
    return f"{found[0]}\n" + _USER.sub("(user=…", excerpt(found[1], _EXCERPT_LINES))


def _log(reply: Reply) -> tuple[tuple[Entry, ...], KindState, str]:
    if not reply.whole or reply.status not in (0, 1, 2):
        return (), KindState.UNKNOWN, failed(reply)
    complaints = [line for line in reply.stderr.splitlines() if line.strip()]
    missing = [line for line in complaints if line.endswith(_GONE)]
    if len(missing) != len(complaints) or (reply.status == 2 and not complaints):
        return (), KindState.UNKNOWN, next((x for x in complaints if x not in missing), failed(reply))
    if len(missing) >= len(LOG_FILES):
        return (), KindState.ABSENT, "no log of Plex lies in any of the usual folders"
    found = newest_log(reply.body)
    if found is None:
        return (), KindState.UNKNOWN, "the lines of the log do not name their file"
    events = parse_plex_log(found[1])
    entries = tuple(
        Entry(Kind.LOG_EVENT, event, {}, SOMEBODY, str(at), "server.log", at, str(event.word))
        for at, event in enumerate(events)
    )
    return entries, KindState.PRESENT, ""
