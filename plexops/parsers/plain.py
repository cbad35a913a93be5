"""JSON, plain text, the shell-like `key=value` files of many tools, and lists of one line an item."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError, Row, lines_of, one_or_many, rows_of
from plexops.pattern import Pattern


def parse_json(text: str) -> Json:
    """Read one JSON document; ParseError for anything else, `NaN` and `Infinity` included."""

    def refuse(constant: str) -> NoReturn:
        raise ParseError("no JSON number", constant)

    try:
        document: Json = json.loads(text, parse_constant=refuse)
    except ParseError:
        raise
    except (ValueError, RecursionError) as error:
        raise ParseError(f"no JSON ({error})", text.strip()) from error
    return document


def parse_text(text: str) -> str:
    """Give the text without white space around it."""
    return text.strip()


def parse_lines(text: str) -> list[str]:
    """Give the lines that are not empty."""
    return [line for line in lines_of(text) if line]


_ASSIGNMENT = Pattern(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(.*)")
#: miniupnpd.conf's permission rules are the only lines of such files without an equals sign.
_PERMISSION = Pattern(r"[ \t]*(allow|deny)[ \t]+(\S.*)")


def parse_keyvalue(text: str) -> Row:
    """Read `K='v'`, `K="v"`, `K=v` and `k = v` lines: os-release, ufw.conf, miniupnpd.conf.

    A key that occurs several times gives the list of its values in order. `#` starts a comment line, and behind a
    quoted value also a comment. Raises ParseError for any other line.
    """
    values: dict[str, list[str]] = {}
    for line in lines_of(text):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        match = _ASSIGNMENT.fullmatch(line) or _PERMISSION.fullmatch(line)
        if match is None:
            raise ParseError("no key=value line", line)
        values.setdefault(match[1], []).append(_unquoted(match[2]))
    return {key: one_or_many(found) for key, found in values.items()}


_SHELL_PART = Pattern(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^'"\\\s]+)""")


def _unquoted(value: str) -> str:
    """Take the quotes off a shell word; a value without quotes is taken as it stands, spaces included."""
    if not value.startswith(("'", '"')):
        return value
    parts: list[str] = []
    at = 0
    while at < len(value) and not value[at].isspace():
        match = _SHELL_PART.match(value, at)
        if match is None:
            raise ParseError("a quote is not closed", value)
        single, double, escaped, bare = match.groups()
        if double is not None:
            parts.append(re.sub(r'\\(["\\$`])', r"\1", double))
        else:
            parts.append(single if single is not None else escaped if escaped is not None else bare)
        at = match.end()
    rest = value[at:].strip()
    if rest and not rest.startswith("#"):
        raise ParseError("more than one word behind an equals sign", value)
    return "".join(parts)


_NEIGHBOUR = Pattern(
    r"(?P<address>\S+) dev (?P<interface>\S+)(?: +lladdr (?P<mac>\S+))?(?: .*)? "
    r"(?P<state>REACHABLE|STALE|DELAY|PROBE|PERMANENT|NOARP|FAILED|INCOMPLETE|NONE)(?: proto \S+)? *"
)


def parse_ip_neigh(text: str) -> list[Row]:
    """Read `ip neigh show` of iproute2 and of busybox, which tells more numbers in between.

    Rows: address, interface, mac (empty where nobody answers), state. REACHABLE: it has answered within
    `base_reachable_time`, half a minute; a STALE one may be days old (arp(7)).
    """
    return rows_of(text, _NEIGHBOUR, "no neighbour")


_MAPPING = Pattern(
    r"(?P<protocol>TCP|UDP):(?P<external_port>[0-9]{1,5}):(?P<address>[0-9.]{7,15}):(?P<port>[0-9]{1,5})"
    r":(?P<expiry>[0-9]{1,20}):(?P<description>.*)"
)


def parse_miniupnpd_leases(text: str) -> list[Row]:
    """Read miniupnpd's lease file: `TCP:32500:192.168.1.50:32400:EXPIRY:DESCRIPTION`, expiry in seconds since 1970.

    Rows: protocol (as written, upper case), external_port, address, port, expiry (`0`: never), description, which may
    hold colons.
    """
    return rows_of(text, _MAPPING, "no mapping of miniupnpd")


_SOCKET = Pattern(
    r"\s*(?:(?P<protocol>tcp|udp|p_raw|p_dgr)\s+)?(?P<state>[A-Z][A-Z0-9-]+)\s+\d+\s+\d+\s+"
    r"(?P<address>\S+):(?P<port>\S+)\s+(?:(?P<peer_address>\S+):(?P<peer_port>\S+)|\*)(?:\s+(?P<process>.*?))?\s*"
)
_SS_HEADING = Pattern(r"^(?:Netid\s+)?State\s+Recv-Q.*", re.MULTILINE)


def parse_ss(text: str) -> list[Row]:
    """Read `ss -Htln` (with or without a protocol column, a heading or processes), or `ss -H0ln`.

    Rows: protocol (empty without its column), state, address (`*`, `::1`; without brackets, with `%interface`),
    port (of packet sockets, `-0`, the interface), peer_address, peer_port, process (`users:((…))` as it stands).
    """
    rows = rows_of(_SS_HEADING.sub("", text), _SOCKET, "no socket")
    for row in rows:
        row |= {end: re.sub(r"[\[\]]", "", str(row[end])) for end in ("address", "peer_address")}
    return rows
