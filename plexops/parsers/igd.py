"""What a UPnP gateway answers: its description, its address, its mappings. All of it is untrusted."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urljoin, urlsplit

from msgspec import Struct

from plexops.model.entries import UpnpMapping
from plexops.model.values import ALL_PORTS, Ports, Protocol
from plexops.model.xml import Element, read_elements
from plexops.parsers.base import ParseError

#: What a place behind the end of the table is called; some boxes say 714 (no such entry) or 402 instead.
_NO_MORE = frozenset({402, 713, 714})


class Described(Struct, frozen=True):
    """What a gateway says of itself. `services` are (service type, absolute address of its control)."""

    title: str
    maker: str
    model: str
    services: tuple[tuple[str, str], ...]


class IgdMapping(Struct, frozen=True):
    """One mapping of the table. `remote` is the only source that it lets in; empty for all."""

    mapping: UpnpMapping
    enabled: bool
    remote: str


def read_xml(text: str) -> Element:
    """Read a document into elements. Raises ParseError for what is no XML, has a DOCTYPE, or is too much."""
    try:
        return read_elements(text)
    except ValueError as error:
        raise ParseError(str(error), text[:80]) from None


def parse_description(text: str, location: str) -> Described:
    """Read a device description that was found at `location`. Raises ParseError.

    A service whose control lies on another host is left out.
    """
    root = read_xml(text)
    device = next(root.all("device"), None)
    if device is None:
        raise ParseError("the description has no device")
    base = root.said("URLBase") or location
    services = []
    for service in root.all("service"):
        control = _beside(location, base, service.said("controlURL"))
        if control:
            services.append((service.said("serviceType"), control))
    return Described(
        device.said("friendlyName"), device.said("manufacturer"), device.said("modelName"), tuple(services)
    )


def _beside(location: str, base: str, path: str) -> str:
    """Give the absolute address of a control on the host of the description; empty where it is on another."""
    try:
        home, control = urlsplit(location), urlsplit(urljoin(urljoin(location, base), path))
        elsewhere = control.hostname != home.hostname or (control.port or 80) not in range(1, 65536)
    except ValueError:
        return ""
    if not path or elsewhere or control.scheme != "http" or "@" in control.netloc:
        return ""
    return control.geturl()


def parse_external_address(text: str) -> IPv4Address | None:
    """Read the address on the internet side; None where the box has none. Raises ParseError."""
    response = _only(read_xml(text), "GetExternalIPAddressResponse")
    said = response.said("NewExternalIPAddress")
    if not said:
        return None
    try:
        return IPv4Address(said)
    except AddressValueError:
        raise ParseError("no address on the internet side", said) from None


def parse_mapping(text: str) -> IgdMapping:
    """Read one mapping. Raises ParseError."""
    response = _only(read_xml(text), "GetGenericPortMappingEntryResponse")
    words = {"TCP": Protocol.TCP, "UDP": Protocol.UDP}
    protocol = words.get(response.said("NewProtocol").upper(), Protocol.OTHER)
    try:
        external = Ports.parse(response.said("NewExternalPort"))
        mapping = UpnpMapping(
            # 0 is UPnP's word for every port.
            ALL_PORTS if external.single == 0 else external,
            IPv4Address(response.said("NewInternalClient")),
            Ports.parse(response.said("NewInternalPort")),
            protocol,
            response.said("NewPortMappingDescription"),
        )
    except ValueError as error:
        raise ParseError("a mapping that cannot be read", str(error)) from None
    return IgdMapping(
        mapping, response.said("NewEnabled").lower() in ("1", "true", "yes"), response.said("NewRemoteHost")
    )


def is_end_of_table(text: str) -> bool:
    """Tell whether a refusal means that the table has no such place. Raises ParseError for what is no refusal."""
    fault = next(read_xml(text).all("UPnPError"), None)
    code = "" if fault is None else fault.said("errorCode")
    if not (code.isascii() and code.isdigit()):
        raise ParseError("no answer of a UPnP gateway", text[:80])
    return int(code) in _NO_MORE


def _only(root: Element, name: str) -> Element:
    found = next(root.all(name), None)
    if found is None:
        raise ParseError("no answer of a UPnP gateway")
    return found
