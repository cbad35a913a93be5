"""What the world sees: our public address, and whether the port answers. Asked by `curl` on hosts that we may use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from plexops.drivers.base import Observation
from plexops.model.entries import Echo, Probe, ProbeAnswer
from plexops.model.exchange import Command, Read, Reply
from plexops.model.snapshot import SOMEBODY, Entry, Fact, Kind, KindState, Role, Snapshot
from plexops.parsers.plex_identity import parse_identity

#: What Plex itself asks, and two that answer with the plain address. All over IPv4.
USUAL_ECHOES: tuple[str, ...] = (
    "https://v4.plex.tv/pms/:/ip",
    "https://api.ipify.org",
    "https://checkip.amazonaws.com",
)

#: A dropped packet costs this whole time, in seconds.
PROBE_SECONDS = 5
ECHO_SECONDS = 4

#: curl(1), "EXIT CODES".
_NO_NAME = 6
_REFUSED = 7
_TIMED_OUT = 28
_NO_PROGRAM = 127

#: curl's words for why a connection did not come about (`-v`; without it, new versions no longer tell).
_WHY = re.compile(r"^\* connect to .+ failed: (.+)$|: (Connection refused|No route to host)$", re.MULTILINE)
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/-]*)?")


@dataclass(frozen=True, slots=True)
class EchoDriver:
    """Asks services for our public address, from a host in the home."""

    urls: tuple[str, ...]
    asked_from: str

    def observe(self) -> Observation:
        """Ask them all in one round."""
        reads = tuple(
            Read(
                f"echo.{index}",
                _ask_echo(url),
                seconds=ECHO_SECONDS + 2,
            )
            for index, url in enumerate(self.urls)
            if _URL.fullmatch(url)
        )
        if not reads:
            return Snapshot(Role.OUTSIDE, kinds={Kind.ECHO: KindState.ABSENT})
        replies = yield reads
        by_url = {f"echo.{index}": url for index, url in enumerate(self.urls)}
        entries = [_echo(by_url[reply.id], reply, self.asked_from) for reply in replies]
        found = tuple(entry for entry in entries if entry is not None)
        state = KindState.PRESENT if found else KindState.UNKNOWN
        reasons: dict[str, str] = {} if found else {Kind.ECHO: "no service told our public address"}
        failure = "" if found else _failure(replies)
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


def _failure(replies: Sequence[Reply]) -> str | None:
    """Say what all attempts failed of; None where they failed of several things, or of something else."""
    causes = {_cause(reply) for reply in replies}
    return causes.pop() if len(causes) == 1 else None


def _cause(reply: Reply) -> str | None:
    """Name the cause of one failure. A resolver that keeps silent looks like a timeout: curl gives up first."""
    if not reply.whole:
        return None
    if reply.status == _NO_NAME or (reply.status == _TIMED_OUT and "Resolving timed out" in reply.stderr):
        return "dns"
    return "no route" if reply.status in (_REFUSED, _TIMED_OUT) else None


def _answer_of(reply: Reply) -> IPv4Address | None:
    if not reply.whole or reply.status != 0:
        return None
    try:
        return IPv4Address(reply.body.strip())
    except (AddressValueError, ValueError):
        return None


def _echo(url: str, reply: Reply, asked_from: str) -> Entry | None:
    address = _answer_of(reply)
    if address is None:
        return None
    host = url.split("/")[2]
    return Entry(
        Kind.ECHO,
        Echo(host, address, asked_from),
        {"answer": str(address)},
        SOMEBODY,
        host,
        f"outside.{reply.id}",
    )


@dataclass(frozen=True, slots=True)
class ProbeDriver:
    """Tries one port from one vantage and reads who answers.

    `echo` is the address of a service that tells a public address: asked there, it shows a vantage that stands in the
    home itself. `inside`: that is known already. `further`: the vantage tries another port too, with an exhibit each.
    """

    vantage: str
    address: IPv4Address
    port: int
    identifier: str = ""
    echo: str = ""
    inside: bool = False
    further: bool = False

    def observe(self) -> Observation:
        """Ask over HTTP; where something listens but speaks no HTTP, over HTTPS."""
        target = f"{self.address}:{self.port}/identity"
        limits = f"--connect-timeout {PROBE_SECONDS} --max-time {PROBE_SECONDS + 3}"
        name = f"probe.{self.vantage}" + (f".{self.port}" if self.further else "")
        plain = Read(name, Command(f"curl -s -v {limits} http://{target}"), seconds=PROBE_SECONDS + 5)
        where: tuple[Read, ...] = ()
        if _URL.fullmatch(self.echo):
            where = (Read(f"echo.{self.vantage}", _ask_echo(self.echo), seconds=ECHO_SECONDS + 2),)
        reply, *others = yield (plain, *where)
        # Who does not say where it stands may stand in the home itself, where success proves nothing.
        inside = self.inside or any(_answer_of(other) in (None, self.address) for other in others)
        if reply.whole and reply.status not in (0, _REFUSED, _TIMED_OUT, _NO_PROGRAM):
            secure = Read(
                name, Command(f"curl -s -v -k {limits} https://{target}"), seconds=PROBE_SECONDS + 5
            )
            (reply,) = yield (secure,)
        entry = self._entry(reply, inside=inside)
        return Snapshot(Role.OUTSIDE, {}, (entry,), {Kind.PROBE: KindState.PRESENT}, {})

    def unasked(self) -> Snapshot:
        """Give what is known when the vantage itself could not be asked: that nobody knows."""
        values = Probe(self.vantage, self.address, self.port, ProbeAnswer.UNKNOWN, inside=self.inside)
        entry = Entry(Kind.PROBE, values, {}, SOMEBODY, self.vantage, "")
        return Snapshot(Role.OUTSIDE, {}, (entry,), {Kind.PROBE: KindState.UNKNOWN}, {})

    def _entry(self, reply: Reply, *, inside: bool) -> Entry:
        found = parse_identity(reply.body) if reply.whole else None
        who = found.identifier if found else ""
        answer = self._answer(reply, who)
        values = Probe(self.vantage, self.address, self.port, answer, who, inside=inside)
        raw: Mapping[str, str] = {"status": str(reply.status)}
        return Entry(Kind.PROBE, values, raw, SOMEBODY, self.vantage, f"outside.{reply.id}")

    def _answer(self, reply: Reply, who: str) -> ProbeAnswer:
        if not reply.whole or reply.status is None or reply.status == _NO_PROGRAM:
            return ProbeAnswer.UNKNOWN
        if reply.status == _REFUSED:
            return _not_open(reply)
        if reply.status == _TIMED_OUT:
            return ProbeAnswer.TIMED_OUT
        if reply.status != 0 or not who or (self.identifier and who != self.identifier):
            return ProbeAnswer.WRONG_SERVER
        return ProbeAnswer.OPEN


def _not_open(reply: Reply) -> ProbeAnswer:
    """Tell a refusal (RST) from a filter's or router's word that nobody gets there (ICMP); curl has one status for both.

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
