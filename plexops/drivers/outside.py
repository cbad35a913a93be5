"""What the world sees: our public address, and whether the port answers. Asked by `curl` on hosts that we may use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from plexops.drivers.base import Observation
from plexops.model.entries import Echo, Probe, ProbeAnswer
from plexops.model.exchange import Command, Read, Reply
from plexops.model.snapshot import SOMEBODY, Entry, Kind, KindState, Role, Snapshot

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
_REFUSED = 7
_TIMED_OUT = 28
_NO_PROGRAM = 127

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~:/-]*)?")
_IDENTIFIER = re.compile(r'machineIdentifier="([A-Za-z0-9-]{1,64})"')


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
                Command(f"curl -s -4 --max-time {ECHO_SECONDS} {url}"),
                seconds=ECHO_SECONDS + 2,
            )
            for index, url in enumerate(self.urls)
            if _URL.fullmatch(url)
        )
        if not reads:
            return Snapshot(Role.OUTSIDE, kinds={Kind.ECHO: KindState.ABSENT})
        replies = yield reads
        by_url = dict(zip((read.id for read in reads), self.urls, strict=False))
        entries = [_echo(by_url[reply.id], reply, self.asked_from) for reply in replies]
        found = tuple(entry for entry in entries if entry is not None)
        state = KindState.PRESENT if found else KindState.UNKNOWN
        reasons: dict[str, str] = {} if found else {Kind.ECHO: "no service told our public address"}
        return Snapshot(Role.OUTSIDE, {}, found, {Kind.ECHO: state}, reasons)


def _echo(url: str, reply: Reply, asked_from: str) -> Entry | None:
    if not reply.whole or reply.status != 0:
        return None
    try:
        address = IPv4Address(reply.body.strip())
    except (AddressValueError, ValueError):
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
    """Tries one port from one vantage and reads who answers."""

    vantage: str
    address: IPv4Address
    port: int
    identifier: str = ""

    def observe(self) -> Observation:
        """Ask over HTTP; where something listens but speaks no HTTP, over HTTPS."""
        target = f"{self.address}:{self.port}/identity"
        limits = f"--connect-timeout {PROBE_SECONDS} --max-time {PROBE_SECONDS + 3}"
        name = f"probe.{self.vantage}"
        plain = Read(name, Command(f"curl -s {limits} http://{target}"), seconds=PROBE_SECONDS + 5)
        (reply,) = yield (plain,)
        if reply.whole and reply.status not in (0, _REFUSED, _TIMED_OUT, _NO_PROGRAM):
            secure = Read(name, Command(f"curl -s -k {limits} https://{target}"), seconds=PROBE_SECONDS + 5)
            (reply,) = yield (secure,)
        return Snapshot(Role.OUTSIDE, {}, (self._entry(reply),), {Kind.PROBE: KindState.PRESENT}, {})

    def unasked(self) -> Snapshot:
        """Give what is known when the vantage itself could not be asked: that nobody knows."""
        values = Probe(self.vantage, self.address, self.port, ProbeAnswer.UNKNOWN)
        entry = Entry(Kind.PROBE, values, {}, SOMEBODY, self.vantage, "")
        return Snapshot(Role.OUTSIDE, {}, (entry,), {Kind.PROBE: KindState.UNKNOWN}, {})

    def _entry(self, reply: Reply) -> Entry:
        found = _IDENTIFIER.search(reply.body) if reply.whole else None
        who = found[1] if found else ""
        answer = self._answer(reply, who)
        values = Probe(self.vantage, self.address, self.port, answer, who)
        raw: Mapping[str, str] = {"status": str(reply.status)}
        return Entry(Kind.PROBE, values, raw, SOMEBODY, self.vantage, f"outside.{reply.id}")

    def _answer(self, reply: Reply, who: str) -> ProbeAnswer:
        if not reply.whole or reply.status is None or reply.status == _NO_PROGRAM:
            return ProbeAnswer.UNKNOWN
        if reply.status == _REFUSED:
            return ProbeAnswer.REFUSED
        if reply.status == _TIMED_OUT:
            return ProbeAnswer.TIMED_OUT
        if reply.status != 0 or not who or (self.identifier and who != self.identifier):
            return ProbeAnswer.WRONG_SERVER
        return ProbeAnswer.OPEN


def merge(snapshots: Sequence[Snapshot]) -> Snapshot:
    """Make one snapshot of everything that was learnt outside."""
    entries = tuple(entry for snapshot in snapshots for entry in snapshot.entries)
    kinds = {kind: state for snapshot in snapshots for kind, state in snapshot.kinds.items()}
    reasons = {name: why for snapshot in snapshots for name, why in snapshot.reasons.items()}
    return Snapshot(Role.OUTSIDE, {}, entries, kinds, reasons)
