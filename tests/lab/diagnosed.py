"""A home in order, one thing broken on its real daemons, and what packets and `plexops diagnose` say about it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from .daemons import PLEX_HOME
from .owner import PORT, mark, plexops, requests_since, unpack, wait_until
from .realhome import RealHome

Breaks = Callable[[RealHome], object]

#: Forwards and opens Plex as a household does it by hand.
FORWARD = """table inet mine {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan" tcp dport 32500 counter dnat ip to 192.168.1.50:32400 comment "plex by hand"
	}
}
"""
PASSAGE = 'insert rule inet filter forward ct status dnat accept comment "by hand"'
ALLOW = "prepend allow in proto tcp from any to any port 32400"
ON_AIR: Mapping[str, bool | int | str] = MappingProxyType(
    {"PublishServerOnPlexOnlineKey": True, "ManualPortMappingMode": True, "ManualPortMappingPort": PORT}
)
AUTOMATIC: Mapping[str, bool | int | str] = MappingProxyType({"PublishServerOnPlexOnlineKey": True})

#: Every request that a diagnosis may send, read by a person, whole. What stands in single quotes is one word.
READS = re.compile(
    r"nft -j list ruleset|ip6?tables(?:-legacy)?-save|ipset save|cat /proc/net/arp|"
    r"ip -j addr show|ip -j -[46] route show|ip -4 neigh show|ip -j -4 route get 1\.1\.1\.1|ss -H(?:tln|ulnp|0lnp)"
    r"|getent ahostsv4 plex\.tv|ls /usr/bin/firewall-cmd|systemctl show -p [\w,]+(?: -p [\w,]+)* [\w. -]+"
    r"|systemctl is-enabled nftables\.service|test -d /etc/nftables\.d"
    r"|pidof [\w-]+|hostname|date \+%Y-%m-%dT%H:%M:%S|ping -n -c 1 -W 1 -t [23] 1\.1\.1\.1"
    r"|nmcli -t -f GENERAL\.DEVICE,DHCP4 device show"
    r"|grep -(?:hs|Hs?|Hr|Hrvi|vi|EHrs|aH?E) (?:-m 1000 )?(?:[\w.-]+|'[^']*')"
    r"(?: (?:[\w/.*\[\]-]+|'[^']*'(?:\*log)?))+(?: \| tail -c \d+)?"
    r"|cat (?:[\w/.-]+|'[^']*')"
    r"|(?:docker|podman) (?:(?:ps|network ls) --format '[^']*'|inspect --type container --format '[^']*' [\w.-]+)"
    r"|curl -s (?:-S -4 |-v )?(?:-k )?(?:--(?:connect-timeout|max-time) \d+ )+https?://[\w.:/-]+"
)


def _closed() -> Mapping[int, str]:
    return {PORT: "timed out"}


def nothing(home: RealHome) -> None:
    """Break nothing."""


class Trouble(Struct, frozen=True):
    """One thing that is broken, what a person knows about the home then, and what plexops shall say.

    `world` is what the Internet gets at ports of the public address: open, refused, timed out, or closed for either
    of the two. `met`: this Plex answers at the first of them. `mends` takes back what `put_back` cannot. `told`:
    plex.tv has looked again since, else Plex still says what was true before. `first`: it stays undecided, with this
    cause named first.
    """

    name: str
    verdict: str
    layer: str
    status: int
    breaks: Breaks
    world: Mapping[int, str] = field(default_factory=_closed)
    met: bool = False
    told: bool = True
    first: str = ""
    mends: Breaks = nothing


class Looked(Struct, frozen=True):
    """What packets, plexops and the devices said about one trouble."""

    world: Mapping[int, str]
    identity: str | None
    done: subprocess.CompletedProcess[str]
    changed: Sequence[str]
    written: Sequence[str]
    asked: int
    seconds: float
    kept: int
    leaks: Sequence[str]
    site: Mapping[str, Any] = field(default_factory=dict)


def seed_by_hand(home: RealHome, *, igd: bool = False) -> None:
    """Bring a home in order by hand: forward, passage, the host's firewall. `igd`: Plex asks UPnP instead."""
    if not igd:
        home.nodes["router"].exec(["nft", "-f", "-"], FORWARD, check=True)
        nft(home, PASSAGE)
    ufw(home, ALLOW)
    check_again(home)


def nft(home: RealHome, *rules: str, node: str = "router") -> None:
    """Change a packet filter."""
    home.nodes[node].exec(["nft", "-f", "-"], "".join(f"{rule}\n" for rule in rules), check=True)


def ufw(home: RealHome, *words: str) -> None:
    """Change the server's firewall, as its owner does."""
    for line in words:
        home.nodes["server"].exec(["ufw", "--force", *line.split()], check=True)


def ask_plex(home: RealHome, method: str, path: str) -> str:
    """Ask Plex on the server itself, where nothing stands between."""
    url = f"http://127.0.0.1:32400{path}"
    argv = ["curl", "-s", "-m", "10", "-X", method, "-H", f"X-Plex-Token: {home.token}", url]
    return home.exec("server", argv).stdout


def check_again(home: RealHome) -> None:
    """Let plex.tv look from outside now. What comes within half a second of its last look is skipped."""
    time.sleep(0.6)
    checks = plex_log(home).count("Requesting reachability") + plex_log(home).count("Mapping failed")
    ask_plex(home, "PUT", "/myplex/refreshReachability")

    def looked() -> bool:
        log = plex_log(home)
        again = log.count("Requesting reachability") + log.count("Mapping failed") > checks
        return again and 'mappingState="waiting"' not in ask_plex(home, "GET", "/myplex/account")

    assert wait_until(looked, 15), plex_log(home)[-1500:]


def plex_log(home: RealHome) -> str:
    """Give Plex's log."""
    return home.read("server", f"{PLEX_HOME}/Logs/Plex Media Server.log")


def look(home: RealHome, trouble: Trouble) -> Looked:
    """Break one thing, see what packets do, diagnose, and take the break back."""
    kept = keep(home)
    if not trouble.told:
        check_again(home)
    trouble.breaks(home)
    try:
        if trouble.told:
            check_again(home)
        return _look(home, trouble)
    finally:
        put_back(home, kept)
        trouble.mends(home)


def _look(home: RealHome, trouble: Trouble) -> Looked:
    seen = {port: home.connect_from_outside(port, 1.2) for port in trouble.world}
    # Whether an address that nobody has is refused in time depends on the router's patience alone.
    world: dict[int, str] = {
        port: "closed" if trouble.world[port] == "closed" and answer != "open" else answer
        for port, answer in seen.items()
    }
    identity = home.identity_from_outside(next(iter(world)), 1.2)
    before, marked = exports(home), mark(home)
    vantage, plex = len(home.commands("outside")), len(home.requests_to_plex())
    old = {path for path in home.directory.rglob("*") if path.is_file()}
    started = time.monotonic()
    done = plexops(home, "diagnose", "--format", "json", "--format", "html:report.html")
    seconds = time.monotonic() - started
    sent = [request for requests in requests_since(home, marked).values() for request in requests]
    sent += [request for text in home.commands("outside")[vantage:] for request in unpack(text)]
    http = home.requests_to_plex()[plex:]
    after = exports(home)
    changed = [name for name in before if before[name] != after[name]]
    written = [text for text in sent if not READS.fullmatch(text)]
    written += [text for text in http if not text.startswith("GET ")]
    try:
        site = json.loads(done.stdout)["sites"][0]
    except (ValueError, LookupError):
        site = {}
    fresh = [path for path in home.directory.rglob("*") if path.is_file() and path not in old]
    return Looked(
        world,
        identity,
        done,
        changed,
        written,
        len(sent),
        seconds,
        len(fresh),
        leaks(home, done, fresh),
        site,
    )


def exports(home: RealHome) -> Mapping[str, object]:
    """Give all that plexops could change, in the devices' own words, without counters."""
    # The counters of policies move with every attempt from outside, and are in every export of iptables.
    rules = home.exec("server", ["iptables-save", "-t", "filter"]).stdout
    return {
        "nft": home.nft("router"),
        "nftables": home.nftables_files(),
        "dnsmasq": home.dnsmasq_files(),
        "leases": home.leases(),
        "ufw": home.ufw_files(),
        "server's filter": re.sub(r"\[[0-9]+:[0-9]+\]|# .*", "", rules),
        "address": home.address_of_server(),
        "Plex": ask_plex(home, "GET", "/:/prefs"),
    }


def leaks(home: RealHome, done: subprocess.CompletedProcess[str], files: Sequence[Path]) -> list[str]:
    """Name every text that must not leave the machine and is in what was printed or kept. `private/` holds the truth."""
    always = {
        "token": home.token,
        "account token": "owner-plex-tv-token-9f2",
        "user": "media.owner@example.org",
    }
    masked = {
        "identifier": home.machine_identifier,
        "public address": home.public_address,
    }
    found = [
        f"{what} in {where}"
        for what, text in always.items()
        for where, said in (("stdout", done.stdout), ("stderr", done.stderr))
        if text in said
    ]
    # The document goes into a pipe here: what leaves the terminal is masked.
    found += [f"{what} in stdout" for what, text in masked.items() if text in done.stdout]
    for path in files:
        said = path.read_bytes().decode(errors="replace")
        private = "private" in path.relative_to(home.directory).parts
        for what, text in ({"token": home.token} if private else always | masked).items():
            if text in said:
                found.append(f"{what} in {path.relative_to(home.directory)}")
    return found


class Kept(Struct, frozen=True):
    """What a break may have changed."""

    router: str
    isp: str
    ufw_files: Mapping[str, str]
    server: str
    dnsmasq: Mapping[str, str]


def keep(home: RealHome) -> Kept:
    """Remember the home."""
    return Kept(
        home.nft("router"), home.nft("isp"), home.ufw_files(), home.nft("server"), home.dnsmasq_files()
    )


def put_back(home: RealHome, kept: Kept) -> None:
    """Make the home as it was, where it differs."""
    for node, rules in (("router", kept.router), ("isp", kept.isp)):
        if home.nft(node) != rules:
            # miniupnpd's rules are shown in a form that nft does not read; it makes them anew when asked.
            kept_lines = [line for line in rules.splitlines() if "@nh" not in line]
            home.nodes[node].exec(
                ["nft", "-f", "-"], "\n".join(["flush ruleset", *kept_lines, ""]), check=True
            )
    if home.ufw_files() != kept.ufw_files or home.nft("server") != kept.server:
        home.nodes["server"].write(kept.ufw_files, mode=0o640)
        home.nodes["server"].sh("ufw disable >/dev/null; nft flush ruleset; ufw --force enable >/dev/null")
    home.nodes["router"].write(kept.dnsmasq)
