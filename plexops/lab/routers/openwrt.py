"""A simulated OpenWrt router: uci files, ubus, init scripts, and a firewall that acts only after its reload."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import BinaryIO

from plexops.lab import network_words
from plexops.lab.base import (
    GATEWAY_MAC,
    ExecResult,
    Fate,
    ForwardSeed,
    HttpRequest,
    HttpResponse,
    Lease,
    MappingSeed,
    Packet,
    PinholeSeed,
    ReservationSeed,
    RouterHooks,
    Seed,
)
from plexops.lab.filesystem import FileSystem
from plexops.lab.routers import openwrt_config, openwrt_dnsmasq, openwrt_status
from plexops.lab.routers.fw4 import enabled
from plexops.lab.routers.nft_tokens import NftError
from plexops.lab.routers.openwrt_dnsmasq import DNSMASQ_CONF, OWN_DNSMASQ, generated, refuses, reserved
from plexops.lab.routers.openwrt_filters import LAN, OWNERS_FILE, WAN, KernelTables, networks, owners_chains
from plexops.lab.routers.uci import Package, Uci, UciError, quoted, render
from plexops.lab.routers.uci_command import UciCommand
from plexops.lab.shell import DONE, Context, Shell, fail, say

LEASE_SECONDS = 43200
LEASE_FILE = "/tmp/dhcp.leases"  # noqa: S108 - the path on the device
UPNP_LEASE_FILE = "/var/run/miniupnpd.leases"
SERVICES = ("dnsmasq", "firewall", "miniupnpd")
_PROTOCOLS = ("tcp udp", ["tcp", "udp"], "")


class OpenWrtRouter:
    """OpenWrt 24.10 as `execute` and the network see it."""

    def __init__(self, seed: Seed, hooks: RouterHooks) -> None:
        self.lock = threading.RLock()
        self._seed = seed
        self._clock = hooks.clock
        self.files = FileSystem()
        self.uci = Uci(self.files)
        services = tuple(name for name in SERVICES if name != "miniupnpd" or seed.upnp_installed)
        self._services = services
        self._install()
        self._enabled = set(services)
        self._running = set(services) if seed.has_upnp else {"dnsmasq", "firewall"}
        self._mappings = list(seed.mappings)
        self._neighbours: tuple[tuple[str, str, str], ...] = ()
        self._live: dict[str, Package] = {}
        self._kernel = KernelTables(
            self.files, lambda: networks(openwrt_status.interfaces(seed)), upnp=seed.upnp_installed
        )
        for service in services:
            self._reload(service)
        if seed.mappings_flushed:
            self._kernel.map(())
        self.shell = Shell(
            files=self.files,
            commands={
                "uci": self._uci,
                "ubus": self._ubus,
                "fw4": self._fw4,
                "nft": self._kernel.nft,
                "reload_config": self._reload_config,
                "ip": self._ip,
                "pidof": self._pidof,
                "dnsmasq": openwrt_dnsmasq.run,
                "uname": self._uname,
                "logger": lambda _argv, _stdin, _context: DONE,
                **{f"/etc/init.d/{name}": self._init for name in services},
            },
            log=hooks.log,
            clock=hooks.clock,
            lock=self.lock,
            hostname=seed.hostname,
        )

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Run one SSH exec request."""
        return self.shell.run(command, stdin, username)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer 404: this router has no web interface."""
        return HttpResponse(404, f"nothing at {request.path}\n".encode(), "text/plain")

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet by what the kernel holds: what was committed when the firewall was last reloaded."""
        return self._carry(packet, WAN)

    def reflect(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that a LAN host sent to the public address."""
        return self._carry(packet, LAN)

    def _carry(self, packet: Packet, side: str) -> Packet | Fate:
        with self.lock:
            return self._kernel.carry(packet, side, self._seed.wan_address, self._seed.lan_address)

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give what dnsmasq, as last reloaded, would hand out."""
        with self.lock:
            if not self._serves():
                return {}
            found: dict[str, IPv4Address] = {}
            for host in self._live["dhcp"].of("host"):
                for mac, address in reserved(host):
                    found.setdefault(mac, address)
            return found

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the dynamic pool: `limit` addresses from network + `start`."""
        with self.lock:
            section = self._live["dhcp"].find("lan")
            start = section.text("start", "100") if section else "100"
            limit = int(section.text("limit", "150")) if section else 150
            network = IPv4Network((int(self._seed.lan_address), self._seed.lan_prefix), strict=False)
            first = IPv4Address(start) if "." in start else network.network_address + int(start)
            return first, first + limit - 1

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Write /tmp/dhcp.leases and /proc/net/arp."""
        gateway = [(str(self._seed.wan_gateway), GATEWAY_MAC, WAN)] if self._seed.wan_up else []
        hosts = [(str(x.address), x.mac, LAN) for x in (leases if answering is None else answering)]
        self._neighbours = (*gateway, *hosts)
        self.files.install({"/proc/net/arp": network_words.arp(self._neighbours)})
        expiry = int(self._clock.time()) + LEASE_SECONDS
        lines = [f"{expiry} {x.mac} {x.address} {x.hostname or '*'} 01:{x.mac}\n" for x in leases]
        self.files.install({LEASE_FILE: "".join(lines)})

    def export(self) -> str:
        """Give `uci export` of what is committed, and which services start at boot."""
        with self.lock:
            packages = "".join(render(self.uci.committed(name), header=True) for name in self.uci.names())
            return f"{packages}# started at boot: {' '.join(sorted(self._enabled))}\n"

    def stop(self) -> None:
        """End everything that runs on the router."""
        self.shell.stop()

    def _install(self) -> None:
        seed = self._seed
        start = int(seed.pool_first) - int(
            IPv4Network((int(seed.lan_address), seed.lan_prefix), strict=False)[0]
        )
        limit = int(seed.pool_last) - int(seed.pool_first) + 1
        dhcp = openwrt_config.DHCP.format(start=start, limit=limit)
        if not seed.serves_dhcp:
            dhcp = dhcp.replace(
                "\toption leasetime '12h'\n", "\toption leasetime '12h'\n\toption ignore '1'\n"
            )
        expiry = int(self._clock.time()) + LEASE_SECONDS
        self.files.install(
            {
                "/etc/config/dhcp": dhcp + "".join(_host(r) for r in seed.reservations) + "\n",
                "/etc/config/firewall": openwrt_config.FIREWALL
                + _pinhole_text(seed.pinholes)
                + _redirect_text(seed.forwards, seed.wan_address)
                + "\n",
                "/etc/config/network": openwrt_config.NETWORK.format(
                    lan=f"{seed.lan_address}/{seed.lan_prefix}"
                ),
                "/etc/config/system": openwrt_config.SYSTEM.format(hostname=seed.hostname),
                "/etc/openwrt_release": openwrt_config.RELEASE,
                LEASE_FILE: "",
            }
        )
        if seed.early_filter:
            self.files.install({OWNERS_FILE: owners_chains(seed.early_filter)})
        if seed.upnp_installed:
            leases = "".join(_lease_line(m, expiry) for m in seed.mappings) if seed.has_upnp else ""
            switch = openwrt_config.UPNPD.format(enabled=int(seed.has_upnp))
            self.files.install({"/etc/config/upnpd": switch, UPNP_LEASE_FILE: leases})
        for name in self._services:
            self.files.install({f"/etc/init.d/{name}": "#!/bin/sh /etc/rc.common\n"}, mode=0o755)

    def _reload(self, service: str) -> list[NftError]:
        package = {"dnsmasq": "dhcp", "firewall": "firewall", "miniupnpd": "upnpd"}[service]
        committed = self.uci.committed(package)
        if service == "firewall":
            complaints = self._kernel.load(committed)
            if complaints:
                return complaints
        self._live[package] = committed
        if service == "dnsmasq":
            self._start_dnsmasq(committed)
        if service == "miniupnpd":
            section = committed.find("config")
            if section is None or not enabled(section) or service not in self._running:
                self._running.discard(service)
                self._mappings.clear()
        if service != "dnsmasq":
            # Loading the firewall empties miniupnpd's chains: it is started again, and reads its leases.
            self._kernel.map(self._mappings if "miniupnpd" in self._running else ())
        return []

    def _start_dnsmasq(self, committed: Package) -> None:
        own = self.files.read(OWN_DNSMASQ).decode() if self.files.exists(OWN_DNSMASQ) else ""
        text = generated(committed, self.pool())
        self.files.install({DNSMASQ_CONF: text})
        if refuses(f"{text}{own}"):
            self._running.discard("dnsmasq")

    def _serves(self) -> bool:
        return "dnsmasq" in self._running and b"dhcp-range=" in self.files.read(DNSMASQ_CONF)

    def _pidof(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        there = [name for name in argv[1:] if name in self._running]
        return say("1437\n") if there else ExecResult(b"", b"", 1)

    def _uci(self, argv: list[str], stdin: BinaryIO, _context: Context) -> ExecResult:
        return UciCommand(self.uci, stdin).run(argv)

    def _init(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        service = argv[0].rpartition("/")[2]
        action = argv[1] if len(argv) > 1 else "help"
        if action in ("enabled", "running", "status"):
            state = self._enabled if action == "enabled" else self._running
            text = "" if action != "status" else "running\n" if service in state else "inactive\n"
            return say(text, int(service not in state))
        if action == "enable":
            self._enabled.add(service)
        elif action == "disable":
            self._enabled.discard(service)
        elif action == "stop":
            self._stop(service)
        elif action in ("start", "restart", "reload"):
            if service == "firewall" and action == "restart":
                self._stop(service)
            return self._start(service)
        else:
            return say(f"Syntax: /etc/init.d/{service} [command]\n")
        return DONE

    def _stop(self, service: str) -> None:
        self._running.discard(service)
        if service == "firewall":
            self._kernel.flush()
        elif service == "miniupnpd":
            self._kernel.map(())

    def _start(self, service: str) -> ExecResult:
        self._running.add(service)
        try:
            complaints = self._reload(service)
        except UciError as error:
            return fail(f"uci: {error}")
        if complaints:
            text = "".join(map(str, complaints))
            return ExecResult(
                b"", f"{text}The rendered ruleset contains errors, not doing firewall restart.\n".encode(), 1
            )
        return DONE

    def _reload_config(self, _argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        for service in self._services:
            if service in self._running or service == "miniupnpd":
                self._start(service)
        return DONE

    def _ubus(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        words = [word for word in argv[1:] if word not in ("-S", "-v")]
        interfaces = openwrt_status.interfaces(self._seed)
        named = {f"network.interface.{i['interface']}": i for i in interfaces}
        if words[:1] == ["list"]:
            return say(
                "\n".join(["dhcp", "network", "network.interface", *sorted(named), "system", "uci"]) + "\n"
            )
        match words[1:3]:
            case ["network.interface", "dump"]:
                return say(openwrt_status.dump({"interface": interfaces}) + "\n")
            case ["system", "board"]:
                return say(openwrt_status.dump(openwrt_status.board(self._seed.hostname)) + "\n")
            case [name, "status"] if name in named:
                status = {key: value for key, value in named[name].items() if key != "interface"}
                return say(openwrt_status.dump(status) + "\n")
            case [name, *_] if name in named or name in ("network.interface", "system"):
                return fail("Command failed: Method not found", 3)
        return fail("Command failed: Not found", 4)

    def _fw4(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        match argv[1:]:
            case ["reload" | "restart" | "start" as action, *_]:
                if action == "restart":
                    self._stop("firewall")
                return self._start("firewall")
            case ["stop" | "flush", *_]:
                self._stop("firewall")
                return DONE
            case ["check", *_]:
                return say("Ruleset passes nftables check.\n")
            case ["print", *_]:
                return say(self._kernel.text(self.uci.committed("firewall")))
        return fail("Usage: fw4 [-v] [-q] start|stop|flush|restart|reload|check|print", 1)

    def _ip(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        seed = self._seed
        wan = IPv4Network((int(seed.wan_address), seed.wan_prefix), strict=False)
        lan = IPv4Network((int(seed.lan_address), seed.lan_prefix), strict=False)
        if "neigh" in argv:
            return say(network_words.neighbours(self._neighbours, "used 0/0/0 probes 4 "))
        if "route" not in argv and "r" not in argv:
            return fail("ip: only `ip route` and `ip neigh` are simulated", 1)
        outer = (
            f"default via {seed.wan_gateway} dev eth1  src {seed.wan_address} \n"
            f"{wan} dev eth1 scope link  src {seed.wan_address} \n"
        )
        return say((outer if seed.wan_up else "") + f"{lan} dev br-lan scope link  src {seed.lan_address} \n")

    def _uname(self, argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
        texts = {"-r": "6.6.93", "-m": "x86_64", "-n": self._seed.hostname}
        return say(texts.get(argv[1] if len(argv) > 1 else "", "Linux") + "\n")


def _option(name: str, value: str | list[str]) -> str:
    if isinstance(value, list):
        return "".join(f"\tlist {name} {quoted(item)}\n" for item in value)
    return f"\toption {name} {quoted(value)}\n" if value else ""


def _pinhole_text(pinholes: tuple[PinholeSeed, ...]) -> str:
    return "".join(
        "\nconfig rule\n"
        + _option("name", pinhole.name)
        + _option("family", "ipv6")
        + _option("src", "wan")
        + _option("dest", "lan")
        + _option("proto", "tcp")
        + _option("dest_ip", pinhole.address)
        + _option("dest_port", str(pinhole.port))
        + _option("target", "ACCEPT")
        for pinhole in pinholes
    )


def _redirect_text(forwards: tuple[ForwardSeed, ...], wan: IPv4Address) -> str:
    """Write the owner's forwards; `both` is written in each of the ways that owners use, in turn."""
    out = []
    ways = 0
    for forward in forwards:
        protocol: str | list[str] = "all" if forward.protocol == "any" else forward.protocol
        if forward.protocol == "both":
            protocol = _PROTOCOLS[ways % len(_PROTOCOLS)]
            ways += 1
        title = f"config redirect 'plexops_{forward.name}'" if forward.ours else "config redirect"
        out.append(
            f"\n{title}\n"
            + _option("name", f"plexops: {forward.name}" if forward.ours else forward.name)
            + _option("target", "DNAT")
            + _option("src", "lan" if forward.inside else "wan")
            + (_option("src_dip", str(wan)) if forward.inside else "")
            + _option("dest", "lan")
            + _option("proto", protocol)
            + (_option("family", "ipv4") if forward.ours else "")
            + _option("src_ip", forward.source)
            + _option("src_dport", forward.external)
            + _option("dest_ip", str(forward.address))
            + _option("dest_port", forward.port)
            + ("" if forward.enabled else _option("enabled", "0"))
        )
    return "".join(out)


def _host(reservation: ReservationSeed) -> str:
    macs = list(reservation.macs)
    title = f"config host 'plexops_{reservation.name}'" if reservation.ours else "config host"
    return (
        f"\n{title}\n"
        + _option("name", reservation.name)
        + _option("mac", macs if len(macs) > 1 else macs[0])
        + _option("ip", str(reservation.address))
    )


def _lease_line(mapping: MappingSeed, expiry: int) -> str:
    return (
        f"{mapping.protocol.upper()}:{mapping.external}:{mapping.address}:{mapping.port}:"
        f"{expiry}:{mapping.description}\n"
    )
