"""The list of faults of the field, F01 to F40: where each is tried. What no other test tries is tried here."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO

import pytest

from plexops.lab.base import ExecResult, HttpRequest, HttpResponse
from plexops.lab.home import HomeOptions
from plexops.lab.plex import PlexSeed
from plexops.lab.shell import Shell
from tests.faults.engine_bench import Bench, Ended, Homes
from tests.faults.test_engine_devices import put_back
from tests.forking import CHECKOUT
from tests.waiting import wait_until

#: Number → what happens, and the test. Several are also points or faults of the bench (test_bench.py), on every family.
FIELD_LIST: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "F01": (
            "killed after it wrote down what to send",
            "engine_kill.killed_after_any_record_the_home_is_old_or_new",
        ),
        "F02": (
            "killed after it was sent, and not read",
            "engine_kill.killed_before_any_record_the_home_is_old_or_new",
        ),
        "F03": (
            "killed, and the router's own undo acts",
            "engine_kill.the_devices_own_undo_fires_before_recover",
        ),
        "F04": ("killed three times inside recover", "engine_kill.killed_inside_recover"),
        "F05": (
            "no room for what is written down",
            "unit/evidence/journal.full_disk_stops_the_run_for_good_and_leaves_a_readable_journal",
        ),
        "F06": (
            "no record can be written after a window was armed",
            "engine_interrupted.a_disk_that_fills_after_the_change_is_made",
        ),
        "F07": (
            "the journal's last line is torn",
            "unit/evidence/journal.every_torn_tail_reads_as_the_records_before_it",
        ),
        "F08": ("one byte of the journal was flipped", "unit/evidence/journal.every_flipped_byte_is_found"),
        "F09": (
            "the link goes down right after the write",
            "engine_devices.the_router_is_gone_right_after_the_write",
        ),
        "F10": (
            "the same at a router without an undo of its own",
            "field_list.gone_for_good_without_an_undo_of_its_own",
        ),
        "F11": (
            "the old session lives, new ones are refused",
            "engine_devices.the_router_is_gone_right_after_the_write",
        ),
        "F12": (
            "no answer came, and it was carried out",
            "engine_devices.the_answer_is_lost_but_not_the_request",
        ),
        "F13": ("it says yes and does nothing", "engine_devices.says_yes_and_does_nothing"),
        "F14": (
            "it says yes to the way back and does nothing",
            "engine_devices.nothing_undoes_it_and_a_person_must_look",
        ),
        "F15": (
            "the router's own undo cannot be read back",
            "engine_devices.a_window_that_does_not_stand_means_no_write",
        ),
        "F17": (
            "somebody's edit is staged and not committed",
            "engine_devices.somebodys_staged_edit_is_in_the_way",
        ),
        "F18": ("a second plexops while the window is open", "engine_devices.a_second_run_on_the_same_site"),
        "F19": (
            "our rule is edited inside the window",
            "engine_devices.somebody_edits_our_rule_inside_the_window",
        ),
        "F20": ("the router restarts inside the window", "field_list.the_router_restarts_inside_the_window"),
        "F21": ("the wall clock jumps", "field_list.no_deadline_asks_the_wall_clock"),
        "F22": (
            "another host key between two sessions",
            "engine_devices.another_host_key_in_the_middle_of_a_run",
        ),
        "F23": (
            "the address is reserved for another between plan and send",
            "field_list.reserved_for_another_meanwhile",
        ),
        "F24": (
            "two sources name two public addresses",
            "engine_devices.sources_that_disagree_about_our_address",
        ),
        "F25": (
            "carrier NAT begins between plan and send",
            "engine_devices.the_wan_goes_behind_carrier_nat_while_we_run",
        ),
        "F26": ("Plex cannot be reached, the router can", "engine_devices.without_plex_nothing_is_begun"),
        "F27": ("Plex takes the setting and is slow to say", "engine_devices.a_slow_verdict_is_waited_for"),
        "F28": (
            "no vantage outside answers",
            "engine_devices.an_unknown_effect_is_kept_and_not_called_proven",
        ),
        "F29": ("endless output", "engine_devices.endless_output_is_an_unknown_and_no_end_of_memory"),
        "F30": (
            "escape sequences in a name",
            "engine_devices.escape_sequences_of_a_device_reach_no_terminal",
        ),
        "F31": (
            "the state folder is a link, or others may write",
            "unit/evidence/folder.unsafe_folders_are_refused",
        ),
        "F32": ("no temporary folder", "cli/fault_list.f32_no_temporary_folder_is_used"),
        "F33": ("a service that is stopped", "engine_devices.interrupted_it_puts_back_what_it_made"),
        "F34": ("the laptop sleeps inside the window", "field_list.asleep_until_the_window_has_fired"),
        "F36": (
            "a journal of a newer version",
            "unit/evidence/journal.journal_of_a_newer_version_is_named_and_left_alone",
        ),
        "F37": ("killed while a page is rendered", "cli/fault_list.f37_killed_while_a_page_is_rendered"),
        "F38": ("two sites share one router", "engine_fence.two_sites_with_one_router_never_write_at_once"),
        "F39": ("an odd time zone", "field_list.an_odd_time_zone_changes_nothing"),
        "F40": ("applied twice, then audited", "engine_devices.a_second_apply_sends_nothing"),
    }
)
#: What cannot happen to plexops: it has no batch of RouterOS that a history undoes, and calls no hook.
NOT_OURS = frozenset({"F16", "F35"})
PUT = "uci set firewall.plexops_plex=redirect"


@pytest.mark.parametrize("number", FIELD_LIST)
def test_each_is_tried_somewhere(number: str) -> None:
    module, _, name = FIELD_LIST[number][1].partition(".")
    folder, _, stem = module.rpartition("/")
    text = (CHECKOUT / "tests" / (folder or "faults") / f"test_{stem}.py").read_text("utf-8")
    assert f"def test_{name}(" in text


def test_every_number_is_accounted_for() -> None:
    assert {f"F{number:02}" for number in range(1, 41)} == FIELD_LIST.keys() | NOT_OURS


def at_command(bench: Bench, text: str, act: Callable[[], object], *, nth: int = 1) -> None:
    """Do something right after the router has run the nth command that holds a text."""
    server, met = bench.home.ssh["router"], [0]
    real = server.executor
    assert real is not None

    def acting(command: str, stdin: BinaryIO, user: str) -> ExecResult:
        result = real(command, stdin, user)
        if text in command and ("setsid" not in command or "setsid" in text):
            met[0] += 1
            if met[0] == nth:
                act()
        return result

    server.executor = acting


def apply(bench: Bench) -> Ended:
    """Apply; the document goes to standard output."""
    return bench("apply", "--yes", "--format", "json")


def test_gone_for_good_without_an_undo_of_its_own(homes: Homes) -> None:
    """The forward stands, nobody can read it or take it back: that is said, and not called undone."""
    with homes("opnsense") as bench:
        router, services = bench.home.router, bench.home.network.router_services
        real = router.handle

        def last(request: HttpRequest) -> HttpResponse:
            response = real(request)
            if "d_nat/add_rule" in request.path:
                services.pop(443, None)
            return response

        router.handle = last  # type: ignore[method-assign]
        ended = apply(bench)
        assert ended.status == 6, ended
        assert "a person must look" in ended.document["outcome"]
        assert "plexops:plex" in bench.home.export("router")
        assert "proven" not in {proof["mark"] for proof in ended.document["proofs"]}


def test_the_router_restarts_inside_the_window(homes: Homes) -> None:
    """Its timer is gone and the entry is there: what is said of the end is what the packets do."""
    with homes() as bench:
        old = bench.state()
        shell = vars(bench.home.router)["shell"]
        assert isinstance(shell, Shell)

        def restart() -> None:
            for process in shell.processes.running():
                if process.words.startswith("setsid"):
                    process.killed.set()
            for path in shell.files.glob("/tmp/plexops*"):
                shell.files.remove(path)

        at_command(bench, PUT, restart)
        ended = apply(bench)
        assert ended.status in (0, 5), ended
        if ended.status == 0:
            assert bench.state()["32500 from outside"] == "open"
        else:
            assert bench.state() == old
        bench.home.clock.scale = 1000.0
        time.sleep(1.0)
        assert bench.is_open(32500) == (ended.status == 0)


def test_no_deadline_asks_the_wall_clock() -> None:
    """Clocks jump: every wait of the engine and the transports is measured by the monotonic one."""
    files = [
        path
        for room in ("engine", "transport", "runbook")
        for path in (CHECKOUT / "plexops" / room).rglob("*.py")
    ]
    assert len(files) > 50
    assert [
        path.name for path in files if re.search(r"\btime\.time\(|datetime\.now\(\)", path.read_text("utf-8"))
    ] == []


def test_reserved_for_another_meanwhile(homes: Homes) -> None:
    """Between the look and the first write somebody gives our address away."""
    with homes() as bench:
        edit = (
            "uci set dhcp.theirs=host; uci set dhcp.theirs.mac=02:00:00:00:00:09; "
            "uci set dhcp.theirs.ip=192.168.1.50; uci commit dhcp; /etc/init.d/dnsmasq reload"
        )
        at_command(bench, "uci show dhcp", lambda: bench.home.router.execute(edit, b"", "root"), nth=2)
        ended = apply(bench)
        assert ended.status == 3, ended
        assert [line for line in bench.writes() if "plexops" in line and "plexops.run" not in line] == []
        assert "plexops" not in bench.home.export("router")


def test_asleep_until_the_window_has_fired(homes: Homes) -> None:
    """A laptop that sleeps: when it wakes up the router has taken the forward back, and nothing says otherwise."""
    with homes(options=HomeOptions(plex=PlexSeed(delay_seconds=3.0))) as bench:
        bench.home.ssh["outside"].options.refuse_connections = True
        old = bench.state()
        process = bench.start("apply", "--yes", "--format", "json")
        wait_until(lambda: "ManualPortMappingMode=True" in bench.home.export("plex"))
        os.kill(process, signal.SIGSTOP)
        bench.home.clock.scale = 1000.0
        time.sleep(1.0)
        bench.home.clock.scale = 1.0
        assert not bench.is_forwarded(32500)
        os.kill(process, signal.SIGCONT)
        ended = bench.wait()
        assert put_back(ended), ended
        assert bench.state() == old


def test_an_odd_time_zone_changes_nothing(homes: Homes) -> None:
    """Times are kept in UTC, whatever the zone of whoever runs it."""
    with homes() as bench:
        bench.environment["TZ"] = "Pacific/Apia"
        assert apply(bench).status == 0
        assert all(record["t"].endswith("+00:00") for record in bench.journal())
