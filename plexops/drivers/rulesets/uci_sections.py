"""Sections of /etc/config/firewall with firewall4's validation: one invalid value skips the whole section.

Source: openwrt/firewall4 b6e5157, root/usr/share/ucode/fw4.uc: which options a section may have, in which form. `~` in a
table marks what firewall4 checks and then ignores. An option that it does not name has no effect in that version; here
it is *not known* (a fork or a later version may act on it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from plexops.drivers.rulesets import uci_values as v
from plexops.model.exchange import Json
from plexops.parsers.base import Row

_TIMES = "utc_time=bool~ start_date=date stop_date=date start_time=time stop_time=time weekdays=days monthdays=month_days~"
_LIMIT = "limit=limit limit_burst=int mark=mark counter=bool~ log=text~ extra=text~"
#: Option=kind; `+` may be a list, `!` must not be negated, `*` must be there.
_TABLES: Mapping[str, str] = MappingProxyType(
    {
        "defaults": "input=policy output=policy forward=policy drop_invalid=bool tcp_reject_code=reject~ "
        "any_reject_code=reject~ syn_flood=bool synflood_protect=bool synflood_rate=limit synflood_burst=int "
        "tcp_syncookies=bool~ tcp_ecn=int~ tcp_window_scaling=bool~ accept_redirects=bool~ accept_source_route=bool~ "
        "auto_helper=bool~ custom_chains=bool~ disable_ipv6=bool~ flow_offloading=bool~ flow_offloading_hw=bool~ "
        "auto_includes=bool~ fullcone=text~ fullcone6=text~",
        "ipset": "enabled=bool reload_set=bool~ counters=bool~ comment=text~ name=identifier* family=family "
        "storage=text~ match=set_field+ iprange=text~ portrange=text~ netmask=int~ maxelem=int hashsize=int~ "
        "timeout=int external=text~ entry=text+ loadfile=text",
        "zone": "enabled=bool name=identifier* family=family network=device+ device=device+ subnet=network+ "
        "input=policy output=policy forward=policy masq=bool masq_allow_invalid=bool masq_src=network+ "
        "masq_dest=network+ masq6=bool extra=text~ extra_src=text~ extra_dest=text~ mtu_fix=bool~ custom_chains=bool~ "
        "log=int log_limit=limit~ auto_helper=bool~ helper=helper+ counter=bool~ "
        "fullcone4=text~ fullcone6=text~",
        "forwarding": "enabled=bool name=text family=family src=zone* dest=zone*",
        "rule": "enabled=bool name=text _name=text~ family=family src=zone dest=zone device=device! direction=direction "
        "ipset=set helper=helper set_helper=helper! proto=protocol+ src_ip=network+ src_mac=mac+ src_port=port+ "
        "dest_ip=network+ dest_port=port+ icmp_type=icmp+ set_mark=mark! set_xmark=mark! dscp=dscp set_dscp=dscp! "
        f"log_limit=limit~ target=target {_LIMIT} {_TIMES}",
        "redirect": "enabled=bool name=text _name=text~ family=family src=zone dest=zone ipset=set helper=helper! "
        "proto=protocol+ src_ip=network src_mac=mac+ src_port=port src_dip=network src_dport=port dest_ip=network "
        "dest_port=port reflection=bool reflection_src=reflection~ reflection_zone=zone+ log_limit=limit~ "
        f"target=target {_LIMIT} {_TIMES}",
        "nat": "enabled=bool name=text family=family src=zone device=text ipset=set~ proto=protocol+ src_ip=network "
        "src_port=port snat_ip=network! snat_port=port! dest_ip=network dest_port=port connlimit_ports=bool~ "
        f"target=target {_LIMIT} {_TIMES}",
        "include": "enabled=bool path=text* type=include fw4_compatible=bool family=family~ reload=bool~ "
        "position=position chain=identifier",
    }
)
_REJECT = ("tcp-reset", "port-unreachable", "admin-prohibited", "host-unreachable", "no-route")
POSITIONS = tuple(
    f"{where}-{how}" for where in ("ruleset", "table", "chain") for how in ("prepend", "postpend", "append")
)
INCLUDES = ("script", "nftables")


@dataclass(frozen=True, slots=True)
class Known:
    """What values may refer to: zones by name, networks (None: not read)."""

    networks: v.Networks | None
    zones: frozenset[str] = frozenset()


#: Whether a value is valid; None: that cannot be told.
_Check = Callable[[str, Known], bool | None]


def _identifier(text: str) -> bool:
    first = text[:1]
    return (first.isalpha() or first in ("_", ".")) and all(
        (c.isascii() and c.isalnum()) or c in "/_.-" for c in text
    )


_CHECKS: Mapping[str, _Check] = MappingProxyType(
    {
        "bool": lambda text, _: v.flag(text) is not None,
        "text": lambda *_: True,
        "identifier": lambda text, _: _identifier(text),
        "family": lambda text, _: v.family(text) is not None,
        "policy": lambda text, _: v.choice(text, v.POLICIES) is not None,
        "target": lambda text, _: v.choice(text, v.TARGETS) is not None,
        "reject": lambda text, _: v.choice(text, _REJECT) is not None,
        "reflection": lambda text, _: v.choice(text, ("internal", "external")) is not None,
        "include": lambda text, _: v.choice(text, INCLUDES) is not None,
        "position": lambda text, _: v.choice(text, POSITIONS) is not None,
        "direction": lambda text, _: text in ("in", "ingress", "out", "egress"),
        "zone": lambda text, known: text == "*" or text in known.zones,
        "device": lambda text, _: v.negation(text) is not None,
        "set": lambda text, _: v.negation(text) is not None,
        "helper": lambda text, _: (text.lstrip("! \t").rstrip() in v.HELPERS) or None,
        "protocol": lambda text, _: v.protocol(text) is not None,
        "mac": lambda text, _: v.mac(text) is not None,
        "port": lambda text, _: v.port(text) is not None,
        "network": lambda text, known: v.subnets(text, known.networks) is not None,
        "icmp": lambda text, _: v.is_icmp_type(text),
        "limit": lambda text, _: v.per_minute(text) is not None,
        "int": lambda text, _: v.number(text) is not None,
        "date": lambda text, _: v.date(text) is not None,
        "time": lambda text, _: v.clock(text),
        "days": lambda text, _: v.weekdays(text) is not None,
        "month_days": lambda text, _: all(
            (number := v.number(day)) is None or 1 <= number <= 31 for day in text.lstrip("! \t").split()
        ),
        "mark": lambda text, _: v.mark(text) is not None,
        "dscp": lambda text, _: v.is_dscp(text),
        "set_field": lambda text, _: v.set_field(text) is not None,
    }
)


@dataclass(frozen=True, slots=True)
class _Option:
    kind: str
    many: bool
    positive: bool
    needed: bool


def _options(table: str) -> Mapping[str, _Option]:
    found: dict[str, _Option] = {}
    for word in table.split():
        name, _, kind = word.partition("=")
        found[name] = _Option(kind.rstrip("+!*~"), "+" in kind, "!" in kind, "*" in kind)
    return MappingProxyType(found)


OPTIONS: Mapping[str, Mapping[str, _Option]] = MappingProxyType({t: _options(o) for t, o in _TABLES.items()})


class Skipped(Exception):
    """firewall4 leaves the section out; the message says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section. `off`: why firewall4 skips it. `unknown`: options, in their words, of which the effect is not known."""

    row: Row
    off: str = ""
    unknown: tuple[str, ...] = field(default=())

    @property
    def type(self) -> str:
        """Such as `redirect`."""
        return str(self.row[".type"])

    @property
    def handle(self) -> str:
        """How uci names it."""
        return str(self.row[".name"])

    @property
    def name(self) -> str:
        """What its owner calls it."""
        return self.text("name") or self.handle

    @property
    def words(self) -> str:
        """The section in one line."""
        options = [self.said(option) for option in self.row if not option.startswith(".")]
        return " ".join([f"config {self.type}:", *options])

    def said(self, *options: str) -> str:
        """Give options as uci shows them, without those that are not set."""
        return " ".join(
            "=".join([option, " ".join(f"'{one}'" for one in _as_list(self.row[option]))])
            for option in options
            if option in self.row
        )

    def text(self, option: str, default: str = "") -> str:
        """Give the value of an option that is no list."""
        value = self.row.get(option)
        return value if isinstance(value, str) else default

    def texts(self, option: str, default: str = "") -> list[str]:
        """Give the values of a list; a text is parted at blanks."""
        return _parted(self.row.get(option, default))

    def flag(self, option: str, default: bool = False) -> bool:
        """Give a yes or no."""
        value = v.flag(self.text(option))
        return default if value is None else value


def _as_list(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _parted(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else value.split()


def read(row: Row, known: Known) -> Section:
    """Check one section as firewall4 does. uci keeps no empty values: they count as not set."""
    kept: Row = {option: value for option, value in row.items() if value not in ("", [])}
    table = OPTIONS[str(row[".type"])]
    unknown = [
        option for option in kept if not option.startswith(".") and option != "type" and option not in table
    ]
    off = ""
    for name, option in table.items():
        valid, why = _verdict(name, option, kept.get(name), known)
        if valid is False:
            off = off or f"firewall4 skips this section: option {why}"
        elif valid is None:
            unknown.append(name)
    section = Section(kept, off)
    if not off and not section.flag("enabled", True):
        off = f"switched off: {section.said('enabled')}"
    return Section(kept, off, tuple(section.said(option) for option in unknown))


def _verdict(
    name: str, option: _Option, value: str | list[str] | None, known: Known
) -> tuple[bool | None, str]:
    if value is None:
        return not option.needed, f"{name} is missing"
    if isinstance(value, list) and not option.many:
        return False, f"{name} must not be a list"
    if option.positive and str(value).lstrip(" \t").startswith("!"):
        return False, f"{name} must not be negated: '{value}'"
    check = _CHECKS[option.kind]
    doubtful = False
    for one in _parted(value) if option.many else [str(value)]:
        valid = check(one, known)
        if valid is False:
            return False, f"{name} has a value that is not valid: '{one}'"
        doubtful = doubtful or valid is None
    return (None if doubtful else True), ""


def rows_of(rows: Iterable[Row], dump: Json) -> list[Row]:
    """Give the sections of the firewall in firewall4's order: what protocols asked for (netifd) stands before uci's."""
    return [
        *_asked_by_protocols(dump),
        *(row for row in rows if row.get(".config", "firewall") == "firewall"),
    ]


def _asked_by_protocols(dump: Json) -> list[Row]:
    found: list[Row] = []
    for interface in v.interfaces_of(dump):
        data = interface.get("data")
        asked = data.get("firewall") if isinstance(data, Mapping) else None
        for index, rule in enumerate(
            asked if isinstance(asked, Sequence) and not isinstance(asked, str) else ()
        ):
            if isinstance(rule, Mapping):
                kind = str(rule.get("type") or "rule")
                name = f"ubus:{interface['interface']}[{interface.get('proto')}] {kind} {index}"
                device = interface.get("l3_device") or interface.get("device")
                row: Row = {".type": kind, ".name": name, "device": str(device)}
                found.append(row | {key: _text(value) for key, value in rule.items()})
    return found


def _text(value: Json) -> str | list[str]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [str(one) for one in value]
    return str(int(value)) if isinstance(value, bool) else str(value)
