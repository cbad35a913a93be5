"""miniupnpd's lease file."""

from __future__ import annotations

from plexops.parsers.base import ParseError, Row, lines_of
from plexops.pattern import Pattern

_MAPPING = Pattern(r"(TCP|UDP):([0-9]{1,5}):([0-9.]{7,15}):([0-9]{1,5}):([0-9]{1,20}):(.*)")


def parse_miniupnpd_leases(text: str) -> list[Row]:
    """Read miniupnpd's lease file: `TCP:32500:192.168.1.50:32400:EXPIRY:DESCRIPTION`, expiry in seconds since 1970.

    Rows: protocol (as written, upper case), external_port, address, port, expiry (`0`: never), description, which may
    hold colons.
    """
    rows: list[Row] = []
    for line in lines_of(text):
        if not line:
            continue
        match = _MAPPING.fullmatch(line)
        if match is None:
            raise ParseError("no mapping of miniupnpd", line)
        protocol, external, address, port, expiry, description = match.groups()
        rows.append(
            {
                "protocol": protocol,
                "external_port": external,
                "address": address,
                "port": port,
                "expiry": expiry,
                "description": description,
            }
        )
    return rows
