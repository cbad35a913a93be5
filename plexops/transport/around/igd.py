"""UPnP's InternetGatewayDevice, read only: its description, its address on the internet side, its mappings.

There are two questions and no third: no text from outside becomes part of an action's name.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address
from types import MappingProxyType
from urllib.parse import urlsplit

from msgspec import Struct

from plexops.model.igd import MOST_MAPPINGS, Service
from plexops.transport.around.fetch import Ask, fetch
from plexops.transport.net import is_private


class _Question(StrEnum):
    ADDRESS = "GetExternalIPAddress"
    MAPPING = "GetGenericPortMappingEntry"


class Control(Struct, frozen=True):
    """Where one service of a gateway is asked. Raises ValueError for an address that is not in a home."""

    url: str
    service: Service

    def __post_init__(self) -> None:
        _in_a_home(self.url)
        Service(self.service)


def read_description(location: str, *, seconds: float = 2.0) -> str:
    """Give the gateway's description. Raises FetchError; ValueError for an address that is not in a home."""
    _in_a_home(location)
    return fetch(Ask(location), seconds).page()


def ask_address(control: Control, *, seconds: float = 2.0) -> tuple[int, str]:
    """Ask for the address on the internet side; give status and answer. Raises FetchError."""
    return _ask(control, _Question.ADDRESS, "", seconds)


def ask_mapping(control: Control, index: int, *, seconds: float = 2.0) -> tuple[int, str]:
    """Ask for the mapping at a place of the table, from 0; give status and answer. Raises FetchError, ValueError."""
    if not 0 <= index < MOST_MAPPINGS:
        raise ValueError(f"a place in the table is 0 to {MOST_MAPPINGS - 1}")
    place = f"<NewPortMappingIndex>{index:d}</NewPortMappingIndex>"
    return _ask(control, _Question.MAPPING, place, seconds)


def _ask(control: Control, question: _Question, arguments: str, seconds: float) -> tuple[int, str]:
    body = (
        '<?xml version="1.0"?>\r\n'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{question} xmlns:u="{control.service}">{arguments}</u:{question}></s:Body></s:Envelope>\r\n'
    ).encode()
    headers = MappingProxyType(
        {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{control.service}#{question}"'}
    )
    answer = fetch(Ask(control.url, headers, body), seconds)
    return answer.status, answer.text


def _in_a_home(url: str) -> None:
    parts = urlsplit(url)
    try:
        address = IPv4Address(parts.hostname or "")
    except AddressValueError:
        raise ValueError("a gateway is named by its address") from None
    if parts.scheme != "http" or "@" in parts.netloc or not is_private(str(address)):
        raise ValueError(f"{address} is not in a home")
