"""The container that Plex runs in, as docker or podman list it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import failed
from plexops.model.errors import WhyNot
from plexops.model.exchange import Command, Read, Reply
from plexops.model.site import Container
from plexops.model.snapshot import Fact, FactValue
from plexops.parsers.plex_log import PLEX_LOG_DIRS
from plexops.pattern import Pattern

_ENGINES = ("docker", "podman")
_NO_PROGRAM = 127
_NAMES = ("container.engine", "container.network", "container.published")

#: Names, images, networks and ports: no engine lets a `|` into any of them.
_LIST = "ps --format '{{.Names}}|{{.Image}}|{{.Networks}}|{{.Ports}}'"
#: A network that the owner made has a name of its own: only its driver says what it is.
_NETWORKS = "network ls --format '{{.Name}}|{{.Driver}}'"

_PLEX = Pattern(r"plex", re.IGNORECASE)
#: Images that are Plex itself, and not one of the many tools around it.
_IMAGE = Pattern(
    r"(?:.*/)?(?:pms-docker|plex|arch-plex(?:pass)?|plex-?media-?server)(?:[:@].*)?", re.IGNORECASE
)
_ROW = Pattern(r"([A-Za-z0-9][A-Za-z0-9_.,-]*)\|([^|]*)\|([A-Za-z0-9_., -]*)\|([^|]*)")
_PUBLISHED = Pattern(r"\S+->\S+/[a-z]+")


#: What docker's client says where its daemon does not run: then none of its containers does. Who may not ask it is
#: told so in other words.
_NOT_RUNNING = "Is the docker daemon running?"


class _Row(Struct, frozen=True):
    """One running container."""

    engine: str
    name: str
    image: str
    networks: tuple[str, ...]
    published: tuple[str, ...]


def container_reads(container: Container) -> tuple[Read, ...]:
    """Ask the engines that the inventory leaves possible. 127: it is not installed."""
    return tuple(
        Read(f"{engine}.{what}", Command(f"{engine} {words}"), absent=frozenset({_NO_PROGRAM}), seconds=10.0)
        for engine in _engines(container)
        for what, words in (("ps", _LIST), ("networks", _NETWORKS))
    )


def container_facts(
    replies: Mapping[str, Reply], container: Container
) -> tuple[dict[str, Fact], dict[str, str]]:
    """Tell which engine runs Plex, in which network, and what it publishes; or why that is unknown."""
    if container is Container.NONE:
        return _facts("inventory", engine=""), {}
    rows: list[_Row] = []
    for found in _listed(replies, container):
        if isinstance(found, WhyNot):
            return {}, dict.fromkeys(_NAMES, found.text)
        rows += found
    plex = _plex_of(rows)
    if len(plex) > 1:
        names = ", ".join(row.name for row in plex)
        return {}, dict.fromkeys(_NAMES, f"several containers could be Plex: {names}")
    if not plex:
        if container is not Container.AUTO:
            return {}, dict.fromkeys(_NAMES, f"{container} runs no container that is called plex")
        return _facts("server.docker.ps", engine=""), {}
    (row,) = plex
    exhibit = f"server.{row.engine}.ps"
    facts = _facts(exhibit, engine=row.engine, published=row.published)
    network = _network(row, replies[f"{row.engine}.networks"])
    if not network:
        return facts, {"container.network": f"{row.engine} does not say what the network of {row.name} is"}
    return facts | _facts(exhibit, network=network), {}


def _facts(exhibit: str, **found: FactValue) -> dict[str, Fact]:
    names = {f"container.{name}": value for name, value in found.items()}
    return {name: Fact(name, value, exhibit) for name, value in names.items()}


def plex_container(replies: Mapping[str, Reply], container: Container) -> tuple[str, str] | None:
    """Give the engine and the name of the one container that is Plex; None where that is not known."""
    listed = _listed(replies, container)
    plex = _plex_of([row for found in listed if not isinstance(found, WhyNot) for row in found])
    # An engine of old lists further names of a container behind commas.
    return (plex[0].engine, plex[0].name.partition(",")[0]) if len(plex) == 1 else None


def mounts_read(engine: str, name: str) -> Read:
    """Ask what of the host a container has mounted. Engines let no other character into a name than `_ROW` does."""
    command = Command(f"{engine} inspect --type container --format '{{{{json .Mounts}}}}' {name}")
    return Read(f"{engine}.mounts", command, seconds=10.0, sometimes=True)


def log_folders(reply: Reply) -> tuple[str, ...] | WhyNot:
    """Give the host's folders, with a slash at the end, in which the log of a container lies; or why they are unknown."""
    engine = reply.id.partition(".")[0]
    if not reply.whole or reply.status != 0:
        return WhyNot(f"{engine} did not say what Plex's container has mounted")
    try:
        mounts: Any = json.loads(reply.body)
        pairs = [
            (str(mount["Destination"]).rstrip("/"), str(mount["Source"]).rstrip("/")) for mount in mounts
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return WhyNot(f"what {engine} says of mounts is not understood")
    # The innermost mount is what the container sees.
    pairs.sort(key=lambda pair: len(pair[0]), reverse=True)
    found = []
    for inside in PLEX_LOG_DIRS:
        over = next((p for p in pairs if p[0] and f"{inside}/".startswith(f"{p[0]}/")), None)
        if over is not None and over[1].startswith("/"):
            found.append(f"{over[1]}{inside[len(over[0]) :]}/")
    return tuple(dict.fromkeys(found))


def _engines(container: Container) -> tuple[str, ...]:
    return tuple(engine for engine in _ENGINES if container in (Container.AUTO, engine))


def _listed(replies: Mapping[str, Reply], container: Container) -> list[list[_Row] | WhyNot]:
    return [_rows(engine, replies[f"{engine}.ps"]) for engine in _engines(container)]


def _rows(engine: str, reply: Reply) -> list[_Row] | WhyNot:
    """Give the running containers, none where the engine is not installed; or why they are unknown."""
    missing = reply.status == _NO_PROGRAM and not reply.body.strip()
    if reply.whole and (missing or (reply.status == 1 and _NOT_RUNNING in reply.stderr)):
        return []
    if not reply.whole or reply.status != 0:
        return WhyNot(
            f"{engine} did not list its containers: {failed(reply, f'root, or the group {engine}')}"
        )
    rows: list[_Row] = []
    for line in reply.body.splitlines():
        match = _ROW.fullmatch(line.strip())
        if match is None:
            return WhyNot(f"{engine}'s list of containers is not understood")
        name, image, networks, ports = match.groups()
        inside, published = re.findall(r"[^,\s]+", networks), _PUBLISHED.findall(ports)
        rows.append(_Row(engine, name, image, tuple(inside), tuple(published)))
    return rows


def _plex_of(rows: Sequence[_Row]) -> list[_Row]:
    """Give the containers that can be Plex: by image, else by name; of several, those that publish its port."""
    called = [row for row in rows if _PLEX.search(row.name) or _PLEX.search(row.image)]
    likely = [row for row in rows if _IMAGE.fullmatch(row.image)] or called
    publishing = [row for row in likely if any("->32400/" in text for text in row.published)]
    return publishing if len(likely) > 1 and publishing else likely


def _network(row: _Row, reply: Reply) -> str:
    """Give what kind of network it is; empty where that is unknown."""
    if not row.networks:
        # Docker lists no network where a container lives in another one's; podman lists none for `host` either.
        return "container" if row.engine == "docker" else ""
    if not reply.whole or reply.status != 0:
        return row.networks[0] if row.networks[0] in ("host", "bridge", "none") else ""
    pairs = (line.strip().partition("|") for line in reply.body.splitlines())
    drivers = {name: driver for name, _, driver in pairs}
    kinds = {drivers.get(name, "") for name in row.networks}
    # With an address of its own in the LAN it needs nothing published, whatever else it is in.
    for own in ("macvlan", "ipvlan"):
        if own in kinds:
            return own
    kind = kinds.pop() if len(kinds) == 1 else ""
    return "none" if kind == "null" else kind
