"""Attempts from outside: which count about the way that viewers take now, what each got back, and which say nothing."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.snapshot import Entry, Role
from plexops.model.values import Endpoint
from plexops.runbook import answers, conditions, endpoints
from plexops.runbook.view import SiteView, public_addresses


class Came(StrEnum):
    """What an attempt from outside got back."""

    MET = "reached Plex"
    ANOTHER = "another server answered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    SILENCE = "no answer"
    #: No connection came about, and who tried does not say whether anything answered.
    CLOSED = "closed"
    #: Asked by a name that leads to no address.
    NO_NAME = "no such name"
    #: This Plex, behind a certificate that does not hold for the name.
    UNTRUSTED = "certificate not trusted"


#: An answer of any kind: packets arrive somewhere.
TURNED_AWAY = frozenset({Came.ANOTHER, Came.REFUSED, Came.UNREACHABLE})

_CAME = {
    ProbeAnswer.REFUSED: Came.REFUSED,
    ProbeAnswer.UNREACHABLE: Came.UNREACHABLE,
    ProbeAnswer.TIMED_OUT: Came.SILENCE,
    ProbeAnswer.WRONG_SERVER: Came.ANOTHER,
    ProbeAnswer.CLOSED: Came.CLOSED,
    ProbeAnswer.NO_NAME: Came.NO_NAME,
    ProbeAnswer.UNTRUSTED: Came.UNTRUSTED,
}


class Attempt(Struct, frozen=True):
    """One attempt from outside that counts. `elsewhere`: it was by a name, which leads to an address that is not ours."""

    probe: Probe
    came: Came
    exhibit: str
    elsewhere: bool = False

    @property
    def who(self) -> str:
        return self.probe.vantage

    @property
    def port(self) -> int:
        return self.probe.port

    def may_come_of(self, possible: frozenset[Came]) -> bool:
        """Tell whether something in the home after which one gets one of `possible` back may explain it.

        What stands elsewhere and answers for the home may have met anything there; else the home has no part in it.
        """
        if self.came is Came.CLOSED or (self.probe.name and self.came is Came.ANOTHER):
            return True
        return self.came in possible and not self.elsewhere


class Attempts(Struct, frozen=True):
    """All attempts. `discarded` says of each that does not count why; `unanswered` who was asked in vain."""

    #: Those that count over IPv4, or by the proxy's name.
    attempts: tuple[Attempt, ...]
    #: Those at an address of IPv6 that apps are told.
    over_ipv6: tuple[Attempt, ...]
    discarded: tuple[str, ...]
    unanswered: tuple[str, ...]


def attempts(view: SiteView, port: int | None) -> Attempts:
    """Sort what was tried. `port` is where viewers come in over IPv4, or by the proxy; None where that is not known."""
    entries = (*view.of(Role.OUTSIDE).held(Probe), *answers.attempts(view, port))
    sorting = _Sorting(view, port, tuple(entry.values for entry in entries))
    counting: list[Attempt] = []
    over_ipv6: list[Attempt] = []
    discarded: list[str] = []
    unanswered: list[str] = []
    for entry in entries:
        probe = entry.values
        reason = sorting.says_nothing(probe)
        if probe.inside and not probe.made:
            unanswered.append(conditions.stands_inside(probe))
        elif probe.answer is ProbeAnswer.UNKNOWN and not probe.inside and not probe.over_ipv6:
            unanswered.append(_why_unanswered(entry))
        elif reason:
            discarded.append(reason)
        else:
            other = probe.over_ipv6 and view.access != "proxy"
            (over_ipv6 if other else counting).append(sorting.counted(entry))
    return Attempts(
        tuple(counting), tuple(over_ipv6), tuple(dict.fromkeys(discarded)), tuple(dict.fromkeys(unanswered))
    )


class _Sorting(Struct, frozen=True):
    """What attempts are compared with."""

    view: SiteView
    port: int | None
    all: tuple[Probe, ...]

    @property
    def _identifier(self) -> str | None:
        return self.view.of(Role.PLEX).text("plex.identifier")

    def counted(self, entry: Entry[Probe]) -> Attempt:
        probe = entry.values
        another = probe.answer is ProbeAnswer.OPEN and probe.identifier != self._identifier
        came = Came.ANOTHER if another else _CAME.get(probe.answer, Came.MET)
        if self.view.access != "proxy":
            # Apps come by a name that plex.tv vouches for, whatever name was asked.
            return Attempt(probe, Came.MET if came is Came.UNTRUSTED else came, entry.exhibit)
        ours = {address for address, _, _ in public_addresses(self.view)}
        elsewhere = bool(probe.name) and probe.address is not None and probe.address not in ours
        return Attempt(probe, came, entry.exhibit, elsewhere)

    def says_nothing(self, probe: Probe) -> str:
        """Say why an attempt does not count; empty where it does."""
        if probe.inside:
            return conditions.stands_inside(probe)
        reason = self._says_nothing_there(probe)
        if reason:
            return reason
        if probe.answer is ProbeAnswer.LISTENS:
            return (
                f"{probe.vantage} found that something listens at port {probe.port}, and does not know what"
            )
        if probe.answer is ProbeAnswer.OPEN and not (self._identifier and probe.identifier):
            return f"{probe.vantage} found port {probe.port} open, and does not say which server answered"
        return ""

    def _says_nothing_there(self, probe: Probe) -> str:
        """Say why what was tried is not where viewers come in; empty where it is."""
        url = endpoints.proxy(self.view)
        if url is not None and (probe.name or self._leads_to):
            same = probe.asked == url.at if probe.name else probe.address in self._leads_to
            return "" if same else f"{probe.vantage} tried {probe.asked}, and viewers come by {url.at}"
        if probe.answer is ProbeAnswer.NO_NAME:
            return f"{probe.vantage} asked for {probe.asked}, a name that leads to no address"
        if probe.over_ipv6 and self.view.access != "proxy":
            return _says_nothing_over_ipv6(probe, endpoints.over_ipv6(self.view) or ())
        if self.port is not None and probe.port != self.port:
            return f"{probe.vantage} tried port {probe.port}, and viewers come by {self.port}"
        return ""

    @property
    def _leads_to(self) -> frozenset[object]:
        """Where the proxy's name leads, as those saw it who asked by it."""
        return frozenset(probe.address for probe in self.all if probe.name and probe.address is not None)


def _says_nothing_over_ipv6(probe: Probe, announced: Collection[Endpoint]) -> str:
    if probe.answer is ProbeAnswer.UNKNOWN:
        return f"{probe.vantage} has no way over IPv6"
    return (
        "" if probe.tried in announced else f"{probe.vantage} tried {probe.tried}, which plex.tv tells no app"
    )


def _why_unanswered(entry: Entry[Probe]) -> str:
    probe = entry.values
    said = entry.raw.get("told")
    if said:
        return f"{probe.vantage}: {said}"
    if not probe.made:
        return f"vantage {probe.vantage} could not be asked"
    why = "it is more than an hour old, or was at another address"
    return f"what {probe.vantage} tried does not count: {why}"
