"""At every instant of a run: 32400 stays closed, firewalls stay on, and what others made stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from plexops.lab.routers import RouterName
from tests.faults.engine_bench import Bench, Homes

ROUTERS: tuple[RouterName, ...] = ("openwrt", "routeros", "opnsense", "linux")
#: Nothing at home listens on it, and nobody forwards it.
UNUSED = 41000


class Watch:
    """Looks at the devices themselves, at each of their commands and many times between, and notes what is wrong."""

    def __init__(self, bench: Bench, *, may_change: tuple[str, ...] = ()) -> None:
        self._bench = bench
        # OPNsense says of a whole section whether it was applied.
        self._may_change = (*may_change, '"applied": ')
        self._old = {role: self._lines(bench.home.export(role)) for role in ("router", "server")}
        self._others = {port: bench.is_forwarded(port) for port in (32400, 2222, 8443, UNUSED)}
        self.wrong: list[str] = []
        self.looks = 0
        self._over = threading.Event()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Watch while the block runs."""
        log = self._bench.home._logs["router"]
        sink = log.sink

        def look_too(line: str) -> None:
            if sink is not None:
                sink(line)
            self.look(line)

        log.sink = look_too
        watcher = threading.Thread(target=self._keep_looking)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()
            log.sink = sink

    def look(self, when: str) -> None:
        """Look once."""
        self.looks += 1
        for port, was in self._others.items():
            if self._bench.is_forwarded(port) != was:
                self.wrong.append(f"port {port} is {'not ' if was else ''}forwarded: {when}")
        for role, old in self._old.items():
            self._compare(role, old, when)

    def _compare(self, role: str, old: list[str], when: str) -> None:
        """Every line that was there is there, in its order; what is new says nothing of 32400 from outside."""
        text = self._bench.home.export(role)  # type: ignore[arg-type]
        now = iter(self._lines(text))
        missing = [line for line in old if line not in now]
        if missing:
            self.wrong.append(f"{role} lost {missing[:2]}: {when}")
        if role == "server" and "ENABLED=yes" not in text:
            self.wrong.append(f"the host firewall is off: {when}")

    def _lines(self, text: str) -> list[str]:
        # A comma says whether something follows, and nothing of the line itself.
        lines = [line.rstrip(",") for line in text.splitlines()]
        return [line for line in lines if not any(word in line for word in self._may_change)]

    def _keep_looking(self) -> None:
        while not self._over.wait(0.004):
            self.look("between two commands")


@pytest.mark.parametrize("router", ROUTERS)
def test_while_it_is_applied_rolled_back_and_refuted(homes: Homes, router: RouterName) -> None:
    with homes(router) as bench:
        watch = Watch(bench)
        with watch.on():
            assert bench("apply", "--yes").status == 0
            assert bench("rollback", "last", "--yes").status == 0
            bench.home.network.blocked_ports |= {32500}
            assert bench("apply", "--yes").status == 5
        assert watch.wrong == []
        assert watch.looks > 100


@pytest.mark.parametrize("router", ["openwrt", "routeros", "opnsense"])
def test_while_somebodys_forward_is_adopted(homes: Homes, router: RouterName) -> None:
    with homes(router, "stale-forward") as bench:
        watch = Watch(bench, may_change=("192.168.1.83", "192.168.1.50"))
        with watch.on():
            assert bench("apply", "--yes", "--adopt", "router/port_forward/plex").status == 0
            assert bench("rollback", "last", "--yes").status == 0
        assert watch.wrong == []


@pytest.mark.parametrize("router", ROUTERS)
def test_an_exposure_that_was_there_is_left_and_named(homes: Homes, router: RouterName) -> None:
    """It is somebody's: plexops says so, and neither closes nor widens it."""
    with homes(router, "exposed-32400") as bench:
        before = bench.state()
        assert bench.is_forwarded(32400)
        audit = bench("audit", "--format", "json")
        assert audit.status == 1
        assert any("32400" in str(f["have"]) for f in audit.document["findings"] if f["status"] == "conflict")
        assert bench("apply", "--yes").status in (1, 3)
        assert bench.state() == before


def test_the_watch_sees_what_is_wrong(homes: Homes) -> None:
    """The watch itself can fail."""
    with homes("openwrt") as bench:
        watch = Watch(bench)
        with watch.on():
            expose = (
                "uci add firewall redirect; uci set firewall.@redirect[-1].src=wan; "
                "uci set firewall.@redirect[-1].target=DNAT; uci set firewall.@redirect[-1].proto=tcp; "
                "uci set firewall.@redirect[-1].src_dport=32400; uci set firewall.@redirect[-1].dest_ip=192.168.1.83; "
                "uci commit firewall; /etc/init.d/firewall reload; uci delete firewall.@redirect[0]; uci commit firewall"
            )
            bench.home.router.execute(expose, b"", "root")
            watch.look("now")
        assert any(line.startswith("port 32400 is forwarded") for line in watch.wrong)
        assert any(line.startswith("router lost") for line in watch.wrong)
