"""firewalld: one rich rule in the zone of the host's interface, in force and kept, without a reload.

Seen with firewalld 1.3.3. A reload would lose what others put there for a while, and a service or a policy of our own is
not in force without one: a rich rule is, the same text in both. It has no comment; the one part that bears a text and does
nothing is `nflog` with a prefix (from 1.1 on): the kernel hands such packets to who listens at group 0, usually no one.
With priority 0 it stands behind all that the zone denies: whom the owner shuts out stays out. That a rule is there
already, or is gone, is a warning with status 0.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

from msgspec import Struct

from plexops.drivers.answers import ROOT, failed
from plexops.drivers.base import Unrenderable
from plexops.drivers.server import firewall
from plexops.model.change import Action, Change
from plexops.model.entries import HostRule
from plexops.model.exchange import Command, Read, Reply, Write, shown
from plexops.model.packets import Box
from plexops.model.resources.firewall_rule import FirewallRule
from plexops.model.site import HostFirewall
from plexops.model.snapshot import Entry, Kind, KindState, Snapshot
from plexops.parsers.base import ParseError, Row
from plexops.parsers.firewalld import parse_firewalld_zones
from plexops.pattern import Pattern

#: firewall-cmd(1): the status of what needs the daemon while that does not run.
_NOT_RUNNING = 252
_PROGRAM = "/usr/bin/firewall-cmd"
#: Statuses of `ls` for what is not there, of busybox and of coreutils.
_NOT_THERE = frozenset({1, 2})
#: `firewall-cmd` is a Python program that takes 0.1 s: it is asked only where the kernel may hold what it put there.
_INSTALLED = Read("firewalld", Command(f"ls {_PROGRAM}"), absent=_NOT_THERE)
_READS = tuple(
    Read(f"firewalld.{name}", Command(f"firewall-cmd {words}"))
    for name, words in (
        ("state", "--state"),
        ("version", "--version"),
        ("default", "--get-default-zone"),
        ("zones", "--list-all-zones"),
        ("kept", "--permanent --list-all-zones"),
    )
)
_VERSION = Pattern(r"(\d{1,4})\.(\d{1,4})(?:[.~+-].*)?")
#: The first version whose rich rules know `nflog`.
_NFLOG_FROM = (1, 1)
_OURS = Pattern(
    r'rule(?P<family> family="ipv4")? port port="(?P<port>[0-9]{1,5})" protocol="tcp" '
    rf'nflog prefix="(?P<tag>{firewall.TAG}[^"]*)" accept'
)
_PREFIX = Pattern(rf'\bprefix="({firewall.TAG}[^"]*)"')
_SERVICE = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SERVICE_LINE = Pattern(r"(/etc|/usr/lib)/firewalld/services/([^/:]+)\.xml:(.*)")
_ELEMENT = Pattern(r"<(port|include) ([^<>]*)/>")
_ATTRIBUTE = Pattern(r'(\w+)="([^"]*)"')

_OFF = firewall.FirewallState(
    KindState.PRESENT, firewall.facts_of("server.firewalld", kind="firewalld", active=False)
)


class Firewalld(Struct, frozen=True):
    """firewalld as one of the firewalls that a host may have."""

    word: HostFirewall = HostFirewall.FIREWALLD
    reads: tuple[Read, ...] = (_INSTALLED,)
    look: str = "firewall-cmd --list-all-zones ; firewall-cmd --permanent --list-all-zones"

    def observe(self, host: firewall.Host) -> firewall.Reading:
        """Ask it for its zones if it runs, and for what their services open."""
        installed = host.replies[_INSTALLED.id]
        if installed.whole and installed.status in _NOT_THERE:
            return firewall.FirewallState(KindState.ABSENT, reason="firewalld is not installed")
        if not installed.whole or (installed.status, installed.body.strip()) != (0, _PROGRAM):
            return _not_known(failed(installed, ROOT), host.box)
        if not _is_loaded(host.box):
            return _OFF
        replies = yield _READS
        state, said = replies[0], (replies[0].body + replies[0].stderr).strip()
        if state.whole and (state.status, said) == (_NOT_RUNNING, "not running"):
            return _OFF
        if not state.whole or (state.status, said) != (0, "running"):
            return _not_known(failed(state, ROOT), host.box)
        if bad := next((reply for reply in replies if not reply.whole or reply.status != 0), None):
            return _not_known(failed(bad, ROOT), host.box)
        version, default, zones, kept = (reply.body for reply in replies[1:])
        try:
            now, later = _by_name(parse_firewalld_zones(zones)), _by_name(parse_firewalld_zones(kept))
        except ParseError as reason:
            return _not_known(f"what firewalld says is not understood: {reason}", host.box)
        zone = _zone_of(host.interface, default.strip(), now)
        if zone not in now or _VERSION.fullmatch(version.strip()) is None:
            why = f"it is not known in which zone of firewalld {host.interface or 'the interface'} is"
            return _not_known(why, host.box)
        services = yield from _services(now[zone], later.get(zone, {}))
        return _state(zone, now, later, services, version.strip())

    def writes(self, change: Change, now: Snapshot) -> tuple[Write, ...]:
        """Put our rule into the zone, or take it out: what is in force first, which a restart gives back."""
        wanted = firewall.wanted_rule(change)
        if now.flag("firewall.active") is not True:
            raise Unrenderable("firewalld does not run: nothing is written for it")
        zone = now.text("firewall.zone") or ""
        had = change.before.values if change.before is not None else None
        gone = (
            ()
            if not isinstance(had, FirewallRule)
            else _both("remove", _zone_in(change, zone), _rule(change, had))
        )
        if change.action is Action.DELETE:
            return gone
        if gone and _zone_in(change, zone) != zone:
            raise Unrenderable(
                f"our rule stands in the zone {_zone_in(change, zone)}, and the interface is in {zone} now: take it out "
                f"there by hand ({_by_hand(*gone)})"
            )
        version = _VERSION.fullmatch(now.text("firewall.version") or "")
        if version is None or (int(version[1]), int(version[2])) < _NFLOG_FROM:
            steps = _by_hand(*_both("add", zone, _plain(wanted)))
            raise Unrenderable(
                f"a rule of firewalld before 1.1 cannot bear our tag: let the port in by hand ({steps})"
            )
        check = Write(Command("firewall-cmd --check-config"))
        return (check, *gone, *_both("add", zone, _rule(change, wanted)))


def _not_known(reason: str, box: Box) -> firewall.FirewallState:
    """Say that its zones are not known; where its rules stand, the kernel shows: only zones in use have chains there."""
    zones = [
        name
        for name in box.chains
        if name.startswith("inet firewalld filter_IN_") and name.endswith("_allow")
    ]
    chains = {"firewall_rule": tuple(zones), "firewall_rule over IPv6": tuple(zones)}
    return firewall.FirewallState(KindState.UNKNOWN, reason=reason, chains=chains)


def _is_loaded(box: Box) -> bool:
    """Tell whether the kernel may hold its chains, which are there as long as it runs: it may not answer for its bus."""
    own = (name.startswith("inet firewalld ") or name.endswith(" INPUT_ZONES") for name in box.chains)
    return any(own) or any(chain.unread for chain in box.chains.values())


def _by_name(rows: Sequence[Row]) -> dict[str, Row]:
    return {str(row["zone"]): row for row in rows}


def _zone_of(interface: str, default: str, zones: Mapping[str, Row]) -> str:
    """Give the zone to which an interface is bound, else the default one. Sources that have a zone are the walk's."""
    if not interface:
        return ""
    return next((name for name, zone in zones.items() if interface in _items(zone, "interfaces")), default)


def _items(zone: Row, field: str) -> list[str]:
    held = zone.get(field, [])
    return held if isinstance(held, list) else [held]


# --- what the zone lets in ------------------------------------------------------------------------------------------


class _Line(Struct, frozen=True):
    """One thing that a zone does with packets, as firewalld writes it; `port` where that is TCP to one port."""

    text: str
    action: str = "allow"
    port: int | None = None
    service: str = ""


def _state(
    zone: str,
    now: Mapping[str, Row],
    later: Mapping[str, Row],
    services: Mapping[str, Sequence[_Line]],
    version: str,
) -> firewall.FirewallState:
    """Put together what is in force in the interface's zone with what is kept, and our rules in all of them."""
    entries: list[Entry] = []
    unapplied = ""
    for name in (zone, *(other for other in now if other != zone)):
        in_force, kept = (list(_lines(zones.get(name, {}), services)) for zones in (now, later))
        for line in dict.fromkeys((*in_force, *kept)):
            ours, both = _is_ours(line), line in in_force and line in kept
            if name == zone or ours:
                entries += _entries(name, line, len(entries), in_force=line in in_force, kept=line in kept)
            if ours and not both:
                unapplied = (
                    f"our rule in the zone {name} is {'not kept' if line in in_force else 'not in force'}"
                )
    why = f"{unapplied}: take back what made it so, or both (sudo firewall-cmd --reload)" if unapplied else ""
    allow = f"filter_IN_{zone}_allow"
    return firewall.FirewallState(
        KindState.UNKNOWN if unapplied else KindState.PRESENT,
        firewall.facts_of(
            "server.firewalld.zones", kind="firewalld", active=True, zone=zone, version=version
        ),
        tuple(entries),
        why,
        {
            "firewall_rule": (f"inet firewalld {allow}", f"ip filter IN_{zone}_allow"),
            "firewall_rule over IPv6": (f"inet firewalld {allow}", f"ip6 filter IN_{zone}_allow"),
        },
        bool(unapplied),
    )


def _entries(zone: str, line: _Line, position: int, *, in_force: bool, kept: bool) -> Iterator[Entry]:
    tag = _PREFIX.search(line.text)
    owner, exhibit = firewall.owner_of("" if tag is None else tag[1]), "server.firewalld.zones"
    handle, raw = f"{zone}: {line.text}", {"rule": line.text, "zone": zone, "service": line.service}
    action = line.action if in_force else f"{line.action} when it is loaded anew"
    values = HostRule(action, line.port, lasting=kept)
    yield Entry(Kind.HOST_RULE, values, raw, owner, handle, exhibit, position, line.text)
    if line.port is None or line.action != "allow" or not in_force:
        return
    match = _OURS.fullmatch(line.text)
    rule = FirewallRule(line.port, over_ipv6=match is None or match["family"] is None)
    yield Entry(Kind.FIREWALL_RULE, rule, raw, owner, handle, exhibit, position, line.text)


def _is_ours(line: _Line) -> bool:
    match = _OURS.fullmatch(line.text)
    return match is not None and firewall.owner_of(match["tag"]).ours


def _lines(zone: Row, services: Mapping[str, Sequence[_Line]]) -> Iterator[_Line]:
    for text in _items(zone, "rich rules"):
        ours = _OURS.fullmatch(text)
        action = text.rpartition(" ")[2]
        yield _Line(
            text, "allow" if action == "accept" else action, None if ours is None else int(ours["port"])
        )
    for name in _items(zone, "services"):
        yield from services.get(name) or (_Line(f"service {name}", service=name),)
    for field in ("ports", "protocols", "source-ports"):
        for text in _items(zone, field):
            yield _Line(f"{field.removesuffix('s')} {text}", port=_tcp(text) if field == "ports" else None)


def _tcp(text: str) -> int | None:
    """Give the port of `32400/tcp`; None for a range, and for other protocols."""
    number, _, protocol = text.partition("/")
    return int(number) if protocol == "tcp" and number.isdecimal() else None


def _services(*zones: Row) -> Generator[Sequence[Read], Sequence[Reply], Mapping[str, Sequence[_Line]]]:
    """Ask what the services of zones open: their files, of which the owner's own go before those that were shipped."""
    named = dict.fromkeys(name for zone in zones for name in _items(zone, "services"))
    names = [name for name in named if _SERVICE.fullmatch(name)]
    if not names:
        return {}
    files = " ".join(f"{top}/firewalld/services/{name}.xml" for name in names for top in ("/etc", "/usr/lib"))
    # A file that is not there makes the status 2; what stands in the others was printed all the same.
    ask = Command(f"grep -H -e '<port ' -e '<include ' {files}")
    (reply,) = yield (Read("firewalld.services", ask, absent=frozenset({1, 2})),)
    held: dict[str, dict[str, list[_Line]]] = {"/etc": {}, "/usr/lib": {}}
    for match in map(_SERVICE_LINE.fullmatch, reply.body.split("\n") if reply.whole else ()):
        if match is not None:
            held[match[1]].setdefault(match[2], []).extend(_opened(match[2], match[3]))
    return {**held["/usr/lib"], **held["/etc"]}


def _opened(service: str, text: str) -> Iterator[_Line]:
    for kind, inner in _ELEMENT.findall(text):
        said = dict(_ATTRIBUTE.findall(inner))
        what = f"all of the service {said.get('service', '')}" if kind == "include" else ""
        what = what or f"{said.get('port', '')}/{said.get('protocol', '')}"
        yield _Line(f"service {service}: {what}", port=_tcp(what), service=service)


# --- our rule -------------------------------------------------------------------------------------------------------


def _rule(change: Change, rule: FirewallRule) -> str:
    return _plain(rule).replace(" accept", f' nflog prefix="{firewall.TAG}{change.key}" accept')


def _plain(rule: FirewallRule) -> str:
    family = "" if rule.over_ipv6 else ' family="ipv4"'
    return f'rule{family} port port="{rule.port}" protocol="tcp" accept'


def _both(verb: str, zone: str, rule: str) -> tuple[Write, ...]:
    """Give the request for what is in force, and the one for what is kept."""
    said = f"{firewall.quote(f'--zone={zone}')} {firewall.quote(f'--{verb}-rich-rule={rule}')}"
    return tuple(Write(Command(f"firewall-cmd {words}{said}")) for words in ("", "--permanent "))


def _zone_in(change: Change, zone: str) -> str:
    """Give the zone in which our rule was seen."""
    seen = "" if change.before is None else change.before.raw.get("zone")
    return seen if isinstance(seen, str) and seen else zone


def _by_hand(*writes: Write) -> str:
    return " ; ".join(f"sudo {shown(write.ask)}" for write in writes)
