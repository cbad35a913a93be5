"""What services outside say of a port: they connect, and do not ask who answers. So “open” is no proof of this Plex."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.drivers.base import Observation
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.exchange import Command, Look, LookKind, Question, Read, Reply
from plexops.model.site import Checker, CheckerName
from plexops.model.snapshot import FOREIGN, Entry, Kind, KindState, Role, Snapshot
from plexops.model.values import PRIVATE_NETWORKS
from plexops.pattern import Pattern
from plexops.structs import replace

#: check-host's places wait for a silent port about as long; the others give up after 1 or 2 s. In seconds.
CHECK_SECONDS = 25.0
_ONE_PLACE_SECONDS = 8
#: The members of `Entry.raw`: who was asked, what was told, and from where it was tried, in the service's own words.
BY, TOLD, FROM = "by", "told", "from"
#: check-host's own words, which are those of its operating system.
_WORDS: Mapping[str, ProbeAnswer] = {
    "Connection timed out": ProbeAnswer.TIMED_OUT,
    "Connection refused": ProbeAnswer.REFUSED,
    "No route to host": ProbeAnswer.UNREACHABLE,
}
_NODE = Pattern(r"[A-Za-z0-9-]{1,20}(?:\.[A-Za-z0-9-]{1,30}){0,5}", re.ASCII)
#: More places were never asked for.
_MOST_NODES = 8
_TOLD_CHARACTERS = 80


class _Useless(Exception):
    """An answer that says nothing of this address and port. The text says why."""


class _Seen(Struct, frozen=True):
    """What one place met."""

    place: str
    answer: ProbeAnswer
    told: str
    origin: str = ""


class CheckerDriver(Struct, frozen=True):
    """Lets one service try one port of one address. `by_server`: the server asks, with `curl`, and not this computer."""

    checker: Checker
    address: IPv4Address
    port: int
    by_server: bool = False

    @property
    def read(self) -> Read:
        checker = self.checker
        seconds = CHECK_SECONDS if checker.name is CheckerName.CHECK_HOST else float(_ONE_PLACE_SECONDS)
        ask: Question = Look(LookKind(checker.name), checker.url, f"{self.address}:{self.port}")
        if self.by_server:
            url = f"{checker.url}/port/{self.port}"
            ask = Command(f"curl -s -S -4 --max-time {_ONE_PLACE_SECONDS} {url}")
        elif checker.tries_its_asker:
            ask = Look(LookKind(checker.name), checker.url, str(self.port))
        return Read(f"checker.{checker.where}", ask, seconds=seconds + 2)

    def observe(self) -> Observation:
        """Ask once."""
        (reply,) = yield (self.read,)
        return self.understand(reply)

    def understand(self, reply: Reply) -> Snapshot:
        """Make an attempt of each place that was asked. What is of no use is `unknown`, with the reason in `raw`."""
        try:
            seen = _READERS[self.checker.name](_document(reply), self)
        except _Useless as reason:
            return self.not_asked(str(reason), f"outside.{reply.id}")
        entries = tuple(self._entry(one, f"outside.{reply.id}") for one in seen)
        return Snapshot(Role.OUTSIDE, {}, entries, {Kind.PROBE: KindState.PRESENT}, {})

    def not_asked(self, reason: str, exhibit: str = "") -> Snapshot:
        """Give what is known where no answer was of use: why. It says nothing of the port."""
        entry = self._entry(_Seen("", ProbeAnswer.UNKNOWN, f"PLX-D409: {reason}"), exhibit)
        return Snapshot(Role.OUTSIDE, {}, (entry,), {}, {})

    def _entry(self, seen: _Seen, exhibit: str) -> Entry:
        name = " ".join(part for part in (self.checker.where, seen.place) if part)
        # A service that stands in the home itself comes round by the router (hairpin): that proves nothing.
        inside = _in_a_home(urlsplit(self.checker.url).hostname or "")
        values = Probe(name, self.address, self.port, seen.answer, inside=inside)
        raw = {BY: self.checker.where, TOLD: seen.told, FROM: seen.origin}
        return Entry(Kind.PROBE, values, raw, FOREIGN, name, exhibit)


def _document(reply: Reply) -> Mapping[str, Any]:
    if not reply.whole:
        raise _Useless("the answer was cut off")
    if reply.status != 0:
        raise _Useless(_line(reply.stderr) or f"no answer (curl: {reply.status})")
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise _Useless("it answers with a page, and not with JSON") from None
    if not isinstance(found, dict):
        raise _Useless("the answer is not as the service documents it")
    return found


def _check_host(found: Mapping[str, Any], asked: CheckerDriver) -> tuple[_Seen, ...]:
    """Read which places tried, and what each met. They say to which address they connected; the port is not repeated."""
    check, result = found.get("check"), found.get("result")
    nodes = check.get("nodes") if isinstance(check, dict) else None
    if not isinstance(nodes, dict) or not isinstance(result, dict):
        raise _Useless("the answer is not as the service documents it")
    names = [name for name in nodes if _NODE.fullmatch(name)][:_MOST_NODES]
    if not names:
        raise _Useless("it chose no place to try from")
    seen = [
        replace(_of_node(name, result.get(name), asked.address), origin=_origin(nodes[name]))
        for name in names
    ]
    if all(one.answer is ProbeAnswer.UNKNOWN for one in seen):
        raise _Useless(seen[0].told)
    # A place that told nothing of use is no witness, where others are.
    return tuple(one for one in seen if one.answer is not ProbeAnswer.UNKNOWN)


def _of_node(name: str, told: object, address: IPv4Address) -> _Seen:
    place = name.partition(".")[0]
    one = told[0] if isinstance(told, list) and len(told) == 1 else None
    if told is None:
        return _Seen(place, ProbeAnswer.UNKNOWN, "no place answered in time")
    if not isinstance(one, dict):
        return _Seen(place, ProbeAnswer.UNKNOWN, "the answer is not as the service documents it")
    error, reached = one.get("error"), one.get("address")
    if isinstance(error, str) and reached is None:
        return _Seen(place, _WORDS.get(error, ProbeAnswer.UNKNOWN), _line(error))
    if error is None and reached == str(address):
        return _Seen(place, ProbeAnswer.LISTENS, f"connected to {address}")
    return _Seen(place, ProbeAnswer.UNKNOWN, f"it tried another address than {address}")


def _origin(node: object) -> str:
    """Read `[code, country, town, address, network]`."""
    words = node if isinstance(node, list) and len(node) == 5 else ["", "", "", "", ""]
    return ", ".join(_line(word) for word in (words[1], words[2], words[4]) if word)


def _portchecker(found: Mapping[str, Any], asked: CheckerDriver) -> tuple[_Seen, ...]:
    """Read `{"error": false, "host": …, "check": [{"port": …, "status": …}]}`. A refusal and silence are both false."""
    if found.get("error") is not False:
        raise _Useless(_line(found.get("msg") or found.get("detail")) or "it gives no reason")
    rows = found.get("check")
    row = rows[0] if isinstance(rows, list) and len(rows) == 1 else None
    if not isinstance(row, dict):
        raise _Useless("the answer is not as the service documents it")
    return (_of_flag(row.get("status"), found.get("host"), row.get("port"), asked),)


def _echoip(found: Mapping[str, Any], asked: CheckerDriver) -> tuple[_Seen, ...]:
    """Read `{"ip": …, "port": …, "reachable": …}`. A refusal and silence are both false."""
    if "error" in found:
        raise _Useless(_line(found["error"]) or "it gives no reason")
    return (_of_flag(found.get("reachable"), found.get("ip"), found.get("port"), asked),)


def _of_flag(flag: object, tried: object, at: object, asked: CheckerDriver) -> _Seen:
    if not isinstance(flag, bool) or not isinstance(tried, str) or not isinstance(at, int):
        raise _Useless("the answer is not as the service documents it")
    if tried != str(asked.address):
        raise _Useless(f"it tried {_line(tried)}, and our address is {asked.address}")
    if at != asked.port or isinstance(at, bool):
        raise _Useless(f"it tried port {at}, and not {asked.port}")
    answer = ProbeAnswer.LISTENS if flag else ProbeAnswer.CLOSED
    return _Seen("", answer, "connected" if flag else "not connected: refused, or silent")


_READERS = {
    CheckerName.CHECK_HOST: _check_host,
    CheckerName.PORTCHECKER: _portchecker,
    CheckerName.ECHOIP: _echoip,
}


def _in_a_home(host: str) -> bool:
    """Tell whether a service is asked by a private address. This computer's own stands for one outside, as for plex.tv."""
    try:
        address = IPv4Address(host)
    except ValueError:
        return False
    return any(address in network for network in PRIVATE_NETWORKS)


def _line(text: object) -> str:
    """Give a stranger's words on one line, cut."""
    words = " ".join(text.split()) if isinstance(text, str) else ""
    shown = "".join(character for character in words if character.isprintable())
    return shown if len(shown) <= _TOLD_CHARACTERS else f"{shown[:_TOLD_CHARACTERS]}…"
