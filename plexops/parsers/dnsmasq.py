"""dnsmasq's configuration and lease files."""

from __future__ import annotations

import re

from plexops.parsers.base import ParseError, Row, lines_of, one_or_many, rows_of
from plexops.pattern import Pattern

_LOCATED = Pattern(r"(/[^:]+):(.*)")
_OPTION = Pattern(r"([a-z0-9][a-z0-9-]*)(?:[ \t]*=[ \t]*(.*))?")
_MAC = Pattern(r"(?:[0-9A-Fa-f]{2}-)?(?:[0-9A-Fa-f]{1,2}|\*)(?::(?:[0-9A-Fa-f]{1,2}|\*)){5}")
_IPV4 = Pattern(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_IPV6 = Pattern(r"\[?[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,7}(?:/[0-9]{1,3})?\]?")
_LEASE = Pattern(r"infinite|deprecated|[0-9]+[smhdw]?")
_HOST_NAME = Pattern(r"[A-Za-z0-9_*](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_TAG = Pattern(r"(?P<how>set|tag|net):(?P<tag>\S+)")
_MODE = Pattern(r"static|proxy|ra-only|slaac|ra-names|ra-stateless|ra-advrouter|off-link")


def parse_dnsmasq(text: str) -> list[Row]:
    """Read dnsmasq's configuration as `grep -Hrs '' FILE FOLDER` prints it (`FILE:line`), or a file alone.

    Rows, one per option: `.file`, `.line` (from 1), `.comment` (the comment on the line right before, without `#`),
    `option`, `value`; for dhcp-host also mac, address, name, lease, tags, only (the tags that it takes), id, ignore; for
    dhcp-range first, last, netmask, broadcast, lease, mode, tags. Several MAC addresses or tags are a list.
    """
    rows: list[Row] = []
    numbers: dict[str, int] = {}
    comment = ""
    previous = ""
    for raw in lines_of(text):
        located = _LOCATED.fullmatch(raw)
        file, line = (located[1], located[2]) if located else ("", raw)
        numbers[file] = numbers.get(file, 0) + 1
        before = comment if file == previous else ""
        comment, previous = "", file
        content = _without_comment(line)
        if content:
            rows.append(_row(file, numbers[file], before, content))
        elif line.lstrip().startswith("#"):
            comment = line.lstrip().lstrip("#").strip()
    return rows


def _row(file: str, number: int, comment: str, content: str) -> Row:
    match = _OPTION.fullmatch(content)
    if match is None:
        raise ParseError("no option of dnsmasq", content)
    row: Row = {
        ".file": file,
        ".line": str(number),
        ".comment": comment,
        "option": match[1],
        "value": match[2] or "",
    }
    if match[1] == "dhcp-host":
        row.update(_host(match[2] or ""))
    elif match[1] == "dhcp-range":
        row.update(_range(match[2] or ""))
    return row


#: What dnsmasq reads of a line up to a comment: in quotes, or up to a `#` behind white space.
_PIECE = Pattern(r'"([^"]*)"|((?:[^"#]|(?<=[^ \t])#)+)')


def _without_comment(line: str) -> str:
    """Cut a comment off as dnsmasq does: `#` after white space, not in quotes (which it takes off)."""
    parts: list[str] = []
    at = 0
    while (piece := _PIECE.match(line, at)) is not None:
        parts += filter(None, piece.groups())
        at = piece.end()
    if line.startswith('"', at):
        raise ParseError("a quote is not closed", line)
    return "".join(parts).strip()


def _host(value: str) -> Row:
    """dhcp-host's fields may stand in any order; their form tells them apart (dnsmasq's man page)."""
    found: dict[str, list[str]] = {}
    for part in (word.strip() for word in value.split(",")):
        key, text = _host_field(part)
        found.setdefault(key, []).append(text)
    for key, values in found.items():
        if len(values) > 1 and key not in {"mac", "tags", "only", "address6"}:
            raise ParseError(f"several values for {key} in dhcp-host", value)
    return {key: one_or_many(values) for key, values in found.items()}


def _host_field(part: str) -> tuple[str, str]:
    tag = _TAG.fullmatch(part)
    if tag:
        # `net:` is the old word for `set:`; with `tag:` an entry is for those alone that have it.
        return "only" if tag["how"] == "tag" else "tags", tag["tag"]
    if part.startswith("id:"):
        return "id", part[3:]
    if part == "ignore":
        return "ignore", "1"
    for key, pattern in (
        ("mac", _MAC),
        ("address", _IPV4),
        ("address6", _IPV6),
        ("lease", _LEASE),
        ("name", _HOST_NAME),
    ):
        if pattern.fullmatch(part):
            return key, part
    raise ParseError("no field of dhcp-host", part)


def _range(value: str) -> Row:
    """dhcp-range: tags, first, last or a mode, netmask, broadcast, lease, in this order."""
    row: Row = {}
    tags: list[str] = []
    addresses = ["first", "last", "netmask", "broadcast"]
    for part in (word.strip() for word in value.split(",")):
        tag = _TAG.fullmatch(part)
        if tag:
            tags.append(tag["tag"])
        elif _IPV4.fullmatch(part) or _IPV6.fullmatch(part):
            if not addresses:
                raise ParseError("too many addresses in dhcp-range", value)
            row[addresses.pop(0)] = part
        elif _MODE.fullmatch(part):
            row["mode"] = f"{row['mode']},{part}" if "mode" in row else part
        elif part.startswith("constructor:"):
            row["constructor"] = part.partition(":")[2]
        elif _LEASE.fullmatch(part) and "first" in row:
            of_ipv6 = ":" in str(row["first"]) and part.isdecimal() and "prefix" not in row
            row["prefix" if of_ipv6 else "lease"] = part
        else:
            raise ParseError("no field of dhcp-range", part)
    if "first" not in row:
        raise ParseError("dhcp-range without an address", value)
    return {**row, "tags": one_or_many(tags)} if tags else row


_LEASE_LINE = Pattern(
    rf"\s*(?P<expiry>[0-9]+) (?P<mac>{_MAC.source}) (?P<address>{_IPV4.source}) (?P<name>\S+) (?P<client_id>\S+)\s*"
)


def parse_dnsmasq_leases(text: str) -> list[Row]:
    """Read dnsmasq's lease file: `EXPIRY MAC ADDRESS NAME CLIENT-ID`, expiry in seconds since 1970 (0: never).

    Rows: expiry, mac, address, name (empty for `*`), client_id (empty for `*`). What follows the `duid` line are
    IPv6 leases, which name no MAC address; they are left out.
    """
    of_ipv4 = re.split(r"^duid ", text, maxsplit=1, flags=re.MULTILINE)[0]
    rows = rows_of(of_ipv4, _LEASE_LINE, "no lease of dnsmasq")
    return [{name: "" if value == "*" else value for name, value in row.items()} for row in rows]
