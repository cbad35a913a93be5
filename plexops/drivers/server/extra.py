"""What a diagnosis asks a server besides: clock, way out, its resolver, the container of Plex, and its log.

Everything is asked in the same exec as the rest: constant reads, of which many find nothing on a given host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from plexops.drivers.answers import failed
from plexops.drivers.containers import container_facts, container_reads
from plexops.drivers.plex.log import LOG_READ
from plexops.model.errors import WhyNot
from plexops.model.exchange import Command, Read, Reply
from plexops.model.site import Container
from plexops.model.snapshot import Fact, FactValue
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


def understand_extra(
    replies: Mapping[str, Reply], container: Container
) -> tuple[dict[str, Fact], dict[str, str]]:
    """Make facts of the answers, but the log's. What failed or was cut off is left out, with its reason."""
    resolvers = _read(replies["resolver"], lambda body: tuple(dict.fromkeys(_NAMESERVER.findall(body))))
    found: dict[str, tuple[FactValue | WhyNot, str]] = {
        "host.time": (_read(replies["time"], _time), "time"),
        "host.egress": (_read(replies["egress"], _egress), "egress"),
        "host.hops": (_hops(replies), f"hop.{_HOPS[0]}"),
        "host.resolvers": (resolvers, "resolver"),
        "host.plex_tv": (_plex_tv(replies.get(_PLEX_TV.id)), "plex_tv"),
    }
    facts: dict[str, Fact] = {}
    reasons: dict[str, str] = {}
    for name, (value, exhibit) in found.items():
        if isinstance(value, WhyNot):
            reasons[name] = value.text
        else:
            facts[name] = Fact(name, value, f"server.{exhibit}")
    inside, why = container_facts(replies, container)
    return facts | inside, reasons | why


def _read(reply: Reply, read: Callable[[str], FactValue | WhyNot]) -> FactValue | WhyNot:
    """Read a whole answer of a command that went well; say of another why it is of no use."""
    return read(reply.body) if reply.whole and reply.status == 0 else WhyNot(failed(reply))


def _time(body: str) -> str | WhyNot:
    text = body.strip()
    try:
        known = datetime.fromisoformat(text).tzinfo is None and re.fullmatch(r"[0-9T:-]{19}", text)
    except ValueError:
        known = None
    return text if known else WhyNot("the server's clock is not understood")


def _egress(body: str) -> str | WhyNot:
    try:
        routes: Any = json.loads(body)
        device = routes[0].get("dev")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        device = None
    return str(device) if device else WhyNot("the answer to egress names no interface")


def _hops(replies: Mapping[str, Reply]) -> tuple[str, ...] | WhyNot:
    """Give both hops, or that they are unknown: a ping that did not run has not met a silent hop."""
    found: list[str] = []
    if any(read.id not in replies for read in _HOP_READS):
        return WhyNot(_NOT_SENT)
    for read in _HOP_READS:
        reply = replies[read.id]
        answered = _HOP.search(reply.body) if reply.whole else None
        if answered is not None:
            found.append(answered[1] or answered[2])
        elif reply.whole and reply.status == 1 and not reply.stderr.strip() and _LOST.search(reply.body):
            found.append("-")
        else:
            return WhyNot(failed(reply))
    return tuple(found)


def _plex_tv(reply: Reply | None) -> FactValue | WhyNot:
    """Give the addresses that plex.tv has for the server; none where the name is not found."""
    if reply is None:
        return WhyNot(_NOT_SENT)
    if reply.whole and reply.status == _NO_NAME and not (reply.body + reply.stderr).strip():
        return ()
    return _read(reply, _addresses)


def _addresses(body: str) -> tuple[str, ...] | WhyNot:
    try:
        found = [str(IPv4Address(line.split()[0])) for line in body.splitlines() if line.strip()]
    except AddressValueError:
        return WhyNot("the answer to plex_tv is not understood")
    return tuple(dict.fromkeys(found)) or WhyNot("the answer to plex_tv is empty")
