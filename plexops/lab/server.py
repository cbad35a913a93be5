"""The simulated Debian 12 server on which Plex runs: its shell, sudo, ufw and leases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import BinaryIO, Literal

from msgspec import Struct, field

from plexops.lab.base import LAN_ADDRESS, Admission, Clock, DeviceLog, ExecResult, Packet
from plexops.lab.curl import Connect, make_curl
from plexops.lab.docker import make_docker
from plexops.lab.filesystem import FileSystem
from plexops.lab.iptables import Family
from plexops.lab.server_condition import EVERYWHERE, LAN, ServerCondition
from plexops.lab.server_filters import KernelFilters
from plexops.lab.server_network import PLEX_PORT, ServerNetwork
from plexops.lab.shell import DONE, ROOT_PATH, CommandFunction, Context, Shell, fail, say
from plexops.lab.ufw import Ufw
from plexops.lab.ufw_rule import Rule

PLEX_DATA = "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server"
PREFERENCES = f"{PLEX_DATA}/Preferences.xml"
PLEX_LOGS = f"{PLEX_DATA}/Logs"
MAC = "52:54:00:12:34:56"
USER = "media"
Renewer = Literal["networkctl", "dhclient", "none"]

#: Installed where the server is managed by ufw and the owner has opened SSH and Samba to the LAN.
OWN_RULES = (
    Rule("allow", "tcp", "22", "any", "192.168.1.0/24", comment="ssh from home"),
    Rule("allow", "tcp", "445", "any", "192.168.1.0/24"),
    Rule("allow", "udp", "5353", "any", "any"),
)
OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""


class ServerOptions(Struct):
    """How the server is set up. `sudo_password` empty: sudo asks for none."""

    sudo_password: str = ""
    ufw_installed: bool = True
    ufw_enabled: bool = True
    rules: tuple[Rule, ...] = OWN_RULES
    renewer: Renewer = "networkctl"
    token: str = ""
    machine_identifier: str = ""
    #: Ports that something listens on, with the program's name.
    listening: dict[int, str] = field(default_factory=lambda: {22: "sshd", 32400: "Plex Media Serv"})
    condition: ServerCondition = field(default_factory=ServerCondition)
    #: Who gave it its address, as its DHCP client wrote down.
    dhcp_server: IPv4Address = LAN_ADDRESS
    #: Whether Plex runs, wherever it listens.
    plex_runs: bool = True


def _no_hops() -> Sequence[IPv4Address | None]:
    return ()


def _no_names(_name: str) -> Sequence[IPv4Address]:
    return ()


class ServerHooks(Struct, frozen=True):
    """What the server asks the home around it. `hops` are what answers on its way to the Internet, in order."""

    log: DeviceLog
    clock: Clock
    address: Callable[[], IPv4Address | None]
    renew: Callable[[], IPv4Address | None]
    connect: Connect
    hops: Callable[[], Sequence[IPv4Address | None]] = _no_hops
    #: What its resolver has for a name.
    look_up: Callable[[str], Sequence[IPv4Address]] = _no_names


class DebianServer:
    """The server as `execute` and the network see it."""

    def __init__(self, options: ServerOptions, hooks: ServerHooks) -> None:
        self.lock = threading.RLock()
        self.options = options
        self._hooks = hooks
        self.files = FileSystem()
        self._install()
        self.ufw: Ufw | None = None
        network = ServerNetwork(MAC, options.condition, options.listening, hooks.address, hooks.hops)
        self.files.install_live("/proc/net/arp", lambda: network.arp().encode())
        condition = options.condition
        self.filters = KernelFilters(condition.other_filter, self._loaded, condition.container)
        commands: dict[str, CommandFunction] = {
            **self.filters.commands(),
            "sudo": self._sudo,
            "ip": network.ip,
            "ss": network.ss,
            "ping": network.ping,
            "systemctl": self._systemctl,
            "uname": self._uname,
            "pidof": self._pidof,
            "getent": self._getent,
        }
        if options.ufw_installed:
            self.ufw = Ufw(self.files, enabled=options.ufw_enabled, rules=options.rules)
            commands["ufw"] = self.ufw.command
        if options.condition.container is not None:
            commands["docker"] = make_docker(options.condition.container)
        if options.renewer == "networkctl":
            commands["networkctl"] = self._networkctl
        elif options.renewer == "dhclient":
            commands["dhclient"] = self._dhclient
        # All are `free`: sudo runs others, renewing and curl reach other devices. The state has locks of its own.
        self.shell = Shell(
            files=self.files,
            commands={},
            free={**commands, "curl": make_curl(hooks.connect)},
            log=hooks.log,
            clock=hooks.clock,
            lock=self.lock,
            hostname=USER,
            flavour="bash",
            sbin=frozenset({"ufw", "dhclient", *self.filters.commands()}),
        )

    def admits(self, source: IPv4Address, port: int) -> Admission:
        """Judge an incoming TCP connection by what the kernel holds, and by where Plex listens."""
        condition = self.options.condition
        reached = port != PLEX_PORT or EVERYWHERE in condition.bindings(port)
        carried = self.filters.carry(Packet(source, self._hooks.address() or LAN[1], port))
        if isinstance(carried, Packet) and carried.translated:
            return "accepted"  # to the container: none of the host's own services is asked
        if condition.resets_outsiders and source not in LAN:
            return "refused"
        if condition.prohibits_outsiders and source not in LAN:
            return "unreachable"
        if not isinstance(carried, Packet):
            return carried
        return "accepted" if reached else "refused"

    def _loaded(self, family: Family) -> str:
        """Give what of ufw's is in the kernel."""
        return "" if self.ufw is None else self.ufw.loaded(family, self.options.condition.firewall_loaded)

    def export(self) -> str:
        """Give the firewall's files."""
        return "" if self.ufw is None else self.ufw.export()

    def stop(self) -> None:
        """End everything that runs on the server."""
        self.shell.stop()

    def _install(self) -> None:
        options = self.options
        self.files.install(
            {
                "/etc/os-release": OS_RELEASE,
                "/etc/hostname": f"{USER}\n",
                "/etc/resolv.conf": f"search lan\nnameserver {options.condition.resolver}\n",
                "/sys/class/net/eth0/address": f"{MAC}\n",
            }
        )
        # A server that nobody claimed has no token.
        online = (
            f'PlexOnlineToken="{options.token}" PlexOnlineMail="owner@example.org" ' if options.token else ""
        )
        preferences = (
            '<?xml version="1.0" encoding="utf-8"?>\n<Preferences OldestPreviousVersion="1.32.5.7349-8f4248874" '
            f'ProcessedMachineIdentifier="{options.machine_identifier}" AcceptedEULA="1" '
            f'{online}LogVerbose="0"/>\n'
        )
        self.files.install({PREFERENCES: preferences}, owner="plex", mode=0o600)
        giver = options.dhcp_server
        if options.renewer == "networkctl":
            self.files.install({"/run/systemd/netif/leases/2": f"ADDRESS=0.0.0.0\nSERVER_ADDRESS={giver}\n"})
        elif options.renewer == "dhclient":
            lease = f'lease {{\n  interface "eth0";\n  option dhcp-server-identifier {giver};\n}}\n'
            self.files.install({"/var/lib/dhcp/dhclient.eth0.leases": lease})
        self.files.make_dir(f"/home/{USER}", parents=True)
        self.files.stat(f"/home/{USER}").owner = USER

    def _sudo(self, argv: list[str], stdin: BinaryIO, context: Context) -> ExecResult:
        words, flags, user, prompt = argv[1:], set[str](), "root", "[sudo] password for media: "
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option == "--":
                break
            if option in ("-u", "--user") and words:
                user = words.pop(0)
            elif option in ("-p", "--prompt") and words:
                prompt = words.pop(0)
            else:
                flags |= set(option.lstrip("-") if option.startswith("--") else option[1:])
        refused = self._authenticate(flags, prompt, stdin, context)
        if refused is not None:
            return refused
        if not words:
            return DONE
        state = context.state.copy()
        state.user = user
        state.variables = {**state.environment(), "PATH": ROOT_PATH, "USER": user, "HOME": "/root"}
        state.exported = set(state.variables)
        if context.shell.find(words[0], state) is None and not context.files.exists(words[0]):
            return fail(f"sudo: {words[0]}: command not found")
        return ExecResult(b"", b"", context.shell.invoke(words, state, context.streams, exec_like=True))

    def _authenticate(
        self, flags: set[str], prompt: str, stdin: BinaryIO, context: Context
    ) -> ExecResult | None:
        password = self.options.sudo_password
        if not password or context.user == "root":
            return None
        if "n" in flags:
            return fail("sudo: a password is required")
        if "S" not in flags:
            return fail(
                "sudo: a terminal is required to read the password; either use the -S option to read from "
                "standard input or configure an askpass helper\nsudo: a password is required"
            )
        for attempt in range(1, 4):
            context.streams.stderr.write(prompt.encode())
            line = stdin.readline()
            if line.rstrip(b"\n").decode("utf-8", "replace") == password:
                return None
            if not line:
                tried = f"{attempt - 1} incorrect password attempt" + ("s" if attempt > 2 else "")
                return fail("sudo: no password was provided" if attempt == 1 else f"sudo: {tried}")
            context.streams.stderr.write(b"Sorry, try again.\n")
        return fail("sudo: 3 incorrect password attempts")

    def _networkctl(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        if argv[1:2] != ["renew"]:
            return fail(f"Unknown command verb '{' '.join(argv[1:2])}'.")
        if context.user != "root":
            return fail("Failed to renew dynamic configuration of interface eth0: Access denied")
        if argv[2:] != ["eth0"]:
            return fail(f"Failed to resolve interface {' '.join(argv[2:])}: No such device")
        self._hooks.renew()
        return DONE

    def _dhclient(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        if context.user != "root":
            return fail("RTNETLINK answers: Operation not permitted", 2)
        if "-r" not in argv:
            self._hooks.renew()
        return DONE

    def _systemctl(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        words = [word for word in argv[1:] if not word.startswith("-")]
        quiet = "-q" in argv or "--quiet" in argv
        running = {"ssh"} | ({"ufw"} if self.ufw is not None else set())
        if self.options.plex_runs and self.options.condition.container is None:
            running.add("plexmediaserver")
        if self.options.renewer == "networkctl":
            running.add("systemd-networkd")
        if words[:1] not in (["is-active"], ["is-enabled"]):
            return fail("systemctl: only is-active and is-enabled are simulated")
        names = [name.removesuffix(".service") for name in words[1:]]
        yes, no = ("active", "inactive") if words[0] == "is-active" else ("enabled", "disabled")
        text = "".join(f"{yes if name in running else no}\n" for name in names)
        return say("" if quiet else text, 0 if any(name in running for name in names) else 3)

    def _uname(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        texts = {"-r": "6.1.0-41-amd64", "-m": "x86_64", "-n": USER, "-s": "Linux"}
        return say(texts.get(argv[1] if len(argv) > 1 else "-s", "Linux") + "\n")

    def _pidof(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        clients = {"networkctl": "systemd-networkd", "dhclient": "dhclient"}
        running = {clients.get(self.options.renewer, ""): "301"}
        if self.options.plex_runs:
            running["Plex Media Server"] = "812"
        found = [running[name] for name in argv[1:] if name in running]
        return say(" ".join(found) + "\n") if found else ExecResult(b"", b"", 1)

    def _getent(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        if len(argv) != 3 or argv[1] != "ahostsv4":
            return fail("getent: only ahostsv4 and one name are simulated")
        found = self._hooks.look_up(argv[2])
        kinds = (f"STREAM {argv[2]}", "DGRAM ", "RAW   ")
        return say("".join(f"{a!s:<15} {kind}\n" for a in found for kind in kinds), 0 if found else 2)
