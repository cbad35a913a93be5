"""The contracts: what only reads over HTTP, by SOAP and in a tree, and that nothing reads that did not before."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexops.config.profiles import load_profile
from plexops.drivers.router.reads import asked
from plexops.languages.contracts import ContractName, refuse_login, refuse_read
from plexops.model.exchange import Call, Json, Read, SoapCall
from plexops.transport.link import only_reads

ROOT = Path(__file__).resolve().parents[3]

# How requests were judged before there was a table, by two lists of expressions: kept here to compare with.
_ACTING = frozenset(
    {
        *("add", "set", "del", "delete", "remove", "toggle", "apply", "reconfigure", "restart"),
        *("start", "stop", "reboot", "halt", "poweroff", "update", "upgrade", "revert", "rollback"),
        *("savepoint", "cancel", "import", "upload", "run", "exec", "execute", "flush", "reset"),
        *("save", "write", "create", "clear", "refresh", "enable", "disable", "shutdown", "terminate"),
        *("kill", "install", "logout", "activate", "deactivate", "restore", "connect", "disconnect"),
        *("renew", "sync"),
    }
)
_READING = re.compile(r"(?:search|get|list|find|status|dump|show|count)(?:_[a-z0-9_]+|[A-Z][A-Za-z0-9]*)?")
_READING_PATH = re.compile(
    r"/(?:search|get|status|info|list|export|show|backups)(?:_[a-z_]+|[A-Z][A-Za-z]*)?(?:/this)?$|/interfaces_info$|/search$"
    r"|/pf_statistics/rules$"
)


def was_refused(text: str) -> bool:
    method, _, path = text.partition(" ")
    segments = path.split("/")[1:]
    if re.fullmatch(r"/|(?:/[A-Za-z0-9._~:@$-]+)+/?", path) is None or {".", ".."} & set(segments):
        return True
    parts = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
    if {part.lower() for segment in segments for part in parts.findall(segment)} & _ACTING:
        return True
    commands = segments[3:4] if segments[0] == "api" else segments[-1:]
    return method != "GET" and not (method == "POST" and any(map(_READING.fullmatch, commands)))


def was_refused_to_a_profile(text: str) -> bool:
    return was_refused(text) or _READING_PATH.search(text.partition(" ")[2]) is None


@cache
def requests_of_the_tests() -> tuple[str, ...]:
    """Give every text of the tests and profiles that looks like a request, or like the path of one."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if re.match(r"[A-Za-z]* ?/\S*$", node.value) else set()
    for path in (ROOT / "router_profiles").glob("*.yaml"):
        found |= set(
            re.findall(r"(?:GET|POST) /\S*?(?=[,} ]|$)", path.read_text(encoding="utf-8"), re.MULTILINE)
        )
    paths = {text.partition(" ")[2] or text for text in found}
    made = {f"{method} {path}" for path in paths for method in ("GET", "POST", "PUT", "get", "DELETE")}
    return tuple(sorted(found | made))


HOSTILE = (
    "/../del",
    "/del_rule",
    "//",
    "?cmd=reboot",
    "%2f",
    "/reBoot",
    "\n",
    "/ü",
    "#x",
    ";reboot",
    "\\",
    "/./",
)


def mutated(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        yield text
        yield from (text + piece for piece in HOSTILE)
        yield text.upper()


def test_nothing_reads_that_was_refused_before() -> None:
    texts = requests_of_the_tests()
    assert len(texts) > 500
    loosened = [text for text in mutated(texts) if was_refused(text) and refuse_read("json", text) is None]
    assert loosened == []
    loosened = [
        text
        for text in mutated(texts)
        if was_refused_to_a_profile(text) and refuse_read("opnsense", text) is None
    ]
    assert loosened == []


_PIECES = st.sampled_from(
    [
        *(
            "api",
            "firewall",
            "d_nat",
            "search_rule",
            "searchRule",
            "get",
            "get_x",
            "del_rule",
            "apply",
            "info",
            "status",
        ),
        *("list", "REBOOT", "reBoot", "this", "interfaces_info", "..", ".", "", "%2e", "x y", "find", "show"),
    ]
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "get", "PATCH", ""]),
    st.lists(_PIECES | st.text(max_size=5), max_size=7),
    st.sampled_from(["", "/", "?", "?a=b", "#"]),
)
def test_no_request_at_all_reads_that_was_refused_before(method: str, pieces: list[str], end: str) -> None:
    text = f"{method} /{'/'.join(pieces)}{end}"
    assert refuse_read("json", text) is not None or not was_refused(text)
    assert refuse_read("opnsense", text) is not None or not was_refused_to_a_profile(text)


def test_all_that_the_shipped_profile_asks_is_in_its_contract() -> None:
    reads = load_profile("opnsense", Path()).reads.values()
    asks = [ask.ask for read in reads for ask in asked(read)]
    calls = [f"{ask.method} {ask.path}" for ask in asks if isinstance(ask, Call)]
    assert len(calls) > 10
    assert [one for one in calls if refuse_read("opnsense", one)] == []


READS: list[tuple[ContractName, str]] = [
    ("rest", "GET /api/v8/fw/redir/"),
    ("rest", "GET /api/v8/connection/"),
    ("rest", "GET /proxy/network/api/s/default/rest/portforward"),
    ("rest", "GET /proxy/network/api/s/default/stat/health"),
    ("rest", "GET /api/v2/services/dhcp_server/static_mappings"),
    (
        "rest",
        "GET /0123/api/v2/sites/s/setting/transmission/portForwardings?currentPage=1&currentPageSize=100",
    ),
    ("rest", "GET /api/v1/wan/ip"),
    ("opnsense", "GET /api/core/firmware/info"),
    ("opnsense", "POST /api/kea/dhcpv4/search_reservation"),
    ("routeros-rest", "GET /rest/ip/firewall/nat?dynamic=true"),
    ("routeros-rest", "GET /rest/ip/route?dst-address=0.0.0.0/0&active=true"),
    ("routeros-rest", "POST /rest/ip/firewall/nat/print"),
    ("rci", "GET /rci/ip/static"),
    ("rci", "GET /rci/show/ip/dhcp/bindings"),
    ("soap", "urn:dslforum-org:service:WANPPPConnection:1#GetGenericPortMappingEntry"),
    ("soap", "urn:dslforum-org:service:DeviceInfo:1#GetSecurityPort"),
    ("soap", "urn:dslforum-org:service:Hosts:1#X_AVM-DE_GetHostListPath"),
    ("soap", "urn:dslforum-org:service:WANCommonInterfaceConfig:1#X_AVM_DE_GetDsliteStatus"),
    ("tree", "show nat destination rules"),
    ("tree", "show configuration commands"),
]


@pytest.mark.parametrize(("contract", "request_text"), READS)
def test_a_read_is_in_its_contract(contract: ContractName, request_text: str) -> None:
    assert refuse_read(contract, request_text) is None


REFUSED: list[tuple[ContractName, str]] = [
    ("rest", "GET /api/v8/system/reboot/"),
    ("rest", "GET /api/x/y/get/../del"),
    ("rest", "GET /api/x/%2e%2e/y"),
    ("rest", "GET /api/re%62oot"),
    ("rest", "GET /api//x"),
    ("rest", "GET /api/ReBoot"),
    ("rest", "GET /api/REBOOT"),
    ("rest", "GET /api/doreboot/now"),
    ("rest", "GET /api/v8/login/"),
    ("rest", "GET /api/v1/device/token"),
    ("rest", "GET /proxy/network/api/s/default/cmd/devmgr"),
    ("rest", "GET /cgi-bin/luci/admin"),
    ("rest", "GET /goform/SetFirewall"),
    ("rest", "GET /apply.cgi"),
    ("rest", "GET /api/x?cmd=go"),
    ("rest", "GET /api/x?ACTION=go"),
    ("rest", "GET /api/x?a=1&_method=PUT"),
    ("rest", "GET /api/x?a=reboot"),
    ("rest", "GET /api/x?a=%72"),
    ("rest", "GET /api/x?a=1?b=2"),
    ("rest", "GET /api/x?a=1#b"),
    ("rest", "GET /api/x?"),
    ("rest", "GET /api/ｇet"),
    ("rest", "GET /api/x\n"),
    ("rest", "GET /api/x\r\nX: y"),
    ("rest", "GET  /api/x"),
    ("rest", "get /api/x"),
    ("rest", "HEAD /api/x"),
    ("rest", "POST /api/search"),
    ("rest", "PUT /api/x"),
    ("opnsense", "POST /api/firewall/d_nat/add_rule"),
    ("opnsense", "POST /api/firewall/d_nat/search_rule/../add_rule"),
    ("opnsense", "POST /api/firewall/del_rule/get"),
    ("opnsense", "GET /api/firewall/d_nat/del_rule/get"),
    ("opnsense", "POST /api/firewall/d_nat/search_rule?x=y"),
    ("opnsense", "GET /api/core/system/reboot"),
    ("routeros-rest", "POST /rest/ip/firewall/nat/remove"),
    ("routeros-rest", "POST /rest/execute"),
    ("routeros-rest", "GET /rest/system/reboot"),
    ("routeros-rest", "GET /rest/IP/address"),
    ("routeros-rest", "PUT /rest/ip/firewall/nat"),
    ("rci", "POST /rci/ip/static"),
    ("rci", "DELETE /rci/ip/static"),
    ("rci", "GET /rci/show/log"),
    ("rci", "GET /rci/show/rc"),
    ("rci", "GET /rci/interface"),
    ("rci", "GET /rci/system/reboot"),
    ("rci", "GET /ci/startup-config"),
    ("ubus", "POST /ubus"),
    ("ubus", "POST /ubus uci get dhcp"),
    ("jnap", "POST /JNAP/"),
    ("soap", "urn:dslforum-org:service:WANPPPConnection:1#AddPortMapping"),
    ("soap", "urn:dslforum-org:service:DeviceConfig:1#Reboot"),
    ("soap", "urn:dslforum-org:service:DeviceConfig:1#X_AVM-DE_GetConfigFile"),
    ("soap", "urn:dslforum-org:service:WLANConfiguration:1#GetSecurityKeys"),
    ("soap", "urn:dslforum-org:service:DeviceConfig:1#GetInfo\r\nX: y"),
    ("soap", "urn:x#SetGetInfo"),
    ("soap", "urn:x#getInfo"),
    ("tree", "show running-config"),
    ("tree", "show log tail"),
    ("tree", "show interfaces ethernet eth0 capture"),
    ("tree", "show file ../../etc/shadow"),
    ("tree", "show version; reboot"),
    ("tree", "show version | no-more"),
    ("tree", "show version\nreboot"),
    ("tree", "show  version"),
    ("tree", "Show version"),
    ("tree", "showx version"),
    ("tree", "configure"),
]


@pytest.mark.parametrize(("contract", "request_text"), REFUSED)
def test_what_may_act_is_in_no_contract(contract: ContractName, request_text: str) -> None:
    assert refuse_read(contract, request_text)


def test_a_print_of_routeros_may_not_write_its_answer_to_a_file() -> None:
    asked = "POST /rest/ip/address/print"
    assert refuse_read("routeros-rest", asked, {".proplist": "address"}) is None
    assert refuse_read("routeros-rest", asked, {"file": "x"}) is not None
    assert refuse_read("routeros-rest", asked, ["file"]) is not None


@pytest.mark.parametrize(
    ("step", "request_text", "may"),
    [
        ("send", "POST /api/v8/login/session/", True),
        ("send", "POST /api/auth/login", True),
        ("send", "POST /login_sid.lua?version=2", True),
        ("send", "POST /api/core/system/reboot", False),
        ("send", "POST /api/login/../reboot", False),
        ("send", "GET /api/auth/login", False),
        ("end", "POST /api/v8/login/logout/", True),
        ("end", "DELETE /api/session", True),
        ("end", "POST /api/system/reboot", False),
        ("end", "DELETE /api/forwards", False),
    ],
)
def test_a_login_only_logs_in_and_out(step: str, request_text: str, may: bool) -> None:
    assert (refuse_login(step, request_text) is None) is may  # type: ignore[arg-type]


CALL: dict[str, Json] = {"jsonrpc": "2.0", "id": 1, "method": "call"}


@pytest.mark.parametrize(
    ("body", "may"),
    [
        ({**CALL, "params": ["uci", "get", {"config": "dhcp"}]}, True),
        ({**CALL, "params": ["network.interface", "dump", {}]}, True),
        # Other configurations hold passwords.
        ({**CALL, "params": ["uci", "get", {"config": "wireless"}]}, False),
        ({**CALL, "params": ["uci", "get", {"config": "rpcd"}]}, False),
        ({**CALL, "params": ["uci", "get", {}]}, False),
        ({**CALL, "params": ["uci", "get", {"config": ["dhcp"]}]}, False),
        ({**CALL, "params": ["uci", "get", {"config": "dhcp", "more": "x"}]}, False),
        ({**CALL, "params": ["uci", "set", {"config": "dhcp"}]}, False),
        ({**CALL, "params": ["file", "exec", {"command": "/sbin/reboot"}]}, False),
        ({**CALL, "params": ["file", "read", {"path": "/etc/shadow"}]}, False),
        ({**CALL, "params": ["system", "reboot", {}]}, False),
        # Whose login it goes by is not the profile's to say.
        ({**CALL, "params": ["1" * 32, "system", "board", {}]}, False),
        ({**CALL, "params": ["0" * 32, "system", "board", {}]}, False),
        ({**CALL, "params": [["x"], "system", "board", {}]}, False),
        ({**CALL, "params": ["system", "board"]}, False),
        ({**CALL, "method": "list", "params": ["system", "board", {}]}, False),
        ({**CALL, "more": 1, "params": ["system", "board", {}]}, False),
        ([{**CALL, "params": ["system", "board", {}]}], False),
        ({}, False),
        (None, False),
    ],
)
def test_of_one_path_that_takes_all_calls_its_body_says_what_is_done(body: Json, may: bool) -> None:
    assert (refuse_read("ubus", "POST /ubus", body) is None) is may
    if may:
        for other in ("GET /ubus", "POST /ubus/", "POST /ubus?x=y", "POST /x"):
            assert refuse_read("ubus", other, body) is not None
        assert refuse_read("json", "POST /ubus", body) is not None


@pytest.mark.parametrize(
    ("action", "may"),
    [
        ("core/GetDeviceInfo", True),
        ("router/GetWANStatus3", True),
        ("firewall/GetSinglePortForwardingRules", True),
        ("router/GetWANSettings4", False),  # with the password of PPPoE
        ("firewall/SetSinglePortForwardingRules", False),
        ("core/Transaction", False),
        ("core/Reboot", False),
        ("core/GetDeviceInfo\r\nX: y", False),
        ("core/GetDeviceInfo x", False),
    ],
)
def test_of_one_path_whose_header_says_what_is_done_the_header_is_judged(action: str, may: bool) -> None:
    said = {"X-JNAP-Action": f"http://linksys.com/jnap/{action}"}
    assert (refuse_read("jnap", "POST /JNAP/", {}, said) is None) is may
    assert refuse_read("jnap", "POST /JNAP/", {"x": 1}, said) is not None
    assert refuse_read("jnap", "POST /JNAP/", {}, {**said, "X-HTTP-Method-Override": "PUT"}) is not None
    assert refuse_read("rest", "GET /api/x", None, said) is not None


def test_a_link_judges_by_the_contract_of_its_device() -> None:
    page = Call("GET", "/rest/ip/route", query=(("active", "true"),))
    only_reads([Read("routes", page)], "json", "routeros-rest")
    only_reads([Read("info", SoapCall("urn:x:1", "/c", "GetInfo"))], "json")
    for read in (Read("routes", page), Read("add", SoapCall("urn:x:1", "/c", "AddPortMapping"))):
        with pytest.raises(ValueError, match="is no read"):
            only_reads([read], "json")
    for console in ("posix", "routeros"):
        with pytest.raises(ValueError, match="HTTP"):
            only_reads([Read("info", SoapCall("urn:x:1", "/c", "GetInfo"))], console)
