"""A simulated Linux router: Debian 12 with nftables and dnsmasq, configured by hand."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import BinaryIO

from plexops.lab.base import (
    ExecResult,
    Fate,
    HttpRequest,
    HttpResponse,
    Lease,
    MappingSeed,
    Packet,
    RouterHooks,
    Seed,
)
from plexops.lab.filesystem import FileSystem
from plexops.lab.routers import linux_dnsmasq, linux_files, nft_packets
from plexops.lab.routers.linux_files import DNSMASQ_CONF, LEASES, NFTABLES_CONF, Interfaces
from plexops.lab.routers.linux_network import LinuxNetwork
from plexops.lab.routers.nft import Ruleset, Style, list_tables
from plexops.lab.routers.nft_command import NftCommand
from plexops.lab.routers.nft_parser import Parser
from plexops.lab.routers.nft_tokens import Source
from plexops.lab.routers.openwrt_filters import miniupnpd_rules
from plexops.lab.shell import DONE, Context, Shell, fail, say

LEASE_SECONDS = 43200
SERVICES = ("dnsmasq", "nftables", "miniupnpd")
PIDS: Mapping[str, int] = {"dnsmasq": 612, "miniupnpd": 655}
JOB_FAILED = (
    "Job for {0}.service failed because the control process exited with error code.\n"
    'See "systemctl status {0}.service" and "journalctl -xeu {0}.service" for details.'
)


class LinuxRouter:
    """A Linux router as `execute` and the network see it."""

    def __init__(self, seed: Seed, hooks: RouterHooks, sides: Interfaces | None = None) -> None:
        self.lock = threading.RLock()
        #: A fault: it starts once more, and ends at once, which systemd does not see.
        self.dnsmasq_dies = False
        self._seed = seed
        self._sides = sides or Interfaces()
        self._network = LinuxNetwork(seed, self._sides)
        self._clock = hooks.clock
        self.files = FileSystem()
        self.files.install(linux_files.router_files(seed, self._sides))
        self.files.install_live("/proc/net/arp", lambda: self._network.arp().encode())
        for directory in ("/etc/nftables.d", "/run", "/var/lib/misc"):
            self.files.make_dir(directory, parents=True)
        self.ruleset = Ruleset()
        self._nft = NftCommand(self.ruleset)
        self._running = {"nftables", "dnsmasq"}
        if seed.has_upnp and seed.upnp_installed:
            self._running.add("miniupnpd")
        self._enabled = set(self._running)
        self._dhcp = linux_dnsmasq.read(self.files, DNSMASQ_CONF)
        self.shell = Shell(
            files=self.files,
            commands={
                "nft": self._nft.run,
                "dnsmasq": self._dnsmasq,
                "service": self._service,
                "systemctl": self._systemctl,
                "ip": self._network.ip,
                "pidof": self._pidof,
                "ss": self._ss,
                "uname": self._uname,
                "logger": lambda _argv, _stdin, _context: DONE,
                **{f"/etc/init.d/{name}": self._init for name in ("dnsmasq", "miniupnpd")},
            },
            log=hooks.log,
            clock=hooks.clock,
            lock=self.lock,
            hostname=seed.hostname,
            flavour="bash",
        )
        self._load_filter()
        if not seed.loads_at_start:
            self._load_our_tables()
        if "miniupnpd" in self._running and not seed.mappings_flushed:
            for mapping in seed.mappings:
                self._map(mapping)

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Run one SSH exec request."""
        return self.shell.run(command, stdin, username)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer 404: this router has no web interface."""
        return HttpResponse(404, f"nothing at {request.path}\n".encode(), "text/plain")

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet by the rules that the kernel holds now, whatever the files say."""
        return self._carry(packet, self._sides.wan)

    def reflect(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that a LAN host sent to the public address."""
        return self._carry(packet, self._sides.lan)

    def _carry(self, packet: Packet, side: str) -> Packet | Fate:
        own = frozenset({self._seed.wan_address, self._seed.lan_address})
        with self.lock:
            left = nft_packets.carry(self.ruleset, packet, side, self._sides.lan, own)
        if isinstance(left, Packet) and left.destination == self._seed.wan_address:
            return left.to(self._seed.lan_address, left.port)
        return left

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give what dnsmasq read when it last started; nothing while it is down."""
        with self.lock:
            serves = "dnsmasq" in self._running and self._sides.lan not in self._dhcp.silent
            return dict(self._dhcp.reservations) if serves else {}

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the dynamic pool of the running dnsmasq."""
        with self.lock:
            return self._dhcp.pool or (self._seed.pool_first, self._seed.pool_last)

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Write dnsmasq's lease file, and take note of the neighbours."""
        self._network.answering = leases if answering is None else answering
        expiry = int(self._clock.time()) + LEASE_SECONDS
        lines = [f"{expiry} {x.mac} {x.address} {x.hostname or '*'} 01:{x.mac}\n" for x in leases]
        self.files.install({LEASES: "".join(lines)})

    def export(self) -> str:
        """Give `nft -s list ruleset`, the filter's and dnsmasq's files, and what starts at boot."""
        with self.lock:
            live = list_tables(self.ruleset.of(""), Style(stateless=True))
            paths = [NFTABLES_CONF, DNSMASQ_CONF]
            paths += [*self.files.glob("/etc/nftables.d/*"), *self.files.glob("/etc/dnsmasq.d/*")]
            texts = "".join(f"# {path}\n{self.files.read(path).decode()}" for path in paths)
            return f"{live}{texts}# started at boot: {' '.join(sorted(self._enabled))}\n"

    def stop(self) -> None:
        """End everything that runs on the router."""
        self.shell.stop()

    # --- the packet filter -----------------------------------------------------------------------------

    def _load_filter(self) -> bool:
        """Do what starting nftables.service does; tells whether the file passed."""

        def load(pattern: str) -> list[Source]:
            return [Source(path, self.files.read(path).decode()) for path in self.files.glob(pattern)]

        # A file of the router's own making passes; one that a user broke is the caller's to report.
        source = load(NFTABLES_CONF)[0]
        return not self.ruleset.run(Parser(source, load).program())

    def _load_our_tables(self) -> None:
        """Load what was written since the router started, and what it does not load by itself."""
        for path in self.files.glob("/etc/nftables.d/*.nft"):
            source = Source(path, self.files.read(path).decode())
            self.ruleset.run(Parser(source, lambda _pattern: []).program())

    def _map(self, mapping: MappingSeed) -> None:
        """Add what miniupnpd adds for a mapping: raw matches, as nft shows them."""
        dnat, accept = miniupnpd_rules(mapping, self._sides.wan)
        text = f"add rule inet filter prerouting_miniupnpd {dnat}\nadd rule inet filter miniupnpd {accept}\n"
        self.ruleset.run(Parser(Source("", text), lambda _: []).program())

    # --- services --------------------------------------------------------------------------------------

    def _dnsmasq(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        if "--version" in argv or "-v" in argv:
            return say("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n")
        if "--test" not in argv:
            return fail("\ndnsmasq: failed to create listening socket for port 53: Address already in use", 2)
        path = DNSMASQ_CONF
        for at, word in enumerate(argv):
            if word == "-C" and at + 1 < len(argv):
                path = context.path(argv[at + 1])
            elif word.startswith("--conf-file="):
                path = context.path(word.partition("=")[2])
        try:
            linux_dnsmasq.read(self.files, path)
        except linux_dnsmasq.DnsmasqError as error:
            return fail(f"\ndnsmasq: {error}")
        return ExecResult(b"", b"dnsmasq: syntax check OK.\n", 0)

    def _service(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        if len(argv) < 3:
            return fail("Usage: service < option > | --status-all | [ service_name [ command ] ]")
        return self._act(argv[2], argv[1], context)

    def _init(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        return self._act(argv[1] if len(argv) > 1 else "", argv[0].rpartition("/")[2], context)

    def _systemctl(self, argv: list[str], _stdin: BinaryIO, context: Context) -> ExecResult:
        words = [word for word in argv[1:] if not word.startswith("-")]
        if words[:2] == ["show", "UnitFileState"]:
            states = (name.removesuffix(".service") in self._enabled for name in words[2:])
            return say("\n".join(f"UnitFileState={'enabled' if there else ''}\n" for there in states))
        if len(words) < 2:
            return fail("Too few arguments.")
        answers = [
            self._act(words[0], name.removesuffix(".service"), context, now="--now" in argv)
            for name in words[1:]
        ]
        return next((answer for answer in answers if answer.status), answers[-1])

    def _act(self, action: str, name: str, context: Context, *, now: bool = False) -> ExecResult:
        if name not in SERVICES or (name == "miniupnpd" and not self._seed.upnp_installed):
            return fail(f"Failed to {action} {name}.service: Unit {name}.service not found.", 5)
        if action in ("is-active", "is-enabled"):
            there = name in (self._running if action == "is-active" else self._enabled)
            words = ("active", "inactive") if action == "is-active" else ("enabled", "disabled")
            return say(words[0 if there else 1] + "\n", 0 if there else 3 if action == "is-active" else 1)
        if action == "status":
            there = name in self._running
            return say(
                f"{name}.service: {'active (running)' if there else 'inactive (dead)'}\n", 0 if there else 3
            )
        if context.user != "root":
            return fail(f"Failed to {action} {name}.service: Access denied", 4)
        if action in ("enable", "disable"):
            (self._enabled.add if action == "enable" else self._enabled.discard)(name)
            if not now:
                return DONE
            action = "start" if action == "enable" else "stop"
        if action == "stop":
            self._stop(name)
            return DONE
        if action in ("start", "restart", "reload", "force-reload", "reload-or-restart"):
            return self._start(name, context, again=action != "start")
        return fail(f"Unknown command verb {action}.")

    def _stop(self, name: str) -> None:
        self._running.discard(name)
        if name == "nftables":
            self.ruleset.tables.clear()
        elif name == "miniupnpd":
            for chain in ("miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"):
                table = self.ruleset.tables.get(("inet", "filter"))
                if table is not None and chain in table.chains:
                    table.chains[chain].rules.clear()

    def _start(self, name: str, context: Context, *, again: bool) -> ExecResult:
        if name in self._running and not again:
            return DONE
        if name == "nftables":
            loaded = self._nft.load(NFTABLES_CONF, context)
            return DONE if not loaded.status else fail(JOB_FAILED.format(name))
        if name == "dnsmasq":
            # systemd has stopped the old process by the time that the new one refuses its files.
            self._running.discard(name)
            if self.dnsmasq_dies:
                self.dnsmasq_dies = False
                return DONE
            try:
                self._dhcp = linux_dnsmasq.read(self.files, DNSMASQ_CONF)
            except linux_dnsmasq.DnsmasqError:
                return fail(JOB_FAILED.format(name))
        self._running.add(name)
        return DONE

    # --- what the system says of itself ------------------------------------------------------------------

    def _pidof(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        pids = [str(PIDS[name]) for name in argv[1:] if name in PIDS and name in self._running]
        return say(" ".join(pids) + "\n") if pids else ExecResult(b"", b"", 1)

    def _ss(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        """Answer `ss -Hulnp`, and `ss -H0lnp`: dnsmasq has no packet socket."""
        users = f'users:(("dnsmasq",pid={PIDS["dnsmasq"]},fd=4))'
        socket = f"UNCONN 0      0      0.0.0.0%{self._sides.lan}:67         0.0.0.0:*    {users}\n"
        return say(socket if "dnsmasq" in self._running and "0" not in argv[1] else "")

    def _uname(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        texts = {"-r": "6.1.0-28-amd64", "-m": "x86_64", "-n": self._seed.hostname}
        return say(texts.get(argv[1] if len(argv) > 1 else "", "Linux") + "\n")
