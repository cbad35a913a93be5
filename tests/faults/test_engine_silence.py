"""A router that does not show its forwards any more: nothing is called undone that was not seen so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import pytest

from plexops.lab.base import ExecResult
from plexops.lab.routers import RouterName
from plexops.lab.routers.opnsense import OpnSenseRouter
from plexops.lab.routers.opnsense_api import NotFoundError
from plexops.structs import replace
from tests.faults.engine_bench import KILLED, Bench, Homes
from tests.faults.test_engine_devices import apply, outcomes, put_back

Way = Literal["fails", "empty", "cut"]
WAYS: tuple[Way, ...] = ("fails", "empty", "cut")
#: The request that makes the forward, and the read that shows it.
FORWARD: dict[RouterName, tuple[str, str]] = {
    "openwrt": ("u set plexops.plexops_plex=redirect", "uci show firewall"),
    "linux": ("put $n $f port_forward_plex", "nft -j list ruleset"),
    "routeros": ("/ip firewall nat add", "/ip firewall nat export terse"),
    "opnsense": ("add_rule", "search_rule"),
}
FAMILIES = sorted(FORWARD)
#: What a console says instead, by what befalls the read.
POSIX: dict[Way, str] = {"fails": "false", "empty": "true", "cut": "{read} | head -c 600"}
ROUTEROS: dict[Way, str] = {"fails": "/ip firewall nut export", "empty": ':put ""', "cut": ':put "# "'}
#: One way for each family in every run, and a list that lacks rows; all of them nightly.
silences = pytest.mark.parametrize(
    ("name", "way"),
    [
        pytest.param(
            name,
            way,
            marks=()
            if (row + column) % len(WAYS) == 0 or (name, way) == ("opnsense", "cut")
            else pytest.mark.nightly,
        )
        for row, name in enumerate(FAMILIES)
        for column, way in enumerate(WAYS)
    ],
)


@dataclass
class Deaf:
    """Stands before a router. From the request that makes the forward on, it does not show its forwards."""

    bench: Bench
    way: Way
    on: bool = False
    over: bool = False

    def __post_init__(self) -> None:
        name = self.bench.home.router_name
        self.made, self.read = FORWARD[name]
        device = self.bench.home.router
        if isinstance(device, OpnSenseRouter):
            self._call = device._places["firewall/d_nat"]
            device._places["firewall/d_nat"] = self.call
            return
        server = self.bench.home.ssh["router"]
        assert server.executor is not None
        self.words = (ROUTEROS if name == "routeros" else POSIX)[self.way].format(read=self.read)
        self._run: Callable[[str, BinaryIO, str], ExecResult] = server.executor
        server.executor = self.run

    def ends(self) -> None:
        """Show everything again, from now on."""
        self.on, self.over = False, True

    def run(self, command: str, stdin: BinaryIO, user: str) -> ExecResult:
        if self.on:
            command = command.replace(self.read, self.words)
        result = self._run(command, stdin, user)
        makes = self.made in command and "$w/mark" not in command and "scheduler" not in command
        self.on = self.on or (makes and not self.over)
        return result

    def call(self, call: Any) -> Any:
        if not self.on or call.action != self.read:
            self.on = self.on or (call.action == self.made and not self.over)
            return self._call(call)
        if self.way == "fails":
            raise NotFoundError
        whole: Any = self._call(call)
        return {} if self.way == "empty" else {**whole, "rows": whole["rows"][: len(whole["rows"]) // 2]}


def stands(bench: Bench) -> bool:
    """Tell whether the router holds our forward, by its own export."""
    return "32500" in bench.home.export("router")


def has_window(name: RouterName) -> bool:
    return name != "opnsense"


@pytest.mark.timeout(300)
@silences
def test_an_undo_that_nobody_saw_is_not_called_one(homes: Homes, name: RouterName, way: Way) -> None:
    """Its own undo is left to fire; what a person has to look at is said."""
    with homes(name) as bench:
        bench.window_seconds = 4
        Deaf(bench, way)
        ended = apply(bench)
        assert ended.status == 6, ended
        assert outcomes(ended)["port_forward"] == "undo-failed"
        assert stands(bench) is not has_window(name), "where the router can, it took it back by itself"
        card = next(step for step in ended.document["next_steps"] if "port_forward" in step)
        assert FORWARD[name][1] in card
        assert "Shall be: no port forward" in card
        assert "old state was read back" not in ended.document["outcome"]
        assert not any(r["kind"] == "undone" and r["data"]["step"] == 3 for r in bench.journal())


@pytest.mark.timeout(300)
@silences
def test_recover_decides_nothing_by_silence(homes: Homes, name: RouterName, way: Way) -> None:
    with homes(name) as bench:
        old = bench.state()
        bench.window_seconds = 20
        deaf = Deaf(bench, way)
        assert bench("apply", "--yes", die_at=_after_the_forward(bench, name)).status == KILLED
        assert stands(bench)
        deaf.on = True
        ended = bench("recover", "--format", "json")
        assert ended.status == 4, ended
        assert "run it again" in ended.document["outcome"]
        assert "undone" not in ended.document["outcome"].lower()
        assert outcomes(ended)["port_forward"] == "undo-failed"
        assert any(FORWARD[name][1] in step for step in ended.document["next_steps"])
        assert "finish" not in [record["kind"] for record in bench.journal()], "it is not settled"
        deaf.ends()
        again = bench("recover", "--format", "json")
        # The simulated DHCP server lets a host keep the address that it asked for: then a person is told.
        failed = {kind for kind, outcome in outcomes(again).items() if outcome == "undo-failed"}
        assert failed <= {"lease"}, again
        assert again.status == (6 if failed else 0), again
        assert bench.state() == old


def _after_the_forward(bench: Bench, name: RouterName) -> int:
    """Give the number of the journal's record by which the forward was read back."""
    with Homes(bench.forker, bench.directory / "counted")(name) as other:
        assert other("apply", "--yes").status == 0
        records = other.journal()
    return next(
        number
        for number, record in enumerate(records, 1)
        if record["kind"] == "done" and record["data"]["step"] == 3
    )


@silences
def test_rollback_takes_silence_for_nothing(homes: Homes, name: RouterName, way: Way) -> None:
    with homes(name) as bench:
        assert apply(bench).status == 0
        new = bench.state()
        deaf = Deaf(bench, way, on=True)
        sent = bench.writes()
        ended = bench("rollback", "last", "--yes", "--format", "json")
        assert ended.status == 4, ended
        assert "PLX-R221" in ended.out + ended.err
        assert bench.writes() == sent
        assert bench.state() == new
        deaf.ends()
        back = bench("rollback", "last", "--yes")
        assert back.status == 0, back
        assert not stands(bench)


def test_a_window_that_fired_unseen_is_not_ended_as_if_it_stood(homes: Homes) -> None:
    """The forward goes while the effect is judged: it is looked at before its undo is ended."""
    with homes() as bench:
        old = bench.state()
        real = bench.home.plex._put_settings

        def put(query: str) -> Any:
            answer = real(query)
            if "=1" in query:
                taken = "uci delete firewall.plexops_plex; uci commit firewall; /etc/init.d/firewall reload"
                assert bench.home.router.execute(taken, b"", "root").status == 0
            return answer

        bench.home.plex._put_settings = put  # type: ignore[method-assign]
        bench.home.ssh["outside"].options = replace(
            bench.home.ssh["outside"].options, refuse_connections=True
        )
        ended = apply(bench)
        assert put_back(ended), ended
        assert bench.state() == old
