"""What OpenWrt's firewall4 makes of its configuration: zones, and the rules of each chain in nft's words.

The texts are those of openwrt/firewall4, main of 2026: a test has its output for the same configurations.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping

from plexops.lab.routers import fw4_values as values
from plexops.lab.routers.fw4_redirects import redirect
from plexops.lab.routers.fw4_values import Family, Networks, Options, Skipped
from plexops.lab.routers.fw4_words import (
    HUMAN,
    OFF,
    Matches,
    NamedSet,
    Zone,
    by_family,
    comment,
    counted,
    sentence,
)
from plexops.lab.routers.uci import Package, Section, UciError
from plexops.structs import replace

_CHAINS = ("input", "output", "forward")
_TYPES = frozenset({"ip", "port", "mac", "net"})
_POSITIONS = tuple(
    f"{where}-{how}" for where in ("ruleset", "table", "chain") for how in ("prepend", "postpend", "append")
)
_TIMES = frozenset({"start_date", "stop_date", "start_time", "stop_time", "weekdays", "log_limit"})
#: What firewall4 knows and this one does not.
NOT_SIMULATED: Mapping[str, frozenset[str]] = {
    "defaults": frozenset({"flow_offloading", "tcp_reject_code", "any_reject_code", "synflood_rate"}),
    "zone": frozenset({"subnet", "masq_src", "masq_dest", "log", "family", "helper"}),
    "rule": _TIMES | {"set_helper", "mark", "set_mark", "set_xmark", "dscp", "set_dscp", "device"},
    "redirect": _TIMES | {"mark"},
}
#: The helpers whose modules this kernel has: name, protocol, port, family, what firewall4 calls them.
HELPERS = (
    ("amanda", "udp", 10080, 0, "Amanda backup and archiving proto"),
    ("ftp", "tcp", 21, 0, "FTP passive connection tracking"),
    ("RAS", "udp", 1719, 0, "RAS proto tracking"),
    ("Q.931", "tcp", 1720, 0, "Q.931 proto tracking"),
    ("irc", "tcp", 6667, 4, "IRC DCC connection tracking"),
    ("netbios-ns", "udp", 137, 4, "NetBIOS name service broadcast tracking"),
    ("sane", "tcp", 6566, 0, "SANE scanner connection tracking"),
    ("sip", "udp", 5060, 0, "SIP VoIP connection tracking"),
    ("snmp", "udp", 161, 4, "SNMP monitoring connection tracking"),
    ("tftp", "udp", 69, 0, "TFTP connection tracking"),
)


def enabled(section: Section, option: str = "enabled") -> bool:
    """Read a switch which is on where nothing is said."""
    return section.text(option, "1").lower() not in OFF


class Firewall:
    """The configuration as read. `chains` has the rules that sections put into each chain.

    Raises UciError for what firewall4 knows and this one does not.
    """

    def __init__(self, package: Package, networks: Networks, exists: Callable[[str], bool]) -> None:
        self.networks = networks
        self.chains: dict[str, list[str]] = {}
        self.zones: list[Zone] = []
        self.sets: dict[str, NamedSet] = {}
        self.includes: list[tuple[str, str, str]] = []
        self._exists = exists
        for section in package.sections:
            unknown = [
                name for name in section.options if name in NOT_SIMULATED.get(section.type, frozenset())
            ]
            if unknown or section.type == "nat":
                raise UciError(f"{section.type}: {', '.join(unknown) or section.name} is not simulated")
        first = next(iter(package.of("defaults")), Section("defaults", "", anonymous=True))
        self.defaults = Options(first, networks)
        readers: tuple[tuple[str, Callable[[Options, str], None]], ...] = (
            ("ipset", self._set), ("zone", self._zone), ("rule", self._rule), ("forwarding", self._forwarding),
            ("redirect", lambda options, name: redirect(self, options, name)), ("include", self._include),
        )  # fmt: skip
        for kind, read in readers:
            for number, section in enumerate(package.of(kind)):
                self._section(Options(section, networks), f"@{kind}[{number}]", read)

    def _section(self, options: Options, place: str, read: Callable[[Options, str], None]) -> None:
        section = options.section
        with contextlib.suppress(Skipped):
            if options.switch("enabled", "1"):
                read(options, options.word("name") or (place if section.anonymous else section.name))

    def policy(self, name: str) -> str:
        """Give a default policy."""
        return self.defaults.one(name, values.policy) or "drop"

    def add(self, chain: str, rule: str) -> None:
        """Append a rule to a chain."""
        self.chains.setdefault(chain, []).append(rule)

    def zone_of(self, options: Options, name: str) -> Zone | str | None:
        """Give the zone that an option names, `*` for all, none where it is not there.

        Raises Skipped.
        """
        text = options.word(name)
        if text in ("", "*"):
            return text or None
        zone = next((zone for zone in self.zones if zone.name == text), None)
        if zone is None:
            raise Skipped(f"option '{name}' specifies invalid value '{text}'")
        return zone

    def protocols(self, options: Options) -> tuple[str, ...]:
        """Read a section's protocols, and whatever else a rule and a redirect both may have.

        Raises Skipped for what is wrong with these.
        """
        found = options.each("proto", values.protocols, "tcpudp")
        options.one("limit", values.limit)
        options.word("limit_burst")
        options.word("log")
        options.switch("counter", "1")
        options.one("helper", _helper)
        if options.section.type == "redirect" and values.inverted(options.word("helper"))[0]:
            raise Skipped("option 'helper' must not be negated")
        name = re.split("[ ,]+", values.inverted(options.word("ipset"))[1])[0]
        if not name:
            return found
        if name not in self.sets:
            raise Skipped(f"references unknown set '{name}'")
        if any(kind == "port" for _, kind in self.sets[name].fields) and not {"tcp", "udp"} & set(found):
            if any(found):
                raise Skipped("references a set with ports but no UDP/TCP protocol")
            return ("tcp", "udp")
        return found

    def set_family(self, options: Options) -> Family:
        """Give the family of a section's set or helper, if it has one."""
        if helper := options.one("helper", _helper):
            return next(family for name, _, _, family, _ in HELPERS if name == helper) or None
        name = re.split("[ ,]+", values.inverted(options.word("ipset"))[1])[0]
        return self.sets[name].family if name else None

    def more(self, options: Options, protocol: str) -> str:
        """Write the helper, the limit and the set of a section."""
        words = []
        if helper := options.one("helper", _helper):
            operator = "!= " if values.inverted(options.word("helper"))[0] else ""
            words.append(f'ct helper {operator}"{helper}"')
        if rate := options.one("limit", values.limit):
            burst = options.word("limit_burst")
            words.append(f"limit rate {rate}" + (f" burst {burst} packets" if burst else ""))
        if text := options.word("ipset"):
            negated, rest = values.inverted(text)
            name, *sides = re.split("[ ,]+", rest)
            words.append(self.sets[name].match(protocol, sides) + f"{' !=' if negated else ''} @{name}")
        return " ".join(words)

    def _set(self, options: Options, name: str) -> None:
        family = options.one("family", values.family, "4")
        found = []
        for text in options.words("match"):
            side, _, kind = text.rpartition("_")
            if kind not in _TYPES:
                raise Skipped("has no datatypes assigned")
            found.append(("d" if side in ("dst", "dest") else "s", kind))
        if not found:
            raise Skipped("has no datatypes assigned")
        self.sets[name] = NamedSet(name, family or 4, tuple(found), tuple(options.words("entry")))

    def _zone(self, options: Options, name: str) -> None:
        held = [self.networks[n] for n in options.words("network") if n in self.networks]
        devices = [*(device for device, _ in held), *options.words("device")]
        policies = {key: options.one(key, values.policy) or self.policy(key) for key in _CHAINS}
        masquerades = frozenset(f for f, key in ((4, "masq"), (6, "masq6")) if options.switch(key))
        zone = Zone(
            options.word("name"),
            tuple(dict.fromkeys(device.replace("+", "*") for device in devices)),
            tuple(spot for _, spots in held for spot in spots),
            policies,
            masquerades,
            options.switch("masq_allow_invalid"),
            options.switch("mtu_fix"),
            "counter " if options.switch("counter", "1") else "",
            {policies["input"]},
            {policies["output"], policies["forward"]} | ({"snat"} if masquerades else set()),
        )
        automatic = options.switch("auto_helper", "1") and self.defaults.switch("auto_helper", "1")
        if automatic and not masquerades:
            zone.flags.add("helper")
            for helper, protocol, port, family, called in HELPERS:
                wanted = Matches(family, protocol).text()
                words = f'{wanted} {protocol} dport {port} ct helper set "{helper}" {comment(called)}'
                self.add(f"helper_{zone.name}", words)
        self.zones.append(zone)

    def _forwarding(self, options: Options, _name: str) -> None:
        source, dest = self.zone_of(options, "src"), self.zone_of(options, "dest")
        if source is None or dest is None:
            raise Skipped("lacks a zone")
        family = options.one("family", values.family)
        names = ["any" if isinstance(zone, str) else zone.name for zone in (source, dest)]
        human = f"{HUMAN[family]} " if family else ""
        title = options.word("name") or f"Accept {names[0]} to {names[1]} {human}forwarding"
        verdict = "accept" if isinstance(dest, str) else f"jump accept_to_{dest.name}"
        if isinstance(dest, Zone):
            dest.flags.add("accept")
        chain = "forward" if isinstance(source, str) else f"forward_{source.name}"
        wanted = Matches(family, "").text()
        self.add(chain, f"{wanted} {verdict} {comment(title)}".strip())

    def _rule(self, options: Options, name: str) -> None:
        source, dest = self.zone_of(options, "src"), self.zone_of(options, "dest")
        target = options.one("target", values.target) or ""
        if target == "notrack" and not isinstance(source, Zone):
            raise Skipped("must specify a source zone for target 'notrack'")
        addresses = options.spots("src_ip"), options.spots("dest_ip")
        ports = options.many("src_port", values.port), options.many("dest_port", values.port)
        macs = options.many("src_mac", values.mac)
        types = options.many("icmp_type", values.icmp_type)
        wanted = options.one("family", values.family)
        protocols = self.protocols(options)
        for protocol in protocols:
            try:
                families = [self.set_family(options), *map(values.family_of, addresses)]
                family = values.inferred(6 if protocol == "ipv6-icmp" else wanted, *families)
            except Skipped:
                continue
            asked = Matches(family, protocol, macs=macs, more=self.more(options, protocol))
            if protocol in ("tcp", "udp"):
                asked = replace(asked, source_ports=ports[0], ports=ports[1])
            icmp = types if protocol in ("icmp", "ipv6-icmp") else ()
            for one in by_family(asked, *addresses, icmp):
                self._put(one, source, dest, target, options, name)

    def _put(
        self, asked: Matches, source: Zone | str | None, dest: Zone | str | None, target: str, options: Options,
        name: str,
    ) -> None:  # fmt: skip
        if target == "notrack" and isinstance(source, Zone):
            source.flags.add("notrack")
            chain = f"notrack_{source.name}"
        elif isinstance(source, Zone):
            chain = f"{'forward' if dest else 'input'}_{source.name}"
        elif source:
            chain = "forward" if dest else "input"
        else:
            chain = f"output_{dest.name}" if isinstance(dest, Zone) else "output"
        verdict = "jump handle_reject" if target == "reject" else target
        if target not in ("", "notrack") and isinstance(dest, Zone):
            verdict = f"jump {target}_to_{dest.name}"
            dest.flags.add(target)
        self.add(chain, sentence(asked.text(), counted(options, name), verdict, comment(name)))

    def _include(self, options: Options, _name: str) -> None:
        path, chain = options.word("path"), options.word("chain")
        position = next((p for p in _POSITIONS if p.startswith(options.word("position", "table-append"))), "")
        position = position.replace("postpend", "append")
        if options.word("type") != "nftables" or not self._exists(path) or not position:
            return
        if chain or not position.startswith("chain"):
            self.includes.append((position, chain if position.startswith("chain") else "", path))


def _helper(text: str) -> str | None:
    name = values.inverted(text)[1]
    return name if any(name == helper[0] for helper in HELPERS) else None
