"""`inventory.yaml` to the model. The schema has judged the shape; what a value means is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from plexops.config import typed
from plexops.config.checkers import read_checker
from plexops.config.devices import Devices, jump_host, ssh_login
from plexops.config.nodes import Listing, Node, Scalar, Table, join, overlaid
from plexops.config.problems import Problems, nearest, shown
from plexops.config.reading import NOTHING, Reader, web_address
from plexops.config.schemas import schema_of
from plexops.config.templates import is_template
from plexops.config.validate import SchemaCheck
from plexops.config.variables import read_variables
from plexops.config.yaml import load_yaml_document
from plexops.model.errors import PlexopsError, Problem
from plexops.model.site import PLEX_TV, Access, Checker, Inventory, Site, SshLogin, Vantage, Variable

DEFAULT_FILE = "inventory.yaml"
#: `defaults: {router: {username: root}}` fills in one field of a site's router.
_MERGE_DEPTH = 1
_DEVICES = ("router", "server", "plex")


def load_inventory(path: Path | None = None) -> Inventory:
    """Read an inventory (default: `inventory.yaml` here). Resolves no secret and opens no connection.

    Raises PlexopsError with all problems of the file.
    """
    chosen = path if path is not None else Path(DEFAULT_FILE)
    return read_inventory(load_yaml_document(chosen), chosen)


def read_inventory(document: Node, path: Path) -> Inventory:
    """Make the model of a parsed inventory. `path` is where relative files start. Raises PlexopsError."""
    problems = Problems()
    SchemaCheck(schema_of("inventory"), "inventory").problems(document, problems)
    sites: dict[str, Site] = {}
    variables: dict[str, Mapping[str, Variable]] = {}
    if isinstance(document, Table):
        _refuse_templates(document, "", problems)
        reading = _InventoryReading(document, path.absolute().parent, problems)
        sites = reading.sites()
        variables = reading.variables(sites)
    problems.raise_if_any()
    if not sites:
        cure = "Describe one; see inventory.example.yaml."
        raise PlexopsError(Problem("PLX-C201", "there is no site in this inventory", cure, document.place))
    return Inventory(str(path), MappingProxyType(sites), MappingProxyType(variables), problems.notes)


class _InventoryReading:
    """One document on its way to the model."""

    def __init__(self, document: Table, directory: Path, problems: Problems) -> None:
        self._document = document
        self._directory = str(directory)
        self._problems = problems
        self._sites = _table(document.get("sites"))
        self._defaults = _table(document.get("defaults"))
        self._default_variables = read_variables(self._defaults.get("vars"), "defaults.vars", problems)
        self._groups = self._group_variables()

    def sites(self) -> dict[str, Site]:
        """Give all sites by name."""
        found = {}
        for name, entry in self._sites.entries.items():
            if name in self._groups or name == "all":
                other = "“all” means every site" if name == "all" else f"there is a group {name} as well"
                reason = f"a site cannot be called {name}: {other}"
                self._problems.add("PLX-C211", entry.place, f"sites.{name}", reason, "Rename it.")
            if isinstance(entry.value, Table):
                found[name] = self._site(name, entry.value)
        self._refuse_lonely_groups(found)
        return found

    def _site(self, name: str, own: Table) -> Site:
        path = join("sites", name)
        place = self._sites.key_place(name)
        merged = overlaid(self._defaults, own, _MERGE_DEPTH)
        if not any(device in merged.entries for device in _DEVICES):
            reason = f"the site {name} has no device"
            self._problems.add("PLX-C201", place, path, reason, "Describe its router:, server: and plex:.")
        reader = Reader(merged, path, self._directory, self._problems)
        groups = reader.words("groups")
        devices = Devices(reader)
        vantages, checkers = self._vantages(reader)
        return Site(
            name=name,
            place=place,
            groups=groups,
            access=reader.choice("access", Access, Access.FORWARD),
            router=devices.router(),
            upstream=devices.upstream(),
            server=devices.server(),
            plex=devices.plex(),
            vantages=vantages,
            checkers=checkers,
            echoes=reader.urls("echoes"),
            plex_tv=_plex_tv(reader),
            places=reader.places(),
        )

    def variables(self, sites: Mapping[str, Site]) -> dict[str, Mapping[str, Variable]]:
        """Give each site's variables: defaults, then its groups in their order, then its own."""
        found: dict[str, Mapping[str, Variable]] = {}
        for name, site in sites.items():
            merged = dict(self._default_variables)
            for group in site.groups:
                merged |= self._groups.get(group, {})
            own = _table(self._sites.get(name)).get("vars")
            merged |= read_variables(own, join(join("sites", name), "vars"), self._problems)
            found[name] = MappingProxyType(merged)
        return found

    def _group_variables(self) -> Mapping[str, Mapping[str, Variable]]:
        table = _table(self._document.get("groups"))
        return {
            name: read_variables(_table(entry.value).get("vars"), f"groups.{name}.vars", self._problems)
            for name, entry in table.entries.items()
        }

    def _refuse_lonely_groups(self, sites: Mapping[str, Site]) -> None:
        """A group that no site is in is a misspelt one: its variables would silently reach no site."""
        used = {group for site in sites.values() for group in site.groups}
        for name, entry in _table(self._document.get("groups")).entries.items():
            if name not in used:
                close = nearest(name, used)
                other = f"Write “groups: [{name}]” in a site, or take it out."
                cure = f"Did you mean {close}?" if close else other
                reason = f"no site is in the group {shown(name)}"
                self._problems.add("PLX-C209", entry.place, f"groups.{name}", reason, cure)

    def _vantages(self, reader: Reader) -> tuple[tuple[Vantage, ...], tuple[Checker, ...]]:
        """Give the machines outside, and the services that try a port."""
        node = reader.node("vantages")
        found: list[Vantage] = []
        checkers: dict[str, Checker] = {}
        for index, item in enumerate(node.items if isinstance(node, Listing) else ()):
            if not isinstance(item, Table):
                continue
            inner = reader.inside(item, join("vantages", index))
            if inner.has("checker"):
                checker = read_checker(inner, item)
                checkers |= {} if checker is None else {checker.where: checker}
                continue
            login = _vantage(inner)
            if login is not None:
                found.append(Vantage(login.address, login, item.place))
        return tuple(found), tuple(checkers.values())


def _vantage(reader: Reader) -> SshLogin | None:
    written = reader.text("ssh")
    if not written:
        return None
    username, _, address = written.rpartition("@")
    if not reader.judged("ssh", lambda: typed.host(address)):
        return None
    # A vantage lies outside: the site's own jump host is no way to it, unless it says so itself.
    return ssh_login(reader, jump_host(reader, None), address=address, username=username)


def _plex_tv(reader: Reader) -> str:
    """Read where plex.tv is. The owner's token goes there: nowhere else than to plex.tv, and to this computer itself."""
    url = reader.value("plex_tv", web_address)
    if url is None or url.geturl().rstrip("/") == PLEX_TV:
        return ""
    if url.hostname not in ("127.0.0.1", "localhost", "::1") or url.path not in {"", "/"} or url.query:
        reason = "the owner's token goes to plex.tv alone, or to a simulated one on this computer"
        reader.complain("plex_tv", "PLX-C204", reason, "Take the line out.")
        return ""
    return url.geturl().rstrip("/")


def _table(node: Node | None) -> Table:
    """Give the table, or an empty one where something else stands: the schema has complained already."""
    return node if isinstance(node, Table) else NOTHING


def _refuse_templates(node: Node, path: str, problems: Problems) -> None:
    """Only `vars:` may hold `{{ }}` in an inventory: a device's address must be readable at a glance."""
    if isinstance(node, Table):
        for key, entry in node.entries.items():
            if key != "vars":
                _refuse_templates(entry.value, join(path, key), problems)
    elif isinstance(node, Listing):
        for index, item in enumerate(node.items):
            _refuse_templates(item, join(path, index), problems)
    elif isinstance(node, Scalar) and isinstance(node.value, str) and is_template(node.value):
        reason = "an inventory holds no {{ }} outside “vars:”"
        cure = "Write the value; what many sites share goes under “defaults:”."
        problems.add("PLX-C107", node.place, path, reason, cure)
