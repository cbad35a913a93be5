"""Libraries load late, and without what nobody asked for. Each case is a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {
    "netmiko",
    "paramiko",
    "plexapi",
    "requests",
    "jsonschema",
    "jinja2",
    "rich",
    "cryptography",
    "yaml",
}


def loaded_after(script: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys\nprint('loaded', *sys.modules)"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1]
    assert line.startswith("loaded ")
    return set(line.split())


def test_version_and_help_load_no_library_but_click(tmp_path: Path) -> None:
    for word in ("--version", "--help"):
        loaded = loaded_after(f"from plexops.cli.main import run\nassert run(['{word}']) == 0", tmp_path)
        assert "click" in loaded
        assert loaded & (HEAVY | {"msgspec"}) == set()


def test_a_command_s_help_reaches_no_device_library(tmp_path: Path) -> None:
    loaded = loaded_after("from plexops.cli.main import run\nassert run(['audit', '--help']) == 0", tmp_path)
    assert loaded & HEAVY == set()


def test_paramiko_comes_without_its_runner_of_local_commands(tmp_path: Path) -> None:
    script = "from plexops.transport.ssh.loading import load_paramiko\nload_paramiko()"
    assert "paramiko" in (loaded := loaded_after(script, tmp_path))
    assert {"invoke", "asyncio"} & loaded == set()


def test_ssh_config_needs_no_library_and_its_commands_are_not_run(tmp_path: Path) -> None:
    config, ran = tmp_path / "config", tmp_path / "ran"
    config.write_text(
        f'Match exec "touch {ran}"\n  ForwardAgent yes\nHost router\n  Port 2222\nMatch exec "touch {ran}"\n  Port 1\n'
    )
    script = (
        "from pathlib import Path\n"
        "from plexops.transport.ssh.config import resolve\n"
        "from plexops.transport.ssh.config_file import read_ssh_config\n"
        "from plexops.transport.ssh_settings import SshSettings\n"
        "settings = SshSettings('home/router', 'router')\n"
        "found = resolve(settings, read_ssh_config(Path('config')), lambda *_: settings.host_keys)\n"
        "assert found.port == 2222, found\n"
    )
    assert loaded_after(script, tmp_path) & (HEAVY | {"invoke"}) == set()
    assert not ran.exists()
