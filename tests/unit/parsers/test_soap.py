"""SOAP: what is written is what the standard's client wrote, answers become values or refusals, tables are read whole."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from plexops.drivers.soap_table import SoapRows, ask_table
from plexops.languages.soap import action_of, envelope
from plexops.model.exchange import Read, Reply, SoapCall, shown
from plexops.model.xml import read_elements
from plexops.parsers.base import ParseError
from plexops.parsers.soap import SoapFault, parse_soap
from plexops.transport.record import read_key

#: Real exchanges with miniupnpd 2.3.1.
IGD = Path(__file__).resolve().parents[2] / "captures" / "data" / "upnp_igd"
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:2"
ENTRY = SoapCall(SERVICE, "/ctl/IPConn", "GetGenericPortMappingEntry")


def recorded(name: str) -> str:
    return (IGD / name).read_text(encoding="utf-8")


def canonical(text: str) -> str:
    return ET.canonicalize(text.strip(), strip_text=True, rewrite_prefixes=True)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("GetExternalIPAddress", SoapCall(SERVICE, "/ctl/IPConn", "GetExternalIPAddress")),
        (
            "GetGenericPortMappingEntry_1",
            SoapCall(SERVICE, "/ctl/IPConn", ENTRY.action, (("NewPortMappingIndex", 1),)),
        ),
    ],
)
def test_a_request_is_the_one_that_a_real_gateway_answered(name: str, call: SoapCall) -> None:
    assert canonical(envelope(call).decode()) == canonical(recorded(f"{name}.request.xml"))


def test_hostile_texts_stay_texts() -> None:
    text = "</NewX><u:Reboot/>&\"'<!--"
    sent = envelope(SoapCall(SERVICE, "/x", "AddPortMapping", (("NewX", text), ("NewOn", False))))
    (action,) = next(read_elements(sent.decode()).all("Body")).children
    assert action.texts() == {"NewX": text, "NewOn": "0"}


@pytest.mark.parametrize(
    "call",
    [
        SoapCall("urn:x", "/x", 'Get"\r\nX: y'),
        SoapCall("urn:x", "/x", ""),
        SoapCall('urn:x"', "/x", "GetInfo"),
        SoapCall("http://x", "/x", "GetInfo"),
        SoapCall("urn:x", "/x", "GetInfo", (("a b", "1"),)),
        SoapCall("urn:x", "/x", "GetInfo", (("a", "\x00"),)),
    ],
)
def test_what_names_no_action_is_not_written(call: SoapCall) -> None:
    with pytest.raises(ValueError, match=r"names no action|no name|control character"):
        envelope(call)


def test_an_action_is_shown_and_recorded_by_its_name_and_arguments() -> None:
    call = SoapCall(SERVICE, "/x", "GetX", (("a", 1),))
    assert action_of(call) == shown(call) == f"{SERVICE}#GetX"
    assert read_key(Read("x", call)) == {"soap": f"{SERVICE}#GetX", "path": "/x", "arguments": (("a", 1),)}


def test_answers_of_a_real_gateway_are_values() -> None:
    assert parse_soap(recorded("GetExternalIPAddress.response.xml"), "GetExternalIPAddress") == {
        "NewExternalIPAddress": "81.2.69.142"
    }
    entry = parse_soap(recorded("GetGenericPortMappingEntry_0.response.xml"), ENTRY.action)
    assert not isinstance(entry, SoapFault)
    assert set(entry) == {
        *("NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort", "NewInternalClient"),
        *("NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"),
    }
    assert parse_soap(recorded("InvalidAction.response.xml"), "X") == SoapFault(401, "Invalid Action")


ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{}</s:Body></s:Envelope>'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html/>",
        "not xml",
        "<!DOCTYPE x><x/>",
        ENVELOPE.format(""),
        ENVELOPE.format("<u:OtherResponse xmlns:u='u'/>"),
        ENVELOPE.format("<GetXResponse><a>1</a><a>2</a></GetXResponse>"),
        ENVELOPE.format("<GetXResponse><a><b>1</b></a></GetXResponse>"),
        ENVELOPE.format("<GetXResponse/><GetXResponse/>"),
        ENVELOPE.format("<GetXResponse/><s:Fault/>"),
        ENVELOPE.format("<s:Fault/>"),
        ENVELOPE.format("<s:Fault><UPnPError><errorCode>x</errorCode></UPnPError></s:Fault>"),
        ENVELOPE.format("<s:Fault><UPnPError><errorCode>²</errorCode></UPnPError></s:Fault>"),
        "<GetXResponse/>",
        ENVELOPE.format("<GetXResponse><a>" + "x" * 70_000 + "</a></GetXResponse>"),
    ],
)
def test_anything_else_is_not_understood(text: str) -> None:
    with pytest.raises(ParseError):
        parse_soap(text, "GetX")


def fault(code: int) -> str:
    return ENVELOPE.format(f"<s:Fault><UPnPError><errorCode>{code}</errorCode></UPnPError></s:Fault>")


def table(answers: Sequence[str], *, most: int = 8, whole: bool = True) -> tuple[SoapRows, int]:
    """Ask a table of which the places answer so; give what came of it, and how many places were asked."""
    asking: Generator[Any, Any, SoapRows] = ask_table(
        Read("entries", ENTRY), "NewPortMappingIndex", frozenset({713, 714, 401}), most
    )
    asked = 0
    try:
        (read,) = next(asking)
        while True:
            assert read.ask.arguments == (("NewPortMappingIndex", asked),)
            reply = Reply(read.id, 200, answers[asked], whole=whole)
            asked += 1
            (read,) = asking.send((reply,))
    except StopIteration as ended:
        rows: SoapRows = ended.value
        return rows, asked


ROW = ENVELOPE.format(
    "<GetGenericPortMappingEntryResponse><NewX>1</NewX></GetGenericPortMappingEntryResponse>"
)


def test_a_table_is_asked_until_it_says_that_there_is_no_more() -> None:
    assert table([ROW, ROW, fault(713), ROW]) == (SoapRows(({"NewX": "1"},) * 2), 3)
    assert table([fault(714)]) == (SoapRows(()), 1)


@pytest.mark.parametrize(
    ("answers", "rows", "why"),
    [
        # A FRITZ!Box that lets no app in says 401 of everything: that is no empty table.
        ([fault(401)], 0, "refused: 401"),
        ([ROW, fault(501)], 1, "refused: 501"),
        ([ROW, "<html/>"], 1, "no answer to"),
        ([ROW] * 8, 8, "8 rows or more"),
    ],
)
def test_a_table_that_ends_in_another_way_may_have_more(answers: list[str], rows: int, why: str) -> None:
    found, _ = table(answers)
    assert len(found.rows) == rows
    assert why in found.why


def test_a_place_that_was_cut_off_ends_the_table_with_a_reason() -> None:
    assert table([ROW], whole=False)[0].why == "place 0 of the table did not come whole"


def test_only_an_action_is_asked_place_by_place() -> None:
    from plexops.model.exchange import Call

    with pytest.raises(TypeError, match="SOAP"):
        next(ask_table(Read("x", Call("GET", "/")), "i", frozenset(), 1))
