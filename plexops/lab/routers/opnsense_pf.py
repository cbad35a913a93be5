"""What pf itself lists of its translations, as OPNsense's diagnostics hand it on (`pfctl -vvsnat` with counters)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plexops.lab.routers.opnsense_api import Answer, Call, NotFoundError
from plexops.lab.routers.opnsense_model import Row

_DEVICES = {"lan": "igb0", "wan": "igb1"}
_SERVICES = {"22": "ssh", "25": "smtp", "53": "domain", "80": "http", "143": "imap", "443": "https"}
_HEAD = (
    "no nat proto carp all",
    "nat on igb1 inet from <lan:2> to any -> (igb1:0) port 1024:65535",
    "no rdr proto carp all",
    "no rdr on igb0 proto tcp from any to (igb0:1) port = https",
)
#: The plugin's own, last (`miniupnpd.inc` of OPNsense's plugins); without it there are none.
_UPNP = ('rdr-anchor "miniupnpd" all', 'binat-anchor "miniupnpd" all')  # fmt: skip


def loaded_rules(call: Call, live: Iterable[Row], *, upnp: bool) -> Answer:
    """Answer `pf_statistics/rules`: what was loaded last, whatever has been saved since."""
    if call.action != "pf_statistics" or call.arguments != ("rules",):
        raise NotFoundError
    rules = sorted(live, key=lambda row: int(row["sequence"]))
    lines = [*_HEAD, *(line for row in rules if row["disabled"] == "0" for line in _lines(row))]
    lines = ['nat-anchor "miniupnpd" all', *lines, *_UPNP] if upnp else lines
    filters = ["scrub in all fragment reassemble", "block drop in log inet all label \"02f4bab031b57d1e\"",
               *(['anchor "miniupnpd" all'] if upnp else [])]  # fmt: skip
    counters = {"evaluations": 4102, "packets": 12, "bytes": 720, "states": 0, "inserted": "uid 0 pid 0"}
    listed = {f"@{number} {line}": counters for number, line in enumerate(lines)}
    filtered = {f"@{number} {line}": counters for number, line in enumerate(filters)}
    return {"rules": {"filter rules": filtered, "nat rules": listed}}


def _lines(row: Row) -> Iterator[str]:
    if not row["target"] and row["nordr"] != "1":
        return
    for side in row["interface"].split(","):
        for protocol in row["protocol"].split("/"):
            yield " ".join(filter(None, _words(row, side, protocol)))


def _words(row: Row, side: str, protocol: str) -> Iterator[str]:
    no = row["nordr"] == "1"
    yield "no rdr" if no else "rdr" if row["pass"] in ("", "rule") else "rdr pass"
    yield f"on {_DEVICES[side]}" if side else ""
    yield "inet"
    yield f"proto {protocol}" if protocol else ""
    source = f"{'! ' if row['source.not'] == '1' else ''}{row['source.network'] or 'any'}"
    to = {"wanip": "(igb1:1)", "lanip": "(igb0:1)", "": "any"}.get(row["destination.network"])
    first, dash, last = row["destination.port"].partition("-")
    port = f" port {first}:{last}" if dash else f" port = {_SERVICES.get(first, first)}" if first else ""
    yield f"from {source} to {to or row['destination.network']}{port}"
    inner = row["local-port"]
    if dash and inner:
        inner = f"{inner}:{int(inner) + int(last) - int(first)}"
    yield "" if no else f"-> {row['target']}" + (f" port {inner}" if inner else "")
