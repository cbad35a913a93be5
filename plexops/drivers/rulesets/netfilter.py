"""A Linux box out of what its tools answered: nft, iptables of either kernel part, ipset, addresses and routes.

`iptables-nft` keeps its tables where nft keeps its own: where nft was read they are there already, and `iptables-save`
only says what nft cannot. The old kernel part (`iptables-legacy`) filters besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from plexops.drivers.rulesets.base import Part, merged
from plexops.drivers.rulesets.iptables import read_ipsets, read_iptables
from plexops.drivers.rulesets.nft import read_nft
from plexops.model.exchange import Json
from plexops.model.packets import (
    BOTH_FAMILIES,
    Box,
    Chain,
    Family,
    Hook,
    LocalAddress,
    Route,
    Rule,
)
from plexops.parsers.base import ParseError

#: The reason that says that there is nothing to read.
NOT_INSTALLED = "not installed"

_FILTERING = ("prerouting", "input", "forward", "output", "postrouting")
_TRANSLATING = ("prerouting", "input", "output", "postrouting")
#: Priorities at which the kernel translates, by hook.
_NAT_PRIORITIES: Mapping[str, int] = MappingProxyType(
    {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
)


_FAMILIES: Mapping[str, frozenset[Family]] = MappingProxyType({"ip": frozenset({4}), "ip6": frozenset({6})})
#: A translation that nft lists with its family; without one it is for all that its table sees.
_NAT_OF = re.compile(r"\b[ds]nat (ip6?)\b")
#: Words of rules that make the kernel track connections.
_TRACKS = re.compile(
    r"\bct\b|conntrack|connmark|connlimit|synproxy|\bflow\b|(?:-m|xt match) (?:state|helper)\b|(?:-j|xt target) CT\b"
    r"|\b(?:[ds]nat|masquerade|redirect|netmap)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NetfilterAnswers:
    """What was answered; None for what was not.

    `nft` is the parsed answer of `nft -j list ruleset`, the others the texts of `iptables-save` and so on, the first two
    those of the kernel part that nft shows. `unread` says why an answer is missing, by the name of its field;
    `not installed` is the one reason that leaves nothing open. `arp` maps addresses to hardware addresses.
    """

    internet_side: str
    #: The device, as exhibits are named by it: `router.nft`.
    role: str = ""
    nft: Json | None = None
    iptables: str | None = None
    ip6tables: str | None = None
    iptables_legacy: str | None = None
    ip6tables_legacy: str | None = None
    ipset: str | None = None
    addresses: tuple[LocalAddress, ...] | None = None
    routes: tuple[Route, ...] | None = None
    arp: Mapping[str, str] | None = None
    unread: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def netfilter_box(answers: NetfilterAnswers) -> Box:
    """Put the answers together. What was not read and may be there stands as an unread chain at each hook."""
    ipsets = read_ipsets(answers.ipset) if answers.ipset is not None else {}

    def tables(name: str, text: str | None, family: Family, *, legacy: bool) -> Part:
        if text is not None:
            return read_iptables(text, family, legacy, ipsets, _exhibit(answers, name))
        return Part(tuple(_unread(name, _why(answers, name), frozenset({family}))))

    modern = merged(
        tables("iptables", answers.iptables, 4, legacy=False),
        tables("ip6tables", answers.ip6tables, 6, legacy=False),
    )
    saved = {chain.id: chain.rules for chain in modern.chains if not chain.unread}
    part = merged(
        _nft(answers, saved, modern),
        tables("iptables_legacy", answers.iptables_legacy, 4, legacy=True),
        tables("ip6tables_legacy", answers.ip6tables_legacy, 6, legacy=True),
    )
    return Box(
        plumbing="netfilter",
        chains=MappingProxyType({chain.id: chain for chain in _asked(part.chains)}),
        addresses=answers.addresses,
        routes=answers.routes,
        internet_side=answers.internet_side,
        sets=part.sets,
        gateway_mac=_gateway_mac(answers),
        outside_model=part.outside_model,
    )


def _nft(answers: NetfilterAnswers, saved: Mapping[str, Sequence[Rule]], modern: Part) -> Part:
    """Give what nft shows, or else what iptables shows of it, and that the rest is not known."""
    why = _why(answers, "nft")
    if answers.nft is not None:
        try:
            read = read_nft(answers.nft, saved, _exhibit(answers, "nft"))
            return merged(Part(sets=modern.sets), read)
        except ParseError as error:
            why = str(error)
    return merged(modern, Part(tuple(_unread("nft", why, BOTH_FAMILIES))))


def _exhibit(answers: NetfilterAnswers, name: str) -> str:
    return f"{answers.role}.{name}" if answers.role else name


def _why(answers: NetfilterAnswers, name: str) -> str:
    return answers.unread.get(name, "it was not asked for")


def _unread(name: str, why: str, families: frozenset[Family]) -> Iterator[Chain]:
    """Give a chain that was not read at each place where one may stand."""
    if why == NOT_INSTALLED:
        return
    for stage in _FILTERING:
        yield Chain(f"{name} {stage}", hook=Hook(stage, families=families), unread=why)
    for stage in _TRANSLATING:
        hook = Hook(stage, _NAT_PRIORITIES[stage], nat=True, families=families)
        yield Chain(f"{name} nat {stage}", hook=hook, unread=why)


def _asked(chains: Sequence[Chain]) -> Iterator[Chain]:
    """Leave out families for which chains that translate are not asked.

    The kernel asks them about connections that it tracks, and it tracks a family once any rule there needs that
    (`nf_ct_netns_get`; tried with Linux 6.18: a `drop` alone in such a chain stops nothing).
    """
    tracked: frozenset[Family] = frozenset()
    for chain in chains:
        table = chain.id.removeprefix("legacy ").partition(" ")[0]
        families = _FAMILIES.get(table, BOTH_FAMILIES)
        if chain.unread:
            tracked |= families
        for rule in chain.rules:
            for kind in _NAT_OF.findall(rule.words):
                tracked |= _FAMILIES[kind]
            if families - tracked and _TRACKS.search(_NAT_OF.sub("", rule.words)):
                tracked |= families
    for chain in chains:
        if chain.hook is not None and chain.hook.nat:
            yield replace(chain, hook=replace(chain.hook, families=chain.hook.families & tracked))
        else:
            yield chain


def _gateway_mac(answers: NetfilterAnswers) -> str | None:
    """Give the hardware address that packets from the internet bear: that of the default route's gateway."""
    for route in answers.routes or ():
        if route.length == 0 and route.interface == answers.internet_side and route.gateway:
            return (answers.arp or {}).get(route.gateway)
    return None
