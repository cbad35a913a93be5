"""Kea's configuration, JSON with comments and included files, and its lease file (Kea's reference manual, DHCPv4)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError, Row, files_of, lines_of
from plexops.parsers.plain import parse_json
from plexops.pattern import Pattern

_MAIN = "/kea-dhcp4.conf"
_TEXT = r'"(?:[^"\\\n]|\\.)*"'
_PIECE = Pattern(
    rf'(?P<text>{_TEXT})|/\*.*?\*/|//[^\n]*|#[^\n]*|<\?include\s+"(?P<file>[^"\n]+)"\s*\?>', re.DOTALL
)
#: Kea warns of a comma behind the last member, and goes on.
_LAST_COMMA = Pattern(rf"(?P<text>{_TEXT})|,(?=\s*[\]}}])")


def parse_kea(text: str) -> Json:
    """Read kea-dhcp4.conf as `grep -Hr` prints it with what it includes, or alone: what stands below `Dhcp4`.

    `{}` where no such file is there. Raises ParseError for what is no JSON of Kea's, and where a file is included that is
    not among them.
    """
    files = files_of(text)
    main = next((path for path in files if not path or path.endswith(_MAIN)), None)
    if main is None:
        return {}
    plain = _LAST_COMMA.sub(lambda found: found["text"] or "", _without_comments(files, main, ()))
    found = parse_json(plain)
    if not isinstance(found, dict) or not isinstance(found.get("Dhcp4"), dict):
        raise ParseError("it holds no Dhcp4")
    below: Json = found["Dhcp4"]
    return below


def _without_comments(files: Mapping[str, str], path: str, around: tuple[str, ...]) -> str:
    if path not in files or path in around:
        raise ParseError("it includes a file that was not read", path)

    def piece(found: re.Match[str]) -> str:
        return found["text"] or (
            _without_comments(files, found["file"], (*around, path)) if found["file"] else " "
        )

    return _PIECE.sub(piece, files[path])


def parse_kea_leases(text: str) -> list[Row]:
    """Read Kea's lease files as `grep -H ''` prints them: `FILE.2`, which a clean-up made, is older than `FILE`.

    Rows by the names of their columns, `address`, `hwaddr`, `valid_lifetime`, `state`, `hostname`, …; of each address the
    last.
    """
    rows: dict[str, Row] = {}
    for _, lines in sorted(files_of(text).items(), reverse=True):
        names: list[str] = []
        for line in lines_of(lines):
            values = line.split(",")
            if not names:
                names = values
            elif len(values) != len(names):
                raise ParseError("no lease of Kea", line)
            else:
                row: Row = dict(zip(names, values, strict=True))
                rows[values[0]] = row
        if names and not {"address", "hwaddr", "state", "valid_lifetime"} <= set(names):
            raise ParseError("no lease file of Kea", ",".join(names))
    return list(rows.values())
