"""`docker` on the simulated server: what a host with one container of Plex lists about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

from plexops.lab.base import ExecResult
from plexops.lab.server_condition import CONTAINER_ADDRESS, Container
from plexops.lab.shell import CommandFunction, Context, fail, say

ID = "4f1d2c9a7be0"
#: The container in whose network Plex's may be.
OTHER_ID, _OTHER, _OTHER_IMAGE = "9c3e5a1708fd", "vpn", "qmcgaw/gluetun:v3.40.0"
#: What the image says that it listens on, as `docker ps` shows where nothing is published.
_EXPOSED = (
    "1900/udp", "8324/tcp", "32400/tcp", "32410/udp", "32412/udp", "32413/udp", "32414/udp", "32469/tcp",
)  # fmt: skip
_FIELD = re.compile(r"\{\{ *(json +)?\.([A-Za-z.]*) *\}\}")
_NETWORKS = (
    ("1b2f6d0c1f55", "bridge", "bridge"), ("7d9a3c8b2e10", "host", "host"), ("c5e1f7a9d364", "none", "null"),
)  # fmt: skip
USAGE = "\nUsage:  docker [OPTIONS] COMMAND\n"


def make_docker(container: Container) -> CommandFunction:
    """Make the command of a host that runs this one container."""

    def docker(argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        match argv[1:]:
            case ["ps", *rest]:
                return _listed(rest, _rows(container), _TABLE)
            case ["container", "ls", *rest]:
                return _listed(rest, _rows(container), _TABLE)
            case ["network", "ls", *rest]:
                return _listed(rest, [_network(*row) for row in _NETWORKS], _NETWORK_TABLE)
            case ["inspect", *rest] | ["container", "inspect", *rest]:
                return _inspect(rest, container)
            case ["version" | "--version", *_]:
                return say("Docker version 28.2.2, build e6534b4\n")
        return fail(f"docker: '{' '.join(argv[1:2])}' is not a docker command.\n{USAGE}")

    return docker


def _bindings(container: Container) -> dict[str, list[dict[str, str]] | None]:
    if container.network == "host":
        return {}
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(_EXPOSED)
    for address, outer, inner in container.published:
        rows = [{"HostIp": address, "HostPort": str(outer)}]
        if address == "0.0.0.0":  # noqa: S104
            rows.append({"HostIp": "::", "HostPort": str(outer)})
        ports[f"{inner}/tcp"] = rows
    return ports


def _ports(container: Container) -> str:
    """Write the column PORTS: the published ones as `address:outer->inner`, the others bare."""
    shown = []
    for port, rows in _bindings(container).items():
        if rows is None:
            shown.append(port)
        for row in rows or ():
            address = f"[{row['HostIp']}]" if ":" in row["HostIp"] else row["HostIp"]
            shown.append(f"{address}:{row['HostPort']}->{port}")
    return ", ".join(shown)


def _rows(container: Container) -> list[Mapping[str, str]]:
    """Give what runs. A container in another one's network is listed without network and ports: they are that one's."""
    plex = _row(container)
    if container.network != "container":
        return [plex]
    other = {"ID": OTHER_ID, "Names": _OTHER, "Image": _OTHER_IMAGE, "Networks": "bridge"}
    return [{**plex, "Networks": "", "Ports": ""}, {**plex, **other}]


def _row(container: Container) -> Mapping[str, str]:
    return {
        "ID": ID, "Names": container.name, "Image": container.image, "Command": '"/init"',
        "CreatedAt": "2026-09-02 20:11:07 +0200 CEST", "RunningFor": "2 months ago", "State": "running",
        "Status": "Up 6 days (healthy)", "Networks": container.network, "Ports": _ports(container),
    }  # fmt: skip


def _network(identifier: str, name: str, driver: str) -> Mapping[str, str]:
    return {"ID": identifier, "Name": name, "Driver": driver, "Scope": "local"}


_TABLE = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
)
_NETWORK_TABLE = (("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope"))


def _listed(
    words: list[str], rows: list[Mapping[str, str]], columns: tuple[tuple[str, str], ...]
) -> ExecResult:
    form, quiet = "", False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--format" and rest:
            form = rest.pop(0)
        elif word.startswith("--format="):
            form = word.partition("=")[2]
        elif word in ("-q", "--quiet"):
            quiet = True
        elif word not in ("-a", "--all", "--no-trunc"):
            return fail(f"unknown flag: {word}", 125)
    if quiet:
        return say("".join(f"{row['ID']}\n" for row in rows))
    if form:
        return say("".join(_filled(form, row) + "\n" for row in rows))
    lines = ["   ".join(f"{title:<12}" for title, _ in columns)]
    lines += ["   ".join(f"{row[name]:<12}" for _, name in columns) for row in rows]
    return say("".join(f"{line.rstrip()}\n" for line in lines))


def _details(container: Container) -> dict[str, Any]:
    hosted, mode = container.network != "bridge", container.network
    network = {
        "IPAddress": "" if hosted else str(CONTAINER_ADDRESS),
        "Gateway": "" if hosted else "172.17.0.1",
    }
    return {
        "Id": ID, "Name": f"/{container.name}", "State": {"Status": "running", "Running": True, "Pid": 812},
        "Config": {"Image": container.image, "ExposedPorts": {port: {} for port in _EXPOSED}},
        "HostConfig": {"NetworkMode": f"container:{OTHER_ID}" if mode == "container" else mode},
        "Mounts": _mounts(container),
        "NetworkSettings": {"Ports": {} if hosted else _bindings(container), **network,
                            "Networks": {} if mode == "container" else {mode: network}},
    }  # fmt: skip


def _mounts(container: Container) -> list[dict[str, Any]]:
    """Give what of the host the container sees. Docker lists them in no order that means anything."""
    media = {"Type": "bind", "Source": "/srv/media", "Destination": "/data", "Mode": "ro", "RW": False,
             "Propagation": "rprivate"}  # fmt: skip
    if not container.config:
        volume = {"Type": "volume", "Name": "plex_config", "Source": "/var/lib/docker/volumes/plex_config/_data",
                  "Destination": "/config", "Driver": "local", "Mode": "z", "RW": True, "Propagation": ""}  # fmt: skip
        return [media, volume]
    return [media, {"Type": "bind", "Source": container.config, "Destination": "/config", "Mode": "", "RW": True,
                    "Propagation": "rprivate"}]  # fmt: skip


def _inspect(words: list[str], container: Container) -> ExecResult:
    form, names = "", []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("-f", "--format", "--type") and rest:
            value = rest.pop(0)
            form = form if word == "--type" else value
        elif word.startswith("-"):
            return fail(f"unknown flag: {word}", 125)
        else:
            names.append(word)
    known = [name for name in names if name in (container.name, ID)]
    missing = "".join(f"Error: No such object: {name}\n" for name in names if name not in known)
    details = _details(container)
    if form:
        out = "".join(_filled(form, details) + "\n" for _ in known)
    else:
        out = json.dumps([details for _ in known], indent=4) + "\n"
    return ExecResult(out.encode(), missing.encode(), int(bool(missing)))


def _filled(form: str, values: Mapping[str, Any]) -> str:
    """Fill a template of Go: `{{.Names}}`, `{{json .NetworkSettings.Ports}}`, `{{json .}}`."""

    def one(match: re.Match[str]) -> str:
        value: Any = values
        for name in filter(None, match[2].split(".")):
            value = value.get(name) if isinstance(value, Mapping) else None
        if match[1]:
            return json.dumps(value, separators=(",", ":"), sort_keys=True)
        return "<no value>" if value is None else str(value)

    return _FIELD.sub(one, form)
