"""Ctrl-C with devices that are silent: about a second, with what is known; and long waits that say what they are."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.process import PLEXOPS, environment, python

SITE = """\
  {name}:
    vars: {{external_port: 32500}}
    router: {{profile: openwrt, address: 127.0.0.1, username: root, port: {port}, password: {{env: PLEXOPS_PASSWORD}}}}
"""


PLAYBOOK = """\
- name: No host opens ports by itself
  sites: all
  tasks:
    - name: The router answers no UPnP
      upnp: {enabled: false}
"""


def inventory(folder: Path, **ports: int) -> None:
    sites = "".join(SITE.format(name=name, port=port) for name, port in ports.items())
    (folder / "playbooks" / "plex.yaml").write_text(PLAYBOOK, encoding="utf-8")
    (folder / "inventory.yaml").write_text(f"sites:\n{sites}", encoding="utf-8")


@pytest.mark.parametrize("command", ["audit", "diagnose"])
def test_ctrl_c_does_not_wait_for_dead_homes(bare: Path, command: str) -> None:
    """Row 17: it took 28 s. One home refuses, others accept and say nothing: what is known is printed, status 130."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=16) as silent,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        port = gone.getsockname()[1]
        gone.close()
        inventory(bare, refuses=port, **{f"silent{n}": silent.getsockname()[1] for n in range(3)})
        process = subprocess.Popen(
            [*PLEXOPS, command, *(["--offline"] if command == "diagnose" else [])],
            cwd=bare,
            env=environment(XDG_STATE_HOME=str(bare / "state"), PLEXOPS_PASSWORD="x"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        silent.settimeout(15)
        held = [silent.accept() for _ in range(3)]
        time.sleep(2)  # the home that refuses is known by then
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        for connection, _ in held:
            connection.close()
    assert process.returncode == 130
    assert "PLX-D102" in out, "the home that had answered is in the report"
    assert "3 homes     PLX-R109: " in out
    assert "silent0, silent1, silent2" in out
    assert "interrupted: nothing was changed" in err
    assert "Traceback" not in out + err


WAITS = """
import time
from plexops.cli import progress
progress._EVERY = 0.3
told = progress.Progress()
told("waiting for the device's own undo")
time.sleep(1.1)
told.pause()
time.sleep(0.7)
"""


def test_a_long_wait_says_at_a_terminal_that_it_goes_on() -> None:
    """Row 17: three minutes without a word."""
    master, slave = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", WAITS], env=environment(), stderr=slave, stdout=slave)
    child.wait(20)
    os.close(slave)
    lines = os.read(master, 65536).decode().splitlines()
    os.close(master)
    assert lines[0] == "waiting for the device's own undo"
    assert 2 <= len(lines) - 1 <= 4
    assert all(
        line.startswith("… waiting for the device's own undo (") and line.endswith(" s)")
        for line in lines[1:]
    )


def test_elsewhere_a_long_wait_is_one_line() -> None:
    done = python(WAITS, timeout=60)
    done.check_returncode()
    assert done.stderr == "waiting for the device's own undo\n"
