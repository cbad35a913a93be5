"""A simulated OPNsense 26.7 firewall: its JSON API, and what its rules do to packets.

What is saved is configuration only; the firewall and the DHCP servers act on it after `apply` and `reconfigure`.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network

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
from plexops.lab.routers.opnsense_api import (
    Answer,
    Call,
    NotFoundError,
    by_name,
    check_host,
    check_rule,
    crud,
    inner_row,
    interface_row,
    json_answer,
    lockout_row,
    normal_mac,
    rule_extras,
    search,
    take_apart,
    toggle_rule,
    trees,
    with_subnet,
)
from plexops.lab.routers.opnsense_filter import aliases, arp, filter_rules
from plexops.lab.routers.opnsense_model import Collection, Row, Validations
from plexops.lab.routers.opnsense_pf import loaded_rules
from plexops.lab.routers.opnsense_rules import Interfaces, carry
from plexops.lab.routers.opnsense_seed import Backend, Configuration

API_KEY = "w86XNZob/8Oq8aC5r0kbNarNtdpoQU781fyoeaOBQsBwkXUt"
API_SECRET = "XeD26XVrJ5ilAc/EmglCRC+0j2e57tRsjHwFepOseySWLM53pJASeTA3"  # noqa: S105
VERSION = "26.7.3"
_LOCKOUT_PORTS = ("443", "80", "22")


class OpnSenseRouter:
    """OPNsense with destination NAT in its API; `dhcp_backend` is the DHCP server in use, the other one is off.

    `apply_fails` makes `d_nat/apply` answer 200 with an error in it and leave the firewall as it was.
    """

    def __init__(
        self, seed: Seed, hooks: RouterHooks, *, dhcp_backend: Backend = "dnsmasq", apply_fails: bool = False
    ) -> None:
        self.lock = threading.RLock()
        self.api_key = API_KEY
        self.api_secret = API_SECRET
        self.apply_fails = apply_fails
        self._seed = seed
        self._hooks = hooks
        self._backend = dhcp_backend
        # A plugin, which its owner puts in.
        self._upnp = seed.upnp is True
        self._mappings = list(seed.mappings) if self._upnp else []
        self._leases: tuple[Lease, ...] = ()
        self._answering: tuple[Lease, ...] = ()
        self._config = Configuration(seed, dhcp_backend)
        self._config.hosts.check = check_host
        self._config.reservations.check = self._check_reservation
        self._config.rules.check = check_rule
        self._places: dict[str, Callable[[Call], Answer]] = {
            "core/firmware": self._firmware,
            "core/service": self._services,
            "interfaces/overview": self._interfaces,
            "firewall/d_nat": self._destination_nat,
            "firewall/filter": lambda call: filter_rules(call, self._config.rules.rows.values()),
            "firewall/alias": aliases,
            "diagnostics/firewall": lambda call: loaded_rules(
                call, self._config.rules.live.values(), upnp=self._upnp
            ),
            "diagnostics/interface": lambda call: arp(call, self._seed, self._answering),
            "dnsmasq/settings": self._dnsmasq_settings,
            "dnsmasq/leases": self._dnsmasq_leases,
            "dnsmasq/service": self._dnsmasq_service,
            "kea/dhcpv4": self._kea_settings,
            "kea/leases4": self._kea_leases,
            "kea/service": self._kea_service,
            "upnp/service": self._upnp_service,
        }

    # --- what the home asks ---------------------------------------------------------------------------

    def execute(self, command: str, stdin: bytes, username: str) -> ExecResult:
        """Refuse: SSH is off on this firewall."""
        return ExecResult(b"", b"This account is currently not available.\n", 127)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one API request."""
        query = f"?{request.query}" if request.query else ""
        body = request.body.decode("utf-8", "replace")
        self._hooks.log.add(f"{request.method} {request.path}{query} {body}".rstrip())
        if not self._known(request.headers.get("authorization", "")):
            return json_answer(401, {"status": 401, "message": "Authentication Failed"})
        try:
            call = take_apart(request)
        except ValueError:
            return json_answer(400, {"message": "Invalid JSON syntax", "status": 400})
        place = "/".join(request.path.split("/")[2:4])
        try:
            with self.lock:
                return json_answer(200, self._places.get(place, _nowhere)(call))
        except NotFoundError:
            # The real answer bears no content type.
            body_404 = json.dumps({"errorMessage": "Endpoint not found"}).encode()
            return HttpResponse(404, body_404, content_type="")

    def inbound(self, packet: Packet) -> Packet | Fate:
        """Carry a packet that arrived on the WAN side by the rules as last applied."""
        with self.lock:
            return carry(packet, list(self._config.rules.live.values()), self._mappings, self._wiring())

    def reservations(self) -> Mapping[str, IPv4Address]:
        """Give what the DHCP server in use took at its last reconfiguring."""
        with self.lock:
            if not self._seed.serves_dhcp:
                return {}
            if self._backend == "kea":
                rows = self._config.reservations.live.values()
                return {
                    normal_mac(row["hw_address"]): IPv4Address(row["ip_address"])
                    for row in rows
                    if row["hw_address"]
                }
            found: dict[str, IPv4Address] = {}
            for row in self._config.hosts.live.values():
                for mac in row["hwaddr"].split(","):
                    if mac and row["ip"] and row["ignore"] == "0":
                        found.setdefault(normal_mac(mac), IPv4Address(row["ip"].split(",")[0]))
            return found

    def pool(self) -> tuple[IPv4Address, IPv4Address]:
        """Give the range of the DHCP server in use."""
        with self.lock:
            if self._backend == "kea":
                first, _, last = next(iter(self._config.subnets.live.values()))["pools"].partition("-")
                return IPv4Address(first), IPv4Address(last)
            ranges = self._config.ranges.live.values()
            row = next(row for row in ranges if ":" not in row["start_addr"])
            return IPv4Address(row["start_addr"]), IPv4Address(row["end_addr"])

    def set_leases(self, leases: tuple[Lease, ...], answering: tuple[Lease, ...] | None = None) -> None:
        """Show who has an address, and who answers there."""
        with self.lock:
            self._leases = leases
            self._answering = leases if answering is None else answering

    def export(self) -> str:
        """Give the configuration as canonical JSON, without what only the device chooses: uuids and times.

        `applied` tells whether the services run with exactly this.
        """
        with self.lock:
            subnets = {key: row["subnet"] for key, row in self._config.subnets.rows.items()}
            parts: dict[str, object] = {"upnp": self._upnp}
            for name, collection in self._collections().items():
                # In which order rules are stored means nothing.
                stored = sorted(collection.rows.values(), key=lambda row: int(row.get("sequence", "0")))
                rows = [by_name(row, subnets) for row in stored]
                parts[name] = {"rows": rows, "applied": collection.rows == collection.live}
            return json.dumps(parts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    # --- endpoints ------------------------------------------------------------------------------------

    def _firmware(self, call: Call) -> Answer:
        product: dict[str, object] = {
            "product_id": "opnsense", "product_name": "OPNsense", "product_version": VERSION,
            "product_arch": "amd64", "product_nickname": "Wandering Wombat",
        }  # fmt: skip
        if call.action == "info":
            packages = ("os-upnp",) if self._seed.upnp else ()
            plugins = [{"name": name, "version": "1.8", "installed": "1"} for name in packages]
            return {**product, "package": [], "plugin": plugins}
        if call.action == "status":
            return {"product": product, "status": "none", "status_msg": "There are no updates available."}
        raise NotFoundError

    def _services(self, call: Call) -> Answer:
        if call.action != "search":
            raise NotFoundError
        running = {
            "dnsmasq": self._backend == "dnsmasq", "kea-dhcpv4": self._backend == "kea",
            "miniupnpd": self._upnp, "unbound": True,
        }  # fmt: skip
        rows = [
            {"id": name, "locked": 0, "running": int(on), "description": name, "name": name}
            for name, on in running.items()
        ]
        return {"total": len(rows), "rowCount": len(rows), "current": 1, "rows": rows}

    def _interfaces(self, call: Call) -> Answer:
        if call.action not in {"interfaces_info", "export"}:
            raise NotFoundError
        seed = self._seed
        address = f"{seed.wan_address}/{seed.wan_prefix}" if seed.wan_up else ""
        gateways = (str(seed.wan_gateway),) if seed.wan_up else ()
        rows = [
            interface_row("lan", "igb0", f"{seed.lan_address}/{seed.lan_prefix}", "static", ()),
            interface_row("wan", "igb1", address, "dhcp", gateways),
        ]
        return {"total": len(rows), "rowCount": len(rows), "current": 1, "rows": rows}

    def _destination_nat(self, call: Call) -> Answer:
        rules = self._config.rules
        if call.action == "search_rule":
            found = search(rules, call, rule_extras(rules))
            lockouts = [lockout_row(number, port) for number, port in enumerate(_LOCKOUT_PORTS)]
            rows = found.pop("rows")
            order = {name: found[name] for name in ("total", "rowCount", "current")}
            return {**order, "rows": [*reversed(lockouts), *(rows if isinstance(rows, list) else [])]}
        if call.action == "apply" and call.post:
            if self.apply_fails:
                return {"status": "Error (127)\n\n"}
            rules.apply()
            return {"status": "OK\n\n"}
        if call.action == "toggle_rule" and call.post and call.arguments:
            return toggle_rule(rules, call)
        if call.action == "add_rule" and call.post:
            numbers = [int(row["sequence"]) for row in rules.rows.values() if row["sequence"].isdigit()]
            given = {"sequence": str(max(numbers, default=0) + 100), **inner_row(call, "rule")}
            return rules.save(None, given, call.path)
        return crud(rules, call, "rule")

    def _dnsmasq_settings(self, call: Call) -> Answer:
        config = self._config
        if call.action == "get":
            return {"dnsmasq": self._dnsmasq_tree()}
        if call.action == "search_host":
            return search(config.hosts, call)
        if call.action == "search_range":
            return search(config.ranges, call)
        return crud(config.hosts, call, "host")

    def _dnsmasq_tree(self) -> dict[str, object]:
        config = self._config
        lan_only = {name: {"value": label, "selected": int(name == "lan")}
                    for name, label in (("lan", "LAN"), ("wan", "WAN"))}  # fmt: skip
        return {
            "enable": str(int(self._backend == "dnsmasq")), "regdhcp": "0", "regdhcpstatic": "0",
            "dhcpfirst": "0", "interface": lan_only, "port": "53053", "dns_port": "53053",
            "dhcp": {"no_interface": self._silent(), "fqdn": "1", "domain": "", "local": "1", "lease_max": "",
                     "authoritative": "0", "default_fw_rules": "1", "enable_ra": "1", "nosync": "0", "%domain": "internal"},
            "hosts": trees(config.hosts), "domainoverrides": [], "dhcp_tags": [],
            "dhcp_ranges": trees(config.ranges), "dhcp_options": [], "dhcp_boot": [],
        }  # fmt: skip

    def _silent(self) -> dict[str, object]:
        """Give the interfaces on which dnsmasq answers names alone."""
        off = "" if self._seed.serves_dhcp else "lan"
        return {name: {"value": name.upper(), "selected": int(name == off)} for name in ("lan", "wan")}

    def _dnsmasq_leases(self, call: Call) -> Answer:
        if call.action != "search":
            raise NotFoundError
        reserved = {
            mac for row in self._config.hosts.rows.values() for mac in normal_mac(row["hwaddr"]).split(",")
        }
        rows = [
            {**row, "mac_info": "", "is_reserved": ["hwaddr"] if row["hwaddr"] in reserved else []}
            for row in (self._lease_rows() if self._backend == "dnsmasq" else [])
        ]
        answer = {"total": len(rows), "rowCount": len(rows), "current": 1, "rows": rows}
        return {**answer, "interfaces": {"lan": "LAN"}}

    def _lease_rows(self) -> list[dict[str, object]]:
        expiry = int(self._hooks.clock.time()) + 43_200
        return [
            {"expire": expiry, "hwaddr": lease.mac, "iaid": "", "address": str(lease.address),
             "hostname": lease.hostname, "client_id": f"01:{lease.mac}", "if": "igb0", "if_descr": "LAN",
             "if_name": "lan"}
            for lease in self._leases
        ]  # fmt: skip

    def _dnsmasq_service(self, call: Call) -> Answer:
        if call.action == "reconfigure" and call.post and self._backend == "dnsmasq":
            self._config.hosts.apply()
            self._config.ranges.apply()
        return self._service(call, running=self._backend == "dnsmasq")

    def _kea_settings(self, call: Call) -> Answer:
        config = self._config
        if call.action == "get":
            general = {"enabled": str(int(self._backend == "kea")), "manual_config": "0", "valid_lifetime": "4000",
                       "fwrules": "1", "interfaces": {
                           "lan": {"value": "LAN", "selected": int(self._seed.serves_dhcp)},
                           "wan": {"value": "WAN", "selected": 0}}}  # fmt: skip
            subnets = {"subnet4": trees(config.subnets)}
            reservations = {"reservation": trees(config.reservations)}
            return {"dhcpv4": {"general": general, "subnets": subnets, "reservations": reservations}}
        if call.action == "search_subnet":
            return search(config.subnets, call)
        if call.action == "search_reservation":
            subnets_by_id = {key: row["subnet"] for key, row in config.subnets.rows.items()}
            return search(config.reservations, call, lambda _key, row: with_subnet(row, subnets_by_id))
        return crud(config.reservations, call, "reservation")

    def _kea_leases(self, call: Call) -> Answer:
        if call.action != "search":
            raise NotFoundError
        rows = self._lease_rows() if self._backend == "kea" else []
        return {
            "total": len(rows),
            "rowCount": len(rows),
            "current": 1,
            "rows": rows,
            "interfaces": {"lan": "LAN"},
        }

    def _kea_service(self, call: Call) -> Answer:
        if call.action == "reconfigure" and call.post and self._backend == "kea":
            self._config.subnets.apply()
            self._config.reservations.apply()
        return self._service(call, running=self._backend == "kea")

    def _upnp_service(self, call: Call) -> Answer:
        if not self._seed.upnp:
            # Without the plugin nobody answers here.
            raise NotFoundError
        if call.action in {"start", "stop"} and call.post:
            self._upnp = call.action == "start"
            self._mappings = []
            return {"response": "OK\n\n"}
        return self._service(call, running=self._upnp)

    @staticmethod
    def _service(call: Call, *, running: bool) -> Answer:
        if call.action == "reconfigure" and call.post:
            return {"status": "ok"}
        if call.action == "status":
            widget = {"caption_stop": "stop service", "caption_start": "start service",
                      "caption_restart": "restart service"}  # fmt: skip
            return {"status": "running" if running else "disabled", "widget": widget}
        raise NotFoundError

    # --- behind the endpoints -------------------------------------------------------------------------

    def _collections(self) -> dict[str, Collection]:
        config = self._config
        return {
            "d_nat": config.rules, "dnsmasq_hosts": config.hosts, "dnsmasq_ranges": config.ranges,
            "kea_subnets": config.subnets, "kea_reservations": config.reservations,
        }  # fmt: skip

    def _wiring(self) -> Interfaces:
        lan = IPv4Network((int(self._seed.lan_address), self._seed.lan_prefix), strict=False)
        wan = IPv4Network((int(self._seed.wan_address), self._seed.wan_prefix), strict=False)
        return Interfaces(self._seed.wan_address, wan, self._seed.lan_address, lan)

    def _known(self, authorization: str) -> bool:
        kind, _, token = authorization.partition(" ")
        try:
            text = base64.b64decode(token, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        return kind.lower() == "basic" and text == f"{self.api_key}:{self.api_secret}"

    def _check_reservation(self, identifier: str, row: Row) -> Validations:
        subnet = self._config.subnets.rows.get(row["subnet"])
        wrong: Validations = {}
        if subnet is None:
            wrong["subnet"] = "Option not in list."
        elif not row["ip_address"] or IPv4Address(row["ip_address"]) not in IPv4Network(subnet["subnet"]):
            wrong["ip_address"] = "Address not in specified subnet"
        if not row["hw_address"] and not row["client_id"]:
            wrong["hw_address"] = "Either a client ID or a MAC address should be specified."
        for key, other in self._config.reservations.rows.items():
            if key == identifier:
                continue
            if row["hw_address"] and (normal_mac(other["hw_address"]), other["subnet"]) == (
                normal_mac(row["hw_address"]), row["subnet"]
            ):  # fmt: skip
                wrong["hw_address"] = ["Duplicate entry exists."]
            if other["ip_address"] == row["ip_address"]:
                wrong["ip_address"] = "Duplicate entry exists."
        return wrong


def _nowhere(_call: Call) -> Answer:
    raise NotFoundError
