"""One site, ready to be looked at: its profile, drivers, ways in, and the view that conditions judge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from plexops.config.allowed import Allowed
from plexops.config.profiles import is_path, load_profile, profile_path
from plexops.config.secrets import Secrets
from plexops.drivers.plex.driver import PlexDriver
from plexops.drivers.router.compile import CompiledProfile, compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.drivers.server.driver import ServerDriver
from plexops.engine.look.access import Access, Links
from plexops.engine.look.http_login import require_login
from plexops.engine.look.observe import Observer
from plexops.engine.look.site_state import Drivers
from plexops.model.errors import PlexopsError, Problem
from plexops.model.profile import Profile, Speaks
from plexops.model.resources.plex_remote_access import RemoteAccess
from plexops.model.secret import Secret
from plexops.model.site import AddressBy, RouterDevice, ServerDevice, Site, SiteTasks, State
from plexops.model.snapshot import Role
from plexops.model.values import Ports
from plexops.runbook.view import SiteView
from plexops.transport.ssh.config_file import SshConfigFile, read_ssh_config
from plexops.transport.ssh_settings import SSH_PORT
from plexops.transport.trust.store import TrustStore


class Setting(Struct, frozen=True):
    """What all sites of a run share."""

    directory: Path
    secrets: Secrets
    store: TrustStore
    links: Links
    known_hosts: tuple[Path, ...] = ()
    #: None where there is none, and for a replay, which asks no device.
    ssh_config: SshConfigFile | None = None
    #: The command that is going to send, where one is; empty where devices are only asked.
    sends: str = ""
    #: Digests of profiles that do not come with plexops, and by which it may write all the same.
    allowed_profiles: frozenset[str] = frozenset()
    login_password: Secret | None = None
    sudo_password: Secret | None = None
    #: Profiles with their params, as far as sites asked for them: each is read, checked and compiled once a run.
    profiles: dict[tuple[str, tuple[tuple[str, str], ...]], CompiledProfile] = {}

    def profile(self, site: Site) -> CompiledProfile | None:
        """Give a site's router profile. Raises as `compiled_profile` does."""
        if site.router is None:
            return None
        asked = (site.router.profile, tuple(sorted(site.router.params.items())))
        if asked not in self.profiles:
            self.profiles[asked] = compiled_profile(site.router, self.directory, self.secrets.allowed)
        return self.profiles[asked]

    def own_secrets(self) -> Secrets:
        """Give the secrets for one home, which is given the passwords that were asked for."""
        secrets = self.secrets.of_one_home()
        for given in (self.login_password, self.sudo_password):
            if given is not None:
                secrets.learn(given)
        return secrets


class Home(Struct, frozen=True):
    """One site with everything that looking at it and changing it needs."""

    tasks: SiteTasks
    access: Access
    drivers: Drivers
    profile: Profile | None
    view: SiteView
    links: Links

    def observer(self) -> Observer:
        """Give what looks at it."""
        return Observer(self.access, self.drivers, self.links, self.view)

    @property
    def taught(self) -> str:
        """Name the profile, where it does not come with plexops, with the digest of its text; or say of one that writes
        that nothing but a simulation of what it believes has taken that yet."""
        router = self.tasks.site.router
        if self.profile is None or router is None:
            return ""
        if not self.profile.shipped:
            return f"{router.profile} does not come with plexops; the SHA-256 of its text is {self.profile.digest}"
        if self.profile.stores and not _TRIED & {verified.how for verified in self.profile.verified}:
            return (
                f"{router.profile}: no router of this family has taken a write of plexops yet. What is sent is by its "
                "makers' documents: look at its own page after an apply"
            )
        return ""


#: How writes were seen to work by something that was not made from the profile.
_TRIED = frozenset({"lab dialect", "real daemons", "real"})


def known_hosts_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Give OpenSSH's own files of known host keys."""
    return _ssh_folder(environment) / "known_hosts", Path("/etc/ssh/ssh_known_hosts")


def ssh_config_file(environment: Mapping[str, str]) -> SshConfigFile | None:
    """Read the user's ~/.ssh/config; None where there is none. Raises PlexopsError PLX-D112.

    PLEXOPS_SSH_CONFIG names another file, or `none`, as `ssh -F` does.
    """
    named = environment.get("PLEXOPS_SSH_CONFIG", "")
    if named.lower() == "none":
        return None
    return read_ssh_config(Path(named) if named else _ssh_folder(environment) / "config")


def _ssh_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME", "") or os.path.expanduser("~")) / ".ssh"  # noqa: PTH111 - HOME may be unset


def compiled_profile(router: RouterDevice, directory: Path, allowed: Allowed) -> CompiledProfile:
    """Load and check a router's profile. Raises PlexopsError; PLX-C307 for a file that may not be named."""
    place = router.places.get("profile")
    if is_path(router.profile):
        path = profile_path(router.profile, directory)
        refused = allowed.file(path, str(directory), place, "router.profile")
        if refused is not None:
            raise PlexopsError(refused)
    profile = load_profile(router.profile, directory, place, router.params)
    for name, param in profile.params.items():
        if param.default is None and name not in router.params:
            reason = f"{profile.title} takes a param {name!r}, and the inventory does not say it"
            cure = f"Write “params: {{{name}: …}}” under the site's “router:”. {param.means}"
            raise PlexopsError(Problem("PLX-C602", reason, cure, place, "router.params"))
    return compile_profile(profile)


def open_home(tasks: SiteTasks, setting: Setting) -> Home:
    """Make a site ready. Nothing is contacted. Raises PlexopsError."""
    site = tasks.site
    profile = setting.profile(site)
    speaks = Speaks.NOTHING if profile is None else profile.profile.speaks
    access = Access(
        site=site,
        secrets=setting.own_secrets(),
        store=setting.store,
        known_hosts=setting.known_hosts,
        speaks=speaks,
        logins=() if profile is None else profile.profile.login,
        contract="json" if profile is None else profile.profile.judged_by,
        port=None if profile is None else profile.profile.port,
        override=setting.login_password,
        sudo_password=setting.sudo_password,
        ssh_config=setting.ssh_config,
    )
    access.require_ways()
    if profile is not None:
        _require_allowed(profile.profile, access, setting)
        _require_room(tasks, profile.profile)
    _require_shell(access, live=setting.links.live)
    if profile is not None and site.router is not None and setting.links.live:
        require_login(profile.profile.login, site.router, profile.profile.title, setting.login_password)
    asked_router = profile is not None and speaks is not Speaks.NOTHING
    drivers = Drivers(
        router=ProfiledDriver(profile) if profile is not None and asked_router else None,
        server=_server_driver(site.server),
        plex=None if site.plex is None else _plex_driver(tasks, setting.sends),
    )
    plain = None if profile is None else profile.profile
    return Home(tasks, access, drivers, plain, _view(tasks, drivers, access), setting.links)


def _plex_driver(tasks: SiteTasks, sends: str) -> PlexDriver:
    """Only an apply changes what the playbook says; the other ways to send change what a journal says."""
    wants = (task.want for task in tasks.tasks if task.state is State.PRESENT) if sends == "apply" else ()
    wanted = next((want for want in wants if isinstance(want, RemoteAccess)), None)
    return PlexDriver(twice=bool(sends), wanted=wanted)


def _require_allowed(profile: Profile, access: Access, setting: Setting) -> None:
    """Raise PlexopsError PLX-D410 where a profile that does not come with plexops would have a say in what is sent.

    On a router that is this computer it may not even ask: its reads choose files of this computer.
    """
    local = access.is_local(Role.ROUTER) and setting.links.live
    if profile.shipped or profile.digest in setting.allowed_profiles or not (setting.sends or local):
        return
    router = access.site.router
    named = profile.name if router is None else router.profile
    does = "nothing is sent as it says" if setting.sends else "it reads nothing on this computer"
    reason = f"the profile {named} does not come with plexops, and {does}; the SHA-256 of its text is {profile.digest}"
    command = setting.sends or "audit"
    cure = f"Read it, above all what it sends. Then: plexops {command} --allow-profile {profile.digest}"
    place = None if router is None else router.places.get("profile")
    raise PlexopsError(Problem("PLX-D410", reason, cure, place, "router.profile"))


def _require_room(tasks: SiteTasks, profile: Profile) -> None:
    """Raise PlexopsError PLX-C512 where a task says more than the router has room for."""
    found = []
    for task in tasks.tasks:
        fields = [item for spec in profile.resources.get(task.kind, ()) for item in spec.fields.items()]
        for name, field in fields if task.state is State.PRESENT else ():
            value = task.values.get(name)
            reason = field.room.refuses(value) if field.room is not None and isinstance(value, str) else ""
            if reason:
                found.append(
                    Problem(
                        "PLX-C512",
                        f"this text is too long for {profile.title} at site {tasks.site.name}: it has {reason}",
                        "Write a shorter one: letters beyond ASCII have two to four bytes each.",
                        task.places.get(name) or task.place,
                        f"{task.kind}.{name}",
                    )
                )
    if found:
        raise PlexopsError(found)


def _require_shell(access: Access, *, live: bool) -> None:
    """Raise PlexopsError PLX-D408 where a device is said to be this computer, and cannot be asked here."""
    site = access.site
    problems: list[Problem] = []
    for role, device in ((Role.ROUTER, site.router), (Role.SERVER, site.server)):
        if device is None or not access.is_local(role):
            continue
        from plexops.transport.machine import can_be_asked

        reason, cure = "", "Take “connection: local” out, and name a login."
        if role is Role.ROUTER and access.speaks is not Speaks.SHELL:
            reason = (
                "“connection: local” is for routers that are read by a POSIX shell; this profile's are not"
            )
        elif live and not can_be_asked():
            reason = "“connection: local” takes a POSIX shell, and this system has none"
            cure = f"Run plexops on the {role} itself, or name a login."
        if reason:
            place = device.places.get("connection")
            problems.append(Problem("PLX-D408", reason, cure, place, f"{role}.connection"))
    if problems:
        raise PlexopsError(problems)


def _server_driver(server: ServerDevice | None) -> ServerDriver | None:
    if server is None or not server.asked:
        return None
    return ServerDriver(firewall=server.firewall, container=server.container)


def _view(tasks: SiteTasks, drivers: Drivers, access: Access) -> SiteView:
    site = tasks.site
    server, plex, router = site.server, site.plex, site.router
    asked = {
        Role.ROUTER: drivers.router is not None,
        Role.SERVER: drivers.server is not None,
        Role.PLEX: drivers.plex is not None,
    }
    management: dict[Role, tuple[str, int]] = {}
    if router is not None and drivers.router is not None and not access.is_local(Role.ROUTER):
        management[Role.ROUTER] = access.router_at()
    if server is not None and server.login is not None:
        way = access.way(server.login)
        management[Role.SERVER] = (way.host, way.port or SSH_PORT)
    return SiteView(
        name=site.name,
        access=str(site.access),  # type: ignore[arg-type]
        server_mac="" if server is None else server.mac,
        server_address=None if server is None else server.address,
        server_is_static=server is not None and server.address_by is AddressBy.STATIC,
        plex_address=_plex_address(site),
        plex_port=32400 if plex is None else plex.port,
        named_ports=_named_ports(tasks),
        port_share=_port_share(site),
        upstream_passes_on=site.upstream is not None and site.upstream.passes_on,
        asked=frozenset(role for role, wanted in asked.items() if wanted),
        management=MappingProxyType(management),
    )


def _named_ports(tasks: SiteTasks) -> frozenset[int]:
    """Give the external ports that the tasks name for Plex: the one that is forwarded, and those that Plex announces."""
    announced = (t.want.manual_port for t in tasks.tasks if isinstance(t.want, RemoteAccess))
    return frozenset(port for port in (tasks.external_port, *announced) if port)


def _port_share(site: Site) -> Ports | None:
    """Give the ports that arrive: the router's own word, else that of the box before it, which has the address."""
    upstream = None if site.upstream is None else site.upstream.router.port_share
    own = None if site.router is None else site.router.port_share
    return own or upstream


def _plex_address(site: Site) -> IPv4Address | None:
    if site.plex is not None and site.plex.address is not None:
        return site.plex.address
    return None if site.server is None else site.server.address
