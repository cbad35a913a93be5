"""The simulated Debian 13 server on which Plex runs: its shell, sudo, ufw and leases."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, BinaryIO, Literal

from plexops.lab.base import Clock, DeviceLog, ExecResult
from plexops.lab.curl import Connect, make_curl
from plexops.lab.filesystem import FileSystem
from plexops.lab.shell import DONE, ROOT_PATH, Context, Shell, fail, say
from plexops.lab.ufw import Rule, Ufw

PREFERENCES = "/var/lib/plexmediaserver/Library/Application Support/Plex Media Server/Preferences.xml"
MAC = "52:54:00:12:34:56"
USER = "media"
FOREVER = 4294967295
Renewer = Literal["networkctl", "dhclient", "none"]

#: Installed where the server is managed by ufw and the owner has opened SSH and Samba to the LAN.
OWN_RULES = (
    Rule("allow", "tcp", "22", "any", "192.168.1.0/24", comment="ssh from home"),
    Rule("allow", "tcp", "445", "any", "192.168.1.0/24"),
    Rule("allow", "udp", "5353", "any", "any"),
)
OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
HOME_URL="https://www.debian.org/"
"""


@dataclass(slots=True)
class ServerOptions:
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


@dataclass(frozen=True, slots=True)
class ServerHooks:
    """What the server asks the home around it."""

    log: DeviceLog
    clock: Clock
    address: Callable[[], IPv4Address | None]
    renew: Callable[[], IPv4Address | None]
    connect: Connect


class DebianServer:
    """The server as `execute` and the network see it."""

    def __init__(self, options: ServerOptions, hooks: ServerHooks) -> None:
        self.lock = threading.RLock()
        self.options = options
        self._hooks = hooks
        self.files = FileSystem()
        self._install()
        self.ufw: Ufw | None = None
        commands = {
            "sudo": self._sudo,
            "ip": self._ip,
            "ss": self._ss,
            "systemctl": self._systemctl,
            "uname": self._uname,
            "pidof": self._pidof,
        }
        if options.ufw_installed:
            self.ufw = Ufw(self.files, enabled=options.ufw_enabled, rules=options.rules)
            commands["ufw"] = self.ufw.command
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
            sbin=frozenset({"ufw", "dhclient", "nft", "iptables"}),
        )

    def admits(self, source: IPv4Address, port: int) -> Literal["accepted", "dropped", "refused"]:
        """Judge an incoming TCP connection by the host's firewall as it is loaded."""
        return "accepted" if self.ufw is None else self.ufw.judge(source, port, "tcp")

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
                "/sys/class/net/eth0/address": f"{MAC}\n",
            }
        )
        preferences = (
            '<?xml version="1.0" encoding="utf-8"?>\n<Preferences OldestPreviousVersion="1.32.5.7349-8f4248874" '
            f'ProcessedMachineIdentifier="{options.machine_identifier}" AcceptedEULA="1" '
            f'PlexOnlineToken="{options.token}" PlexOnlineMail="owner@example.org" LogVerbose="0"/>\n'
        )
        self.files.install({PREFERENCES: preferences}, owner="plex", mode=0o600)
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
        running = {"ssh", "plexmediaserver"} | ({"ufw"} if self.ufw is not None else set())
        if self.options.renewer == "networkctl":
            running.add("systemd-networkd")
        if words[:1] not in (["is-active"], ["is-enabled"]):
            return fail("systemctl: only is-active and is-enabled are simulated")
        names = [name.removesuffix(".service") for name in words[1:]]
        yes, no = ("active", "inactive") if words[0] == "is-active" else ("enabled", "disabled")
        text = "".join(f"{yes if name in running else no}\n" for name in names)
        return say("" if quiet else text, 0 if any(name in running for name in names) else 3)

    def _uname(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        texts = {"-r": "6.12.48+deb13-amd64", "-m": "x86_64", "-n": USER, "-s": "Linux"}
        return say(texts.get(argv[1] if len(argv) > 1 else "-s", "Linux") + "\n")

    def _pidof(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        clients = {"networkctl": "systemd-networkd", "dhclient": "dhclient"}
        running = {"Plex Media Server": "812", clients.get(self.options.renewer, ""): "301"}
        found = [running[name] for name in argv[1:] if name in running]
        return say(" ".join(found) + "\n") if found else ExecResult(b"", b"", 1)

    def _ss(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        wanted = "".join(argv[2:]).replace(" ", "")
        flags = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
        lines = "" if "H" in flags else _SS_HEAD
        for port, program in sorted(self.options.listening.items()):
            if "sport=" in wanted and f"sport=:{port}" not in wanted:
                continue
            local = f"*:{port}" if port == 32400 else f"0.0.0.0:{port}"
            peer = "*:*" if local.startswith("*") else "0.0.0.0:*"
            users = f' users:(("{program}",pid=812,fd=55))' if "p" in flags and context.user == "root" else ""
            lines += f"LISTEN 0      128    {local:>18} {peer:>18}{users}\n"
        return say(lines)

    def _ip(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        words = [word for word in argv[1:] if not word.startswith("-")]
        what = next((word for word in words if word[0] in "arl"), "")
        if "-6" in argv or "-j" not in argv:
            return say("[]\n") if "-j" in argv else self._plain_ip(what)
        value = self._routes(words) if what.startswith("r") else self._links(words, only_ipv4="-4" in argv)
        return say(json.dumps(value, separators=(",", ":")) + "\n")

    def _plain_ip(self, what: str) -> ExecResult:
        address = self._hooks.address()
        if what.startswith("r"):
            return say(
                f"default via 192.168.1.1 dev eth0 proto dhcp src {address} metric 1024 \n"
                f"192.168.1.0/24 dev eth0 proto kernel scope link src {address} metric 1024 \n"
            )
        return say(
            "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000\n"
            f"    link/ether {MAC} brd ff:ff:ff:ff:ff:ff\n"
            f"    inet {address}/24 metric 1024 brd 192.168.1.255 scope global dynamic eth0\n"
        )

    def _routes(self, words: list[str]) -> list[dict[str, Any]]:
        source = str(self._hooks.address())
        default = {
            "dst": "default",
            "gateway": "192.168.1.1",
            "dev": "eth0",
            "protocol": "dhcp",
            "prefsrc": source,
            "metric": 1024,
            "flags": [],
        }
        lan = {
            "dst": "192.168.1.0/24",
            "dev": "eth0",
            "protocol": "kernel",
            "scope": "link",
            "prefsrc": source,
            "metric": 1024,
            "flags": [],
        }
        return [default] if "default" in words else [default, lan]

    def _links(self, words: list[str], *, only_ipv4: bool) -> list[dict[str, Any]]:
        address = self._hooks.address()
        hardware = {"link_type": "ether", "address": MAC, "broadcast": "ff:ff:ff:ff:ff:ff"}
        info = {
            "family": "inet",
            "local": str(address),
            "prefixlen": 24,
            "metric": 1024,
            "broadcast": "192.168.1.255",
            "scope": "global",
            "dynamic": True,
            "label": "eth0",
            "valid_life_time": 40211,
            "preferred_life_time": 40211,
        }
        eth0 = {
            "ifindex": 2,
            "ifname": "eth0",
            "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
            "mtu": 1500,
            "qdisc": "fq_codel",
            "operstate": "UP",
            "group": "default",
            "txqlen": 1000,
            **({} if only_ipv4 else hardware),
            "addr_info": [info] if address else [],
        }
        return [eth0] if "lo" not in words and ("eth0" in words or "dev" in words) else [_LOOPBACK, eth0]


_SS_HEAD = "State  Recv-Q Send-Q      Local Address:Port       Peer Address:Port Process\n"
_LOOPBACK: dict[str, Any] = {
    "ifindex": 1,
    "ifname": "lo",
    "flags": ["LOOPBACK", "UP", "LOWER_UP"],
    "mtu": 65536,
    "qdisc": "noqueue",
    "operstate": "UNKNOWN",
    "group": "default",
    "txqlen": 1000,
    "addr_info": [
        {
            "family": "inet",
            "local": "127.0.0.1",
            "prefixlen": 8,
            "scope": "host",
            "label": "lo",
            "valid_life_time": FOREVER,
            "preferred_life_time": FOREVER,
        }
    ],
}
