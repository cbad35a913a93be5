"""References to secrets, resolved from a real environment, real files and a person."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plexops.config.inventory import read_inventory
from plexops.config.secrets import Secrets, resolve
from plexops.config.yaml import parse_yaml
from plexops.model.errors import Place, PlexopsError, Problem
from plexops.model.site import SecretReference, SecretSource
from plexops.model.status import ExitStatus

PLACE = Place("inventory.yaml", 5, 20)


ROUTER = "sites.home.router.password"


def reference(
    source: SecretSource, name: str = "", wanted: str = ROUTER, folder: str = ""
) -> SecretReference:
    return SecretReference(source, name, PLACE, wanted, folder or str(Path(name).parent))


def refused(ref: SecretReference, environment: dict[str, str] | None = None) -> Problem:
    with pytest.raises(PlexopsError) as caught:
        resolve(ref, environment or {}, None)
    assert caught.value.status is ExitStatus.USAGE
    (problem,) = caught.value.problems
    assert problem.place == PLACE
    return problem


def test_from_the_environment() -> None:
    secret = resolve(
        reference(SecretSource.ENVIRONMENT, "PLEXOPS_ROUTER"), {"PLEXOPS_ROUTER": "hunter2 "}, None
    )
    assert secret.reveal() == "hunter2 "
    assert repr(secret) == "Secret(env:PLEXOPS_ROUTER)"


def test_a_variable_that_is_not_set_names_itself_and_where_it_is_wanted() -> None:
    problem = refused(reference(SecretSource.ENVIRONMENT, "PLEXOPS_ROUTER"), {"OTHER": "x"})
    assert problem.code == "PLX-C301"
    assert "PLEXOPS_ROUTER" in problem.reason
    assert "sites.home.router.password" in problem.reason


def test_an_empty_variable_is_no_secret() -> None:
    assert refused(reference(SecretSource.ENVIRONMENT, "PLEX_X"), {"PLEX_X": ""}).code == "PLX-C305"


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 \n", " hunter2 "),
    ],
)
def test_from_a_file_beside_the_inventory(tmp_path: Path, data: bytes, secret: str) -> None:
    path = tmp_path / "router"
    path.write_bytes(data)
    path.chmod(0o600)
    assert resolve(reference(SecretSource.FILE, "router", folder=str(tmp_path)), {}, None).reveal() == secret


@pytest.mark.skipif(os.name != "posix", reason="rights of files mean nothing on Windows")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o644])
def test_a_file_that_others_may_read_or_write(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "router"
    path.write_text("hunter2")
    path.chmod(mode)
    problem = refused(reference(SecretSource.FILE, str(path)))
    assert problem.code == "PLX-C303"
    assert f"{mode:04o}" in problem.reason


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "PLX-C305"),
        (b"\n", "PLX-C305"),
        (b"hunter2\nsecond\n", "PLX-C305"),
        (b"hunter2\n\n", "PLX-C305"),
        (b"hun\x1bter2", "PLX-C305"),
        (b"hunter2\xff", "PLX-C302"),
        (b"x" * 8193, "PLX-C302"),
    ],
)
def test_files_that_hold_no_secret(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "router"
    path.write_bytes(data)
    path.chmod(0o600)
    problem = refused(reference(SecretSource.FILE, str(path)))
    assert problem.code == code
    assert "hunter2" not in str(problem)


def test_a_file_that_is_not_there_a_directory_and_a_pipe(tmp_path: Path) -> None:
    assert refused(reference(SecretSource.FILE, str(tmp_path / "nothing"))).code == "PLX-C302"
    tmp_path.chmod(0o700)
    assert refused(reference(SecretSource.FILE, str(tmp_path))).code == "PLX-C302"
    assert refused(reference(SecretSource.FILE, "a\x00b")).code == "PLX-C302"
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe", 0o600)
        assert "is not a file" in refused(reference(SecretSource.FILE, str(tmp_path / "pipe"))).reason


def test_a_private_key_may_have_lines(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("-----BEGIN-----\nabc\n-----END-----\n")
    path.chmod(0o600)
    text = resolve(reference(SecretSource.FILE, str(path), wanted="sites.home.router.key"), {}, None).reveal()
    assert text == "-----BEGIN-----\nabc\n-----END-----"


def test_nobody_is_asked_where_nobody_is() -> None:
    assert refused(reference(SecretSource.ASK)).code == "PLX-C304"


def test_a_person_is_asked_once_per_reference_and_run() -> None:
    document = """
defaults: {server: {become: {password: {ask: true}}}}
sites:
  a: {server: {address: 192.168.1.5, password: {ask: true}}}
  b: {server: {address: 192.168.1.6, password: {ask: true}}}
"""
    inventory = read_inventory(parse_yaml(document, "inventory.yaml"), Path("inventory.yaml"))
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return f"answer {len(asked)}"

    secrets = Secrets({}, ask)
    answers = []
    for name in ("a", "b", "a"):
        server = inventory.sites[name].server
        assert server is not None
        assert server.login is not None
        assert server.login.password is not None
        assert server.become is not None
        assert server.become.password is not None
        answers.append(
            (
                secrets.resolve(server.login.password).reveal(),
                secrets.resolve(server.become.password).reveal(),
            )
        )
    # Two sites, two passwords; the one under `defaults:` is one question for both.
    assert answers == [("answer 1", "answer 2"), ("answer 3", "answer 2"), ("answer 1", "answer 2")]
    assert asked[0] == "sites.a.server.password (inventory.yaml:4:49)"


def test_typing_nothing_is_no_secret() -> None:
    with pytest.raises(PlexopsError) as caught:
        resolve(reference(SecretSource.ASK), {}, lambda _: "")
    assert caught.value.problems[0].code == "PLX-C305"


@pytest.mark.parametrize("source", ["env", "file"])
def test_a_claim_token_is_told_apart_when_it_is_read(tmp_path: Path, source: str) -> None:
    path = tmp_path / "token"
    path.write_text("claim-hunter2")
    path.chmod(0o600)
    name = "PLEX_TOKEN" if source == "env" else str(path)
    problem = refused(
        reference(SecretSource(source), name, "sites.home.plex.token"), {"PLEX_TOKEN": "claim-hunter2"}
    )
    assert problem.code == "PLX-C207"
    assert "hunter2" not in str(problem)


def test_the_servers_own_token_is_for_the_engine() -> None:
    with pytest.raises(ValueError, match="engine"):
        resolve(reference(SecretSource.SERVER), {}, None)
