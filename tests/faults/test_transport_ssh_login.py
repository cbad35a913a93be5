"""Logging in as people do, and saying well why it did not work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Command, Read
from plexops.model.secret import Secret
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.opening import open_read
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint
from tests.faults.transport_servers import Behaviour, new_key, private_text, public_blob, ssh_server

READ = Read("version", Command("stat -c 24.10.1 /usr"))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def settings(behaviour: Behaviour, port: int) -> SshSettings:
    key = behaviour.keys[0]
    trusted = TrustedKeys((TrustedKey(fingerprint(key.asbytes()), Source.STORE, "store", key.get_name()),))
    return SshSettings("home.router", "127.0.0.1", "root", port, host_keys=trusted)


def asked(settings_: SshSettings) -> str:
    link = open_read(settings_)
    try:
        return link.ask([READ])[0].body
    finally:
        link.close()


def refused(settings_: SshSettings) -> PlexopsError:
    with pytest.raises(PlexopsError) as caught:
        asked(settings_)
    return caught.value


def test_key_text_from_the_environment_logs_in() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    behaviour = Behaviour([new_key()], public_keys=[public_blob(key)])
    with ssh_server(behaviour) as port:
        text = Secret(private_text(key), "env:ROUTER_KEY")
        assert asked(replace(settings(behaviour, port), key_text=text)) == "24.10.1\n"
    assert behaviour.logins == [("login", "publickey", "root")]


def test_a_named_key_file_is_used_and_the_default_keys_are_not(home: Path) -> None:
    named, default = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    (home / "router_key").write_text(private_text(named))
    (home / ".ssh" / "id_ed25519").write_text(private_text(default))
    behaviour = Behaviour([new_key()], public_keys=[public_blob(default)])
    with ssh_server(behaviour) as port:
        error = refused(replace(settings(behaviour, port), key_files=(home / "router_key",)))
        assert error.problems[0].code == "PLX-D204"
        assert len(behaviour.logins) == 1
        assert asked(settings(behaviour, port)) == "24.10.1\n"


def test_the_default_key_logs_in_before_the_password_is_thought_of(home: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    (home / ".ssh" / "id_ed25519").write_text(private_text(key))
    behaviour = Behaviour([new_key()], public_keys=[public_blob(key)], password="x")
    with ssh_server(behaviour) as port:
        asked(replace(settings(behaviour, port), password=Secret("x", "ask")))
    assert [login[1] for login in behaviour.logins] == ["publickey"]


def test_a_password_answers_keyboard_interactive_and_is_sent_once() -> None:
    behaviour = Behaviour([new_key()], methods="keyboard-interactive", password="x")
    with ssh_server(behaviour) as port:
        assert asked(replace(settings(behaviour, port), password=Secret("x", "ask"))) == "24.10.1\n"
    assert [event for event in behaviour.events if event[0] == "answers"] == [("answers", "x")]


def test_a_second_question_gets_no_password() -> None:
    behaviour = Behaviour(
        [new_key()],
        methods="keyboard-interactive",
        password="x",
        prompts=("Password: ", "Verification code: "),
    )
    with ssh_server(behaviour) as port:
        error = refused(replace(settings(behaviour, port), password=Secret("x", "ask")))
    assert [event for event in behaviour.events if event[0] == "answers"] == [("answers", "", "")]
    assert "Verification code" in " ".join(error.problems[0].detail)


def test_a_key_and_then_a_password_where_the_device_wants_both() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    behaviour = Behaviour([new_key()], public_keys=[public_blob(key)], password="x", two_steps=True)
    with ssh_server(behaviour) as port:
        both = replace(
            settings(behaviour, port),
            key_text=Secret(private_text(key), "env:K"),
            password=Secret("x", "ask"),
        )
        assert asked(both) == "24.10.1\n"
    assert [login[1] for login in behaviour.logins] == ["publickey", "password"]


def test_a_password_that_was_refused_is_not_given_again_when_asked() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    behaviour = Behaviour([new_key()], public_keys=[public_blob(key)], password="right", two_steps=True)
    with ssh_server(behaviour) as port:
        refused(
            replace(
                settings(behaviour, port),
                key_text=Secret(private_text(key), "env:K"),
                password=Secret("x", "ask"),
            )
        )
    assert [login[1] for login in behaviour.logins] == ["publickey", "password"]


def test_a_router_without_a_password_lets_in() -> None:
    behaviour = Behaviour([new_key()], none_is_enough=True)
    with ssh_server(behaviour) as port:
        assert asked(settings(behaviour, port)) == "24.10.1\n"
    assert behaviour.logins == [("login", "none", "root")]


def test_a_wrong_password_is_tried_once_and_never_again_by_the_same_link() -> None:
    behaviour = Behaviour([new_key()], password="right")
    with ssh_server(behaviour) as port:
        link = open_read(replace(settings(behaviour, port), password=Secret("wrong", "env:PW")))
        for _ in range(3):
            with pytest.raises(PlexopsError) as caught:
                link.ask([READ])
        link.close()
    assert behaviour.logins == [("login", "password", "root", "wrong")]
    assert caught.value.status is ExitStatus.INCOMPLETE
    problem = caught.value.problems[0]
    assert problem.code == "PLX-D204"
    assert problem.detail == ("refused: password",)
    assert "wrong" not in str(problem)


def test_at_most_five_keys_are_offered(home: Path) -> None:
    paths = []
    for number in range(7):
        path = home / f"key{number}"
        path.write_text(private_text(ed25519.Ed25519PrivateKey.generate()))
        paths.append(path)
    behaviour = Behaviour([new_key()])
    with ssh_server(behaviour) as port:
        refused(replace(settings(behaviour, port), key_files=tuple(paths)))
    assert len(behaviour.logins) == 5


def test_a_protected_key_gets_the_advice_to_use_an_agent(home: Path) -> None:
    (home / "key").write_text(private_text(ed25519.Ed25519PrivateKey.generate(), b"passphrase"))
    behaviour = Behaviour([new_key()])
    with ssh_server(behaviour) as port:
        problem = refused(replace(settings(behaviour, port), key_files=(home / "key",))).problems[0]
    assert problem.code == "PLX-D205"
    assert problem.cure == f"ssh-add {home / 'key'}"


@pytest.mark.parametrize("content", ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA me@nas\n", "", None])
def test_what_is_no_private_key_is_said_before_a_login_is_tried(home: Path, content: str | None) -> None:
    if content is not None:
        (home / "key").write_text(content)
    behaviour = Behaviour([new_key()])
    with ssh_server(behaviour) as port:
        error = refused(replace(settings(behaviour, port), key_files=(home / "key",)))
    assert error.problems[0].code == "PLX-D206"
    assert error.status is ExitStatus.USAGE
    assert behaviour.logins == []


def test_login_banners_do_not_reach_the_answers() -> None:
    behaviour = Behaviour([new_key()], none_is_enough=True, banner="*** AUTHORISED USERS ONLY ***\n")
    with ssh_server(behaviour) as port:
        assert asked(settings(behaviour, port)) == "24.10.1\n"


@pytest.fixture
def agent(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed")
    path = home / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not path.exists():
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield path
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)


def test_the_agent_logs_in_with_a_key_whose_file_is_protected(home: Path, agent: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    plain, protected = home / "plain", home / ".ssh" / "id_ed25519"
    plain.write_text(private_text(key))
    plain.chmod(0o600)
    protected.write_text(private_text(key, b"passphrase"))
    subprocess.run(["ssh-add", str(plain)], check=True, capture_output=True)
    behaviour = Behaviour([new_key()], public_keys=[public_blob(key)])
    with ssh_server(behaviour) as port:
        assert asked(settings(behaviour, port)) == "24.10.1\n"
    assert [login[1] for login in behaviour.logins] == ["publickey"]
    assert agent.exists()
