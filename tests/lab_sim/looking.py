"""How a test looks at a simulated home: as a tool does, by commands on its devices and from outside."""

from __future__ import annotations

import re

import yaml

from plexops.lab.base import HttpRequest
from plexops.lab.home import Role, RunningHome
from plexops.lab.plex import PlexSeed

OURS = PlexSeed().machine_identifier
LOG = "'/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Logs/Plex Media Server.log'"


def server(home: RunningHome, command: str) -> tuple[str, int]:
    done = home.server.shell.run(command, b"", "media")
    return done.stdout.decode(), done.status


def router(home: RunningHome, command: str) -> tuple[str, int]:
    done = home.router.execute(command, b"", "root")
    return done.stdout.decode(), done.status


def tried(home: RunningHome, role: Role = "outside", port: int = 32500, scheme: str = "http") -> str:
    """Try the public port as the tool does: by curl on a vantage."""
    url = f"{scheme}://{home.network.public_address}:{port}/identity"
    done = home.vantages[role][1].shell.run(f"curl -s -k --max-time 8 {url}", b"", "probe")
    if done.status in (7, 28):
        return {7: "refused", 28: "dropped"}[done.status]
    found = re.search(r'machineIdentifier="([^"]*)"', done.stdout.decode())
    return "open" if done.status == 0 and found and found[1] == OURS else "other"


def agrees(seen: str, wanted: str) -> bool:
    return seen in ("dropped", "refused") if wanted == "closed" else seen == wanted


def echo(home: RunningHome, name: str) -> str:
    out, status = server(home, f"curl -s -4 --max-time 4 http://{name}/ip")
    return out.strip() if status == 0 else str(status)


def hop(home: RunningHome, life: int) -> str:
    out, status = server(home, f"ping -n -c 1 -W 1 -t {life} 1.1.1.1")
    assert status == 1
    assert "1 packets transmitted, 0 received" in out
    found = re.search(r"^From (\S+) icmp_seq=1 (Time|Destination (\w+))", out, re.MULTILINE)
    if found is None:
        return "-"
    return found[1] if found[2] == "Time" else f"{found[3].lower()}!"


def verdict(home: RunningHome) -> str:
    found = home.plex.settle()
    where = f"{found.public_address}:{found.public_port}" if found.public_port else found.error
    return f"{found.state} {where}".strip()


def plex_says(home: RunningHome, path: str) -> str:
    token = {"x-plex-token": home.options.plex.token}
    return home.plex.handle(HttpRequest("GET", path, "", token, b"")).body.decode()


def log(home: RunningHome, pattern: str = "") -> str:
    """Give lines of Plex's log as a diagnosis reads them: by grep, on the server, as its user."""
    return server(home, f"grep -aE '{pattern}' {LOG}")[0]


def ss(home: RunningHome) -> str:
    out = server(home, "ss -Htln")[0]
    return " ".join(line.split()[3] for line in out.splitlines() if line.split()[3].endswith(":32400"))


def section(home: RunningHome) -> dict[str, object]:
    site: dict[str, object] = yaml.safe_load(home.inventory.read_text())["sites"]["home"]
    return site
