"""From what YAML or a variable gave to the type that a field has; with a cause and a cure where it does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address, ip_address

from plexops.config.problems import shown
from plexops.model.fields import FieldType, FieldValue
from plexops.model.site import Value
from plexops.model.values import UNUSABLE_NETWORKS, Ports, Protocol, is_key, parse_mac
from plexops.pattern import Pattern

_WORD = Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_HANDLE = Pattern(r"[A-Za-z0-9_.:@*\[\]/ -]{1,128}", re.ASCII)
_HOST = Pattern(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_DIGITS_AND_DOTS = Pattern(r"[0-9.]+", re.ASCII)
MAX_TEXT = 4096

#: How people and other tools write a number that we read only in plain digits, and what each is called.
_SPELLINGS = (
    (Pattern(r"0[0-9]+", re.ASCII), "it starts with a zero"),
    (Pattern(r"[0-9]+", re.ASCII), "quotes make it a text"),
    (Pattern(r"0[xX][0-9a-fA-F]+", re.ASCII), "it is written in hexadecimal"),
    (Pattern(r"0[oO][0-7]+", re.ASCII), "it is written in octal"),
    (Pattern(r"0[bB][01]+", re.ASCII), "it is written in binary"),
    (Pattern(r"[0-9]+(?:_[0-9]+)+", re.ASCII), "it has underscores"),
    (Pattern(r"[0-9]+(?::[0-9]+){2,}", re.ASCII), "its colons would make it a base-60 number elsewhere"),
    (Pattern(r"[+-][0-9]+", re.ASCII), "it has a sign"),
    (
        Pattern(r"[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+", re.ASCII),
        "it is a decimal fraction",
    ),
    (Pattern(r"[0-9]+ *[-:–] *[0-9]+", re.ASCII), "it is a range, and this takes one"),
    (Pattern(r"[0-9]+(?:[, ]+[0-9]+)+", re.ASCII), "it is a list, and this takes one"),
)


class Misfit(Exception):
    """A value that does not fit its type: the code, why, and what to do."""

    def __init__(self, code: str, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.cure = cure


def typed(kind: FieldType, value: Value) -> FieldValue:
    """Turn a value into its field's type. Raises Misfit."""
    if value is None:
        raise Misfit("PLX-C103", "the value is empty", "Write one, or leave the line out.")
    if not isinstance(value, (str, int, bool)):
        raise Misfit("PLX-C103", "this wants one value, not a table", "Write one value.")
    if kind in _OTHER_THAN_TEXT:
        return _OTHER_THAN_TEXT[kind](value)
    text = as_text(value)
    match kind:
        case FieldType.MAC:
            return mac(text)
        case FieldType.ADDRESS:
            return address(text)
        case FieldType.PROTOCOL if text not in ("tcp", "udp", "both"):
            raise Misfit("PLX-C104", f"{shown(text)} is no protocol that a task can want", "Write tcp.")
        case FieldType.PROTOCOL:
            return Protocol(text)
        case FieldType.KEY if not is_key(text):
            cure = "Use a small letter, then small letters, digits and underscores, at most 20 in all."
            raise Misfit("PLX-C108", f"{shown(text)} cannot be a key", cure)
        case FieldType.WORD if not _WORD.fullmatch(text):
            cure = "Use letters, digits, dots, hyphens and underscores, at most 63, and start with a letter or digit."
            raise Misfit("PLX-C108", f"{shown(text)} cannot be a name here", cure)
        case FieldType.HANDLE if not _HANDLE.fullmatch(text):
            raise Misfit("PLX-C108", f"{shown(text)} cannot be an entry's handle", "Copy it from the device.")
    return text


def number(value: str | int | bool) -> int:
    """Give an integer that was written in plain decimal digits. Raises Misfit."""
    if isinstance(value, bool):
        raise Misfit("PLX-C103", f"this wants a number, and {str(value).lower()} is none", "Write a number.")
    if isinstance(value, int):
        return value
    for spelling, why in _SPELLINGS:
        if spelling.fullmatch(value):
            reason = f"{shown(value)} is not read as a number: {why}"
            raise Misfit("PLX-C205", reason, "Write it in plain digits and without quotes, such as 32500.")
    reason = f"this wants a number, and {shown(value)} is a text"
    raise Misfit("PLX-C103", reason, "Write a number, such as 32500.")


def port(value: str | int | bool) -> int:
    """Give a port, 1 to 65535. Raises Misfit."""
    found = number(value)
    if not 1 <= found <= 65535:
        raise Misfit("PLX-C104", f"{found} is no port", "Ports go from 1 to 65535.")
    return found


def flag(value: str | int | bool) -> bool:
    """Give true or false. Raises Misfit."""
    if isinstance(value, bool):
        return value
    meant = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}
    word = str(value).lower()
    cure = f"Write {meant.get(word, word if word in {'true', 'false'} else 'true or false')}, without quotes."
    raise Misfit("PLX-C103", f"this wants true or false, and {shown(value)} is neither", cure)


def as_text(value: str | int | bool) -> str:
    """Give a text. A number is taken as its digits. Raises Misfit for true and false."""
    if isinstance(value, bool):
        reason = f"this wants a text, and {str(value).lower()} is none"
        raise Misfit("PLX-C103", reason, "Put it into quotes.")
    text = str(value)
    if len(text) > MAX_TEXT:
        raise Misfit("PLX-C104", "the text is longer than 4,096 characters", "Shorten it.")
    if not text.isprintable():
        raise Misfit("PLX-C103", "the text has a line break or another control character", "Take it out.")
    return text


def mac(text: str) -> str:
    """Give a MAC address in lower case with colons. Raises Misfit."""
    try:
        return parse_mac(text)
    except ValueError:
        pass
    digits = re.sub(r"[^0-9A-Fa-f]", "", text)
    whole = len(digits) == 12 and re.fullmatch(r"[0-9A-Fa-f:.\-]+", text)
    if whole and not re.fullmatch(r"(..[:-]){5}..", text):
        pairs = ":".join(digits[i : i + 2] for i in range(0, 12, 2)).lower()
        raise Misfit("PLX-C202", f"{shown(text)} is written in another way", f"Write {pairs}.")
    if re.fullmatch(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", text):
        why = "no device's address" if set(digits) == {"0"} else "the address of a group of hosts, not of one"
        cure = "“ip link” (Linux) or “getmac” (Windows) show the host's own."
        raise Misfit("PLX-C202", f"{shown(text)} is {why}", cure)
    cure = "Write six pairs of 0-9 and a-f: 52:54:00:12:34:56."
    raise Misfit("PLX-C202", f"{shown(text)} is not a MAC address", cure)


def address(text: str) -> IPv4Address:
    """Give an IPv4 address that a host can have. Raises Misfit."""
    try:
        found = IPv4Address(text)
    except AddressValueError:
        raise Misfit("PLX-C203", f"{shown(text)} is not an IPv4 address", _address_cure(text)) from None
    for network in UNUSABLE_NETWORKS:
        if found in network and not found.is_loopback:
            raise Misfit("PLX-C203", f"no host can have the address {found} (it lies in {network})",
                         "Write the host's address in your home network.")  # fmt: skip
    return found


def host(text: str) -> str:
    """Give an address or host name that one can connect to. Raises Misfit."""
    try:
        found = ip_address(text)
    except ValueError:
        pass
    else:
        return str(found) if found.version == 6 else str(address(text))
    if _DIGITS_AND_DOTS.fullmatch(text):
        raise Misfit("PLX-C203", f"{shown(text)} is not an IPv4 address", _address_cure(text))
    if _HOST.fullmatch(text) and len(text) <= 253:
        return text
    cure = "Write only the address or name, such as 192.168.1.1; a port goes into “port:”."
    raise Misfit("PLX-C203", f"{shown(text)} is neither an address nor a host name", cure)


def _address_cure(text: str) -> str:
    if "/" in text:
        return f"Write the address alone: {text.partition('/')[0]}."
    if ":" in text and text.count(":") == 1:
        return f"Write the address alone: {text.partition(':')[0]}."
    if ":" in text:
        return "IPv6 does not need a forward: write the IPv4 address."
    return "Write four numbers from 0 to 255, such as 192.168.1.50."


def ports(value: str | int | bool) -> Ports:
    """Give one port, or ranges of ports. Raises Misfit."""
    if isinstance(value, int):
        return Ports.of(port(value))
    try:
        return Ports.parse(value)
    except ValueError:
        reason = f"{shown(value)} is no port and no range of ports"
        raise Misfit("PLX-C205", reason, "Write 32500 or 1000-2000.") from None


_OTHER_THAN_TEXT: Mapping[FieldType, Callable[[str | int | bool], FieldValue]] = {
    FieldType.NUMBER: number, FieldType.PORT: port, FieldType.PORTS: ports, FieldType.FLAG: flag,
}  # fmt: skip
