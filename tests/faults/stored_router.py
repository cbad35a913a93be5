"""A router of a simulated home that is made of a family's sample: it is logged in to as the family says, and its store keeps
what is written.

It believes the profile: what it forwards and reserves is what the profile reads there. A wrong path or field is right here
too; that a login, the requests on the wire, the plan and the way back fit together is not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl

from plexops.cli.stored import NvramDevice, store_for
from plexops.config.profiles import load_profile
from plexops.config.samples import load_samples
from plexops.drivers.router.compile import compile_profile
from plexops.drivers.router.profiled import ProfiledDriver
from plexops.engine.proving import reply_of
from plexops.lab.base import ExecResult, Fate, HttpRequest, HttpResponse, Lease, Packet, RouterHooks, Seed
from plexops.lab.filesystem import FileSystem
from plexops.lab.shell import DONE, Context, Shell, fail, say
from plexops.model.change import Action, Change
from plexops.model.exchange import Call, Command, Read, Reply, Write
from plexops.model.resources import PortForward, Reservation
from plexops.model.snapshot import Kind, Role, Snapshot
from plexops.model.values import Protocol
from plexops.transport.link import carry

SECRET = "the-word-of-this-router"
_CHALLENGE, _TOKEN = "f00d", "a-token-of-a-session"
#: Where the home's Plex shall be, nothing of a sample is.
_ELSEWHERE = (("192.168.1.50", "192.168.1.51"), ("32500", "32600"))
_FILTER = """*filter
:FORWARD DROP [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT
COMMIT
"""
_STATE = "household"
_WRITTEN = (Kind.PORT_FORWARD, Kind.DHCP_RESERVATION)


class StoredRouter:
    """One router of a family as in its household, at the addresses of a simulated home, with `edits` of what it answers.

    Nothing in it is ours. What is written acts that many seconds later.
    """

    def __init__(
        self, family: str, edits: Mapping[str, str], seed: Seed, hooks: RouterHooks, acts_after: float = 0.0
    ) -> None:
        self.lock = threading.RLock()
        profile = compile_profile(load_profile(family, Path()))
        samples = load_samples(family, Path())
        assert samples is not None
        said = samples.states[_STATE]
        moved = _moved(said.facts["lan.address"], said.facts["wan.address"], seed, edits)
        self._answers = {
            name: moved(answer) if isinstance(answer, str) else answer
            for name, answer in samples.answers(_STATE).items()
        }
        self._driver = ProfiledDriver(profile)
        self._log = hooks.log
        self._acts_after = acts_after
        self._acting: list[tuple[float, Snapshot]] = []
        self._wan = seed.wan_address
        self._reads: Sequence[Read] = next(self._driver.observe())
        device = store_for(profile, self._reads, self._answers)
        assert device is not None
        self._device = device
        if isinstance(device, NvramDevice):
            self.shell = self._shell(device, hooks)
        now = self._look()
        for entry in (one for kind in _WRITTEN for one in now.of(kind) if one.owner.ours):
            gone = Change(Role.ROUTER, entry.kind, entry.owner.key, Action.DELETE, before=entry)
            for write in self._driver.script(gone, self._look()).writes:
                self._device.send(write)

    def ask(self, reads: Sequence[Read]) -> list[Reply]:
        """Answer from the store, and else from the sample."""
        return [self._device.answer(one) or reply_of(one, self._answers.get(one.id)) for one in reads]

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Answer 127: its shell is asked."""
        return ExecResult(b"", b"not found\n", 127)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request: of a login, a read of the profile, or a write."""
        with self.lock:
            self._log.add(f"{request.method} {request.path}")
            if request.path.endswith("/login/"):
                return _json({"success": True, "result": {"challenge": _CHALLENGE}})
            if request.path.endswith("/login/session/"):
                proof = hmac.new(SECRET.encode(), _CHALLENGE.encode(), hashlib.sha1).hexdigest()
                if json.loads(request.body)["password"] != proof:
                    return _json({"success": False, "msg": "invalid_token"}, 403)
                return _json({"success": True, "result": {"session_token": _TOKEN}})
            if request.path.endswith("/logout/"):
                return _json({"success": True})
            if not _logged_in(request.headers):
                return _json({}, 401)
            reply = self._answered(request)
            return HttpResponse(reply.status or 200, reply.body.encode())

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet by the first forward that the profile reads there."""
        for entry in self._in_force().of(Kind.PORT_FORWARD):
            want = entry.values
            if (
                isinstance(want, PortForward)
                and want.enabled
                and packet.port in want.external_port
                and want.address
            ):
                return packet.to(want.address, want.port.ranges[0][0])
        return "dropped"

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give the reservations that the profile reads there."""
        values = [entry.values for entry in self._look().of(Kind.DHCP_RESERVATION)]
        held = [one for one in values if isinstance(one, Reservation) and one.address]
        return {mac: one.address for one in held for mac in one.macs if one.address}

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give addresses of the LAN."""
        return IPv4Address("192.168.1.100"), IPv4Address("192.168.1.249")

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Do nothing: who has which address now, the sample says."""

    def export(self) -> str:
        """Give all that it keeps."""
        return self._device.content()

    def _in_force(self) -> Snapshot:
        """Give the state that acts now."""
        then = time.monotonic() - self._acts_after
        return next((state for until, state in self._acting if until > then), None) or self._look()

    def _look(self) -> Snapshot:
        with self.lock:
            return carry(self._driver.observe(), self)

    def _answered(self, request: HttpRequest) -> Reply:
        query = tuple(parse_qsl(request.query, keep_blank_values=True))
        for read in self._reads:
            ask = read.ask
            if isinstance(ask, Call) and (ask.method, ask.path, ask.query) == (
                request.method,
                request.path,
                query,
            ):
                return self.ask([read])[0]
        self._acting.append((time.monotonic(), self._look()))
        body = json.loads(request.body) if request.body else None
        return self._device.send(Write(Call(request.method, request.path, query, body)))  # type: ignore[arg-type]

    def _shell(self, device: NvramDevice, hooks: RouterHooks) -> Shell:
        """Give its console: nvram as a program, the kernel's filter by the forwards, all else as the sample says."""
        lines = {read.ask.text: reply_of(read, self._answers.get(read.id)) for read in self._reads
                 if isinstance(read.ask, Command) and not read.ask.text.startswith("nvram ")}  # fmt: skip
        files = FileSystem()
        files.install(
            {text[4:]: reply.body for text, reply in lines.items() if _is_file(text) and not reply.status}
        )

        def saved(_argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
            rules = "".join(
                f"-A PREROUTING -d {self._wan} -p tcp -m tcp --dport {want.external_port} "
                f"-j DNAT --to-destination {want.address}:{want.port}\n"
                for entry in self._look().of(Kind.PORT_FORWARD)
                if isinstance(want := entry.values, PortForward)
                and want.enabled
                and want.protocol is Protocol.TCP
            )
            return say(f"*nat\n:PREROUTING ACCEPT [0:0]\n{rules}COMMIT\n{_FILTER}")

        def other(argv: list[str], _stdin: BinaryIO, _context: Context) -> ExecResult:
            reply = lines.get(" ".join(argv))
            if reply is None or reply.status == 127:
                return fail(f"{argv[0]}: not found", 127)
            return fail(reply.body, reply.status) if reply.status else say(reply.body)

        commands = {text.split()[0]: other for text in lines if not _is_file(text)}
        acting = {
            name: lambda _argv, _stdin, _context: DONE for name in ("service", "stopservice", "startservice")
        }
        return Shell(
            files=files,
            commands={**commands, **acting, "nvram": device.store.command, "iptables-save": saved},
            log=hooks.log,
            clock=hooks.clock,
            lock=self.lock,
        )


def _is_file(text: str) -> bool:
    return re.fullmatch(r"cat /\S+", text) is not None


def _moved(lan: str, wan: str, seed: Seed, edits: Mapping[str, str]) -> Callable[[str], str]:
    """Give what puts the home's addresses into an answer."""
    network = IPv4Network((lan, 24), strict=False)
    prefix = str(network.network_address).removesuffix("0")

    def moved(text: str) -> str:
        text = re.sub(rf"\b{re.escape(lan)}\b", str(seed.lan_address), text)
        text = text.replace(prefix, str(seed.lan_address).removesuffix("1"))
        for taken, other in (*_ELSEWHERE, *edits.items()):
            text = text.replace(taken, other)
        return re.sub(rf"\b{re.escape(wan)}\b", str(seed.wan_address), text)

    return moved


def _logged_in(headers: Mapping[str, str]) -> bool:
    basic = base64.b64encode(f"plexops:{SECRET}".encode()).decode()
    return (
        headers.get("x-api-key") == SECRET
        or headers.get("x-fbx-app-auth") == _TOKEN
        or headers.get("authorization") == f"Basic {basic}"
    )


def _json(said: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.dumps(said).encode())
