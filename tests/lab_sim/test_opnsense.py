from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import requests

from plexops.lab.base import (
    DeviceLog,
    ForwardSeed,
    Lease,
    MappingSeed,
    Packet,
    ReservationSeed,
    RouterHooks,
    Seed,
)
from plexops.lab.clock import ScaledClock
from plexops.lab.https import TlsFiles, make_tls
from plexops.lab.network import Listener
from plexops.lab.routers.opnsense import OpnSenseRouter
from plexops.lab.routers.opnsense_seed import Backend
from tests.captures.capture_files import DATA
from tests.lab_sim.listening import listening

STRANGER = IPv4Address("198.51.100.20")
PLEX_MAC = "3c:ec:ef:12:34:56"
NOWHERE = "00000000-0000-0000-0000-000000000000"


def host(number: int) -> IPv4Address:
    return IPv4Address(f"192.168.1.{number}")


LIVED_IN = Seed(
    forwards=(
        ForwardSeed('Büro "NAS"', "8443", host(10), "443"),
        ForwardSeed("Spiele", "27000-27050", host(20), protocol="udp"),
        ForwardSeed("alte Kamera", "8080", host(30), "80", enabled=False),
        ForwardSeed("VPN", "51820", host(10), protocol="udp"),
        ForwardSeed("Firma", "2222", host(10), "22", source="203.0.113.0/24"),
        ForwardSeed("torrent", "51413-51420", host(12), "6881", protocol="both"),
    ),
    reservations=(
        ReservationSeed("printer", ("F8:25:51:09:38:38",), host(10)),
        ReservationSeed("laptop", ("aa:21:e7:a7:28:e4", "5C:E9:1E:22:33:44"), host(11)),
        *(ReservationSeed(f"host{n}", (f"00:11:32:aa:bb:{n:02x}",), host(n)) for n in (20, 21, 22, 30)),
    ),
    upnp=True,
    mappings=(MappingSeed(3074, host(83), 3074, "udp", "Xbox"),),
)
RULE = {
    "disabled": "0", "interface": "wan", "ipprotocol": "inet", "protocol": "tcp",
    "destination": {"network": "wanip", "port": "32500"}, "target": "192.168.1.50", "local-port": "32400",
    "pass": "pass", "descr": "plexops:plex",
}  # fmt: skip


class Firewall:
    """Somebody with an API key and the certificate's file."""

    def __init__(self, router: OpnSenseRouter, log: DeviceLog, url: str, certificate: Path) -> None:
        self.router, self.log, self.url = router, log, url
        self.session = requests.Session()
        # REQUESTS_CA_BUNDLE in the environment would win over `verify`.
        self.session.trust_env = False
        self.session.auth = (router.api_key, router.api_secret)
        self.session.verify = str(certificate)

    def get(self, path: str) -> Any:
        answer = self.session.get(f"{self.url}/api/{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None) -> Any:
        answer = self.session.post(f"{self.url}/api/{path}", json={} if body is None else body, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
        return answer.json()

    def try_port(self, port: int, protocol: str = "tcp", source: IPv4Address = STRANGER) -> object:
        packet = Packet(source, LIVED_IN.wan_address, port, "udp" if protocol == "udp" else "tcp")
        fate = self.router.inbound(packet)
        return fate if isinstance(fate, str) else (str(fate.destination), fate.port)

    def add_rule(self, **changes: object) -> str:
        answer = self.post("firewall/d_nat/add_rule", {"rule": {**RULE, **changes}})
        assert answer["result"] == "saved"
        return str(answer["uuid"])

    def rules(self, phrase: str = "") -> list[dict[str, Any]]:
        body = {"current": 1, "rowCount": -1, "searchPhrase": phrase}
        rows: list[dict[str, Any]] = self.post("firewall/d_nat/search_rule", body)["rows"]
        return [row for row in rows if not row.get("is_automatic")]


Make = Callable[..., Firewall]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls(tmp_path_factory.mktemp("tls"), ["router.lan", "127.0.0.1"])


@pytest.fixture
def make(tls: TlsFiles) -> Iterator[Make]:
    listeners: list[Listener] = []

    def begin(seed: Seed = LIVED_IN, backend: Backend = "dnsmasq", *, apply_fails: bool = False) -> Firewall:
        log = DeviceLog()
        router = OpnSenseRouter(
            seed, RouterHooks(log, ScaledClock()), dhcp_backend=backend, apply_fails=apply_fails
        )
        listener = listening(router.handle, tls)
        listeners.append(listener)
        return Firewall(router, log, f"https://127.0.0.1:{listener.address[1]}", tls.certificate)

    yield begin
    for listener in listeners:
        listener.close()


@pytest.fixture
def firewall(make: Make) -> Firewall:
    return make()


# --- who may ask, and where -----------------------------------------------------------------------------


def test_a_wrong_key_is_401_and_an_unknown_path_404_without_content_type(firewall: Firewall) -> None:
    wrong = requests.get(
        f"{firewall.url}/api/firewall/d_nat/search_rule",
        auth=("x", "y"),
        verify=firewall.session.verify,
        timeout=60,
    )
    assert (wrong.status_code, wrong.json()) == (401, {"status": 401, "message": "Authentication Failed"})
    for path in ("firewall/nope/search", "firewall/d_nat/savepoint", "firewall/filter/savepoint"):
        lost = firewall.session.post(f"{firewall.url}/api/{path}", json={}, timeout=60)
        assert (lost.status_code, lost.json()) == (404, {"errorMessage": "Endpoint not found"})
        assert "Content-Type" not in lost.headers


def test_every_request_is_logged_without_the_key(firewall: Firewall) -> None:
    firewall.get("core/firmware/info")
    firewall.post("firewall/d_nat/apply")
    assert firewall.log.lines == ["GET /api/core/firmware/info", "POST /api/firewall/d_nat/apply {}"]


def test_what_the_device_says_of_itself(firewall: Firewall) -> None:
    assert firewall.get("core/firmware/info")["product_version"] == "26.7.3"
    assert firewall.get("core/firmware/status")["product"]["product_version"] == "26.7.3"
    rows = {row["identifier"]: row for row in firewall.get("interfaces/overview/interfaces_info")["rows"]}
    assert rows["wan"]["addr4"] == "62.155.240.55/24"
    assert rows["wan"]["ipv4"] == [{"ipaddr": "62.155.240.55/24"}]
    assert rows["wan"]["gateways"] == ["62.155.240.1"]
    assert rows["lan"]["addr4"] == "192.168.1.1/24"


# --- destination NAT ------------------------------------------------------------------------------------


def test_a_rule_acts_when_applied_and_not_when_saved(firewall: Firewall) -> None:
    before = firewall.router.export()
    identifier = firewall.add_rule()
    assert firewall.try_port(32500) == "dropped"
    assert '"applied": false' in firewall.router.export()
    assert firewall.post("firewall/d_nat/apply") == {"status": "OK\n\n"}
    assert firewall.try_port(32500) == ("192.168.1.50", 32400)
    assert firewall.post(f"firewall/d_nat/del_rule/{identifier}") == {"result": "deleted"}
    assert firewall.try_port(32500) == ("192.168.1.50", 32400)
    firewall.post("firewall/d_nat/apply")
    assert firewall.try_port(32500) == "dropped"
    assert firewall.router.export() == before


def test_an_apply_that_fails_answers_200_and_changes_nothing(make: Make) -> None:
    firewall = make(apply_fails=True)
    firewall.add_rule()
    assert firewall.post("firewall/d_nat/apply") == {"status": "Error (127)\n\n"}
    assert firewall.try_port(32500) == "dropped"


def test_what_was_there_from_the_start_works_as_configured(firewall: Firewall) -> None:
    assert firewall.try_port(8443) == ("192.168.1.10", 443)
    assert firewall.try_port(27010, "udp") == ("192.168.1.20", 27010)
    assert firewall.try_port(27010) == "dropped"
    assert firewall.try_port(8080) == "dropped"
    assert firewall.try_port(2222) == "dropped"
    assert firewall.try_port(2222, source=IPv4Address("203.0.113.9")) == ("192.168.1.10", 22)
    assert firewall.try_port(51415, "udp") == ("192.168.1.12", 6883)
    assert firewall.try_port(3074, "udp") == ("192.168.1.83", 3074)


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({}, ("192.168.1.50", 32400)),
        ({"pass": ""}, "dropped"),
        ({"pass": "rule"}, ("192.168.1.50", 32400)),
        ({"disabled": "1"}, "dropped"),
        ({"nordr": "1"}, "dropped"),
        ({"protocol": "udp"}, "dropped"),
        ({"protocol": "tcp/udp"}, ("192.168.1.50", 32400)),
        ({"interface": "lan"}, "dropped"),
        ({"interface": ""}, ("192.168.1.50", 32400)),
        ({"interface": "lan,wan"}, ("192.168.1.50", 32400)),
        ({"ipprotocol": "inet6", "target": ""}, "dropped"),
        ({"source": {"network": "203.0.113.0/24"}}, "dropped"),
        ({"source": {"network": "203.0.113.0/24", "not": "1"}}, ("192.168.1.50", 32400)),
        ({"destination": {"network": "192.0.2.1", "port": "32500"}}, "dropped"),
        ({"destination": {"network": "wanip"}, "local-port": ""}, ("192.168.1.50", 32500)),
    ],
)
def test_each_field_of_a_rule_counts(firewall: Firewall, changes: dict[str, object], fate: object) -> None:
    firewall.add_rule(**changes)
    firewall.post("firewall/d_nat/apply")
    assert firewall.try_port(32500) == fate


def test_duplicates_are_accepted_and_the_lower_sequence_wins(firewall: Firewall) -> None:
    firewall.add_rule()
    firewall.add_rule(target="192.168.1.99")
    assert [row["sequence"] for row in firewall.rules("plexops:plex")] == ["700", "800"]
    firewall.post("firewall/d_nat/apply")
    assert firewall.try_port(32500) == ("192.168.1.50", 32400)


def test_set_toggle_and_what_is_missing(firewall: Firewall) -> None:
    identifier = firewall.add_rule()
    assert firewall.post(f"firewall/d_nat/set_rule/{identifier}", {"rule": {"local-port": "32401"}}) == {
        "result": "saved"
    }
    assert firewall.post(f"firewall/d_nat/toggle_rule/{identifier}/1") == {"result": "Disabled"}
    (row,) = firewall.rules("plexops:plex")
    assert (row["local-port"], row["disabled"], row["destination.port"]) == ("32401", "1", "32500")
    assert firewall.post(f"firewall/d_nat/toggle_rule/{identifier}") == {"result": "Enabled"}
    assert firewall.get(f"firewall/d_nat/get_rule/{NOWHERE}") == []
    assert firewall.post(f"firewall/d_nat/del_rule/{NOWHERE}") == {"result": "not found"}
    assert firewall.post(f"firewall/d_nat/set_rule/{NOWHERE}", {"rule": {}}) == {"result": "failed"}
    assert firewall.post("firewall/d_nat/del_rule/lockout_0") == {"result": "not found"}
    assert firewall.get(f"firewall/d_nat/del_rule/{identifier}") == {"result": "failed"}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"destination": {"network": "wanip", "port": "99999"}}, "destination.port",
         "Please specify a valid port number, well-known name, alias or range."),
        ({"local-port": "x y"}, "local-port", "Please specify a valid port number, well-known name, alias or range."),
        ({"target": "192.168.1.500"}, "target", "Please specify a valid network segment or IP address."),
        ({"interface": "opt7"}, "interface", "Option not in list."),
        ({"pass": "yes"}, "pass", "Option not in list."),
        ({"disabled": "no"}, "disabled", "Value should be a boolean (0,1)."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_status_200(
    firewall: Firewall, changes: dict[str, object], field: str, message: str
) -> None:
    before = firewall.router.export()
    answer = firewall.post("firewall/d_nat/add_rule", {"rule": {**RULE, **changes}})
    assert answer == {"result": "failed", "validations": {f"rule.{field}": message}}
    assert firewall.router.export() == before


def test_ports_need_tcp_or_udp(firewall: Firewall) -> None:
    answer = firewall.post("firewall/d_nat/add_rule", {"rule": {**RULE, "protocol": "esp"}})
    assert set(answer["validations"]) == {"rule.destination.port", "rule.local-port"}


def test_automatic_rules_are_listed_whatever_is_searched_and_do_not_count(firewall: Firewall) -> None:
    answer = firewall.get("firewall/d_nat/search_rule?searchPhrase=nothing-like-this")
    assert answer["total"] == 0
    assert [row["uuid"] for row in answer["rows"]] == ["lockout_2", "lockout_1", "lockout_0"]
    assert all(row["is_automatic"] is True and "target" not in row for row in answer["rows"])


def test_paging_and_the_old_spelling(firewall: Firewall) -> None:
    page = firewall.post("firewall/d_nat/searchRule", {"current": 2, "rowCount": 4})
    assert (page["total"], page["rowCount"], page["current"]) == (6, 2, 2)


def test_a_hostile_description_comes_back_as_it_was(firewall: Firewall) -> None:
    hostile = 'x"},{"a":1} \\ \n <b>ü</b> \' ; $(reboot)'
    firewall.add_rule(descr=hostile)
    assert firewall.rules()[-1]["descr"] == hostile
    assert len(firewall.rules()) == 7


def test_a_body_that_is_no_json_is_400(firewall: Firewall) -> None:
    answer = firewall.session.post(f"{firewall.url}/api/firewall/d_nat/add_rule", data="{", timeout=60)
    assert answer.status_code == 400


# --- DHCP -----------------------------------------------------------------------------------------------


def test_a_dnsmasq_host_counts_after_reconfigure(firewall: Firewall) -> None:
    before = firewall.router.export()
    body = {"host": {"host": "plex", "ip": "192.168.1.50", "hwaddr": PLEX_MAC, "descr": "plexops:plex"}}
    identifier = firewall.post("dnsmasq/settings/add_host", body)["uuid"]
    assert PLEX_MAC not in firewall.router.reservations()
    assert firewall.post("dnsmasq/service/reconfigure") == {"status": "ok"}
    assert firewall.router.reservations()[PLEX_MAC] == host(50)
    firewall.post(f"dnsmasq/settings/set_host/{identifier}", {"host": {"ip": "192.168.1.51"}})
    assert firewall.get(f"dnsmasq/settings/get_host/{identifier}")["host"]["ip"] == {
        "192.168.1.51": {"value": "192.168.1.51", "selected": 1}
    }
    assert firewall.post(f"dnsmasq/settings/del_host/{identifier}") == {"result": "deleted"}
    firewall.post("dnsmasq/service/reconfigure")
    assert firewall.router.export() == before


def test_dnsmasq_from_the_start(firewall: Firewall) -> None:
    reservations = firewall.router.reservations()
    assert reservations["f8:25:51:09:38:38"] == host(10)
    assert reservations["aa:21:e7:a7:28:e4"] == reservations["5c:e9:1e:22:33:44"] == host(11)
    assert firewall.router.pool() == (LIVED_IN.pool_first, LIVED_IN.pool_last)
    laptop = firewall.post("dnsmasq/settings/search_host", {"searchPhrase": "laptop"})["rows"]
    assert [row["hwaddr"] for row in laptop] == ["aa:21:e7:a7:28:e4,5C:E9:1E:22:33:44"]
    starts = [row["start_addr"] for row in firewall.post("dnsmasq/settings/search_range")["rows"]]
    assert starts == ["192.168.1.100", "::1000"]


def test_which_dhcp_server_runs(make: Make) -> None:
    for backend, dnsmasq, kea in (("dnsmasq", "running", "disabled"), ("kea", "disabled", "running")):
        firewall = make(backend=backend)
        assert firewall.get("dnsmasq/service/status")["status"] == dnsmasq
        assert firewall.get("kea/service/status")["status"] == kea
        assert firewall.get("dnsmasq/settings/get")["dnsmasq"]["enable"] == str(int(backend == "dnsmasq"))
        assert firewall.get("kea/dhcpv4/get")["dhcpv4"]["general"]["enabled"] == str(int(backend == "kea"))


def test_kea_refuses_duplicates_and_addresses_outside(make: Make) -> None:
    firewall = make(backend="kea")
    before = firewall.router.export()
    (subnet,) = firewall.get("kea/dhcpv4/search_subnet")["rows"]
    assert subnet["pools"] == "192.168.1.100-192.168.1.249"
    plex = {
        "subnet": subnet["uuid"],
        "ip_address": "192.168.1.50",
        "hw_address": PLEX_MAC,
        "hostname": "plex",
    }

    def add(**changes: str) -> Any:
        return firewall.post("kea/dhcpv4/add_reservation", {"reservation": {**plex, **changes}})

    identifier = add()["uuid"]
    assert add(ip_address="192.168.1.52")["validations"] == {
        "reservation.hw_address": ["Duplicate entry exists."]
    }
    assert add(hw_address="02:00:00:00:00:07")["validations"] == {
        "reservation.ip_address": "Duplicate entry exists."
    }
    outside = add(ip_address="10.0.0.5", hw_address="02:00:00:00:00:07")
    assert outside["validations"] == {"reservation.ip_address": "Address not in specified subnet"}
    assert (
        add(subnet=NOWHERE, ip_address="192.168.1.53", hw_address="02:00:00:00:00:07")["result"] == "failed"
    )
    same = firewall.post(f"kea/dhcpv4/set_reservation/{identifier}", {"reservation": {"description": "x"}})
    assert same == {"result": "saved"}
    assert PLEX_MAC not in firewall.router.reservations()
    firewall.post("kea/service/reconfigure")
    assert firewall.router.reservations()[PLEX_MAC] == host(50)
    firewall.post(f"kea/dhcpv4/del_reservation/{identifier}")
    firewall.post("kea/service/reconfigure")
    assert firewall.router.export() == before


def test_leases_tell_who_is_reserved(firewall: Firewall) -> None:
    firewall.router.set_leases((Lease(PLEX_MAC, host(150), "plex"), Lease("f8:25:51:09:38:38", host(10), "")))
    rows = firewall.get("dnsmasq/leases/search")["rows"]
    assert [(row["address"], row["hwaddr"], row["is_reserved"]) for row in rows] == [
        ("192.168.1.150", PLEX_MAC, []),
        ("192.168.1.10", "f8:25:51:09:38:38", ["hwaddr"]),
    ]


# --- UPnP -----------------------------------------------------------------------------------------------


def test_upnp(make: Make) -> None:
    firewall = make()
    assert firewall.get("upnp/service/status")["status"] == "running"
    assert firewall.try_port(3074, "udp") == ("192.168.1.83", 3074)
    firewall.post("upnp/service/stop")
    assert firewall.get("upnp/service/status")["status"] == "disabled"
    assert firewall.try_port(3074, "udp") == "dropped"
    without = make(Seed(upnp=False))
    lost = without.session.get(f"{without.url}/api/upnp/service/status", timeout=60)
    assert lost.status_code == 404


# --- what else decides about packets --------------------------------------------------------------------


def test_the_filter_is_shown_in_pfs_order_with_the_default_deny_first(firewall: Firewall) -> None:
    answer = firewall.post("firewall/filter/search_rule", {"current": 1, "rowCount": -1, "show_all": "1"})
    rows: list[dict[str, Any]] = answer["rows"]
    assert list(answer) == ["total", "rowCount", "current", "rows"]
    assert answer["total"] == answer["rowCount"] == len(rows)
    assert [row["sort_order"] for row in rows] == sorted(row["sort_order"] for row in rows)
    first = rows[0]
    assert first | {"uuid": ""} == first | {
        "uuid": "", "action": "block", "%action": "Block", "quick": False, "ipprotocol": "inet46",
        "%ipprotocol": "", "description": "Default deny / state violation rule", "direction": "in", "enabled": "1",
        "source_net": "", "destination_net": "", "sort_order": "000001.1000001", "legacy": True,
        "is_automatic": True, "#priority": 1, "category_colors": [],
    }  # fmt: skip
    # Interfaces of older rules are shown by what they are called; words in brackets lose them, but for this firewall.
    bogons = next(row for row in rows if row["source_net"] == "bogons")
    assert (bogons["interface"], bogons["alias_meta_source_net"][0]["isAlias"]) == ("WAN", True)
    assert {row["destination_net"] for row in rows if row["description"] == "anti-lockout rule"} == {"(self)"}
    lan = [row for row in rows if not row.get("legacy")]
    assert [(row["interface"], row["%interface"], row["prio_group"]) for row in lan] == [
        ("lan", "LAN", "400000")
    ] * 2
    assert [row["ipprotocol"] for row in lan] == ["inet", "inet6"]


def test_a_registered_rule_stands_behind_all_others(firewall: Firewall) -> None:
    def registered() -> list[tuple[str, str]]:
        rows = firewall.post("firewall/filter/search_rule", {"rowCount": -1})["rows"]
        return [(row["destination_net"], row["destination_port"]) for row in rows if row["sort_order"] > "5"]

    assert ("192.168.1.10", "443") in registered()
    # A range is as long behind the router, and what is off has no rule.
    assert ("192.168.1.12", "6881-6888") in registered()
    assert "192.168.1.30" not in {address for address, _ in registered()}
    firewall.add_rule(**{"pass": "rule", "target": "192.168.1.77"})
    assert ("192.168.1.77", "32400") in registered()


def test_aliases_and_arp(firewall: Firewall) -> None:
    aliases = firewall.post("firewall/alias/search_item", {"current": 1, "rowCount": -1})["rows"]
    assert [(row["name"], row["type"]) for row in aliases] == [
        ("__lan_network", "internal"), ("__wan_network", "internal"), ("bogons", "external"),
        ("bogonsv6", "external"), ("sshlockout", "external"), ("virusprot", "external"),
    ]  # fmt: skip
    assert firewall.post("firewall/alias/search_item", {"searchPhrase": "overload"})["total"] == 1
    firewall.router.set_leases((Lease(PLEX_MAC, host(50), "plex"),))
    found = firewall.post("diagnostics/interface/search_arp", {"current": 1, "rowCount": -1})
    by_address = {row["ip"]: (row["mac"], row["intf"]) for row in found["rows"]}
    assert by_address["192.168.1.50"] == (PLEX_MAC, "igb0")
    (gateway,) = firewall.get("interfaces/overview/interfaces_info")["rows"][1]["gateways"]
    assert by_address[gateway][1] == "igb1"
    assert firewall.get("diagnostics/interface/get_arp") == found["rows"]


@pytest.mark.parametrize(
    "path", ["firewall/filter/savepoint", "firewall/alias/gone", "diagnostics/interface/gone"]
)
def test_what_is_not_simulated_is_not_there(firewall: Firewall, path: str) -> None:
    assert firewall.session.post(f"{firewall.url}/api/{path}", json={}, timeout=60).status_code == 404


# --- against answers of OPNsense's own code ---------------------------------------------------------------


def recorded(name: str) -> tuple[str, Any, Any]:
    """Give path, request body and answer of a capture."""
    lines = (DATA / "opnsense" / f"{name}.txt").read_text().splitlines()
    sent = [line[2:] for line in lines if line.startswith("> ")]
    start = next(i for i, line in enumerate(lines) if line.startswith("< ")) + 1
    body = json.loads(sent[1]) if len(sent) > 1 else None
    return sent[0].split()[1].removeprefix("/api/"), body, json.loads("\n".join(lines[start:]))


def masked(value: Any) -> Any:
    """Hide what differs between two runs: uuids and times. The order of keys counts."""
    text = json.dumps(value)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r'"\d{10}\.\d\d"', '"TIME"', text)


@pytest.mark.parametrize(
    "name",
    ["d_nat_add", "d_nat_add_duplicate", "d_nat_add_bad_port", "dnsmasq_add_host", "dnsmasq_add_host_bad"],
)
def test_writes_answer_as_recorded(make: Make, name: str) -> None:
    path, body, answer = recorded(name)
    assert masked(make(Seed()).post(path, body)) == masked(answer)


def test_a_rule_reads_as_recorded(make: Make) -> None:
    firewall = make(Seed(forwards=tuple(ForwardSeed(f"f{n}", "8022", host(9)) for n in (1, 2))))
    path, body, _ = recorded("d_nat_add")
    identifier = firewall.post(path, body)["uuid"]
    _, _, nested = recorded("d_nat_get")
    assert masked(firewall.get(f"firewall/d_nat/get_rule/{identifier}")) == masked(nested)
    path, body, found = recorded("d_nat_search_one")
    answer = firewall.post(path, body)
    assert list(answer) == list(found)
    assert masked(firewall.rules("plexops")[0]) == masked(found["rows"][0])


def test_a_dnsmasq_host_reads_as_recorded(make: Make) -> None:
    firewall = make(Seed())
    firewall.post(*recorded("dnsmasq_add_host")[:2])
    path, body, answer = recorded("dnsmasq_search_host")
    ours = firewall.post(path, body)
    assert list(ours) == list(answer)
    assert masked(ours["rows"][0]) == masked(answer["rows"][1])
    path, body, ranges = recorded("dnsmasq_search_range")
    text = masked(firewall.post(path, body)).replace("192.168.1.249", "192.168.1.199")
    assert text == masked(ranges)
    _, _, whole = recorded("dnsmasq_get")
    ours_whole = firewall.get("dnsmasq/settings/get")
    (mine,) = ours_whole["dnsmasq"]["hosts"].values()
    (theirs,) = whole["dnsmasq"]["hosts"].values()
    assert list(mine) == list(theirs)
    assert mine["ip"] == {"192.168.1.50": {"value": "192.168.1.50", "selected": 1}}


def test_kea_reads_and_refuses_as_recorded(make: Make) -> None:
    firewall = make(Seed(), "kea")
    (subnet,) = firewall.get("kea/dhcpv4/search_subnet")["rows"]
    path, body, answer = recorded("kea_add_reservation")
    body["reservation"]["subnet"] = subnet["uuid"]
    assert masked(firewall.post(path, body)) == masked(answer)
    assert masked(firewall.post(path, body)) == masked(recorded("kea_add_reservation_duplicate")[2])
    path, body, answer = recorded("kea_search_reservation")
    assert masked(firewall.post(path, body)) == masked(answer)
    path, body, answer = recorded("kea_search_subnet_one")
    assert list(subnet) == list(answer["rows"][0])
    path, body, answer = recorded("kea_search_subnet")
    assert masked(make(Seed(), "dnsmasq").post(path, body)) == masked(answer)
