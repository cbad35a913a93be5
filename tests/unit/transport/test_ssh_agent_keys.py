"""IdentitiesOnly: of an agent's keys only those are offered whose public half the file names. With OpenSSH's agent."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from plexops.transport.ssh.config import resolve
from plexops.transport.ssh.config_file import read_ssh_config
from plexops.transport.ssh.keys import Passed, candidates
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import TrustedKeys

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="OpenSSH is not installed")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent that holds the keys `one` and `two`; their private files are gone."""
    folder = Path(tempfile.mkdtemp())  # a socket's path may not be long
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(folder / "s")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "s"))
        for name in ("one", "two"):
            path = tmp_path / name
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True
            )
            done = None
            for _ in range(50):
                done = subprocess.run(["ssh-add", "-q", path], check=False, capture_output=True)
                if done.returncode == 0:
                    break
            assert done is not None
            assert done.returncode == 0, done.stderr
            path.unlink()
        yield tmp_path
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("config", "offered"),
    [
        ("IdentityFile {folder}/two.pub\n", ["agent one", "agent two"]),
        ("IdentityFile {folder}/two.pub\nIdentitiesOnly yes\n", ["agent two"]),
        ("IdentityAgent none\n", []),
    ],
)
def test_which_of_the_agents_keys_are_offered(agent: Path, config: str, offered: list[str]) -> None:
    path = agent / "config"
    path.write_text(config.format(folder=agent))
    settings = resolve(SshSettings("home/router", "router"), read_ssh_config(path), lambda *_: TrustedKeys())
    labels = [label for label, _ in candidates(settings, Passed())]
    assert [label.partition(" SHA")[0] for label in labels] == offered
