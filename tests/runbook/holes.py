"""A recorded home judged again with less: answers that are lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from plexops.cli.session import Files, open_homes
from plexops.engine.look.access import Links, ReplayedLinks
from plexops.engine.look.site import Home
from plexops.evidence.folder import Store
from plexops.model.errors import PlexopsError, Problem
from plexops.model.exchange import Read, Reply
from plexops.model.plan import Authorized
from plexops.runbook.situation import Situation
from plexops.runbook.verdict import Verdict, judge
from plexops.structs import replace
from plexops.transport.link import LinkSettings, ReadLink, ReadSettings, WriteLink
from tests.runbook.recorded import RECORDING, Diagnosed


class HoledLink(Struct, frozen=True):
    """A link of a recording whose answers to some questions are lost on the way."""

    link: ReadLink
    device: str
    lost: frozenset[str]

    @property
    def identity(self) -> str:
        return self.link.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        if self.device in self.lost:
            raise PlexopsError(Problem("PLX-D102", f"{self.device} does not answer"))
        return tuple(
            replace(reply, status=None, body="", stderr="", whole=False)
            if f"{self.device}:{read.id}" in self.lost
            else reply
            for read, reply in zip(reads, self.link.ask(reads), strict=True)
        )

    def close(self) -> None:
        self.link.close()


class HoledLinks(Struct, frozen=True):
    """A recording with holes; `asked` gathers what there is to lose."""

    links: Links
    lost: frozenset[str]
    asked: set[str]

    @property
    def live(self) -> bool:
        return False

    def read(self, device: str, link_settings: Callable[[], ReadSettings]) -> ReadLink:
        link = HoledLink(self.links.read(device, link_settings), device, self.lost)
        return Noting(link, self.asked)

    def write(self, link_settings: LinkSettings, authorized: Authorized) -> WriteLink:
        raise AssertionError("a diagnosis writes nothing")


class Noting(Struct, frozen=True):
    """Notes the questions."""

    link: HoledLink
    asked: set[str]

    @property
    def identity(self) -> str:
        return self.link.identity

    def ask(self, reads: Sequence[Read]) -> tuple[Reply, ...]:
        self.asked.add(self.link.device)
        self.asked.update(f"{self.link.device}:{read.id}" for read in reads)
        return self.link.ask(reads)

    def close(self) -> None:
        self.link.close()


class Replayed(Struct, frozen=True):
    """One scenario that can be judged again with less. `losable`: devices, and answers as DEVICE:QUESTION."""

    home: Home
    recording: Path
    port: int | None
    full: Verdict
    losable: tuple[str, ...]

    def judged(self, lost: frozenset[str]) -> Verdict:
        return _judged(self.home, self.recording, self.port, lost, set())


def replayed(done: Diagnosed) -> Replayed:
    """Judge the recording of a diagnosed scenario with all evidence."""
    files = Files(done.directory / "inventory.yaml", (done.directory / "playbooks",), for_diagnosis=True)
    store = Store.open(done.directory / "replayed")
    recording = done.directory / RECORDING
    (home,) = open_homes(files, store, {"replay": recording})
    asked: set[str] = set()
    port = home.tasks.external_port
    full = _judged(home, recording, port, frozenset(), asked)
    return Replayed(home, recording, port, full, tuple(sorted(asked)))


def _judged(home: Home, recording: Path, port: int | None, lost: frozenset[str], asked: set[str]) -> Verdict:
    links = HoledLinks(ReplayedLinks(recording), lost, asked)
    seen = replace(home, links=links).observer().look(port, thorough=True)
    return judge(Situation(seen.view, port))
