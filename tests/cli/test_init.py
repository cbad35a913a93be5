"""`plexops init`: what it proposes passes `plexops check`, and it writes only what a person agreed to."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from plexops.config.files import shipped
from plexops.config.profiles import profile_names
from plexops.engine.bootstrap.detection import Family
from plexops.engine.bootstrap.discovery import Reach, Surroundings, mac_of
from plexops.engine.bootstrap.first_inventory import Proposal, inventory_text, propose
from plexops.model.entries import UpnpMapping
from plexops.model.quick import OwnNetwork, SeenGateway, SeenPlex
from plexops.model.values import Ports, Protocol
from plexops.structs import replace
from tests.cli.process import PLEXOPS, Ended, environment, plexops
from tests.unit.transport.strangers import HOME, TcpStranger, page
from tests.unit.transport.test_gdm import IDENTITY

ROUTER, HOST = IPv4Address("192.168.1.1"), IPv4Address("192.168.1.50")
PLEX = SeenPlex(HOST, 32400, "4f8a1c0de5b64fd2", "mediabox", "1.43.0", True)
FULL = Proposal(
    "home",
    ROUTER,
    Family("openwrt", "its web page: LuCI"),
    PLEX,
    "52:54:00:12:34:56",
    "docker",
    "media",
    32500,
    (),
)
FILES = ("inventory.yaml", "playbooks/plex-remote-access.yaml")


def write(folder: Path, proposal: Proposal) -> Path:
    """Write what would be proposed, and the playbook, as `init` does."""
    (folder / "playbooks").mkdir(parents=True)
    (folder / FILES[0]).write_text(inventory_text(proposal), encoding="utf-8")
    (folder / FILES[1]).write_text(
        (shipped("playbooks") / "plex-remote-access.yaml").read_text(), encoding="utf-8"
    )
    return folder


# What is proposed.


@pytest.mark.parametrize("family", profile_names())
@pytest.mark.parametrize("login", ["media", "root", ""])
@pytest.mark.parametrize("secure", [False, True])
def test_what_is_proposed_passes_the_check(tmp_path: Path, family: str, login: str, secure: bool) -> None:
    proposal = replace(FULL, family=Family(family, "x"), login=login, plex=replace(PLEX, secure=secure))
    done = plexops("check", directory=write(tmp_path / "home", proposal))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("1 site, 8 tasks")


@pytest.mark.parametrize(
    ("proposal", "missing"),
    [
        (replace(FULL, mac=""), "does not say server.mac for this site"),
        (replace(FULL, plex=None, mac=""), "plex"),
    ],
)
def test_what_is_not_known_is_named_by_the_check(tmp_path: Path, proposal: Proposal, missing: str) -> None:
    text = inventory_text(proposal)
    assert "to do" in text
    done = plexops("check", directory=write(tmp_path / "home", proposal))
    assert done.status == 2
    assert missing in done.said


def test_a_router_that_was_not_found_is_left_open(tmp_path: Path) -> None:
    proposal = replace(FULL, router=None)
    assert "# to do: the router" in inventory_text(proposal)
    assert plexops("check", directory=write(tmp_path / "home", proposal)).status == 0


def test_a_box_that_a_person_sets_is_named_so_that_its_own_steps_are_shown(tmp_path: Path) -> None:
    proposal = replace(FULL, family=Family("manual", "it says by UPnP “Orange Livebox”", "livebox"))
    assert "\n      like: livebox #" in inventory_text(proposal)
    assert plexops("check", directory=write(tmp_path / "home", proposal)).status == 0


def test_a_login_is_asked_for_in_the_words_of_the_box() -> None:
    def router(family: str) -> str:
        text = inventory_text(replace(FULL, family=Family(family, "x")))
        return text.partition("    router:\n")[2].partition("    server:\n")[0]

    assert "      username: root # to do: System → Administration" in router("openwrt")
    assert "      # params: {wan: wan, lan: lan} # to do: " in router("openwrt")
    assert "      # username: me # to do: a login with all rights" in router("linux")
    key, secret = re.findall(
        r"      (api_\w+): \{env: PLEXOPS_ROUTER_(?:KEY|SECRET)\}( # to do: System.*)?\n", router("opnsense")
    )
    assert (key[0], secret) == ("api_key", ("api_secret", ""))
    assert "API key" in key[1]
    assert router("manual") == "      profile: manual # x\n      address: 192.168.1.1\n"


def test_a_port_that_somebody_holds_is_not_proposed(tmp_path: Path) -> None:
    held = UpnpMapping(Ports.of((32500, 32502)), IPv4Address("192.168.1.60"), Ports.of(1), Protocol.TCP)
    around = Surroundings(None, (SeenGateway(HOME, software="OpenWrt", mappings=(held,)),), ())
    found = propose(
        around,
        None,
        Reach(proc=tmp_path, answer_seconds=0.2),
        site="home",
        router=HOME,
        login="",
        docker="/nowhere",
    )
    assert found.external_port == 32503


def test_a_mac_address_comes_from_this_computers_own_table(tmp_path: Path) -> None:
    (tmp_path / "arp").write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.1.50     0x1         0x2         52:54:00:12:34:56     *        eth0\n"
        "192.168.1.51     0x1         0x0         00:00:00:00:00:00     *        eth0\n"
        "192.168.1.52     0x1         0x2         52:54:00:12:34:5G     *        eth0\n",
        encoding="ascii",
    )
    network = OwnNetwork("eth0", IPv4Address("192.168.1.2"), ROUTER, IPv4Network("192.168.1.0/24"))
    reach = Reach(proc=tmp_path)
    assert mac_of(PLEX, network, reach) == "52:54:00:12:34:56"
    for last in (51, 52, 53):
        assert mac_of(replace(PLEX, address=IPv4Address(f"192.168.1.{last}")), network, reach) == ""
    assert mac_of(PLEX, None, reach) == ""


@contextmanager
def docker(directory: Path, answer: bytes) -> Iterator[str]:
    """Start a service at a Unix socket that answers one request."""
    path = str(directory / "d.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            stream, _ = listening.accept()
            with stream:
                assert stream.recv(65536).startswith(b"GET /containers/json HTTP/1.1\r\n")
                stream.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join(60)


@pytest.mark.parametrize(
    ("listed", "container"),
    [
        (b'[{"Image": "lscr.io/linuxserver/plex:latest"}]', "docker"),
        (b'[{"Image": "nginx"}, {"Image": "plexinc/pms-docker"}]', "docker"),
        (b'[{"Image": "nginx"}, {"Image": "duplexer"}]', ""),
        (b"[]", ""),
        (b'{"message": "no"}', ""),
        (b"[" * 50_000, ""),
        (b"[7, null]", ""),
    ],
)
def test_docker_says_whether_plex_runs_in_it(tmp_path: Path, listed: bytes, container: str) -> None:
    local = replace(PLEX, address=HOME, local=True)
    with docker(tmp_path, page(listed)) as path:
        found = propose(
            Surroundings(None, (), (local,)), local, Reach(proc=tmp_path, answer_seconds=0.2), site="home", router=None,
            login="media", docker=path,
        )  # fmt: skip
    assert (found.container, found.login) == (container, "media")


@pytest.mark.parametrize("login", ["media", "root", ""])
def test_on_the_plex_host_nobody_has_to_log_in(tmp_path: Path, login: str) -> None:
    proposal = replace(FULL, login=login, plex=replace(PLEX, local=True), here=True)
    text = inventory_text(proposal)
    assert "\n      connection: local #" in text
    assert "token: {from: server}" in text
    (server,) = re.findall(r"    server:\n((?: {6}.*\n)+)", text)
    assert ("username: media" in server.replace("write username", ""), "become:" in server) == (
        False,
        login == "media",
    )
    done = plexops("check", directory=write(tmp_path / "home", proposal))
    assert (done.status, done.err) == (0, "")


def test_init_asks_the_plex_host_for_no_key_where_it_runs_on_it(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "comm").write_text("Plex Media Serv\n")
    local = replace(PLEX, address=HOME, local=True)
    reach = Reach(proc=tmp_path, processes=tmp_path, answer_seconds=0.2)
    found = propose(
        Surroundings(None, (), (local,)), local, reach, site="home", router=None, login="media", docker="/no"
    )
    assert (found.here, found.keys) == (True, ())


@pytest.mark.parametrize("login", ["DOMAIN\\me", "me: {x: y}", "true", "null", "", "7up", "a" * 40])
def test_an_odd_login_is_left_for_the_person(tmp_path: Path, login: str) -> None:
    local = replace(PLEX, address=HOME, local=True)
    reach = Reach(proc=tmp_path, answer_seconds=0.2)
    found = propose(
        Surroundings(None, (), (local,)),
        local,
        reach,
        site="home",
        router=None,
        login=login,
        docker="/nowhere",
    )
    assert found.login == ""


# The command. It looks around: only where nothing can leave this machine.


def has_way_out() -> bool:
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return True
    return any(line.split()[1] == "00000000" for line in lines)


enclosed = pytest.mark.skipif(
    has_way_out(), reason="it would look around in a real network: use scripts/test"
)


@contextmanager
def plex_here() -> Iterator[str]:
    with TcpStranger(lambda _: [page(IDENTITY)]) as plex:
        yield f"127.0.0.1:{plex.port}"


def init(*words: str, directory: Path) -> Ended:
    return plexops("init", *words, directory=directory)


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nobody_to_ask_is_2_and_nothing_is_looked_at(tmp_path: Path) -> None:
    done = init(directory=tmp_path)
    assert (done.status, done.out) == (2, "")
    assert "--yes" in done.err
    assert "looking around" not in done.err
    assert written(tmp_path) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--site", "a b"),
        ("--site", "all"),
        ("--site", "1: {"),
        ("--router", "router.lan"),
        ("--plex", "192.168.1.50:0"),
        ("--plex", "192.168.1.50:"),
        ("--plex", "192.168.1.50:x"),
    ],
)
def test_a_mistake_on_the_command_line_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = init("--yes", *words, directory=tmp_path)
    assert (done.status, done.out, written(tmp_path)) == (2, "", [])
    assert "looking around" not in done.err


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["file", "link to nowhere"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    done = init("--yes", directory=tmp_path)
    assert done.status == 2
    assert "PLX-C811" in done.err
    assert "looking around" not in done.err
    assert not (tmp_path / "elsewhere").exists()
    assert written(tmp_path) == ([name] if kind == "file" else [])


@enclosed
def test_where_nothing_is_found_it_says_so(tmp_path: Path) -> None:
    done = init("--yes", directory=tmp_path)
    assert (done.status, written(tmp_path)) == (4, [])
    assert "PLX-C812" in done.err


@enclosed
def test_what_is_written_is_what_was_shown(tmp_path: Path) -> None:
    with plex_here() as place:
        done = init(
            "new", "--yes", "--plex", place, "--router", "127.0.0.1", "--site", "cabin", directory=tmp_path
        )
    assert done.status == 1, "the MAC address could not be seen"
    assert "does not say server.mac for this site" in done.said
    assert written(tmp_path / "new") == sorted(FILES)
    text = (tmp_path / "new" / FILES[0]).read_text()
    assert done.out == f"# new/inventory.yaml\n{text}"
    assert f"url: http://{place}" in text
    again = init("new", "--yes", directory=tmp_path)
    assert (again.status, (tmp_path / "new" / FILES[0]).read_text()) == (2, text)


@enclosed
def test_after_filling_in_what_was_asked_the_check_passes(tmp_path: Path) -> None:
    with plex_here() as place:
        init("--yes", "--plex", place, "--router", "127.0.0.1", directory=tmp_path)
    path = tmp_path / FILES[0]
    filled = re.sub(r"# mac: (\S+) # to do.*", r"mac: \1", path.read_text())
    assert filled != path.read_text()
    path.write_text(filled)
    assert plexops("check", directory=tmp_path).status == 0


@enclosed
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = init("closed", "--yes", "--router", "127.0.0.1", directory=tmp_path)
    assert (done.status, "PLX-C703" in done.err) == (2, True)


@enclosed
def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = init("file", "--yes", "--router", "127.0.0.1", directory=tmp_path)
    assert (done.status, "PLX-C703" in done.err) == (2, True)


@enclosed
@pytest.mark.parametrize(("answer", "status", "files"), [("n\n", 1, []), ("y\n", 1, sorted(FILES))])
def test_a_person_is_asked_after_it_was_shown(
    tmp_path: Path, answer: str, status: int, files: list[str]
) -> None:
    with plex_here() as place:
        ours, theirs = pty.openpty()
        os.write(ours, answer.encode())
        try:
            done = subprocess.run(
                [*PLEXOPS, "init", "--plex", place, "--router", "127.0.0.1"],
                cwd=tmp_path,
                env=environment(),
                stdin=theirs,
                capture_output=True,
                encoding="utf-8",
                timeout=60,
                check=False,
            )
        finally:
            os.close(theirs)
            os.close(ours)
    assert (done.returncode, written(tmp_path)) == (status, files)
    assert "sites:" in done.stdout
    assert "Write this" in done.stderr
