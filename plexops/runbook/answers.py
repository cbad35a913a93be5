"""What a person tells: the questions, how an answer is read, and what it says of a home. The words are in questions.yaml.

An answer is evidence of its time, and a claim. It fills in what was not read, and never outweighs what was; where both are
there and differ, both are said. What it leads to is *likely* at most.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from msgspec import Struct

from plexops.model.answers import EXHIBITS, Answer, Topic
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.snapshot import FOREIGN, Entry, Kind, Role
from plexops.model.values import PRIVATE_NETWORKS, is_public
from plexops.pattern import Pattern
from plexops.runbook.data import table
from plexops.runbook.view import SiteView, ipv4, public_addresses, second_hop, tunnel
from plexops.structs import replace

#: An audit takes no older answer; a diagnosis says that it is old. In seconds.
DAY = 86_400.0
#: What a phone got longer ago says nothing about now, as with every attempt from outside.
_ATTEMPT_SECONDS = 3_600.0
_ADDRESS = Pattern(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_IPV6 = Pattern(r"[0-9a-f]{0,4}:[0-9a-f]{0,4}:[0-9a-f:]*", re.IGNORECASE)
_IDENTIFIER = Pattern(r"(?:machineidentifier\W{1,3})?([0-9a-f][0-9a-f-]{7,63})", re.IGNORECASE)
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'"})
_LABEL, _WEAKEST = "label", "unavailable"


class Unclear(Exception):
    """An answer that cannot be read, and what is wanted in its place."""


class Meaning(Struct, frozen=True):
    """What one kind of answer says: causes by their ids, stops by theirs, and what plex.tv found."""

    kind: str = ""
    says: str = ""
    words: tuple[str, ...] = ()
    shows: str = ""
    suspects: str = ""
    settles: str = ""
    passes: frozenset[str] = frozenset()
    plex_tv: str = ""
    do: str = ""


class Question(Struct, frozen=True):
    """One question. `places` are the stops that it is about, `about` is what a person calls that."""

    topic: Topic
    about: str
    places: frozenset[str]
    asks: str
    kinds: Mapping[str, Meaning]


class Said(Struct, frozen=True):
    """An answer that was read: its kind, and the address, port or identifier in it."""

    kind: str
    address: IPv4Address | None = None
    inner: int = 0
    identifier: str = ""


class Heard(Struct, frozen=True):
    """An answer with what it says of this home, and what to do by hand.

    `why_not`: it says nothing, because; `contradicts`: it differs from what was read.
    """

    answer: Answer
    said: Said
    meaning: Meaning
    says: str
    do: str = ""
    why_not: str = ""
    contradicts: bool = False


# --- the table ------------------------------------------------------------------------------------------------------


def _meaning(name: str, row: Mapping[str, Any]) -> Meaning:
    passes = frozenset(row.get("passes", "").split())
    words = tuple(_plain(word) for word in row.get("words", ()))
    return Meaning(**{**row, "kind": name, "words": words, "passes": passes})


def _plain(text: str) -> str:
    """Give a text without what people change when they paste: case, spaces, quotes, a full stop."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold().split()).strip(' ".')


@cache
def questions() -> Mapping[Topic, Question]:
    """Give all questions, in the order in which they are asked. Most runs have no answer, and need none."""
    rows = table("questions.yaml")["questions"]
    return {
        Topic(name): Question(
            Topic(name),
            row["about"],
            frozenset(row["at"].split()),
            row["asks"],
            {kind: _meaning(kind, words) for kind, words in row["kinds"].items()},
        )
        for name, row in rows.items()
    }


def asks(question: Question, view: SiteView, port: int | None) -> str:
    """Give a question in words."""
    public = door_address(view)
    fields = {"port": port or "PORT", "door": _door(port), "public": public or "your public address"}
    return question.asks.format(**fields, plex=view.plex_address or "address", plex_port=view.plex_port)


def _door(port: int | None) -> str:
    return f"port {port}" if port else "Plex's port"


def door_address(view: SiteView) -> IPv4Address | None:
    """Give the address at which viewers knock: as the world sees it, else the router's as you say; None: not known."""
    seen = {address for address, _, _ in public_addresses(view)}
    word = counting(view, Topic.WAN_ADDRESS)
    address = None if word is None else word.said.address
    return seen.pop() if len(seen) == 1 else address if address is not None and is_public(address) else None


# --- reading an answer ----------------------------------------------------------------------------------------------


def read(topic: Topic, text: str) -> Said:
    """Read an answer. Raises Unclear where it is none; an unknown phrase of Plex Web is one that says nothing."""
    question, plain = questions()[topic], _plain(text)
    if topic is Topic.PLEX_WEB:
        return Said(_phrase(question, plain))
    kind = next((kind for kind, meaning in question.kinds.items() if plain in meaning.words), "")
    if kind:
        return Said(kind)
    reading = {Topic.WAN_ADDRESS: _wan_address, Topic.FORWARD: _forward, Topic.PHONE: _page}.get(topic)
    if reading is not None:
        return reading(plain)
    words = ", ".join(kind.words[0] for kind in question.kinds.values())
    raise Unclear(f"one of these is wanted: {words}")


def _phrase(question: Question, plain: str) -> str:
    """Give what the words of Plex Web are; empty where none is known, or where they contradict each other."""
    found = [
        kind for kind, meaning in question.kinds.items() if any(words in plain for words in meaning.words)
    ]
    stated = [kind for kind in found if kind != _LABEL] or found[:1]
    telling = [kind for kind in stated if kind != _WEAKEST] or stated[:1]
    return telling[0] if len(telling) == 1 and not ("accessible" in stated and len(stated) > 1) else ""


def _wan_address(plain: str) -> Said:
    found = _ADDRESS.findall(plain)
    if len(found) != 1:
        if _IPV6.search(plain):
            raise Unclear(
                "this is an IPv6 address: write the IPv4 one beside it, or “none” where there is none"
            )
        raise Unclear("one IPv4 address is wanted, as 203.0.113.20, or none, ds-lite, down")
    address = _ipv4(found[0])
    if address.is_loopback or int(address) >> 29 == 0b111:  # 224.0.0.0 and above
        raise Unclear(f"no router has {address} on the internet side")
    return Said("address", address)


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise Unclear(f"{text} is no IPv4 address") from None


def _forward(plain: str) -> Said:
    address = _ADDRESS.search(plain)
    words = set(re.findall(r"[a-z]+", plain))
    if words & {"off", "disabled", "inactive", "deactivated"}:
        return Said("off")
    if "udp" in words and not words & {"tcp", "both", "all"}:
        return Said("udp")
    if address is None or not words & {"tcp", "both", "all", "any"}:
        raise Unclear("none, off, or TCP or UDP and where it leads is wanted, as “tcp 192.168.1.50:32400”")
    inner = re.search(r"\d+", plain[address.end() :])
    if inner is None or not 1 <= int(inner[0][:6]) <= 65535:
        raise Unclear("the port to which it leads is wanted too, as “tcp 192.168.1.50:32400”")
    return Said("on", _ipv4(address[0]), int(inner[0]))


def _page(plain: str) -> Said:
    found = _IDENTIFIER.fullmatch(plain) or re.search(r"machineidentifier\W{1,3}([0-9a-f-]{8,64})", plain)
    if found is None:
        raise Unclear(
            "refused, nothing, other, or the page's machineIdentifier (8 characters at least) is wanted"
        )
    return Said("page", identifier=found[1])


# --- what answers say of a home -------------------------------------------------------------------------------------


def hear(view: SiteView, port: int | None) -> tuple[Heard, ...]:
    """Give what every answer says. `port` is the one at which viewers knock; None where it is not known."""
    return tuple(_hear(view, answer, port) for answer in view.user_answers)


def _hear(view: SiteView, answer: Answer, port: int | None) -> Heard:
    question = questions()[answer.topic]
    try:
        said = read(answer.topic, answer.text)
    except Unclear as unclear:
        return Heard(answer, Said(""), Meaning(), "", why_not=f"it cannot be read: {unclear}")
    said = _placed(said, view) if said.kind == "on" else said
    meaning = question.kinds.get(said.kind, Meaning())
    fields = {
        "answer": answer.text,
        "door": _door(answer.port or port),
        "address": said.address,
        "inner": said.inner,
        "plex": view.plex_address,
        "plex_port": view.plex_port,
    }
    says, days = meaning.says.format(**fields), int(answer.age // DAY)
    says += f" (your answer is {days} day{'s' if days > 1 else ''} old)" if days and says else ""
    heard = Heard(answer, said, meaning, says, meaning.do.format(**fields))
    if answer.port is not None and port is not None and answer.port != port:
        return replace(heard, why_not=f"it is about port {answer.port}, and viewers come by {port}")
    doubt = _DOUBTS.get(answer.topic)
    why_not, contradicts = doubt(view, heard) if doubt else ("", False)
    return replace(heard, why_not=why_not, contradicts=contradicts)


def _placed(said: Said, view: SiteView) -> Said:
    """Say of a forward that is on whether it leads to Plex."""
    if said.address not in view.plex_host:
        return replace(said, kind="elsewhere")
    return replace(said, kind="right" if said.inner == view.plex_port else "wrong-port")


def _forward_doubt(view: SiteView, heard: Heard) -> tuple[str, bool]:
    unknown = not view.plex_host and heard.said.address is not None
    return ("at which address Plex is, is not known", False) if unknown else ("", False)


def _wan_doubt(view: SiteView, heard: Heard) -> tuple[str, bool]:
    own, hop = view.of(Role.ROUTER).text("wan.address"), second_hop(view)
    address, seen = heard.said.address, public_addresses(view)
    if own is not None:
        return f"the router itself says {own}", str(address) != own
    if heard.said.kind == "down" and seen:
        return f"{heard.says}; yet the world sees the home, at {seen[0][0]}", True
    if address is None:
        return "", False
    if at_home(view, address):
        return f"{address} is an address at home: the one on the internet side (WAN) is wanted", False
    private = any(address in network for network in PRIVATE_NETWORKS)
    beyond = ipv4(hop)
    if private and beyond is not None and is_public(beyond) and tunnel(view) is None:
        return (
            f"{heard.says}, it is a private one; yet the next box after the router is {hop}, a public one",
            True,
        )
    return "", False


def at_home(view: SiteView, address: IPv4Address) -> bool:
    """Tell whether an address is the gateway's, or one of the network in which Plex is."""
    gateways = (view.of(Role.SERVER).text("host.gateway"), view.of(Role.ROUTER).text("lan.address"))
    near = (IPv4Network((host, 24), strict=False) for host in view.plex_host if not is_public(host))
    return str(address) in gateways or any(address in network for network in near)


def _plex_web_doubt(view: SiteView, heard: Heard) -> tuple[str, bool]:
    plex = view.of(Role.PLEX)
    state, error = plex.text("plex.mapping_state"), plex.text("plex.mapping_error")
    if state is None:
        unknown = "" if heard.meaning.says else "these words of Plex Web are not known: they say nothing"
        return (heard.says, False) if heard.said.kind == _LABEL else (unknown, False)
    healthy = state == "mapped" and not error and bool(plex.text("plex.public_address"))
    differs = bool(heard.meaning.plex_tv) and (heard.meaning.plex_tv == "yes") is not healthy
    return f"{heard.says or 'it'}; Plex itself says {error or state}", differs


def _phone_doubt(view: SiteView, heard: Heard) -> tuple[str, bool]:
    seen = {address for address, _, _ in public_addresses(view)}
    if heard.answer.age > _ATTEMPT_SECONDS:
        return "it is more than an hour old", False
    if heard.answer.address is not None and not is_public(heard.answer.address):
        return f"it was at {heard.answer.address}, which is no address on the internet", False
    if heard.answer.address is not None and seen and heard.answer.address not in seen:
        return (
            f"it was at {heard.answer.address}, and the home is at {', '.join(map(str, sorted(seen)))}",
            False,
        )
    unknown = heard.said.kind == "page" and not view.of(Role.PLEX).text("plex.identifier")
    return ("which Plex that page is of is not known: Plex was not asked" if unknown else ""), False


def _other_network_doubt(_: SiteView, heard: Heard) -> tuple[str, bool]:
    if heard.answer.age > _ATTEMPT_SECONDS:
        return "it is more than an hour old", False
    return ("" if heard.said.kind == "yes" else heard.says), False


_DOUBTS = {
    Topic.PLEX_WEB: _plex_web_doubt,
    Topic.WAN_ADDRESS: _wan_doubt,
    Topic.FORWARD: _forward_doubt,
    Topic.PHONE: _phone_doubt,
    Topic.OTHER_NETWORK: _other_network_doubt,
}


def counting(view: SiteView, topic: Topic) -> Heard | None:
    """Give what the answer to one question says; None where there is none, or where it says nothing."""
    found = (_hear(view, answer, None) for answer in view.user_answers if answer.topic is topic)
    return next((heard for heard in found if not heard.why_not), None)


def attempts(view: SiteView, port: int | None) -> tuple[Entry[Probe], ...]:
    """Give what you tried from outside, as what a vantage tried. `port`: at which, where the answer does not say."""
    identifier = view.of(Role.PLEX).text("plex.identifier") or ""
    found = []
    for heard in hear(view, None):
        came = _came(heard, identifier)
        address, at = heard.answer.address or door_address(view), heard.answer.port or port
        if came is not None and not heard.why_not and address is not None and at is not None:
            who = "your phone" if heard.answer.topic is Topic.PHONE else "an app in another network"
            met = identifier if came is ProbeAnswer.OPEN else ""
            values = Probe(who, address, at, came, met)
            found.append(Entry(Kind.PROBE, values, {}, FOREIGN, who, heard.answer.exhibit))
    return tuple(found)


_PHONE_GOT = {
    "refused": ProbeAnswer.REFUSED,
    "nothing": ProbeAnswer.TIMED_OUT,
    "other": ProbeAnswer.WRONG_SERVER,
    "page": ProbeAnswer.WRONG_SERVER,
}


def _came(heard: Heard, identifier: str) -> ProbeAnswer | None:
    """Give what an attempt got back; None where the answer is about none. The page has to be our Plex's."""
    if heard.answer.topic is Topic.OTHER_NETWORK:
        return ProbeAnswer.OPEN
    if heard.answer.topic is not Topic.PHONE:
        return None
    ours = bool(identifier) and identifier.casefold().startswith(heard.said.identifier)
    if heard.said.kind == "page" and ours:
        return ProbeAnswer.OPEN
    return _PHONE_GOT.get(heard.said.kind)


def by_word(exhibits: Iterable[str]) -> bool:
    """Tell whether something rests on an answer, by its exhibits."""
    return any(exhibit.startswith(EXHIBITS) for exhibit in exhibits)
