"""UPnP gateways: two questions and no third, recorded answers, hostile ones."""

from __future__ import annotations

import ast
import inspect
import re
from ipaddress import IPv4Address

import pytest

from plexops.drivers.around.igd import Box
from plexops.engine.bootstrap.discovery import read_gateway
from plexops.model.entries import UpnpMapping
from plexops.model.igd import MOST_MAPPINGS, Service
from plexops.model.values import ALL_PORTS, Ports, Protocol
from plexops.parsers.base import ParseError
from plexops.parsers.igd import (
    is_end_of_table,
    parse_description,
    parse_external_address,
    parse_mapping,
    read_xml,
)
from plexops.transport.around import igd
from plexops.transport.around.fetch import FetchError
from plexops.transport.around.igd import Control, ask_address, ask_mapping, read_description
from tests.unit.transport.strangers import HOME, IGD, TcpStranger, gateway, page

LOCATION = "http://192.168.1.1:5000/rootDesc.xml"
ACTION = re.compile(rb"<u:([A-Za-z0-9]+)[ >]")


def recorded(name: str) -> str:
    return (IGD / name).read_text(encoding="utf-8")


def actions(requests: list[bytes]) -> set[bytes]:
    return {name for request in requests for name in ACTION.findall(request)}


# What is asked.


def test_the_module_has_two_questions_and_no_way_to_a_third() -> None:
    known = set(re.findall(r"<action><name>(\w+)</name>", recorded("WANIPCn.xml")))
    assert {"AddPortMapping", "DeletePortMapping", "ForceTermination", "SetConnectionType"} < known
    source = inspect.getsource(igd)
    assert {name for name in known if name in source} == {
        "GetExternalIPAddress",
        "GetGenericPortMappingEntry",
    }
    assert [str(question) for question in igd._Question] == [
        "GetExternalIPAddress",
        "GetGenericPortMappingEntry",
    ]
    # Nothing else becomes part of a text, and the rest of them are messages.
    fields = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FormattedValue)]
    named = {ast.unparse(node.value) for node in fields}
    messages = {"MOST_MAPPINGS - 1", "address"}
    assert named == {"question", "control.service", "index", "arguments"} | messages


def test_a_request_is_what_was_recorded() -> None:
    with TcpStranger(gateway()) as box:
        control = Control(box.url("/ctl/IPConn"), Service.IP_2)
        ask_address(control)
        ask_mapping(control, 1)
    for request, name in zip(
        box.requests, ("GetExternalIPAddress", "GetGenericPortMappingEntry_1"), strict=True
    ):
        head, _, body = request.partition(b"\r\n\r\n")
        assert b"".join(body.split()) == b"".join((IGD / f"{name}.request.xml").read_bytes().split())
        action = name.partition("_")[0]
        assert f'SOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:2#{action}"'.encode() in head
        assert head.startswith(b"POST /ctl/IPConn HTTP/1.1\r\n")


HOSTILE = "0</NewPortMappingIndex></u:X><u:AddPortMapping>"


def test_nothing_hostile_becomes_an_action() -> None:
    with TcpStranger(gateway()) as box:
        url = box.url("/ctl/IPConn")
        for index in (-1, MOST_MAPPINGS, HOSTILE, 1.5):
            with pytest.raises((ValueError, TypeError)):
                ask_mapping(Control(url, Service.IP_1), index)  # type: ignore[arg-type]
        for service in (
            "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping",
            'x"><u:AddPortMapping',
        ):
            with pytest.raises(ValueError):
                Control(url, service)  # type: ignore[arg-type]
    assert box.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://203.0.113.9/ctl",
        "http://evil.example/ctl",
        "https://192.168.1.1/ctl",
        "http://me@192.168.1.1/ctl",
        "http://[fe80::1]/ctl",
        "/ctl",
    ],
)
def test_only_a_box_in_a_home_is_asked(url: str) -> None:
    with pytest.raises(ValueError):
        Control(url, Service.IP_1)
    with pytest.raises(ValueError):
        read_description(url)


def test_a_look_at_a_whole_gateway_asks_nothing_else() -> None:
    with TcpStranger(gateway()) as box:
        seen = read_gateway(Box(HOME, box.url("/rootDesc.xml"), "MiniUPnPd"), 2)
    assert seen.wan == IPv4Address("81.2.69.142")
    assert (seen.title, seen.maker, seen.software) == ("Debian router", "Debian", "MiniUPnPd")
    assert seen.mappings is not None
    assert [(m.external_port.single, str(m.address), m.port.single) for m in seen.mappings] == [
        (40000, "192.168.1.50", 40000),
        (51413, "192.168.1.50", 51413),
        (32500, "192.168.1.50", 32400),
    ]
    assert (seen.whole, seen.why) == (True, "")
    assert actions(box.requests) == {b"GetExternalIPAddress", b"GetGenericPortMappingEntry"}
    assert [request.split()[0] for request in box.requests] == [b"GET", *[b"POST"] * 5]


# What is answered.


@pytest.mark.parametrize("generation", [1, 2])
def test_a_description_is_read(generation: int) -> None:
    described = parse_description(recorded(f"rootDesc_igd{generation}_miniupnpd-2.3.1.xml"), LOCATION)
    kind = f"urn:schemas-upnp-org:service:WANIPConnection:{generation}"
    assert (kind, "http://192.168.1.1:5000/ctl/IPConn") in described.services
    assert (described.title, described.maker, described.model) == ("Debian router", "Debian", "Debian router")


def service(kind: str, control: str) -> str:
    return f"<service><serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>"


def description(*services: str, base: str = "", generation: int = 1) -> str:
    """Describe a router as the standard nests it: the first service beside the gateway, the others of its connection."""
    names = ("InternetGatewayDevice", "WANDevice", "WANConnectionDevice")
    opened = [
        f"<device><deviceType>urn:schemas-upnp-org:device:{name}:{generation}</deviceType>" for name in names
    ]
    return (
        f'<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">{base}'
        f"{opened[0]}<serviceList>{services[0]}</serviceList><deviceList>{opened[1]}<deviceList>{opened[2]}"
        f"<serviceList>{''.join(services[1:])}</serviceList>"
        "</device></deviceList></device></deviceList></device></root>"
    )


LAYER_3 = service("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/upnp/control/L3Forwarding1")


@pytest.mark.parametrize(
    ("text", "kind", "control"),
    [
        (
            description(
                LAYER_3,
                service("urn:schemas-upnp-org:service:WANEthernetLinkConfig:1", "/upnp/control/WANEthLinkC1"),
                service(Service.PPP_1, "/upnp/control/WANPPPConn1"),
                base="<URLBase>http://192.168.1.1:49152</URLBase>",
            ),
            Service.PPP_1,
            "http://192.168.1.1:49152/upnp/control/WANPPPConn1",
        ),
        (
            description(LAYER_3, service(Service.PPP_2, "/4c1f/control/WANIPConn1"), generation=2),
            Service.PPP_2,
            "http://192.168.1.1:60000/4c1f/control/WANIPConn1",
        ),
        (
            description(LAYER_3, service(Service.IP_1, "WANIPConnection")),
            Service.IP_1,
            "http://192.168.1.1:60000/WANIPConnection",
        ),
        (
            description(
                service("urn:schemas-any-com:service:Any:1", "/igdupnp/control/any"),
                service(Service.IP_1, "/igdupnp/control/WANIPConn1"),
            ),
            Service.IP_1,
            "http://192.168.1.1:60000/igdupnp/control/WANIPConn1",
        ),
    ],
    ids=["URLBase and PPP", "second generation", "relative address", "a service of the maker's own"],
)
def test_descriptions_of_other_shapes_are_read(text: str, kind: Service, control: str) -> None:
    described = parse_description(text, "http://192.168.1.1:60000/desc.xml")
    assert (str(kind), control) in described.services


@pytest.mark.parametrize(
    "control",
    [
        "http://203.0.113.9/ctl/IPConn",
        "//203.0.113.9/ctl/IPConn",
        "https://192.168.1.1/ctl",
        "http://me@192.168.1.1/ctl",
        "http://192.168.1.1:99999/ctl",
        "file:///etc/passwd",
        "http://[/",
        "",
    ],
)
def test_a_control_on_another_host_is_left_out(control: str) -> None:
    text = recorded("rootDesc_igd1_miniupnpd-2.3.1.xml").replace("/ctl/IPConn", control)
    kinds = [kind for kind, _ in parse_description(text, LOCATION).services]
    assert "urn:schemas-upnp-org:service:WANIPConnection:1" not in kinds
    assert "urn:schemas-upnp-org:service:Layer3Forwarding:1" in kinds


def test_a_base_on_another_host_takes_all_controls_away() -> None:
    text = recorded("rootDesc_igd1_miniupnpd-2.3.1.xml")
    text = text.replace("<device>", "<URLBase>http://203.0.113.9/</URLBase><device>", 1)
    assert parse_description(text, LOCATION).services == ()


def test_an_address_and_its_absence() -> None:
    text = recorded("GetExternalIPAddress.response.xml")
    assert parse_external_address(text) == IPv4Address("81.2.69.142")
    assert parse_external_address(text.replace("81.2.69.142", "")) is None
    for wrong in ("localhost", "1.2.3", "::1", "81.2.69.142.5"):
        with pytest.raises(ParseError):
            parse_external_address(text.replace("81.2.69.142", wrong))


def test_a_mapping_is_read_with_its_odd_name() -> None:
    found = parse_mapping(recorded("GetGenericPortMappingEntry_0.response.xml"))
    name = 'A & B <x> "q"'
    port = Ports.of(40000)
    assert found.mapping == UpnpMapping(port, IPv4Address("192.168.1.50"), port, Protocol.TCP, name)
    assert (found.enabled, found.remote) == (True, "")


def test_port_0_is_every_port() -> None:
    text = recorded("GetGenericPortMappingEntry_0.response.xml")
    every = parse_mapping(text.replace("<NewExternalPort>40000", "<NewExternalPort>0"))
    assert every.mapping.external_port == ALL_PORTS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<NewExternalPort>40000", "<NewExternalPort>70000"),
        ("<NewExternalPort>40000", "<NewExternalPort>-1"),
        ("<NewInternalPort>40000", "<NewInternalPort>"),
        ("192.168.1.50", "router.lan"),
        ("GetGenericPortMappingEntryResponse", "GetStatusInfoResponse"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(old: str, new: str) -> None:
    with pytest.raises(ParseError):
        parse_mapping(recorded("GetGenericPortMappingEntry_0.response.xml").replace(old, new))


def test_the_end_of_the_table_is_known() -> None:
    assert is_end_of_table(recorded("GetGenericPortMappingEntry_3.response.xml"))
    assert not is_end_of_table(recorded("InvalidAction.response.xml"))
    with pytest.raises(ParseError):
        is_end_of_table(recorded("GetExternalIPAddress.response.xml"))


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        '<?xml version="1.0"?><!DOCTYPE x SYSTEM "http://203.0.113.9/x.dtd"><x/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        "<!DOCTYPE x><x/>",
        "<x>&undefined;</x>",
        "<x>" * 200 + "</x>" * 200,
        "<x>" + "<y/>" * 3000 + "</x>",
        "<x>" + "y" * 70_000 + "</x>",
        "<x><y></x>",
        "<x/><x/>",
        "",
        "\0\0",
        '<?xml version="1.0" encoding="EBCDIC"?><x',
    ],
)
def test_xml_that_does_more_than_hold_text_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        read_xml(text)


def test_controls_in_texts_reach_nobody() -> None:
    text = recorded("rootDesc_igd1_miniupnpd-2.3.1.xml").replace(
        "Debian router", "R\u202e\u009b31m\nouter" + "r" * 500
    )
    title = parse_description(text, LOCATION).title
    assert title.isprintable()
    assert len(title) <= 200


# Boxes that misbehave: what they do not tell stays unknown.


def test_a_box_without_an_address_says_so_and_still_lists_its_mappings() -> None:
    for empty in (b"", b"0.0.0.0"):
        with TcpStranger(gateway(empty)) as box:
            seen = read_gateway(Box(HOME, box.url("/rootDesc.xml")), 2)
        assert (seen.wan, seen.wanless) == (None, True)
        assert seen.mappings is not None
        assert len(seen.mappings) == 3


def test_a_table_without_end_is_cut_and_said_to_be() -> None:
    entry = (IGD / "GetGenericPortMappingEntry_1.response.xml").read_bytes()

    def endless(request: bytes) -> list[bytes | float]:
        return [page(entry)] if b"PortMappingIndex" in request else list(gateway()(request))

    with TcpStranger(endless) as box:
        seen = read_gateway(Box(HOME, box.url("/rootDesc.xml")), 2)
    assert seen.mappings is not None
    assert (len(seen.mappings), seen.whole) == (MOST_MAPPINGS, False)


@pytest.mark.parametrize(
    "answer",
    [
        page(BOMB.encode()),
        page(b"x" * 200_000),
        page(b"", "302 Found", "Location: http://203.0.113.9/desc.xml"),
        page(b"", "404 Not Found"),
        page(b"<root/>"),
        b"",
    ],
)
def test_a_description_that_cannot_be_read_is_said(answer: bytes) -> None:
    with TcpStranger(lambda _: [answer]) as box:
        seen = read_gateway(Box(HOME, box.url("/rootDesc.xml")), 1)
    assert (seen.wan, seen.wanless, seen.mappings) == (None, False, None)
    assert "description" in seen.why
    assert len(box.requests) == 1


def test_a_slow_drip_ends_in_time() -> None:
    with (
        TcpStranger(
            lambda _: [b"HTTP/1.1 200 OK\r\n\r\n", *[part for _ in range(40) for part in (b"<x>", 0.05)]]
        ) as box,
        pytest.raises(FetchError, match="timed out"),
    ):
        read_description(box.url("/rootDesc.xml"), seconds=0.3)
