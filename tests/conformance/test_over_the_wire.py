"""The same over real SSH and HTTPS on loopback: what the transport adds changes nothing of what a device gets."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from plexops.config.profiles import load_profile
from plexops.drivers.around.outside import USUAL_ECHOES, EchoDriver, ProbeDriver
from plexops.drivers.base import Observation
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.change.sending import unexpected
from plexops.lab.home import HomeOptions, RunningHome, start_home
from plexops.lab.https import TlsFiles
from plexops.lab.routers import ROUTERS, RouterName
from plexops.model.change import Change, find, inverse, is_done
from plexops.model.exchange import Ask, Call, Command, Read, Reply, Script, Write
from plexops.model.finding import FindingStatus
from plexops.model.plan import GUARD_NAMES, GuardVerdict, Step, authorize
from plexops.model.resources.port_forward import PortForward
from plexops.model.secret import Secret
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Kind, KindState, Role, Snapshot
from plexops.model.values import Endpoint
from plexops.structs import replace
from plexops.transport.http_settings import BasicLogin, HttpSettings, Pinned
from plexops.transport.link import LinkSettings, only_reads
from plexops.transport.opening import open_read, open_write
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint
from tests.conformance.conformance_bench import FORWARD, RESERVATION, changed, findings_of, observed, task

HOLD = tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)
NASTY = "Mum's $(reboot) `reboot` ; %s {[find]} # é 'x'"
WANTED = (task(Kind.DHCP_RESERVATION, RESERVATION), task(Kind.PORT_FORWARD, replace(FORWARD, name=NASTY)))


class Wire(Struct, frozen=True):
    """The router of a running home, reached as plexops reaches it: each look and each step over its own link."""

    home: RunningHome
    settings: LinkSettings
    driver: ProfiledDriver

    def look(self) -> Snapshot:
        """Observe over a new connection."""
        link = open_read(self.settings)
        try:
            return observed(self.driver.observe(), link.ask)
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
            forward = next(e for e in at.look().held(PortForward) if e.owner.key == "plex")
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
        deadline = time.monotonic() + 60
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


class Hostile(Struct, frozen=True):
    """A driver in Python that calls something a read: no profile, so nothing judged it when it was loaded."""

    asks: tuple[Ask, ...]

    def observe(self) -> Observation:
        """Ask it all in one round."""
        yield tuple(Read(f"r{n}", ask) for n, ask in enumerate(self.asks))
        return Snapshot(Role.ROUTER)


#: What a driver could pass off as a read: alone, hidden in one, and by a method that proves nothing.
POSING: dict[str, tuple[Ask, ...]] = {
    "openwrt": (
        Command("uci delete firewall.@redirect[0]"),
        Command("uci show firewall; uci commit"),
        Command("cat /etc/config/firewall > /tmp/x"),
        Command("curl -s http://192.168.1.50:32400/identity -o /etc/config/firewall"),
        Command("ubus call network.interface.wan down"),
        Command("uci show firewall\nreboot"),
        Call("GET", "/"),
    ),
    "linux": (
        Command("nft flush ruleset"),
        Command("nft -j list ruleset; nft flush ruleset"),
        Command("rm /etc/nftables.conf"),
        Command("ip link set lan0 down"),
    ),
    "routeros": (
        Command("/ip firewall nat remove [find]"),
        Command("/ip firewall nat print; /system reboot"),
        Command(":put [/ip firewall nat remove [find]]"),
    ),
    "opnsense": (
        Call("POST", "/api/firewall/d_nat/add_rule", body={}),
        Call("GET", "/api/core/system/reboot"),
        Call("GET", "/api/core/system/re%62oot"),
        Call("GET", "/api/firewall/d_nat/./apply"),
        Call("GET", "/api/core/firmware/info", query=(("cmd", "reboot"),)),
        Call("DELETE", "/api/firewall/d_nat/search_rule"),
        Command("reboot"),
    ),
}


@pytest.mark.parametrize("family", ROUTERS)
def test_what_a_driver_passes_off_as_a_read_never_reaches_the_device(
    family: RouterName, tmp_path: Path
) -> None:
    with wire(family, tmp_path) as at:
        honest = tuple(next(at.driver.observe()))
        before = at.home.router.export()
        for ask in POSING[family]:
            (posing,) = next(Hostile((ask,)).observe())
            link = open_read(at.settings)
            try:
                mark = len(at.home.log("router"))
                # Among honest questions, too: nothing of that round is asked.
                with pytest.raises(ValueError, match=r"'r0' is no read: "):
                    link.ask((*honest, posing))
                assert at.home.log("router")[mark:] == [], ask
                assert link.identity == "", "nobody was called"
                assert all(reply.whole for reply in link.ask(honest))
                assert at.home.log("router")[mark:], "the same link carries what only reads"
            finally:
                link.close()
        assert at.home.router.export() == before


def test_a_link_with_leave_to_write_asks_nothing_else_either(tmp_path: Path) -> None:
    with wire("openwrt", tmp_path) as at:
        change = findings_of(WANTED[0], at.look(), at.driver)[0].changes[0]
        leave = authorize("home", Step(change, at.driver.script(change, at.look())), HOLD)
        assert leave
        mark = len(at.home.log("router"))
        link = open_write(at.settings, leave)
        try:
            with pytest.raises(ValueError, match="'r0' is no read: "):
                link.ask(next(Hostile((Command("reboot"),)).observe()))
        finally:
            link.close()
        assert at.home.log("router")[mark:] == []


@pytest.mark.parametrize("family", ["openwrt", "linux"])
def test_judging_the_reads_costs_no_further_exec(family: RouterName, tmp_path: Path) -> None:
    with wire(family, tmp_path) as at:
        at.look()
        mark = len(at.home.log("router"))
        at.look()
        assert sum(line.startswith("# exec ") for line in at.home.log("router")[mark:]) == 1


def test_every_read_of_the_drivers_in_python_is_let_through() -> None:
    """Judged without a device, as the links do right before they send."""
    drivers = (
        ServerDriver(firewall=HostFirewall.UFW),
        EchoDriver(USUAL_ECHOES, "server"),
        ProbeDriver("vps", Endpoint("198.51.100.7", 32500)),
    )
    for driver in drivers:
        only_reads(tuple(next(driver.observe())), "posix")
    probe = drivers[2].observe()
    next(probe)
    # Something listens and speaks no HTTP: it is asked over HTTPS.
    only_reads(tuple(probe.send((Reply("probe.vps", 52, ""),))), "posix")
    only_reads(tuple(next(ProbeDriver("vps", Endpoint("2001:db8::50", 32400)).observe())), "posix")
    only_reads(tuple(next(PlexDriver().observe())), "json")
