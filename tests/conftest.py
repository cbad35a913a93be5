"""What holds for every test: no packet leaves this machine, and nobody's own settings change a result."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Generator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

#: Taken away: what a person or a CI system has set and what would steer the product or a library under it.
FOREIGN = (
    *("SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_CONNECTION", "FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_OUTPUT",
        "PLEX_TOKEN",
        "XDG_CONFIG_HOME",
        "PLEXOPS_SSH_CONFIG",
    ),
)


# A shell lets what it starts in the background ignore Ctrl-C, and that is handed down to what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Names that nobody can own: a look-up is answered here, as a resolver that knows nothing would answer it.
NOBODYS = (".invalid", ".test", ".example", ".lan", ".home.arpa", ".internal")


class LeftTheMachine(Exception):
    """A test tried to reach out of this machine. No OSError: the product would take that for a dead device."""


def _only_looks_up(event: str, opened: socket.socket, address: Any) -> bool:
    """A UDP socket that is connected to the discard port looks its route up, and sends nothing."""
    return event == "socket.connect" and opened.type == socket.SOCK_DGRAM and address[1:2] == (9,)


class UplinkGuard:
    """Refuses what would leave the machine, by an audit hook: it sees every socket, also those of libraries.

    Processes that a test starts are not seen; `scripts/test` puts those into a network namespace without uplink.
    """

    def __init__(self) -> None:
        self.armed = True
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Judge one audit event. Raises LeftTheMachine, and remembers it where somebody swallows that."""
        if not event.startswith("socket.") or not self.armed:
            return
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            opened, address = arguments[0], arguments[1]
            if _only_looks_up(event, opened, address):
                return
            if opened.family in (socket.AF_INET, socket.AF_INET6) and address is not None:
                self._judge(event, str(address[0]))
        elif event in ("socket.getaddrinfo", "socket.gethostbyname") and arguments[0]:
            host = arguments[0]
            self._judge(event, host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))

    def _judge(self, event: str, host: str) -> None:
        looked_up = event.startswith("socket.get")
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            if looked_up and host.endswith(NOBODYS):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
            here = host in ("localhost", "")
        else:
            # Looking up a literal address asks nobody.
            here = looked_up or address.is_loopback or address.is_unspecified
        if not here:
            self.refused.append(f"{event} {host}")
            raise LeftTheMachine(f"a test must not reach out of this machine: {event} {host}")


GUARD = UplinkGuard()


def pytest_configure(config: pytest.Config) -> None:
    """Make the environment the same for everybody, before any test module is read."""
    # pytest's own folders stay where they are found after a failure; all else that is left behind goes with `home`.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    home = Path(tempfile.mkdtemp(prefix="plexops-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    temporary = home / "tmp"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(
        HOME=str(home),
        TMPDIR=str(temporary),
        XDG_STATE_HOME=str(home / "state"),
        XDG_CACHE_HOME=str(home / "cache"),
        NO_COLOR="1",
        COLUMNS="100",
        LC_ALL="C.UTF-8",
        TZ="UTC",
    )
    sys.addaudithook(GUARD)
    slow_ok = [HealthCheck.too_slow]
    settings.register_profile("here", deadline=None, max_examples=100, suppress_health_check=slow_ok)
    settings.register_profile("ci", settings.get_profile("here"), derandomize=True, print_blob=True)
    settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Lift the guard for tests that have network namespaces of their own: those have no uplink."""
    GUARD.armed = item.get_closest_marker("namespaces") is None
    try:
        return (yield)
    finally:
        GUARD.armed = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test whose attempt to leave was caught by the code under test."""
    GUARD.refused.clear()
    result = yield
    if GUARD.refused:
        pytest.fail(f"reached out of this machine: {', '.join(GUARD.refused)}", pytrace=False)
    return result
