"""Which machine this is, and whether it is the host itself: for devices that are this computer. Nothing is started."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

#: What the first process of a host is called. In an application's container it is the application, or a wrapper of it.
_INITS = frozenset(
    {"systemd", "init", "procd", "runit", "openrc-init", "dinit", "finit", "shepherd", "launchd"}
)
#: Docker and Podman leave these in their containers.
_MARKS = (".dockerenv", "run/.containerenv")
#: systemd's own number of a machine, else what the kernel drew when it started: OpenWrt has no other.
_NUMBERS = ("etc/machine-id", "var/lib/dbus/machine-id", "proc/sys/kernel/random/boot_id")
_ROOT = Path("/")


def can_be_asked() -> bool:
    """Tell whether this system has a POSIX shell to ask."""
    return os.name == "posix"


def own_identity(root: Path = _ROOT) -> str:
    """Give a name that holds for this machine alone and for plexops alone; "" where the machine has no number.

    machine-id(5): the number itself is confidential, and only a keyed digest of it may be shown.
    """
    for name in _NUMBERS:
        number = _text(root / name)
        if len(number) >= 32:
            return (
                "local:" + hmac.new(number.encode(), b"plexops/identity/1", hashlib.sha256).hexdigest()[:32]
            )
    return ""


def in_container(root: Path = _ROOT) -> bool:
    """Tell whether this is a container inside a host, with files and processes of its own.

    A container that is run like a machine (LXC), with a first process of its own, counts as a host.
    """
    if any((root / mark).exists() for mark in _MARKS):
        return True
    first = _text(root / "proc/1/comm")
    return bool(first) and first not in _INITS


def why_no_timer(root: Path = _ROOT) -> str:
    """Say why a timer that is started here would not outlive plexops; empty where it would.

    systemd.kill(5): when a service ends, systemd ends every process of it, sessions of their own or not.
    """
    if in_container(root):
        return "plexops runs in a container here, and a device's own undo would end with it: run it on the host itself"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers in ("", "name=systemd") and path.endswith(".service"):
            service = path.rpartition("/")[2]
            return (
                f"plexops runs in {service}, and systemd would end a device's own undo with it: "
                "run it from a login, or by `systemd-run --scope plexops …`"
            )
    return ""


def plex_runs(processes: Path) -> bool:
    """Tell whether a process of this computer is Plex Media Server, by Linux's own list. Processes hidden from us: no."""
    return any(_text(comm).startswith("Plex Media Serv") for comm in processes.glob("[0-9]*/comm"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
