"""Ask the home's router for its mappings by UPnP, and change ours, from the computer where this runs.

It is given a profile and what to do: `make EXTERNAL ADDRESS PORT`, `change PORT`, `take`, or nothing. It prints, as JSON,
why the router did not do it (empty: it did), and the mappings that it then shows.
"""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address
from pathlib import Path

from plexops.config.profiles import load_profile
from plexops.drivers.base import Unrenderable
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.change.sending import unexpected
from plexops.model.change import Action, Change, is_done
from plexops.model.plan import GUARD_NAMES, GuardVerdict, Step, authorize
from plexops.model.resources import PortForward
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.model.values import Ports
from plexops.structs import replace
from plexops.transport.http_settings import HttpSettings
from plexops.transport.link import carry
from plexops.transport.opening import open_read, open_write

SETTINGS = HttpSettings("home.router", "http://192.168.1.1:5000", contract="soap")
HOLD = tuple(GuardVerdict(name, "", holds=True, reason="") for name in GUARD_NAMES)


def look(driver: ProfiledDriver) -> Snapshot:
    """Ask all questions over a link of their own."""
    link = open_read(SETTINGS)
    try:
        return carry(driver.observe(), link)
    finally:
        link.close()


def wanted(words: list[str], now: Snapshot) -> Change:
    """Give the change that is asked for."""
    ours = next((entry for entry in now.of(Kind.PORT_FORWARD) if entry.owner.key == "plex"), None)
    if words[0] == "make":
        want = PortForward(Ports.parse(words[1]), IPv4Address(words[2]), Ports.parse(words[3]), name="Plex")
        return Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.CREATE, want=want)
    assert ours is not None
    assert isinstance(ours.values, PortForward)
    if words[0] == "take":
        return Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.DELETE, before=ours)
    changed = replace(ours.values, port=Ports.parse(words[1]))
    return Change(Role.ROUTER, Kind.PORT_FORWARD, "plex", Action.UPDATE, ours, changed, ("port",))


def send(driver: ProfiledDriver, words: list[str]) -> str:
    """Make a change as an apply does: rendered on a fresh look, each request once, and read back."""
    now = look(driver)
    change = wanted(words, now)
    try:
        script = driver.script(change, now)
    except Unrenderable as why:
        return f"not sent: {why}"
    leave = authorize("home", Step(change, script), HOLD)
    assert leave
    link = open_write(SETTINGS, leave)
    try:
        for write in script.writes:
            if reason := unexpected(write.expect, link.send(write)):
                return reason
    finally:
        link.close()
    return "" if is_done(change, look(driver)) else "it is not what was asked"


def main(file: str, *words: str) -> None:
    """Do it, and tell."""
    driver = ProfiledDriver(compile_profile(load_profile(file, Path())))
    why = send(driver, list(words)) if words else ""
    now = look(driver)
    rows = [dict(entry.raw) for kind in (Kind.PORT_FORWARD, Kind.UPNP_MAPPING) for entry in now.of(kind)]
    told = {"why": why, "rows": rows, "states": dict(now.kinds), "facts": now.text("wan.address")}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
