"""What an inventory may name: variables by their name, files by where they really are, and what the user allows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plexops.config.allowed import allowed_by
from plexops.config.secrets import Secrets
from plexops.model.errors import Place, PlexopsError
from plexops.model.site import SecretReference, SecretSource

PLACE = Place("inventory.yaml", 5, 20)
CANARY = "canary-of-the-user"


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A user's home with a repository in it."""
    for name in ("repo", ".ssh", ".config/plexops", "secrets"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("repo/own", ".ssh/id", ".config/plexops/router", "secrets/one", ".netrc"):
        (tmp_path / name).write_text(CANARY)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def code_of(user: Path, source: SecretSource, name: str, wanted: str = "password", **more: str) -> str:
    """Give the code by which a secret is refused; empty where it was taken."""
    environment = {"HOME": str(user), "PLEX_A": CANARY, "AWS_B": CANARY, **more}
    reference = SecretReference(
        source, name, PLACE, f"sites.home.router.{wanted}", str(user / "repo") if source == "file" else ""
    )
    try:
        secret = Secrets(environment, None, allowed_by(environment)).resolve(reference)
    except PlexopsError as error:
        return "it says the secret" if CANARY in str(error) else error.problems[0].code
    assert secret.reveal() == CANARY
    return ""


@pytest.mark.parametrize(
    ("name", "allow", "code"),
    [
        ("PLEX_A", "", ""),
        ("AWS_B", "", "PLX-C306"),
        ("AWS_B", "AWS_*", ""),
        ("AWS_B", "OTHER, AWS_B", ""),
        ("AWS_B", "AWS", "PLX-C306"),
        ("NOT_THERE", "", "PLX-C306"),
        ("XPLEX_A", "", "PLX-C306"),
        ("plex_a", "", "PLX-C306"),
    ],
)
def test_variables_are_named_by_prefix_or_allowed(user: Path, name: str, allow: str, code: str) -> None:
    assert code_of(user, SecretSource.ENVIRONMENT, name, PLEXOPS_ALLOW_ENV=allow) == code


@pytest.mark.parametrize(
    ("name", "wanted", "code"),
    [
        ("own", "password", ""),
        ("../secrets/one", "password", "PLX-C307"),
        ("{user}/secrets/one", "password", "PLX-C307"),
        ("{user}/repo/../.netrc", "password", "PLX-C307"),
        ("link", "password", "PLX-C307"),
        ("folder/one", "password", "PLX-C307"),
        ("inner", "password", ""),
        ("{user}/.config/plexops/router", "password", ""),
        ("{user}/.ssh/id", "key", ""),
        ("{user}/.ssh/id", "password", "PLX-C307"),
        ("../repository-of-another/one", "password", "PLX-C307"),
    ],
)
def test_files_are_judged_by_where_they_are(user: Path, name: str, wanted: str, code: str) -> None:
    (user / "repo" / "link").symlink_to("../.netrc")
    (user / "repo" / "folder").symlink_to("../secrets")
    (user / "repo" / "inner").symlink_to("own")
    assert code_of(user, SecretSource.FILE, name.format(user=user), wanted) == code


def test_a_refused_file_is_never_opened(user: Path) -> None:
    (user / "secrets" / "one").unlink()
    os.mkfifo(user / "secrets" / "one", 0o600)
    os.utime(user / "secrets" / "one", (1, 1))
    assert code_of(user, SecretSource.FILE, "../secrets/one") == "PLX-C307"


def own(user: Path, text: str) -> Path:
    path = user / ".config" / "plexops" / "config.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_users_own_file_allows_more(user: Path) -> None:
    own(user, f'allow: {{env: [AWS_*], files: ["{user}/secrets/*"]}}\n')
    assert code_of(user, SecretSource.ENVIRONMENT, "AWS_B") == ""
    assert code_of(user, SecretSource.FILE, "../secrets/one") == ""
    assert code_of(user, SecretSource.FILE, "../.netrc") == "PLX-C307"
    # A link out of what is allowed is not what was allowed.
    (user / "secrets" / "two").symlink_to("../.netrc")
    assert code_of(user, SecretSource.FILE, "../secrets/two") == "PLX-C307"


def test_it_stands_where_xdg_says(user: Path) -> None:
    own(user, "allow: {env: [AWS_*]}\n")
    elsewhere = str(user / "elsewhere")
    assert code_of(user, SecretSource.ENVIRONMENT, "AWS_B", XDG_CONFIG_HOME=elsewhere) == "PLX-C306"
    assert code_of(user, SecretSource.ENVIRONMENT, "AWS_B", XDG_CONFIG_HOME=str(user / ".config")) == ""
    # A relative one would be the repository's to choose.
    (user / "repo" / "plexops").mkdir()
    assert code_of(user, SecretSource.ENVIRONMENT, "AWS_B", XDG_CONFIG_HOME="repo") == ""


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        ("allow: {env: [AWS_*]}\n", 0o620, "PLX-C308"),
        ("allow: {env: [AWS_*]}\n", 0o602, "PLX-C308"),
        ("alow: {env: [AWS_*]}\n", 0o600, "PLX-C101"),
        ('allow: {env: ["*"]}\n', 0o600, "PLX-C108"),
        ("allow: {files: [secrets]}\n", 0o600, "PLX-C108"),
        ("- allow\n", 0o600, "PLX-C103"),
    ],
)
def test_a_file_that_cannot_be_the_users_word_is_refused(user: Path, text: str, mode: int, code: str) -> None:
    own(user, text).chmod(mode)
    with pytest.raises(PlexopsError) as caught:
        allowed_by({"HOME": str(user)})
    assert caught.value.problems[0].code == code
