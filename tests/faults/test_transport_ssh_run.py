"""Commands over SSH: one exec, limits on time and size, sudo, broken connections, jump hosts, writes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from plexops.model.change import Action, Change
from plexops.model.errors import PlexopsError
from plexops.model.exchange import MAX_REPLY_BYTES, Command, Read, Script, Write
from plexops.model.plan import GUARD_NAMES, Authorized, GuardVerdict, Step, authorize
from plexops.model.secret import Secret
from plexops.model.snapshot import Kind, Role
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.opening import open_read, open_write
from plexops.transport.shell import ShellWriteLink
from plexops.transport.ssh_settings import Become, SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint
from tests.faults.transport_servers import Behaviour, Listener, new_key, run_by_sh, ssh_server

READS = (
    Read("one", Command("cat /lab/one")),
    Read("two", Command("cat /lab/stdin")),
    Read("three", Command("cat /lab/three")),
)


@pytest.fixture(autouse=True)
def _nobody_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@contextmanager
def device(**more: object) -> Iterator[tuple[Behaviour, SshSettings]]:
    behaviour = Behaviour([new_key()], none_is_enough=True, **more)  # type: ignore[arg-type]
    with ssh_server(behaviour) as port:
        key = behaviour.keys[0]
        trusted = TrustedKeys(
            (TrustedKey(fingerprint(key.asbytes()), Source.STORE, "store", key.get_name()),)
        )
        yield behaviour, SshSettings("home.server", "127.0.0.1", "media", port, host_keys=trusted)


def execs(behaviour: Behaviour) -> list[str]:
    return [event[1] for event in behaviour.events if event[0] == "exec"]


def raw(script: Callable[[paramiko.Channel], None]) -> Callable[[str, paramiko.Channel], None]:
    def execute(_: str, channel: paramiko.Channel) -> None:
        while channel.recv(4096):  # the client ends its input once its request was granted
            pass
        script(channel)

    return execute


def _wait(event: threading.Event) -> None:
    event.wait(20)


def test_many_reads_are_one_exec_and_come_back_apart() -> None:
    with device() as (behaviour, settings):
        link = open_read(settings)
        replies = link.ask(READS)
        link.close()
    assert [(r.id, r.status, r.body, r.stderr, r.whole) for r in replies] == [
        ("one", 3, "first\n", "warning\n", True),
        ("two", 0, "", "", True),
        ("three", 0, "no-newline", "", True),
    ]
    assert len(execs(behaviour)) == 1


def test_one_connection_carries_many_asks_and_asking_nothing_makes_none() -> None:
    with device() as (behaviour, settings):
        link = open_read(settings)
        assert link.ask(()) == ()
        assert behaviour.events == []
        for _ in range(3):
            link.ask(READS)
        link.close()
    assert len(execs(behaviour)) == 3
    assert len(behaviour.logins) == 1


def test_a_command_line_stays_shorter_than_what_dropbear_takes() -> None:
    reads = tuple(Read(f"r{n}", Command(f"stat -c '{n} {'x' * 200}' /usr")) for n in range(60))
    with device() as (behaviour, settings):
        link = open_read(settings)
        replies = link.ask(reads)
        link.close()
    assert [reply.body.split()[0] for reply in replies] == [str(n) for n in range(60)]
    assert 1 < len(execs(behaviour)) < 6
    assert all(len(command.encode()) <= 9000 for command in execs(behaviour))


def test_an_answer_of_ten_megabytes_is_cut_off_and_its_neighbours_live() -> None:
    reads = (
        Read("small", Command("stat -c before /usr")),
        Read("huge", Command("cat /lab/huge")),
    )
    with device() as (_, settings):
        link = open_read(settings)
        small, huge = link.ask(reads)
        link.close()
    assert (small.body, small.whole) == ("before\n", True)
    assert not huge.whole
    assert len(huge.body) <= MAX_REPLY_BYTES


def test_a_flood_of_errors_is_cut_off_as_well() -> None:
    with device() as (_, settings):
        link = open_read(settings)
        (reply,) = link.ask([Read("loud", Command("cat /lab/loud"))])
        link.close()
    assert not reply.whole
    assert len(reply.stderr) <= MAX_REPLY_BYTES


def test_a_read_that_hangs_ends_with_its_time_and_the_others_stand() -> None:
    reads = (
        Read("quick", Command("stat -c here /usr"), seconds=3),
        Read("hangs", Command("cat /lab/slow"), seconds=3),
    )
    with device() as (_, settings):
        link = open_read(settings)
        quick, hangs = link.ask(reads)
        link.close()
    assert (quick.body, quick.whole) == ("here\n", True)
    assert (hangs.status, hangs.whole) == (None, False)


def test_a_device_that_never_answers_the_request_is_an_error_with_the_reads_in_it() -> None:
    ended = threading.Event()
    with device(execute=raw(lambda _: _wait(ended))) as (_, settings):
        link = open_read(settings)
        with pytest.raises(PlexopsError) as caught:
            link.ask([Read("version", Command("uname"), seconds=0.5)])
        ended.set()
        link.close()
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D107"
    assert "version" in problem.where


def test_a_device_that_trickles_for_ever_meets_the_overall_limit() -> None:
    def trickle(channel: paramiko.Channel) -> None:
        while True:
            channel.sendall(b".")
            time.sleep(0.05)

    with device(execute=raw(trickle)) as (_, settings):
        link = open_read(settings)
        with pytest.raises(PlexopsError) as caught:
            link.ask([Read("version", Command("uname"), seconds=1)])
        link.close()
    assert caught.value.problems[0].code == "PLX-D107"


def test_a_connection_that_breaks_in_the_middle_is_an_error_and_the_next_ask_connects_anew() -> None:
    breaking = [True]

    def execute(command: str, channel: paramiko.Channel) -> None:
        if not breaking:
            run_by_sh()(command, channel)
            return
        breaking.clear()
        channel.sendall(b"half an ans")
        channel.get_transport().close()

    with device(execute=execute) as (behaviour, settings):
        link = open_read(settings)
        with pytest.raises(PlexopsError) as caught:
            link.ask(READS)
        assert caught.value.problems[0].code == "PLX-D106"
        assert caught.value.status is ExitStatus.INCOMPLETE
        assert link.ask(READS)[0].body == "first\n"
        link.close()
    assert len(behaviour.logins) == 2


def test_a_forced_command_is_no_answer_but_shows_what_it_said() -> None:
    def forced(channel: paramiko.Channel) -> None:
        channel.sendall(b"This account is for backups\x1b[31m only.\r\n")
        channel.send_exit_status(0)

    with device(execute=raw(forced)) as (_, settings):
        link = open_read(settings)
        replies = link.ask(READS)
        link.close()
    assert [(reply.status, reply.body, reply.whole) for reply in replies] == [(None, "", False)] * 3
    assert replies[0].stderr == "This account is for backups [31m only."


def test_what_a_read_hides_never_leaves_the_link() -> None:
    read = Read("prefs", Command('stat -c \'<Preferences Token="s3cret" Port="1"/>\' /usr'), hides=("Token",))
    with device() as (_, settings):
        link = open_read(settings)
        assert link.ask([read])[0].body == '<Preferences Token="" Port="1"/>\n'
        link.close()


def test_garbage_in_an_answer_is_kept_as_text() -> None:
    with device() as (_, settings):
        link = open_read(settings)
        (reply,) = link.ask([Read("garbage", Command("cat /lab/garbage"))])
        link.close()
    assert reply.body == "a\ufffd\x00b\n"
    assert reply.whole


# --- sudo -------------------------------------------------------------------------------------------------------

FAKE_SUDO = """#!/bin/sh
# Understands what plexops sends: -n, or -S -p '' with the password on standard input.
if [ "$1" = -n ]; then
  shift
  [ -e {nopasswd} ] || {{ echo 'sudo: a password is required' >&2; exit 1; }}
else
  shift 3
  [ -e {nopasswd} ] && given='open sesame' || IFS= read -r given
  [ "$given" = 'open sesame' ] || {{ echo 'Sorry, try again.' >&2; echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }}
fi
[ "$1" = -- ] && shift
SUDO_USER=media exec "$@"
"""


@contextmanager
def with_sudo(folder: Path, *, nopasswd: bool = False) -> Iterator[tuple[Behaviour, SshSettings]]:
    sudo = folder / "sudo"
    sudo.write_text(FAKE_SUDO.format(nopasswd=folder / "nopasswd"))
    sudo.chmod(0o755)
    if nopasswd:
        (folder / "nopasswd").touch()
    with device(execute=run_by_sh(f"{folder}:/usr/bin:/bin")) as both:
        yield both


WHO = Read("who", Command("cat /lab/who"))


def test_sudo_without_a_password_where_none_is_needed(tmp_path: Path) -> None:
    with with_sudo(tmp_path, nopasswd=True) as (_, settings):
        link = open_read(replace(settings, become=Become()))
        assert link.ask([WHO])[0].body == "as root for media\n"
        link.close()


def test_sudo_that_wants_a_password_says_how_to_give_one(tmp_path: Path) -> None:
    with with_sudo(tmp_path) as (_, settings):
        link = open_read(replace(settings, become=Become()))
        with pytest.raises(PlexopsError) as caught:
            link.ask([WHO])
        link.close()
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D207"
    assert "-K" in problem.cure
    assert "become" in problem.cure


def test_sudos_password_goes_to_standard_input_and_no_command_gets_to_read_it(tmp_path: Path) -> None:
    password = Secret("open sesame", "ask")
    with with_sudo(tmp_path) as (behaviour, settings):
        link = open_read(replace(settings, become=Become(password=password)))
        assert link.ask([WHO])[0].body == "as root for media\n"
        link.close()
    assert "open sesame" not in " ".join(execs(behaviour))


def test_a_wrong_sudo_password_is_an_error_with_sudos_words(tmp_path: Path) -> None:
    with with_sudo(tmp_path) as (_, settings):
        link = open_read(replace(settings, become=Become(password=Secret("guess", "ask"))))
        with pytest.raises(PlexopsError) as caught:
            link.ask([WHO])
        link.close()
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D208"
    assert "incorrect password attempt" in problem.reason
    assert "guess" not in str(problem)


# --- reaching ---------------------------------------------------------------------------------------------------


def unreachable(host: str, port: int) -> PlexopsError:
    link = open_read(SshSettings("home.router", host, "root", port, connect_seconds=0.5))
    with pytest.raises(PlexopsError) as caught:
        link.ask(READS)
    link.close()
    assert caught.value.problems[0].where.startswith("home.router, ssh ")
    return caught.value


def test_refused_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert unreachable("127.0.0.1", port).problems[0].code == "PLX-D102"


def test_no_answer_is_named() -> None:
    # A listener whose queue is full drops further attempts, as a firewall does.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = unreachable("127.0.0.1", full.getsockname()[1])
        for one in waiting:
            one.close()
    assert error.problems[0].code == "PLX-D103"


def test_a_name_that_does_not_resolve_is_named() -> None:
    assert unreachable("router.invalid", 22).problems[0].code == "PLX-D101"


def test_a_resolver_that_hangs_does_not_hang_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real, ended = socket.getaddrinfo, threading.Event()

    def slow(host: str, port: int, *, type: int, flags: int) -> object:  # noqa: A002  as the module names it
        if not flags & socket.AI_NUMERICHOST:
            ended.wait(60)
        return real(host, port, type=type, flags=flags)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    assert unreachable("router.lan", 22).problems[0].code == "PLX-D101"
    assert time.monotonic() - started < 30
    ended.set()


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_what_is_no_ssh_server_is_named(greeting: bytes) -> None:
    listener = Listener(lambda connection: connection.sendall(greeting))
    try:
        error = unreachable("127.0.0.1", listener.port)
    finally:
        listener.close()
    assert error.problems[0].code == "PLX-D105"


def test_a_failed_handshake_leaves_no_timer_behind() -> None:
    listener = Listener(lambda connection: connection.sendall(b"SSH-2.0-broken\r\n\x00\x00\x00\x0cgarbage"))
    try:
        unreachable("127.0.0.1", listener.port)
    finally:
        listener.close()
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert [timer for timer in timers if not timer.finished.is_set()] == []


def test_a_device_that_only_speaks_sha1_gets_another_advice_than_a_refused_login() -> None:
    # What an old dropbear offers, byte for byte as RFC 4253 7.1 lays it out.
    lists = [b"diffie-hellman-group1-sha1", b"ssh-rsa", b"3des-cbc", b"3des-cbc", b"hmac-md5", b"hmac-md5"]
    payload = b"\x14" + bytes(16) + b"".join(len(n).to_bytes(4, "big") + n for n in lists)
    payload += b"\0\0\0\4none" * 2 + b"\0\0\0\0" * 2 + b"\0" + bytes(4)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)

    def old(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-dropbear_2012.55\r\n" + packet)
        while connection.recv(4096):
            pass

    listener = Listener(old)
    try:
        (problem,) = unreachable("127.0.0.1", listener.port).problems
    finally:
        listener.close()
    assert problem.code == "PLX-D110"
    assert "`legacy_ssh: true`" in problem.cure
    assert "key exchange: diffie-hellman-group1-sha1" in problem.detail
    assert "authentication" not in problem.reason.lower()


# --- jump hosts -------------------------------------------------------------------------------------------------


def test_a_jump_host_carries_ssh_and_both_keys_are_judged() -> None:
    with device() as (jump, jump_settings), device() as (target, target_settings):
        link = open_read(replace(target_settings, via=replace(jump_settings, device="home.jump")))
        assert link.ask(READS)[0].body == "first\n"
        assert link.identity == target_settings.host_keys.keys[0].fingerprint
        link.close()
        assert ("tcp", "127.0.0.1", str(target_settings.port)) in jump.events
        assert execs(jump) == []
        target.events.clear()
        stranger = replace(target_settings, host_keys=jump_settings.host_keys, via=jump_settings)
        with pytest.raises(PlexopsError) as caught:
            open_read(stranger).ask(READS)
        assert target.events == []
    assert caught.value.problems[0].code == "PLX-D201"


def test_a_jump_host_that_forwards_nothing_is_named() -> None:
    with device(forwards=False) as (_, jump_settings):
        target = replace(jump_settings, device="home.router", via=replace(jump_settings, device="home.jump"))
        with pytest.raises(PlexopsError) as caught:
            open_read(target).ask(READS)
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D108"
    assert "home.jump" in problem.reason


# --- writes -----------------------------------------------------------------------------------------------------


def authorized(*writes: Write) -> Authorized:
    step = Step(Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE), Script(writes))
    leave = authorize(
        "home", step, tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)
    )
    assert leave is not False
    return leave


def test_a_read_link_cannot_write_and_a_write_link_needs_an_authorization() -> None:
    with device() as (behaviour, settings):
        assert not hasattr(open_read(settings), "send")
        with pytest.raises(TypeError):
            open_write(settings, object())  # type: ignore[arg-type]
    assert behaviour.events == []


def test_a_write_runs_once_with_its_own_status_and_only_if_it_was_authorized(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    write = Write(Command(f"echo x >> {mark}; echo done; echo careful >&2; exit 4"))
    with device() as (behaviour, settings):
        link = open_write(settings, authorized(write))
        with pytest.raises(ValueError, match="authorized"):
            link.send(Write(Command("reboot")))
        assert behaviour.events == []
        reply = link.send(write)
        link.close()
    assert (reply.status, reply.body, reply.stderr, reply.whole) == (4, "done\n", "careful\n", True)
    assert mark.read_text() == "x\n"


def test_a_write_as_root_shows_nothing_of_sudo_and_says_so_when_sudo_refuses(tmp_path: Path) -> None:
    write = Write(Command("echo $SUDO_USER; echo careful >&2; cat"))
    password = Secret("open sesame", "ask")
    with with_sudo(tmp_path) as (_, settings):
        link = open_write(replace(settings, become=Become(password=password)), authorized(write))
        reply = link.send(write)
        link.close()
        assert (reply.status, reply.body, reply.stderr) == (0, "media\n", "careful\n")
        link = open_write(replace(settings, become=Become()), authorized(write))
        with pytest.raises(PlexopsError) as caught:
            link.send(write)
        link.close()
    assert caught.value.problems[0].code == "PLX-D207"


def test_a_password_that_sudo_did_not_ask_for_is_not_left_for_a_command_to_read(tmp_path: Path) -> None:
    write = Write(Command("cat"))
    become = Become(password=Secret("open sesame", "ask"))
    with with_sudo(tmp_path, nopasswd=True) as (_, settings):
        link = open_write(replace(settings, become=become), authorized(write))
        reply = link.send(write)
        link.close()
    assert (reply.status, reply.body) == (0, "")


@pytest.mark.parametrize("how", ["breaks", "hangs", "killed"])
def test_a_write_whose_answer_is_missing_has_an_unknown_outcome_and_is_not_repeated(how: str) -> None:
    ended = threading.Event()

    def execute(_: str, channel: paramiko.Channel) -> None:
        if how == "breaks":
            channel.get_transport().close()
        elif how == "hangs":
            ended.wait(20)

    write = Write(Command("uci commit firewall"), seconds=0.5)
    with device(execute=execute) as (behaviour, settings):
        link = open_write(settings, authorized(write))
        assert isinstance(link, ShellWriteLink)
        with pytest.raises(PlexopsError) as caught:
            link.send(write)
        ended.set()
        link.close()
    (problem,) = caught.value.problems
    assert problem.code == "PLX-D109"
    assert "uci commit firewall" in problem.where
    assert len(execs(behaviour)) == 1


# --- other consoles and addresses ---------------------------------------------------------------------------------


def test_routeros_gets_its_own_words_with_its_input_left_open_and_names_no_status() -> None:
    ended: list[bool] = []

    def execute(_: str, channel: paramiko.Channel) -> None:
        channel.settimeout(0.3)
        try:
            ended.append(channel.recv(1) == b"")
        except TimeoutError:
            ended.append(False)
        channel.sendall(b"failure: already have such entry\r\n")
        channel.send_exit_status(0)

    write = Write(Command('/ip firewall nat add comment="plexops:plex"'))
    with device(execute=execute) as (behaviour, settings):
        link = open_write(replace(settings, console="routeros"), authorized(write))
        reply = link.send(write)
        link.close()
    assert execs(behaviour) == ['/ip firewall nat add comment="plexops:plex"']
    assert (reply.status, reply.body, reply.whole) == (None, "failure: already have such entry\r\n", True)
    assert ended == [False]


def test_a_channel_without_an_exit_status_is_a_whole_answer_on_routeros() -> None:
    def execute(_: str, channel: paramiko.Channel) -> None:
        channel.sendall(b"ok")
        time.sleep(0.1)  # the request is granted by now

    write = Write(Command("/system identity print"))
    with device(execute=execute) as (_, settings):
        link = open_write(replace(settings, console="routeros"), authorized(write))
        reply = link.send(write)
        link.close()
    assert (reply.status, reply.body, reply.whole) == (None, "ok", True)


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost"])
def test_ipv6_and_names_with_several_addresses(host: str) -> None:
    behaviour = Behaviour([new_key()], none_is_enough=True)
    key = behaviour.keys[0]
    trusted = TrustedKeys((TrustedKey(fingerprint(key.asbytes()), Source.STORE, "store", key.get_name()),))
    with ssh_server(behaviour, "127.0.0.1" if host == "localhost" else "::1") as port:
        settings = SshSettings("home.router", host, "root", port, host_keys=trusted)
        link = open_read(settings)
        assert link.ask(READS)[0].body == "first\n"
        link.close()
        assert settings.address == ("localhost" if host == "localhost" else "[::1]") + f":{port}"
