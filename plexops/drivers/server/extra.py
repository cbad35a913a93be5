"""What a diagnosis asks a server besides: clock, way out, its resolver, the container of Plex, and its log.

Everything is asked in the same exec as the rest: constant reads, of which many find nothing on a given host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import failed
from plexops.drivers.containers import container_facts, container_reads
from plexops.drivers.plex.log import LOG_READ
from plexops.model.exchange import Command, Read, Reply
from plexops.model.site import Container
from plexops.model.snapshot import FactValue
from plexops.pattern import Pattern

#: An address of the internet that is never asked anything: routes to it are looked up, and hops before it answer.
_FAR = "1.1.1.1"
#: How long a hop is waited for, in seconds.
_HOP_SECONDS = 1
_HOPS = (2, 3)
_NOT_SENT = "no packet was to be sent to the internet"

_READS: tuple[Read, ...] = (
    Read("time", Command("date +%Y-%m-%dT%H:%M:%S")),
    Read("egress", Command(f"ip -j -4 route get {_FAR}")),
    Read("resolver", Command("cat /etc/resolv.conf")),
)
#: getent(1): 2 is a name that was not found, also where no resolver answered.
_NO_NAME = 2
#: One that keeps silent is waited for, by the C library's default, five seconds twice.
_PLEX_TV = Read("plex_tv", Command("getent ahostsv4 plex.tv"), absent=frozenset({_NO_NAME}), seconds=20.0)
_HOP_READS: tuple[Read, ...] = tuple(
    Read(f"hop.{ttl}", Command(f"ping -n -c 1 -W {_HOP_SECONDS} -t {ttl} {_FAR}"), seconds=_HOP_SECONDS + 4)
    for ttl in _HOPS
)

#: `From 10.64.0.1 icmp_seq=1 Time to live exceeded`, or the answer of the far address itself.
_HOP = Pattern(
    r"^From ([0-9.]+):? icmp_seq=[0-9]+ Time to live exceeded|^[0-9]+ bytes from ([0-9.]+):", re.MULTILINE
)
_NAMESERVER = Pattern(r"^[ \t]*nameserver[ \t]+(\S+)", re.MULTILINE)
_LOST = Pattern(r"^[0-9]+ packets transmitted, 0 (?:packets )?received,", re.MULTILINE)


class Extra(Struct, frozen=True):
    """What the thorough reads came to."""

    facts: Mapping[str, tuple[FactValue, str]]
    reasons: Mapping[str, str]


def thorough_reads(container: Container, *, hops: bool) -> tuple[Read, ...]:
    """Give the reads of a diagnosis. `container` is what the inventory says that Plex runs in.

    `hops`: packets are sent towards the internet, to see who lies on the way, and where plex.tv is.
    """
    # An engine that hangs, or a resolver, ends the round: what others say stands before it.
    return (
        *_READS,
        *(_HOP_READS if hops else ()),
        LOG_READ,
        *container_reads(container),
        *((_PLEX_TV,) if hops else ()),
    )


def understand_extra(replies: Mapping[str, Reply], container: Container) -> Extra:
    """Make facts of the answers, but the log's. What failed or was cut off is left out, with its reason."""
    facts: dict[str, tuple[FactValue, str]] = {}
    reasons: dict[str, str] = {}
    for name, found, exhibit in (
        ("host.time", _time(replies["time"]), "server.time"),
        ("host.egress", _egress(replies["egress"]), "server.egress"),
        ("host.hops", _hops(replies), f"server.hop.{_HOPS[0]}"),
        ("host.resolvers", _resolvers(replies["resolver"]), "server.resolver"),
        ("host.plex_tv", _plex_tv(replies.get(_PLEX_TV.id)), "server.plex_tv"),
    ):
        if isinstance(found, Unknown):
            reasons[name] = found.reason
        else:
            facts[name] = (found, exhibit)
    container_found, container_reasons = container_facts(replies, container)
    return Extra({**facts, **container_found}, reasons | container_reasons)


class Unknown(Struct, frozen=True):
    """That it is not known, and why."""

    reason: str


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
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        device = None
    return str(device) if device else Unknown("the answer to egress names no interface")


def _hops(replies: Mapping[str, Reply]) -> tuple[str, ...] | Unknown:
    """Give both hops, or that they are unknown: a ping that did not run has not met a silent hop."""
    found: list[str] = []
    if any(read.id not in replies for read in _HOP_READS):
        return Unknown(_NOT_SENT)
    for read in _HOP_READS:
        reply = replies[read.id]
        answered = _HOP.search(reply.body) if reply.whole else None
        if answered is not None:
            found.append(answered[1] or answered[2])
        elif reply.whole and reply.status == 1 and not reply.stderr.strip() and _LOST.search(reply.body):
            found.append("-")
        else:
            return Unknown(failed(reply))
    return tuple(found)


def _resolvers(reply: Reply) -> tuple[str, ...] | Unknown:
    if not reply.whole or reply.status != 0:
        return Unknown(failed(reply))
    return tuple(dict.fromkeys(_NAMESERVER.findall(reply.body)))


def _plex_tv(reply: Reply | None) -> tuple[str, ...] | Unknown:
    """Give the addresses that plex.tv has for the server; none where the name is not found."""
    if reply is None:
        return Unknown(_NOT_SENT)
    if reply.whole and reply.status == _NO_NAME and not (reply.body + reply.stderr).strip():
        return ()
    if not reply.whole or reply.status != 0:
        return Unknown(failed(reply))
    try:
        found = [str(IPv4Address(line.split()[0])) for line in reply.body.splitlines() if line.strip()]
    except AddressValueError:
        return Unknown("the answer to plex_tv is not understood")
    return tuple(dict.fromkeys(found)) or Unknown("the answer to plex_tv is empty")
