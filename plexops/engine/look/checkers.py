"""Services outside that try the port, asked only because the user named them: from which line, and what each told."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from types import MappingProxyType

from msgspec import Struct

from plexops.drivers.around.checkers import BY, FROM, TOLD, CheckerDriver
from plexops.drivers.around.outside import merge
from plexops.engine.look.access import Access, Links
from plexops.engine.look.asking import Answered, ask_all
from plexops.engine.look.own_view import stands_in
from plexops.engine.look.vantages import address_outside
from plexops.model.entries import Probe, ProbeAnswer
from plexops.model.errors import PlexopsError
from plexops.model.run import Exhibit
from plexops.model.site import Checker
from plexops.model.snapshot import Entry, Role, Snapshot
from plexops.model.values import is_public
from plexops.runbook.endpoints import proxy
from plexops.runbook.view import SiteView
from plexops.transport.around.local_queries import HereLink
from plexops.transport.here import HereSettings
from plexops.transport.workers import workers

_NO_PORT = "no public address of ours, or no port to try, is known"


class Checkers(Struct, frozen=True):
    """A site's services. `server_address` is where the server answers, when that is not where it shall be."""

    access: Access
    links: Links
    server_address: str = ""

    def ask(self, view: SiteView, port: int) -> tuple[list[Snapshot], list[Exhibit]]:
        """Let each of them try the port, once, all at the same time. Like vantages they are witnesses, and stop nothing."""
        checkers = self.access.site.checkers
        url = proxy(view)
        if url is not None:
            why = f"it tries the home's own address, and viewers come by {url.at}"
            return [Snapshot(Role.OUTSIDE, reasons={_key(one): why for one in checkers})], []
        address = address_outside(view)
        if not checkers or address is None or not is_public(address):
            return [], []
        with workers(len(checkers)) as pool:
            parts = list(pool.map(lambda checker: self._ask(checker, address, port), checkers))
        found = [part.snapshot for part in parts if part.snapshot is not None]
        return found, [exhibit for part in parts for exhibit in part.exhibits]

    def _ask(self, checker: Checker, address: IPv4Address, port: int) -> Answered:
        server = self.access.site.server
        by_server = checker.tries_its_asker and server is not None and server.login is not None
        driver = CheckerDriver(checker, address, port, by_server)
        if checker.tries_its_asker and not by_server and self.links.live and not stands_in(self.access.site):
            why = "it tries the address of who asks, and neither the server nor this computer can ask from the home"
            return Answered(snapshot=Snapshot(Role.OUTSIDE, reasons=MappingProxyType({_key(checker): why})))
        device = self.access.device(f"checker {checker.where}")
        try:
            link = self.links.read(
                device,
                lambda: self.access.server(self.server_address) if by_server else HereSettings(device),
            )
            return ask_all(driver.observe(), link, Role.OUTSIDE)
        except PlexopsError as error:
            return Answered(snapshot=driver.not_asked(error.problems[0].reason))


def ask_from_here(checkers: Sequence[Checker], address: IPv4Address, port: int) -> Snapshot:
    """Let services try a port, asked by this computer alone. The caller knows that it stands in the home."""
    drivers = [CheckerDriver(checker, address, port) for checker in checkers]
    # One look each, all at once: this computer's own link has no state.
    replies = HereLink(HereSettings("here")).ask([driver.read for driver in drivers])
    return merge([driver.understand(reply) for driver, reply in zip(drivers, replies, strict=True)])


def account_of(checkers: Sequence[Checker], outside: Snapshot, not_asked: str = "") -> tuple[str, ...]:
    """Say of each service what it was asked and what it told, or why it was not asked."""
    return tuple(_account(checker, outside, not_asked) for checker in checkers)


def _account(checker: Checker, outside: Snapshot, not_asked: str) -> str:
    told = [entry for entry in outside.held(Probe) if entry.raw.get(BY) == checker.where]
    if not told:
        return f"{checker.where} was not asked: {outside.reasons.get(_key(checker)) or not_asked or _NO_PORT}"
    first = told[0].values
    said = ", ".join(_said(entry, checker) for entry in told)
    return f"{checker.where} was asked about {first.address}:{first.port}: {said}"


def _said(entry: Entry[Probe], checker: Checker) -> str:
    probe = entry.values
    if probe.answer is ProbeAnswer.UNKNOWN:
        return str(entry.raw[TOLD])
    place, origin = probe.vantage.removeprefix(checker.where).strip(), entry.raw[FROM]
    if not place:
        return f"{probe.answer} ({entry.raw[TOLD]})"
    return f"{place} ({origin}): {probe.answer}" if origin else f"{place}: {probe.answer}"


def _key(checker: Checker) -> str:
    return f"checker.{checker.where}"
