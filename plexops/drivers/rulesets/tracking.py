"""For which families Linux tracks connections at all, and so asks the chains that translate.

Tracking of a family begins with the first rule that needs it; without it a chain of `type nat` is not asked. Sources:
the kernel's nf_conntrack_proto.c (`nf_ct_netns_get`) and its callers nft_ct.c, nft_nat.c, nft_masq.c, nft_connlimit.c,
xt_conntrack.c, xt_nat.c; nf_nat_core.c (`nf_nat_inet_fn`); and packets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from plexops.model.packets import (
    BOTH_FAMILIES,
    AddressIn,
    AnyOf,
    Chain,
    ConnectionsWithin,
    CopyMark,
    DirectionIs,
    Family,
    FamilyIs,
    MarkIs,
    Match,
    Other,
    PortIn,
    Rule,
    SetMark,
    StateIs,
    TranslateDestination,
    TranslatedIs,
    TranslateSource,
    UnknownEffect,
)


def with_tracking(chains: Sequence[Chain]) -> tuple[Chain, ...]:
    """Let chains that translate see only the families that are tracked."""
    tracked = frozenset(family for chain in chains for family in _tracked_by(chain))
    return tuple(
        replace(chain, hook=replace(chain.hook, families=chain.hook.families & tracked))
        if chain.hook is not None and chain.hook.nat
        else chain
        for chain in chains
    )


def _tracked_by(chain: Chain) -> Iterator[Family]:
    families = chain.hook.families if chain.hook is not None else _of_table(chain.id)
    if chain.unread:
        yield from families
    for rule in chain.rules:
        yield from _needed(rule, families)


def _of_table(chain: str) -> frozenset[Family]:
    """Give the families of a chain's table, with which its id begins."""
    table = chain.removeprefix("legacy ").partition(" ")[0]
    return {"ip": frozenset[Family]({4}), "ip6": frozenset[Family]({6})}.get(table, BOTH_FAMILIES)


def _needed(rule: Rule, families: frozenset[Family]) -> frozenset[Family]:
    if any(_looks_at_connection(match) for match in rule.matches):
        return families
    for effect in rule.effects:
        match effect:
            case TranslateDestination(family=4 | 6 as family):
                return frozenset({family})
            case TranslateSource(addresses) if addresses is not None:
                said = [
                    m.test.families for m in rule.matches if isinstance(m.test, FamilyIs) and not m.negated
                ]
                return families.intersection(*said)
            case TranslateDestination() | TranslateSource() | CopyMark() | UnknownEffect():
                return families
            case SetMark(connection=True):
                return families
    return frozenset()


def _looks_at_connection(match: Match) -> bool:
    match match.test:
        case StateIs() | TranslatedIs() | DirectionIs() | ConnectionsWithin() | Other():
            return True
        case MarkIs(connection=True) | AddressIn(original=True) | PortIn(original=True):
            return True
        case AnyOf(branches):
            return any(_looks_at_connection(one) for branch in branches for one in branch)
    return False
