"""A box as it will be: with a rule of ours put in, or one taken out. What guards judge before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

from plexops.model import packets
from plexops.model.intervals import Numbers
from plexops.model.matches import (
    AddressIn,
    Family,
    FamilyIs,
    InterfaceIs,
    Match,
    PortIn,
    ProtocolIs,
    Side,
    TranslatedIs,
)
from plexops.packets.hook_order import TRANSLATING
from plexops.structs import replace

_TCP = Match(ProtocolIs(frozenset({"tcp"})), words="tcp")
_LAST = 1 << 30


def without(box: packets.Box, is_it: Callable[[packets.Rule], bool]) -> packets.Box:
    """Take rules out."""
    changed = {
        name: replace(chain, rules=tuple(rule for rule in chain.rules if not is_it(rule)))
        for name, chain in box.chains.items()
        if any(map(is_it, chain.rules))
    }
    return replace(box, chains={**box.chains, **changed})


def with_forward(box: packets.Box, external: Numbers, address: int, port: Numbers, name: str) -> packets.Box:
    """Put in a forward of ours: TCP from the internet side, IPv4; at the end of the chain that the box names for it.

    Without such a chain it gets one of its own, asked first, as a table made last is.
    """
    matches = (
        Match(FamilyIs(frozenset({4}))),
        Match(InterfaceIs(Side.SOURCE, (box.internet_side,))),
        _TCP,
        Match(PortIn(Side.DESTINATION, external), words=f"port {external}"),
    )
    effects: list[packets.Effect] = [packets.TranslateDestination(((address, address),), port)]
    if box.plumbing == "pf":
        effects.insert(0, packets.SkipFilter())
    rule = packets.Rule(matches, tuple(effects), f"plexops: {name}", name=name)
    into = _first(box, "port_forward")
    if into is None:
        hook = packets.Hook(TRANSLATING[box.plumbing], -100, nat=True, order=_LAST)
        into = packets.Chain(f"plexops {name}", hook=hook)
    made = _with(box, replace(into, rules=(*into.rules, rule)))
    passes = _first(made, "passes")
    if passes is None or any(lets_translated(r) for r in passes.rules):
        return made
    accept = packets.Rule(
        (Match(TranslatedIs(Side.DESTINATION)),), (packets.Verdict.ACCEPT,), "what was translated passes"
    )
    return _inserted(made, passes, accept, before=_terminal(passes))


def lets_translated(rule: packets.Rule) -> bool:
    """Tell whether a rule accepts whatever was translated."""
    return packets.Verdict.ACCEPT in rule.effects and any(
        isinstance(match.test, TranslatedIs) and not match.negated for match in rule.matches
    )


def _terminal(chain: packets.Chain) -> int:
    """Give the place of the last rule if it takes whatever is left, else the end."""
    last = chain.rules[-1] if chain.rules else None
    stops = (packets.Verdict.DROP, packets.Verdict.REJECT)
    ends = (
        last is not None
        and not last.matches
        and any(isinstance(e, packets.Jump) or e in stops for e in last.effects)
    )
    return len(chain.rules) - 1 if ends else len(chain.rules)


def with_accept(
    box: packets.Box,
    chain: str,
    before: str,
    address: int | None,
    port: int,
    name: str,
    instead_of: Callable[[packets.Rule], bool] | None = None,
    also: Match | None = None,
) -> packets.Box:
    """Put in an accept for TCP to one port (with an address: of what was translated to it; `also` must hold, too).

    It stands before the rule with the handle `before`, else first in its chain; or in the place of another rule.
    """
    found = box.chains.get(chain)
    if found is None:
        return box
    matches = [_TCP, Match(PortIn(Side.DESTINATION, ((port, port),)), words=f"port {port}")]
    if also is not None:
        matches = [also, *matches]
    if address is not None:
        to = AddressIn(Side.DESTINATION, 4, ((address, address),))
        matches = [Match(TranslatedIs(Side.DESTINATION)), Match(to), *matches]
    rule = packets.Rule(tuple(matches), (packets.Verdict.ACCEPT,), f"plexops: {name}", name=name)
    if instead_of is not None:
        return _with(
            box, replace(found, rules=tuple(rule if instead_of(old) else old for old in found.rules))
        )
    at = next((i for i, r in enumerate(found.rules) if before and r.handle == before), 0)
    return _inserted(box, found, rule, before=at)


def with_host_accept(box: packets.Box, port: int, name: str, family: Family = 4) -> packets.Box:
    """Put in the host firewall's accept for TCP to one port, wherever that firewall puts it; ours is of IPv4 alone."""
    of_family = Match(FamilyIs(frozenset({family})))
    for chain in box.inserts.get("firewall_rule" if family == 4 else "firewall_rule over IPv6", ()):
        box = with_accept(box, chain, "", None, port, name, also=of_family)
    return box


def _inserted(box: packets.Box, chain: packets.Chain, rule: packets.Rule, *, before: int) -> packets.Box:
    return _with(box, replace(chain, rules=(*chain.rules[:before], rule, *chain.rules[before:])))


def _with(box: packets.Box, *chains: packets.Chain) -> packets.Box:
    """Put chains in, or in the place of those that bear their ids."""
    return replace(box, chains={**box.chains, **{chain.id: chain for chain in chains}})


def _first(box: packets.Box, what: str) -> packets.Chain | None:
    return next((box.chains[name] for name in box.inserts.get(what, ()) if name in box.chains), None)
