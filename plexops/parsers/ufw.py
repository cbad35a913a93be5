"""ufw's own rule files, /etc/ufw/user.rules and user6.rules: readable whether ufw is active or not."""

from __future__ import annotations

from plexops.parsers.base import ParseError, Row, lines_of
from plexops.pattern import Pattern

#: As ufw's backend_iptables.py writes them: eight words, or ten with application profiles.
_TUPLE = Pattern(
    r"### tuple ### (?P<route>route:)?(?P<action>allow|deny|reject|limit)(?:_(?P<log>log|log-all))? "
    r"(?P<protocol>[^ ]*) (?P<dport>[^ ]*) (?P<dst>[^ ]*) (?P<sport>[^ ]*) (?P<src>[^ ]*)"
    r"(?: (?P<dapp>[^ ]*) (?P<sapp>[^ ]*))? (?P<direction>in|out)(?:_(?P<first>[^ ]+?))?(?:!out_(?P<second>[^ ]+))?"
    r"(?: comment=(?P<comment>[0-9a-f]*))?"
)


def parse_ufw_rules(text: str) -> list[Row]:
    """Read the `### tuple ###` lines, in order: ufw's first match wins.

    Rows: action, protocol (`tcp`, `udp`, `any` …), dport, dst, sport, src, dapp, sapp (application profiles, empty
    without), direction (`in`, `out`), interface_in, interface_out, route (`1` for `ufw route` rules), log (``,
    `log`, `log-all`), comment (decoded), family (`ipv4`, `ipv6`). Raises ParseError for a text that is no rule file.
    """
    rows: list[Row] = []
    known = False
    for line in lines_of(text):
        known = known or line == "### RULES ###"
        if line.startswith("### tuple ###"):
            rows.append(_row(line))
    if text.strip() and not rows and not known:
        raise ParseError("no rule file of ufw", text.strip())
    return rows


def _row(line: str) -> Row:
    match = _TUPLE.fullmatch(line)
    if match is None:
        raise ParseError("no rule of ufw", line)
    said = match.groupdict(default="")
    first, second, inward = said.pop("first"), said.pop("second"), said["direction"] == "in"
    return {
        **said,
        "dapp": _application(said["dapp"]),
        "sapp": _application(said["sapp"]),
        "interface_in": first if inward else "",
        "interface_out": second if inward else first,
        "route": "1" if said["route"] else "0",
        "comment": _comment(said["comment"], line),
        "family": "ipv6" if ":" in said["dst"] + said["src"] else "ipv4",
    }


def _application(word: str) -> str:
    return "" if word == "-" else word.replace("%20", " ")


def _comment(digits: str, line: str) -> str:
    try:
        return bytes.fromhex(digits).decode()
    except ValueError as error:
        raise ParseError("a comment that is no text", line) from error
