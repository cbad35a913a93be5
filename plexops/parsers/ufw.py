"""ufw's own rule files, /etc/ufw/user.rules and user6.rules: readable whether ufw is active or not."""

from __future__ import annotations

from plexops.parsers.base import ParseError, Row, lines_of
from plexops.pattern import Pattern

#: As ufw's backend_iptables.py writes them: eight words, or ten with application profiles.
_TUPLE = Pattern(r"### tuple ### (.+?)(?: comment=([0-9a-f]*))?")
_ACTION = Pattern(r"(route:)?(allow|deny|reject|limit)(?:_(log|log-all))?")
_DIRECTION = Pattern(r"(in|out)(?:_(.+?))?(?:!(out)_(.+))?")


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
    words = match[1].split(" ") if match else []
    if match is None or len(words) not in {7, 9}:
        raise ParseError("no rule of ufw", line)
    action = _ACTION.fullmatch(words[0])
    direction = _DIRECTION.fullmatch(words[-1])
    if action is None or direction is None:
        raise ParseError("no rule of ufw", line)
    _, protocol, dport, dst, sport, src = words[:6]
    dapp, sapp = words[6:8] if len(words) == 9 else ("-", "-")
    first_way, first_interface, _, second_interface = direction.groups(default="")
    inward = first_way == "in"
    return {
        "action": action[2],
        "protocol": protocol,
        "dport": dport,
        "dst": dst,
        "sport": sport,
        "src": src,
        "dapp": _application(dapp),
        "sapp": _application(sapp),
        "direction": first_way,
        "interface_in": first_interface if inward else "",
        "interface_out": second_interface if inward else first_interface,
        "route": "1" if action[1] else "0",
        "log": action[3] or "",
        "comment": _comment(match[2] or "", line),
        "family": "ipv6" if ":" in dst or ":" in src else "ipv4",
    }


def _application(word: str) -> str:
    return "" if word == "-" else word.replace("%20", " ")


def _comment(digits: str, line: str) -> str:
    try:
        return bytes.fromhex(digits).decode()
    except ValueError as error:
        raise ParseError("a comment that is no text", line) from error
