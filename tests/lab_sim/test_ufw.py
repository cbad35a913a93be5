"""The simulated ufw, judged by what the real one printed and wrote."""

from __future__ import annotations

import re
import threading
from ipaddress import IPv4Address
from typing import Literal

from plexops.lab.base import DeviceLog, Packet
from plexops.lab.clock import ScaledClock
from plexops.lab.filesystem import FileSystem
from plexops.lab.server_filters import KernelFilters
from plexops.lab.shell import Shell
from plexops.lab.ufw import Ufw
from plexops.lab.ufw_rule import Rule
from tests.captures.capture_files import DATA

ANYBODY = IPv4Address("93.184.216.34")
NEIGHBOUR = IPv4Address("192.168.1.2")


class Machine:
    """A host with nothing but ufw."""

    def __init__(self, *, enabled: bool = False) -> None:
        self.files = FileSystem()
        self.ufw = Ufw(self.files, enabled=enabled, rules=())
        self.shell = Shell(
            files=self.files,
            commands={"ufw": self.ufw.command},
            log=DeviceLog(),
            clock=ScaledClock(),
            lock=threading.RLock(),
        )

    def replay(self, name: str, *skip: str) -> None:
        """Run each captured command and compare what it prints, and its status."""
        text = (DATA / "firewall" / name).read_text()
        blocks = re.findall(r"^\$ (ufw .*)\n((?:(?!\$ |# rc=).*\n)*)# rc=(\d+)\n", text, re.MULTILINE)
        assert blocks
        for command, expected, status in blocks:
            if command in skip:
                continue
            # Captures show words as the shell left them: a lone quote is written with a backslash here.
            result = self.shell.run(command.replace("'", "\\'"), b"", "root")
            assert ((result.stdout + result.stderr).decode(), result.status) == (expected, int(status)), (
                command
            )

    def judge(self, source: IPv4Address, port: int, protocol: Literal["tcp", "udp"]) -> str:
        """Carry a connection through what the kernel holds."""
        kernel = KernelFilters((), self.ufw.loaded, None)
        carried = kernel.carry(Packet(source, IPv4Address("192.168.1.50"), port, protocol))
        return carried if isinstance(carried, str) else "accepted"

    def run(self, command: str) -> str:
        result = self.shell.run(command, b"", "root")
        assert result.status == 0, result
        return result.stdout.decode()


def test_a_life_of_ufw() -> None:
    machine = Machine()
    machine.replay("ufw-inactive.txt")
    machine.replay("ufw-active-no-rules.txt")
    machine.replay("ufw-active-plex-allowed.txt")
    for name in ("user.rules", "user6.rules"):
        assert (
            machine.files.read(f"/etc/ufw/{name}").decode() == (DATA / "firewall" / f"ufw-{name}").read_text()
        )
    machine.replay("ufw-deny-overrides-allow-same-tuple.txt")


def test_order() -> None:
    machine = Machine(enabled=True)
    machine.replay("ufw-rule-order.txt", "ufw --force reset")
    machine.replay("ufw-misc.txt", "ufw app list")


def test_delete_and_insert() -> None:
    Machine(enabled=True).replay("ufw-delete-insert-edge.txt")


def test_first_match_decides() -> None:
    machine = Machine(enabled=True)
    assert machine.judge(ANYBODY, 32400, "tcp") == "dropped"
    machine.run("ufw allow from 192.168.1.0/24 to any port 32400 proto tcp")
    assert machine.judge(ANYBODY, 32400, "tcp") == "dropped"
    assert machine.judge(NEIGHBOUR, 32400, "tcp") == "accepted"
    machine.run("ufw reject 32400:32410/tcp; ufw allow 32400/tcp")
    assert machine.judge(ANYBODY, 32400, "tcp") == "refused"
    machine.run("ufw delete allow 32400/tcp; ufw prepend allow 32400/tcp")
    assert machine.judge(ANYBODY, 32400, "tcp") == "accepted"
    assert machine.judge(ANYBODY, 32400, "udp") == "dropped"
    machine.run("ufw disable")
    assert machine.judge(ANYBODY, 22, "tcp") == "accepted"
    assert machine.run("ufw status") == "Status: inactive\n"


def test_files_are_the_rules_after_a_reload() -> None:
    machine = Machine(enabled=True)
    machine.run("ufw allow 32400/tcp comment 'it is Plex'; ufw --force disable; ufw --force enable")
    assert "# it is Plex" in machine.run("ufw status")


def test_rules_of_a_seed_are_written() -> None:
    files = FileSystem()
    Ufw(files, enabled=True, rules=(Rule("allow", "tcp", "22", "any", "192.168.1.0/24", comment="home"),))
    text = files.read("/etc/ufw/user.rules").decode()
    assert "### tuple ### allow tcp 22 0.0.0.0/0 any 192.168.1.0/24 in comment=686f6d65\n" in text
    assert "### tuple" not in files.read("/etc/ufw/user6.rules").decode()
    assert "ENABLED=yes\n" in files.read("/etc/ufw/ufw.conf").decode()
