"""A whole simulated home on loopback: one real SSH server as the way in, everything else behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from msgspec import Struct, field

from plexops.lab.base import DeviceLog, ExecResult, Router, RouterHooks, Seed
from plexops.lab.clock import ScaledClock
from plexops.lab.https import TlsFiles, make_tls, serve_http
from plexops.lab.inventory import PLAYBOOK, Accounts, inventory_text
from plexops.lab.isp import ISPS
from plexops.lab.keys import KeyPair, new_key
from plexops.lab.neighbours import settle
from plexops.lab.network import Host, Listener, Network, Service, text_service
from plexops.lab.outside import USER as OUTSIDE_USER
from plexops.lab.outside import OutsideVantage
from plexops.lab.plex import PlexSeed, PlexServer
from plexops.lab.plex_log import NAME as PLEX_LOG_NAME
from plexops.lab.plex_settings import SETTINGS
from plexops.lab.plex_tv import PlexTv
from plexops.lab.routers import RouterName, make_router
from plexops.lab.scenario import OUTSIDE, PLEX_PORT, Scenario, Vantage
from plexops.lab.scenarios import SCENARIOS
from plexops.lab.server import MAC, PLEX_LOGS, DebianServer, Renewer, ServerHooks, ServerOptions
from plexops.lab.server import USER as SERVER_USER
from plexops.lab.server_condition import CONFIG_LOGS, CONTAINER_ADDRESS, LAN
from plexops.lab.server_network import public_address6
from plexops.lab.shell import Shell
from plexops.lab.ssh import Account, SshOptions, SshServer, Stream
from plexops.lab.streams import Peeked, ServerForwarder
from plexops.lab.ways import Ways

Role = Literal["jump", "router", "server", "plex", "outside", "outside2", "inside", "plex_tv"]
ROLES: tuple[Role, ...] = ("jump", "router", "server", "plex", "outside", "outside2", "inside", "plex_tv")
#: Those that speak HTTP alone.
WEB: tuple[Role, ...] = ("plex", "plex_tv")
JUMP_USER = "lab"
BANNERS = {
    "openwrt": "dropbear_2024.86",
    "linux": "OpenSSH_10.0p2 Debian-7",
    "routeros": "ROSSSH",
    "opnsense": "OpenSSH_9.9",
}
OPENSSH = "OpenSSH_10.0p2 Debian-7"


class OtherRouter(Struct, frozen=True):
    """A router that is none of the dialects: how it is made, and what the inventory says of its family and login.

    `web`: it is spoken to over HTTPS, and not over SSH.
    """

    make: Callable[[Seed, RouterHooks], Router]
    entry: Mapping[str, object]
    web: bool


class HomeOptions(Struct):
    """What a test may want otherwise. `clock_scale` simulated seconds pass in one real second."""

    clock_scale: float = 1.0
    #: Empty: sudo on the server asks for no password.
    sudo_password: str = ""
    server_password: str = "plex-at-home"  # noqa: S105
    router_password: str = "router-secret"  # noqa: S105
    ufw_installed: bool = True
    ufw_enabled: bool = True
    renewer: Renewer = "networkctl"
    #: Log in by password instead of the key: the inventory then names no key file for these roles.
    password_only: frozenset[Role] = frozenset()
    plex: PlexSeed = field(default_factory=PlexSeed)
    #: What an address echo answers instead of the public address.
    echoes: dict[str, str] = {}
    #: Stands in the place of the router that is named.
    other: OtherRouter | None = None


class RunningHome:
    """A started home. `stop`, or leaving the context, ends all of it."""

    def __init__(self, router: RouterName, scenario: Scenario, directory: Path, options: HomeOptions) -> None:
        self.directory = directory
        self.router_name = router
        self.scenario = scenario
        self.options = options
        self.clock = ScaledClock(options.clock_scale)
        self._sinks: list[IO[str]] = []
        (directory / "log").mkdir(parents=True, exist_ok=True)
        self._logs = {role: self._log(role) for role in ROLES}
        self.user_key = new_key()
        self.user_key.write(directory / "keys" / "user")
        self.keys: dict[Role, KeyPair] = {role: new_key() for role in ROLES if role not in WEB}
        other = options.other
        self.is_web = router == "opnsense" if other is None else other.web
        hooks = RouterHooks(self._logs["router"], self.clock)
        seed = scenario.seed()
        self.router: Router = make_router(router, seed, hooks) if other is None else other.make(seed, hooks)
        lan_address = scenario.seed().lan_address
        self.tls: TlsFiles = make_tls(directory / "tls", ["router.lan", str(lan_address)])
        self.network = Network(
            router=self.router,
            isp=ISPS[scenario.isp],
            lan_address=lan_address,
            blocked_ports=scenario.blocked_ports,
        )
        settle(scenario, self.network, self.tls)
        self.ways = Ways(scenario, self.network, options.echoes)
        self.server = self._make_server()
        self.host = self._make_host()
        self.plex = self._make_plex()
        self.plex_tv = self._make_plex_tv()
        self.vantages = self._make_vantages()
        self.ssh: dict[Role, SshServer] = self._ssh_servers()
        self._wire()
        self._listeners: dict[str, Listener] = {}
        self.address = self.listen("jump")
        self.playbook_dir = directory / "playbooks"
        self.inventory = directory / "inventory.yaml"
        self._write_files()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def log(self, role: Role) -> list[str]:
        """Give every request that a device got so far, in order; lines that start with `#` are notes."""
        with self._logs[role].lock:
            return list(self._logs[role].lines)

    def commands(self, role: Role) -> list[str]:
        """Give the commands and requests alone, without notes about logins and execs."""
        return [line for line in self.log(role) if not line.startswith("# ") or line.startswith("# write ")]

    def export(self, role: Role) -> str:
        """Give a device's own whole state: the router's export, the server's firewall files, Plex's settings."""
        if role == "router":
            return self.router.export()
        if role == "server":
            return self.server.export()
        if role == "plex":
            return "".join(f"{setting.id}={self.plex.setting(setting.id)!r}\n" for setting in SETTINGS)
        return ""

    def listen(self, role: Role) -> tuple[str, int]:
        """Open a loopback port that leads straight to one device, past jump host and network."""
        if role not in self._listeners:
            self._listeners[role] = Listener(self._direct(role), role)
        return self._listeners[role].address

    def stop(self) -> None:
        """End everything; a second call does nothing."""
        self.clock.stop()
        for listener in self._listeners.values():
            listener.close()
        for server in self.ssh.values():
            server.close()
        self.network.stop()
        for shell in self._shells():
            shell.stop()
        self.plex.stop()
        for sink in self._sinks:
            sink.close()

    def _log(self, role: Role) -> DeviceLog:
        file = (self.directory / "log" / f"{role}.log").open("a", encoding="utf-8", errors="surrogateescape")
        self._sinks.append(file)

        def write(line: str) -> None:
            if not file.closed:
                file.write(line + "\n")
                file.flush()

        return DeviceLog(sink=write)

    def _make_server(self) -> DebianServer:
        condition = self.scenario.server
        program = "Plex Media Serv" if self.scenario.plex_condition.running else condition.port_taken_by
        listening = {22: "sshd"} | ({PLEX_PORT: program} if program else {})
        options = ServerOptions(
            sudo_password=self.options.sudo_password,
            ufw_installed=self.options.ufw_installed,
            ufw_enabled=self.options.ufw_enabled and condition.firewall_enabled,
            rules=self.scenario.server_rules(),
            renewer=self.options.renewer if condition.address_source == "dhcp" else "none",
            token=self.options.plex.token if self.scenario.condition.claimed else "",
            machine_identifier=self.options.plex.machine_identifier,
            listening=listening,
            condition=condition,
            dhcp_server=self.scenario.dhcp_server or self.scenario.seed().lan_address,
            plex_runs=self.scenario.plex_condition.running,
        )
        hooks = ServerHooks(
            log=self._logs["server"],
            clock=self.clock,
            address=lambda: self.host.address,
            renew=lambda: self.network.renew(SERVER_USER),
            connect=self.ways.from_server,
            hops=self.ways.hops,
            look_up=self.ways.look_up,
        )
        return DebianServer(options, hooks)

    def _make_host(self) -> Host:
        condition = self.scenario.server
        host = Host(
            SERVER_USER,
            MAC,
            self.scenario.address,
            firewall=self.server.admits,
            # What the router sends elsewhere never comes back by the way that it came in.
            answers=lambda source: (
                condition.answers(source) and (source in LAN or not self.network.isp.policy)
            ),
            leased=self.scenario.earlier_lease,
        )
        self.ways.host = host
        return self.network.add(host)

    def _make_plex(self) -> PlexServer:
        scenario = self.scenario
        seed = self.options.plex.under(scenario.plex_condition, scenario.plex, throttled=not scenario.outside)

        def address() -> str:
            return str(CONTAINER_ADDRESS if scenario.server.isolated else self.host.address)

        plex = PlexServer(self.ways, self._logs["plex"], seed, address=address, now=self.clock.time)
        service = Service(self._serve_plex, plex.handle, "both")
        if scenario.plex_condition.running:
            self.ways.plex = service
            self.host.services[PLEX_PORT] = service
        elif scenario.server.port_taken_by:
            self.host.services[PLEX_PORT] = text_service(lambda: "<h1>It works!</h1>\n", "text/html")
        files, container = self.server.files, scenario.server.container
        logs = PLEX_LOGS if container is None or not container.config else f"{container.config}{CONFIG_LOGS}"
        files.install_live(f"{logs}/{PLEX_LOG_NAME}", lambda: plex.log.text().encode(), owner="plex")
        for name, text in plex.log.rotations().items():
            files.install({f"{logs}/{name}": text}, owner="plex")
        return plex

    def _make_plex_tv(self) -> PlexTv:
        scenario = self.scenario
        return PlexTv(
            self.plex,
            self.options.plex.under(scenario.plex_condition, scenario.plex),
            scenario.listing,
            log=self._logs["plex_tv"],
            lan_address=lambda: str(self.host.address),
            public_address=self.ways.public_address,
            address6=lambda: str(public_address6(scenario.server, MAC) or ""),
        )

    def _make_vantages(self) -> dict[Role, tuple[Vantage, OutsideVantage]]:
        """Make every vantage; there is always one outside, also where the inventory names none."""
        return {
            vantage.role: (
                vantage,
                OutsideVantage(
                    log=self._logs[vantage.role],
                    clock=self.clock,
                    connect=self.ways.from_vantage(vantage),
                    look_up=self.ways.address_of,
                ),
            )
            for vantage in (OUTSIDE, *self.scenario.vantages)
        }

    def _ssh_servers(self) -> dict[Role, SshServer]:
        key = self.user_key.public
        options = self.options
        router_user = self._router_user()

        def account(role: Role, password: str) -> Account:
            return Account(set() if role in options.password_only else {key}, password)

        servers: dict[Role, SshServer] = {
            "jump": SshServer(
                host_key=self.keys["jump"],
                accounts={JUMP_USER: account("jump", "lab")},
                log=self._logs["jump"],
                forwarder=self.network,
                banner=OPENSSH,
            ),
            "router": SshServer(
                host_key=self.keys["router"],
                accounts={router_user: account("router", options.router_password)},
                log=self._logs["router"],
                executor=_executor(self.router),
                banner=BANNERS[self.router_name],
            ),
            "server": SshServer(
                host_key=self.keys["server"],
                accounts={SERVER_USER: account("server", options.server_password)},
                log=self._logs["server"],
                executor=self.server.shell.run,
                forwarder=ServerForwarder(self.ways.from_server),
                banner=OPENSSH,
            ),
        }
        for role, (_, host) in self.vantages.items():
            servers[role] = SshServer(
                host_key=self.keys[role],
                accounts={OUTSIDE_USER: account(role, "probe")},
                log=self._logs[role],
                executor=host.shell.run,
                options=SshOptions(refuse_connections=not self.scenario.outside),
                banner=OPENSSH,
            )
        return servers

    def _router_user(self) -> str:
        return "admin" if self.router_name == "routeros" else "root"

    def _wire(self) -> None:
        services = self.network.router_services
        if self.is_web:
            services[443] = Service(self._serve_router_https, self.router.handle, "tls")
        else:
            services[22] = Service(self.ssh["router"].serve)
        self.host.services[22] = Service(self.ssh["server"].serve)
        for role, (vantage, _) in self.vantages.items():
            console = Service(self.ssh[role].serve)
            if role == "inside":
                self.network.hosts["pi"].services[22] = console
            elif self.scenario.outside:
                self.network.internet[str(vantage.address)] = {22: console}
        self.ways.ready.set()

    def _serve_router_https(self, stream: Stream) -> None:
        serve_http(stream, self.router.handle, self.tls)

    def _serve_plex(self, stream: Stream) -> None:
        """Speak HTTP or HTTPS on one port, as Plex does: the first byte of a TLS handshake tells."""
        first = Peeked(stream)
        serve_http(first, self.plex.handle, self.tls if first.is_tls() else None)

    def _direct(self, role: Role) -> Callable[[Stream], None]:
        if role == "plex":
            return self._serve_plex
        if role == "router" and self.is_web:
            return self._serve_router_https
        if role == "plex_tv":
            return lambda stream: serve_http(stream, self.plex_tv.handle, None)
        return self.ssh[role].serve

    def _shells(self) -> list[Shell]:
        found = [self.server.shell, *(host.shell for _, host in self.vantages.values())]
        shell = getattr(self.router, "shell", None)
        return [*found, shell] if isinstance(shell, Shell) else found

    def _write_files(self) -> None:
        self.playbook_dir.mkdir(exist_ok=True)
        (self.playbook_dir / "plex-remote-access.yaml").write_text(PLAYBOOK, encoding="utf-8")
        host, port = self.address
        accounts = Accounts(
            via={"address": host, "port": port, "username": JUMP_USER, **self._trust("jump")},
            router=self._router_entry(),
            server=self._trust("server") if self.scenario.server_login else {},
            token={"from": "server"} if self.scenario.server_login else self._token_file(),
            vantages=[(vantage, self._trust(vantage.role)) for vantage in self.scenario.vantages],
        )
        static = self.scenario.server.address_source == "static"
        text = inventory_text(
            accounts, access=self.scenario.access, static=static, passes_on=self.scenario.upstream_told,
            plex_tv=self.listen("plex_tv"),
        )  # fmt: skip
        self.inventory.write_text(text, encoding="utf-8")

    def _token_file(self) -> dict[str, object]:
        path = self.directory / "keys" / "plex_token"
        path.write_text(self.options.plex.token, encoding="utf-8")
        path.chmod(0o600)
        return {"file": str(path)}

    def _trust(self, role: Role) -> dict[str, object]:
        trust: dict[str, object] = {"host_key": self.keys[role].public}
        if role not in self.options.password_only:
            trust["key_file"] = str(self.directory / "keys" / "user")
        return trust

    def _router_entry(self) -> dict[str, object]:
        if not self.scenario.router_login:
            return {"profile": "manual"}
        entry: dict[str, object] = {"profile": self.router_name, "address": str(self.network.lan_address)}
        share = self.network.isp.share
        if len(share) < 65536:
            entry["port_share"] = f"{share[0]}-{share[-1]}"
        if self.options.other is not None:
            entry |= self.options.other.entry
            return entry | ({"tls_pin": self.tls.pin} if self.is_web else self._trust("router"))
        if not self.is_web:
            return entry | {"username": self._router_user(), **self._trust("router")}
        for name in ("api_key", "api_secret"):
            path = self.directory / "keys" / name
            path.write_text(str(getattr(self.router, name)), encoding="utf-8")
            path.chmod(0o600)
            entry[name] = {"file": str(path)}
        return entry | {"tls_pin": self.tls.pin}


def _executor(router: Router) -> Callable[..., ExecResult]:
    """Give a shell its standard input as it comes; other consoles do not read any."""
    shell = getattr(router, "shell", None)
    if isinstance(shell, Shell):
        return shell.run
    return lambda command, _stdin, username: router.execute(command, b"", username)


def start_home(
    router: RouterName = "openwrt",
    scenario: str = "drifted",
    *,
    directory: Path,
    options: HomeOptions | None = None,
) -> RunningHome:
    """Start a home in a scenario; its inventory, playbook, keys and logs are written into `directory`.

    Raises KeyError for a scenario that does not exist.
    """
    return RunningHome(router, SCENARIOS[scenario], directory, options or HomeOptions())
