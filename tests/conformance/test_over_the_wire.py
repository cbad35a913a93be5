"""The same over real SSH and HTTPS on loopback: what the transport adds changes nothing of what a device gets."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from plexops.config.profiles import load_profile
from plexops.drivers.compile import compile_profile
from plexops.drivers.profiled import ProfiledDriver
from plexops.engine.sending import unexpected
from plexops.lab.home import HomeOptions, RunningHome, start_home
from plexops.lab.https import TlsFiles
from plexops.lab.routers import ROUTERS, RouterName
from plexops.model.change import Change, find, inverse, is_done
from plexops.model.exchange import Script, Write
from plexops.model.finding import FindingStatus
from plexops.model.plan import GUARD_NAMES, GuardVerdict, Step, authorize
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, KindState, Snapshot
from plexops.transport.http_settings import BasicLogin, HttpSettings, Pinned
from plexops.transport.opening import LinkSettings, open_read, open_write
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust import Source, TrustedKey, TrustedKeys, fingerprint
from tests.conformance.conformance_bench import FORWARD, RESERVATION, changed, findings_of, task

HOLD = tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)
NASTY = "Mum's $(reboot) `reboot` ; %s {[find]} # é 'x'"
WANTED = (task(Kind.DHCP_RESERVATION, RESERVATION), task(Kind.PORT_FORWARD, replace(FORWARD, name=NASTY)))


@dataclass(frozen=True, slots=True)
class Wire:
    """The router of a running home, reached as plexops reaches it: each look and each step over its own link."""

    home: RunningHome
    settings: LinkSettings
    driver: ProfiledDriver

    def look(self) -> Snapshot:
        """Observe over a new connection."""
        link = open_read(self.settings)
        try:
            observation = self.driver.observe()
            reads = next(observation)
            while True:
                try:
                    reads = observation.send(link.ask(reads))
                except StopIteration as end:
                    return cast("Snapshot", end.value)
        finally:
            link.close()

    def send(self, change: Change, script: Script, writes: Sequence[Write]) -> None:
        """Send some of a script's requests, with leave for that script."""
        leave = authorize("home", Step(change, script), HOLD)
        assert leave
        link = open_write(self.settings, leave)
        try:
            for write in writes:
                assert unexpected(write.expect, link.send(write)) == "", write.ask
        finally:
            link.close()

    def stands(self, script: Script) -> bool:
        """Ask whether the window of a script still stands."""
        if script.window.armed is None:
            return False
        link = open_read(self.settings)
        try:
            reply = link.ask((script.window.armed,))[0]
            return reply.status in (None, 0) and bool(reply.body.strip())
        finally:
            link.close()

    def make(self, change: Change) -> None:
        """Arm, write, read back, confirm."""
        script = self.driver.script(change, self.look())
        window = script.window
        self.send(change, script, window.open)
        assert self.stands(script) is bool(window.open)
        self.send(change, script, script.writes)
        assert is_done(change, self.look())
        self.send(change, script, window.confirm)
        assert not self.stands(script)

    def undo(self, change: Change) -> None:
        """Put a change back, rendered from a fresh read."""
        back, now = inverse(change), self.look()
        assert back is not None
        back = replace(back, before=find(change, now)[0])
        script = self.driver.script(back, now)
        self.send(back, script, script.writes)


def _settings(home: RunningHome, family: RouterName) -> LinkSettings:
    host, port = home.listen("router")
    if family == "opnsense":
        tls: TlsFiles = home.tls
        pin = TrustedKey(tls.pin, Source.STORE, "store", "tls")
        login = BasicLogin(
            Secret(str(getattr(home.router, "api_key")), "test"),  # noqa: B009 - one family alone has it
            Secret(str(getattr(home.router, "api_secret")), "test"),  # noqa: B009
        )
        return HttpSettings("home/router", f"https://{host}:{port}", login, Pinned(TrustedKeys((pin,))))
    kind, encoded = home.keys["router"].public.split()[:2]
    pin = TrustedKey(fingerprint(b64decode(encoded)), Source.STORE, "store", kind)
    return SshSettings(
        device="home/router",
        host=host,
        port=port,
        username="admin" if family == "routeros" else "root",
        key_files=(home.directory / "keys" / "user",),
        use_agent=False,
        use_default_keys=False,
        host_keys=TrustedKeys((pin,)),
        console="routeros" if family == "routeros" else "posix",
    )


@contextmanager
def wire(family: RouterName, directory: Path, options: HomeOptions | None = None) -> Iterator[Wire]:
    """Start a home in which nothing was ever set up, and give the way to its router."""
    with start_home(family, "drifted", directory=directory, options=options) as home:
        driver = ProfiledDriver(compile_profile(load_profile(family, Path())))
        yield Wire(home, _settings(home, family), driver)


@pytest.mark.parametrize("family", ROUTERS)
def test_make_and_undo_over_real_links_gives_the_first_export_back(
    family: RouterName, tmp_path: Path
) -> None:
    with wire(family, tmp_path) as at:
        before = at.home.export("router")
        made: list[Change] = []
        for wanted in WANTED:
            finding = findings_of(wanted, at.look(), at.driver)[0]
            assert finding.status is FindingStatus.DRIFT
            for change in finding.changes:
                at.make(change)
                made.append(change)
            assert findings_of(wanted, at.look(), at.driver)[0].status is FindingStatus.OK
        assert changed(family, before, at.home.export("router"))[0] == []
        if family in ("openwrt", "linux"):  # the families that write the name
            forward = next(e for e in at.look().of(Kind.PORT_FORWARD) if e.owner.key == "plex")
            assert forward.values.name == NASTY
        for change in reversed(made):
            at.undo(change)
        assert at.home.export("router") == before


@pytest.mark.parametrize("family", ["openwrt", "linux", "routeros"])
def test_a_window_fires_though_its_connection_is_gone(family: RouterName, tmp_path: Path) -> None:
    with wire(family, tmp_path) as at:
        before = at.home.export("router")
        change = findings_of(WANTED[1], at.look(), at.driver)[0].changes[0]
        script = at.driver.script(change, at.look())
        at.send(change, script, script.window.open)
        at.send(change, script, script.writes)
        assert at.home.export("router") != before
        at.home.clock.scale = 1000.0
        deadline = time.monotonic() + 20
        while at.home.export("router") != before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert at.home.export("router") == before


@pytest.mark.parametrize("family", ROUTERS)
def test_looking_changes_nothing_on_the_device(family: RouterName, tmp_path: Path) -> None:
    with wire(family, tmp_path) as at:
        before = at.home.export("router")
        snapshot = at.look()
        assert snapshot.state(Kind.PORT_FORWARD) is KindState.PRESENT
        assert at.home.export("router") == before
        assert [line for line in at.home.log("router") if line.startswith("# write ")] == []
