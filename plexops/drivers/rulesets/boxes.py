"""From a device's parsed answers to its box: one builder a kind of plumbing, by the names of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from plexops.drivers.rulesets.base import BoxInput
from plexops.model import matches, packets
from plexops.model.intervals import intersect, show_addresses, show_ports
from plexops.model.matches import AnyOf, Match, Other, Side
from plexops.model.values import is_public
from plexops.pattern import Pattern
from plexops.structs import replace


def build_box(plumbing: str, device: BoxInput, configured: str = "") -> packets.Box:
    """Build the box of one kind of plumbing. What was not read is a question in it, never a default.

    `configured` names the read of OpenWrt's configuration: what of it is not in force comes as rules that are off.
    """
    box = _box(plumbing, device)
    if not configured or device.value(configured) is None:
        return box
    from plexops.drivers.rulesets import uci

    off = uci.configured(
        device.value(configured), device.value("network"), box.chains, f"{device.role}.{configured}"
    )
    return box if off is None else replace(box, chains={**box.chains, off.id: off})


def _box(plumbing: str, device: BoxInput) -> packets.Box:
    """Build the box as its own tools show it. A home has one family: the others' readers are not loaded."""
    match plumbing:
        case "routeros":
            from plexops.drivers.rulesets.routeros import routeros_box

            return routeros_box(device)
        case "pf":
            from plexops.drivers.rulesets.pf import pf_box

            return pf_box(device)
    from plexops.drivers.rulesets.netfilter import netfilter_box

    box, chains = netfilter_box(device), dict[str, packets.Chain]()
    for chain in box.chains.values():
        # nft's handles are numbers that another table has as well.
        rules = tuple(replace(r, handle=f"{chain.id} {r.handle}") if r.handle else r for r in chain.rules)
        chains[chain.id] = replace(chain, rules=rules)
    return replace(box, chains=chains)


#: What nft shows of a rule of iptables' that translates destinations.
_BY_IPTABLES = Pattern(r"xt target (?:DNAT|REDIRECT|NETMAP)\b")
#: The stages at which destinations are translated.
_TRANSLATING = ("prerouting", "nat/dstnat", "rdr")


def announced_address(box: packets.Box) -> IPv4Address | None:
    """Give the address under which a box stands on the internet, where it has several there; None where one decides.

    It is the one in the network of the default route's gateway; else the only public one.
    """
    side = [a for a in box.addresses or () if a.family == 4 and a.interface == box.internet_side]
    if len(side) < 2:
        return None
    routes = [r for r in box.routes or () if r.family == 4 and r.interface == box.internet_side]
    for gateway in (int(IPv4Address(r.gateway)) for r in routes if r.length == 0 and r.gateway):
        for own in side:
            both = ((own.number, own.number),), ((gateway, gateway),)
            connected = (r.numbers for r in routes if r.length and not r.gateway)
            if any(all(intersect(numbers, one) for one in both) for numbers in connected):
                return IPv4Address(own.number)
    public = [a.number for a in side if is_public(IPv4Address(a.number))]
    return IPv4Address(public[0]) if len(public) == 1 else None


# --- a box's rules as rows of a profile's resources -----------------------------------------------------------------


def rows_of(box: packets.Box) -> Mapping[str, list[dict[str, str]]]:
    """Give what a family without a list of forwards has instead: `forwards`, every rule that translates destinations,
    in the order in which packets meet their chains; and `accepts`, every accept of what was translated."""
    hooked = {one.id: (one.hook.priority, -one.hook.order) for one in box.chains.values() if one.hook}
    chains = sorted(box.chains.values(), key=lambda chain: hooked.get(chain.id, (0, 0)))
    rules = [(chain, rule) for chain in chains for rule in chain.rules]
    forwards = [_row(chain, rule) for chain, rule in rules if rule.translates]
    accepts = [
        _row(chain, rule)
        for chain, rule in rules
        if packets.Verdict.ACCEPT in rule.effects
        and any(isinstance(m.test, matches.TranslatedIs) for m in rule.matches)
    ]
    return {"forwards": forwards, "accepts": accepts}


def unread_forwards(box: packets.Box) -> str:
    """Say why not every rule that may translate what comes in over IPv4 is known; empty where all are."""
    for chain in box.chains.values():
        hook = chain.hook
        if chain.unread and hook and hook.nat and hook.stage in _TRANSLATING and 4 in hook.families:
            return chain.unread
        for effect in (effect for rule in chain.rules for effect in rule.effects):
            if isinstance(effect, packets.UnknownEffect) and _BY_IPTABLES.match(effect.words):
                return f"where a rule of {chain.id} sends what it translates, iptables-save alone can tell"
    return ""


def _row(chain: packets.Chain, rule: packets.Rule) -> dict[str, str]:
    row = {"chain": chain.id, "handle": rule.handle, "comment": rule.name, "exhibit": rule.exhibit}
    row["table"] = chain.id.split(" ")[1] if " " in chain.id else ""
    for match in _over_ipv4(rule.matches):
        column, word = _column(match)
        if column == "also" and "also" in row:
            word = f"{row['also']} {word}"
        row[column] = word
    for effect in rule.effects:
        if isinstance(effect, packets.UnknownEffect):
            row["understood"] = "0"
        if isinstance(effect, packets.TranslateDestination):
            if effect.addresses:
                family = effect.family or (6 if any(last >> 32 for _, last in effect.addresses) else 4)
                row["to_address"] = show_addresses(family, effect.addresses)
            if effect.ports:
                row["to_port"] = show_ports(effect.ports)
    return row


def _over_ipv4(asked: Sequence[Match]) -> Iterator[Match]:
    """Give what a rule asks of a packet of IPv4: of what it asks family by family, that branch."""
    for match in asked:
        branches = match.test.branches if isinstance(match.test, AnyOf) and not match.negated else ()
        ours = next((branch for branch in branches if branch and _is_ipv4(branch[0])), None)
        if ours is not None:
            yield from ours
        elif not isinstance(match.test, matches.FamilyIs):
            yield match


def _is_ipv4(match: Match) -> bool:
    return isinstance(match.test, matches.FamilyIs) and match.test.families == {4} and not match.negated


def _column(match: Match) -> tuple[str, str]:
    """Give the column of one match, and its word; what has none narrows the rule, or leaves it not understood."""
    negation = "!" if match.negated else ""
    match match.test:
        case matches.PortIn(Side.DESTINATION, numbers):
            return "port", negation + show_ports(numbers)
        case matches.ProtocolIs(names):
            return "protocol", negation + " ".join(sorted(names))
        case matches.AddressIn(side, family, numbers):
            return str(side), negation + show_addresses(family, numbers, 99)
        case matches.InterfaceIs(Side.SOURCE, names):
            return "interface", negation + ",".join(names)
        case Other():
            return "understood", "0"
    return "also", match.words
