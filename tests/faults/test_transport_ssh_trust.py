"""Who answers is proven before anything is sent, and a password is sent to few."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from plexops.model.errors import PlexopsError
from plexops.model.exchange import Command, Read
from plexops.model.secret import Secret
from plexops.model.status import ExitStatus
from plexops.structs import replace
from plexops.transport.opening import open_read
from plexops.transport.ssh.link import scan
from plexops.transport.ssh_settings import Become, SshSettings
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys, fingerprint
from tests.faults.transport_servers import Behaviour, new_key, ssh_server

READ = Read("version", Command("stat -c 24.10.1 /usr"))
PASSWORD = Secret("correct horse", "env:ROUTER_PASSWORD")


@pytest.fixture(autouse=True)
def _nobody_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def pins(key: paramiko.PKey, *sources: Source, typed: bool = True) -> TrustedKeys:
    kind = key.get_name() if typed else ""
    return TrustedKeys(
        tuple(TrustedKey(fingerprint(key.asbytes()), source, f"{source}:1", kind) for source in sources)
    )


def settings(port: int, trusted: TrustedKeys, **more: object) -> SshSettings:
    base = SshSettings("home.router", "127.0.0.1", "root", port, host_keys=trusted, password=PASSWORD)
    return replace(base, **more)  # type: ignore[arg-type]


def error_of(settings_: SshSettings) -> PlexopsError:
    link = open_read(settings_)
    with pytest.raises(PlexopsError) as caught:
        link.ask([READ])
    link.close()
    assert PASSWORD.reveal() not in str(caught.value) + repr(caught.value.problems)
    return caught.value


def test_a_key_pinned_outside_the_repository_gets_the_password_and_answers() -> None:
    behaviour = Behaviour([new_key()], password="correct horse")
    with ssh_server(behaviour) as port:
        link = open_read(settings(port, pins(behaviour.keys[0], Source.STORE)))
        assert link.identity == ""
        (reply,) = link.ask([READ])
        assert link.identity == fingerprint(behaviour.keys[0].asbytes())
        link.close()
    assert (reply.id, reply.status, reply.body, reply.whole) == ("version", 0, "24.10.1\n", True)
    assert behaviour.logins == [("login", "password", "root", "correct horse")]


@pytest.mark.parametrize(
    "trusted", [TrustedKeys(), pins(new_key(), Source.STORE), pins(new_key(), Source.INVENTORY)]
)
def test_nothing_not_even_a_user_name_goes_to_a_key_that_is_not_the_pinned_one(trusted: TrustedKeys) -> None:
    behaviour = Behaviour([new_key()], password="correct horse")
    with ssh_server(behaviour) as port:
        error = error_of(settings(port, trusted))
    assert behaviour.events == []
    assert error.status is ExitStatus.INCOMPLETE
    (problem,) = error.problems
    assert problem.code == ("PLX-D201" if trusted.keys else "PLX-D202")
    offered = fingerprint(behaviour.keys[0].asbytes())
    assert offered in " ".join(problem.detail)
    assert problem.cure.startswith(("compare", "if it matches"))
    assert f"plexops trust home.router --fingerprint {offered}" in problem.cure
    assert "nothing was sent" in problem.reason
    if trusted.keys:
        assert any(
            trusted.keys[0].fingerprint in line and trusted.keys[0].shown in line for line in problem.detail
        )


def test_a_revoked_key_is_refused_although_it_is_pinned() -> None:
    behaviour = Behaviour([new_key()], password="correct horse")
    good = pins(behaviour.keys[0], Source.STORE)
    with ssh_server(behaviour) as port:
        error = error_of(settings(port, TrustedKeys(good.keys, good.keys)))
    assert behaviour.events == []
    assert error.problems[0].code == "PLX-D211"


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive"])
def test_a_password_is_not_sent_when_only_the_repository_vouches_for_the_key(methods: str) -> None:
    behaviour = Behaviour([new_key()], password="correct horse", methods=methods)
    with ssh_server(behaviour) as port:
        error = error_of(settings(port, pins(behaviour.keys[0], Source.INVENTORY)))
    assert behaviour.logins == []
    (problem,) = error.problems
    assert problem.code == "PLX-D203"
    assert "plexops trust home.router" in problem.cure


def test_sudos_password_is_not_sent_when_only_the_repository_vouches_for_the_key() -> None:
    behaviour = Behaviour([new_key()], none_is_enough=True)
    become = Become(password=PASSWORD)
    with ssh_server(behaviour) as port:
        error = error_of(
            settings(port, pins(behaviour.keys[0], Source.INVENTORY), password=None, become=become)
        )
    assert [event for event in behaviour.events if event[0] == "exec"] == []
    assert error.problems[0].code == "PLX-D203"
    assert "sudo" in error.problems[0].reason


def test_a_device_with_two_keys_is_asked_for_the_one_that_is_pinned() -> None:
    ed25519, ecdsa = new_key(), paramiko.ECDSAKey.generate()
    behaviour = Behaviour([ed25519, ecdsa], password="correct horse")
    with ssh_server(behaviour) as port:
        link = open_read(settings(port, pins(ecdsa, Source.KNOWN_HOSTS)))
        link.ask([READ])
        assert link.identity == fingerprint(ecdsa.asbytes())
        link.close()


def test_a_fingerprint_without_a_type_may_be_of_any_of_the_devices_keys() -> None:
    ed25519, ecdsa = new_key(), paramiko.ECDSAKey.generate()
    behaviour = Behaviour([ed25519, ecdsa], none_is_enough=True)
    with ssh_server(behaviour) as port:
        trusted = pins(ecdsa, Source.INVENTORY, typed=False)
        link = open_read(settings(port, trusted, password=None))
        link.ask([READ])
        assert link.identity == fingerprint(ecdsa.asbytes())
        link.close()


def test_a_fingerprint_without_a_type_that_is_none_of_the_devices_keys_is_a_changed_key() -> None:
    behaviour = Behaviour([new_key(), paramiko.ECDSAKey.generate()], none_is_enough=True)
    with ssh_server(behaviour) as port:
        error = error_of(settings(port, pins(new_key(), Source.INVENTORY, typed=False)))
    assert behaviour.events == []
    assert error.problems[0].code == "PLX-D201"
    assert fingerprint(behaviour.keys[0].asbytes()) in " ".join(error.problems[0].detail)


def test_scan_shows_the_key_and_sends_no_login() -> None:
    behaviour = Behaviour([new_key()])
    with ssh_server(behaviour) as port:
        offered = scan(settings(port, TrustedKeys()))
    assert offered.type == "ssh-ed25519"
    assert offered.fingerprint == fingerprint(behaviour.keys[0].asbytes())
    assert behaviour.events == []
