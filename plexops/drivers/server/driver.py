"""The Plex host over SSH: its addresses, what listens, its firewall, and how it gets its address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any

from msgspec import Struct

from plexops.drivers.answers import ROOT, Answer, understand
from plexops.drivers.base import Observation, Unrenderable
from plexops.drivers.rulesets.base import BoxInput
from plexops.drivers.rulesets.boxes import build_box
from plexops.drivers.server.firewall import Host
from plexops.drivers.server.firewalls import FIREWALLS, observe_firewall, reads_of
from plexops.drivers.server.lease import LEASE_READS, lease_server
from plexops.drivers.windows import timer
from plexops.languages import LANGUAGES
from plexops.model.change import Action, Change, inverse
from plexops.model.entries import Listener
from plexops.model.exchange import Command, Read, Reply, Script, Window, Write, shown
from plexops.model.fields import FieldType, Typed
from plexops.model.site import Container, HostFirewall
from plexops.model.snapshot import FOREIGN, Entry, Fact, FactValue, Kind, KindState, Role, Snapshot
from plexops.model.values import is_key, parse_mac
from plexops.parsers.base import Row
from plexops.structs import replace

#: How long the server's own undo waits, in seconds.
WINDOW_SECONDS = 90

#: By the client that is found running: how it asks for its address again, detached, because the session may be cut.
#: udhcpc loses its address when it only renews after the reservation changed: it has to release first.
_RENEWALS: Mapping[str, str] = {
    "systemd-networkd": "networkctl renew {interface}",
    "NetworkManager": "nmcli device up {interface}",
    "dhcpcd": "dhcpcd -n {interface}",
    "dhclient": "dhclient -r {interface}; dhclient {interface}",
    "udhcpc": 'kill -USR2 "$(pidof udhcpc)"; sleep 1; kill -USR1 "$(pidof udhcpc)"',
}

_READS: tuple[Read, ...] = (
    Read("addresses", Command("ip -j addr show")),
    Read("routes", Command("ip -j -4 route show")),
    Read("listeners", Command("ss -Htln")),
    *(Read(f"pid.{name}", Command(f"pidof {name}"), absent=frozenset({1})) for name in _RENEWALS),
    *LEASE_READS,
)


#: All that decides about packets on it; 127: no such program. Without `-t`: that leaves out what is in sets and maps.
FILTER_READS: tuple[Read, ...] = (
    Read("routes6", Command("ip -j -6 route show")),
    Read("arp", Command("cat /proc/net/arp")),
    *(
        Read(name, Command(command), absent=frozenset({127}))
        for name, command in (
            ("nft", "nft -j list ruleset"),
            ("iptables", "iptables-save"),
            ("ip6tables", "ip6tables-save"),
            ("iptables_legacy", "iptables-legacy-save"),
            ("ip6tables_legacy", "ip6tables-legacy-save"),
            ("ipset", "ipset save"),
        )
    ),
)


#: Chains that are there while the kernel holds ufw's rules.
_OF_UFW = ("ufw-before-input", "ufw6-before-input")
_PARSERS = {**dict.fromkeys(("nft", "addresses", "routes", "routes6"), "json"), "listeners": "ss"}


class ServerDriver(Struct, frozen=True):
    """A Linux server. `firewall` and `container` are the inventory's words.

    `thorough`: what only a diagnosis needs is asked as well, in the same round; with `offline` it sends nothing to the
    internet.
    """

    firewall: HostFirewall = HostFirewall.AUTO
    thorough: bool = False
    offline: bool = False
    container: Container = Container.AUTO

    @property
    def kinds(self) -> frozenset[Kind]:
        """What can be changed on a server: one firewall rule, and its lease asked for again."""
        return frozenset({Kind.FIREWALL_RULE, Kind.LEASE})

    def observe(self) -> Observation:
        """Ask everything in one round; in a diagnosis, a log that does not tell enough is looked for further."""
        more: tuple[Read, ...] = ()
        if self.thorough:
            from plexops.drivers.server.extra import thorough_reads

            more = thorough_reads(self.container, hops=not self.offline)
        replies = yield (*_READS, *reads_of(self.firewall), *FILTER_READS, *more)
        by_id = {reply.id: reply for reply in replies}
        told = {
            read.id: understand(by_id[read.id], _PARSERS.get(read.id, "text"), read.absent, rights=ROOT)
            for read in (*FILTER_READS, *_READS[:3])
        }
        facts, reasons = _facts(by_id, told)
        listening = told["listeners"]
        entries = list(_listeners(listening.value or ()))
        kinds = {Kind.LISTENER: KindState.UNKNOWN if listening.problem else KindState.PRESENT}
        if self.thorough:
            from plexops.drivers.plex.log import follow_log
            from plexops.drivers.server.extra import understand_extra

            extra, why_not = understand_extra(by_id, self.container)
            facts |= extra
            reasons |= why_not
            log = yield from follow_log(by_id, self.container)
            entries += log.entries
            kinds[Kind.LOG_EVENT] = log.state
            if log.reason:
                reasons[Kind.LOG_EVENT] = log.reason
        side = facts.get("host.interface")
        interface = "" if side is None else str(side.value)
        box = build_box("netfilter", BoxInput(told, "server", interface))
        host = Host(by_id, box, interface)
        state = yield from observe_firewall(self.firewall, host)
        facts |= state.facts
        entries += state.entries
        kinds |= dict.fromkeys((Kind.FIREWALL_RULE, Kind.HOST_RULE), state.state)
        if state.reason:
            reasons[Kind.FIREWALL_RULE] = state.reason
            if "firewall.active" not in facts or state.state is KindState.ABSENT:
                reasons["firewall.active"] = state.reason
        if not any(chain.unread for chain in box.chains.values()):
            loaded = not {name.rpartition(" ")[2] for name in box.chains}.isdisjoint(_OF_UFW)
            facts["firewall.loaded"] = Fact("firewall.loaded", loaded, "server.iptables")
        return Snapshot(
            Role.SERVER,
            facts,
            tuple(entries),
            kinds,
            reasons,
            replace(box, inserts=dict(state.chains)),
            frozenset({Kind.FIREWALL_RULE}) if state.unapplied else frozenset(),
        )

    def look_by_hand(self, kind: Kind) -> str:
        """Give the commands that show the firewall's rules, or the host's addresses."""
        if kind is Kind.LEASE:
            return "ip addr show"
        named = FIREWALLS.get(self.firewall)
        return named.look if named is not None else " ; ".join(shown(read.ask) for read in FILTER_READS[2:4])

    def script(self, change: Change, now: Snapshot) -> Script:
        """Render a firewall rule, with a timer of the server's own that takes it back; or a renewal."""
        if change.action is Action.RENEW:
            return Script(writes=(_renewal(now),))
        if not is_key(change.key):
            raise Unrenderable(f"{change.key!r} is no key: it becomes part of our tag on the server")
        if self.firewall is HostFirewall.NONE:
            raise Unrenderable("the inventory says that the server has no firewall")
        word = now.text("firewall.kind") if self.firewall is HostFirewall.AUTO else self.firewall
        firewall = FIREWALLS.get(word or "")
        if firewall is None:
            raise Unrenderable("the server's firewall is not known")
        back = inverse(change)
        writes, undo = firewall.writes(change, now), () if back is None else firewall.writes(back, now)
        texts = [write.ask.text for write in undo if isinstance(write.ask, Command)]
        directory = f"/run/plexops_{change.kind}_{change.key}"
        window = timer(directory, WINDOW_SECONDS, texts) if texts else Window()
        return Script(writes=writes, window=window, undo=tuple(texts))


#: Clients that may leave no lifetime on an address, so that it looks as if it were set by hand.
_LEAVE_NO_LIFETIME = frozenset({"dhclient", "udhcpc"})


def _facts(
    replies: Mapping[str, Reply], told: Mapping[str, Answer]
) -> tuple[dict[str, Fact], dict[str, str]]:
    reasons: dict[str, str] = {}
    found: dict[str, tuple[FactValue, str]] = {}
    links = told["addresses"].value
    addresses = _addresses(links)
    if addresses is not None:
        found["host.macs"] = (_macs(links), "server.addresses")
        local = tuple(str(info["local"]) for link, info in addresses if link.get("ifname") != "lo")
        found["host.addresses"] = (local, "server.addresses")
    listed = told["routes"].value
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    routes = [route for route in rows if route.get("dst") == "default"]
    if routes:
        found["host.interface"] = (str(routes[0].get("dev", "")), "server.routes")
        if "gateway" in routes[0]:
            found["host.gateway"] = (str(routes[0]["gateway"]), "server.routes")
    for client in _RENEWALS:
        if replies[f"pid.{client}"].status == 0:
            found["host.renew"] = (client, f"server.pid.{client}")
            break
    interface = found.get("host.interface", ("",))[0]
    source = _address_source(addresses, interface, _renewer(replies, found))
    number = next((link.get("ifindex") for link, _ in addresses or () if link.get("ifname") == interface), 0)
    giver = lease_server(replies, str(found.get("host.renew", ("",))[0]), str(interface), str(number))
    if giver is not None and source != "static":
        found["host.dhcp_server"] = (giver, "server.leases")
    if source in ("dhcp", "static"):
        found["host.address_source"] = (source, "server.addresses")
    else:
        reasons["host.address_source"] = source
    return {name: Fact(name, value, exhibit) for name, (value, exhibit) in found.items()}, reasons


def _renewer(replies: Mapping[str, Reply], found: Mapping[str, tuple[FactValue, str]]) -> FactValue:
    """Give the DHCP client that runs there, or one that may well: its absence was not seen."""
    if "host.renew" in found:
        return found["host.renew"][0]
    return next((name for name in sorted(_LEAVE_NO_LIFETIME) if not replies[f"pid.{name}"].whole), "")


def _addresses(listed: Any) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]] | None:
    """Give every IPv4 address with its link; None for what `ip -j addr` does not print."""
    if not isinstance(listed, list):
        return None
    try:
        found = [(link, info) for link in listed for info in link.get("addr_info", ())]
        inet = [(link, info) for link, info in found if info.get("family") == "inet"]
        known = [IPv4Address(info["local"]) for _, info in inet if isinstance(info["local"], str)]
    except (AttributeError, TypeError, LookupError, ValueError):
        return None
    return inet if len(known) == len(inet) else None


def _macs(links: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Give the MAC addresses of all interfaces, those that a bond covers too, each with the IPv4 addresses there."""
    found: list[str] = []
    for link in links:
        held = [str(info["local"]) for info in link.get("addr_info", ()) if info.get("family") == "inet"]
        for name, addresses in (("address", held), ("permaddr", [])):
            with suppress(ValueError):
                found.append(" ".join([parse_mac(str(link.get(name, ""))), *addresses]))
    return tuple(dict.fromkeys(found))


def _address_source(
    addresses: list[tuple[Mapping[str, Any], Mapping[str, Any]]] | None,
    interface: FactValue,
    client: FactValue,
) -> str:
    """Give `dhcp` or `static` for the address of the default route's interface, else why it is unknown.

    The kernel marks an address with a lifetime as dynamic: one that has to be renewed.
    """
    if addresses is None or not interface:
        return "the server did not say by which interface, or with which address, it reaches the LAN"
    dynamic = {
        info.get("dynamic") is True
        for link, info in addresses
        if link.get("ifname") == interface and info.get("scope", "global") == "global"
    }
    if len(dynamic) != 1:
        return f"{interface} has both given and fixed addresses" if dynamic else f"{interface} has no address"
    if True in dynamic:
        return "dhcp"
    return f"{client} may run there and not mark its addresses" if client in _LEAVE_NO_LIFETIME else "static"


def _listeners(rows: Sequence[Row]) -> Iterator[Entry]:
    for position, row in enumerate(rows):
        if str(row["port"]).isdigit():
            values = Listener(str(row["address"]), int(str(row["port"])))
            raw = {name: str(value) for name, value in row.items()}
            exhibit = "server.listeners"
            yield Entry(Kind.LISTENER, values, raw, FOREIGN, str(position), exhibit, position)


def _renewal(now: Snapshot) -> Write:
    client = now.text("host.renew")
    interface = now.text("host.interface")
    if client is None or interface is None:
        raise Unrenderable(
            "no DHCP client is known to run there: renew the address by hand, or restart the server"
        )
    quoted = LANGUAGES["posix"].quote(Typed(FieldType.WORD, interface))
    script = LANGUAGES["posix"].quote(Typed(FieldType.TEXT, _RENEWALS[client].format(interface=quoted)))
    text = f"( setsid sh -c {script} >/dev/null 2>&1 </dev/null & )"
    return Write(Command(text))
