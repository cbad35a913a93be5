"""`ip addr show` and `ip route show` as lines, for routers whose `ip` writes no JSON: the same rows as `ip -j` gives.

Seen with iproute2 6.1 and busybox 1.35; both print more of an interface than is of interest here.
"""

from __future__ import annotations

from plexops.model.exchange import Json
from plexops.parsers.base import ParseError, lines_of
from plexops.pattern import Pattern

_LINK = Pattern(r"[0-9]+: (?P<name>[^\s:@]+)(?:@[^\s:]+)?: <[A-Z0-9_,-]*> .*")
#: What else stands below a link: its hardware, other names, lifetimes, counters.
_OF_LINK = Pattern(r" +(?:link/|altname |valid_lft |alias |link-netns|vlan |prog/|RX|TX|[0-9]).*")
_ADDRESS = Pattern(
    r" +(?P<family>inet6?) (?P<local>[0-9a-fA-F.:]+)(?: peer [0-9a-fA-F.:]+)?(?:/(?P<length>[0-9]{1,3}))?(?P<more>(?: .*)?)"
)
_WORDS = frozenset(
    {"tentative", "dadfailed", "deprecated", "dynamic", "secondary", "temporary", "noprefixroute"}
)
#: Words of a route that a value follows.
_WITH_VALUE = frozenset({
    "via", "dev", "proto", "scope", "src", "metric", "pref", "table", "weight", "error", "expires", "mtu", "advmss",
    "hoplimit", "window", "rtt", "rttvar", "cwnd", "initcwnd", "initrwnd", "realm", "realms", "nhid", "rto_min",
})  # fmt: skip
_FLAGS = frozenset(
    {"onlink", "dead", "linkdown", "pervasive", "offload", "rt_offload", "trap", "notify", "unresolved"}
)
_KINDS = frozenset(
    {"unicast", "local", "broadcast", "multicast", "anycast", "blackhole", "unreachable", "prohibit", "throw"}
)


def parse_ip_address_lines(text: str) -> Json:
    """Read `ip addr show`. Rows: `ifname`, and in `addr_info` each `family`, `local`, `prefixlen` and what holds of it."""
    links: list[dict[str, Json]] = []
    held: list[Json] = []
    for line in lines_of(text):
        if match := _LINK.fullmatch(line):
            held = []
            links.append({"ifname": match["name"], "addr_info": held})
        elif links and (match := _ADDRESS.fullmatch(line)):
            words = match["more"].split()
            flags = {word: True for word in words if word in _WORDS}
            whole = 32 if match["family"] == "inet" else 128
            length = int(match["length"] or whole)
            row = {"family": match["family"], "local": match["local"], "prefixlen": length}
            scope = {"scope": words[words.index("scope") + 1]} if "scope" in words[:-1] else {}
            held.append({**row, **scope, **flags})
        elif not links or _OF_LINK.fullmatch(line) is None:
            raise ParseError("no line of `ip addr show`", line)
    if not links:
        raise ParseError("no interface at all, and there is always one")
    return [*links]


def parse_ip_route_lines(text: str) -> Json:
    """Read `ip route show`, with or without `-6`. Rows: `dst`, `gateway`, `dev`, `metric`, `type`, `flags`, `nexthops`."""
    routes: list[dict[str, Json]] = []
    for line in lines_of(text):
        words = line.split()
        if not words:
            continue
        if words[0] == "nexthop":
            if not routes:
                raise ParseError("a hop of no route", line)
            hops = routes[-1].setdefault("nexthops", [])
            if isinstance(hops, list):
                hops.append(_route(words[1:], line))
            continue
        kind = {"type": words.pop(0)} if words[0] in _KINDS else {}
        if not words:
            raise ParseError("a route to nothing", line)
        routes.append({**kind, "dst": words[0], **_route(words[1:], line)})
    for route in routes:
        # busybox prints no hops of a route that has several.
        if not {"dev", "gateway", "via", "nexthops", "type"} & set(route):
            raise ParseError("where a route leads is not said", str(route["dst"]))
    return [*routes]


def _route(words: list[str], line: str) -> dict[str, Json]:
    row: dict[str, Json] = {}
    flags: list[Json] = []
    rest = iter(words)
    for word in rest:
        if word in _FLAGS:
            flags.append(word)
            continue
        value = next(rest, None) if word in _WITH_VALUE else None
        if value is None:
            raise ParseError(f"no route: what {word!r} means there is not known", line)
        if word == "via" and value in ("inet", "inet6"):
            row["via"] = {"family": value, "host": next(rest, "")}
        else:
            row["gateway" if word == "via" else word] = (
                int(value) if word == "metric" and value.isdecimal() else value
            )
    return {**row, "flags": flags}
