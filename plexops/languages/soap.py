"""SOAP as UPnP and TR-064 speak it: one action with its arguments, written by Python's own XML."""

from __future__ import annotations

from plexops.languages.base import check_text
from plexops.model.exchange import SoapCall
from plexops.pattern import Pattern

_SERVICE = Pattern(r"urn:[A-Za-z0-9.:_-]{1,120}")
_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_.-]{0,80}")
_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
#: UPnP Device Architecture 1.1, 3.2.1: the envelope has to say so.
_STYLE = "http://schemas.xmlsoap.org/soap/encoding/"


def action_of(call: SoapCall) -> str:
    """Give the value of the header SOAPAction, without its quotes. Raises ValueError for what names no action."""
    if _SERVICE.fullmatch(call.service) is None or _NAME.fullmatch(call.action) is None:
        raise ValueError(f"{call.service}#{call.action} names no action")
    return f"{call.service}#{call.action}"


def envelope(call: SoapCall) -> bytes:
    """Write the body of a request. Raises ValueError for a name that is none, and a text that XML cannot hold."""
    from xml.etree import ElementTree as ET

    action_of(call)
    root = ET.Element("s:Envelope", {"xmlns:s": _ENVELOPE, "s:encodingStyle": _STYLE})
    action = ET.SubElement(ET.SubElement(root, "s:Body"), f"u:{call.action}", {"xmlns:u": call.service})
    for name, value in call.arguments:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of an argument")
        ET.SubElement(action, name).text = check_text(str(int(value) if isinstance(value, bool) else value))
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written
