"""Packet filters on the server beside the firewall that plexops knows: what the kernel itself says that it asks.

`nft` shows every table, and of those that iptables made only a part of each rule; `iptables-save` shows these whole.
ufw's own chains are left out: they are judged by ufw's files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from plexops.model.entries import FilterRule, FilterVerdict
from plexops.model.exchange import Command, Read, Reply
from plexops.model.snapshot import SOMEBODY, Entry, FactValue, Kind, KindState
from plexops.model.values import PRIVATE_NETWORKS, Ports, Protocol
from plexops.parsers import PARSERS, ParseError

#: `-t` leaves out what is in sets: a list of a country's networks alone is megabytes.
READS: tuple[Read, ...] = (
    Read("nft", Command("nft -jt list ruleset"), absent=frozenset({127})),
    Read("iptables", Command("iptables-save"), absent=frozenset({127})),
)

_HOOKS = frozenset({"ingress", "prerouting", "input"})
_NO_PROGRAM = 127
#: Stands for senders of whom viewers are none.
_SOMEBODY_ELSE = IPv4Network("0.0.0.0/32")
#: Viewers never come from there.
_HOME = (*PRIVATE_NETWORKS, IPv4Network("127.0.0.0/8"), IPv4Network("169.254.0.0/16"))
_NOT_IPV4 = frozenset({"ip6", "arp", "bridge"})
_VERDICTS: Mapping[str, FilterVerdict] = {
    "accept": FilterVerdict.ACCEPT,
    "drop": FilterVerdict.DROP,
    "reject": FilterVerdict.REJECT,
    "jump": FilterVerdict.JUMP,
    "goto": FilterVerdict.JUMP,
    "return": FilterVerdict.RETURN,
    # To a program that decides: it may drop.
    "queue": FilterVerdict.DROP,
}
_PROTOCOLS: Mapping[str, Protocol] = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "tcp udp": Protocol.BOTH}

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OtherFilters:
    """What the kernel's rules came to. Entries are there also where only a part was read."""

    entries: tuple[Entry, ...]
    state: KindState
    facts: Mapping[str, tuple[FactValue, str]]
    reason: str = ""


def understand(replies: Mapping[str, Reply]) -> OtherFilters:
    """Make rules of the answers. What was not read leaves the whole unknown; no program at all: so does that."""
    found: list[tuple[_Row, str]] = []
    reasons: list[str] = []
    old = _parsed("iptables", "iptables_save", replies["iptables"], reasons)
    new = _parsed("nft", "nft", replies["nft"], reasons)
    if old is None and new is None and not reasons:
        reasons.append("neither nft nor iptables is installed there")
    if old is not None:
        found += [(row, "server.iptables") for row in old["filter"]]
        if "legacy tables present" in replies["iptables"].stderr:
            reasons.append("there are tables of iptables-legacy as well, which were not read")
    if new is not None:
        shown = old["tables"] if old is not None and old["variant"] == "nf_tables" else ()
        found += [(row, "server.nft") for row in new["filter"] if not _is_of(row, shown)]
    entries = _entries(list(_that_count(found)))
    if reasons:
        return OtherFilters(entries, KindState.UNKNOWN, {}, "; ".join(reasons))
    # nft alone does not show what iptables-legacy holds.
    facts: dict[str, tuple[FactValue, str]] = {}
    loaded = [exhibit for row, exhibit in found if _is_ufw(str(row.get("target", "")))]
    if loaded or old is not None:
        facts["firewall.loaded"] = (bool(loaded), loaded[0] if loaded else "server.iptables")
    return OtherFilters(entries, KindState.PRESENT, facts)


def _parsed(name: str, parser: str, reply: Reply, reasons: list[str]) -> Any:
    """Give what a program said, None where it is not installed or was not understood."""
    if reply.whole and reply.status == _NO_PROGRAM and not reply.body.strip():
        return None
    if not reply.whole or reply.status != 0:
        said = (reply.stderr or reply.body).strip().splitlines()
        reasons.append(f"{name}: {said[0][:120] if said else 'no answer'}")
        return None
    try:
        return PARSERS[parser](reply.body)
    except ParseError as reason:
        reasons.append(f"the answer of {name} is not understood: {reason}")
        return None


def _is_of(row: _Row, tables: Sequence[str]) -> bool:
    """Tell whether a row of nft is one that iptables-save shows better."""
    return row["family"] == "ip" and str(row["chain_id"]).split(" ")[1] in tables


def _is_ufw(chain_id: str) -> bool:
    return chain_id.rpartition(" ")[2].startswith(("ufw-", "ufw6-"))


def _that_count(found: Sequence[tuple[_Row, str]]) -> Iterator[tuple[_Row, str]]:
    """Give the rules that a packet for the host can meet over IPv4, without ufw's own and the policy that ufw set."""
    by_chain: dict[str, list[tuple[_Row, str]]] = {}
    for row, exhibit in found:
        by_chain.setdefault(str(row["chain_id"]), []).append((row, exhibit))
    waiting = [
        chain
        for chain, rows in by_chain.items()
        if rows[0][0]["hook"] in _HOOKS and rows[0][0]["family"] not in _NOT_IPV4
    ]
    asked: set[str] = set()
    while waiting:
        chain = waiting.pop(0)
        if chain in asked or _is_ufw(chain):
            continue
        asked.add(chain)
        rows = by_chain.get(chain, [])
        waiting += [str(row["target"]) for row, _ in rows if row.get("target")]
        through_ufw = any(_is_ufw(str(row.get("target", ""))) for row, _ in rows)
        for row, exhibit in rows:
            if _is_ufw(str(row.get("target", ""))) or (through_ufw and row.get("handle") == "policy"):
                continue
            yield row, exhibit


def _entries(rows: Sequence[tuple[_Row, str]]) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            Kind.OTHER_FILTER,
            _rule(row),
            {name: str(value) for name, value in row.items()},
            SOMEBODY,
            str(row.get("handle", "")),
            exhibit,
            position,
            str(row.get("comment", "")),
        )
        for position, (row, exhibit) in enumerate(rows)
    )


def _rule(row: _Row) -> FilterRule:
    """Make one rule. What these fields cannot hold leaves open whether it matches."""
    surely = row.get("understood", "1") == "1" or row.get("only_negated") == "1"
    surely = surely and row["family"] != "netdev"  # of one interface, which is not told
    surely = surely and "sport" not in row and row.get("verdict") != "queue"
    handled = {"saddr", "iifname", "daddr_type"}
    surely = surely and not {n for n in str(row.get("negated", "")).split(",") if n} - handled
    source, sure_source = _source(row)
    destination, sure_destination = _destination(row)
    ports, sure_ports = _ports(row)
    protocol = row.get("protocol")
    return FilterRule(
        chain=str(row["chain_id"]),
        base=row["base"] == "true",
        verdict=_VERDICTS.get(str(row.get("verdict", "")), FilterVerdict.CONTINUE),
        target=str(row.get("target", "")),
        protocol=None if protocol in (None, "all") else _PROTOCOLS.get(str(protocol), Protocol.OTHER),
        ports=ports,
        destination=destination,
        source=source,
        in_interfaces=_interfaces(row),
        out_interfaces=None,
        translated=True if "dnat" in str(row.get("ct_status", "")).split(",") else None,
        new=_is_new(row),
        family=_family(row),
        understood=surely and sure_source and sure_destination and sure_ports,
        early=row.get("early") == "true",
    )


def _source(row: _Row) -> tuple[IPv4Network | None, bool]:
    """Give the senders and whether that is sure: viewers come from any public address, whoever that is."""
    if row.get("not_saddr"):
        networks = [_network(text) for text in str(row["not_saddr"]).split(",")]
        return None, all(network is not None and _is_home(network) for network in networks)
    text = str(row.get("saddr", ""))
    if not text or text in ("0.0.0.0/0", "::/0"):
        return None, True
    if "@" in text or "?" in text:
        return None, False
    return _SOMEBODY_ELSE, True


def _is_home(network: IPv4Network) -> bool:
    return any(network.subnet_of(home) for home in _HOME)


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None


def _destination(row: _Row) -> tuple[IPv4Network | None, bool]:
    kind = row.get("daddr_type")
    if kind is not None and kind != "local":
        return _SOMEBODY_ELSE, True
    if "not_daddr_type" in row:
        return (_SOMEBODY_ELSE, True) if row["not_daddr_type"] == "local" else (None, True)
    text = str(row.get("daddr", ""))
    if not text:
        return None, True
    network = _network(text)
    return network, network is not None


def _ports(row: _Row) -> tuple[Ports | None, bool]:
    text = row.get("dport")
    if text is None:
        return None, True
    try:
        return Ports.parse(str(text)), True
    except ValueError:
        return None, False


def _interfaces(row: _Row) -> tuple[str, ...] | None:
    if "not_iifname" in row:
        return tuple(f"!{name}" for name in str(row["not_iifname"]).split(","))
    text = row.get("iifname")
    return None if text is None else tuple(str(text).split(","))


def _is_new(row: _Row) -> bool | None:
    states = row.get("ct_state")
    return None if states is None else "new" in str(states).split(",")


def _family(row: _Row) -> int:
    if row.get("nfproto") == "ipv6" or any(_is_ipv6(str(row.get(name, ""))) for name in ("saddr", "daddr")):
        return 6
    return 4 if row["family"] == "ip" or row.get("nfproto") == "ipv4" else 0


def _is_ipv6(text: str) -> bool:
    try:
        return ip_network(text.split(",", maxsplit=1)[0].partition("-")[0], strict=False).version == 6
    except ValueError:
        return False
