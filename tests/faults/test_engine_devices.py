"""Devices that lie, fail or change under our hands: what plexops says afterwards is never more than what is so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, BinaryIO

import pytest

from plexops.lab.base import ExecResult
from plexops.lab.home import HomeOptions, RunningHome
from plexops.lab.keys import new_key
from plexops.lab.plex import PlexSeed
from plexops.lab.routers import RouterName
from plexops.lab.routers.openwrt import OpenWrtRouter
from plexops.structs import replace
from tests.faults.engine_bench import ENGINE_CHILD, Bench, Ended, Homes
from tests.forking import forker
from tests.waiting import wait_until

OK = ExecResult(b"", b"", 0)
PUT = "u set plexops.plexops_plex=redirect"
ARM = "w=/tmp/plexops_port_forward_plex; rm -rf $w; mkdir"
DELETE = "u delete plexops.plexops_plex ; }; edit firewall"


@dataclass
class Liar:
    """Stands before a device's shell. `tricks`: what is done instead of the first command that holds a text."""

    real: Callable[[str, BinaryIO, str], ExecResult]
    tricks: list[tuple[str, Callable[[Callable[[str], ExecResult], str], ExecResult]]]
    met: int = 0

    def __call__(self, command: str, stdin: BinaryIO, user: str) -> ExecResult:
        def run(text: str) -> ExecResult:
            return self.real(text, stdin, user)

        # The window's own text holds the inverse of what follows: it is no place for a trick on the change itself.
        arming = "$w/mark" in command
        for text, trick in self.tricks:
            if text in command and (not arming or text == ARM):
                self.met += 1
                return trick(run, command)
        return run(command)


def lie(home: RunningHome, role: str, *tricks: tuple[str, Callable[..., ExecResult]]) -> Liar:
    """Put tricks before a device's shell."""
    server = home.ssh[role]  # type: ignore[index]
    assert server.executor is not None
    liar = Liar(server.executor, list(tricks))
    server.executor = liar
    return liar


def says_yes(_run: Callable[[str], ExecResult], _command: str) -> ExecResult:
    """Answer as success looks like, and do nothing."""
    return OK


def arms_and_else_says_yes(run: Callable[[str], ExecResult], command: str) -> ExecResult:
    """Arm the way back, which holds the very same words, and answer all else without doing it."""
    return run(command) if ARM in command else OK


def does_it_and_says_no(run: Callable[[str], ExecResult], command: str) -> ExecResult:
    """Do it, and answer an error."""
    run(command)
    return ExecResult(b"", b"uci: I/O error\n", 1)


def also(act: Callable[[], object]) -> Callable[..., ExecResult]:
    """Do something else right before the command."""

    def trick(run: Callable[[str], ExecResult], command: str) -> ExecResult:
        act()
        return run(command)

    return trick


def outcomes(ended: Ended) -> dict[str, str]:
    """Give what became of each change, by the report."""
    return {change["kind"]: change["outcome"] for change in ended.document["changes"]}


def put_back(ended: Ended) -> bool:
    """Tell whether all was undone; but for the lease, where the home's DHCP server lets a host keep what it holds."""
    failed = {kind for kind, outcome in outcomes(ended).items() if outcome == "undo-failed"}
    return failed <= {"lease"} and ended.status == (6 if failed else 5)


def apply(bench: Bench) -> Ended:
    """Apply; the document goes to standard output."""
    return bench("apply", "--yes", "--format", "json")


def router(bench: Bench, command: str) -> None:
    """Do something on the router as its administrator does."""
    assert bench.home.router.execute(command, b"", "root").status == 0


# --- the device does not do what it says ------------------------------------------------------------


def test_says_yes_and_does_nothing(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        liar = lie(bench.home, "router", (PUT, says_yes))
        ended = apply(bench)
        assert put_back(ended), ended
        assert liar.met == 1, "a write is never repeated blindly"
        assert bench.state() == old
        others = {kind: outcome for kind, outcome in outcomes(ended).items() if kind != "lease"}
        assert set(others.values()) <= {"undone", "not-sent"}
        assert "does not show it" in ended.document["outcome"]


@pytest.mark.parametrize("what", [PUT, "u set plexops.plexops_plex=host", "/etc/init.d/firewall reload"])
def test_does_it_and_says_no(homes: Homes, what: str) -> None:
    """An error is an error, also when the entry stands: perhaps it does not act."""
    with homes() as bench:
        old = bench.state()
        bench.window_seconds = 5
        lie(bench.home, "router", (what, does_it_and_says_no))
        ended = apply(bench)
        assert put_back(ended), ended
        assert "I/O error" in ended.document["outcome"]
        assert bench.state() == old


def test_half_of_it_is_undone(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        bench.window_seconds = 5
        part = " && u set plexops.plexops_plex.dest_port=32400"
        shorter: list[bool] = []

        def half(run: Callable[[str], ExecResult], command: str) -> ExecResult:
            shorter.append(part in command)
            return run(command.replace(part, ""))

        lie(bench.home, "router", (PUT, half))
        ended = apply(bench)
        assert shorter == [True]
        assert put_back(ended), ended
        assert "does not show it" in ended.document["outcome"]
        assert bench.state() == old


def test_plex_says_yes_and_keeps_its_settings(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        real = bench.home.plex._put_settings

        def put(_query: str) -> Any:
            return real("FriendlyName=Wohnzimmer")

        bench.home.plex._put_settings = put  # type: ignore[assignment,method-assign]
        ended = apply(bench)
        assert put_back(ended), ended
        assert bench.state() == old
        assert outcomes(ended)["plex_remote_access"] == "undone"


def test_the_undo_lies_too_and_the_devices_own_undo_does_it(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        bench.window_seconds = 5
        bench.home.network.blocked_ports |= {32500}
        lie(bench.home, "router", (DELETE, arms_and_else_says_yes))
        ended = apply(bench)
        assert put_back(ended), ended
        assert bench.state() == old


def test_nothing_undoes_it_and_a_person_must_look(homes: Homes) -> None:
    """Every way back lies: the report says so, and does not say that the old state is there."""
    with homes() as bench:
        bench.window_seconds = 5
        bench.home.network.blocked_ports |= {32500}
        sleeper = "( sleep 600 ) >/dev/null 2>&1 & echo $! 1 > $w/armed"
        dead = f"w=/tmp/plexops_port_forward_plex; mkdir $w; {sleeper}"
        lie(bench.home, "router", (ARM, lambda run, _command: run(dead)), (DELETE, says_yes))
        ended = apply(bench)
        assert ended.status == 6, ended
        assert outcomes(ended)["port_forward"] == "undo-failed"
        assert "a person must look" in ended.document["outcome"]
        assert "plexops_plex" in bench.home.export("router")
        assert bench("audit").status in (1, 7)


def test_a_window_that_does_not_stand_means_no_write(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        lie(bench.home, "router", (ARM, says_yes))
        ended = apply(bench)
        assert put_back(ended), ended
        assert not any(PUT in line and "$w/mark" not in line for line in bench.home.commands("router"))
        assert bench.state() == old


# --- links that break ------------------------------------------------------------------------------


def test_the_answer_is_lost_but_not_the_request(homes: Homes) -> None:
    """Read and decide: it stands, so it goes on, and nothing is sent twice."""
    with homes("linux") as bench:
        bench.home.ssh["router"].options.cut_after = "put $n $f port_forward_plex"
        ended = apply(bench)
        assert ended.status == 0, ended
        loads = "nft -f /run/plexops_port_forward_plex.new"
        sent = [line for line in bench.home.commands("router") if line.startswith(loads)]
        assert len(sent) == 1
        assert bench("audit").status == 0


def test_a_change_is_one_command_so_nothing_is_cut_in_two(homes: Homes) -> None:
    """What is written and what makes it act go out together: a lost answer leaves all of it, or nothing."""
    with homes("linux") as bench:
        bench.home.ssh["router"].options.cut_after = "dhcp-host="
        ended = apply(bench)
        assert ended.status == 0, ended
        assert bench("audit").status == 0


@pytest.mark.parametrize("for_ever", [False, True], ids=["for a while", "for ever"])
def test_the_router_is_gone_right_after_the_write(homes: Homes, for_ever: bool) -> None:
    with homes() as bench:
        old = bench.state()
        bench.window_seconds = 4
        options = bench.home.ssh["router"].options

        def vanish(run: Callable[[str], ExecResult], command: str) -> ExecResult:
            options.refuse_connections = True
            return run(command)

        lie(bench.home, "router", (PUT, vanish))
        bench.start("apply", "--yes", "--format", "json")
        if not for_ever:
            wait_until(lambda: options.refuse_connections)
            time.sleep(2.0)
            options.refuse_connections = False
        ended = bench.wait()
        options.refuse_connections = False
        if for_ever:
            # The router took the forward back by itself; the reservation stands, and nobody could read either.
            assert ended.status == 6, ended
            assert outcomes(ended)["port_forward"] == "undo-failed"
            assert "32500" not in bench.home.export("router")
        else:
            assert put_back(ended), ended
            assert bench.state() == old


def test_another_host_key_in_the_middle_of_a_run(homes: Homes) -> None:
    """Whoever answers now gets nothing, and the report does not say that anything was put back there."""
    with homes() as bench:
        stranger = new_key()

        def swap() -> None:
            bench.home.ssh["router"]._key = stranger.key()

        lie(bench.home, "server", ("ufw prepend", also(swap)))
        ended = apply(bench)
        assert ended.status == 6, ended
        assert outcomes(ended)["dhcp_reservation"] == "undo-failed"
        assert outcomes(ended)["port_forward"] in ("not-sent", "failed")
        assert not any("=redirect" in line for line in bench.home.commands("router"))
        assert "plexops_plex" in bench.home.export("router")


# --- people who work at the same time ------------------------------------------------------------------


def test_somebodys_staged_edit_is_in_the_way(homes: Homes) -> None:
    with homes() as bench:
        router(bench, "uci set firewall.@zone[1].input=ACCEPT")
        old = bench.state()
        ended = apply(bench)
        assert ended.status == 3, ended
        assert "G12" in ended.document["outcome"]
        assert bench.state() == old
        assert len(bench.writes()) == 1, "theirs alone"
        assert "firewall.cfg" in bench.home.router.execute("uci changes", b"", "root").stdout.decode()


def test_somebody_edits_their_forward_while_we_run(homes: Homes) -> None:
    """We stop, take our own back, and what they did stays."""
    with homes() as bench:
        old = bench.state()
        edit = "uci set firewall.@redirect[-1].name=theirs; uci commit firewall; /etc/init.d/firewall reload"
        lie(bench.home, "server", ("ufw prepend", also(lambda: router(bench, edit))))
        ended = apply(bench)
        assert put_back(ended), ended
        assert "the router was changed while" in ended.document["outcome"]
        now = bench.state()
        assert now["router"] == old["router"].replace("'old web server; do not use'", "'theirs'")
        assert (now["server"], now["plex"]) == (old["server"], old["plex"])


def test_somebody_edits_our_rule_inside_the_window(homes: Homes) -> None:
    """The effect is not proven any more; our own entry goes, by its tag, however it looks by then."""
    with homes() as bench:
        old = bench.state()
        edit = "uci set firewall.plexops_plex.dest_ip=192.168.1.20; uci commit firewall; /etc/init.d/firewall reload"
        real = bench.home.plex._put_settings

        def put(query: str) -> Any:
            if "=1" in query:
                router(bench, edit)
            return real(query)

        bench.home.plex._put_settings = put  # type: ignore[method-assign]
        ended = apply(bench)
        assert put_back(ended), ended
        assert bench.state() == old


def test_a_second_run_on_the_same_site(homes: Homes) -> None:
    with homes(options=HomeOptions(plex=PlexSeed(delay_seconds=1.5))) as bench, forker(ENGINE_CHILD) as other:
        bench.home.network.blocked_ports |= {32500}
        second = replace(bench, forker=other, _count=100)
        bench.start("apply", "--yes", "--format", "json")
        wait_until(lambda: any(PUT in line for line in bench.home.commands("router")))
        refused = second("apply", "--yes")
        assert refused.status == 7, refused
        assert "is held by" in refused.err
        assert second("recover").status == 7
        assert put_back(bench.wait())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_it_puts_back_what_it_made(homes: Homes, number: signal.Signals) -> None:
    with homes(options=HomeOptions(plex=PlexSeed(throttled=True))) as bench:
        old = bench.state()
        bench.home.ssh["outside"].options.refuse_connections = True
        process = bench.start("apply", "--yes", "--format", "json")
        wait_until(lambda: "ManualPortMappingMode=True" in bench.home.export("plex"))
        time.sleep(0.5)
        os.kill(process, number)
        ended = bench.wait()
        assert put_back(ended), ended
        assert "interrupted" in ended.document["outcome"]
        assert bench.state() == old
        assert bench("recover", "--format", "json").document["outcome"].lower() == "nothing to do"


# --- what the world says -----------------------------------------------------------------------------


def test_sources_that_disagree_about_our_address(homes: Homes) -> None:
    with homes(options=HomeOptions(echoes={"v4.echo.test": "198.41.0.4"})) as bench:
        old = bench.state()
        ended = apply(bench)
        assert ended.status == 3, ended
        assert "G4" in ended.document["outcome"]
        assert bench.state() == old
        assert bench.writes() == []


def test_the_wan_goes_behind_carrier_nat_while_we_run(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        device = bench.home.router
        assert isinstance(device, OpenWrtRouter)

        def flip() -> None:
            device._seed = replace(device._seed, wan_address=IPv4Address("100.72.13.5"))

        lie(bench.home, "server", ("ufw prepend", also(flip)))
        ended = apply(bench)
        assert put_back(ended), ended
        assert "carrier NAT" in ended.document["outcome"]
        assert not any(PUT in line and "$w/mark" not in line for line in bench.home.commands("router"))
        assert bench.state() == old


@pytest.mark.parametrize("name", ["openwrt", "opnsense"])
def test_without_plex_nothing_is_begun(homes: Homes, name: RouterName) -> None:
    with homes(name) as bench:
        old = bench.state()
        bench.home.host.services.pop(32400)
        ended = apply(bench)
        assert ended.status in (3, 4), ended
        assert bench.state() == old
        assert bench.writes() == []


def test_a_slow_verdict_is_waited_for(homes: Homes) -> None:
    with homes(options=HomeOptions(plex=PlexSeed(delay_seconds=1.2))) as bench:
        bench.home.ssh["outside"].options.refuse_connections = True
        ended = apply(bench)
        assert ended.status == 0, ended
        assert [p["mark"] for p in ended.document["proofs"] if p["source"] == "plex"] == ["proven"]


def test_an_unknown_effect_is_kept_and_not_called_proven(homes: Homes) -> None:
    with homes(scenario="outside-cut") as bench:
        bench.effect_seconds = 2.0
        ended = apply(bench)
        assert ended.status == 4, ended
        assert "not proven" in ended.document["outcome"]
        assert {p["mark"] for p in ended.document["proofs"]} == {"unknown"}
        assert "kept" in set(outcomes(ended).values())
        assert bench.state()["32500 from outside"] == "open"
        # Its window has ended: nothing is taken back later.
        bench.home.clock.scale = 1000.0
        time.sleep(1.0)
        assert bench.state()["32500 from outside"] == "open"


def test_a_refuted_effect_is_undone(homes: Homes) -> None:
    with homes() as bench:
        old = bench.state()
        bench.home.network.blocked_ports |= {32500}
        ended = apply(bench)
        assert put_back(ended), ended
        assert bench.state() == old
        assert "proven" not in {p["mark"] for p in ended.document["proofs"]}


@pytest.mark.parametrize("name", ["192.168.1.21", "pi.example.net"])
def test_an_effect_that_only_the_home_itself_sees_is_not_proven(name: str, homes: Homes) -> None:
    """The router leads the home's own hosts in, and the only vantage is one of them; Plex says nothing.

    Named by a host name, the vantage is known by what the world takes it for.
    """
    silent = HomeOptions(plex=PlexSeed(throttled=True))
    with homes(scenario="hairpin-only", options=silent) as bench:
        bench.effect_seconds = 2.0
        network, inventory = bench.home.network, bench.home.inventory
        network.internet["pi.example.net"] = {22: network.hosts["pi"].services[22]}
        inventory.write_text(
            inventory.read_text("utf-8").replace("probe@192.168.1.21", f"probe@{name}"), "utf-8"
        )
        ended = apply(bench)
        assert ended.status == 4, ended
        proofs = {proof["source"]: proof for proof in ended.document["proofs"]}
        assert {source: proof["mark"] for source, proof in proofs.items()} == {
            "plex": "unknown",
            "outside": "unknown",
        }
        assert f"vantage {name} stands in the home" in proofs["outside"]["text"]


@pytest.mark.parametrize("role", ["router", "server"])
def test_endless_output_is_an_unknown_and_no_end_of_memory(homes: Homes, role: str) -> None:
    """F29: an answer without an end is cut off, and a problem of that device."""
    with homes(scenario="in-order") as bench:
        flood = ExecResult(b"x" * 12_000_000, b"", 0)
        lie(bench.home, role, ("", lambda _run, _command: flood))
        ended = bench("audit", "--format", "json")
        assert ended.status == 4, ended
        assert len(ended.out) < 1_000_000


def test_escape_sequences_of_a_device_reach_no_terminal(homes: Homes) -> None:
    """F30: what a device calls something is shown, and steers nothing."""
    with homes(scenario="stale-forward") as bench:
        router(
            bench,
            "uci set firewall.@redirect[-1].name=\"$(printf 'Plex\\033]0;owned\\007\\033[2J')\"; uci commit",
        )
        for arguments in (["audit", "-v"], ["apply", "--yes"], ["apply", "--dry-run"]):
            ended = bench(*arguments)
            assert ended.status in (0, 1), ended
            assert "\x1b" not in ended.out + ended.err
            assert "\x07" not in ended.out + ended.err
        assert "owned" in bench("audit", "-v").out


@pytest.mark.parametrize("name", ["openwrt", "routeros", "opnsense", "linux"])
def test_a_second_apply_sends_nothing(homes: Homes, name: RouterName) -> None:
    with homes(name) as bench:
        assert apply(bench).status == 0
        state, sent = bench.state(), bench.writes()
        again = apply(bench)
        assert again.status == 0, again
        assert bench.writes() == sent
        assert bench.state() == state
        assert bench("audit").status == 0


def test_what_was_not_approved_leaves_nothing_to_settle(homes: Homes) -> None:
    """Nobody is here to ask: exit 2, and the next run is as free as this one was."""
    with homes() as bench:
        refused = bench("apply")
        assert refused.status == 2, refused
        assert bench("rollback", "last", "--yes").status == 2
        assert bench("audit").status == 1
        assert apply(bench).status == 0
        back = bench("rollback", "last", "--yes", "--format", "json")
        assert back.status == 0
        assert "proven" not in back.document["outcome"], "nobody outside was asked"
