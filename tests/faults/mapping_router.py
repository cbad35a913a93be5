"""A simulated FRITZ!Box in a home: TR-064 over HTTPS with Digest, and a table of mappings that acts on packets.

It stands in the place of one of the lab's own routers, which knows no SOAP. What it answers beside its table is that of
the family's samples, with the home's addresses.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from xml.sax.saxutils import escape

from plexops.config.samples import Said, load_samples
from plexops.lab.base import (
    ExecResult,
    Fate,
    HttpRequest,
    HttpResponse,
    Lease,
    Packet,
    RouterHooks,
    Seed,
)
from plexops.lab.home import HomeOptions, OtherRouter, RunningHome
from plexops.lab.scenario import RESERVED, Scenario
from plexops.lab.scenarios import SCENARIOS
from plexops.lab.server import MAC
from plexops.lab.stored import StoredMappings
from plexops.model.xml import read_elements
from plexops.structs import replace
from tests.faults.engine_bench import Bench, trust_plex, trust_router
from tests.faults.test_transport_logins import NAME, PASSWORD, DigestDevice, Seen, Told
from tests.forking import Forker

ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'
FAULT = ENVELOPE.format(
    "<s:Fault><detail><UPnPError><errorCode>{}</errorCode><errorDescription>{}</errorDescription></UPnPError></detail></s:Fault>"
)
PAGE = "<!DOCTYPE html><html><body>FRITZ!Box: Bitte warten</body></html>"
SERVICES = {
    "/upnp/control/deviceinfo": "info", "/upnp/control/layer3forwarding": "way", "/upnp/control/lanhostconfigmgm": "lan",
    "/upnp/control/hosts": "hosts", "/upnp/control/wanpppconn1": "ppp", "/upnp/control/wanipconnection1": "ip",
}  # fmt: skip
#: What the family has forwarded by itself.
OTHERS = (
    {"NewRemoteHost": "0.0.0.0", "NewExternalPort": "8443", "NewProtocol": "TCP", "NewInternalPort": "443",
     "NewInternalClient": "192.168.1.20", "NewEnabled": "0", "NewPortMappingDescription": 'Müllers <NAS> & "Co"; $(reboot)',
     "NewLeaseDuration": "0"},
    {"NewRemoteHost": "0.0.0.0", "NewExternalPort": "51820", "NewProtocol": "UDP", "NewInternalPort": "51820",
     "NewInternalClient": "192.168.1.21", "NewEnabled": "1", "NewPortMappingDescription": "WireGuard",
     "NewLeaseDuration": "0"},
)  # fmt: skip
#: Without the reservation, which is set by hand there.
PLAYBOOK = """- name: Plex from outside, by a port we chose
  sites: all
  tasks:
    - {name: The host lets Plex in, firewall_rule: {port: "{{ plex.port }}"}}
    - {name: The router forwards our port, port_forward: {external_port: "{{ external_port }}"}}
    - {name: Plex announces it, plex_remote_access: {manual_port: "{{ external_port }}"}}
"""


class _Asked(Seen):
    """One request of the lab's server, as the Digest device judges it."""

    def __init__(self, request: HttpRequest) -> None:
        self.method, self.path, self.body = request.method, request.path, request.body.decode()
        self.headers = {"Authorization": request.headers.get("authorization", "")}  # type: ignore[assignment]
        self.action = request.headers.get("soapaction", "").strip('"')


class FritzBox(DigestDevice):
    """The router. `refuses` is what an addition gets instead: the number of a refusal, or a page.

    `keeps` says yes to a deletion and keeps the entry, as FRITZ!OS 7.25 and later do by what owners report.
    """

    realm, more = "F!Box SOAP-Auth", {}

    def __init__(self, seed: Seed, hooks: RouterHooks) -> None:
        super().__init__()
        self.lock = threading.RLock()
        self.table = StoredMappings(OTHERS)
        self.refuses: int | str = 0
        self.keeps = False
        self._seed, self._hooks = seed, hooks
        self._deleted: set[str] = set()
        samples = load_samples("fritzbox", Path())
        assert samples is not None
        self._answers = samples.answers("household")

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Refuse: it has no shell."""
        return ExecResult(b"", b"", 127)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        asked = _Asked(request)
        with self.lock:
            status, headers, body = self._told(asked)
        return HttpResponse(status, body.encode(), 'text/xml; charset="utf-8"', headers=headers)

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet by the table."""
        with self.lock:
            for row in self.table.rows:
                meets = (
                    row["NewExternalPort"] == str(packet.port)
                    and row["NewProtocol"] == packet.protocol.upper()
                )
                if row["NewEnabled"] == "1" and meets:
                    return packet.to(IPv4Address(row["NewInternalClient"]), int(row["NewInternalPort"]))
        return "dropped"

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give what was set by hand."""
        return {MAC: RESERVED}

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the range of its DHCP server."""
        return self._seed.pool_first, self._seed.pool_last

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Keep nothing: the samples' hosts are shown."""

    def export(self) -> str:
        """Give the table."""
        with self.lock:
            return self.table.content()

    def _told(self, asked: _Asked) -> Told:
        if asked.path == "/tr64desc.xml":
            return 200, {}, str(self._answers["services.ppp"])
        told = DigestDevice.__call__(self, asked)
        if told[0] != 200:
            return told
        action = asked.action.partition("#")[2]
        if action.startswith("Get"):
            return self._read(asked, action)
        said = next(read_elements(asked.body).all(action)).texts()
        self._hooks.log.add(f"# write {asked.path} {asked.action} {json.dumps(dict(said))}")
        refused = self._add(said) if action == "AddPortMapping" else self._delete(said)
        if isinstance(refused, str):
            return 200, {}, refused
        return self._refused(refused) if refused else self._values(asked, action, {})

    def _add(self, said: Mapping[str, str]) -> int | str:
        if self.refuses:
            return self.refuses
        if re.fullmatch(r"[A-Za-z0-9 _.-]{0,60}", said.get("NewPortMappingDescription", "'")) is None:
            return 402
        return self.table.add(said)

    def _delete(self, said: Mapping[str, str]) -> int:
        if not self.keeps:
            return self.table.delete(said)
        known = json.dumps(dict(said)) in self._deleted
        self._deleted.add(json.dumps(dict(said)))
        return 714 if known else 0

    def _read(self, asked: _Asked, action: str) -> Told:
        seed, read = self._seed, SERVICES[asked.path]
        if read == "ppp" and "Index>" in asked.body:
            place = int(asked.body.split("Index>")[1].split("<")[0])
            rows = self.table.rows[place : place + 1]
            return self._values(asked, action, rows[0]) if rows else self._refused(713)
        if "Index>" in asked.body or read == "ip":
            return self._refused(713 if "Index>" in asked.body else 501)
        told = self._answers["router" if action == "GetIPRoutersList" else read]
        assert isinstance(told, Said)
        home = {
            "NewIPRouters": str(seed.lan_address), "NewExternalIPAddress": str(seed.wan_address),
            "NewMinAddress": str(seed.pool_first), "NewMaxAddress": str(seed.pool_last),
        }  # fmt: skip
        values = {name: home.get(name, value) for name, value in (told.soap or {}).items()}
        return self._values(asked, action, values)

    def _values(self, asked: _Asked, action: str, values: Mapping[str, str]) -> Told:
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
        kind = asked.action.partition("#")[0]
        return 200, {}, ENVELOPE.format(f'<u:{action}Response xmlns:u="{kind}">{inner}</u:{action}Response>')

    def _refused(self, number: int) -> Told:
        return 500, {}, FAULT.format(number, "Invalid Args" if number == 402 else "Refused")


@contextmanager
def household(forking: Forker, directory: Path, scenario: Scenario | None = None) -> Iterator[Bench]:
    """Start a home behind a FRITZ!Box, in which all is in order but the forward, with plexops beside it."""
    file = directory / "keys" / "router"
    file.parent.mkdir(parents=True)
    file.write_text(PASSWORD, encoding="utf-8")
    file.chmod(0o600)
    entry = {"profile": "fritzbox", "port": 443, "username": NAME, "password": {"file": str(file)}}
    state = scenario or replace(SCENARIOS["in-order"], forwards=(), reservations=())
    options = HomeOptions(other=OtherRouter(FritzBox, entry, web=True))
    with RunningHome("openwrt", state, directory, options) as home:
        (home.playbook_dir / "plex-remote-access.yaml").write_text(PLAYBOOK, encoding="utf-8")
        text = home.inventory.read_text("utf-8")
        home.inventory.write_text(text.replace(" mac: ", " address_by: static, mac: ", 1), "utf-8")
        made = Bench(home, forking, directory)
        trust_router(made)
        trust_plex(made)
        yield made
