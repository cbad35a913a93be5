"""Routers with a configuration tree, on a terminal: OpenSSH's server and a real terminal, and a command line behind it.

The state that the command line keeps in its file judges what was written.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import plexops
from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, NOTHING_WAITS, Command, Read, Reply, Write
from plexops.structs import replace
from plexops.transport.opening import open_read, open_write
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.tree import TreeReadLink, TreeWriteLink
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys
from tests.faults.test_transport_old_ssh import print_of, pytestmark, server
from tests.faults.test_transport_real_sshd import SSHD, make_key
from tests.faults.test_transport_ssh_run import authorized
from tests.waiting import wait_until

__all__ = ["pytestmark"]

CONSOLE = Path(__file__).with_name("tree_console.py")
CONFIG = Read("config", Command("show configuration commands"))
VERSION = Read("version", Command("show version"))
NO_SUCH = Read("none", Command("show upnp2 rules"))
ACTIVE = [
    "set system host-name 'vyos'",
    "set nat destination rule 100 description 'Grüße, vyos@vyos:~$ '",
    "set nat destination rule 100 translation address '192.168.1.9'",
]
RULE = "nat destination rule 3250"


class Router(Struct, frozen=True):
    settings: SshSettings
    file: Path

    def state(self, **more: object) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.file.read_text())
        if more:
            state |= more
            self.file.write_text(json.dumps(state))
        return state

    def read(self, *reads: Read) -> tuple[Reply, ...]:
        link = open_read(self.settings)
        assert isinstance(link, TreeReadLink)
        try:
            return link.ask(reads)
        finally:
            link.close()

    def write(self, *lines: str) -> Reply:
        write = Write(Command("\n".join(("configure", *lines, "exit"))), seconds=20)
        link = open_write(self.settings, authorized(write))
        assert isinstance(link, TreeWriteLink)
        try:
            return link.send(write)
        finally:
            link.close()


@contextmanager
def router(folder: Path, *, command: str = "", fault: str = "", readline: bool = True) -> Iterator[Router]:
    state = folder / "state.json"
    state.write_text(json.dumps({"active": ACTIVE, "saved": ACTIVE, "deadline": None, "fault": fault}))
    for name in ("host", "client"):
        make_key(folder / name, "ed25519")
    here = Path(plexops.__file__).parent.parent
    forced = (
        command
        or f"env PYTHONPATH={here} {sys.executable} {CONSOLE} {state} {'readline' if readline else ''}"
    )
    config = folder / "config"
    config.write_text(
        "ListenAddress 127.0.0.1\nUsePAM no\nUseDNS no\nStrictModes no\nPidFile none\nPermitRootLogin yes\n"
        f"AuthorizedKeysFile {folder}/client.pub\nHostKey {folder}/host\nForceCommand {forced}\nPrintMotd no\n"
    )
    with server(folder, SSHD, "-D", "-e", "-p", "PORT", "-f", str(config)) as port:
        key = TrustedKey(print_of(folder / "host.pub"), Source.STORE, "store", "ssh-ed25519")
        settings = SshSettings(
            "home/router", "127.0.0.1", "root", port, key_files=(folder / "client",), use_agent=False,
            host_keys=TrustedKeys((key,)), console="tree",
        )  # fmt: skip
        yield Router(settings, state)


@pytest.mark.parametrize("readline", [True, False])
def test_reads_come_back_without_echo_prompt_and_paging(tmp_path: Path, *, readline: bool) -> None:
    with router(tmp_path, readline=readline) as home:
        config, none, version = home.read(CONFIG, NO_SUCH, VERSION)
    assert config == Reply("config", 0, "".join(f"{line}\n" for line in ACTIVE))
    assert (none.status, none.whole) == (1, True)
    assert "Invalid command" in none.body
    assert version.body.startswith("Version:          VyOS 1.4.0\n")


def test_colours_are_taken_out(tmp_path: Path) -> None:
    with router(tmp_path, fault="colours") as home:
        assert home.read(CONFIG)[0].body == "".join(f"{line}\n" for line in ACTIVE)


@pytest.mark.parametrize("fault", ["prompt in the middle", "flood", "hangs"])
def test_an_answer_without_a_certain_end_is_not_whole_and_spoils_no_other(tmp_path: Path, fault: str) -> None:
    with router(tmp_path, fault=fault) as home:
        config, version = home.read(replace(CONFIG, seconds=5), VERSION)
    assert (config.whole, config.status, config.body) == (False, None, "")
    assert version.whole
    assert version.body.startswith("Version:")
    assert len(ACTIVE[0]) * 100_000 > MAX_REPLY_BYTES


def test_a_device_that_hangs_up_in_the_middle_is_named(tmp_path: Path) -> None:
    with router(tmp_path, fault="closes") as home, pytest.raises(PlexopsError) as caught:
        home.read(CONFIG)
    assert caught.value.problems[0].code == "PLX-D106"


@pytest.mark.parametrize("command", ["/bin/cat", "/bin/true"])
def test_a_device_without_a_prompt_is_named(tmp_path: Path, command: str) -> None:
    with router(tmp_path, command=command) as home, pytest.raises(PlexopsError) as caught:
        home.read(replace(CONFIG, seconds=3))
    assert caught.value.problems[0].code == "PLX-D115"


def test_a_question_is_no_prompt(tmp_path: Path) -> None:
    with router(tmp_path, fault="asks") as home, pytest.raises(PlexopsError) as caught:
        home.read(replace(CONFIG, seconds=3))
    assert caught.value.problems[0].code == "PLX-D115"


def test_another_host_key_gets_no_login_and_no_terminal(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        other = TrustedKeys((replace(home.settings.host_keys.keys[0], fingerprint="SHA256:" + 43 * "A"),))
        with pytest.raises(PlexopsError) as caught:
            replace(home, settings=replace(home.settings, host_keys=other)).read(CONFIG)
        log = (tmp_path / "log").read_text()
    assert caught.value.problems[0].code == "PLX-D201"
    assert "root" not in log


def test_nothing_but_show_is_asked(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        for text in (
            "configure",
            "show version; reboot",
            "show version | no-more",
            "show tech-support report",
        ):
            with pytest.raises(ValueError, match="is no read"):
                home.read(Read("x", Command(text)))
    assert "Accepted" not in (tmp_path / "log").read_text()


# --- writes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["", "one key"])
def test_a_change_is_committed_confirmed_and_saved(tmp_path: Path, fault: str) -> None:
    with router(tmp_path, fault=fault) as home:
        reply = home.write(
            f"set {RULE} description plexops:plex", f"set {RULE} destination port 32500", "commit-confirm 3"
        )
        assert reply.status == 0
        state = home.state()
        assert state["active"] == [
            *ACTIVE,
            f"set {RULE} description 'plexops:plex'",
            f"set {RULE} destination port '32500'",
        ]
        assert state["saved"] == ACTIVE
        assert state["deadline"] is not None
        assert home.write("confirm", "save").status == 0
        state = home.state()
        assert (state["saved"], state["deadline"]) == (state["active"], None)
        assert home.write(f"delete {RULE}", "commit", "save").status == 0
        assert home.state()["saved"] == ACTIVE


def test_what_is_not_confirmed_undoes_itself(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        assert home.write(f"set {RULE} destination port 32500", "commit-confirm 3").status == 0
        home.state(deadline=0)
        assert "3250" not in home.read(CONFIG)[0].body
        late = home.write("confirm", "save")
        assert (late.status, "No confirm pending" in late.body) == (NOTHING_WAITS, True)
        assert home.state()["saved"] == ACTIVE


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((f"set {RULE} destination port 32500", "set nonsense 1"), "is not valid"),
        ((f"set {RULE} destination port 32500", "delete nat source"), "Delete failed"),
        ((f"set {RULE} translation address nowhere",), "Commit failed"),
        ((f"set {ACTIVE[0].removeprefix('set ')}",), "No configuration changes"),
    ],
)
def test_a_line_that_is_refused_leaves_nothing_staged(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    with router(tmp_path) as home:
        write = Write(Command("\n".join(("configure", *lines, "commit", "exit"))), seconds=20)
        good = Write(Command(f"configure\nset {RULE} description x\ncommit\nexit"), seconds=20)
        link = open_write(home.settings, authorized(write, good))
        reply = link.send(write)
        assert (reply.status, says in reply.body) == (1, True)
        assert home.state()["active"] == ACTIVE
        assert link.send(good).status == 0  # on the same terminal
        link.close()
        assert home.state()["active"] == [*ACTIVE, f"set {RULE} description 'x'"]


def test_a_disk_that_is_full_is_no_save(tmp_path: Path) -> None:
    with router(tmp_path, fault="full") as home:
        reply = home.write(f"set {RULE} description x", "commit", "save")
        assert (reply.status, "No space left" in reply.body) == (1, True)
        assert (len(home.state()["active"]), home.state()["saved"]) == (4, ACTIVE)


@pytest.mark.parametrize("deadline", [None, 4_000_000_000])
def test_a_change_that_somebody_has_not_saved_or_confirmed_is_left_alone(
    tmp_path: Path, deadline: int | None
) -> None:
    theirs = [*ACTIVE, "set service ssh port '2222'"]
    with router(tmp_path) as home:
        before = home.state(active=theirs, deadline=deadline)
        with pytest.raises(PlexopsError) as caught:
            home.write(f"set {RULE} description x", "commit", "save")
        (problem,) = caught.value.problems
        assert problem.code == "PLX-D116"
        assert "set service ssh port '2222'" in problem.detail[0]
        assert home.state(visits=0) == before | {"visits": 0}


def test_what_is_not_saved_is_taken_back_to_what_is_and_nothing_waits_any_more(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        assert home.write(f"set {RULE} destination port 32500", "commit-confirm 3").status == 0
        assert home.write(f"delete {RULE}", "commit", "save").status == 0
        state = home.state()
        assert (state["active"], state["saved"], state["deadline"]) == (ACTIVE, ACTIVE, None)


def test_taking_back_does_not_make_anothers_change_last(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        assert home.write(f"set {RULE} destination port 32500", "commit").status == 0
        theirs = [*home.state()["active"], "set service ssh port '2222'"]
        before = home.state(active=theirs)
        with pytest.raises(PlexopsError) as caught:
            home.write(f"delete {RULE}", "commit", "save")
        assert caught.value.problems[0].code == "PLX-D116"
        assert home.state(visits=0) == before | {"visits": 0}


def test_a_commit_that_fails_leaves_no_timer_behind(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        reply = home.write(f"set {RULE} translation address nowhere", "commit-confirm 3")
        assert (reply.status, "Commit failed" in reply.body) == (1, True)
        state = home.state()
        assert (state["active"], state["deadline"]) == (ACTIVE, None)


def test_what_waits_for_another_is_not_confirmed(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        before = home.state(deadline=4_000_000_000)
        reply = home.write(f"set {RULE} description x", "commit-confirm 3")
        assert (reply.status, "Another confirm" in reply.body) == (1, True)
        assert home.state(visits=0) == before | {"visits": 0}


def test_a_place_that_is_taken_is_not_written_over(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        for number, status in ((100, 1), (3250, 0)):
            rule = f"nat destination rule {number}"
            assert home.write(f"show {rule}", f"set {rule} description mine", "commit").status == status
        assert home.state()["active"] == [*ACTIVE, "set nat destination rule 3250 description 'mine'"]


def test_a_user_without_rights_is_told_in_the_routers_words(tmp_path: Path) -> None:
    with router(tmp_path, fault="no rights") as home:
        reply = home.write(f"set {RULE} description x", "commit")
    assert (reply.status, "permission denied" in reply.body) == (1, True)


def test_a_device_that_is_lost_before_the_commit_has_changed_nothing(tmp_path: Path) -> None:
    with router(tmp_path, fault="hangs at a line") as home:
        write = Write(Command(f"configure\nset {RULE} description x\ncommit\nexit"), seconds=5)
        link = open_write(home.settings, authorized(write))
        with pytest.raises(PlexopsError) as caught:
            link.send(write)
        link.close()
        assert home.state()["active"] == ACTIVE
    (problem,) = caught.value.problems
    assert (problem.code, "before anything was committed" in problem.reason) == ("PLX-D106", True)


def test_hanging_up_at_the_commit_is_unknown(tmp_path: Path) -> None:
    with router(tmp_path, fault="closes at commit") as home, pytest.raises(PlexopsError) as caught:
        home.write(f"set {RULE} description x", "commit")
    assert caught.value.problems[0].code == "PLX-D109"


def test_a_write_of_another_shape_is_not_sent(tmp_path: Path) -> None:
    with router(tmp_path) as home:
        for line in (
            f"set {RULE} description 'a' ; reboot",
            "run reboot",
            f"set {RULE} description a!b",
            "commit-confirm 0",
        ):
            with pytest.raises(ValueError, match="no visit to configuration mode"):
                home.write(line, "commit")
    assert "Accepted" not in (tmp_path / "log").read_text()


# --- a genuine command line of this kind ---------------------------------------------------------------------------

FRR = Path("/usr/lib/frr/zebra")


@pytest.mark.skipif(not FRR.exists(), reason="FRR is not installed")
def test_frrs_own_command_line(tmp_path: Path) -> None:
    """vtysh pages, completes, edits lines by readline, and says no with a percent sign."""
    sockets = Path(tempfile.mkdtemp(dir="/tmp"))  # zebra gives up root, so it lies where it may still go
    shutil.chown(sockets, "frr", "frrvty")
    told = f"--vty_socket {sockets} -i {sockets}/pid -z {sockets}/api -f /dev/null -P 0".split()
    daemon = subprocess.Popen([str(FRR), *told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until((sockets / "zebra.vty").exists)
        with router(tmp_path, command=f"/usr/bin/vtysh --vty_socket {sockets}") as home:
            version, interfaces, unknown, partial = home.read(
                VERSION,
                Read("interfaces", Command("show interface")),
                Read("unknown", Command("show plexops")),
                Read("partial", Command("show interface nonsense brief")),
            )
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(sockets)
    assert (version.status, version.body.startswith("FRRouting ")) == (0, True)
    assert (interfaces.status, "Interface lo is" in interfaces.body) == (0, True)
    assert [(reply.status, reply.whole, reply.body[:1]) for reply in (unknown, partial)] == [
        (1, True, "%")
    ] * 2
