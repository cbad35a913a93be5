"""What firewalld says of its zones: `firewall-cmd --list-all-zones`, of what is in force and of what is kept."""

from __future__ import annotations

from plexops.parsers.base import ParseError, Row, lines_of
from plexops.pattern import Pattern

_ZONE = Pattern(r"(?P<zone>[^\s()]+)(?: \((?P<flags>[a-z, ]+)\))?")
_FIELD = Pattern(r"  (?P<name>[a-z][a-z -]*):(?: (?P<value>.*))?")
#: Fields of one word each. Of `rich rules` and `forward-ports` each item stands in a line of its own.
_WHOLE = frozenset({"target", "icmp-block-inversion", "forward", "masquerade"})
_LINES = frozenset({"rich rules", "forward-ports"})
#: What every zone has, in any version; an answer without it was cut off, or is none.
_ALWAYS = ("interfaces", "sources", "services", "ports", "protocols", "rich rules")


def parse_firewalld_zones(text: str) -> list[Row]:
    """Read zones: `zone`, `flags`, and its fields by firewalld's own names, as texts or lists.

    Seen with firewalld 1.3.3. Raises ParseError for any other text, and for a zone that lacks what all zones have.
    """
    zones: list[Row] = []
    items: list[str] = []
    field = ""
    for line in lines_of(text):
        if line.startswith("\t") and zones and field in _LINES:
            items.append(line[1:])
        elif (match := _FIELD.fullmatch(line)) is not None and zones:
            field, value = match["name"], match["value"] or ""
            items = [] if field in _LINES else value.split()
            zones[-1][field] = value if field in _WHOLE else items
        elif (match := _ZONE.fullmatch(line)) is not None:
            zones.append({"zone": match["zone"], "flags": match["flags"] or ""})
            field = ""
        elif line:
            raise ParseError("no zone of firewalld", line)
    if not zones:
        raise ParseError("firewalld named no zone")
    for zone in zones:
        if missing := [name for name in _ALWAYS if name not in zone]:
            raise ParseError(f"a zone without its {missing[0]}", str(zone["zone"]))
    return zones
