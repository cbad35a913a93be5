"""What the world sees: our public address, and whether the port answers. Asked by `curl` on hosts that we may use.

Our address as this computer sees it is asked of echoes over HTTP, and of STUN servers over UDP.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.drivers.base import Observation
from plexops.model.entries import Echo, Probe, ProbeAnswer
from plexops.model.exchange import Command, Look, LookKind, Read, Reply
from plexops.model.snapshot import FOREIGN, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.model.values import Endpoint
from plexops.parsers.plex_identity import parse_identity
from plexops.pattern import Pattern

#: What Plex itself asks, and two that answer with the plain address. All over IPv4.
USUAL_ECHOES: tuple[str, ...] = (
    "https://v4.plex.tv/pms/:/ip",
    "https://api.ipify.org",
    "https://checkip.amazonaws.com",
)

#: A dropped packet costs this whole time, in seconds.
PROBE_SECONDS = 5
ECHO_SECONDS = 4

#: Who is asked over UDP: a second way, which no proxy for web pages touches.
USUAL_STUN: tuple[str, ...] = ("stun.cloudflare.com:3478",)
#: A STUN server answers at once or never; in this time it is asked twice.
_STUN_SECONDS = 2.0

#: curl(1), "EXIT CODES".
_NO_NAME = 6
_REFUSED = 7
_TIMED_OUT = 28
_UNTRUSTED = 60
#: It has no certificates of authorities to judge by.
_NO_AUTHORITIES = 77
_NO_PROGRAM = 127
_ANSWERS: Mapping[int | None, ProbeAnswer] = {
    _NO_NAME: ProbeAnswer.NO_NAME,
    _TIMED_OUT: ProbeAnswer.TIMED_OUT,
}

#: curl's words for why a connection did not come about (`-v`; without it, new versions no longer tell).
_WHY = Pattern(r"^\* connect to .+ failed: (.+)$|: (Connection refused|No route to host)$", re.MULTILINE)
#: Where it connected to; from 8.16 on in other words.
_CONNECTED = Pattern(
    r"^\* (?:Connected|Established connection) to \S+ \(([0-9A-Fa-f.:]+)(?:\)| port)", re.MULTILINE
)
_TRYING = Pattern(r"^\*\s+Trying \[?([0-9A-Fa-f.:]+?)\]?:[0-9]+\.\.\.", re.MULTILINE)
_STATUS = Pattern(r"^< HTTP/[0-9.]+ ([0-9]{3})", re.MULTILINE)
_NAME = Pattern(r"(?=.{1,253}\Z)[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_URL = Pattern(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/-]*)?")


class EchoDriver(Struct, frozen=True):
    """Asks services for our public address, from a host in the home."""

    urls: tuple[str, ...]
    asked_from: str

    def observe(self) -> Observation:
        """Ask them all in one round."""
        reads = tuple(
            Read(f"echo.{index}", _ask_echo(url), seconds=ECHO_SECONDS + 2)
            for index, url in enumerate(self.urls)
            if _URL.fullmatch(url)
        )
        if not reads:
            return Snapshot(Role.OUTSIDE, kinds={Kind.ECHO: KindState.ABSENT})
        replies = yield reads
        hosts = {f"echo.{index}": url.split("/")[2] for index, url in enumerate(self.urls)}
        found = tuple(
            _echo(hosts[reply.id], address, reply, self.asked_from)
            for reply in replies
            if (address := found_address(reply)[0]) is not None
        )
        state = KindState.PRESENT if found else KindState.UNKNOWN
        reasons: dict[str, str] = {} if found else {Kind.ECHO: "no service gave our public address"}
        # None where they failed of several things, or of something else.
        causes = {_cause(reply) for reply in replies}
        failure = "" if found else causes.pop() if len(causes) == 1 else None
        facts: dict[str, Fact] = {}
        if failure is None:
            statuses = ", ".join(str(reply.status) for reply in replies)
            reasons["outside.failure"] = f"no service answered, for reasons that differ (curl: {statuses})"
        else:
            facts["outside.failure"] = Fact("outside.failure", failure, f"outside.{replies[0].id}")
        return Snapshot(Role.OUTSIDE, facts, found, {Kind.ECHO: state}, reasons)


def _ask_echo(url: str) -> Command:
    """`-S`: only curl's own words tell a name that was waited for from a host that was."""
    return Command(f"curl -s -S -4 --max-time {ECHO_SECONDS} {url}")


def _cause(reply: Reply) -> str | None:
    """Name the cause of one failure. A resolver that keeps silent looks like a timeout: curl gives up first."""
    if not reply.whole:
        return None
    if reply.status == _NO_NAME or (reply.status == _TIMED_OUT and "Resolving timed out" in reply.stderr):
        return "dns"
    return "no route" if reply.status in (_REFUSED, _TIMED_OUT) else None


def found_address(reply: Reply) -> tuple[IPv4Address | None, str]:
    """Read an address that this computer found out; or why there is none."""
    if reply.status != 0 or not reply.whole:
        return None, reply.stderr or "no whole answer"
    try:
        return IPv4Address(reply.body.strip()), ""
    except AddressValueError:
        return None, "no address in the answer"


def _echo(host: str, address: IPv4Address, reply: Reply, asked_from: str, handle: str = "") -> Entry:
    raw = {"answer": str(address)}
    exhibit = f"outside.{reply.id}"
    return Entry(Kind.ECHO, Echo(host, address, asked_from), raw, FOREIGN, handle or host, exhibit)


class Saw(Struct, frozen=True):
    """What one of them said. `source` is its name, `asked` all that was asked; `failure` says why there is no address."""

    source: str
    asked: str
    address: IPv4Address | None
    failure: str = ""


class OwnViewDriver(Struct, frozen=True):
    """Asks all of them at once; `seconds` bounds each echo."""

    echoes: tuple[str, ...]
    stun: tuple[str, ...] = ()
    seconds: float = float(ECHO_SECONDS)

    def reads(self) -> tuple[Read, ...]:
        """Give the questions."""
        pages = [Read(f"here.{url}", Look(LookKind.ECHO, url), seconds=self.seconds) for url in self.echoes]
        packets = [
            Read(f"here.stun:{server}", Look(LookKind.STUN, server), seconds=_STUN_SECONDS)
            for server in self.stun
        ]
        return (*pages, *packets)

    def observe(self) -> Observation:
        """Ask them all in one round."""
        replies = yield self.reads()
        entries = tuple(
            _echo(said.source, said.address, reply, "controller", f"here {said.asked}")
            for said, reply in zip(self.understand(replies), replies, strict=True)
            if said.address is not None
        )
        return Snapshot(Role.OUTSIDE, {}, entries, {Kind.ECHO: KindState.PRESENT} if entries else {}, {})

    def understand(self, replies: Sequence[Reply]) -> tuple[Saw, ...]:
        """Say who saw what, in the order of the questions."""
        names = [(urlsplit(url).netloc, url) for url in self.echoes]
        names += [(f"stun:{server.partition(':')[0]}", f"stun:{server}") for server in self.stun]
        return tuple(Saw(*name, *found_address(reply)) for name, reply in zip(names, replies, strict=True))


class ProbeDriver(Struct, frozen=True):
    """Tries one address or name from one vantage and reads who answers.

    `echo` is the address of a service that tells a public address: asked there, it shows a vantage that stands in the
    home itself, whose public address is `home`. `inside`: that is known already. `further`: the vantage tries something
    else too; this tells their exhibits apart. `secure` is what a URL names: https or http; None: whatever answers.
    """

    vantage: str
    at: Endpoint
    identifier: str = ""
    echo: str = ""
    home: IPv4Address | None = None
    inside: bool = False
    further: str = ""
    secure: bool | None = None

    def observe(self) -> Observation:
        """Ask over HTTP; where something listens but is no Plex there, over HTTPS."""
        if self.at.address is None and not _NAME.fullmatch(self.at.host):
            return self.not_asked()
        where: tuple[Read, ...] = ()
        if _URL.fullmatch(self.echo):
            where = (Read(f"echo.{self.vantage}", _ask_echo(self.echo), seconds=ECHO_SECONDS + 2),)
        reply, *others = yield (self._read(secure=self.secure is True), *where)
        # Who does not say where it stands may stand in the home itself, where success proves nothing.
        inside = self.inside or any(found_address(other)[0] in (None, self.home) for other in others)
        untrusted = self.secure is True and reply.status == _UNTRUSTED
        if untrusted or (self.secure is None and _may_be_secure(reply)):
            (second,) = yield (self._read(secure=True, trusting=True),)
            if untrusted or second.status == 0 or reply.status != 0:
                reply = second
        entry = self._entry(reply, inside=inside, untrusted=untrusted)
        return Snapshot(Role.OUTSIDE, {}, (entry,), {Kind.PROBE: KindState.PRESENT}, {})

    def not_asked(self) -> Snapshot:
        """Give what is known when the vantage itself could not be asked: nothing."""
        values = self._probe(ProbeAnswer.UNKNOWN, inside=self.inside)
        entry = Entry(Kind.PROBE, values, {}, FOREIGN, self.vantage, "")
        return Snapshot(Role.OUTSIDE, {}, (entry,), {Kind.PROBE: KindState.UNKNOWN}, {})

    def _read(self, *, secure: bool, trusting: bool = False) -> Read:
        limits = f"--connect-timeout {PROBE_SECONDS} --max-time {PROBE_SECONDS + 3}"
        # Without `-g` curl takes the brackets of an IPv6 address for a pattern.
        flags = "-s -v" + (" -g" if self.at.over_ipv6 else "") + (" -k" if trusting else "")
        url = shlex.quote(f"{'https' if secure else 'http'}://{self.at}/identity")
        name = ".".join(part for part in ("probe", self.vantage, self.further) if part)
        return Read(name, Command(f"curl {flags} {limits} {url}"), seconds=PROBE_SECONDS + 5)

    def _probe(
        self, answer: ProbeAnswer, who: str = "", *, inside: bool, reply: Reply | None = None
    ) -> Probe:
        address, name = self.at.address, ""
        if address is None:
            address, name = None if reply is None else _met(reply), self.at.host
        told = _STATUS.findall(reply.stderr) if reply and answer is ProbeAnswer.WRONG_SERVER else []
        status = int(told[-1]) if told else 0
        return Probe(
            self.vantage, address, self.at.port, answer, who, inside=inside, name=name, status=status
        )

    def _entry(self, reply: Reply, *, inside: bool, untrusted: bool) -> Entry:
        found = parse_identity(reply.body) if reply.whole else None
        who = found.identifier if found else ""
        answer = self._answer(reply, who)
        if untrusted and answer is ProbeAnswer.OPEN:
            answer = ProbeAnswer.UNTRUSTED
        values = self._probe(answer, who, inside=inside, reply=reply)
        raw: Mapping[str, str] = {"status": str(reply.status)}
        return Entry(Kind.PROBE, values, raw, FOREIGN, self.vantage, f"outside.{reply.id}")

    def _answer(self, reply: Reply, who: str) -> ProbeAnswer:
        if not reply.whole or reply.status in (None, _NO_PROGRAM, _NO_AUTHORITIES):
            return ProbeAnswer.UNKNOWN
        if reply.status == _REFUSED:
            return _not_open(reply)
        if reply.status in _ANSWERS:
            return _ANSWERS[reply.status]
        if reply.status != 0 or not who or (self.identifier and who != self.identifier):
            return ProbeAnswer.WRONG_SERVER
        return ProbeAnswer.OPEN


def _may_be_secure(reply: Reply) -> bool:
    """Tell whether something listens that did not say over HTTP which Plex it is."""
    ended = (_NO_NAME, _REFUSED, _TIMED_OUT, _NO_PROGRAM)
    return reply.whole and reply.status not in ended and parse_identity(reply.body) is None


def _met(reply: Reply) -> IPv4Address | IPv6Address | None:
    """Give the address to which a name led; None where curl connected nowhere and tried none."""
    found = _CONNECTED.findall(reply.stderr) or _TRYING.findall(reply.stderr)
    try:
        return ip_address(found[0]) if found else None
    except ValueError:
        return None


def _not_open(reply: Reply) -> ProbeAnswer:
    """Tell a refusal (RST) from a filter's or router's ICMP “unreachable”; curl has one status for both.

    Where not even the vantage's own network has a way, nothing was tried.
    """
    why = {said[0] or said[1] for said in _WHY.findall(reply.stderr)}
    if why == {"Connection refused"}:
        return ProbeAnswer.REFUSED
    return ProbeAnswer.UNREACHABLE if why == {"No route to host"} else ProbeAnswer.UNKNOWN


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Make one snapshot of everything that was learnt outside."""
    entries = tuple(entry for snapshot in snapshots for entry in snapshot.entries)
    facts = {name: fact for snapshot in snapshots for name, fact in snapshot.facts.items()}
    kinds = {kind: state for snapshot in snapshots for kind, state in snapshot.kinds.items()}
    reasons = {name: why for snapshot in snapshots for name, why in snapshot.reasons.items()}
    return Snapshot(Role.OUTSIDE, facts, entries, kinds, reasons)
