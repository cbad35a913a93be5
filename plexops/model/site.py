"""What an inventory and a playbook say, as frozen values. Every value that can be wrong later keeps its place."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address
from types import MappingProxyType
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.model.answers import Done
from plexops.model.errors import Place, Places, Problem
from plexops.model.fields import FieldValue
from plexops.model.resources.port_forward import PortForward
from plexops.model.snapshot import Kind, Role
from plexops.model.values import PLEX_PORT, Ports

#: What YAML and `-e` can say of a variable, without lists.
Value = None | str | int | bool | Mapping[str, "Value"]

#: Plex's own service: it lists an account's servers, and tells apps where to find them.
PLEX_TV = "https://plex.tv"


class CheckerName(StrEnum):
    """A service that tries a port when it is asked, by its program interface."""

    CHECK_HOST = "check-host"
    ECHOIP = "echoip"
    PORTCHECKER = "portchecker"


#: Where each of them is, if the user does not say. Anyone may run echoip: there is no usual one.
CHECKERS: Mapping[CheckerName, str] = {
    CheckerName.CHECK_HOST: "https://check-host.net",
    CheckerName.PORTCHECKER: "https://portchecker.io",
}


class Access(StrEnum):
    """How outsiders are meant to get in. Findings are judged against it."""

    FORWARD = "forward"
    RELAY = "relay"
    VPN = "vpn"
    PROXY = "proxy"


class AddressBy(StrEnum):
    """Who gives the server its address: the router's DHCP, or the server itself."""

    DHCP = "dhcp"
    STATIC = "static"


class HostFirewall(StrEnum):
    """Which firewall of the server plexops may change. `AUTO`: the server is asked. All filters are read either way."""

    AUTO = "auto"
    UFW = "ufw"
    FIREWALLD = "firewalld"
    #: Rules of the owner's own: read, and what to do by hand is said.
    NFTABLES = "nftables"
    IPTABLES = "iptables"
    NONE = "none"
    #: From here on systems that are set in their own pages: nothing is written there, and their steps are said.
    WINDOWS = "windows"
    MACOS = "macos"
    SYNOLOGY = "synology"
    UNRAID = "unraid"
    TRUENAS = "truenas"
    QNAP = "qnap"
    HOME_ASSISTANT = "home-assistant"
    PROXMOX = "proxmox"

    @property
    def is_spoken_to(self) -> bool:
        """Whether a login there leads to a shell that plexops speaks, and into what filters (no add-on does)."""
        return self not in (HostFirewall.WINDOWS, HostFirewall.MACOS, HostFirewall.HOME_ASSISTANT)


class Container(StrEnum):
    """What Plex runs in. A published container port passes by the host firewall's own rules."""

    AUTO = "auto"
    NONE = "none"
    DOCKER = "docker"
    PODMAN = "podman"


class Connection(StrEnum):
    """How a device is reached: over SSH, or not at all, because plexops runs on it."""

    SSH = "ssh"
    LOCAL = "local"


class BecomeMethod(StrEnum):
    """How the server's login gets the rights to change the firewall."""

    SUDO = "sudo"
    DOAS = "doas"
    NONE = "none"


class SecretSource(StrEnum):
    """Where a secret is kept. Never in the inventory itself."""

    ENVIRONMENT = "env"
    FILE = "file"
    ASK = "ask"
    SERVER = "server"


class SecretReference(Struct, frozen=True):
    """A secret as the inventory names it. `wanted` is the path that wants it (`sites.home.router.password`).

    `name` is the variable or the file as written; a relative file is found from `directory`.
    """

    source: SecretSource
    name: str
    place: Place
    wanted: str
    directory: str = ""

    @property
    def label(self) -> str:
        """What plans, journals and errors carry in place of the secret (`env:PLEX_TOKEN`)."""
        return f"{self.source}:{self.name}" if self.name else str(self.source)


class SshLogin(Struct, frozen=True):
    """How a device is reached over SSH. What is empty or None, `~/.ssh/config`, the agent and the defaults answer.

    `via` is the jump host. `key` is a private key's text, `key_file` an absolute path to one. `host_key` is a public
    key as `known_hosts` has it (`ssh-ed25519 AAAA…`). `directory` is the inventory's: its files may be named.
    `legacy`: what is no longer considered safe is agreed to as well.
    """

    address: str
    port: int | None = None
    username: str = ""
    password: SecretReference | None = None
    key_file: str = ""
    key: SecretReference | None = None
    host_key: str = ""
    via: SshLogin | None = None
    directory: str = ""
    places: Places = Places()
    legacy: bool = False


class HttpLogin(Struct, frozen=True):
    """How a device is reached over HTTP or HTTPS. `port` None: what the profile says.

    `tls_pin` is `sha256//` and the base64 of the SHA-256 of the certificate's public key, as curl writes it.
    """

    address: str
    port: int | None = None
    username: str = ""
    password: SecretReference | None = None
    api_key: SecretReference | None = None
    api_secret: SecretReference | None = None
    tls_pin: str = ""
    via: SshLogin | None = None
    places: Places = Places()


class Become(Struct, frozen=True):
    """How a login, or plexops on the device itself, gets more rights, and the password that it takes."""

    method: BecomeMethod = BecomeMethod.SUDO
    password: SecretReference | None = None


class RouterDevice(Struct, frozen=True):
    """A router. Its profile decides whether `ssh` or `http` is the way in. `manual` has no way in at all."""

    profile: str
    ssh: SshLogin
    http: HttpLogin
    params: Mapping[str, str] = MappingProxyType({})
    #: With `manual`: the box whose steps are said, and who took them.
    like: str = ""
    done: Done | None = None
    port_share: Ports | None = None
    role: Role = Role.ROUTER
    connection: Connection = Connection.SSH
    become: Become | None = None
    places: Places = Places()

    @property
    def address(self) -> str:
        """The router's address or name; empty for `manual` routers that give none."""
        return self.ssh.address

    @property
    def manual(self) -> bool:
        """Whether a person sets it: nothing is asked and nothing is sent."""
        return self.profile == "manual"


class UpstreamDevice(Struct, frozen=True):
    """The gateway between the router and the internet, where there is one: the second NAT, or a modem."""

    router: RouterDevice
    #: Whether it hands viewers' port, or everything, on to the router, as you say.
    passes_on: bool = False


class ServerDevice(Struct, frozen=True):
    """The host that Plex runs on. `address` is where it shall be. `login` None: plexops does not log in there.

    `connection` is `LOCAL` where plexops runs on it: then it is asked without a login.
    """

    address: IPv4Address | None
    address_by: AddressBy = AddressBy.DHCP
    mac: str = ""
    login: SshLogin | None = None
    become: Become | None = None
    firewall: HostFirewall = HostFirewall.AUTO
    container: Container = Container.AUTO
    connection: Connection = Connection.SSH
    places: Places = Places()

    @property
    def asked(self) -> bool:
        """Whether the host itself is asked, over SSH or as this computer."""
        return self.firewall.is_spoken_to and bool(self.login or self.connection is Connection.LOCAL)


class PlexDevice(Struct, frozen=True):
    """The Plex server. `address` and `port`: where the router must send packets.

    `address` is None where neither the URL nor the server says it.
    """

    url: str
    token: SecretReference | None = None
    address: IPv4Address | None = None
    port: int = PLEX_PORT
    tls_pin: str = ""
    via: SshLogin | None = None
    places: Places = Places()


class Vantage(Struct, frozen=True):
    """A place outside from which the port is tried."""

    name: str
    ssh: SshLogin
    place: Place | None = None


class Checker(Struct, frozen=True):
    """A stranger's service that tries a port, asked only because the user named it. `url` ends without a slash."""

    name: CheckerName
    url: str

    @property
    def where(self) -> str:
        """What reports call it: its host, with the port where that is not the usual one."""
        return urlsplit(self.url).netloc

    @property
    def tries_its_asker(self) -> bool:
        """Whether it tries no address but the one that asks: then the home's own line has to ask."""
        return self.name is CheckerName.ECHOIP


class Variable(Struct, frozen=True):
    """A variable's value with the place that gave it. Its texts may hold `{{ … }}`."""

    value: Value
    place: Place | None = None


class Site(Struct, frozen=True):
    """One home.

    `echoes` are services that tell the public address: None means the usual ones, empty means that none is asked.
    `plex_tv` is where plex.tv's list of the account's servers is asked; empty means plex.tv itself.
    """

    name: str
    place: Place
    groups: tuple[str, ...] = ()
    access: Access = Access.FORWARD
    router: RouterDevice | None = None
    upstream: UpstreamDevice | None = None
    server: ServerDevice | None = None
    plex: PlexDevice | None = None
    vantages: tuple[Vantage, ...] = ()
    checkers: tuple[Checker, ...] = ()
    echoes: tuple[str, ...] | None = None
    plex_tv: str = ""
    places: Places = Places()


class Inventory(Struct, frozen=True):
    """All sites of one file; `notes` are what is allowed and looks odd.

    `variables` of each site are already merged: defaults, then groups in their order, then the site's own.
    """

    file: str
    sites: Mapping[str, Site]
    variables: Mapping[str, Mapping[str, Variable]] = MappingProxyType({})
    notes: tuple[Problem, ...] = ()


class State(StrEnum):
    """Whether a resource shall be there."""

    PRESENT = "present"
    ABSENT = "absent"


class Setting(Struct, frozen=True):
    """One field as a task writes it; a text may hold `{{ … }}`."""

    value: str | int | bool
    place: Place


class Task(Struct, frozen=True):
    """One task as a playbook writes it. `key` is empty where the task leaves it to the kind."""

    name: str
    kind: Kind
    place: Place
    key: str = ""
    values: Mapping[str, Setting] = MappingProxyType({})
    state: State = State.PRESENT
    adopt: bool = False
    tags: frozenset[str] = frozenset()


class Pattern(Struct, frozen=True):
    """One word of `sites:`: a name, a group, a glob, `all`, or one of these after `!`."""

    text: str
    place: Place | None = None


class Play(Struct, frozen=True):
    """Some tasks for some sites. `tags` are already in every task of it."""

    name: str
    place: Place
    sites: tuple[Pattern, ...]
    tasks: tuple[Task, ...]
    variables: Mapping[str, Variable] = MappingProxyType({})


class Playbook(Struct, frozen=True):
    """All plays of one file, in order."""

    file: str
    plays: tuple[Play, ...]


class ResolvedTask(Struct, frozen=True):
    """One task for one site: every field has its typed value, from the task, the site or the kind.

    `want` is what the kind's own `build` made of them: None for conditions, and where the task does not apply to
    this site (`not_applicable` says why). `places` tells by field where the value was written, for values of a task.
    """

    name: str
    kind: Kind
    key: str
    place: Place
    values: Mapping[str, FieldValue] = MappingProxyType({})
    want: object = None
    state: State = State.PRESENT
    adopt: bool = False
    tags: frozenset[str] = frozenset()
    not_applicable: str = ""
    places: Places = Places()


class SiteTasks(Struct, frozen=True):
    """One site with all that shall be true there, in the order in which the playbooks say it."""

    site: Site
    tasks: tuple[ResolvedTask, ...]

    @property
    def external_port(self) -> int | None:
        """The port that the tasks want open on the router, if any does."""
        forwards = (t for t in self.tasks if t.kind is Kind.PORT_FORWARD and t.state is State.PRESENT)
        wanted = next((task.want for task in forwards if isinstance(task.want, PortForward)), None)
        return None if wanted is None else wanted.external_port.single
