"""`plexops check`: all that can be known from files, without a socket and without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.process import plexops, python

#: Ends the process where it makes a socket, starts another process, or opens a file that holds a secret.
DENIES = """
import sys
def deny(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn"):
        raise SystemExit(f"denied: {event}")
    if event == "open" and "the-password-9471" in str(arguments[0]):
        raise SystemExit("denied: a secret was opened")
sys.addaudithook(deny)
from plexops.cli.main import main
main(sys.argv[1:])
"""


def test_no_socket_no_process_no_secret(bare: Path) -> None:
    inventory = bare / "inventory.yaml"
    text = inventory.read_text()
    inventory.write_text(
        text.replace("username: root", "username: root\n      password: {file: the-password-9471}")
        .replace("username: media", "username: media\n      become: {method: sudo, password: {ask: true}}")
        .replace("token: {from: server}", "token: {env: PLEXOPS_NOT_SET_ANYWHERE}")
    )
    done = python(DENIES, "check", directory=bare)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 site, 2 tasks, 1 profile: in order\n", "")


def test_the_denial_would_be_noticed(bare: Path) -> None:
    (bare / "state").mkdir()
    done = python(DENIES, "audit", directory=bare, XDG_STATE_HOME=str(bare / "state"))
    assert "denied: " in done.stderr


def test_check_leaves_nothing_behind(bare: Path) -> None:
    before = sorted(bare.rglob("*"))
    state = bare.parent / "state-of-check"
    assert plexops("check", directory=bare, variables={"XDG_STATE_HOME": str(state)}).status == 0
    assert sorted(bare.rglob("*")) == before
    assert not state.exists()


def test_list_tasks(bare: Path) -> None:
    expected = (
        "home\n"
        "  The host keeps its address    dhcp reservation            playbooks/plex.yaml:5:7\n"
        "  The router forwards our port  port forward      router    playbooks/plex.yaml:7:7\n"
    )
    for command in (("check",), ("audit",), ("apply",)):
        ended = plexops(*command, "--list-tasks", directory=bare)
        assert ended.status == 0
        assert [line.split() for line in ended.out.splitlines()] == [
            line.split() for line in expected.splitlines()
        ]
    only = plexops("check", "--list-tasks", "-t", "router", directory=bare).out
    assert "forwards our port" in only
    assert "keeps its address" not in only


def test_files_are_told_apart_as_a_commit_hook_names_them(bare: Path) -> None:
    source = Path(__file__).parents[2] / "router_profiles" / "openwrt.yaml"
    (bare / "mine.yaml").write_text(source.read_text(), encoding="utf-8")
    named = plexops("check", "mine.yaml", "playbooks/plex.yaml", "inventory.yaml", directory=bare)
    assert (named.status, named.out) == (0, "1 site, 2 tasks, 2 profiles: in order\n")
    alone = plexops("check", "mine.yaml", directory=bare.parent, variables={})
    assert alone.status == 2
    profile = plexops("check", str(bare / "mine.yaml"), directory=bare.parent)
    assert (profile.status, profile.out) == (0, "0 sites, 0 tasks, 1 profile: in order\n")
    twice = plexops("check", "-i", "inventory.yaml", "inventory.yaml", directory=bare)
    assert twice.status == 2
    assert "name one" in twice.said


@pytest.mark.parametrize("command", [("check", "mine.yaml"), ("profiles", "test", "mine.yaml")])
@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("dhcp: {uci: dhcp}", "dhcp: uci set dhcp.x=y", "PLX-D401", "this read could write"),
        ("as: json", "as: jsn", "PLX-D402", "there is no parser 'jsn'"),
        ("speaks: shell", "speaks: shel", "PLX-C104", "Did you mean shell?"),
        ("\nreads:", "\nraeds:", "PLX-C101", "Did you mean reads?"),
    ],
)
def test_a_profile_of_ones_own(
    old: str, new: str, code: str, says: str, command: tuple[str, ...], bare: Path
) -> None:
    source = Path(__file__).parents[2] / "router_profiles" / "openwrt.yaml"
    text = source.read_text()
    assert old in text
    (bare / "mine.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    ended = plexops(*command, directory=bare)
    assert ended.status == 2
    assert f"error[{code}]" in ended.err
    assert says in ended.said
    assert "--> mine.yaml:" in ended.err


def test_notes_are_told_and_change_nothing(bare: Path) -> None:
    inventory = bare / "inventory.yaml"
    inventory.write_text(inventory.read_text().replace("address: 192.168.1.50", "address: 93.184.216.34"))
    ended = plexops("check", directory=bare)
    assert ended.status == 0
    assert "note  inventory.yaml:9:16  " in ended.out
