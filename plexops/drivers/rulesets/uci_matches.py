"""What firewall4 makes of the options of one section: matches, and why nft would refuse them.

Source: openwrt/firewall4 b6e5157, root/usr/share/firewall4/templates and ucode/fw4.uc. One thing that nft refuses keeps
the whole ruleset from being loaded: what was loaded before stays, or nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from plexops.drivers.rulesets import uci_values as v
from plexops.drivers.rulesets.uci_sections import Section, Skipped
from plexops.model.intervals import Numbers, normalise, single
from plexops.model.packets import (
    AddressIn,
    AnyOf,
    Family,
    FamilyIs,
    InterfaceIs,
    MacIn,
    MarkIs,
    Match,
    Other,
    PortIn,
    ProtocolIs,
    RateWithin,
    Side,
    TimeIs,
)

Matches = tuple[Match, ...]
_WHEN = ("start_date", "stop_date", "start_time", "stop_time", "weekdays")
#: What nft keeps, in bytes. firewall4 writes `!fw4: NAME` as a comment, and ` (reflection)` behind that for some redirects.
COMMENT = 128
_LOG_PREFIX = 127


def by_family(found: Iterable[v.Subnet], family: int) -> list[v.Subnet]:
    """Give those of one family."""
    return [one for one in found if one.family == family]


def only_family(found: Iterable[v.Subnet]) -> v.AnyFamily:
    """Give the one family of all; 0 where there are both, or none."""
    families = {one.family for one in found}
    return families.pop() if len(families) == 1 else 0


def inferred(family: v.AnyFamily | None, bound: Iterable[tuple[v.AnyFamily, str]]) -> v.AnyFamily | None:
    """Bind a section to the family of what it refers to. Raises Skipped where two of them do not go together."""
    found = family
    for other, what in bound:
        if other and other != found:
            if found:
                raise Skipped(
                    f"firewall4 skips this section: IPv{found} only, but its {what} is IPv{other} only"
                )
            found = other
    return found


def family_match(family: int) -> Matches:
    """Match one family; 0: both."""
    if family == 0:
        return ()
    return (Match(FamilyIs(frozenset({4 if family == 4 else 6})), words=f"meta nfproto ipv{family}"),)


def interface_match(side: Side, names: Sequence[str], negated: bool = False) -> Matches:
    """Match interfaces by their names; none: no match."""
    word = "iifname" if side is Side.SOURCE else "oifname"
    words = f"{word} {'!= ' if negated else ''}{', '.join(names)}"
    return (Match(InterfaceIs(side, tuple(dict.fromkeys(names))), negated, words),) if names else ()


def address_groups(side: Side, family: Family, found: Sequence[v.Subnet], words: str) -> list[Matches]:
    """Match addresses of one family. Each that stands under a mask with gaps makes a rule of its own."""

    def intervals(ones: Iterable[v.Subnet], negated: bool) -> Matches:
        numbers = normalise(pair for one in ones for pair in one.numbers)
        return (Match(AddressIn(side, family, numbers), negated, words),) if numbers else ()

    plain = [one for one in found if not one.masked and not one.negated]
    masked = (Match(Other(words), words=words),)
    not_these = intervals((one for one in found if one.negated and not one.masked), True)
    not_masked = masked if any(one.masked and one.negated for one in found) else ()
    groups: list[Matches] = [
        (*not_these, *masked, *not_masked) for one in found if one.masked and not one.negated
    ]
    if plain or not groups:
        groups.append((*intervals(plain, False), *not_these, *not_masked))
    return groups


def protocol_match(protocol: str, words: str) -> Matches:
    """Match a protocol; the empty one is any."""
    return (Match(ProtocolIs(frozenset({protocol})), words=words),) if protocol else ()


def port_matches(section: Section, source: str, destination: str) -> Matches:
    """Match the ports of two options. Two neighbouring single `!=` are one comparison to nft 1.0.6: not both."""
    found: list[Match] = []
    negations: list[Match] = []
    for side, option in ((Side.SOURCE, source), (Side.DESTINATION, destination)):
        read = [port for text in section.texts(option) if (port := v.port(text)) is not None]
        for negated in (False, True):
            numbers = normalise(pair for not_in, pairs in read if not_in is negated for pair in pairs)
            if numbers:
                found.append(Match(PortIn(side, numbers), negated, section.said(option)))
        lone = [pairs for not_in, pairs in read if not_in]
        if len(lone) == 1 and single(lone[0]) is not None and (side is Side.SOURCE or len(read) == 1):
            negations.append(Match(PortIn(side, lone[0]), True, section.said(option)))
    if len(negations) < 2:
        return tuple(found)
    both = tuple(Match(match.test, words=match.words) for match in negations)
    words = section.said(source, destination)
    return (
        *(match for match in found if match not in negations),
        Match(AnyOf((both,)), True, words),
        Match(AnyOf((tuple(negations), (Match(Other(words), words=words),))), words=words),
    )


def common_matches(section: Section) -> Iterator[Match]:
    """Match what rules, redirects and nat have in common beside addresses, ports and sets."""
    yield from _macs(section)
    if section.text("helper"):
        yield _other(section.said("helper"))
    limit = v.per_minute(section.text("limit"))
    if limit is not None:
        words = section.said("limit", "limit_burst")
        yield Match(RateWithin(limit, int(_burst(section) or 5), over=False, words=words), words=words)
    yield from _times(section)
    mark = v.mark(section.text("mark"))
    if mark is not None:
        yield Match(MarkIs(mark[1], mark[2]), mark[0], section.said("mark"))
    if section.type == "rule" and section.text("dscp"):
        yield _other(section.said("dscp"))
    for words in section.unknown:
        yield _other(words)


def _other(words: str) -> Match:
    return Match(Other(words), words=words)


def _macs(section: Section) -> Iterator[Match]:
    read = [mac for text in section.texts("src_mac") if (mac := v.mac(text)) is not None]
    for negated in (False, True):
        addresses = frozenset(address for not_in, address in read if not_in is negated)
        if addresses:
            yield Match(MacIn(addresses), negated, section.said("src_mac"))


def _times(section: Section) -> Iterator[Match]:
    """All seven days are always, and none of them is never."""
    words = section.said(*_WHEN)
    days = v.weekdays(section.text("weekdays"))
    if days is not None and len(days[1]) == 7:
        if days[0]:
            yield Match(AnyOf(()), words=words)
        words = section.said(*_WHEN[:-1])
    if words:
        yield Match(TimeIs(words), words=words)


def _burst(section: Section) -> int | float | None:
    return v.number(section.text("limit_burst", "0"))


def protocols(section: Section, default: str) -> list[str]:
    """Give the protocols of a section, the empty one for any."""
    return [name for text in section.texts("proto", default) for name in v.protocol(text) or ()]


def networks(section: Section, option: str, known: v.Networks | None) -> list[v.Subnet]:
    """Give the addresses of an option."""
    found: list[v.Subnet] = []
    for text in section.texts(option):
        read = v.subnets(text, known)
        found += read[1] if read is not None else ()
    return found


def refusals(section: Section, known: v.Networks | None) -> Iterator[str]:
    """Say what of a section that is in force nft would refuse, whatever else stands in it."""
    if len(f"!fw4: {section.name}".encode()) > COMMENT:
        yield "its name is too long"
    log = section.text("log")
    prefix = f"{section.name}: " if v.flag(log) else "" if v.flag(log) is False else log
    if len(prefix.encode()) > _LOG_PREFIX or "$" in prefix:
        yield "its log prefix is too long, or nft takes its $ for a name"
    for protocol in protocols(section, ""):
        numbered = v.number(protocol) if protocol.isdigit() else None
        if protocol and protocol not in v.KNOWN_PROTOCOLS and not (numbered is not None and numbered <= 255):
            yield f"nft may not know the protocol {protocol}"
    for option in ("src_ip", "dest_ip", "src_dip", "snat_ip", "subnet"):
        for one in networks(section, option, known):
            if one.refused:
                yield f"{section.said(option)}: {one.refused}"
    yield from _refused_limits(section)


def _refused_limits(section: Section) -> Iterator[str]:
    burst = _burst(section)
    if v.per_minute(section.text("limit")) == 0:
        yield section.said("limit")
    elif section.text("limit") and (not isinstance(burst, int) or burst < 0):
        yield section.said("limit_burst")
    start, stop = v.date(section.text("start_date")), v.date(section.text("stop_date"))
    if (start and stop and _seconds(stop) < _seconds(start)) or not all(
        v.is_date(date) for date in (start, stop) if date
    ):
        yield section.said("start_date", "stop_date")
    if len(section.text("device").encode()) > 15:
        yield section.said("device")


def _seconds(date: tuple[int, ...]) -> tuple[int, ...]:
    return (*date, 0, 0)[:6]


def target_numbers(found: Sequence[v.Subnet]) -> Numbers | None:
    """Give the address that a translation takes: the first."""
    return found[0].host if found else None
