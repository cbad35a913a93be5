"""From what was found around this computer to a first inventory: what is known is written, the rest is marked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path

from msgspec import Struct

from plexops.config.profiles import load_profile
from plexops.engine.bootstrap.detection import Family, known_boxes, recognise
from plexops.engine.bootstrap.discovery import Reach, Surroundings, mac_of, runs_here
from plexops.model.entries import UpnpMapping
from plexops.model.errors import PlexopsError
from plexops.model.profile import Profile, Speaks
from plexops.model.quick import SeenGateway, SeenPlex
from plexops.model.signs import Account
from plexops.pattern import Pattern
from plexops.transport.around.fetch import FetchError, fetch_here
from plexops.transport.ssh_settings import SshSettings
from plexops.transport.trust.verdict import OfferedKey
from plexops.transport.workers import workers

DOCKER_SOCKET = "/var/run/docker.sock"
FIRST_PORT = 32500
_LOGIN = Pattern(r"[a-z_][a-z0-9_-]{0,31}")
_YAML_WORDS = frozenset({"true", "false", "null"})


class ShownKey(Struct, frozen=True):
    """A host key that a device showed now. Nobody has compared it yet."""

    device: str
    address: IPv4Address
    key: OfferedKey


class Proposal(Struct, frozen=True):
    """A home as it was found: what an inventory of it would hold. None and empty are what was not found."""

    site: str
    router: IPv4Address | None
    family: Family
    plex: SeenPlex | None
    mac: str
    container: str
    login: str
    external_port: int
    keys: tuple[ShownKey, ...]
    #: Whether this computer is the Plex host.
    here: bool = False


def propose(
    around: Surroundings,
    plex: SeenPlex | None,
    reach: Reach,
    *,
    site: str,
    router: IPv4Address | None,
    login: str,
    docker: str = DOCKER_SOCKET,
) -> Proposal:
    """Ask router and Plex host what they show to anybody, all at once, and put it together."""
    box = next((box for box in around.gateways if box.address == router), None)
    here = plex is not None and runs_here(plex, reach)
    usable = _LOGIN.fullmatch(login) is not None and login not in _YAML_WORDS
    hosts = [("router", router), ("server", None if plex is None or here else plex.address)]
    with workers(4, "plexops-init") as pool:
        family = pool.submit(recognise, router, box, reach, known_boxes())
        container = pool.submit(_container, docker, local=plex is not None and plex.local)
        keys = [
            pool.submit(_host_key, f"{site}/{role}", address, reach.answer_seconds)
            for role, address in hosts
            if address is not None
        ]
        shown = tuple(key for future in keys if (key := future.result()) is not None)
        return Proposal(
            site,
            router,
            family.result(),
            plex,
            "" if plex is None else mac_of(plex, around.network, reach),
            container.result(),
            login if plex is not None and plex.local and usable else "",
            _free_port(box),
            shown,
            here,
        )


def _container(docker: str, *, local: bool) -> str:
    """Ask this computer's own Docker whether Plex runs in it; empty where it does not, or does not tell."""
    if not local:
        return ""
    try:
        listed = json.loads(fetch_here(docker, "/containers/json", 2.0, limit=512 * 1024).text)
    except (FetchError, ValueError, RecursionError):
        return ""
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    images = (item.get("Image") for item in items)
    plex = (isinstance(image, str) and re.search(r"\b(?:plex|pms-docker)\b", image) for image in images)
    return "docker" if any(plex) else ""


def _host_key(device: str, address: IPv4Address, seconds: float) -> ShownKey | None:
    from plexops.transport.ssh.link import scan

    try:
        key = scan(SshSettings(device, str(address), connect_seconds=seconds, auth_seconds=seconds))
    except PlexopsError:
        return None
    return ShownKey(device, address, key)


def _free_port(box: SeenGateway | None) -> int:
    """Give a port on the internet side that no mapping of somebody else holds."""
    taken: Sequence[UpnpMapping] = () if box is None else box.mappings or ()
    ports = (port for port in range(FIRST_PORT, 65536) if not any(port in m.external_port for m in taken))
    return next(ports, FIRST_PORT)


def inventory_text(proposal: Proposal) -> str:
    """Give the inventory. What is not known stands as a comment that says what belongs there."""
    from jinja2 import Environment, StrictUndefined

    source = Path(__file__).with_name("inventory.yaml.j2").read_text(encoding="utf-8")
    page = Environment(  # noqa: S701 - it is YAML, and what devices say stands in it as comments of one line
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    ).from_string(source)
    login = () if proposal.router is None else _login_lines(load_profile(proposal.family.profile, Path()))
    return page.render(home=proposal, login=login)


def _login_lines(profile: Profile) -> list[str]:
    """Give the keys of a login there, with where the box makes it, and what else differs between two such boxes."""
    account = profile.account or Account(where="your login there")
    lines = {
        "username": f"username: {account.username}" if account.username else "# username: me",
        "password": "password: {ask: true}",
        "api_key": "api_key: {env: PLEXOPS_ROUTER_KEY}",
        "api_secret": "api_secret: {env: PLEXOPS_ROUTER_SECRET}",
    }
    found = [lines[key] for key in _login_keys(profile)]
    wanted = {name: param for name, param in profile.params.items() if param.default is None}
    if wanted:
        means = "; ".join(f"{name}: {param.means}" for name, param in wanted.items())
        found.append(f"params: {{{', '.join(f'{name}: TO-DO' for name in wanted)}}} # to do: {means}")
    elif profile.params:
        words = ", ".join(f"{name}: {param.default}" for name, param in profile.params.items())
        found.append(f"# params: {{{words}}} # to do: what is called otherwise there")
    return [f"{line} # to do: {account.where}" if line is found[0] else line for line in found]


def _login_keys(profile: Profile) -> tuple[str, ...]:
    """Give the inventory's keys that a login takes; over SSH a key or an agent may stand for the password."""
    if profile.login:
        return profile.login[0].wants[0]
    return () if profile.speaks is Speaks.NOTHING else ("username",)
