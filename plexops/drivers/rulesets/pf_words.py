"""OPNsense's words for interfaces, addresses and ports, looked up in what its API answered.

Sources: OPNsense core, 26.1 to 26.7: `Firewall/Rule.php` (what a word becomes in pf's text), `Firewall/Util.php`,
`PortField.php`, `filter.inc` and `update_tables.py` (aliases), `OverviewController.php` (interfaces).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network

from msgspec import Struct

from plexops.model.exchange import Json
from plexops.model.intervals import ALL_V6, Numbers, edges, network, normalise, subtract, unite
from plexops.model.matches import BOTH_FAMILIES, Family
from plexops.model.packets import LocalAddress, NamedSet, Route
from plexops.model.values import NOT_PUBLIC_NETWORKS

Row = Mapping[str, Json]
Rows = Sequence[Row]
#: Addresses by family. A family that is not there cannot match, negated or not.
ByFamily = Mapping[Family, Numbers]
#: Ports as they are written, in that order: of an alias the first counts.
Pairs = tuple[tuple[int, int], ...]

#: `PortField.php`, `$wellknownservices`.
_NAMED = """
afs3-fileserver 7000 aol 5190 auth 113 avt-profile-1 5004 cvsup 5999 domain 53 domain-s 853 ftp 21 hbci 3000 http 80
https 443 igmpv3lite 465 imap 143 imaps 993 ipsec-msft 10000 ipsec-nat-t 4500 isakmp 500 l2f 1701 ldap 389 ldaps 636
microsoft-ds 445 ms-streaming 1755 ms-wbt-server 3389 msnp 1863 nat-stun-port 3478 netbios-dgm 138 netbios-ns 137
netbios-ssn 139 nntp 119 ntp 123 openvpn 1194 pop3 110 pop3s 995 pptp 1723 radius 1812 radius-acct 1813 rfb 5900 sip 5060
sip-tls 5061 smtp 25 snmp 161 snmptrap 162 ssh 22 submission 587 submissions 465 telnet 23 teredo 3544 tftp 69 urd 465
wins 1512
"""
_PAIRS = re.findall(r"(\S+) (\d+)", _NAMED.replace("\n", " "))
WELL_KNOWN: Mapping[str, int] = {name: int(port) for name, port in _PAIRS}
#: Interfaces that plugins make, by key and by what the list of rules calls them: they never lead to the internet side.
_VIRTUAL: Mapping[str, str] = {
    **dict.fromkeys(("wireguard", "WireGuard (Group)"), "wireguard"),
    **dict.fromkeys(("openvpn", "OpenVPN", "OpenVPN (Group)"), "openvpn"),
    **dict.fromkeys(("enc0", "IPsec", "IPsec encapsulation"), "enc0"),
    **dict.fromkeys(("lo0", "loopback", "Loopback"), "lo0"),
}
_GLOBAL_V6: Numbers = ((0x2000 << 112, (0x4000 << 112) - 1),)
#: Addresses that are given to nobody: no viewer has one, so the list itself need not be read.
_BOGONS = NamedSet(normalise(map(edges, NOT_PUBLIC_NETWORKS)), subtract(ALL_V6, _GLOBAL_V6))
_NETWORK_TYPES = frozenset({"host", "network", "networkgroup"})


def loaded_lines(told: Json, name: str) -> Sequence[str]:
    """Give one kind of rules of pf's own list, numbered as `pfctl -vvs` does; empty where they were not read."""
    rules = told.get("rules") if isinstance(told, Mapping) else None
    lines = rules.get(name) if isinstance(rules, Mapping) else None
    return tuple(lines) if isinstance(lines, Mapping) else ()


def words_of_line(line: str) -> str:
    """Give a rule of pf's list without its number."""
    return line.partition(" ")[2]


def text(row: Row, name: str) -> str:
    """Give a field as text; nothing, false and an object are empty."""
    value = row.get(name)
    if value is None or value is False or isinstance(value, Mapping):
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return "1" if value is True else str(value)


def on(row: Row, name: str) -> bool:
    """Tell whether a field says something: PHP takes `0` for empty."""
    return text(row, name) not in ("", "0")


def listed(words: str) -> list[str]:
    """Part a list, with commas or lines between."""
    return [word for word in re.split(r"[\s,]+", words) if word]


class Interfaces(Struct, frozen=True):
    """What the overview of interfaces tells. `wan` is OPNsense's word for the internet side; `read`: it was answered."""

    wan: str
    read: bool
    named: Mapping[str, tuple[str, ...]]
    own: tuple[tuple[str, IPv4Interface | IPv6Interface], ...]

    def devices(self, word: str) -> tuple[str, ...] | None:
        """Give the kernel's names for one of OPNsense's (key, description, group); None for one it did not tell."""
        if not self.read:
            # The keys are at least not one another.
            return (word,) if word == self.wan or re.fullmatch(r"wan|lan|opt\d+", word) else None
        return self.named.get(word)

    @property
    def internet_side(self) -> str:
        return (self.devices(self.wan) or ("",))[0]

    def addresses(self, devices: Sequence[str] | None = None) -> ByFamily:
        """Give the addresses on some devices, or on all."""
        found = [one for device, one in self.own if devices is None or device in devices]
        return {f: normalise((int(i.ip), int(i.ip)) for i in found if i.version == f) for f in BOTH_FAMILIES}

    def networks(self, devices: Sequence[str]) -> ByFamily:
        """Give the networks that some devices are in."""
        nets = [one.network for device, one in self.own if device in devices]
        return {f: normalise(edges(net) for net in nets if net.version == f) for f in BOTH_FAMILIES}

    @property
    def local(self) -> tuple[LocalAddress, ...] | None:
        """The box's own addresses; None where they were not told."""
        if not self.read:
            return None
        return tuple(LocalAddress(one.version, int(one.ip), device) for device, one in self.own)


def read_interfaces(rows: Rows | None, wan: str) -> Interfaces:
    """Read the rows of the overview."""
    named: dict[str, tuple[str, ...]] = {}
    own: list[tuple[str, IPv4Interface | IPv6Interface]] = []
    for row in rows or ():
        device = text(row, "device")
        for name in {device, text(row, "identifier"), text(row, "description")} - {""}:
            named.setdefault(name, (device,))
        for group in listed(text(row, "groups")):
            named[group] = (*named.get(group, ()), device)
        own += [(device, address) for address in _addresses_of(row)]
    for name, device in _VIRTUAL.items():
        named.setdefault(name, named.get(device, (device,)))
    if rows is not None:
        own += [("lo0", ip_interface("127.0.0.1/8")), ("lo0", ip_interface("::1/128"))]
    return Interfaces(wan, rows is not None, named, tuple(dict.fromkeys(own)))


def _addresses_of(row: Row) -> Iterable[IPv4Interface | IPv6Interface]:
    lists = [entries for key in ("ipv4", "ipv6") if isinstance(entries := row.get(key), list | tuple)]
    told = [text(entry, "ipaddr") for entries in lists for entry in entries if isinstance(entry, Mapping)]
    for word in told or [text(row, "addr4"), text(row, "addr6")]:
        try:
            yield ip_interface(re.sub(r"%[^/]*", "", word))
        except ValueError:
            continue


def read_routes(rows: Rows | None, interfaces: Interfaces) -> tuple[Route, ...] | None:
    """Give the routes, the longest first: connected networks, those that the overview lists, and the default ones."""
    if rows is None:
        return None
    routes = [Route.to(one.network, device) for device, one in interfaces.own]
    for row in rows:
        device = text(row, "device")
        ways = (
            (word, ip_network("::/0" if ":" in word else "0.0.0.0/0"))
            for word in listed(text(row, "gateways"))
        )
        routes += [Route.to(everything, device, gateway) for gateway, everything in ways]
        for word in listed(text(row, "routes")):
            try:
                routes.append(Route.to(ip_network(word, strict=False), device))
            except ValueError:
                continue
    # Several gateways: the internet side's is the one that viewers came by.
    routes.sort(key=lambda route: (-route.length, route.interface != interfaces.internet_side))
    return tuple(dict.fromkeys(routes))


class Names(Struct, frozen=True):
    """What words of a rule mean. `sets` are the aliases for addresses; of `ports` None is one that cannot be read."""

    interfaces: Interfaces
    sets: Mapping[str, NamedSet]
    ports: Mapping[str, Pairs | None]

    def addresses(self, word: str) -> ByFamily | str | None:
        """Give the addresses, or the name of a set in `sets`; None for a word that means nothing here.

        An alias comes first, as in `Rule.php`; `lanip` is `(device)`, `lan` is `(device:network)`.
        """
        if word in self.sets:
            return word
        try:
            return dict([network(word)])
        except ValueError:
            pass
        known = self.interfaces
        if not known.read:
            return None
        if word == "(self)":
            return known.addresses()
        if word.endswith("ip") and (devices := known.named.get(word[:-2])):
            return known.addresses(devices)
        stem, colon, suffix = word.partition(":")
        if (devices := known.named.get(stem)) and suffix in ("", "network"):
            # A kernel's name alone is what automatic rules write for the addresses there; a key is its network.
            by_device = not colon and devices == (stem,)
            return known.addresses(devices) if by_device else known.networks(devices)
        return None

    def pairs(self, word: str) -> Pairs | None:
        """Give the ports that a word names, in the order in which they are written."""
        return self.ports[word] if word in self.ports else literal_ports(word)


def literal_ports(word: str) -> Pairs | None:
    """Read `443`, `https`, `8000-8010` or `8000:any`."""
    if word in WELL_KNOWN:
        return ((WELL_KNOWN[word], WELL_KNOWN[word]),)
    found = re.fullmatch(r"(\d{1,5}|any)(?:[:-](\d{1,5}|any))?", word)
    if found is None or word == "any":
        return None
    first = 1 if found[1] == "any" else int(found[1])
    last = 65535 if found[2] == "any" else int(found[2] or first)
    return ((first, last),) if first <= last <= 65535 else None


def read_names(aliases: Rows | None, interfaces: Interfaces, filters: Rows) -> Names:
    """Read the rows of the aliases. What an alias holds is in its own row; the other rows only sum it up, and cut it."""
    rows = {text(row, "name"): row for row in aliases or ()}
    sets: dict[str, NamedSet] = {}
    ports: dict[str, Pairs | None] = {}
    for name, row in rows.items():
        kind = text(row, "type")
        if kind == "port":
            items, unread = _items(name, rows, frozenset({"port"}), ())
            pairs = [literal_ports(item) for item in items]
            known = tuple(pair for some in pairs if some for pair in some)
            ports[name] = None if unread or None in pairs else known
        elif kind == "internal" and (
            devices := interfaces.named.get(name.strip("_").removesuffix("_network"))
        ):
            found = interfaces.networks(devices)
            sets[name] = NamedSet(found[4], found[6])
        else:
            sets[name] = _address_alias(name, rows)
    sets |= {"bogons": _BOGONS, "bogonsv6": _BOGONS}
    # Only who goes beyond the limits of a rule is put in there.
    fills = any(_is_exceeded(row) for row in filters)
    sets["virusprot"] = NamedSet(unread="who connects too often joins it") if fills else NamedSet()
    return Names(interfaces, sets, ports)


def _is_exceeded(row: Row) -> bool:
    """Tell whether a viewer may go beyond what a rule lets one sender do."""
    number, rate, seconds = (
        int(word) if (word := text(row, name)).isdigit() else 0
        for name in ("max-src-conn", "max-src-conn-rate", "max-src-conn-rates")
    )
    return 0 < number < 5 or (rate > 0 and (rate < 5 or rate < seconds))


def _items(
    name: str, rows: Mapping[str, Row], types: frozenset[str], seen: tuple[str, ...]
) -> tuple[list[str], str]:
    """Give what an alias and those in it hold, and why that is not known (empty: it is)."""
    row = rows[name]
    kind = text(row, "type")
    if not on(row, "enabled"):
        return [], ""
    if kind not in types:
        return [], f"what {name} holds comes from elsewhere ({kind})"
    found: list[str] = []
    for item in listed(text(row, "content")):
        if item in rows and item not in (*seen, name):
            more, unread = _items(item, rows, types, (*seen, name))
            if unread:
                return [], unread
            found += more
        elif item not in rows:
            found.append(item)
    return found, ""


def _address_alias(name: str, rows: Mapping[str, Row]) -> NamedSet:
    """Read an alias for addresses. In a pf table the longest match decides, so that `!` cuts out of what is wider."""
    items, unread = _items(name, rows, _NETWORK_TYPES, ())
    read: dict[tuple[Family, int], tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    for item in items if not unread else ():
        try:
            family, numbers = network(item.removeprefix("!"))
        except ValueError:
            return NamedSet(unread=f"{name} holds “{item}”, which is no address")
        wanted = read.setdefault((family, numbers[0][1] - numbers[0][0]), ([], []))
        wanted[item.startswith("!")].append(numbers[0])
    if any("-" in item for item in items) and any(item.startswith("!") for item in items):
        return NamedSet(unread=f"{name} holds ranges and exceptions")
    both: dict[Family, Numbers] = {4: (), 6: ()}
    for (family, _), (inside, outside) in sorted(read.items(), key=lambda pair: -pair[0][1]):
        both[family] = subtract(unite(both[family], normalise(inside)), normalise(outside))
    return NamedSet(both[4], both[6], unread)
