"""From what the inventory says of a site to links: logins, trust, jump hosts, recording and replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from msgspec import Struct

from plexops.config.secrets import Secrets
from plexops.engine.look.http_login import login_of
from plexops.engine.look.logins import plain, without_password
from plexops.languages.contracts import ContractName
from plexops.model.errors import Places, PlexopsError, Problem
from plexops.model.login import LoginSpec
from plexops.model.plan import Authorized
from plexops.model.profile import Speaks
from plexops.model.secret import Secret
from plexops.model.site import (
    PLEX_TV,
    Become,
    BecomeMethod,
    Connection,
    HttpLogin,
    PlexDevice,
    SecretReference,
    SecretSource,
    Site,
    SshLogin,
    Vantage,
)
from plexops.model.snapshot import Role
from plexops.structs import replace
from plexops.transport.here import HereSettings, LocalSettings, holds_address
from plexops.transport.http_settings import HeaderLogin, HttpSettings, Pinned, moved_url
from plexops.transport.link import LinkSettings, ReadLink, ReadSettings, WriteLink
from plexops.transport.secret_way import pinned_outside, same_way
from plexops.transport.ssh.config import resolve
from plexops.transport.ssh.config_file import SshConfigFile
from plexops.transport.ssh_settings import LEGACY, SSH_PORT, SshSettings
from plexops.transport.ssh_settings import Become as Rights
from plexops.transport.trust.store import TrustStore, ssh_trust, tls_trust
from plexops.transport.trust.verdict import Source, TrustedKey, TrustedKeys

_LOOPBACK = "127.0.0.1"
_CONSOLES: Mapping[Speaks, Literal["routeros", "tree"]] = MappingProxyType(
    {Speaks.ROUTEROS: "routeros", Speaks.TREE: "tree"}
)


class Links(Protocol):
    """Where links come from: the network, or a recording."""

    @property
    def live(self) -> bool:
        """Whether devices are really asked."""
        ...

    def read(self, device: str, settings: Callable[[], ReadSettings]) -> ReadLink:
        """Give a link that can only ask. `settings` is called only where a device is really asked."""
        ...

    def write(self, settings: LinkSettings, authorized: Authorized) -> WriteLink:
        """Give a link for the one step that was authorized."""
        ...


class LiveLinks(Struct, frozen=True):
    """The network; with `folder`, every exchange is also recorded there."""

    folder: Path | None = None

    @property
    def live(self) -> bool:
        """Devices are really asked."""
        return True

    def read(self, device: str, settings: Callable[[], ReadSettings]) -> ReadLink:
        """Connect at the first question."""
        from plexops.transport.opening import open_read

        link = open_read(settings())
        if self.folder is None:
            return link
        from plexops.transport.record import RecordingLink

        return RecordingLink(link, self.folder, device)

    def write(self, settings: LinkSettings, authorized: Authorized) -> WriteLink:
        """Open the way for one step."""
        from plexops.transport.opening import open_write

        return open_write(settings, authorized)


class ReplayedLinks(Struct, frozen=True):
    """A recording: nothing is asked and nothing can be written."""

    folder: Path
    #: One link for each device: what was asked twice is answered in the order of the recording, also over a new link.
    opened: dict[str, ReadLink] = {}

    @property
    def live(self) -> bool:
        """Nothing is really asked."""
        return False

    def read(self, device: str, settings: Callable[[], ReadSettings]) -> ReadLink:
        """Answer from the recording; no secret is resolved."""
        from plexops.transport.replay import ReplayLink

        del settings
        if device not in self.opened:
            self.opened[device] = ReplayLink(self.folder, device)
        return self.opened[device]

    def write(self, settings: LinkSettings, authorized: Authorized) -> WriteLink:
        """Refuse."""
        raise TypeError(f"a recording cannot be written to ({settings.device}, {authorized.role})")


class Access(Struct, frozen=True):
    """How one site's devices are reached. `override` is the login password that `-k` asked for."""

    site: Site
    secrets: Secrets
    store: TrustStore
    known_hosts: tuple[Path, ...]
    speaks: Speaks = Speaks.NOTHING
    #: How one logs in at a router that speaks HTTP, and which requests only read there.
    logins: tuple[LoginSpec, ...] = ()
    contract: ContractName = "json"
    port: int | None = None
    override: Secret | None = None
    sudo_password: Secret | None = None
    #: The user's ~/.ssh/config; None where there is none, or where nobody is really asked.
    ssh_config: SshConfigFile | None = None

    def device(self, role: Role | str) -> str:
        """Give the name by which a device is trusted and recorded."""
        return f"{self.site.name}/{role}"

    def here(self) -> HereSettings:
        """Give this computer itself."""
        return HereSettings(self.device("here"))

    def plex_tv_url(self) -> str:
        """Give where plex.tv's list of the account's servers is asked."""
        return self.site.plex_tv or PLEX_TV

    def account(self, token: Secret | None) -> HttpSettings:
        """Give the way to plex.tv, with the owner's token. ValueError where none is known.

        plex.tv wants every program to name itself; what else it would take down of a program is not told.
        """
        plex = self.site.plex
        secret = token or (None if plex is None else self._plex_token(plex))
        if secret is None:
            raise ValueError("no token is known")
        return self._approved(replace(self.plex_tv(), login=HeaderLogin("X-Plex-Token", secret)))

    def plex_tv(self) -> HttpSettings:
        """Give the way to plex.tv without a token."""
        url = self.plex_tv_url()
        return HttpSettings(
            self.device("account"),
            url,
            plain_login=url != PLEX_TV,
            constant_address=url == PLEX_TV,
            headers=(("X-Plex-Client-Identifier", "plexops"),),
            connect_seconds=5.0,
            read_seconds=10.0,
        )

    def _approved(self, settings: HttpSettings) -> HttpSettings:
        return replace(settings, approved=self.store.approves(settings.device, settings.origin))

    def knows_token(self, token: Secret | None) -> bool:
        """Whether a token is at hand for plex.tv: the one that the server told, or one that is kept elsewhere."""
        plex = self.site.plex
        kept = plex is not None and plex.token is not None and plex.token.source is not SecretSource.SERVER
        return token is not None or kept

    def router(self) -> LinkSettings:
        """Give the way to the router, as its profile speaks. ValueError where nothing is asked of it."""
        router = self.site.router
        if router is None or self.speaks is Speaks.NOTHING:
            raise ValueError("the site has no router that can be asked")
        if self.is_local(Role.ROUTER):
            return LocalSettings(self.device(Role.ROUTER), self._rights(router.become))
        if self.speaks.over_http:
            return self._http(router.http)
        settings = self._ssh(router.ssh, self.device(Role.ROUTER))
        return replace(settings, console=_CONSOLES.get(self.speaks, "posix"))

    def server(self, address: str = "") -> SshSettings | LocalSettings:
        """Give the way to the server; `address` is where it is now, when that is not where it shall be."""
        server, device = self.site.server, self.device(Role.SERVER)
        if server is not None and self.is_local(Role.SERVER):
            return LocalSettings(device, self._rights(server.become))
        if server is None or server.login is None:
            raise ValueError("the site's server has no login")
        settings = replace(self._ssh(server.login, device), become=self._rights(server.become))
        return replace(settings, host=address) if address else settings

    def is_local(self, role: Role) -> bool:
        """Whether a device is this computer itself."""
        device = {Role.ROUTER: self.site.router, Role.SERVER: self.site.server}.get(role)
        return device is not None and device.connection is Connection.LOCAL

    def _rights(self, become: Become | None) -> Rights | None:
        if become is None or become.method is not BecomeMethod.SUDO:
            return None
        return Rights(password=self.sudo_password or self._secret(become.password))

    def vantage(self, vantage: Vantage) -> SshSettings:
        """Give the way to one vantage."""
        return self._ssh(vantage.ssh, self.device(f"vantage {vantage.name}"))

    def plex(
        self, token: Secret | None, address: str = "", *, inside: bool = False, beside: bool = False
    ) -> HttpSettings:
        """Give the way to Plex; `address` is where it is now, when that is not where it shall be.

        `inside` goes to the server's loopback, through its own SSH session where it is not this computer: the host
        firewall may stop all else. `beside`: the server itself has answered in this run, at that address.
        """
        plex = self.site.plex
        if plex is None:
            raise ValueError("the site has no Plex")
        secret = token or self._plex_token(plex)
        device = self.device(Role.PLEX)
        settings = HttpSettings(
            device,
            moved_url(plex.url, _LOOPBACK if inside else address),
            login=None if secret is None else HeaderLogin("X-Plex-Token", secret),
            via=self._inside(address) if inside else self._through(plex.via),
            plain_login=True,
        )
        if inside or beside:
            settings = replace(settings, proven=self._proven(address, settings.via, inside=inside))
        return self._judged(settings, plex.tls_pin, plex.places)

    def _inside(self, address: str) -> SshSettings | None:
        server = self.server(address)
        return server if isinstance(server, SshSettings) else None

    def _proven(self, address: str, via: SshSettings | None, *, inside: bool) -> frozenset[str]:
        """Give the addresses at which, on this way, the server answers: one whose key is pinned outside, or this one.

        Its own loopback, where the way is its SSH session.
        """
        server = self.server(address)
        if isinstance(server, LocalSettings):
            return frozenset() if via is not None else self._own_addresses(address)
        if not pinned_outside(server):
            return frozenset()
        if inside:
            return frozenset({_LOOPBACK})
        return frozenset({server.host} if same_way(server.via, via) else ())

    def _own_addresses(self, address: str) -> frozenset[str]:
        named = None if self.site.server is None else self.site.server.address
        lan = IPv4Address(address) if address else named
        return frozenset({_LOOPBACK, "::1", *([str(lan)] if lan is not None and holds_address(lan) else [])})

    def _through(self, via: SshLogin | None) -> SshSettings | None:
        return None if via is None else self._ssh(via, self.device("via"))

    def jump_host(self) -> SshSettings | None:
        """Give the way to the site's jump host, None where there is none. Only its key is asked for."""
        site = self.site
        router = None if site.router is None else site.router.ssh
        server = None if site.server is None else site.server.login
        ways = (router, server, *(vantage.ssh for vantage in site.vantages), site.plex)
        found = [way.via for way in ways if way is not None and way.via is not None]
        return self._through(without_password(found[0])) if found else None

    def way(self, login: SshLogin, device: str = "") -> SshSettings:
        """Give where a login leads, as ssh would find it, without its secrets and without host keys.

        Raises PlexopsError PLX-D112 where ~/.ssh/config cannot be used for it.
        """
        return resolve(plain(login, device, self.device("via")), self.ssh_config, lambda *_: TrustedKeys())

    def router_at(self) -> tuple[str, int]:
        """Give the router's address and the port to which plexops connects; the port of SSH where it does not."""
        router = self.site.router
        if router is None:
            return "", SSH_PORT
        if self.speaks.over_http:
            return router.http.address, router.http.port or self.port or 443
        asked = self.speaks is not Speaks.NOTHING and not self.is_local(Role.ROUTER)
        way = self.way(router.ssh) if asked else plain(router.ssh, "", "")
        return way.host, way.port or SSH_PORT

    def require_ways(self) -> None:
        """Raise PlexopsError with every login for which ~/.ssh/config cannot be used. No device is contacted."""
        problems: list[Problem] = []
        for device, login in self._logins() if self.ssh_config is not None else ():
            try:
                self.way(login, device)
            except PlexopsError as error:
                problems += [problem for problem in error.problems if problem not in problems]
        if problems:
            raise PlexopsError(problems)

    def jumps_of_config(self) -> dict[str, SshSettings]:
        """Give the jump hosts that ~/.ssh/config puts before the site's devices, by name. Raises PlexopsError."""
        found: dict[str, SshSettings] = {}
        for device, login in self._logins():
            named = plain(login, device, self.device("via"))
            hop = resolve(named, self.ssh_config, self._known).via
            while hop is not None:
                if hop.device != self.device("via"):
                    found.setdefault(hop.device, hop)
                hop = hop.via
        return found

    def _logins(self) -> list[tuple[str, SshLogin]]:
        """Give every login over SSH with its device's name. Jump hosts are in the logins behind them."""
        site = self.site
        router, server, plex = site.router, site.server, site.plex
        found = [(f"vantage {vantage.name}", vantage.ssh) for vantage in site.vantages]
        if server is not None and server.login is not None:
            found.append((Role.SERVER, server.login))
        if router is None or self.is_local(Role.ROUTER):
            pass
        elif self.speaks.over_http:
            found += [] if router.http.via is None else [("via", router.http.via)]
        elif self.speaks is not Speaks.NOTHING:
            found.append((Role.ROUTER, router.ssh))
        if plex is not None and plex.via is not None:
            found.append(("via", plex.via))
        return [(self.device(name), login) for name, login in found]

    def weak_ssh(self) -> tuple[str, ...]:
        """Say on which logins, jump hosts included, legacy SSH is agreed to."""
        found: list[str] = []
        for device, login in self._logins():
            hop: SshLogin | None = login
            while hop is not None:
                found += [device if hop is login else self.device("via")] if hop.legacy else []
                hop = hop.via
        return tuple(f"{device}: {LEGACY}" for device in dict.fromkeys(found))

    def wants_token_from_server(self) -> bool:
        """Whether Plex's token is read where Plex keeps it."""
        plex = self.site.plex
        return plex is not None and plex.token is not None and plex.token.source is SecretSource.SERVER

    def _plex_token(self, plex: PlexDevice) -> Secret | None:
        if plex.token is None or plex.token.source is SecretSource.SERVER:
            return None
        return self.secrets.resolve(plex.token)

    def _secret(self, reference: SecretReference | None) -> Secret | None:
        return None if reference is None else self.secrets.resolve(reference)

    def _http(self, login: HttpLogin) -> HttpSettings:
        device = self.device(Role.ROUTER)
        host = f"[{login.address}]" if ":" in login.address else login.address
        number = login.port or self.port
        # Services of UPnP that want no login know no TLS.
        scheme = "http" if self.speaks is Speaks.SOAP and not self.logins else "https"
        settings = HttpSettings(
            device,
            f"{scheme}://{host}{'' if number is None else f':{number}'}",
            login=login_of(self.logins, login, self.secrets, self.override),
            via=self._through(login.via),
            contract=self.contract,
        )
        return self._judged(settings, login.tls_pin, login.places)

    def _judged(self, settings: HttpSettings, pin: str, places: Places) -> HttpSettings:
        """Give the way with what is known of who answers there: an approved origin, and pins of its certificate."""
        settings = self._approved(settings)
        stands = str(places.get("tls_pin") or "inventory")
        pinned = (TrustedKey(pin, Source.INVENTORY, stands, "tls"),) if pin else ()
        keys = tls_trust(self.store, settings.device, pinned)
        return replace(settings, tls=Pinned(keys)) if settings.secure and keys.keys else settings

    def _ssh(self, login: SshLogin, device: str) -> SshSettings:
        """Give the way to one device: what the inventory says, then ~/.ssh/config."""
        named = plain(login, device, self.device("via"), self.secrets, self.override)
        return resolve(named, self.ssh_config, self._known)

    def _known(self, device: str, host: str, port: int) -> TrustedKeys:
        return ssh_trust(self.store, device, host, port, known_hosts=self.known_hosts)
